/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What routes cost, how that and live routes and guards steer the choice, and its explanation. */
#include "mesh/path_cost.h"

#include "mesh/geo.h"
#include "mesh/path_explain.h"
#include "tests/lib/test.h"
#include "tests/unit/mesh/fixture.h"

static struct rng rng;
static char why[PATH_WHY_MAX];

struct mesh {
	struct directory *dir;
	struct path_chooser *pc;
	struct book *book;
};

/* Node n stands in countries[n % 4]. */
static struct mesh mesh_create(unsigned nodes)
{
	static const char countries[][3] = {"DE", "NL", "AU", "CL"};
	struct mesh m = {.dir = fixture_directory(1000), .book = book_create(256, 256, &rng)};

	m.pc = path_chooser_create(m.dir);
	for (unsigned n = 0; n < nodes; n++) {
		struct descriptor d = fixture_descriptor(n);

		memcpy(d.country, countries[n % 4], 3);
		if (fixture_add(m.dir, &d, n) != DIRECTORY_ADDED)
			abort();
	}
	return m;
}

static void mesh_free(struct mesh *m)
{
	path_chooser_free(m->pc);
	directory_free(m->dir);
	book_free(m->book);
}

static unsigned number_of(const struct mesh *m, const uint8_t id[static NODE_ID_LEN])
{
	return (unsigned)atoi(directory_by_id(m->dir, id)->name + 5);
}

static struct route_nodes nodes_of(const struct path_route *route)
{
	struct route_nodes n = {.hops = route->hops};

	for (unsigned i = 0; i < route->hops; i++)
		memcpy(n.id[i], route->hop[i].id, NODE_ID_LEN);
	return n;
}

static enum path_error choose(struct mesh *m, const struct path_wish *w, struct path_route *route)
{
	const struct now now = fixture_now();

	return path_choose(m->pc, w, &now, &rng, route, why);
}

static void test_geography(void)
{
	CHECK_INT(geo_rtt_ns("DE", "DE"), 8 * NS_PER_MS);
	CHECK_INT(geo_rtt_ns("DE", "AU"), geo_rtt_ns("AU", "DE"));
	CHECK(geo_rtt_ns("DE", "NL") < 20 * NS_PER_MS);
	CHECK(geo_rtt_ns("DE", "AU") > 200 * NS_PER_MS && geo_rtt_ns("DE", "AU") < 320 * NS_PER_MS);
	CHECK(geo_rtt_ns("US", "GB") > 70 * NS_PER_MS && geo_rtt_ns("US", "GB") < 130 * NS_PER_MS);
	CHECK_INT(geo_rtt_ns("", "DE"), geo_rtt_ns("QQ", "DE")); /* unknown: the same for all */
	CHECK_INT(geo_rtt_ns("DE", "ZZ"), geo_rtt_ns("", "NL"));
}

/* Own measurement before geography; the shares of load, verdict, loss and time down. */
static void test_terms(void)
{
	struct mesh m = mesh_create(0);
	const struct now now = fixture_now();
	const struct path_cost_view view = {
	    .book = m.book, .client_country = "DE", .wall_s = FIXTURE_WALL_S};
	struct descriptor a = fixture_descriptor(1), b = fixture_descriptor(2);
	struct book_link link = {.seen_s = FIXTURE_WALL_S, .rtt_ns = 33 * NS_PER_MS};
	struct book_node node = {
	    .seen_s = FIXTURE_WALL_S, .level = HEALTH_RED, .lost_ppm = 100000, .failures = 1};
	struct path_hop_cost c;

	a.id[0] = 1;
	b.id[0] = 2;
	b.load_percent = 100;
	c = path_hop_cost(&view, NULL, &a);
	CHECK_INT(c.source, PATH_RTT_GUESSED);
	CHECK_INT(c.rtt_ns, geo_rtt_ns("DE", "NL"));
	CHECK_INT(c.load_ns + c.health_ns + c.shared_ns, 0);
	memcpy(link.from, a.id, NODE_ID_LEN);
	memcpy(link.to, b.id, NODE_ID_LEN);
	memcpy(node.id, b.id, NODE_ID_LEN);
	CHECK(book_put_link(m.book, &link, &now));
	CHECK(book_put_node(m.book, &node, &now));
	c = path_hop_cost(&view, &a, &b);
	CHECK_INT(c.source, PATH_RTT_MEASURED);
	CHECK_INT(c.rtt_ns, 33 * NS_PER_MS);
	CHECK_INT(c.load_ns, 100 * NS_PER_MS);
	CHECK_INT(c.health_ns, 2500 * NS_PER_MS);
	node.seen_s -= 2 * BOOK_HALF_S; /* what is old counts less */
	CHECK(book_put_node(m.book, &node, &now));
	CHECK_INT(path_hop_cost(&view, &a, &b).health_ns, 625 * NS_PER_MS);
	mesh_free(&m);
}

/* Near routes are taken more often, far ones now and then; never always the same. */
static void test_prefers_near(void)
{
	struct mesh m = mesh_create(60);
	const struct path_wish w = {.hops = 3, .client_country = "DE"};
	unsigned near = 0, far = 0, used[60] = {0}, different = 0;

	for (unsigned i = 0; i < 1000; i++) {
		struct path_route route;

		NEED(choose(&m, &w, &route) == PATH_OK);
		for (unsigned h = 0; h < 3; h++) {
			const unsigned n = number_of(&m, route.hop[h].id);

			if (n % 4 < 2)
				near++;
			else
				far++;
			used[n]++;
		}
	}
	for (unsigned n = 0; n < 60; n++)
		different += used[n] > 0;
	printf("# hops near %u, far %u; %u of 60 nodes used\n", near, far, different);
	CHECK(near > 2 * far);
	CHECK(far > 0);
	CHECK(different > 50);
	mesh_free(&m);
}

/* Nodes that did badly are hardly taken, until that is long ago. */
static void test_avoids_the_bad(void)
{
	struct mesh m = mesh_create(12);
	const struct path_wish w = {.hops = 2, .book = m.book};
	struct now now = fixture_now();
	unsigned bad = 0;

	for (unsigned n = 0; n < 6; n++) {
		struct identity id;

		fixture_identity(&id, n);
		book_note_dead(m.book, id.id, &now);
	}
	for (unsigned i = 0; i < 500; i++) {
		struct path_route route;

		NEED(choose(&m, &w, &route) == PATH_OK);
		bad += number_of(&m, route.hop[0].id) < 6;
		bad += number_of(&m, route.hop[1].id) < 6;
	}
	printf("# bad nodes in %u of 1000 places\n", bad);
	CHECK(bad < 50);
	mesh_free(&m);
}

/* Routes of one session share no relay, and another entry is taken when there is one. */
static void test_apart(void)
{
	struct mesh m = mesh_create(20);
	struct path_wish w = {.hops = 3};
	struct path_route first, second, third;
	unsigned shared_entries = 0;

	for (unsigned i = 0; i < 200; i++) {
		struct route_nodes live[2];

		NEED(choose(&m, &w, &first) == PATH_OK);
		live[0] = nodes_of(&first);
		w.exit = PATH_EXIT_NODE;
		memcpy(w.exit_id, first.hop[2].id, NODE_ID_LEN);
		w.apart = live;
		w.apart_count = 1;
		NEED(choose(&m, &w, &second) == PATH_OK);
		live[1] = nodes_of(&second);
		w.apart_count = 2;
		NEED(choose(&m, &w, &third) == PATH_OK);
		CHECK(memcmp(first.hop[1].id, second.hop[1].id, NODE_ID_LEN) != 0);
		CHECK(memcmp(third.hop[1].id, first.hop[1].id, NODE_ID_LEN) != 0);
		CHECK(memcmp(third.hop[1].id, second.hop[1].id, NODE_ID_LEN) != 0);
		CHECK(memcmp(first.hop[1].id, second.hop[0].id, NODE_ID_LEN) != 0);
		CHECK(memcmp(first.hop[0].id, second.hop[1].id, NODE_ID_LEN) != 0);
		CHECK_MEM(third.hop[2].id, first.hop[2].id, NODE_ID_LEN);
		shared_entries += memcmp(first.hop[0].id, second.hop[0].id, NODE_ID_LEN) == 0;
		w = (struct path_wish){.hops = 3};
	}
	CHECK(shared_entries < 10);
	mesh_free(&m);
	m = mesh_create(3); /* one way only */
	NEED(choose(&m, &w, &first) == PATH_OK);
	const struct route_nodes live = nodes_of(&first);

	w = (struct path_wish){.hops = 3, .exit = PATH_EXIT_NODE, .apart = &live, .apart_count = 1};
	memcpy(w.exit_id, live.id[2], NODE_ID_LEN);
	CHECK(choose(&m, &w, &second) != PATH_OK);
	CHECK(strstr(why, "already on another route") != NULL);
	mesh_free(&m);
}

/* Entries are the same few, over any number of routes; and change when they fail. */
static void test_guards(void)
{
	struct mesh m = mesh_create(40);
	struct guard_set set = {0};
	struct path_wish w = {.hops = 3, .guards = &set};
	const struct now now = fixture_now();
	struct path_route route;

	for (unsigned i = 0; i < 300; i++) {
		NEED(choose(&m, &w, &route) == PATH_OK);
		CHECK(guard_find(&set, route.hop[0].id) != NULL);
	}
	CHECK_INT(set.count, GUARDS_WANTED);
	uint8_t failed[NODE_ID_LEN];

	memcpy(failed, set.guard[0].id, NODE_ID_LEN);
	guard_note(&set, failed, false, &now);
	w.avoid = failed;
	w.avoid_count = 1;
	for (unsigned i = 0; i < 100; i++) {
		NEED(choose(&m, &w, &route) == PATH_OK);
		CHECK(memcmp(route.hop[0].id, failed, NODE_ID_LEN) != 0);
	}
	CHECK_INT(set.count, GUARDS_WANTED + 1);
	w.hops = 1; /* an exit called directly is nobody's guard */
	for (unsigned i = 0; i < 20; i++)
		NEED(choose(&m, &w, &route) == PATH_OK);
	CHECK_INT(set.count, GUARDS_WANTED + 1);
	mesh_free(&m);
}

/* All guards stand where the exit stands: another entry rather than none. */
static void test_guards_that_do_not_fit(void)
{
	struct mesh m = mesh_create(8);
	struct guard_set set = {0};
	struct path_wish w = {.hops = 2, .guards = &set, .exit = PATH_EXIT_NODE};
	const struct now now = fixture_now();
	struct path_route route;
	struct identity id;

	for (unsigned n = 0; n < GUARDS_WANTED; n++) {
		fixture_identity(&id, n);
		guard_add(&set, id.id, &now);
	}
	uint8_t avoid[2][NODE_ID_LEN];

	memcpy(avoid[0], set.guard[1].id, NODE_ID_LEN);
	memcpy(avoid[1], set.guard[2].id, NODE_ID_LEN);
	memcpy(w.exit_id, set.guard[0].id, NODE_ID_LEN);
	w.avoid = avoid[0];
	w.avoid_count = 2;
	NEED(choose(&m, &w, &route) == PATH_OK);
	CHECK(number_of(&m, route.hop[0].id) >= GUARDS_WANTED);
	CHECK_INT(set.count, GUARDS_WANTED + 1);
	mesh_free(&m);
}

static void test_explains(void)
{
	struct mesh m = mesh_create(30);
	struct guard_set set = {0};
	const struct path_wish w = {
	    .hops = 3, .client_country = "DE", .guards = &set, .book = m.book};
	const struct now now = fixture_now();
	struct path_explanation e;
	struct path_route route;
	struct route_nodes nodes;
	uint64_t sum = 0;

	for (unsigned i = 0; i < 10; i++)
		NEED(choose(&m, &w, &route) == PATH_OK);
	nodes = nodes_of(&route);
	NEED(path_explain(m.pc, &w, &nodes, &now, &rng, &e) == 0);
	CHECK_INT(e.cost_ns, route.cost_ns);
	CHECK_INT(path_cost_of(m.pc, &w, &nodes, &now), route.cost_ns);
	CHECK(e.hop[0].is_guard && !e.hop[1].is_guard);
	CHECK_INT(e.hop[0].candidates, GUARDS_WANTED);
	CHECK_INT(e.hop[1].candidates, 30);
	for (unsigned i = 0; i < e.hops; i++) {
		const struct path_hop_why *h = &e.hop[i];

		sum += path_hop_cost_sum(&h->cost);
		CHECK_MEM(h->id, nodes.id[i], NODE_ID_LEN);
		CHECK(h->others >= 2 && h->others <= PATH_OTHERS_MAX);
		for (unsigned k = 0; k < h->others; k++) {
			struct route_nodes with = nodes;

			CHECK(strlen(path_other_text(&h->other[k], why)) > 5);
			CHECK(memcmp(h->other[k].id, h->id, NODE_ID_LEN) != 0);
			memcpy(with.id[i], h->other[k].id, NODE_ID_LEN);
			CHECK_INT(path_cost_of(m.pc, &w, &with, &now),
				  h->other[k].is_cheaper ? e.cost_ns - h->other[k].differs_ns
							 : e.cost_ns + h->other[k].differs_ns);
		}
	}
	CHECK_INT(sum, e.cost_ns);
	memset(nodes.id[1], 0xee, NODE_ID_LEN);
	CHECK(path_explain(m.pc, &w, &nodes, &now, &rng, &e) < 0);
	CHECK(path_cost_of(m.pc, &w, &nodes, &now) == UINT64_MAX);
	mesh_free(&m);
}

int main(void)
{
	rng = rng_seeded(77);
	RUN(test_geography);
	RUN(test_terms);
	RUN(test_prefers_near);
	RUN(test_avoids_the_bad);
	RUN(test_apart);
	RUN(test_guards);
	RUN(test_guards_that_do_not_fit);
	RUN(test_explains);
	rng_seeded_free(&rng);
	return test_done();
}
