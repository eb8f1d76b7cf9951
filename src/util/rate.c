/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "util/rate.h"

#define PAUSE_NS (5 * NS_PER_MS)

void rate_set(struct rate *r, uint64_t bps)
{
	__atomic_store_n(&r->bps, bps, __ATOMIC_RELAXED);
}

uint64_t rate_bps(const struct rate *r)
{
	return __atomic_load_n(&r->bps, __ATOMIC_RELAXED);
}

uint64_t rate_take(struct rate *r, uint64_t least, uint64_t most, uint64_t burst_bytes,
		   uint64_t now_ns)
{
	const uint64_t bps = rate_bps(r);
	uint64_t spent_ns = __atomic_load_n(&r->spent_ns, __ATOMIC_RELAXED);
	uint64_t credit_ns, from_ns, bytes;

	if (bps == 0)
		return most;
	credit_ns = MAX(PAUSE_NS, burst_bytes * 8 * NS_PER_S / bps);
	do {
		from_ns = MAX(spent_ns, now_ns - MIN(now_ns, credit_ns));
		if (from_ns >= now_ns)
			return 0;
		/* Never more than credit_ns, so that the product stays within 64 bits. */
		bytes = MIN(most, (now_ns - from_ns) * (bps / 8) / NS_PER_S);
		if (bytes < least)
			return 0;
		from_ns += (bytes * NS_PER_S + bps / 8 - 1) / (bps / 8);
	} while (!__atomic_compare_exchange_n(&r->spent_ns, &spent_ns, from_ns, true,
					      __ATOMIC_RELAXED, __ATOMIC_RELAXED));
	return bytes;
}
