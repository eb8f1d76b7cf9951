/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "health/route_health.h"

#include "tests/lib/test.h"
#include "tests/unit/health/clock.h"

/* A healthy route: 20 ms to the first hop, 30 more to each other. */
static void answer_all(struct route_health *r, uint64_t extra_ns, unsigned from_hop,
		       const struct now *now)
{
	for (unsigned hop = 1; hop <= r->hops; hop++)
		route_health_echo(
		    r, hop, (30 * hop - 10) * NS_PER_MS + (hop >= from_hop ? extra_ns : 0), now);
}

static struct route_health healthy(struct now *now)
{
	struct route_health r;

	route_health_init(&r, 3);
	for (unsigned i = 0; i < 10; i++) {
		clock_pass(now, NS_PER_S);
		answer_all(&r, 0, 1, now);
		route_health_judge(&r, &health_limits_default, now);
	}
	return r;
}

static void test_figures_of_hops(void)
{
	struct now now = clock_start();
	const struct route_health r = healthy(&now);

	CHECK_INT(route_health_hop(&r, 1, &now).rtt_ns, 20 * NS_PER_MS);
	CHECK_INT(route_health_hop(&r, 2, &now).rtt_ns, 30 * NS_PER_MS);
	CHECK_INT(route_health_hop(&r, 3, &now).rtt_ns, 30 * NS_PER_MS);
	CHECK_INT(route_health_whole(&r, &now).rtt_ns, 80 * NS_PER_MS);
	CHECK_INT(route_health_blame(&r), 0);
	CHECK(!route_health_hop(&r, 4, &now).is_measured);
	CHECK(!route_health_hop(&r, 0, &now).is_measured);
}

/* Delay that a middle hop adds is seen by all behind it, and blamed on it alone. */
static void test_blames_the_slow_hop(void)
{
	struct now now = clock_start();
	struct route_health r = healthy(&now);
	unsigned seconds = 0;

	while (r.hop[1].level != HEALTH_RED && seconds++ < 20) {
		clock_pass(&now, NS_PER_S);
		answer_all(&r, 200 * NS_PER_MS, 2, &now);
		route_health_judge(&r, &health_limits_default, &now);
	}
	CHECK(seconds <= 4);
	CHECK_INT(route_health_blame(&r), 2);
	CHECK_INT(r.hop[1].cause, HEALTH_DELAY);
	CHECK_INT(r.hop[0].level, HEALTH_GREEN);
	CHECK_INT(r.hop[2].level, HEALTH_GREEN);
	CHECK_INT(r.whole.level, HEALTH_RED);
}

/* 10 % lost behind hop 2: COUNTERS of hops 1 and 2, the traffic of the whole. */
static void test_blames_the_lossy_hop(void)
{
	struct now now = clock_start();
	struct route_health r = healthy(&now);
	struct hop_count first = {1, 1, 1, 1}, second = {1, 1, 1, 1};
	unsigned seconds = 0;
	char why[VERDICT_WHY_MAX];

	while (r.hop[1].level != HEALTH_RED && seconds++ < 20) {
		const struct health_traffic t = {.span_ns = NS_PER_S, .sent = 100, .sent_lost = 10};

		clock_pass(&now, NS_PER_S);
		first.sent += 100, first.seen += 100;
		second.sent += 100, second.seen += 90;
		route_health_counters(&r, 1, &first, &now);
		route_health_counters(&r, 2, &second, &now);
		route_health_traffic(&r, &t, 80 * NS_PER_MS, &now);
		answer_all(&r, 0, 1, &now);
		route_health_judge(&r, &health_limits_default, &now);
	}
	CHECK(seconds <= 4);
	CHECK_INT(route_health_blame(&r), 2);
	CHECK_INT(r.hop[1].cause, HEALTH_LOSS);
	CHECK_INT(r.hop[0].level, HEALTH_GREEN);
	CHECK_INT(r.hop[2].level, HEALTH_GREEN);
	CHECK(strcmp(verdict_why(&r.hop[1], why), "loss 10.0 %, limit 5.0 %") == 0);
	CHECK_INT(route_health_hop(&r, 2, &now).lost_in_ppm, 0);
}

/* Without COUNTERS nobody knows where it was lost: the whole is judged, no hop is. */
static void test_blames_nobody_without_evidence(void)
{
	struct now now = clock_start();
	struct route_health r = healthy(&now);

	for (unsigned i = 0; i < 10; i++) {
		const struct health_traffic t = {.span_ns = NS_PER_S, .sent = 100, .sent_lost = 10};

		clock_pass(&now, NS_PER_S);
		route_health_traffic(&r, &t, 0, &now);
		route_health_judge(&r, &health_limits_default, &now);
	}
	CHECK_INT(r.whole.level, HEALTH_RED);
	CHECK_INT(route_health_blame(&r), 0);
}

/* Counters that run backwards, or claim more than was sent, are no negative losses. */
static void test_hostile_counters(void)
{
	struct now now = clock_start();
	struct route_health r = healthy(&now);
	const struct hop_count good = {1000, 1000, 1000, 1000}, back = {1100, 10, 1100, 1100},
			       boast = {1200, UINT64_MAX, 1200, 1200},
			       more = {1300, UINT64_MAX, UINT64_MAX, 1300};

	route_health_counters(&r, 1, &good, &now);
	route_health_counters(&r, 1, &back, &now);
	CHECK_INT(route_health_hop(&r, 1, &now).lost_out_ppm, 0);
	route_health_counters(&r, 1, &boast, &now);
	CHECK_INT(route_health_hop(&r, 1, &now).lost_out_ppm, 0);
	route_health_counters(&r, 1, &more, &now); /* says that it returned what never came */
	CHECK(route_health_hop(&r, 1, &now).lost_in_ppm > PPM - 1000);
	route_health_counters(&r, 0, &good, &now);
	route_health_counters(&r, 9, &good, &now);
	route_health_echo(&r, 0, 1, &now);
	route_health_echo(&r, UINT32_MAX, 1, &now);
	route_health_unanswered(&r, 9, 1, &now);
}

/* The first hop that does not answer is silent; those behind it could not. */
static void test_silence_names_the_first(void)
{
	struct now now = clock_start();
	struct route_health r = healthy(&now);

	for (unsigned i = 0; i < 3; i++) {
		const uint64_t asked_ns = now.mono_ns + 1;

		clock_pass(&now, NS_PER_S / 4);
		route_health_echo(&r, 1, 20 * NS_PER_MS, &now);
		route_health_unanswered(&r, 2, asked_ns, &now);
		route_health_unanswered(&r, 3, asked_ns, &now);
	}
	route_health_judge(&r, &health_limits_default, &now);
	CHECK_INT(route_health_blame(&r), 2);
	CHECK_INT(r.hop[1].cause, HEALTH_SILENT);
	CHECK_INT(r.hop[2].level, HEALTH_GREEN);
	CHECK_INT(r.whole.level, HEALTH_RED);
}

/* Silence convicts nothing that is carrying traffic. */
static void test_traffic_acquits(void)
{
	struct now now = clock_start();
	struct route_health r = healthy(&now);

	for (unsigned i = 0; i < 50; i++) {
		const struct health_traffic t = {.span_ns = NS_PER_S, .received = 50};
		const uint64_t asked_ns = now.mono_ns + 1;

		clock_pass(&now, NS_PER_S);
		route_health_traffic(&r, &t, 0, &now);
		for (unsigned hop = 1; hop <= 3; hop++)
			route_health_unanswered(&r, hop, asked_ns, &now);
		CHECK(!route_health_judge(&r, &health_limits_default, &now));
	}
	CHECK_INT(r.whole.level, HEALTH_GREEN);
}

int main(void)
{
	RUN(test_figures_of_hops);
	RUN(test_blames_the_slow_hop);
	RUN(test_blames_the_lossy_hop);
	RUN(test_blames_nobody_without_evidence);
	RUN(test_hostile_counters);
	RUN(test_silence_names_the_first);
	RUN(test_traffic_acquits);
	return test_done();
}
