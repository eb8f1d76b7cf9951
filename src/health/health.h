/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * How well a hop or a whole path does.  Measurements go into struct health, which is always about
 * the way from here to that hop; figures are read from it, for the whole way or for what a hop adds
 * to the one before it; a verdict follows the figures, with hysteresis.
 *
 *	health_* -> health_figures -> verdict_update
 */
#ifndef HEALTH_HEALTH_H
#define HEALTH_HEALTH_H

#include "health/estimate.h"

struct health {
	struct rtt_estimate rtt;
	struct share_estimate lost_out, lost_in; /* away from here, and back */
	struct share_estimate marked;            /* congestion experienced, either way */
	struct rate_estimate rate_out, rate_in;
	struct capacity_estimate capacity;
	struct uptime_estimate uptime;
	uint64_t heard_ns;   /* last sign of life, from there or through it */
	unsigned unanswered; /* questions since */
};

/* What one side of the traffic reports: cells or packets, and their bytes, in a span of time. */
struct health_traffic {
	uint64_t span_ns;
	uint64_t sent, sent_lost, sent_bytes;
	uint64_t received, received_lost, received_bytes;
	uint64_t marked; /* of sent and received */
};

void health_rtt(struct health *h, uint64_t rtt_ns, const struct now *now); /* also health_heard */
void health_heard(struct health *h, const struct now *now);
/* health_unanswered: a question of asked_ns stayed without answer.  Counts only if nothing else was
 * heard since: silence convicts nothing that is carrying traffic. */
void health_unanswered(struct health *h, uint64_t asked_ns, const struct now *now);
/* Losses may be told without the rest: other fields zero. */
void health_traffic(struct health *h, const struct health_traffic *t, const struct now *now);
/* health_rates: only how much of it there was. */
void health_rates(struct health *h, const struct health_traffic *t, const struct now *now);
void health_capacity(struct health *h, uint64_t bps, const struct now *now);

struct health_figures {
	bool is_measured; /* there was at least one round trip */
	uint64_t rtt_ns, jitter_ns;
	uint64_t usual_ns, excess_ns; /* the shortest of the last minutes, and what is above it */
	uint32_t lost_out_ppm, lost_in_ppm;
	uint64_t lost_of; /* cells or packets that the losses are shares of; few say little */
	uint64_t out_bps, in_bps;
	uint64_t capacity_bps; /* of the whole way, always; 0: not measured */
	bool is_narrow;        /* the way is no wider before what these figures are about */
	unsigned unanswered;
	uint32_t marked_ppm; /* only of a whole way: nobody tells which hop it was */
};

/*
 * health_figures(h, before, now): of the whole way to a hop, or, given the way to the hop before
 * it, of what this hop and the link to it add.
 */
struct health_figures health_figures(const struct health *h, const struct health *before,
				     const struct now *now);

#endif
