/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "health/estimate.h"

#define MILLI            1000u
#define COUNT_MAX        (1ull << 32) /* cells in one report; no link carries more */
#define RATE_SPAN_NS     (4 * NS_PER_S)
#define RATE_OLD_NS      (10 * NS_PER_S)
#define RATE_SPAN_MAX_NS (60 * NS_PER_S)
#define RATE_BYTES_MAX   (1ull << 40)
#define LOOK_MAX_NS      (60 * NS_PER_S)
#define CAPACITY_OLD_NS  (1800 * NS_PER_S)
#define CAPACITY_MAX_BPS 100000000000ull
#define TRUST_NS         (3600 * NS_PER_S)

/* A clock that steps back is not the measured one's fault: no time has passed. */
static uint64_t since(uint64_t then_ns, const struct now *now)
{
	return now->mono_ns > then_ns ? now->mono_ns - then_ns : 0;
}

/* ---- round trips ---- */

uint64_t rtt_sample_ns(uint64_t sent_ns, uint64_t received_ns, uint64_t hold_ns)
{
	if (received_ns <= sent_ns || hold_ns >= received_ns - sent_ns)
		return RTT_WORST_NS;
	return received_ns - sent_ns - MIN(hold_ns, RTT_HOLD_NS);
}

static void floor_add(struct rtt_estimate *r, uint64_t rtt_ns, const struct now *now)
{
	if (r->samples == 0) {
		r->floor_at_ns = now->mono_ns;
		r->floor_ns[0] = r->floor_ns[1] = rtt_ns;
	} else if (since(r->floor_at_ns, now) >= RTT_FLOOR_NS) {
		r->floor_at_ns = now->mono_ns;
		r->floor_ns[1] = r->floor_ns[0];
		r->floor_ns[0] = rtt_ns;
	}
	r->floor_ns[0] = MIN(r->floor_ns[0], rtt_ns);
}

void rtt_add(struct rtt_estimate *r, uint64_t rtt_ns, const struct now *now)
{
	if (rtt_ns == 0 || rtt_ns > RTT_WORST_NS)
		rtt_ns = RTT_WORST_NS;
	floor_add(r, rtt_ns, now);
	if (r->samples == 0) {
		r->smooth_ns = rtt_ns;
		r->var_ns = rtt_ns / 2;
	} else {
		const uint64_t off =
		    rtt_ns > r->smooth_ns ? rtt_ns - r->smooth_ns : r->smooth_ns - rtt_ns;

		r->var_ns = (3 * r->var_ns + off) / 4;
		r->smooth_ns = (7 * r->smooth_ns + rtt_ns) / 8;
	}
	memmove(r->recent_ns + 1, r->recent_ns, sizeof(r->recent_ns) - sizeof(r->recent_ns[0]));
	r->recent_ns[0] = rtt_ns;
	if (r->samples < UINT32_MAX)
		r->samples++;
}

uint64_t rtt_recent_ns(const struct rtt_estimate *r)
{
	const uint64_t a = r->recent_ns[0], b = r->recent_ns[1], c = r->recent_ns[2];

	if (c == 0) /* of one or two, the kinder */
		return b == 0 ? a : MIN(a, b);
	return MAX(MIN(a, b), MIN(MAX(a, b), c));
}

uint64_t rtt_floor_ns(const struct rtt_estimate *r)
{
	return MIN(r->floor_ns[0], r->floor_ns[1]);
}

uint64_t rtt_patience_ns(const struct rtt_estimate *r)
{
	if (r->samples == 0)
		return NS_PER_S;
	return MAX(RTT_PATIENCE_MIN_NS, r->smooth_ns + 4 * r->var_ns);
}

/* ---- shares ---- */

static void fade(struct share_estimate *s, const struct now *now)
{
	const uint64_t halves = since(s->at_ns, now) / SHARE_HALF_NS;

	if (halves == 0)
		return;
	s->of_milli = halves < 64 ? s->of_milli >> halves : 0;
	s->hit_milli = halves < 64 ? s->hit_milli >> halves : 0;
	s->at_ns += halves * SHARE_HALF_NS;
}

void share_add(struct share_estimate *s, uint64_t of, uint64_t hit, const struct now *now)
{
	if (s->at_ns == 0)
		s->at_ns = now->mono_ns;
	fade(s, now);
	of = MIN(of, COUNT_MAX);
	hit = MIN(hit, of);
	if (s->of_milli > COUNT_MAX * MILLI) { /* an absurd flood: keep the share, not the sum */
		s->of_milli /= 2;
		s->hit_milli /= 2;
	}
	s->of_milli += of * MILLI;
	s->hit_milli += hit * MILLI;
}

uint32_t share_ppm(const struct share_estimate *s, const struct now *now, uint64_t *weight)
{
	struct share_estimate faded = *s;

	fade(&faded, now);
	if (weight != NULL)
		*weight = faded.of_milli / MILLI;
	if (faded.of_milli < MILLI)
		return 0;
	return (uint32_t)(faded.hit_milli * (PPM / MILLI) / (faded.of_milli / MILLI));
}

/* ---- rates ---- */

void rate_add(struct rate_estimate *r, uint64_t bytes, uint64_t span_ns, const struct now *now)
{
	if (span_ns == 0 || span_ns > RATE_SPAN_MAX_NS)
		return;
	if (since(r->at_ns, now) > RATE_OLD_NS)
		r->bytes = r->span_ns = 0;
	while (r->span_ns > RATE_SPAN_NS) {
		r->bytes /= 2;
		r->span_ns /= 2;
	}
	r->bytes = MIN(r->bytes + MIN(bytes, RATE_BYTES_MAX), RATE_BYTES_MAX);
	r->span_ns += span_ns;
	r->at_ns = now->mono_ns;
}

uint64_t rate_estimate_bps(const struct rate_estimate *r, const struct now *now)
{
	const uint64_t span_us = r->span_ns / NS_PER_US;

	return span_us == 0 || since(r->at_ns, now) > RATE_OLD_NS
		   ? 0
		   : r->bytes * 8 * (NS_PER_S / NS_PER_US) / span_us;
}

/* ---- capacity ---- */

void capacity_add(struct capacity_estimate *c, uint64_t bps, const struct now *now)
{
	c->bps[1] = since(c->at_ns, now) < CAPACITY_OLD_NS ? c->bps[0] : 0;
	c->bps[0] = MIN(MAX(bps, 1), CAPACITY_MAX_BPS);
	c->at_ns = now->mono_ns;
}

uint64_t capacity_bps(const struct capacity_estimate *c, const struct now *now)
{
	if (c->bps[1] == 0 || since(c->at_ns, now) >= CAPACITY_OLD_NS)
		return 0;
	return MAX(c->bps[0], c->bps[1]);
}

/* ---- uptime ---- */

void uptime_note(struct uptime_estimate *u, bool is_up, const struct now *now)
{
	if (u->at_ns != 0) {
		const uint64_t passed = MIN(since(u->at_ns, now), LOOK_MAX_NS);

		if (u->is_down)
			u->down_ns += passed;
		else
			u->up_ns += passed;
	}
	u->at_ns = now->mono_ns;
	u->is_down = !is_up;
}

uint32_t uptime_ppm(uint64_t up_ns, uint64_t down_ns)
{
	const uint64_t up_ms = MIN(up_ns, UINT64_MAX / 2) / NS_PER_MS + TRUST_NS / NS_PER_MS;
	const uint64_t all_ms = up_ms + MIN(down_ns, UINT64_MAX / 2) / NS_PER_MS;

	return (uint32_t)MIN(PPM, up_ms * 1000 / (all_ms / 1000));
}
