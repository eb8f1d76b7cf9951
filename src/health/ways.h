/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How far it is from here to nodes, over links that the book knows from whatever routes. */
#ifndef HEALTH_WAYS_H
#define HEALTH_WAYS_H

#include "health/book.h"

struct ways;

/* ways_create(b, rng): as the book is now. */
struct ways *ways_create(struct book *b, const struct rng *rng);
void ways_free(struct ways *w);

/* ways_rtt_ns(w, id): the shortest round trip of HOPS_MAX links or fewer; 0: none is known. */
uint64_t ways_rtt_ns(const struct ways *w, const uint8_t id[static NODE_ID_LEN]);

#endif
