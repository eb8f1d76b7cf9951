/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Cells on their way out.  Cells for one link are made next to each other in a batch, so that their
 * link headers are sealed in one wide call and the whole batch leaves as one GSO send; the
 * cipher that produces a cell writes it straight into its slot.
 */
#ifndef CORE_EGRESS_H
#define CORE_EGRESS_H

#include "core/queue.h"
#include "link/link.h"
#include "util/dgram.h"
#include "util/rate.h"
#include "wire/cell.h"

enum {
	EGRESS_CELLS = 44, /* 44 * 1432 < 64 KiB: the most that one GSO send takes */
	EGRESS_OVERHANG = ONION_OVERHANG_MAX,
};

struct egress_batch {
	struct tx_batch tx; /* first: what I/O sees */
	struct link *link;  /* NULL: a ready datagram (handshake) */
	unsigned hop;       /* overhang class: cells for hop m hang over by 18 (m - 1) bytes */
	bool is_open;       /* still the link's current batch */
	uint64_t dead;      /* bitmap of cancelled slots */
	struct cell_header header[EGRESS_CELLS];
	uint8_t buf[EGRESS_CELLS * CELL_LEN + EGRESS_OVERHANG];
};

/*
 * A reserved place for one cell: in a batch, or in the queue while cells may not leave at once.
 * Exactly one of commit and cancel follows before the flush.
 */
struct egress_slot {
	uint8_t *cell; /* NULL: nothing could be reserved */
	struct egress_batch *batch;
	struct queued *queued; /* instead of batch */
	struct link *link;
	unsigned index;
};

struct egress {
	struct egress_batch *free;
	struct egress_batch *pending_head, *pending_tail; /* reserved into, not yet sealed */
	struct tx_batch *ready_head, *ready_tail;
	struct egress_batch *pool;

	struct queue *queue; /* NULL: cells always leave at once */
	bool is_blocked;     /* the socket is full */
	unsigned turn_cells; /* that may leave in one flush */
	unsigned turn_used;
	struct rate *rate; /* of bytes on the wire, IP and UDP headers included; NULL: no limit */
	uint64_t tokens_bytes; /* of it, that may leave now */
	uint64_t now_ns;       /* of the last flush: when queued cells came, near enough */
};

/* egress_init(eg, batches, queue_cells, rate, salt): queue_cells 0: no queue, and no limit.  rate
 * (may be NULL) is borrowed, and shared with other threads' egress. */
void egress_init(struct egress *eg, size_t batches, size_t queue_cells, struct rate *rate,
		 uint64_t salt);
void egress_fini(struct egress *eg);

/*
 * egress_reserve(eg, l, hop): a slot on this link; hop is the onion layer that the cell will be
 * made for in place (1 for everything that stays within the cell).  cell is NULL when the link is
 * not up or the pools are empty.
 */
struct egress_slot egress_reserve(struct egress *eg, struct link *l, unsigned hop);

void egress_commit(struct egress *eg, const struct egress_slot *s, struct cell_header header);
void egress_cancel(struct egress *eg, const struct egress_slot *s);

/* egress_block(eg, blocked): the socket is full, or has room again. */
void egress_block(struct egress *eg, bool blocked);

/* egress_set_turn(eg, cells): no more than these leave in one flush; what is beyond waits in the
 * queue, if there is one. */
void egress_set_turn(struct egress *eg, unsigned cells);

/* egress_may_drain: a flush moves something out of the queue now. */
bool egress_may_drain(struct egress *eg);

/* egress_deadline: when a flush can move something out of the queue; NEVER when it is empty. */
uint64_t egress_deadline(const struct egress *eg);

/* egress_datagram(eg, to, data, len): queue one finished datagram; false when the pool is empty. */
bool egress_datagram(struct egress *eg, const struct endpoint *to, const void *data, uint16_t len);

/* egress_flush(eg, ls, now): seal what was committed and make it ready.  Ends every engine call. */
void egress_flush(struct egress *eg, struct links *ls, const struct now *now);

/* egress_forget(eg, l): drop what is pending for a link that is about to be closed. */
void egress_forget(struct egress *eg, struct link *l);

/* egress_take: all ready batches as a list, oldest first.  Each goes back with egress_return. */
struct tx_batch *egress_take(struct egress *eg);
void egress_return(struct egress *eg, struct tx_batch *tx);

#endif
