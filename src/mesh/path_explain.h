/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Why a route goes through these nodes and not through others, with numbers. */
#ifndef MESH_PATH_EXPLAIN_H
#define MESH_PATH_EXPLAIN_H

#include "mesh/path_choice.h"

#define PATH_OTHERS_MAX 3

/* A node that could have stood there. */
struct path_other {
	uint8_t id[NODE_ID_LEN];
	char text[DESCRIPTOR_TEXT_MAX]; /* "name/NL/1a2b3c4d" */
	const char *refusal;            /* why it may not; NULL: it may */
	bool is_cheaper;                /* the route would cost less with it, or more, by: */
	uint64_t differs_ns;
};

struct path_hop_why {
	uint8_t id[NODE_ID_LEN];
	char text[DESCRIPTOR_TEXT_MAX];
	struct path_hop_cost cost;
	uint64_t capacity_kbit;
	unsigned load_percent; /* LOAD_UNKNOWN: it does not tell */
	bool is_guard;
	size_t candidates; /* nodes with that role, or guards */
	struct path_other
	    other[PATH_OTHERS_MAX]; /* the cheapest of those looked at, fit ones first */
	unsigned others;
};

struct path_explanation {
	unsigned hops;
	uint64_t cost_ns;
	struct path_hop_why hop[HOPS_MAX];
};

/* path_explain: of a route that is in use or was just chosen by this wish.  0, or -ENOENT when one
 * of its nodes is no longer known. */
MUST_USE int path_explain(struct path_chooser *pc, const struct path_wish *wish,
			  const struct route_nodes *nodes, const struct now *now,
			  const struct rng *rng, struct path_explanation *out);

/* path_other_text(o, out): "would cost 12.5 ms more", or the refusal. */
const char *path_other_text(const struct path_other *o, char out[static PATH_WHY_MAX]);

#endif
