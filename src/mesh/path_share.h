/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * How often a node takes each of its places on routes, beside its capacity: who can be an entry or
 * an exit and is one of few should not spend its capacity as a relay, which others can be too.
 */
#ifndef MESH_PATH_SHARE_H
#define MESH_PATH_SHARE_H

#include <stdint.h>

#include "wire/role.h"

enum path_role {
	PATH_AS_ENTRY,
	PATH_AS_RELAY,
	PATH_AS_EXIT,
	PATH_ROLE_COUNT,
};

#define PATH_SHARE_ALL 1000u

struct path_shares {
	/* Of PATH_SHARE_ALL, by enum node_role bits; where it is highest it is all. */
	uint16_t of[PATH_ROLE_COUNT][ROLE_ALL + 1];
};

/* path_shares(capacity, hops): from the sums of the capacities of nodes with just those roles. */
struct path_shares path_shares(const uint64_t capacity[static ROLE_ALL + 1], unsigned hops);

#endif
