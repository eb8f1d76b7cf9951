/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The one place that reads the clocks. */
#include "util/now.h"

#include <time.h>

static uint64_t clock_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

struct now now_read(void)
{
	/* BOOTTIME goes on during suspend, so that lifetimes end on time after a resume. */
	return (struct now){.mono_ns = clock_ns(CLOCK_BOOTTIME),
			    .wall_ns = clock_ns(CLOCK_REALTIME)};
}
