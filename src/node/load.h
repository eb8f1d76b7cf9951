/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * How much of its bandwidth a node uses, as it tells in its descriptor.  Smoothed over minutes and
 * told in coarse steps: a hint is old when it is read, and a fine one would show whose traffic came
 * and went.
 */
#ifndef NODE_LOAD_H
#define NODE_LOAD_H

#include "util/bytes.h"
#include "util/now.h"

#define LOAD_STEP_PERCENT 5

struct load {
	uint64_t begun_ns, at_ns; /* of the first and the last report; 0: none yet */
	uint64_t bytes;           /* the last one's */
	uint64_t smooth_bps;
};

/* load_note(l, bytes, now): what was sent in all, up to now.  A total that runs backwards begins
 * anew. */
void load_note(struct load *l, uint64_t bytes, const struct now *now);

/*
 * load_percent(l, capacity_bps, told): of that, 0..100 in steps; LOAD_UNKNOWN (mesh/descriptor.h)
 * before there is enough to tell.  As long as it is less than a step from what was told last, that.
 */
uint8_t load_percent(const struct load *l, uint64_t capacity_bps, uint8_t told);

#endif
