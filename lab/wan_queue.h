/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Packets on their way, ordered by the time at which they arrive; and the pool that they live in.
 */
#ifndef LAB_WAN_QUEUE_H
#define LAB_WAN_QUEUE_H

#include "wan_packet.h"

struct wan_link;

struct frame {
	struct frame *next; /* in the pool */
	size_t len;
	uint8_t ip[WAN_PACKET_MAX];
};

struct event {
	uint64_t due_ns;
	uint64_t order; /* of scheduling: equal times keep their order */
	struct wan_link *link;
	struct frame *frame; /* NULL: the link's own timer */
};

struct queue {
	struct event *heap;
	size_t count, room;
	uint64_t scheduled;
	struct frame *free;
	size_t frames;
};

void queue_init(struct queue *q);
void queue_fini(struct queue *q);

/* frame_get: NULL when the emulator holds as many packets as it may.  frame_put gives it back. */
struct frame *frame_get(struct queue *q);
struct frame *frame_copy(struct queue *q, const struct frame *f);
void frame_put(struct queue *q, struct frame *f);

/* queue_push: frame (or the link's timer, NULL) becomes due; the queue owns it until then. */
void queue_push(struct queue *q, uint64_t due_ns, struct wan_link *link, struct frame *frame);

/* queue_due_ns: when the next one is due, or NEVER.  queue_pop: takes that one out. */
uint64_t queue_due_ns(const struct queue *q);
struct event queue_pop(struct queue *q);

#endif
