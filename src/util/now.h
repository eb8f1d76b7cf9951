/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Time as protocol code sees it: handed in by the caller, never read from a clock. */
#ifndef UTIL_NOW_H
#define UTIL_NOW_H

#include <stdint.h>

#define NS_PER_US 1000ull
#define NS_PER_MS 1000000ull
#define NS_PER_S  1000000000ull
#define NEVER     UINT64_MAX

struct now {
	uint64_t mono_ns; /* monotonic; for all durations */
	uint64_t wall_ns; /* since 1970 UTC; only for messages that carry wall time */
};

/* now_read(): both clocks of the operating system.  Only I/O code and tests call it. */
struct now now_read(void);

#endif
