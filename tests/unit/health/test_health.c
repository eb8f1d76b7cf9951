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

/* 10 % lost behind hop 2: COUNTERS of each hop, the traffic of the whole. */
static void test_blames_the_lossy_hop(void)
{
	struct now now = clock_start();
	struct route_health r = healthy(&now);
	struct hop_count count[3] = {{1, 1, 1, 1}, {1, 1, 1, 1}, {1, 1, 1, 1}};
	unsigned seconds = 0;
	char why[VERDICT_WHY_MAX];

	while (r.hop[1].level != HEALTH_RED && seconds++ < 20) {
		const struct health_traffic t = {.span_ns = NS_PER_S, .sent = 100, .sent_lost = 10};

		clock_pass(&now, NS_PER_S);
		for (unsigned hop = 1; hop <= 3; hop++) {
			count[hop - 1].sent += 100, count[hop - 1].seen += hop > 1 ? 90 : 100;
			route_health_counters(&r, hop, now.mono_ns, &count[hop - 1], &now);
		}
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

/* The exit's answers are lost like all else, those of the others are not. */
static void test_blames_the_link_that_loses_the_answers(void)
{
	struct now now = clock_start();
	struct route_health r = healthy(&now);
	struct hop_count c = {1, 1, 1, 1};

	route_health_counters(&r, 3, 1, &c, &now);
	for (unsigned i = 0; i < 10; i++) {
		const struct health_traffic t = {
		    .span_ns = NS_PER_S, .sent = 100, .sent_lost = 80, .received = 20};

		clock_pass(&now, NS_PER_S);
		c.sent += 100, c.seen += 100, c.returned += 20, c.received += 20;
		for (unsigned hop = 1; hop <= 2; hop++)
			route_health_counters(&r, hop, now.mono_ns, &c, &now);
		route_health_traffic(&r, &t, 80 * NS_PER_MS, &now);
		route_health_judge(&r, &health_limits_default, &now);
	}
	CHECK_INT(route_health_blame(&r), 3);
	CHECK_INT(r.hop[2].cause, HEALTH_LOSS);
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

static void test_no_such_hop(void)
{
	struct now now = clock_start();
	struct route_health r = healthy(&now);
	const struct hop_count c = {1, 1, 1, 1};

	route_health_counters(&r, 0, 1, &c, &now);
	route_health_counters(&r, 9, 1, &c, &now);
	route_health_echo(&r, 0, 1, &now);
	route_health_echo(&r, UINT32_MAX, 1, &now);
	route_health_unanswered(&r, 9, 1, &now);
	route_health_capacity(&r, 0, 1, &now);
	route_health_capacity(&r, 9, 1, &now);
	CHECK(!route_health_judge(&r, &health_limits_default, &now));
}

/* 1 Mbit/s behind the second hop: trains to hops 2 and 3 are slow, the first hop's is not. */
static void test_blames_the_thin_hop(void)
{
	struct now now = clock_start();
	struct route_health r = healthy(&now);
	char why[VERDICT_WHY_MAX];

	for (unsigned i = 0; i < 2; i++) {
		route_health_capacity(&r, 3, 1000000, &now);
		route_health_capacity(&r, 2, 1100000, &now);
		route_health_capacity(&r, 1, 30000000, &now);
	}
	route_health_judge(&r, &health_limits_default, &now);
	clock_pass(&now, health_limits_default.worsen_ns);
	CHECK(route_health_judge(&r, &health_limits_default, &now));
	CHECK_INT(route_health_blame(&r), 2);
	CHECK_INT(r.hop[0].level, HEALTH_GREEN);
	CHECK_INT(r.hop[2].level, HEALTH_GREEN);
	CHECK(strcmp(verdict_why(&r.hop[1], why), "throughput 1.1 Mbit/s, limit 2.0 Mbit/s") == 0);
	/* It is no narrower than what is seen to come through. */
	route_health_traffic(&r,
			     &(struct health_traffic){
				 .span_ns = NS_PER_S, .received = 2000, .received_bytes = 2500000},
			     0, &now);
	CHECK_INT(route_health_hop(&r, 2, &now).capacity_bps, 20000000);
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
	RUN(test_blames_the_link_that_loses_the_answers);
	RUN(test_blames_nobody_without_evidence);
	RUN(test_no_such_hop);
	RUN(test_blames_the_thin_hop);
	RUN(test_silence_names_the_first);
	RUN(test_traffic_acquits);
	return test_done();
}
