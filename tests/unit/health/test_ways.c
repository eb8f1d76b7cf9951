/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "health/ways.h"

#include "tests/lib/test.h"
#include "tests/unit/health/clock.h"

enum {
	NODES = 8
};

static void name_node(uint8_t id[NODE_ID_LEN], unsigned n)
{
	memset(id, (int)n, NODE_ID_LEN); /* 0: ourselves */
}

static void link_nodes(struct book *b, unsigned from, unsigned to, unsigned ms)
{
	const struct now now = clock_start();
	struct book_link l = {.seen_s = now.wall_ns / NS_PER_S, .rtt_ns = ms * NS_PER_MS};

	name_node(l.from, from);
	name_node(l.to, to);
	CHECK(book_put_link(b, &l, &now));
}

static void test_the_shortest_way(void)
{
	static const unsigned want_ms[NODES] = {0, 10, 15, 25, 30, 0, 0, 0};
	struct book *b = book_create(64, 64, &rng_system);
	struct ways *w;
	uint8_t id[NODE_ID_LEN];

	link_nodes(b, 0, 1, 10);
	link_nodes(b, 0, 2, 40);
	link_nodes(b, 1, 2, 5);
	link_nodes(b, 2, 3, 10);
	link_nodes(b, 1, 3, 50);
	link_nodes(b, 3, 4, 5);
	link_nodes(b, 5, 6, 5); /* nobody knows how far it is to 5 */
	w = ways_create(b, &rng_system);
	for (unsigned n = 1; n < NODES; n++) {
		name_node(id, n);
		CHECK_INT(ways_rtt_ns(w, id), want_ms[n] * NS_PER_MS);
	}
	ways_free(w);
	book_free(b);
}

static void test_nothing_known(void)
{
	struct book *b = book_create(64, 64, &rng_system);
	struct ways *w = ways_create(b, &rng_system);
	uint8_t id[NODE_ID_LEN];

	name_node(id, 1);
	CHECK_INT(ways_rtt_ns(w, id), 0);
	ways_free(w);
	ways_free(NULL);
	book_free(b);
}

int main(void)
{
	RUN(test_the_shortest_way);
	RUN(test_nothing_known);
	return test_done();
}
