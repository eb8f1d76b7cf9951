/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What measurements add up to: small estimators of fixed size, in integers with units.  There is no
 * value that is not a number; what cannot be true counts as the worst that can.
 */
#ifndef HEALTH_ESTIMATE_H
#define HEALTH_ESTIMATE_H

#include "util/bytes.h"
#include "util/now.h"

#define PPM                 1000000u
#define RTT_WORST_NS        (30 * NS_PER_S)  /* as bad as none at all */
#define RTT_HOLD_NS         (20 * NS_PER_MS) /* a hop's word in its own favour goes no further */
#define RTT_FLOOR_NS        (300 * NS_PER_S) /* how long a shortest round trip stays the measure */
#define SHARE_HALF_NS       (2 * NS_PER_S)   /* in which evidence loses half its weight */
#define RTT_PATIENCE_MIN_NS (60 * NS_PER_MS)
#define RECENT_MAX          3

/* Round trips: smoothed as RFC 6298 has it; recent, without the odd one; and the shortest. */
struct rtt_estimate {
	uint64_t smooth_ns, var_ns;
	uint64_t recent_ns[RECENT_MAX]; /* the last ones, newest first; 0: none yet */
	uint64_t floor_ns[2];           /* shortest since floor_at_ns, and in the time before */
	uint64_t floor_at_ns;
	uint32_t samples;
};

/* rtt_sample_ns(sent, received, hold): a round trip less the time a hop says it held it. */
uint64_t rtt_sample_ns(uint64_t sent_ns, uint64_t received_ns, uint64_t hold_ns);

void rtt_add(struct rtt_estimate *r, uint64_t rtt_ns, const struct now *now);
/* rtt_recent_ns(r): the middle one of the last three; 0: not measured. */
uint64_t rtt_recent_ns(const struct rtt_estimate *r);
uint64_t rtt_floor_ns(const struct rtt_estimate *r);
/* rtt_patience_ns(r): how long to wait for what should have come, before it is suspect. */
uint64_t rtt_patience_ns(const struct rtt_estimate *r);

/* How many of some: lost of sent, marked of received.  Old ones fade. */
struct share_estimate {
	uint64_t of_milli, hit_milli; /* thousandths, so that halving keeps something */
	uint64_t at_ns;
};

/* share_add: more hits than there were count as all. */
void share_add(struct share_estimate *s, uint64_t of, uint64_t hit, const struct now *now);
/* share_ppm(s, now, weight): *weight (may be NULL) is how many of them still count. */
uint32_t share_ppm(const struct share_estimate *s, const struct now *now, uint64_t *weight);

/* What came through in a second, over the last seconds. */
struct rate_estimate {
	uint64_t bytes, span_ns; /* both fade together */
	uint64_t at_ns;
};

/* rate_add: bytes in a span of time; spans of nothing, or of more than a minute, say nothing. */
void rate_add(struct rate_estimate *r, uint64_t bytes, uint64_t span_ns, const struct now *now);
/* rate_estimate_bps: 0 also when the last report is old. */
uint64_t rate_estimate_bps(const struct rate_estimate *r, const struct now *now);

/* What a way can carry, as trains of cells show it: the better of the last two, since one of them
 * may have met something on its way. */
struct capacity_estimate {
	uint64_t bps[2]; /* the last, and the one before; 0: none yet */
	uint64_t at_ns;
};

/* capacity_add: nothing at all, and more than any line carries, count as the worst and the most. */
void capacity_add(struct capacity_estimate *c, uint64_t bps, const struct now *now);
/* capacity_bps: 0 when there were not two of them yet, or not lately. */
uint64_t capacity_bps(const struct capacity_estimate *c, const struct now *now);

/* Time in which something answered, and in which it did not. */
struct uptime_estimate {
	uint64_t up_ns, down_ns;
	uint64_t at_ns;
	bool is_down;
};

/* uptime_note: it is up, or down, now.  Long times in which nobody looked count for neither. */
void uptime_note(struct uptime_estimate *u, bool is_up, const struct now *now);
/* uptime_ppm(up, down): with an hour's trust in advance, so that the first minute decides nothing.
 */
uint32_t uptime_ppm(uint64_t up_ns, uint64_t down_ns);

#endif
