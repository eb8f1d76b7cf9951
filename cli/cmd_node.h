/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the verbs of a node share. */
#ifndef CLI_CMD_NODE_H
#define CLI_CMD_NODE_H

#include "cli/cli.h"
#include "config/config.h"
#include "mesh/identity.h"

/* node_print_seeds(cli, cfg, id): a token for each --address, or else for each one configured. */
enum code node_print_seeds(const struct cli *cli, const struct config *cfg,
			   const struct identity *id);

/* node_identity_path(cli, cfg): in --state-dir, or else where the configuration says; for free().
 */
char *node_identity_path(const struct cli *cli, const struct config *cfg);

#endif
