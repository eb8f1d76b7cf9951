/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What macro node init writes: the settings of a node-to-be, and the file made of them. */
#ifndef CLI_NODE_CONFIG_H
#define CLI_NODE_CONFIG_H

#include "cli/cli.h"
#include "config/config.h"

enum node_setting {
	NODE_STATE_DIR,
	NODE_SEEDS,
	NODE_REGISTRAR,
	NODE_NAME,
	NODE_ROLES,
	NODE_COUNTRY,
	NODE_CITY,
	NODE_OPERATOR,
	NODE_BANDWIDTH,
	NODE_LISTEN,
	NODE_ADDRESS,
	NODE_PORT_MAPPING,
	NODE_SETTINGS,
};

struct node_config {
	char *value[NODE_SETTINGS]; /* NULL: as the file says by itself */
	char *present;              /* the file's text before; NULL: there was none */
};

/* node_config_init(n, cli): from the options; invites become seeds and a registrar. */
enum code node_config_init(struct node_config *n, const struct cli *cli);
void node_config_free(struct node_config *n);

/* node_config_set(n, setting, value): a copy. */
void node_config_set(struct node_config *n, enum node_setting setting, const char *value);

/* node_config_join(n, text): a seed token, several with commas, or an invite. */
enum code node_config_join(struct node_config *n, const char *text);

/* node_config_text(n): what the file is to be; for free(). */
char *node_config_text(const struct node_config *n);

/* node_config_write(n, path): whole or not at all. */
enum code node_config_write(const struct node_config *n, const char *path);

#endif
