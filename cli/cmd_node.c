/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * For those who run a node.  init can be run again: what is there stays as it is.  Seeds go to
 * standard output, one a line, everything else to standard error.
 */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/client.h"
#include "cli/file.h"
#include "cli/show.h"
#include "config/config.h"
#include "mesh/identity.h"
#include "mesh/seed.h"
#include "util/xalloc.h"

static const struct {
	const char *option, *key;
	enum config_section_id section;
} init_settings[] = {
    {"state-dir", "state_dir", CONFIG_DAEMON},
    {"seed", "seeds", CONFIG_MESH},
    {"name", "name", CONFIG_NODE},
    {"roles", "roles", CONFIG_NODE},
    {"country", "country", CONFIG_NODE},
    {"address", "address", CONFIG_NODE},
    {"operator", "operator", CONFIG_NODE},
    {"bandwidth", "bandwidth", CONFIG_NODE},
};

/* All values of a repeated option as a list, or NULL. */
static char *join_option(const struct cli *cli, const char *name)
{
	char *all = NULL;

	for (unsigned i = 0; i < cli->given_count; i++) {
		char *longer;

		if (strcmp(cli->given[i].name, name) != 0)
			continue;
		longer = all != NULL ? xasprintf("%s, %s", all, cli->given[i].value)
				     : xstrdup(cli->given[i].value);
		free(all);
		all = longer;
	}
	return all;
}

static enum code check_values(const struct cli *cli)
{
	for (unsigned i = 0; i < cli->given_count; i++)
		if (strpbrk(cli->given[i].value, "#\n\r") != NULL)
			return cli_error(CODE_USAGE, "--%s: a # or a new line cannot be in a value",
					 cli->given[i].name);
	return CODE_OK;
}

/* The text of a configuration with what the options say. */
static char *render_config(const struct cli *cli)
{
	struct config_setting set[ARRAY_LEN(init_settings)];
	char *values[ARRAY_LEN(init_settings)], *text = NULL;
	size_t count = 0, size;
	FILE *f = open_memstream(&text, &size);

	if (f == NULL)
		abort();
	for (size_t i = 0; i < ARRAY_LEN(init_settings); i++) {
		char *value = join_option(cli, init_settings[i].option);

		if (value == NULL)
			continue; /* what is required is then missed by the parser */
		set[count] =
		    (struct config_setting){init_settings[i].section, init_settings[i].key, value};
		values[count++] = value;
	}
	config_sample_write(f, set, count);
	fclose(f);
	while (count > 0)
		free(values[--count]);
	return text;
}

/* The configuration that is there, or a new one from the options. */
static enum code load_or_create_config(const struct cli *cli, struct config **cfg)
{
	const char *path = cli->config_path;
	enum code code;
	char *text;

	if (access(path, F_OK) == 0) {
		fprintf(stderr, "macro: %s is there already and stays as it is\n", path);
		return config_load(cfg, path, stderr) == 0 ? CODE_OK : CODE_FAILED;
	}
	code = check_values(cli);
	if (code != CODE_OK)
		return code;
	text = render_config(cli);
	if (config_parse(cfg, text, strlen(text), path, stderr) != 0) {
		code = cli_error(CODE_USAGE, "%s is not written; see: macro help node init", path);
	} else {
		code = file_make_parent(path, 0755);
		if (code == CODE_OK)
			code = file_create(path, text, strlen(text));
		if (code == CODE_OK)
			fprintf(stderr, "macro: %s written\n", path);
		else
			config_free(*cfg);
	}
	free(text);
	return code;
}

static void print_seed(const struct identity *id, const struct endpoint *address)
{
	struct seed seed = {.addr = *address};
	char text[SEED_TEXT_MAX];

	memcpy(seed.id, id->id, sizeof(seed.id));
	memcpy(seed.link_public, id->link.public, sizeof(seed.link_public));
	printf("%s\n", seed_format(&seed, text));
}

/* A token for each --address, or else for each one configured. */
static enum code print_seeds(const struct cli *cli, const struct config *cfg,
			     const struct identity *id)
{
	struct endpoint address;
	unsigned printed = 0;

	for (unsigned i = 0; i < cli->given_count; i++) {
		if (strcmp(cli->given[i].name, "address") != 0)
			continue;
		if (endpoint_parse(&address, cli->given[i].value) != 0)
			return cli_error(CODE_USAGE,
					 "--address: \"%s\" is not IP:PORT or [IPV6]:PORT",
					 cli->given[i].value);
		print_seed(id, &address);
		printed++;
	}
	for (size_t i = 0; cfg != NULL && printed == 0 && i < cfg->node.address.count; i++)
		print_seed(id, &cfg->node.address.items[i]);
	if (printed == 0 && (cfg == NULL || cfg->node.address.count == 0))
		return cli_error(CODE_USAGE, "which address? give --address IP:PORT");
	return CODE_OK;
}

static char *identity_path(const struct cli *cli, const struct config *cfg)
{
	const char *dir = cli_option(cli, "state-dir");

	return xasprintf("%s/" CONFIG_IDENTITY_FILE, dir != NULL ? dir : cfg->daemon.state_dir);
}

enum code run_node_init(struct cli *cli)
{
	char error[IDENTITY_ERROR_MAX], *path;
	struct config *cfg;
	struct identity id;
	enum code code = load_or_create_config(cli, &cfg);

	if (code != CODE_OK)
		return code;
	path = identity_path(cli, cfg);
	code = file_make_parent(path, 0700);
	if (code != CODE_OK)
		goto out;
	if (sodium_init() < 0 || identity_load_or_create(&id, path, &rng_system, error) != 0) {
		code = cli_error(CODE_FAILED, "%s", error);
		goto out;
	}
	code = print_seeds(cli, cfg, &id);
	identity_wipe(&id);
out:
	free(path);
	config_free(cfg);
	return code;
}

enum code run_node_seed(struct cli *cli)
{
	const bool needs_config = !cli_has(cli, "state-dir") || !cli_has(cli, "address");
	char error[IDENTITY_ERROR_MAX], *path;
	struct config *cfg = NULL;
	struct identity id;
	enum code code;

	if (needs_config && config_load(&cfg, cli->config_path, stderr) != 0)
		return CODE_FAILED;
	path = identity_path(cli, cfg);
	if (identity_load(&id, path, error) != 0) {
		code = cli_error(CODE_FAILED, "%s", error);
	} else {
		code = print_seeds(cli, cfg, &id);
		identity_wipe(&id);
	}
	free(path);
	config_free(cfg);
	return code;
}

static void show_node(const json_t *node)
{
	const char *until = json_text(node, "descriptor_valid_until");
	char text[256];

	printf("%s\n", json_text(node, "name"));
	show_line("Id:", "%s", json_text(node, "id"));
	show_line("Roles:", "%s",
		  json_join(json_object_get(node, "roles"), ", ", text, sizeof(text)));
	show_line("Country:", "%s", json_text(node, "country"));
	show_line("Operator:", "%s", json_text(node, "operator"));
	show_line("Address:", "%s",
		  json_join(json_object_get(node, "addresses"), ", ", text, sizeof(text)));
	show_line("Listening on:", "%s", json_text(node, "listen"));
	show_line("Bandwidth:", "%s", show_bit_rate(json_count(node, "bandwidth_bps"), text));
	show_line("Since:", "%s", json_text(node, "since"));
	show_line("Descriptor until:", "%s", until[0] != '\0' ? until : "none yet");
	show_line("Known nodes:", "%" JSON_INTEGER_FORMAT, json_count(node, "known_nodes"));
	show_line("Workers:", "%zu", json_array_size(json_object_get(node, "workers")));
	show_line("Links:", "%" JSON_INTEGER_FORMAT, json_count(node, "links"));
	show_line("Circuits:", "%" JSON_INTEGER_FORMAT, json_count(node, "circuits"));
	show_line("Sessions:", "%" JSON_INTEGER_FORMAT, json_count(node, "sessions"));
	show_line(
	    "Cells carried:", "%" JSON_INTEGER_FORMAT " forward, %" JSON_INTEGER_FORMAT " backward",
	    json_count(node, "forward_cells"), json_count(node, "backward_cells"));
}

enum code run_node_status(struct cli *cli)
{
	json_t *answer, *node;
	enum code code = client_get(cli, "/v1/node", &answer);

	if (code != CODE_OK)
		return code;
	node = json_object_get(answer, "node");
	if (cli_has(cli, "json"))
		show_json(answer);
	else if (json_is_object(node))
		show_node(node);
	if (!json_is_object(node))
		code =
		    cli_error(CODE_FAILED, "this daemon is not a node; see: macro help node init");
	json_decref(answer);
	return code;
}
