/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Where countries are, as far as a first guess of a round trip between them needs it. */
#ifndef MESH_GEO_H
#define MESH_GEO_H

#include <stdint.h>

/* geo_rtt_ns(a, b): a usual round trip between servers in two countries (two capital letters); the
 * same middling guess for all where one is unknown. */
uint64_t geo_rtt_ns(const char *a, const char *b);

#endif
