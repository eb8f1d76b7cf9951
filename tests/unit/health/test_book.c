/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "health/book.h"

#include "tests/lib/test.h"
#include "tests/unit/health/clock.h"

static struct rng rng;
static const uint8_t ourselves[NODE_ID_LEN];

static void name_node(uint8_t id[NODE_ID_LEN], unsigned n)
{
	memset(id, 0, NODE_ID_LEN);
	put_le32(id, n);
	id[31] = 1;
}

static void test_notes_routes(void)
{
	struct book *b = book_create(64, 64, &rng);
	struct now now = clock_start();
	struct route_nodes nodes = {.hops = 3};
	struct route_health r;

	for (unsigned i = 0; i < 3; i++)
		name_node(nodes.id[i], i);
	route_health_init(&r, 3);
	for (unsigned i = 0; i < 20; i++) {
		clock_pass(&now, NS_PER_S);
		route_health_echo(&r, 1, 20 * NS_PER_MS, &now);
		route_health_echo(&r, 2, (i < 10 ? 50 : 450) * NS_PER_MS, &now);
		route_health_judge(&r, &health_limits_default, &now);
		book_note_route(b, &r, &nodes, &now);
	}
	CHECK_INT(book_link_rtt_ns(b, ourselves, nodes.id[0]), 20 * NS_PER_MS);
	CHECK_INT(book_link_rtt_ns(b, nodes.id[0], nodes.id[1]), 30 * NS_PER_MS);
	CHECK_INT(book_node(b, nodes.id[1])->excess_ns, 400 * NS_PER_MS);
	CHECK_INT(book_link_rtt_ns(b, nodes.id[1], nodes.id[2]), 0); /* was not measured */
	CHECK_INT(book_link_rtt_ns(b, nodes.id[1], nodes.id[0]), 0); /* the other way round */
	NEED(book_node(b, nodes.id[1]) != NULL);
	CHECK_INT(book_node(b, nodes.id[1])->level, HEALTH_RED);
	CHECK_INT(book_node(b, nodes.id[1])->failures, 1);
	CHECK_INT(book_node(b, nodes.id[1])->up_ns, 19 * NS_PER_S);
	CHECK_INT(book_node(b, nodes.id[0])->level, HEALTH_GREEN);
	book_note_dead(b, nodes.id[2], &now);
	CHECK_INT(book_node(b, nodes.id[2])->level, HEALTH_RED);
	book_free(b);
}

/* Full, it keeps what is newest. */
static void test_bounded(void)
{
	struct book *b = book_create(64, 64, &rng);
	struct now now = clock_start();
	uint8_t id[NODE_ID_LEN];
	size_t i = 0, count = 0, recent = 0;

	for (unsigned n = 0; n < 10000; n++) {
		name_node(id, n);
		clock_pass(&now, NS_PER_S);
		book_note_dead(b, id, &now);
		CHECK(book_node(b, id) != NULL);
	}
	while (book_next_node(b, &i) != NULL)
		count++;
	CHECK_INT(count, 64);
	for (unsigned n = 10000 - 32; n < 10000; n++) {
		name_node(id, n);
		recent += book_node(b, id) != NULL;
	}
	CHECK(recent > 25);
	book_free(b);
}

static void test_refuses_nonsense(void)
{
	struct book *b = book_create(64, 64, &rng);
	const struct now now = clock_start();
	const struct book_node fine = {.id = {1}, .seen_s = CLOCK_WALL_S - 5, .lost_ppm = 10};
	const struct book_link link = {.to = {1}, .seen_s = CLOCK_WALL_S, .rtt_ns = NS_PER_MS};
	struct book_node n = fine;
	struct book_link l = link;

	CHECK(book_put_node(b, &n, &now));
	CHECK_INT(book_node(b, n.id)->lost_ppm, 10);
	n.seen_s = CLOCK_WALL_S + 1; /* from the future */
	CHECK(!book_put_node(b, &n, &now));
	n.seen_s = CLOCK_WALL_S - BOOK_LIFETIME_S - 1;
	CHECK(!book_put_node(b, &n, &now));
	n = fine;
	n.lost_ppm = PPM + 1;
	CHECK(!book_put_node(b, &n, &now));
	n = fine;
	n.level = HEALTH_LEVEL_COUNT;
	CHECK(!book_put_node(b, &n, &now));
	n = fine;
	n.up_ns = (uint64_t)-1; /* what a negative number becomes */
	CHECK(!book_put_node(b, &n, &now));
	n = fine;
	n.excess_ns = RTT_WORST_NS + 1;
	CHECK(!book_put_node(b, &n, &now));
	CHECK(book_put_link(b, &l, &now));
	l.rtt_ns = 0;
	CHECK(!book_put_link(b, &l, &now));
	l.rtt_ns = RTT_WORST_NS + 1;
	CHECK(!book_put_link(b, &l, &now));
	l = link;
	l.seen_s = CLOCK_WALL_S + 1;
	CHECK(!book_put_link(b, &l, &now));
	CHECK_INT(book_link_rtt_ns(b, ourselves, link.to), NS_PER_MS);
	book_free(b);
}

int main(void)
{
	rng = rng_seeded(3);
	RUN(test_notes_routes);
	RUN(test_bounded);
	RUN(test_refuses_nonsense);
	rng_seeded_free(&rng);
	return test_done();
}
