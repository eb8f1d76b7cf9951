/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "util/timers.h"

#include "tests/lib/test.h"
#include "util/rng.h"

enum {
	TIMERS = 200
};

static uint64_t least(const struct timer *t)
{
	uint64_t due = NEVER;

	for (unsigned i = 0; i < TIMERS; i++)
		if (t[i].at != 0)
			due = MIN(due, t[i].due_ns);
	return due;
}

/* Whatever is added, moved and deleted: the first is always the earliest. */
static void test_first_is_earliest(void)
{
	struct rng rng = rng_seeded(1);
	struct timers ts = {0};
	struct timer t[TIMERS] = {0};

	CHECK_INT(timers_next(&ts), NEVER);
	for (unsigned i = 0; i < 20000; i++) {
		struct timer *x = &t[rng_below(&rng, TIMERS)];
		const uint64_t due = rng_below(&rng, 8) == 0 ? NEVER : rng_below(&rng, 1000);

		if (x->at == 0)
			timers_add(&ts, x, due);
		else if (rng_below(&rng, 3) == 0)
			timers_del(&ts, x);
		else
			timers_set(&ts, x, due);
		NEED(timers_next(&ts) == least(t));
	}
	timers_fini(&ts);
	rng_seeded_free(&rng);
}

static void test_due(void)
{
	struct timers ts = {0};
	struct timer a = {0}, b = {0};
	const struct now now = {.mono_ns = 10};

	CHECK(timers_due(&ts, &now) == NULL);
	timers_add(&ts, &a, 11);
	timers_add(&ts, &b, NEVER);
	CHECK(timers_due(&ts, &now) == NULL);
	timers_set(&ts, &b, 10);
	CHECK(timers_due(&ts, &now) == &b);
	timers_del(&ts, &b);
	CHECK(timers_due(&ts, &now) == NULL);
	CHECK_INT(timers_next(&ts), 11);
	timers_del(&ts, &a);
	CHECK_INT(timers_next(&ts), NEVER);
	timers_fini(&ts);
}

int main(void)
{
	RUN(test_first_is_earliest);
	RUN(test_due);
	return test_done();
}
