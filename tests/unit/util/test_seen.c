/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "util/seen.h"

#include "tests/lib/test.h"
#include "util/now.h"

#include <pthread.h>

#define KEEP_NS (240 * NS_PER_S)

static struct rng rng;

static void test_keeps_long_enough(void)
{
	struct seen *s = seen_create(100, KEEP_NS, &rng);

	CHECK(!seen_has(s, 7, NS_PER_S));
	CHECK(seen_add(s, 7, NS_PER_S));
	CHECK(!seen_add(s, 7, 2 * NS_PER_S));
	CHECK(seen_has(s, 7, NS_PER_S + KEEP_NS));
	CHECK(seen_has(s, 7, NS_PER_S + KEEP_NS + KEEP_NS - 1));
	CHECK(!seen_has(s, 7, NS_PER_S + 3 * KEEP_NS));
	CHECK(!seen_has(s, 0, 0));
	seen_free(s);
	seen_free(NULL);
}

static void test_full(void)
{
	struct seen *s = seen_create(3, KEEP_NS, &rng);

	for (uint64_t x = 1; x <= 3; x++)
		CHECK(seen_add(s, x, 1));
	CHECK(!seen_add(s, 4, 1));
	CHECK(seen_has(s, 4, 1)); /* refuse rather than let a repetition in */
	CHECK(seen_add(s, 4, KEEP_NS));
	seen_free(s);
}

enum {
	NUMBERS = 20000,
};

struct adder {
	struct seen *seen;
	pthread_t thread;
	unsigned added;
};

static void *add_all(void *arg)
{
	struct adder *a = arg;

	for (uint64_t x = 0; x < NUMBERS; x++)
		a->added += seen_add(a->seen, x, 1);
	return NULL;
}

/* Of several that come with the same number at once, one is the first. */
static void test_threads(void)
{
	struct seen *s = seen_create(NUMBERS, KEEP_NS, &rng);
	struct adder a[4];
	unsigned added = 0;

	for (size_t i = 0; i < ARRAY_LEN(a); i++) {
		a[i] = (struct adder){.seen = s};
		NEED(pthread_create(&a[i].thread, NULL, add_all, &a[i]) == 0);
	}
	for (size_t i = 0; i < ARRAY_LEN(a); i++) {
		pthread_join(a[i].thread, NULL);
		added += a[i].added;
	}
	CHECK_INT(added, NUMBERS);
	seen_free(s);
}

int main(void)
{
	rng = rng_seeded(1);
	RUN(test_keeps_long_enough);
	RUN(test_full);
	RUN(test_threads);
	rng_seeded_free(&rng);
	return test_done();
}
