/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/queue.h"

#include "util/xalloc.h"

#define CREDIT_MAX (QUEUE_INTERACTIVE_BURST * QUEUE_INTERACTIVE_SHARE)

/* ---- lists ---- */

static void list_push(struct queue_list *l, struct queue_flow *f)
{
	f->next = NULL;
	*l->tail = f;
	l->tail = &f->next;
}

static struct queue_flow *list_shift(struct queue_list *l)
{
	struct queue_flow *f = l->head;

	l->head = f->next;
	if (l->head == NULL)
		l->tail = &l->head;
	return f;
}

static void flow_init(struct queue_flow *f)
{
	*f = (struct queue_flow){0};
	f->tail = &f->head;
}

static void set_init(struct queue_set *s)
{
	for (size_t i = 0; i < QUEUE_FLOWS; i++)
		flow_init(&s->flow[i]);
	s->fresh.tail = &s->fresh.head;
	s->old.tail = &s->old.head;
}

static struct queued *flow_shift(struct queue *q, struct queue_flow *f)
{
	struct queued *c = f->head;

	f->head = c->next;
	if (f->head == NULL)
		f->tail = &f->head;
	f->count--;
	q->count--;
	return c;
}

/* ---- the pool ---- */

struct queue *queue_create(size_t cells, uint64_t salt)
{
	struct queue *q = xcalloc(1, sizeof(*q));

	q->salt = salt | 1;
	q->cells = xcalloc(cells, sizeof(*q->cells));
	for (size_t i = 0; i < cells; i++)
		queue_give_back(q, &q->cells[i]);
	for (size_t i = 0; i < QUEUE_CLASSES; i++)
		set_init(&q->set[i]);
	flow_init(&q->control);
	q->credit = CREDIT_MAX;
	return q;
}

void queue_free(struct queue *q)
{
	if (q == NULL)
		return;
	free(q->cells);
	free(q);
}

void queue_give_back(struct queue *q, struct queued *c)
{
	c->next = q->free;
	q->free = c;
}

/* Rare: only when the pool is used up. */
static bool drop_from_longest(struct queue *q)
{
	struct queue_flow *longest = &q->control;

	for (size_t i = 0; i < QUEUE_CLASSES * QUEUE_FLOWS; i++) {
		struct queue_flow *f = &q->set[i / QUEUE_FLOWS].flow[i % QUEUE_FLOWS];

		if (f->count > longest->count)
			longest = f;
	}
	if (longest->count == 0)
		return false;
	queue_give_back(q, flow_shift(q, longest));
	q->dropped++;
	return true;
}

struct queued *queue_get(struct queue *q)
{
	struct queued *c;

	if (q->free == NULL && !drop_from_longest(q))
		return NULL;
	c = q->free;
	q->free = c->next;
	return c;
}

/* ---- in ---- */

static struct queue_set *set_of(struct queue *q, const struct cell_header *h)
{
	return &q->set[h->is_interactive ? QUEUE_INTERACTIVE : QUEUE_BULK];
}

static struct queue_flow *flow_of(struct queue *q, uint32_t link_id, const struct cell_header *h)
{
	const uint64_t key = (uint64_t)link_id << 32 | h->circ_id;

	if (!cell_kind_is_data(h->kind))
		return &q->control;
	return &set_of(q, h)->flow[(key * q->salt >> 32) % QUEUE_FLOWS];
}

void queue_put(struct queue *q, struct queued *c, struct link *link, uint32_t link_id,
	       struct cell_header header, uint64_t now_ns)
{
	struct queue_flow *f = flow_of(q, link_id, &header);

	c->next = NULL;
	c->link = link;
	c->header = header;
	c->at_ns = now_ns;
	*f->tail = c;
	f->tail = &c->next;
	f->count++;
	q->count++;
	if (!f->is_active && f != &q->control) {
		f->is_active = true;
		list_push(&set_of(q, &header)->fresh, f);
	}
}

/* ---- CoDel, RFC 8289 section 5, marking ---- */

static uint64_t isqrt(uint64_t x)
{
	uint64_t r = x;

	for (uint64_t y = (x + 1) / 2; y < r; y = (y + x / y) / 2)
		r = y;
	return r;
}

/* interval / sqrt(marks), in whole nanoseconds. */
static uint64_t control_law(uint64_t t_ns, uint32_t marks)
{
	return t_ns + CODEL_INTERVAL_NS * 1024 / MAX(isqrt((uint64_t)marks << 20), 1u);
}

static bool stands_too_long(struct queue_flow *f, const struct queued *c, uint64_t now_ns)
{
	if (now_ns - c->at_ns < CODEL_TARGET_NS || f->count == 0) {
		f->above_since_ns = 0;
		return false;
	}
	if (f->above_since_ns == 0)
		f->above_since_ns = now_ns;
	return now_ns - f->above_since_ns >= CODEL_INTERVAL_NS;
}

static bool should_mark(struct queue_flow *f, const struct queued *c, uint64_t now_ns)
{
	if (!stands_too_long(f, c, now_ns)) {
		f->is_marking = false;
		return false;
	}
	if (!f->is_marking) {
		/* Soon after the last time: go on near the rate that worked. */
		const bool is_recent =
		    f->marks > 2 && now_ns < f->next_mark_ns + 8 * CODEL_INTERVAL_NS;

		f->is_marking = true;
		f->marks = is_recent ? f->marks - 2 : 1;
		f->next_mark_ns = control_law(now_ns, f->marks);
		return true;
	}
	if (now_ns < f->next_mark_ns)
		return false;
	f->marks++;
	f->next_mark_ns = control_law(f->next_mark_ns, f->marks);
	return true;
}

/* ---- out ---- */

/* The flow whose turn it is, taken out of its list; NULL: the class is empty. */
static struct queue_flow *set_turn(struct queue_set *s)
{
	while (s->fresh.head != NULL || s->old.head != NULL) {
		const bool is_fresh = s->fresh.head != NULL;
		struct queue_flow *f = list_shift(is_fresh ? &s->fresh : &s->old);

		if (f->head != NULL)
			return f;
		/* Empty: a fresh one first waits its turn among the old, or it could jump the line.
		 */
		if (is_fresh)
			list_push(&s->old, f);
		else
			f->is_active = false;
	}
	return NULL;
}

static struct queued *set_next(struct queue *q, enum queue_class class, uint64_t now_ns)
{
	struct queue_set *s = &q->set[class];
	struct queue_flow *f = set_turn(s);
	struct queued *c;

	if (f == NULL)
		return NULL;
	c = flow_shift(q, f);
	list_push(&s->old, f);
	if (should_mark(f, c, now_ns)) {
		c->header.flags |= CELL_FLAG_CE;
		q->marked++;
	}
	return c;
}

struct queued *queue_next(struct queue *q, uint64_t now_ns)
{
	const bool is_first = q->credit >= QUEUE_INTERACTIVE_SHARE;
	const enum queue_class first = is_first ? QUEUE_INTERACTIVE : QUEUE_BULK;
	const enum queue_class second = is_first ? QUEUE_BULK : QUEUE_INTERACTIVE;
	struct queued *c;

	if (q->control.head != NULL)
		return flow_shift(q, &q->control);
	c = set_next(q, first, now_ns);
	if (c == NULL)
		c = set_next(q, second, now_ns);
	if (c == NULL)
		return NULL;
	if (is_first && c->header.is_interactive)
		q->credit -= QUEUE_INTERACTIVE_SHARE;
	q->credit = MIN(q->credit + 1, (unsigned)CREDIT_MAX);
	return c;
}

static void flow_forget(struct queue *q, struct queue_flow *f, const struct link *link)
{
	struct queued **at = &f->head, *c;

	while ((c = *at) != NULL) {
		if (c->link != link) {
			at = &c->next;
			continue;
		}
		*at = c->next;
		queue_give_back(q, c);
		f->count--;
		q->count--;
	}
	f->tail = at;
}

void queue_forget(struct queue *q, const struct link *link)
{
	for (size_t i = 0; i < QUEUE_CLASSES * QUEUE_FLOWS; i++)
		flow_forget(q, &q->set[i / QUEUE_FLOWS].flow[i % QUEUE_FLOWS], link);
	flow_forget(q, &q->control, link);
}
