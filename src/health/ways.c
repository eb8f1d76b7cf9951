/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "health/ways.h"

#include "util/map.h"
#include "util/xalloc.h"

struct way {
	uint8_t id[NODE_ID_LEN];
	uint64_t rtt_ns; /* NEVER: not reached yet */
};

struct ways {
	struct map by_id;
	struct way *ways;
	size_t len, room;
};

static struct way *find(const struct ways *w, const uint8_t *id)
{
	const size_t number = (size_t)(uintptr_t)map_get(&w->by_id, get_le64(id));
	struct way *way = number != 0 ? &w->ways[number - 1] : NULL;

	return way != NULL && memcmp(way->id, id, NODE_ID_LEN) == 0 ? way : NULL;
}

static void add(struct ways *w, const uint8_t *id)
{
	if (map_get(&w->by_id, get_le64(id)) != NULL)
		return;
	if (w->len == w->room) {
		w->room = MAX(64, 2 * w->room);
		w->ways = xrealloc(w->ways, w->room, sizeof(*w->ways));
	}
	w->ways[w->len].rtt_ns = NEVER;
	memcpy(w->ways[w->len].id, id, NODE_ID_LEN);
	map_put(&w->by_id, get_le64(id), (void *)(uintptr_t)++w->len);
}

/* One link further from us than before; false when nothing got nearer. */
static bool reach_on(struct ways *w, struct book *b)
{
	static const uint8_t ourselves[NODE_ID_LEN];
	const struct book_link *l;
	bool is_nearer = false;
	size_t i = 0;

	while ((l = book_next_link(b, &i)) != NULL) {
		const bool is_first = memcmp(l->from, ourselves, NODE_ID_LEN) == 0;
		const struct way *from = is_first ? NULL : find(w, l->from);
		struct way *to = find(w, l->to);
		uint64_t rtt_ns = l->rtt_ns;

		if (to == NULL || (!is_first && (from == NULL || from->rtt_ns == NEVER)))
			continue;
		rtt_ns += is_first ? 0 : from->rtt_ns;
		is_nearer |= rtt_ns < to->rtt_ns;
		to->rtt_ns = MIN(to->rtt_ns, rtt_ns);
	}
	return is_nearer;
}

struct ways *ways_create(struct book *b, const struct rng *rng)
{
	struct ways *w = xcalloc(1, sizeof(*w));
	const struct book_link *l;
	size_t i = 0;

	map_init(&w->by_id, 64, rng);
	while ((l = book_next_link(b, &i)) != NULL)
		add(w, l->to);
	for (unsigned hop = 0; hop < HOPS_MAX && reach_on(w, b); hop++)
		;
	return w;
}

void ways_free(struct ways *w)
{
	if (w == NULL)
		return;
	map_fini(&w->by_id);
	free(w->ways);
	free(w);
}

uint64_t ways_rtt_ns(const struct ways *w, const uint8_t id[static NODE_ID_LEN])
{
	const struct way *way = find(w, id);

	return way != NULL && way->rtt_ns != NEVER ? way->rtt_ns : 0;
}
