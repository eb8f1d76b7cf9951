/* SPDX-License-Identifier: GPL-3.0-or-later */
/* For those who run a node: its seeds, which go to standard output, one a line, and its state. */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/client.h"
#include "cli/cmd_node.h"
#include "cli/file.h"
#include "cli/show.h"
#include "config/config.h"
#include "mesh/identity.h"
#include "mesh/seed.h"
#include "util/xalloc.h"

static void print_seed(const struct identity *id, const struct endpoint *address)
{
	struct seed seed = {.addr = *address};
	char text[SEED_TEXT_MAX];

	memcpy(seed.id, id->id, sizeof(seed.id));
	memcpy(seed.link_public, id->link.public, sizeof(seed.link_public));
	printf("%s\n", seed_format(&seed, text));
}

enum code node_print_seeds(const struct cli *cli, const struct config *cfg,
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

char *node_identity_path(const struct cli *cli, const struct config *cfg)
{
	const char *dir = cli_option(cli, "state-dir");

	return xasprintf("%s/" CONFIG_IDENTITY_FILE, dir != NULL ? dir : cfg->daemon.state_dir);
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
	path = node_identity_path(cli, cfg);
	if (identity_load(&id, path, error) != 0) {
		code = cli_error(CODE_FAILED, "%s", error);
	} else {
		code = node_print_seeds(cli, cfg, &id);
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
