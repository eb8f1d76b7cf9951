/* SPDX-License-Identifier: GPL-3.0-or-later */
#ifndef TESTS_HEALTH_CLOCK_H
#define TESTS_HEALTH_CLOCK_H

#include "util/now.h"

#define CLOCK_WALL_S 1800000000ull

static inline struct now clock_start(void)
{
	return (struct now){.mono_ns = 5 * NS_PER_S, .wall_ns = CLOCK_WALL_S * NS_PER_S};
}

static inline void clock_pass(struct now *now, uint64_t ns)
{
	now->mono_ns += ns;
	now->wall_ns += ns;
}

#endif
