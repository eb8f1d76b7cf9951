/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The health of one route: of the way to each of its hops, of what each hop adds, and of the whole.
 * Its owner tells what it measures and asks for verdicts; hops are counted from 1, the entry.
 */
#ifndef HEALTH_ROUTE_HEALTH_H
#define HEALTH_ROUTE_HEALTH_H

#include "health/verdict.h"
#include "wire/limits.h"

/*
 * What went past a hop, and past us: all running totals.  A question travels in line with the cells
 * it asks about, and so does its answer; what is missing was lost and not just on its way.
 */
struct hop_count {
	uint64_t sent;     /* ours, when we asked */
	uint64_t seen;     /* the hop's, of those */
	uint64_t returned; /* the hop's, when it answered */
	uint64_t received; /* ours, when the answer came */
};

struct route_health {
	unsigned hops;
	struct health way[HOPS_MAX];  /* from here to hop i + 1 */
	struct verdict hop[HOPS_MAX]; /* of what hop i + 1 adds */
	struct verdict whole;
	struct hop_count counted[HOPS_MAX]; /* the last answers */
};

void route_health_init(struct route_health *r, unsigned hops);

/* ECHO: answered (also a sign of life from the hops before), or not in good time. */
void route_health_echo(struct route_health *r, unsigned hop, uint64_t rtt_ns,
		       const struct now *now);
void route_health_unanswered(struct route_health *r, unsigned hop, uint64_t asked_ns,
			     const struct now *now);

/* route_health_counters: a hop answered COUNTERS.  Who tells what cannot be has lost all. */
void route_health_counters(struct route_health *r, unsigned hop, const struct hop_count *c,
			   const struct now *now);

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
