/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Token bucket: rate per second with a burst.  Starts full. */
#ifndef UTIL_BUCKET_H
#define UTIL_BUCKET_H

#include "util/bytes.h"
#include "util/now.h"

struct bucket {
	uint64_t filled_ns; /* when tokens was right */
	uint64_t tokens_ns; /* tokens, as the time that it takes to earn them */
};

/* bucket_take(b, rate_per_s, burst, mono_ns): one token, or false.  A zeroed bucket is full. */
static inline bool bucket_take(struct bucket *b, uint32_t rate_per_s, uint32_t burst,
			       uint64_t mono_ns)
{
	const uint64_t token_ns = NS_PER_S / rate_per_s;
	const uint64_t full_ns = token_ns * burst;
	const uint64_t elapsed_ns = b->filled_ns == 0 ? full_ns : mono_ns - b->filled_ns;

	b->tokens_ns = MIN(full_ns, b->tokens_ns + MIN(elapsed_ns, full_ns));
	b->filled_ns = mono_ns;
	if (b->tokens_ns < token_ns)
		return false;
	b->tokens_ns -= token_ns;
	return true;
}

#endif
