/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a route costs: the round trips of its links, as time, and time added for what speaks against
 * its nodes.  Pure functions; the terms are kept apart, so that a choice can be explained.
 */
#ifndef MESH_PATH_COST_H
#define MESH_PATH_COST_H

#include "health/book.h"
#include "mesh/descriptor.h"

enum path_rtt_source {
	PATH_RTT_MEASURED, /* by ourselves */
	PATH_RTT_GUESSED,  /* from the countries */
};

/* A node in its place on a route. */
struct path_hop_cost {
	uint64_t rtt_ns; /* of the link from the hop before, or from us */
	enum path_rtt_source source;
	uint64_t load_ns;   /* for the load it tells */
	uint64_t health_ns; /* for what we saw of it: verdict, loss, time it was down */
	uint64_t shared_ns; /* for what it shares with other live routes */
	uint64_t place_ns;  /* for a refuted claim about where it is */
};

struct path_cost_view {
	const struct book *book;    /* NULL: nothing is known */
	const char *client_country; /* "": unknown */
	uint64_t wall_s;
};

/* path_hop_cost(v, before, d): before is NULL for the entry.  shared_ns and
 * place_ns are the caller's. */
struct path_hop_cost path_hop_cost(const struct path_cost_view *v, const struct descriptor *before,
				   const struct descriptor *d);

/* path_load(book, d): percent; what it said to us, or all, whichever is newer.  Who does not tell
 * counts as half full. */
unsigned path_load(const struct book *book, const struct descriptor *d);

uint64_t path_hop_cost_sum(const struct path_hop_cost *c);

#endif
