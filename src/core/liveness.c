/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/liveness.h"

/* A verdict that comes later than this after its time was held up by ourselves: what may have
 * arrived meanwhile is looked at first. */
#define LATE_NS  (30 * NS_PER_MS)
#define GRACE_NS (20 * NS_PER_MS)

uint64_t liveness_rto_ns(const struct liveness *l)
{
	if (l->srtt_ns == 0)
		return LIVENESS_RTO_FIRST_NS;
	return MAX(LIVENESS_RTO_MIN_NS, l->srtt_ns + 4 * l->rttvar_ns + LIVENESS_ACK_DELAY_NS);
}

void liveness_rtt(struct liveness *l, uint64_t rtt_ns)
{
	const uint64_t rtt = MAX(rtt_ns, (uint64_t)1); /* 0 means that there is none */
	uint64_t diff;

	if (l->srtt_ns == 0) {
		l->srtt_ns = rtt;
		l->rttvar_ns = rtt / 2;
		return;
	}
	diff = rtt > l->srtt_ns ? rtt - l->srtt_ns : l->srtt_ns - rtt;
	l->rttvar_ns = (3 * l->rttvar_ns + diff) / 4;
	l->srtt_ns = MAX((7 * l->srtt_ns + rtt) / 8, (uint64_t)1);
}

void liveness_sent(struct liveness *l, uint64_t seq, const struct now *now)
{
	l->last = (struct chance){seq, now->mono_ns};
	if (l->chances == LIVENESS_CHANCES)
		return;
	if (l->chances > 0 &&
	    now->mono_ns - l->chance[l->chances - 1].sent_ns < LIVENESS_ACK_DELAY_NS)
		return; /* one acknowledgement will answer both */
	l->chance[l->chances++] = l->last;
}

void liveness_acked(struct liveness *l, uint64_t seq, const struct now *now)
{
	unsigned gone = 0;

	l->answered_ns = now->mono_ns;
	if (l->is_suspect && seq > l->suspect_seq) {
		l->is_suspect = false;
		l->has_recovered = true;
	}
	while (gone < l->chances && l->chance[gone].seq <= seq)
		gone++;
	l->chances -= gone;
	memmove(&l->chance[0], &l->chance[gone], l->chances * sizeof(l->chance[0]));
	if (l->chances == 0 && l->last.seq > seq)
		l->chance[l->chances++] = l->last;
	l->was_late = false;
}

/* When the chances that there are tell something. */
static uint64_t verdict_ns(const struct liveness *l)
{
	const uint64_t rto_ns = liveness_rto_ns(l);

	if (l->chances == 0)
		return NEVER;
	if (l->chances < LIVENESS_CHANCES)
		return MAX(l->chance[0].sent_ns + rto_ns,
			   l->chance[l->chances - 1].sent_ns + LIVENESS_ACK_DELAY_NS);
	/* Acknowledgements that still come in, late as they are, come over this path. */
	return MAX(l->chance[LIVENESS_CHANCES - 1].sent_ns + rto_ns,
		   l->answered_ns + LIVENESS_RTO_MIN_NS);
}

uint64_t liveness_due(const struct liveness *l)
{
	if (l->has_recovered || l->is_doubted)
		return 0;
	return l->is_suspect ? l->probe_ns : verdict_ns(l);
}

void liveness_hurry(struct liveness *l)
{
	l->is_doubted = !l->is_suspect;
	l->probe_ns = 0;
	l->probe_gap_ns = LIVENESS_RTO_MIN_NS;
}

void liveness_convict(struct liveness *l, const struct now *now)
{
	l->is_suspect = true;
	l->is_doubted = false;
	l->suspect_seq = l->last.seq;
	l->probe_gap_ns = LIVENESS_RTO_MIN_NS;
	l->probe_ns = now->mono_ns;
}

static enum liveness_verdict probe_suspect(struct liveness *l, const struct now *now)
{
	if (l->probe_ns > now->mono_ns)
		return LIVENESS_FINE;
	l->probe_ns = now->mono_ns + l->probe_gap_ns;
	l->probe_gap_ns = MIN(2 * l->probe_gap_ns, LIVENESS_PROBE_MAX_NS);
	return LIVENESS_PROBE;
}

enum liveness_verdict liveness_tick(struct liveness *l, const struct now *now)
{
	uint64_t due;

	if (l->has_recovered) {
		l->has_recovered = false;
		return LIVENESS_RECOVERED;
	}
	if (l->is_doubted) {
		l->is_doubted = false;
		return LIVENESS_PROBE;
	}
	if (l->is_suspect)
		return probe_suspect(l, now);
	due = verdict_ns(l);
	if (due > now->mono_ns)
		return LIVENESS_FINE;
	if (l->chances < LIVENESS_CHANCES) {
		/* It counts even if it cannot leave. */
		l->chance[l->chances++] = (struct chance){l->last.seq, now->mono_ns};
		return LIVENESS_PROBE;
	}
	if (now->mono_ns - due > LATE_NS && !l->was_late) {
		l->was_late = true;
		l->answered_ns = now->mono_ns + GRACE_NS - LIVENESS_RTO_MIN_NS;
		return LIVENESS_FINE;
	}
	liveness_convict(l, now);
	return LIVENESS_SUSPECT;
}
