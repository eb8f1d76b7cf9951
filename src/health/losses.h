/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * On which link of a route cells are lost, and in which direction: from what the hops have counted
 * in the same time.  All hops are asked in one round, and only those rounds are compared that both
 * ends of a link have answered.
 */
#ifndef HEALTH_LOSSES_H
#define HEALTH_LOSSES_H

#include "health/estimate.h"
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

struct losses {
	struct {
		uint64_t asked_ns; /* the round; 0: none yet */
		struct hop_count count;
	} told[HOPS_MAX];
	struct {
		uint64_t at_ns; /* when both ends had last answered the same round; 0: never */
		struct hop_count near, far;    /* then */
		struct share_estimate out, in; /* away from here, and back */
	} link[HOPS_MAX];                      /* to hop i + 1 */
};

/* losses_told: hop (1-based) answered the round of asked_ns.  Who tells what cannot be has lost
 * all.
 */
void losses_told(struct losses *l, unsigned hop, uint64_t asked_ns, const struct hop_count *c,
		 const struct now *now);

struct link_loss {
	uint32_t out_ppm, in_ppm;
	uint64_t of; /* cells that these are shares of */
};
struct link_loss losses_of(const struct losses *l, unsigned hop, const struct now *now);

/* losses_is_cut_off: the hop before it has answered since, that one not. */
bool losses_is_cut_off(const struct losses *l, unsigned hop, const struct now *now);

#endif
