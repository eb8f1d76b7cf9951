/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Whether a path still answers, told from what it carries; used by both ends of a session.
 *
 * A cell that asks for an acknowledgement is a chance for the path to answer, and so is the first
 * one of each later acknowledgement delay.  A path is suspect when three chances in a row went by
 * unused, each with time enough: one lost cell or acknowledgement convicts nobody, and neither does
 * a path that carries nothing.  Who has too few chances to tell makes more of them
 * (LIVENESS_PROBE).
 */
#ifndef CORE_LIVENESS_H
#define CORE_LIVENESS_H

#include "util/bytes.h"
#include "util/now.h"

enum {
	LIVENESS_CHANCES = 3
};

#define LIVENESS_ACK_DELAY_NS (20 * NS_PER_MS) /* most that the other end waits */
#define LIVENESS_RTO_MIN_NS   (60 * NS_PER_MS)
#define LIVENESS_RTO_FIRST_NS NS_PER_S /* while no round trip was measured */
#define LIVENESS_PROBE_MAX_NS NS_PER_S

struct chance {
	uint64_t seq, sent_ns;
};

struct liveness {
	uint64_t srtt_ns, rttvar_ns; /* RFC 6298; 0: no sample yet */
	struct chance chance[LIVENESS_CHANCES];
	unsigned chances;
	struct chance last;   /* cell sent that asks for an answer */
	uint64_t answered_ns; /* the last acknowledgement */
	bool is_suspect, has_recovered, was_late, is_doubted;
	uint64_t suspect_seq; /* of the last cell before the verdict: only later ones acquit */
	uint64_t probe_ns;    /* while suspect: next probe */
	uint64_t probe_gap_ns;
};

enum liveness_verdict {
	LIVENESS_FINE,
	LIVENESS_PROBE,     /* send something that asks for an answer now */
	LIVENESS_SUSPECT,   /* it has just become so */
	LIVENESS_RECOVERED, /* it has just ceased to be */
};

/* liveness_sent: a cell that asks for an answer has left. */
void liveness_sent(struct liveness *l, uint64_t seq, const struct now *now);
/* liveness_acked: an acknowledgement came whose highest counter is seq. */
void liveness_acked(struct liveness *l, uint64_t seq, const struct now *now);
/* liveness_doubt: somebody else misses it; a probe will tell. */
static inline void liveness_doubt(struct liveness *l)
{
	l->is_doubted = true;
}

/* liveness_convict: suspect by association; probes tell soon. */
void liveness_convict(struct liveness *l, const struct now *now);
/* liveness_hurry: things may have changed: probe now, and again soon. */
void liveness_hurry(struct liveness *l);
/* liveness_rtt: a round trip, without the other end's delay. */
void liveness_rtt(struct liveness *l, uint64_t rtt_ns);

/* liveness_tick: to be called when liveness_due says so. */
enum liveness_verdict liveness_tick(struct liveness *l, const struct now *now);
uint64_t liveness_due(const struct liveness *l);

/* liveness_rto_ns: how long an answer may take. */
uint64_t liveness_rto_ns(const struct liveness *l);

/* liveness_silent_since: when the first cell left that was not answered; 0: none. */
static inline uint64_t liveness_silent_since(const struct liveness *l)
{
	return l->chances > 0 ? l->chance[0].sent_ns : 0;
}

#endif
