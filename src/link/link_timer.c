/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which peer is due next: a binary heap, since an entry node may have many thousands of links. */
#include "link/link_int.h"

static void place(struct links *ls, size_t pos, struct peer *p)
{
	ls->timers[pos] = p;
	p->timer_pos = pos;
}

/* Puts p into the hole at pos, or nearer to the root when it is due before its parents. */
static void sift_up(struct links *ls, size_t pos, struct peer *p)
{
	while (pos > 1 && ls->timers[pos / 2]->deadline_ns > p->deadline_ns) {
		place(ls, pos, ls->timers[pos / 2]);
		pos /= 2;
	}
	place(ls, pos, p);
}

static void sift_down(struct links *ls, size_t pos, struct peer *p)
{
	for (size_t child; (child = 2 * pos) <= ls->timers_len; pos = child) {
		if (child < ls->timers_len &&
		    ls->timers[child + 1]->deadline_ns < ls->timers[child]->deadline_ns)
			child++;
		if (ls->timers[child]->deadline_ns >= p->deadline_ns)
			break;
		place(ls, pos, ls->timers[child]);
	}
	place(ls, pos, p);
}

static void fill_hole(struct links *ls, size_t pos, struct peer *p)
{
	if (pos > 1 && ls->timers[pos / 2]->deadline_ns > p->deadline_ns)
		sift_up(ls, pos, p);
	else
		sift_down(ls, pos, p);
}

static void take_out(struct links *ls, struct peer *p)
{
	const size_t hole = p->timer_pos;
	struct peer *last = ls->timers[ls->timers_len--];

	p->timer_pos = 0;
	if (last != p)
		fill_hole(ls, hole, last);
}

void timer_set(struct links *ls, struct peer *p, uint64_t deadline_ns)
{
	p->deadline_ns = deadline_ns;
	if (deadline_ns == NEVER && p->timer_pos != 0)
		take_out(ls, p);
	else if (deadline_ns != NEVER && p->timer_pos == 0)
		sift_up(ls, ++ls->timers_len, p);
	else if (deadline_ns != NEVER)
		fill_hole(ls, p->timer_pos, p);
}
