/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What this client has found out about nodes and the links between them, across routes and (by
 * health/history.h) restarts.  A fixed number of entries: the oldest of a few gives way to a new
 * one, and what is old counts less and less.  Times are wall clock, for it outlives the machine's.
 */
#ifndef HEALTH_BOOK_H
#define HEALTH_BOOK_H

#include "health/route_health.h"
#include "util/rng.h"

#define BOOK_LIFETIME_S (30 * 24 * 3600)
#define BOOK_HALF_S     600 /* in which a bad verdict loses half its weight */
#define BOOK_NODES      4096
#define BOOK_LINKS      8192

struct book;

/* Who the hops of a route are. */
struct route_nodes {
	unsigned hops;
	uint8_t id[HOPS_MAX][NODE_ID_LEN];
};

struct book_node {
	uint8_t id[NODE_ID_LEN];
	uint64_t seen_s; /* when last noted; 0: free */
	uint64_t up_ns, down_ns;
	uint64_t excess_ns; /* delay it added above its usual */
	uint32_t lost_ppm;
	uint32_t failures; /* times it was red */
	enum health_level level;
	uint8_t load_percent;
	uint64_t load_s; /* when it said so to us; 0: never.  Not worth storing */
	bool is_dirty;   /* not saved since */
};

/* The usual round trip between two neighbours on a route; from is all zeros for ourselves. */
struct book_link {
	uint8_t from[NODE_ID_LEN], to[NODE_ID_LEN];
	uint64_t seen_s; /* 0: free */
	uint64_t rtt_ns;
	bool is_dirty;
};

/* book_create: room for about as many; BOOK_NODES and BOOK_LINKS in a client. */
struct book *book_create(size_t nodes, size_t links, const struct rng *rng);
void book_free(struct book *b);

/* book_note_route: what a route's health says of its hops. */
void book_note_route(struct book *b, struct route_health *r, const struct route_nodes *nodes,
		     const struct now *now);

/* book_note_dead: a node that could not be reached or did not answer at all, without a route. */
void book_note_dead(struct book *b, const uint8_t id[static NODE_ID_LEN], const struct now *now);

/* book_note_load: a node has just said how much of its bandwidth it uses. */
void book_note_load(struct book *b, const uint8_t id[static NODE_ID_LEN], uint8_t percent,
		    const struct now *now);

/* Lookups; NULL and 0: nothing known. */
const struct book_node *book_node(const struct book *b, const uint8_t id[static NODE_ID_LEN]);
uint64_t book_link_rtt_ns(const struct book *b, const uint8_t from[static NODE_ID_LEN],
			  const uint8_t to[static NODE_ID_LEN]);

/* book_node_uptime_ppm(n): of the time in which we looked. */
uint32_t book_node_uptime_ppm(const struct book_node *n);

/* For storing: take over what was stored (nonsense and what is too old is refused: false), and walk
 * through all, *i from 0; NULL at the end. */
bool book_put_node(struct book *b, const struct book_node *n, const struct now *now);
bool book_put_link(struct book *b, const struct book_link *l, const struct now *now);
struct book_node *book_next_node(struct book *b, size_t *i);
struct book_link *book_next_link(struct book *b, size_t *i);

#endif
