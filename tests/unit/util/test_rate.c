/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "util/rate.h"

#include "tests/lib/test.h"

#include <pthread.h>

enum {
	LEAST = 1460,
	MOST = 16 * LEAST,
	BURST = 64 * LEAST,
};

static uint64_t take_all(struct rate *r, uint64_t now_ns)
{
	uint64_t sum = 0, got;

	while ((got = rate_take(r, LEAST, MOST, BURST, now_ns)) > 0) {
		CHECK(got >= LEAST && got <= MOST);
		sum += got;
	}
	return sum;
}

static void test_no_limit(void)
{
	struct rate r = {0};

	for (unsigned i = 0; i < 1000; i++)
		CHECK_INT(rate_take(&r, LEAST, MOST, BURST, 1), MOST);
}

/* A second at each rate, asked every 100 us: the rate, and no more than the burst beyond. */
static void test_holds_its_rate(void)
{
	static const uint64_t rates[] = {1000000, 200000000, 10000000000, 1000000000000};

	for (size_t i = 0; i < ARRAY_LEN(rates); i++) {
		struct rate r = {0};
		const uint64_t per_s = rates[i] / 8;
		uint64_t sum = 0;

		rate_set(&r, rates[i]);
		for (uint64_t t = NS_PER_S; t <= 2 * NS_PER_S; t += 100 * NS_PER_US)
			sum += take_all(&r, t);
		CHECK(sum >= per_s - per_s / 50 - MOST);
		CHECK(sum <= per_s + MAX((uint64_t)BURST, per_s / 200) + per_s / 1000);
	}
}

static void test_burst_after_a_pause(void)
{
	struct rate r = {0};

	rate_set(&r, 800000000); /* 100 bytes a microsecond */
	CHECK_INT(take_all(&r, 100 * NS_PER_S) / LEAST, 500000 / LEAST);
	CHECK_INT(take_all(&r, 100 * NS_PER_S), 0);
	CHECK(take_all(&r, 101 * NS_PER_S) <= 500000);
	rate_set(&r, 1000000); /* slow: the burst is what counts */
	take_all(&r, 102 * NS_PER_S);
	CHECK_INT(take_all(&r, 200 * NS_PER_S) / LEAST, BURST / LEAST);
}

static void test_time_before_the_burst(void)
{
	struct rate r = {0};

	rate_set(&r, 8000000);
	CHECK_INT(rate_take(&r, LEAST, MOST, BURST, 0), 0);
	CHECK(take_all(&r, 10 * NS_PER_MS) <= 10000);
}

struct taker {
	struct rate *rate;
	pthread_t thread;
	uint64_t sum;
};

static void *take_along(void *arg)
{
	struct taker *t = arg;

	for (uint64_t now_ns = NS_PER_S; now_ns <= 2 * NS_PER_S; now_ns += 10 * NS_PER_US)
		t->sum += rate_take(t->rate, LEAST, MOST, BURST, now_ns);
	return NULL;
}

/* Each has its own clock here, so it is only the sum over the whole time that counts. */
static void test_threads_share(void)
{
	struct rate r = {0};
	struct taker t[4];
	uint64_t sum = 0;

	rate_set(&r, 8000000000);
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		t[i] = (struct taker){.rate = &r};
		NEED(pthread_create(&t[i].thread, NULL, take_along, &t[i]) == 0);
	}
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		pthread_join(t[i].thread, NULL);
		sum += t[i].sum;
	}
	CHECK(sum > 0 && sum <= 1000000000 + 5000000 + MOST);
}

int main(void)
{
	RUN(test_no_limit);
	RUN(test_holds_its_rate);
	RUN(test_burst_after_a_pause);
	RUN(test_time_before_the_burst);
	RUN(test_threads_share);
	return test_done();
}
