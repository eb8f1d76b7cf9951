/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What client and node share in the daemon: the engine's questions to the directory, seeds, node
 * views. */
#ifndef APP_MESH_APP_H
#define APP_MESH_APP_H

#include "config/config.h"
#include "control/view.h"
#include "mesh/membership.h"
#include "registry/registry.h"

/*
 * mesh_seeds(cfg, reg, out, error): whom to call first: the configured seeds, then as many as fit
 * of those in the seed file and of the members that the registry (NULL: none) tells where to call.
 * Their number, or -errno.
 */
MUST_USE int mesh_seeds(const struct config *cfg, const struct registry *reg,
			struct seed out[static SEEDS_MAX], char *error, size_t error_len);

/* mesh_has_source(cfg): the configuration names somebody to learn of nodes from. */
bool mesh_has_source(const struct config *cfg);

/* mesh_nodes_view(dir, roles, out): nodes with any of the roles. */
void mesh_nodes_view(const struct directory *dir, uint8_t roles, struct node_list_view *out);

/* stats_add(sum, s): of several engines. */
void stats_add(struct engine_stats *sum, const struct engine_stats *s);

void node_ref_fill(struct node_ref *ref, const uint8_t id[static NODE_ID_LEN], const char *name,
		   const char *country);
const char *config_aead_name(const struct config *cfg);

#endif
