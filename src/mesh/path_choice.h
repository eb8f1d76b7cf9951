/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Choosing the nodes of a circuit from the directory.  A few whole routes are drawn: nodes by
 * capacity, the less loaded of two, entries from the guards; no node, operator or network (/16,
 * IPv6 /32) twice, nor an autonomous system, if there are routes without.  Of these routes one of
 * the good is taken at random: those of low cost (mesh/path_cost.h) more often, never simply the
 * best.
 */
#ifndef MESH_PATH_CHOICE_H
#define MESH_PATH_CHOICE_H

#include "health/guard.h"
#include "mesh/directory.h"
#include "mesh/path_cost.h"
#include "mesh/places.h"
#include "mesh/region.h"

struct path_chooser; /* the directory, ready for drawing; follows its changes by itself */

struct path_chooser *path_chooser_create(const struct directory *dir); /* borrowed */
void path_chooser_free(struct path_chooser *pc);

enum path_exit {
	PATH_EXIT_ANY,
	PATH_EXIT_COUNTRY, /* but for those whose claim to be there is refuted */
	PATH_EXIT_REGION,  /* likewise */
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
	enum region exit_region;
	bool is_even; /* all exits that may be taken alike, whatever they can carry or cost */
	uint8_t exit_id[NODE_ID_LEN];
	bool is_only_asked;  /* PATH_EXIT_NODE: about the mesh, so that it need not be an exit */
	unsigned exit_reach; /* enum exit_flag that the exit must have; 0: any */
	unsigned reach;      /* enum path_family the client has; 0: both */
	const uint8_t *client_ip; /* 16 bytes or NULL: also no node of the client's own network */
	/* Never these (configuration), nor these (say, the path that just failed). */
	const uint8_t *exclude; /* ids back to back */
	size_t exclude_count;
	const uint8_t *avoid;
	size_t avoid_count;
	/* All these may be left out. */
	const struct places *places; /* where nodes are */
	const struct book *book;     /* what is known of nodes and links */
	struct guard_set *guards;    /* entries of routes of several hops; grows */
	char client_country[3];      /* where the client seems to be */
	/* Live routes of the same session: none of their relays, another entry if there is one. */
	const struct route_nodes *apart;
	size_t apart_count;
};

/* What the client needs to build the circuit. */
struct path_route {
	unsigned hops;
	struct create_hop hop[HOPS_MAX]; /* 0 is the entry */
	uint8_t entry_link_key[DH_LEN];
	uint8_t exit_session_key[DH_LEN];
	uint64_t cost_ns; /* mesh/path_cost.h */
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

/* path_cost_of(pc, wish, nodes, now): what a route costs now beside wish->apart, to compare live
 * ones with new ones; UINT64_MAX when one of its nodes is no longer known. */
uint64_t path_cost_of(struct path_chooser *pc, const struct path_wish *wish,
		      const struct route_nodes *nodes, const struct now *now);

#endif
