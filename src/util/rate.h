/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A rate of bytes that several threads share without locks: whoever has something to send takes
 * what there is, so what one leaves is the others'.
 */
#ifndef UTIL_RATE_H
#define UTIL_RATE_H

#include "util/bytes.h"
#include "util/now.h"

struct rate {
	uint64_t bps;      /* 0: no limit */
	uint64_t spent_ns; /* up to this time all is taken */
};

/* rate_set, rate_bps: at any time, from any thread. */
void rate_set(struct rate *r, uint64_t bps);
uint64_t rate_bps(const struct rate *r);

/*
 * rate_take(r, least, most, now_ns): bytes that may be sent now, between least and most, or 0.
 * After a pause at once no more than 5 ms' worth, but burst_bytes at least.
 */
uint64_t rate_take(struct rate *r, uint64_t least, uint64_t most, uint64_t burst_bytes,
		   uint64_t now_ns);

#endif
