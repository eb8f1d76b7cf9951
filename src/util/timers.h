/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Many deadlines, the earliest first: a binary heap of timers that lie in what they are for. */
#ifndef UTIL_TIMERS_H
#define UTIL_TIMERS_H

#include "util/bytes.h"
#include "util/now.h"

struct timer {
	uint64_t due_ns; /* NEVER: only kept */
	size_t at;       /* place in the heap, from 1; 0: not added */
};

struct timers {
	struct timer **heap; /* zeroed: empty */
	size_t count, room;
};

void timers_fini(struct timers *ts);

/* timers_add: may allocate.  timers_set and timers_del never do; t is in ts. */
void timers_add(struct timers *ts, struct timer *t, uint64_t due_ns);
void timers_set(struct timers *ts, struct timer *t, uint64_t due_ns);
void timers_del(struct timers *ts, struct timer *t);

/* timers_next: when the first is due, or NEVER.  timers_due: it, when that is now or past. */
static inline uint64_t timers_next(const struct timers *ts)
{
	return ts->count > 0 ? ts->heap[0]->due_ns : NEVER;
}

static inline struct timer *timers_due(const struct timers *ts, const struct now *now)
{
	return timers_next(ts) <= now->mono_ns ? ts->heap[0] : NULL;
}

#endif
