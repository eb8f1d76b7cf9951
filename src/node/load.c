/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "node/load.h"

#include "mesh/descriptor.h"

#define SMOOTH_NS (60 * NS_PER_S) /* what is older counts for a third */
#define LEAST_NS  (20 * NS_PER_S) /* to tell anything */

/* At first the mean of all there was, later one that forgets. */
static void smooth(struct load *l, uint64_t bps, uint64_t span_ns, uint64_t since_ns)
{
	const uint64_t part_ns = MAX(MIN(SMOOTH_NS, since_ns), span_ns);
	const uint64_t permille = span_ns * 1000 / part_ns;

	l->smooth_bps = (l->smooth_bps * (1000 - permille) + bps * permille) / 1000;
}

void load_note(struct load *l, uint64_t bytes, const struct now *now)
{
	const uint64_t span_us =
	    now->mono_ns > l->at_ns ? (now->mono_ns - l->at_ns) / NS_PER_US : 0;

	if (l->begun_ns == 0 || bytes < l->bytes) {
		*l = (struct load){.begun_ns = MAX(now->mono_ns, 1)};
	} else if (span_us == 0) {
		return;
	} else {
		smooth(l, (bytes - l->bytes) * 8 * (NS_PER_S / NS_PER_US) / span_us,
		       span_us * NS_PER_US, now->mono_ns - l->begun_ns);
	}
	l->at_ns = now->mono_ns;
	l->bytes = bytes;
}

uint8_t load_percent(const struct load *l, uint64_t capacity_bps, uint8_t told)
{
	uint64_t percent, off;

	if (l->at_ns - l->begun_ns < LEAST_NS || capacity_bps == 0)
		return LOAD_UNKNOWN;
	percent = MIN(l->smooth_bps * 100 / capacity_bps, 100);
	off = percent > told ? percent - told : told - percent;
	if (told <= 100 && off < LOAD_STEP_PERCENT)
		return told;
	return (uint8_t)((percent + LOAD_STEP_PERCENT / 2) / LOAD_STEP_PERCENT * LOAD_STEP_PERCENT);
}
