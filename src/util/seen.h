/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Numbers seen lately, to refuse repetitions; for several threads. */
#ifndef UTIL_SEEN_H
#define UTIL_SEEN_H

#include "util/bytes.h"
#include "util/rng.h"

struct seen;

/* seen_create(max, keep_ns, rng): keeps each number for keep_ns at least (twice that at most), and
 * no more than max in keep_ns. */
struct seen *seen_create(size_t max, uint64_t keep_ns, const struct rng *rng);
void seen_free(struct seen *s);

/* seen_has(s, x, now_ns): x was added, or nothing can be added any more. */
bool seen_has(struct seen *s, uint64_t x, uint64_t now_ns);

/* seen_add(s, x, now_ns): false when x was there already, or there is no room. */
MUST_USE bool seen_add(struct seen *s, uint64_t x, uint64_t now_ns);

#endif
