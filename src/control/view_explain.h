/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Why the route goes through these nodes and not through others. */
#ifndef CONTROL_VIEW_EXPLAIN_H
#define CONTROL_VIEW_EXPLAIN_H

#include "control/view.h"

enum {
	VIEW_OTHERS_MAX = 3,
};

/* A node that could have stood there. */
struct other_view {
	struct node_ref node;
	const char *refusal; /* static: why it may not; NULL: it may */
	bool is_cheaper;     /* the route would cost less with it, or more, by: */
	uint64_t differs_ns;
};

struct hop_why_view {
	struct node_ref node;
	uint8_t roles; /* in this place */
	/* What it adds to the route's cost: the link to it, and all that speaks against it. */
	uint64_t link_rtt_ns, load_ns, health_ns, shared_ns, place_ns;
	bool is_measured; /* link_rtt_ns is; else guessed from the countries */
	uint64_t bandwidth_bps;
	bool has_load;
	uint8_t load_percent;
	bool is_guard;
	uint64_t candidates;
	unsigned other_count;
	struct other_view other[VIEW_OTHERS_MAX];
};

struct explanation_view {
	unsigned hop_count; /* 0: there is no route */
	uint64_t cost_ns;
	struct hop_why_view hop[VIEW_HOPS_MAX];
};

#endif
