/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Shared by choosing a path and explaining the choice. */
#ifndef MESH_PATH_CHOICE_INT_H
#define MESH_PATH_CHOICE_INT_H

#include "mesh/path_choice.h"
#include "mesh/path_table.h"

struct path_chooser {
	const struct directory *dir;
	struct path_tables tables;
};

/* Why a candidate cannot take a place. */
#define PATH_REFUSALS(X)                                       \
	X(FITS, "")                                            \
	X(EXCLUDED, "excluded or to be avoided")               \
	X(EXPIRED, "expired")                                  \
	X(NO_KEY, "without a valid onion key")                 \
	X(VERSION, "of another protocol version")              \
	X(NOT_ENTRY, "not also an entry")                      \
	X(REACH, "not reaching the wanted address family")     \
	X(FAMILY, "without a common address family")           \
	X(TAKEN, "already on the path")                        \
	X(OTHER_ROUTE, "already on another route")             \
	X(SAME_OPERATOR, "of an operator already on the path") \
	X(SAME_NETWORK, "in a network already on the path")    \
	X(SAME_AS, "in an autonomous system already on it")    \
	X(REFUTED, "whose place others' round trips refute")   \
	X(CLIENT_NETWORK, "in the client's own network")

enum path_refusal {
#define X(id, text) id,
	PATH_REFUSALS(X)
#undef X
	REFUSAL_COUNT,
};

/* A look at all candidates of a place. */
struct tally {
	size_t candidates;
	size_t refused[REFUSAL_COUNT];
};

struct pick {
	struct path_chooser *pc;
	const struct path_wish *wish;
	const struct rng *rng;
	const struct now *now;
	uint64_t wall_s;
	size_t budget;
	bool may_share_as, has_shared_as;    /* somebody was refused for that */
	const struct descriptor *named_exit; /* PATH_EXIT_NODE, or drawn already */
	struct path_shares shares;
	const struct descriptor *hop[HOPS_MAX]; /* NULL: still free */
	/* The place furthest on that nobody could take, and why. */
	bool has_failed;
	unsigned failed_level;
	struct tally failed;
};

const char *path_refusal_text(enum path_refusal r);

/* path_judge(p, place, d): may d stand there, beside the other hops of p? */
enum path_refusal path_judge(const struct pick *p, unsigned place, const struct descriptor *d);

/* path_span_of(p, place): who comes into question there, guards aside. */
struct path_span path_span_of(const struct pick *p, unsigned place);

/* path_pick_cost(p, hops): of all hops of p, which are filled; the terms of each if hops is not
 * NULL. */
uint64_t path_pick_cost(const struct pick *p, struct path_hop_cost *hops);

#endif
