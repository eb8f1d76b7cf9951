/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/node_config.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/file.h"
#include "mesh/invite.h"
#include "util/now.h"
#include "util/xalloc.h"

static const struct {
	const char *option, *key;
	enum config_section_id section;
} settings[NODE_SETTINGS] = {
    [NODE_STATE_DIR] = {"state-dir", "state_dir", CONFIG_DAEMON},
    [NODE_SEEDS] = {NULL, "seeds", CONFIG_MESH},
    [NODE_REGISTRAR] = {NULL, "registrar", CONFIG_MESH},
    [NODE_NAME] = {"name", "name", CONFIG_NODE},
    [NODE_ROLES] = {"roles", "roles", CONFIG_NODE},
    [NODE_COUNTRY] = {"country", "country", CONFIG_NODE},
    [NODE_CITY] = {"city", "city", CONFIG_NODE},
    [NODE_OPERATOR] = {"operator", "operator", CONFIG_NODE},
    [NODE_BANDWIDTH] = {"bandwidth", "bandwidth", CONFIG_NODE},
    [NODE_LISTEN] = {NULL, "listen", CONFIG_NODE},
    [NODE_ADDRESS] = {"address", "address", CONFIG_NODE},
    [NODE_PORT_MAPPING] = {"port-mapping", "port_mapping", CONFIG_NODE},
};

void node_config_set(struct node_config *n, enum node_setting setting, const char *value)
{
	char *copy = xstrdup(value);

	free(n->value[setting]);
	n->value[setting] = copy;
}

void node_config_free(struct node_config *n)
{
	for (size_t i = 0; i < NODE_SETTINGS; i++)
		free(n->value[i]);
	free(n->present);
}

/* One more of a list. */
static void add(struct node_config *n, enum node_setting setting, const char *value)
{
	char *longer = n->value[setting] != NULL ? xasprintf("%s, %s", n->value[setting], value)
						 : xstrdup(value);

	free(n->value[setting]);
	n->value[setting] = longer;
}

static enum code join_invite(struct node_config *n, const char *text)
{
	char registrar[2 * REGISTRY_KEY_LEN + 1], seed[SEED_TEXT_MAX];
	struct invite inv;
	const char *why;

	if (invite_parse(&inv, text, now_read().wall_ns / NS_PER_S, &why) != 0)
		return cli_error(CODE_USAGE, "this is no invite that can be used: %s", why);
	sodium_bin2hex(registrar, sizeof(registrar), inv.registrar, sizeof(inv.registrar));
	node_config_set(n, NODE_REGISTRAR, registrar);
	for (unsigned i = 0; i < inv.seed_count; i++)
		add(n, NODE_SEEDS, seed_format(&inv.seeds[i], seed));
	return CODE_OK;
}

enum code node_config_join(struct node_config *n, const char *text)
{
	char *copy = xstrdup(text), *rest = copy, *word;
	enum code code = CODE_OK;
	struct seed seed;
	const char *why;

	while (code == CODE_OK && (word = strsep(&rest, ", ")) != NULL) {
		if (word[0] == '\0')
			continue;
		if (strncmp(word, "macro:", 6) == 0)
			code = join_invite(n, word);
		else if (seed_parse(&seed, word, &why) != 0)
			code = cli_error(CODE_USAGE,
					 "\"%s\" is neither an invite nor a seed token: %s", word,
					 why);
		else
			add(n, NODE_SEEDS, word);
	}
	free(copy);
	return code;
}

enum code node_config_init(struct node_config *n, const struct cli *cli)
{
	long port = 0;
	enum code code = cli_number(cli, "port", 1, UINT16_MAX, &port);

	*n = (struct node_config){0};
	for (unsigned i = 0; i < cli->given_count && code == CODE_OK; i++) {
		const struct given *g = &cli->given[i];

		if (strpbrk(g->value, "#\n\r") != NULL)
			return cli_error(CODE_USAGE, "--%s: a # or a new line cannot be in a value",
					 g->name);
		if (strcmp(g->name, "seed") == 0)
			code = node_config_join(n, g->value);
		for (enum node_setting s = 0; s < NODE_SETTINGS; s++)
			if (settings[s].option != NULL && strcmp(settings[s].option, g->name) == 0)
				add(n, s, g->value);
	}
	if (port != 0) {
		char listen[16];

		snprintf(listen, sizeof(listen), "[::]:%ld", port);
		node_config_set(n, NODE_LISTEN, listen);
	}
	return code;
}

/* A section behind what is there. */
static void write_section(FILE *f, const struct node_config *n)
{
	fprintf(f, "%s\n[node]\n", n->present);
	for (size_t i = 0; i < NODE_SETTINGS; i++)
		if (settings[i].section == CONFIG_NODE && n->value[i] != NULL)
			fprintf(f, "%s = %s\n", settings[i].key, n->value[i]);
}

static void write_sample(FILE *f, const struct node_config *n)
{
	struct config_setting set[NODE_SETTINGS];
	size_t count = 0;

	for (size_t i = 0; i < NODE_SETTINGS; i++)
		if (n->value[i] != NULL)
			set[count++] = (struct config_setting){settings[i].section, settings[i].key,
							       n->value[i]};
	config_sample_write(f, set, count);
}

char *node_config_text(const struct node_config *n)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (f == NULL)
		abort();
	if (n->present != NULL)
		write_section(f, n);
	else
		write_sample(f, n);
	fclose(f);
	return text;
}

static enum code replace(const char *path, const char *text)
{
	char *fresh = xasprintf("%s.new", path);
	struct stat st;
	enum code code;

	(void)unlink(fresh);
	code = file_create(fresh, text, strlen(text));
	if (code == CODE_OK &&
	    (stat(path, &st) != 0 || chmod(fresh, st.st_mode & 07777) != 0 ||
	     chown(fresh, st.st_uid, st.st_gid) != 0 || rename(fresh, path) != 0)) {
		code = cli_error(CODE_FAILED, "cannot write %s: %s", path, strerror(errno));
		unlink(fresh);
	}
	free(fresh);
	return code;
}

enum code node_config_write(const struct node_config *n, const char *path)
{
	char *text = node_config_text(n);
	enum code code;

	if (n->present != NULL) {
		code = replace(path, text);
	} else {
		code = file_make_parent(path, 0755);
		if (code == CODE_OK)
			code = file_create(path, text, strlen(text));
	}
	if (code == CODE_OK)
		fprintf(stderr, "macro: %s written\n", path);
	free(text);
	return code;
}
