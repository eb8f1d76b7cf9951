/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Choosing the nodes of a circuit from the directory: exit first, then entry, then relays; weighted
 * by capacity and free load; no node, operator or network (/16, IPv6 /32) twice.
 */
#ifndef MESH_PATH_CHOICE_H
#define MESH_PATH_CHOICE_H

#include "mesh/directory.h"

struct path_chooser; /* the directory, sorted for drawing; follows its version by itself */

struct path_chooser *path_chooser_create(const struct directory *dir); /* borrowed */
void path_chooser_free(struct path_chooser *pc);

enum path_exit {
	PATH_EXIT_ANY,
	PATH_EXIT_COUNTRY,
	PATH_EXIT_NODE,
};

enum path_family {
	PATH_V4 = 1 << 0,
	PATH_V6 = 1 << 1,
};

struct path_wish {
	unsigned hops; /* 1..HOPS_MAX */
	enum path_exit exit;
	char exit_country[3];
	uint8_t exit_id[NODE_ID_LEN];
	unsigned exit_reach;      /* enum exit_flag that the exit must have; 0: any */
	unsigned reach;           /* enum path_family the client has; 0: both */
	const uint8_t *client_ip; /* 16 bytes or NULL: also no node of the client's own network */
	/* Never these (configuration), nor these (say, the path that just failed). */
	const uint8_t *exclude; /* ids back to back */
	size_t exclude_count;
	const uint8_t *avoid;
	size_t avoid_count;
};

/* What the client needs to build the circuit. */
struct path_route {
	unsigned hops;
	struct create_hop hop[HOPS_MAX]; /* 0 is the entry */
	uint8_t entry_link_key[DH_LEN];
	uint8_t exit_session_key[DH_LEN];
};

#define PATH_ERRORS(X)                                                    \
	X(PATH_OK, "ok")                                                  \
	X(PATH_BAD_WISH, "bad_wish")         /* hops out of range */      \
	X(PATH_NO_NODES, "no_nodes")         /* the directory is empty */ \
	X(PATH_UNKNOWN_EXIT, "unknown_exit") /* no node of that id */     \
	X(PATH_NO_EXIT, "no_exit")                                        \
	X(PATH_NO_ENTRY, "no_entry")                                      \
	X(PATH_NO_RELAY, "no_relay")

enum path_error {
#define X(id, name) id,
	PATH_ERRORS(X)
#undef X
	PATH_ERROR_COUNT,
};

#define PATH_WHY_MAX 200

/* path_error_name(e): stable snake_case name. */
const char *path_error_name(enum path_error e);

/*
 * path_choose(pc, wish, now, rng, route, why): draw a path.  On failure *route is unchanged and why
 * says what is missing: "no exit in country JP: 0 of 11 exits", "no relay left: of 4 relays 3 share
 * an operator with the path, 1 a network".
 */
MUST_USE enum path_error path_choose(struct path_chooser *pc, const struct path_wish *wish,
				     const struct now *now, const struct rng *rng,
				     struct path_route *route, char why[static PATH_WHY_MAX]);

#endif
