/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "health/health.h"

void health_heard(struct health *h, const struct now *now)
{
	h->heard_ns = MAX(h->heard_ns, now->mono_ns);
	h->unanswered = 0;
	uptime_note(&h->uptime, true, now);
}

void health_rtt(struct health *h, uint64_t rtt_ns, const struct now *now)
{
	rtt_add(&h->rtt, rtt_ns, now);
	health_heard(h, now);
}

void health_unanswered(struct health *h, uint64_t asked_ns, const struct now *now)
{
	if (h->heard_ns >= asked_ns && h->heard_ns != 0)
		return;
	if (h->unanswered < UINT32_MAX)
		h->unanswered++;
	uptime_note(&h->uptime, false, now);
}

void health_traffic(struct health *h, const struct health_traffic *t, const struct now *now)
{
	share_add(&h->lost_out, t->sent, t->sent_lost, now);
	share_add(&h->lost_in, t->received, t->received_lost, now);
	share_add(&h->marked, t->sent + t->received, t->marked, now);
	health_rates(h, t, now);
}

void health_rates(struct health *h, const struct health_traffic *t, const struct now *now)
{
	rate_add(&h->rate_out, t->sent_bytes, t->span_ns, now);
	rate_add(&h->rate_in, t->received_bytes, t->span_ns, now);
}

void health_capacity(struct health *h, uint64_t bps, const struct now *now)
{
	capacity_add(&h->capacity, bps, now);
}

static uint64_t less(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

/* Trains are not exact: the hop before counts as no wider up to this. */
#define NARROW_PERCENT 150

/* What the last hop adds: the way to it, less the way to the one before. */
static void subtract(struct health_figures *f, const struct health_figures *before)
{
	f->rtt_ns = less(f->rtt_ns, before->rtt_ns);
	f->usual_ns = less(f->usual_ns, before->usual_ns);
	f->jitter_ns = less(f->jitter_ns, before->jitter_ns);
	f->excess_ns = less(f->excess_ns, before->excess_ns);
	f->lost_out_ppm = f->lost_in_ppm = 0; /* health/losses.h tells */
	f->lost_of = 0;
	if (!before->is_measured)
		f->excess_ns = 0;   /* it may have come before */
	if (before->unanswered > 0) /* who cannot be reached cannot answer */
		f->unanswered = 0;
	f->marked_ppm = 0;
	f->is_narrow = before->capacity_bps != 0 &&
		       before->capacity_bps <= f->capacity_bps * NARROW_PERCENT / 100;
}

/* What came through says something too. */
static uint64_t capacity_of(const struct health *h, const struct now *now)
{
	const uint64_t trains_bps = capacity_bps(&h->capacity, now);

	return trains_bps == 0 ? 0
			       : MAX(trains_bps, MAX(rate_estimate_bps(&h->rate_out, now),
						     rate_estimate_bps(&h->rate_in, now)));
}

struct health_figures health_figures(const struct health *h, const struct health *before,
				     const struct now *now)
{
	uint64_t of_out, of_in;
	struct health_figures f = {
	    .is_measured = h->rtt.samples > 0,
	    .rtt_ns = h->rtt.smooth_ns,
	    .jitter_ns = h->rtt.var_ns,
	    .usual_ns = rtt_floor_ns(&h->rtt),
	    .excess_ns = less(rtt_recent_ns(&h->rtt), rtt_floor_ns(&h->rtt)),
	    .lost_out_ppm = share_ppm(&h->lost_out, now, &of_out),
	    .lost_in_ppm = share_ppm(&h->lost_in, now, &of_in),
	    .marked_ppm = share_ppm(&h->marked, now, NULL),
	    .out_bps = rate_estimate_bps(&h->rate_out, now),
	    .in_bps = rate_estimate_bps(&h->rate_in, now),
	    .capacity_bps = capacity_of(h, now),
	    .unanswered = h->unanswered,
	};

	f.lost_of = MAX(of_out, of_in);
	if (before != NULL) {
		const struct health_figures b = health_figures(before, NULL, now);

		subtract(&f, &b);
	}
	return f;
}
