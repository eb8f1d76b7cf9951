/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The health of one route: of the way to each of its hops, of what each hop adds, and of the whole.
 * Its owner tells what it measures and asks for verdicts; hops are counted from 1, the entry.
 */
#ifndef HEALTH_ROUTE_HEALTH_H
#define HEALTH_ROUTE_HEALTH_H

#include "health/losses.h"
#include "health/verdict.h"

struct route_health {
	unsigned hops;
	struct health way[HOPS_MAX];  /* from here to hop i + 1 */
	struct verdict hop[HOPS_MAX]; /* of what hop i + 1 adds */
	struct verdict whole;
	struct losses losses;
};

void route_health_init(struct route_health *r, unsigned hops);

/* ECHO: answered (also a sign of life from the hops before), or not in good time. */
void route_health_echo(struct route_health *r, unsigned hop, uint64_t rtt_ns,
		       const struct now *now);
void route_health_unanswered(struct route_health *r, unsigned hop, uint64_t asked_ns,
			     const struct now *now);

/* route_health_counters: a hop answered COUNTERS of the round that began at asked_ns. */
void route_health_counters(struct route_health *r, unsigned hop, uint64_t asked_ns,
			   const struct hop_count *c, const struct now *now);

/* route_health_capacity: a train to a hop went at that rate; so it did through those before. */
void route_health_capacity(struct route_health *r, unsigned hop, uint64_t bps,
			   const struct now *now);

/* What the traffic itself shows, of the whole route; the smoothed round trip of what was
 * acknowledged, 0 if nothing was. */
void route_health_traffic(struct route_health *r, const struct health_traffic *t, uint64_t rtt_ns,
			  const struct now *now);

/* route_health_judge: all verdicts anew; true when a level changed. */
bool route_health_judge(struct route_health *r, const struct health_limits *limits,
			const struct now *now);

struct health_figures route_health_hop(const struct route_health *r, unsigned hop,
				       const struct now *now);
struct health_figures route_health_whole(const struct route_health *r, const struct now *now);

/* route_health_blame: the first of the hops that do worst; 0 when all are green. */
unsigned route_health_blame(const struct route_health *r);

#endif
