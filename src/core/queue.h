/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Cells that may not leave yet, because of the node's bandwidth limit or a full socket: two classes
 * of circuits, in each fair queueing over the circuits with CoDel (RFC 8290, RFC 8289).  All cells
 * have one size, so round robin is fair; a circuit that was idle goes before those with a backlog,
 * and link control before all.  CoDel marks cells (congestion experienced) rather than dropping
 * them: the session's ends turn that into marks or losses of inner packets.
 *
 * Interactive circuits go before bulk ones as long as they keep, over some time, to their share of
 * what leaves; whoever asks for the class to move more than that gets no more than by turns.
 */
#ifndef CORE_QUEUE_H
#define CORE_QUEUE_H

#include "util/bytes.h"
#include "util/now.h"
#include "wire/cell.h"

enum {
	QUEUE_FLOWS = 1024,           /* of each class; power of two */
	QUEUE_INTERACTIVE_SHARE = 4,  /* one cell of so many, when both classes wait ... */
	QUEUE_INTERACTIVE_BURST = 64, /* ... after so many at once */
};

enum queue_class {
	QUEUE_BULK,
	QUEUE_INTERACTIVE,
	QUEUE_CLASSES,
};

#define CODEL_TARGET_NS   (5 * NS_PER_MS)
#define CODEL_INTERVAL_NS (100 * NS_PER_MS)

struct link;

struct queued {
	struct queued *next;
	struct link *link;
	uint64_t at_ns; /* when it was put in */
	struct cell_header header;
	uint8_t cell[CELL_LEN + ONION_OVERHANG_MAX];
};

struct queue_flow {
	struct queued *head, **tail;
	struct queue_flow *next; /* in the list of flows to serve */
	uint32_t count;
	bool is_active, is_marking;
	uint32_t marks; /* in this marking state */
	uint64_t above_since_ns, next_mark_ns;
};

struct queue_list {
	struct queue_flow *head, **tail;
};

struct queue_set {
	struct queue_flow flow[QUEUE_FLOWS];
	struct queue_list fresh, old;
};

struct queue {
	struct queued *cells, *free; /* the pool */
	struct queue_set set[QUEUE_CLASSES];
	struct queue_flow control; /* what is not DATA */
	unsigned credit;           /* interactive cells that may go first, times their share */
	uint64_t salt;
	size_t count;
	uint64_t marked, dropped;
};

/* queue_create(cells, salt): room for so many cells (about 1.5 KB each). */
struct queue *queue_create(size_t cells, uint64_t salt);
void queue_free(struct queue *q);

/*
 * queue_get: an empty cell; when the pool is used up, the oldest cell of the longest flow gives
 * way (counted as dropped).  queue_put: in it goes; queue_give_back: not after all.
 */
struct queued *queue_get(struct queue *q);
void queue_put(struct queue *q, struct queued *c, struct link *link, uint32_t link_id,
	       struct cell_header header, uint64_t now_ns);
void queue_give_back(struct queue *q, struct queued *c);

/* queue_next(q, now_ns): the next cell to send, marked if need be; NULL when empty. */
struct queued *queue_next(struct queue *q, uint64_t now_ns);

/* queue_forget(q, link): drop what waits for this link. */
void queue_forget(struct queue *q, const struct link *link);

#endif
