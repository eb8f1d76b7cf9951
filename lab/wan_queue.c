/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A binary heap of events.  Keys live in the heap's own array: sifting touches no packet. */
#include "wan_queue.h"

#include "util/bytes.h"
#include "util/now.h"
#include "util/xalloc.h"

#define FRAMES_MAX 65536 /* 128 MiB: half a second of 1.5 Gbit/s */

void queue_init(struct queue *q)
{
	*q = (struct queue){0};
}

void queue_fini(struct queue *q)
{
	while (q->count > 0) {
		struct frame *f = queue_pop(q).frame;

		if (f != NULL)
			frame_put(q, f);
	}
	while (q->free != NULL) {
		struct frame *f = q->free;

		q->free = f->next;
		free(f);
	}
	free(q->heap);
	queue_init(q);
}

struct frame *frame_get(struct queue *q)
{
	struct frame *f = q->free;

	if (f != NULL) {
		q->free = f->next;
		return f;
	}
	if (q->frames == FRAMES_MAX)
		return NULL;
	q->frames++;
	return xcalloc(1, sizeof(*f));
}

struct frame *frame_copy(struct queue *q, const struct frame *f)
{
	struct frame *copy = frame_get(q);

	if (copy != NULL) {
		copy->len = f->len;
		memcpy(copy->ip, f->ip, f->len);
	}
	return copy;
}

void frame_put(struct queue *q, struct frame *f)
{
	f->next = q->free;
	q->free = f;
}

static bool is_before(const struct event *a, const struct event *b)
{
	return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->order < b->order;
}

void queue_push(struct queue *q, uint64_t due_ns, struct wan_link *link, struct frame *frame)
{
	const struct event e = {due_ns, q->scheduled++, link, frame};
	size_t at = q->count++;

	if (q->count > q->room) {
		q->room = q->room == 0 ? 1024 : q->room * 2;
		q->heap = xrealloc(q->heap, q->room, sizeof(q->heap[0]));
	}
	while (at > 0 && is_before(&e, &q->heap[(at - 1) / 2])) {
		q->heap[at] = q->heap[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	q->heap[at] = e;
}

uint64_t queue_due_ns(const struct queue *q)
{
	return q->count > 0 ? q->heap[0].due_ns : NEVER;
}

struct event queue_pop(struct queue *q)
{
	const struct event first = q->heap[0];
	const struct event e = q->heap[--q->count];
	size_t at = 0;

	for (;;) {
		size_t child = at * 2 + 1;

		if (child + 1 < q->count && is_before(&q->heap[child + 1], &q->heap[child]))
			child++;
		if (child >= q->count || !is_before(&q->heap[child], &e))
			break;
		q->heap[at] = q->heap[child];
		at = child;
	}
	q->heap[at] = e;
	return first;
}
