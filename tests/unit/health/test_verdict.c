/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "health/verdict.h"

#include "tests/lib/test.h"
#include "tests/unit/health/clock.h"
#include "util/rng.h"

static const struct health_figures good = {.is_measured = true, .rtt_ns = 40 * NS_PER_MS};

static const struct health_limits *limits(void)
{
	return &health_limits_default;
}

/* How long, in tenths of a second, until the level is this. */
static unsigned until(struct verdict *v, const struct health_figures *f, enum health_level level,
		      struct now *now)
{
	unsigned n = 0;

	for (; v->level != level && n < 10000; n++) {
		clock_pass(now, NS_PER_S / 10);
		verdict_update(v, f, limits(), now);
	}
	return n;
}

static void says(const struct verdict *v, const char *want)
{
	char why[VERDICT_WHY_MAX];

	if (strcmp(verdict_why(v, why), want) != 0) {
		printf("# '%s', expected '%s'\n", why, want);
		test_current_failed = 1;
	}
}

static void test_causes(void)
{
	const struct {
		struct health_figures f;
		enum health_level level;
		const char *why;
	} rows[] = {
	    {good, HEALTH_GREEN, ""},
	    {{.unanswered = 2}, HEALTH_YELLOW, "2 questions unanswered"},
	    {{.unanswered = 3}, HEALTH_RED, "3 questions unanswered"},
	    {{.lost_of = 100, .lost_out_ppm = 20000}, HEALTH_YELLOW, "loss 2.0 %, limit 2.0 %"},
	    {{.lost_of = 100, .lost_in_ppm = 98500}, HEALTH_RED, "loss 9.8 %, limit 5.0 %"},
	    {{.lost_of = 19, .lost_in_ppm = 98500}, HEALTH_GREEN, ""}, /* too few to tell */
	    {{.is_measured = true, .excess_ns = 70 * NS_PER_MS},
	     HEALTH_YELLOW,
	     "delay 70 ms above its usual, limit 60 ms"},
	    {{.is_measured = true, .excess_ns = UINT64_MAX},
	     HEALTH_RED,
	     "delay 18446744073709 ms above its usual, limit 150 ms"},
	    {{.capacity_bps = 1000000}, HEALTH_RED, "throughput 1.0 Mbit/s, limit 2.0 Mbit/s"},
	    {{.capacity_bps = 3300000}, HEALTH_YELLOW, "throughput 3.3 Mbit/s, limit 5.0 Mbit/s"},
	    {{.capacity_bps = 0}, HEALTH_GREEN, ""},                          /* not measured */
	    {{.capacity_bps = 1000000, .is_narrow = true}, HEALTH_GREEN, ""}, /* before it, too */
	    {{.lost_of = 50, .marked_ppm = 400000}, HEALTH_RED, "congestion 40.0 %, limit 40.0 %"},
	    {{.lost_of = 50, .lost_in_ppm = 60000, .unanswered = 3, .capacity_bps = 1},
	     HEALTH_RED,
	     "3 questions unanswered"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct now now = clock_start();
		struct verdict v = {0};

		for (unsigned n = 0; n < 20; n++) {
			clock_pass(&now, NS_PER_S / 10);
			verdict_update(&v, &rows[i].f, limits(), &now);
		}
		CHECK_INT(v.level, rows[i].level);
		says(&v, rows[i].why);
	}
}

static void test_patience(void)
{
	const struct health_figures bad = {.is_measured = true, .excess_ns = 200 * NS_PER_MS};
	const struct health_figures dead = {.unanswered = 3};
	struct now now = clock_start();
	struct verdict v = {0};

	CHECK_INT(until(&v, &bad, HEALTH_RED, &now), 11); /* the first look begins the second */
	CHECK_INT(until(&v, &good, HEALTH_GREEN, &now), 101);
	v = (struct verdict){0};
	CHECK_INT(until(&v, &dead, HEALTH_RED, &now), 1);
}

/* Between the limit and three quarters of it nothing changes in either direction. */
static void test_margin(void)
{
	const struct health_figures bad = {.is_measured = true, .excess_ns = 61 * NS_PER_MS};
	const struct health_figures nearly = {.is_measured = true, .excess_ns = 50 * NS_PER_MS};
	struct now now = clock_start();
	struct verdict v = {0};

	CHECK_INT(until(&v, &nearly, HEALTH_YELLOW, &now), 10000);
	until(&v, &bad, HEALTH_YELLOW, &now);
	CHECK_INT(until(&v, &nearly, HEALTH_GREEN, &now), 10000);
	CHECK(until(&v, &good, HEALTH_GREEN, &now) < 110);
}

/* Each relapse doubles the time to heal, up to a bound; a long good time forgives. */
static void test_relapses(void)
{
	const struct health_figures bad = {.is_measured = true, .excess_ns = 200 * NS_PER_MS};
	struct now now = clock_start();
	struct verdict v = {0};
	unsigned healing[9];

	for (unsigned i = 0; i < ARRAY_LEN(healing); i++) {
		until(&v, &bad, HEALTH_RED, &now);
		healing[i] = until(&v, &good, HEALTH_GREEN, &now);
	}
	CHECK_INT(healing[0], 101);
	CHECK_INT(healing[1], 201);
	CHECK_INT(healing[4], 1601);
	CHECK_INT(healing[8], 6401);
	clock_pass(&now, 700 * NS_PER_S);
	until(&v, &bad, HEALTH_RED, &now);
	CHECK_INT(until(&v, &good, HEALTH_GREEN, &now), 101);
}

/* Whatever comes in: between two changes for the better lies the time to heal, and for the worse
 * (but silence) the patience. */
static void test_never_flaps(void)
{
	struct rng rng = rng_seeded(11);
	unsigned changes = 0, better = 0;

	for (unsigned round = 0; round < 200; round++) {
		const uint64_t step_ns = 1 + rng_below(&rng, 3 * NS_PER_S);
		const unsigned period = 1 + (unsigned)rng_below(&rng, 40);
		struct now now = clock_start();
		struct verdict v = {0};
		uint64_t last_ns = now.mono_ns;

		for (unsigned i = 0; i < 500; i++) {
			const struct health_figures f = {
			    .is_measured = true,
			    .excess_ns = i / period % 2 == 0 ? rng_below(&rng, 400) * NS_PER_MS : 0,
			    .lost_of = rng_below(&rng, 40),
			    .lost_in_ppm = (uint32_t)rng_below(&rng, 100000),
			};
			const enum health_level before = v.level;

			clock_pass(&now, step_ns);
			if (!verdict_update(&v, &f, limits(), &now)) {
				CHECK_INT(v.level, before);
				continue;
			}
			changes++;
			CHECK(v.level != before);
			if (v.level < before) {
				better++;
				CHECK(now.mono_ns - last_ns >= limits()->heal_ns);
			} else {
				CHECK(now.mono_ns - last_ns >= limits()->worsen_ns);
			}
			last_ns = now.mono_ns;
		}
	}
	printf("# %u changes, %u of them for the better\n", changes, better);
	CHECK(better > 50);
	rng_seeded_free(&rng);
}

int main(void)
{
	RUN(test_causes);
	RUN(test_patience);
	RUN(test_margin);
	RUN(test_relapses);
	RUN(test_never_flaps);
	return test_done();
}
