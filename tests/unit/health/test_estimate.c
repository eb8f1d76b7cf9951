/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "health/estimate.h"

#include "tests/lib/test.h"
#include "tests/unit/health/clock.h"

static void test_rtt_follows(void)
{
	struct rtt_estimate r = {0};
	struct now now = clock_start();

	CHECK_INT(rtt_recent_ns(&r), 0);
	CHECK_INT(rtt_patience_ns(&r), NS_PER_S);
	rtt_add(&r, 40 * NS_PER_MS, &now);
	CHECK_INT(r.smooth_ns, 40 * NS_PER_MS);
	CHECK_INT(r.var_ns, 20 * NS_PER_MS);
	CHECK_INT(rtt_patience_ns(&r), 120 * NS_PER_MS);
	for (unsigned i = 0; i < 40; i++)
		rtt_add(&r, 80 * NS_PER_MS, &now);
	CHECK(r.smooth_ns > 79 * NS_PER_MS && r.smooth_ns <= 80 * NS_PER_MS);
	CHECK_INT(rtt_floor_ns(&r), 40 * NS_PER_MS);
	CHECK_INT(r.samples, 41);
}

/* One odd sample moves nothing; the second in a row does. */
static void test_rtt_recent_is_robust(void)
{
	struct rtt_estimate r = {0};
	const struct now now = clock_start();

	for (unsigned i = 0; i < 5; i++)
		rtt_add(&r, 40 * NS_PER_MS, &now);
	rtt_add(&r, 900 * NS_PER_MS, &now);
	CHECK_INT(rtt_recent_ns(&r), 40 * NS_PER_MS);
	rtt_add(&r, 240 * NS_PER_MS, &now);
	CHECK_INT(rtt_recent_ns(&r), 240 * NS_PER_MS);
}

/* A longer way becomes the usual one, in time. */
static void test_rtt_floor_forgets(void)
{
	struct rtt_estimate r = {0};
	struct now now = clock_start();

	rtt_add(&r, 10 * NS_PER_MS, &now);
	for (unsigned i = 0; i < 700; i++) {
		clock_pass(&now, NS_PER_S);
		rtt_add(&r, 50 * NS_PER_MS, &now);
	}
	CHECK_INT(rtt_floor_ns(&r), 50 * NS_PER_MS);
}

static void test_rtt_hostile(void)
{
	struct rtt_estimate r = {0};
	const struct now now = clock_start();

	CHECK_INT(rtt_sample_ns(100, 90, 0), RTT_WORST_NS);            /* from the future */
	CHECK_INT(rtt_sample_ns(100, 100, 0), RTT_WORST_NS);           /* no time at all */
	CHECK_INT(rtt_sample_ns(0, NS_PER_S, NS_PER_S), RTT_WORST_NS); /* held longer than away */
	CHECK_INT(rtt_sample_ns(0, NS_PER_S, UINT64_MAX), RTT_WORST_NS);
	CHECK_INT(rtt_sample_ns(0, NS_PER_S, NS_PER_S / 2), NS_PER_S - RTT_HOLD_NS);
	CHECK_INT(rtt_sample_ns(0, NS_PER_S, 5 * NS_PER_MS), 995 * NS_PER_MS);
	rtt_add(&r, 0, &now);
	CHECK_INT(r.smooth_ns, RTT_WORST_NS);
	rtt_add(&r, UINT64_MAX, &now);
	CHECK_INT(r.smooth_ns, RTT_WORST_NS);
	CHECK_INT(rtt_recent_ns(&r), RTT_WORST_NS);
}

static void test_share_counts_and_fades(void)
{
	struct share_estimate s = {0};
	struct now now = clock_start();
	uint64_t weight = 7;

	CHECK_INT(share_ppm(&s, &now, &weight), 0);
	CHECK_INT(weight, 0);
	share_add(&s, 1000, 100, &now);
	CHECK_INT(share_ppm(&s, &now, &weight), 100000);
	CHECK_INT(weight, 1000);
	clock_pass(&now, SHARE_HALF_NS);
	CHECK_INT(share_ppm(&s, &now, &weight), 100000);
	CHECK_INT(weight, 500);
	share_add(&s, 500, 0, &now);
	CHECK_INT(share_ppm(&s, &now, NULL), 50000);
	clock_pass(&now, 100 * SHARE_HALF_NS);
	CHECK_INT(share_ppm(&s, &now, &weight), 0);
	CHECK_INT(weight, 0);
}

static void test_share_hostile(void)
{
	struct share_estimate s = {0};
	struct now now = clock_start();
	uint64_t weight;

	share_add(&s, 10, UINT64_MAX, &now); /* more were lost than sent */
	CHECK_INT(share_ppm(&s, &now, NULL), PPM);
	for (unsigned i = 0; i < 1000; i++) {
		share_add(&s, UINT64_MAX, UINT64_MAX, &now);
		CHECK(share_ppm(&s, &now, &weight) <= PPM);
		CHECK(weight > 0);
	}
	now.mono_ns = 1; /* a clock that steps back */
	CHECK(share_ppm(&s, &now, NULL) > PPM - 1000);
}

static void test_rate(void)
{
	struct rate_estimate r = {0};
	struct now now = clock_start();

	CHECK_INT(rate_estimate_bps(&r, &now), 0);
	rate_add(&r, 125000, NS_PER_S, &now);
	CHECK_INT(rate_estimate_bps(&r, &now), 1000000);
	for (unsigned i = 0; i < 60; i++) {
		clock_pass(&now, NS_PER_S);
		rate_add(&r, 1250000, NS_PER_S, &now);
	}
	CHECK(rate_estimate_bps(&r, &now) > 9900000 && rate_estimate_bps(&r, &now) <= 10000000);
	rate_add(&r, 1000, 0, &now);          /* in no time */
	rate_add(&r, 1000, UINT64_MAX, &now); /* in ages */
	CHECK(rate_estimate_bps(&r, &now) > 9900000 && rate_estimate_bps(&r, &now) <= 10000000);
	for (unsigned i = 0; i < 1000; i++)
		rate_add(&r, UINT64_MAX, 1, &now);
	CHECK(rate_estimate_bps(&r, &now) > 0);
	clock_pass(&now, 60 * NS_PER_S);
	CHECK_INT(rate_estimate_bps(&r, &now), 0);
}

static void test_capacity(void)
{
	struct capacity_estimate c = {0};
	struct now now = clock_start();

	CHECK_INT(capacity_bps(&c, &now), 0);
	capacity_add(&c, 1000000, &now);
	CHECK_INT(capacity_bps(&c, &now), 0); /* one says nothing */
	capacity_add(&c, 30000000, &now);
	CHECK_INT(capacity_bps(&c, &now), 30000000);
	capacity_add(&c, 1000000, &now);
	CHECK_INT(capacity_bps(&c, &now), 30000000);
	capacity_add(&c, 1000001, &now);
	CHECK_INT(capacity_bps(&c, &now), 1000001);
	capacity_add(&c, 0, &now); /* absurd */
	capacity_add(&c, 0, &now);
	CHECK_INT(capacity_bps(&c, &now), 1);
	capacity_add(&c, UINT64_MAX, &now);
	CHECK(capacity_bps(&c, &now) < UINT64_MAX / 2);
	clock_pass(&now, 86400 * NS_PER_S);
	CHECK_INT(capacity_bps(&c, &now), 0);
	capacity_add(&c, 5, &now);
	CHECK_INT(capacity_bps(&c, &now), 0);
	now.mono_ns = 1; /* a clock that steps back */
	CHECK_INT(capacity_bps(&c, &now), 0);
}

static void test_uptime(void)
{
	struct uptime_estimate u = {0};
	struct now now = clock_start();

	uptime_note(&u, true, &now);
	CHECK_INT(u.up_ns, 0);
	clock_pass(&now, 30 * NS_PER_S);
	uptime_note(&u, false, &now);
	CHECK_INT(u.up_ns, 30 * NS_PER_S);
	clock_pass(&now, 10 * NS_PER_S);
	uptime_note(&u, true, &now);
	CHECK_INT(u.down_ns, 10 * NS_PER_S);
	clock_pass(&now, 86400 * NS_PER_S); /* nobody looked */
	uptime_note(&u, true, &now);
	CHECK_INT(u.up_ns, 90 * NS_PER_S);
	CHECK_INT(uptime_ppm(0, 0), PPM);
	CHECK_INT(uptime_ppm(0, 3600 * NS_PER_S), PPM / 2);
	CHECK(uptime_ppm(UINT64_MAX, UINT64_MAX) <= PPM);
	CHECK(uptime_ppm(0, UINT64_MAX) < 1000);
}

int main(void)
{
	RUN(test_rtt_follows);
	RUN(test_rtt_recent_is_robust);
	RUN(test_rtt_floor_forgets);
	RUN(test_rtt_hostile);
	RUN(test_share_counts_and_fades);
	RUN(test_share_hostile);
	RUN(test_rate);
	RUN(test_capacity);
	RUN(test_uptime);
	return test_done();
}
