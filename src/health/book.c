/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Two tables of sets of WAYS entries.  The set of an id depends on a secret number, since nodes
 * choose their ids.
 */
#include "health/book.h"

#include "util/xalloc.h"

enum {
	WAYS = 8,
};

#define FAILURES_MAX 1000000u

struct book {
	struct book_node *nodes;
	struct book_link *links;
	size_t node_sets, link_sets;
	uint64_t seed;
};

static size_t sets_for(size_t entries)
{
	return MAX(1, (entries + WAYS - 1) / WAYS);
}

struct book *book_create(size_t nodes, size_t links, const struct rng *rng)
{
	struct book *b = xcalloc(1, sizeof(*b));

	b->node_sets = sets_for(nodes);
	b->link_sets = sets_for(links);
	b->nodes = xcalloc(b->node_sets * WAYS, sizeof(*b->nodes));
	b->links = xcalloc(b->link_sets * WAYS, sizeof(*b->links));
	b->seed = rng_u64(rng) | 1;
	return b;
}

void book_free(struct book *b)
{
	if (b == NULL)
		return;
	free(b->nodes);
	free(b->links);
	free(b);
}

static uint64_t wall_s(const struct now *now)
{
	return now->wall_ns / NS_PER_S;
}

static size_t set_of(const struct book *b, uint64_t key, size_t sets)
{
	const uint64_t mixed = (key ^ key >> 29) * b->seed;

	return (size_t)((mixed >> 32) % sets) * WAYS;
}

static struct book_node *node_set(const struct book *b, const uint8_t id[static NODE_ID_LEN])
{
	return &b->nodes[set_of(b, get_le64(id), b->node_sets)];
}

static struct book_link *link_set(const struct book *b, const uint8_t from[static NODE_ID_LEN],
				  const uint8_t to[static NODE_ID_LEN])
{
	return &b->links[set_of(b, get_le64(from) * 31 + get_le64(to), b->link_sets)];
}

const struct book_node *book_node(const struct book *b, const uint8_t id[static NODE_ID_LEN])
{
	const struct book_node *set = node_set(b, id);

	for (size_t i = 0; i < WAYS; i++)
		if (set[i].seen_s != 0 && memcmp(set[i].id, id, NODE_ID_LEN) == 0)
			return &set[i];
	return NULL;
}

static const struct book_link *find_link(const struct book *b, const uint8_t *from,
					 const uint8_t *to)
{
	const struct book_link *set = link_set(b, from, to);

	for (size_t i = 0; i < WAYS; i++)
		if (set[i].seen_s != 0 && memcmp(set[i].from, from, NODE_ID_LEN) == 0 &&
		    memcmp(set[i].to, to, NODE_ID_LEN) == 0)
			return &set[i];
	return NULL;
}

uint64_t book_link_rtt_ns(const struct book *b, const uint8_t from[static NODE_ID_LEN],
			  const uint8_t to[static NODE_ID_LEN])
{
	const struct book_link *l = find_link(b, from, to);

	return l != NULL ? l->rtt_ns : 0;
}

uint32_t book_node_uptime_ppm(const struct book_node *n)
{
	return uptime_ppm(n->up_ns, n->down_ns);
}

/* The node's entry, or the oldest of its set made into one. */
static struct book_node *claim_node(struct book *b, const uint8_t *id)
{
	struct book_node *set = node_set(b, id), *oldest = set;

	for (size_t i = 0; i < WAYS; i++) {
		if (set[i].seen_s != 0 && memcmp(set[i].id, id, NODE_ID_LEN) == 0)
			return &set[i];
		if (set[i].seen_s < oldest->seen_s)
			oldest = &set[i];
	}
	*oldest = (struct book_node){0};
	memcpy(oldest->id, id, NODE_ID_LEN);
	return oldest;
}

static struct book_link *claim_link(struct book *b, const uint8_t *from, const uint8_t *to)
{
	struct book_link *set = link_set(b, from, to), *oldest = set;

	for (size_t i = 0; i < WAYS; i++) {
		if (set[i].seen_s != 0 && memcmp(set[i].from, from, NODE_ID_LEN) == 0 &&
		    memcmp(set[i].to, to, NODE_ID_LEN) == 0)
			return &set[i];
		if (set[i].seen_s < oldest->seen_s)
			oldest = &set[i];
	}
	*oldest = (struct book_link){0};
	memcpy(oldest->from, from, NODE_ID_LEN);
	memcpy(oldest->to, to, NODE_ID_LEN);
	return oldest;
}

/* ---- noting ---- */

static void note_level(struct book_node *n, enum health_level level, const struct now *now)
{
	if (level == HEALTH_RED && n->level != HEALTH_RED)
		n->failures = MIN(n->failures + 1, FAILURES_MAX);
	n->level = level;
	n->seen_s = MAX(wall_s(now), 1);
	n->is_dirty = true;
}

static void note_hop(struct book *b, struct route_health *r, unsigned hop,
		     const struct route_nodes *nodes, const struct now *now)
{
	static const uint8_t ourselves[NODE_ID_LEN];
	const struct health_figures f = route_health_hop(r, hop, now);
	struct uptime_estimate *u = &r->way[hop - 1].uptime;
	struct book_node *n = claim_node(b, nodes->id[hop - 1]);
	struct book_link *l;

	n->up_ns += u->up_ns;
	n->down_ns += u->down_ns;
	u->up_ns = u->down_ns = 0;
	n->excess_ns = f.excess_ns;
	n->lost_ppm = MAX(f.lost_out_ppm, f.lost_in_ppm);
	note_level(n, r->hop[hop - 1].level, now);
	if (!f.is_measured || (hop > 1 && r->way[hop - 2].rtt.samples == 0))
		return;
	l = claim_link(b, hop > 1 ? nodes->id[hop - 2] : ourselves, nodes->id[hop - 1]);
	l->rtt_ns = MAX(f.usual_ns, 1);
	l->seen_s = MAX(wall_s(now), 1);
	l->is_dirty = true;
}

void book_note_route(struct book *b, struct route_health *r, const struct route_nodes *nodes,
		     const struct now *now)
{
	for (unsigned hop = 1; hop <= MIN(r->hops, nodes->hops); hop++)
		note_hop(b, r, hop, nodes, now);
}

void book_note_dead(struct book *b, const uint8_t id[static NODE_ID_LEN], const struct now *now)
{
	note_level(claim_node(b, id), HEALTH_RED, now);
}

void book_note_load(struct book *b, const uint8_t id[static NODE_ID_LEN], uint8_t percent,
		    const struct now *now)
{
	struct book_node *n = claim_node(b, id);

	n->load_percent = percent;
	n->load_s = MAX(wall_s(now), 1);
	if (n->seen_s == 0)
		n->seen_s = n->load_s;
}

/* ---- storing ---- */

static bool is_current(uint64_t seen_s, const struct now *now)
{
	return seen_s != 0 && seen_s <= wall_s(now) && wall_s(now) - seen_s <= BOOK_LIFETIME_S;
}

bool book_put_node(struct book *b, const struct book_node *n, const struct now *now)
{
	struct book_node *out;

	if (!is_current(n->seen_s, now) || n->lost_ppm > PPM || n->excess_ns > RTT_WORST_NS ||
	    n->level >= HEALTH_LEVEL_COUNT || n->failures > FAILURES_MAX || n->up_ns > INT64_MAX ||
	    n->down_ns > INT64_MAX)
		return false;
	out = claim_node(b, n->id);
	*out = *n;
	out->load_s = 0;
	out->is_dirty = false;
	return true;
}

bool book_put_link(struct book *b, const struct book_link *l, const struct now *now)
{
	struct book_link *out;

	if (!is_current(l->seen_s, now) || l->rtt_ns == 0 || l->rtt_ns > RTT_WORST_NS)
		return false;
	out = claim_link(b, l->from, l->to);
	*out = *l;
	out->is_dirty = false;
	return true;
}

struct book_node *book_next_node(struct book *b, size_t *i)
{
	while (*i < b->node_sets * WAYS) {
		struct book_node *n = &b->nodes[(*i)++];

		if (n->seen_s != 0)
			return n;
	}
	return NULL;
}

struct book_link *book_next_link(struct book *b, size_t *i)
{
	while (*i < b->link_sets * WAYS) {
		struct book_link *l = &b->links[(*i)++];

		if (l->seen_s != 0)
			return l;
	}
	return NULL;
}
