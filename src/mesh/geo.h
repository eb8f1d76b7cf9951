/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Where countries are, as far as a first guess of a round trip between them needs it, and how far
 * apart they are at least.  Countries are two capital letters; "" is an unknown one. */
#ifndef MESH_GEO_H
#define MESH_GEO_H

#include <stdint.h>

/* geo_rtt_ns(a, b): a usual round trip between servers in two countries; the same middling guess
 * for all where one is unknown. */
uint64_t geo_rtt_ns(const char *a, const char *b);

/* geo_km(a, b): between where most of their servers are; UINT32_MAX where one is unknown. */
uint32_t geo_km(const char *a, const char *b);

/* geo_least_km(a, b): no two points of theirs are closer, as far as circles around whole countries
 * can tell; 0 where one is unknown. */
uint32_t geo_least_km(const char *a, const char *b);

/* geo_light_km(rtt_ns): how far away something that has answered in this time can be at most: at
 * the speed of light in a vacuum, in a straight line, there and back. */
uint32_t geo_light_km(uint64_t rtt_ns);

#endif
