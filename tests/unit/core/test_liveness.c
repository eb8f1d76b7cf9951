/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/liveness.h"

#include "tests/lib/test.h"

#define MS NS_PER_MS

static struct now at(uint64_t ms)
{
	return (struct now){.mono_ns = NS_PER_S + ms * MS};
}

static void sent(struct liveness *l, uint64_t seq, uint64_t ms)
{
	const struct now now = at(ms);

	liveness_sent(l, seq, &now);
}

static void acked(struct liveness *l, uint64_t seq, uint64_t ms)
{
	const struct now now = at(ms);

	liveness_acked(l, seq, &now);
}

static enum liveness_verdict tick(struct liveness *l, uint64_t ms)
{
	const struct now now = at(ms);

	return liveness_tick(l, &now);
}

static uint64_t due_ms(const struct liveness *l)
{
	return (liveness_due(l) - NS_PER_S) / MS;
}

/* A path of 100 ms without jitter: an answer may take 120. */
static struct liveness steady(void)
{
	struct liveness l = {0};

	for (unsigned i = 0; i < 100; i++)
		liveness_rtt(&l, 100 * MS);
	CHECK_INT(l.srtt_ns, 100 * MS);
	CHECK(l.rttvar_ns < NS_PER_US);
	CHECK_INT(liveness_rto_ns(&l) / MS, 120);
	return l;
}

static void test_rto(void)
{
	struct liveness l = {0};

	CHECK_INT(liveness_rto_ns(&l), LIVENESS_RTO_FIRST_NS);
	liveness_rtt(&l, MS);
	CHECK_INT(liveness_rto_ns(&l), LIVENESS_RTO_MIN_NS);
	liveness_rtt(&l, 0); /* a clock that stands still */
	CHECK(l.srtt_ns > 0);
	l = (struct liveness){0};
	liveness_rtt(&l, 60 * MS);
	liveness_rtt(&l, 140 * MS);
	CHECK_INT(l.srtt_ns, (7 * 60 + 140) * MS / 8);
	CHECK_INT(l.rttvar_ns, (3 * 30 + 80) * MS / 4);
	CHECK_INT(liveness_rto_ns(&l), l.srtt_ns + 4 * l.rttvar_ns + 20 * MS);
}

static void test_idle_is_never_due(void)
{
	struct liveness l = steady();

	CHECK_INT(liveness_due(&l), NEVER);
	CHECK_INT(tick(&l, 1000000), LIVENESS_FINE);
	sent(&l, 1, 0);
	acked(&l, 1, 100);
	CHECK_INT(liveness_due(&l), NEVER);
}

static void test_three_chances_convict(void)
{
	struct liveness l = steady();

	for (unsigned i = 0; i < 20; i++) /* a cell each 5 ms: chances at 0, 20 and 40 */
		sent(&l, 1 + i, 5 * i);
	CHECK_INT(due_ms(&l), 160);
	CHECK_INT(tick(&l, 159), LIVENESS_FINE);
	CHECK_INT(tick(&l, 160), LIVENESS_SUSPECT);
	CHECK(l.is_suspect);
	CHECK_INT(liveness_silent_since(&l), at(0).mono_ns);
}

static void test_any_answer_acquits(void)
{
	struct liveness l = steady();

	for (unsigned i = 0; i < 20; i++)
		sent(&l, 1 + i, 5 * i);
	acked(&l, 5, 140); /* the first of all, and the first chances: 20 and 40 remain, then 95 */
	CHECK_INT(l.chances, 1);
	CHECK(l.chance[0].sent_ns >= at(40).mono_ns);
	CHECK_INT(tick(&l, 161), LIVENESS_PROBE); /* it alone is not enough */
	acked(&l, 20, 162);
	CHECK_INT(liveness_due(&l), NEVER);
}

static void test_a_lone_cell_is_asked_after(void)
{
	struct liveness l = steady();

	sent(&l, 1, 0);
	CHECK_INT(due_ms(&l), 120);
	CHECK_INT(tick(&l, 120), LIVENESS_PROBE);
	sent(&l, 2, 120);
	CHECK_INT(due_ms(&l), 140);
	CHECK_INT(tick(&l, 140), LIVENESS_PROBE);
	sent(&l, 3, 140);
	CHECK_INT(due_ms(&l), 260);
	CHECK_INT(tick(&l, 259), LIVENESS_FINE);
	CHECK_INT(tick(&l, 260), LIVENESS_SUSPECT);
}

/* Probes that could not leave count: without buffers or a link there is no endless loop. */
static void test_probes_that_cannot_leave(void)
{
	struct liveness l = steady();

	sent(&l, 1, 0);
	CHECK_INT(tick(&l, 120), LIVENESS_PROBE);
	CHECK(due_ms(&l) > 120);
	CHECK_INT(tick(&l, 140), LIVENESS_PROBE);
	CHECK_INT(tick(&l, 260), LIVENESS_SUSPECT);
	CHECK_INT(tick(&l, 260), LIVENESS_PROBE);
	CHECK(due_ms(&l) > 260);
}

static void test_suspects_are_probed_and_recover(void)
{
	struct liveness l = steady();
	uint64_t ms, probes = 0;

	for (unsigned i = 0; i < 3; i++)
		sent(&l, 1 + i, 20 * i);
	CHECK_INT(tick(&l, 160), LIVENESS_SUSPECT);
	for (ms = 160; ms < 10160; ms = due_ms(&l)) {
		CHECK_INT(tick(&l, ms), LIVENESS_PROBE);
		sent(&l, 4 + probes++, ms);
	}
	CHECK(probes >= 10 && probes < 16); /* each second in the end */
	acked(&l, 3, 10200);                /* of what went before the verdict: late, no answer */
	CHECK(l.is_suspect);
	acked(&l, 4, 10201);
	CHECK_INT(liveness_due(&l), 0);
	CHECK_INT(tick(&l, 10201), LIVENESS_RECOVERED);
	CHECK(!l.is_suspect);
}

/* A queue that grows answers later and later, but answers. */
static void test_slow_answers_are_answers(void)
{
	struct liveness l = steady();
	uint64_t next_ack = 1;

	for (uint64_t ms = 0; ms < 3000; ms += 5) {
		const uint64_t delay = 100 + ms / 4; /* 850 ms in the end */

		sent(&l, 1 + ms / 5, ms);
		for (; next_ack * 20 + 100 + next_ack * 5 <= ms; next_ack++) {
			acked(&l, next_ack * 4, ms);
			liveness_rtt(&l, delay * MS);
		}
		CHECK(tick(&l, ms) == LIVENESS_FINE);
	}
}

/* Our own sleep is no silence of the path: what came meanwhile is looked at first. */
static void test_late_verdicts_wait(void)
{
	struct liveness l = steady();

	for (unsigned i = 0; i < 3; i++)
		sent(&l, 1 + i, 20 * i);
	CHECK_INT(tick(&l, 5000), LIVENESS_FINE);
	CHECK_INT(due_ms(&l), 5020);
	CHECK_INT(tick(&l, 5200), LIVENESS_SUSPECT); /* once */
}

static void test_doubt_probes(void)
{
	struct liveness l = steady();

	liveness_doubt(&l);
	CHECK_INT(liveness_due(&l), 0);
	CHECK_INT(tick(&l, 0), LIVENESS_PROBE);
	CHECK_INT(tick(&l, 0), LIVENESS_FINE);
	CHECK_INT(liveness_due(&l), NEVER);
}

static void test_hurry(void)
{
	struct liveness l = steady();

	for (unsigned i = 0; i < 3; i++)
		sent(&l, 1 + i, 20 * i);
	CHECK_INT(tick(&l, 160), LIVENESS_SUSPECT);
	for (uint64_t ms = 160; ms < 5000; ms = due_ms(&l))
		CHECK_INT(tick(&l, ms), LIVENESS_PROBE);
	CHECK_INT(due_ms(&l), 5020);
	liveness_hurry(&l);
	CHECK_INT(tick(&l, 4500), LIVENESS_PROBE);
	CHECK_INT(due_ms(&l), 4560);
	l = steady();
	liveness_hurry(&l);
	CHECK_INT(tick(&l, 0), LIVENESS_PROBE);
	CHECK_INT(liveness_due(&l), NEVER);
}

int main(void)
{
	RUN(test_rto);
	RUN(test_idle_is_never_due);
	RUN(test_three_chances_convict);
	RUN(test_any_answer_acquits);
	RUN(test_a_lone_cell_is_asked_after);
	RUN(test_probes_that_cannot_leave);
	RUN(test_suspects_are_probed_and_recover);
	RUN(test_slow_answers_are_answers);
	RUN(test_late_verdicts_wait);
	RUN(test_doubt_probes);
	RUN(test_hurry);
	return test_done();
}
