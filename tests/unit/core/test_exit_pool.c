/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/exit_pool.h"

#include "tests/lib/test.h"

enum {
	HOSTS = 13
};

static int users[HOSTS];

static void test_all_are_given_out_once(void)
{
	struct rng rng = rng_seeded(1);
	const struct now now = {.mono_ns = NS_PER_S};
	struct exit_pool p;
	unsigned seen = 0;

	pool_init(&p, HOSTS, &rng);
	for (unsigned i = 0; i < HOSTS; i++) {
		uint32_t host;

		CHECK(!pool_is_empty(&p));
		host = pool_take(&p, &users[i], &now);
		CHECK(host >= POOL_FIRST && host < POOL_FIRST + HOSTS);
		CHECK((seen & 1u << host) == 0);
		CHECK(pool_user(&p, host) == &users[i]);
		seen |= 1u << host;
	}
	CHECK(pool_is_empty(&p));
	pool_fini(&p);
	rng_seeded_free(&rng);
}

static void test_rest(void)
{
	struct rng rng = rng_seeded(2);
	struct now now = {.mono_ns = NS_PER_S};
	struct exit_pool p;
	uint32_t first, host;

	pool_init(&p, HOSTS, &rng);
	first = pool_take(&p, &users[0], &now);
	pool_give_back(&p, first, now.mono_ns);
	CHECK(pool_user(&p, first) == NULL);
	for (unsigned i = 0; i < 3 * HOSTS; i++) { /* one at a time: never the same again */
		host = pool_take(&p, &users[1], &now);
		if (i < HOSTS - 1)
			CHECK(host != first);
		pool_give_back(&p, host, now.mono_ns + i);
	}
	now.mono_ns += POOL_REST_NS + NS_PER_S; /* all have rested */
	for (unsigned i = 0; i < HOSTS; i++)
		pool_take(&p, &users[i], &now);
	CHECK(pool_is_empty(&p));
	pool_fini(&p);
	rng_seeded_free(&rng);
}

/* When there is no other, the one that has rested for longest. */
static void test_exhaustion_cuts_rest_short(void)
{
	struct rng rng = rng_seeded(3);
	const struct now now = {.mono_ns = NS_PER_S};
	uint32_t host[HOSTS];
	struct exit_pool p;

	pool_init(&p, HOSTS, &rng);
	for (unsigned i = 0; i < HOSTS; i++)
		host[i] = pool_take(&p, &users[i], &now);
	pool_give_back(&p, host[4], now.mono_ns);
	pool_give_back(&p, host[2], now.mono_ns + 1);
	CHECK_INT(pool_take(&p, &users[4], &now), host[4]);
	CHECK_INT(pool_take(&p, &users[2], &now), host[2]);
	CHECK(pool_is_empty(&p));
	pool_fini(&p);
	rng_seeded_free(&rng);
}

int main(void)
{
	RUN(test_all_are_given_out_once);
	RUN(test_rest);
	RUN(test_exhaustion_cuts_rest_short);
	return test_done();
}
