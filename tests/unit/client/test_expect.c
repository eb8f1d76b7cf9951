/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a connection is expected to cost, from what is known of nodes and links. */
#include "client/client.h"
#include "mesh/geo.h"
#include "tests/lib/test.h"
#include "tests/unit/mesh/fixture.h"
#include "wire/cell.h"

static struct rng rng;

struct bench {
	struct directory *dir;
	struct book *book;
	struct client *client;
};

static struct bench bench_create(const char *const *countries, unsigned nodes)
{
	struct bench b = {.dir = fixture_directory(100), .book = book_create(256, 256, &rng)};

	for (unsigned n = 0; n < nodes; n++) {
		struct descriptor d = fixture_descriptor(n);

		memcpy(d.country, countries[n], 3);
		if (fixture_add(b.dir, &d, n) != DIRECTORY_ADDED)
			abort();
	}
	b.client =
	    client_create(&(struct client_params){.dir = b.dir, .rng = &rng, .book = b.book});
	return b;
}

static void bench_free(struct bench *b)
{
	client_free(b->client);
	directory_free(b->dir);
	book_free(b->book);
}

static struct client_cost expect(const struct bench *b, const char *exit, unsigned hops)
{
	const struct now now = fixture_now();
	struct client_wish w = {.hops = hops};
	struct client_cost cost;

	snprintf(w.exit, sizeof(w.exit), "%s", exit);
	client_expect(b->client, &w, &now, &cost);
	return cost;
}

/* Between node a (-1: ourselves) and node b. */
static void know_link(const struct bench *b, int from, unsigned to, uint64_t rtt_ms)
{
	const struct now now = fixture_now();
	struct book_link link = {.seen_s = FIXTURE_WALL_S, .rtt_ns = rtt_ms * NS_PER_MS};
	struct identity id;

	if (from >= 0) {
		fixture_identity(&id, (unsigned)from);
		memcpy(link.from, id.id, NODE_ID_LEN);
	}
	fixture_identity(&id, to);
	memcpy(link.to, id.id, NODE_ID_LEN);
	CHECK(book_put_link(b->book, &link, &now));
}

/* Full packets of each route's own size in cells of one size. */
static void test_goodput(void)
{
	CHECK_INT(client_goodput_ppm(1), 1360 * 1000000ull / 1460);
	CHECK_INT(client_goodput_ppm(3), 1324 * 1000000ull / 1460);
	CHECK_INT(client_goodput_ppm(5), 1288 * 1000000ull / 1460);
}

static void test_nothing_known(void)
{
	struct bench b = bench_create(NULL, 0);
	const struct client_cost cost = expect(&b, "auto", 3);

	CHECK(!cost.is_known && cost.why[0] != '\0');
	CHECK_INT(cost.goodput_ppm, client_goodput_ppm(3));
	bench_free(&b);
}

static void test_impossible(void)
{
	static const char *const countries[] = {"DE", "DE", "DE"};
	struct bench b = bench_create(countries, 3);

	CHECK(!expect(&b, "JP", 3).is_known);
	CHECK(strstr(expect(&b, "JP", 3).why, "JP") != NULL);
	CHECK(!expect(&b, "nobody", 3).is_known);
	CHECK(!expect(&b, "auto", 5).is_known);
	CHECK(expect(&b, "DE", 3).is_known);
	bench_free(&b);
}

/* By what was measured, if all of it was: the sum of the links, and what is added to the direct
 * way. */
static void test_measured(void)
{
	static const char *const countries[] = {"DE", "FR", "NL"};
	struct bench b = bench_create(countries, 3);
	struct client_cost cost;

	for (unsigned to = 0; to < 3; to++)
		for (int from = -1; from < 3; from++)
			if (from != (int)to)
				know_link(&b, from, to, from < 0 ? 20 : 10);
	cost = expect(&b, "NL", 3);
	CHECK(cost.is_known && cost.is_measured);
	CHECK_INT(cost.rtt_ns, 40 * NS_PER_MS);
	CHECK_INT(cost.direct_ns, 20 * NS_PER_MS);
	cost = expect(&b, "NL", 1);
	CHECK_INT(cost.rtt_ns, 20 * NS_PER_MS);
	CHECK_INT(cost.direct_ns, 20 * NS_PER_MS);
	bench_free(&b);
}

/* An entry that is known to be near, an exit far away: what lies between is no added cost. */
static void test_guessed(void)
{
	static const char *const countries[] = {"DE", "DE", "AU"};
	struct bench b = bench_create(countries, 3);
	const uint64_t across_ns = geo_rtt_ns("DE", "AU"), within_ns = geo_rtt_ns("DE", "DE");
	struct client_cost cost;

	know_link(&b, -1, 0, 5);
	know_link(&b, -1, 1, 5);
	cost = expect(&b, "AU", 3);
	CHECK(cost.is_known && !cost.is_measured);
	CHECK_INT(cost.rtt_ns, 5 * NS_PER_MS + within_ns + across_ns);
	CHECK(cost.direct_ns <= 5 * NS_PER_MS + across_ns);
	CHECK(cost.rtt_ns - cost.direct_ns >= within_ns);
	bench_free(&b);
}

int main(void)
{
	rng = rng_seeded(7);
	RUN(test_goodput);
	RUN(test_nothing_known);
	RUN(test_impossible);
	RUN(test_measured);
	RUN(test_guessed);
	rng_seeded_free(&rng);
	return test_done();
}
