/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "util/timers.h"

#include "util/xalloc.h"

void timers_fini(struct timers *ts)
{
	free(ts->heap);
	*ts = (struct timers){0};
}

static void put(struct timers *ts, size_t at, struct timer *t)
{
	ts->heap[at - 1] = t;
	t->at = at;
}

static void up(struct timers *ts, struct timer *t)
{
	size_t at = t->at;

	for (; at > 1 && t->due_ns < ts->heap[at / 2 - 1]->due_ns; at /= 2)
		put(ts, at, ts->heap[at / 2 - 1]);
	put(ts, at, t);
}

static void down(struct timers *ts, struct timer *t)
{
	size_t at = t->at, child;

	while ((child = 2 * at) <= ts->count) {
		if (child < ts->count && ts->heap[child]->due_ns < ts->heap[child - 1]->due_ns)
			child++;
		if (t->due_ns <= ts->heap[child - 1]->due_ns)
			break;
		put(ts, at, ts->heap[child - 1]);
		at = child;
	}
	put(ts, at, t);
}

void timers_add(struct timers *ts, struct timer *t, uint64_t due_ns)
{
	if (ts->count == ts->room) {
		ts->room = 2 * ts->room + 16;
		ts->heap = xrealloc(ts->heap, ts->room, sizeof(struct timer *));
	}
	t->due_ns = due_ns;
	put(ts, ++ts->count, t);
	up(ts, t);
}

void timers_set(struct timers *ts, struct timer *t, uint64_t due_ns)
{
	t->due_ns = due_ns;
	up(ts, t);
	down(ts, t);
}

void timers_del(struct timers *ts, struct timer *t)
{
	struct timer *last = ts->heap[ts->count - 1];
	const size_t at = t->at;

	t->at = 0;
	ts->count--;
	if (last == t)
		return;
	put(ts, at, last);
	up(ts, last);
	down(ts, last);
}
