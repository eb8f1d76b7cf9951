/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What client and node share in the daemon: where to begin, and what is behind their directories.
 */
#ifndef APP_MESH_APP_H
#define APP_MESH_APP_H

#include "config/config.h"
#include "mesh/membership.h"
#include "registry/registry.h"

struct view_cache;

/*
 * mesh_seeds(cfg, reg, out, error): whom to call first: the configured seeds, then as many as fit
 * of those in the seed file and of the members that the registry (NULL: none) tells where to call.
 * Their number, or -errno.
 */
MUST_USE int mesh_seeds(const struct config *cfg, const struct registry *reg,
			struct seed out[static SEEDS_MAX], char *error, size_t error_len);

/* mesh_has_source(cfg): the configuration names somebody to learn of nodes from. */
bool mesh_has_source(const struct config *cfg);

/* mesh_registry(cfg): an empty one of the mesh that is configured, with what vouches for it; NULL:
 * an open mesh. */
struct registry *mesh_registry(const struct config *cfg);

/* mesh_directory(cfg, reg): an empty one, of the registry's members if there is one. */
struct directory *mesh_directory(const struct config *cfg, struct registry *reg);

/* mesh_change_gap_ns(cfg): how often a node may change its descriptor. */
uint64_t mesh_change_gap_ns(const struct config *cfg);

/* mesh_membership_params(cfg, reg): what the configuration says, for membership_create; the rest is
 * the owner's. */
struct membership_params mesh_membership_params(const struct config *cfg, struct registry *reg);

/* mesh_cache(cfg, name): of the directory, in state_dir. */
struct view_cache *mesh_cache(const struct config *cfg, const char *name);

/* stats_add(sum, s): of several engines. */
void stats_add(struct engine_stats *sum, const struct engine_stats *s);

const char *config_aead_name(const struct config *cfg);

#endif
