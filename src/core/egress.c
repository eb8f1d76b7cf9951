/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/egress.h"

#include "util/xalloc.h"

enum {
	WIRE_LEN = CELL_WIRE_LEN,
	BURST_MIN = 64 * WIRE_LEN, /* full batches need it */
	TAKE = 16 * WIRE_LEN,      /* of the shared rate at once; little is left unused */
};

#define QUEUE_TURN_NS NS_PER_MS

void egress_init(struct egress *eg, size_t batches, size_t queue_cells, struct rate *rate,
		 uint64_t salt)
{
	*eg = (struct egress){.pool = xcalloc(batches, sizeof(*eg->pool))};
	for (size_t i = 0; i < batches; i++)
		egress_return(eg, &eg->pool[i].tx);
	if (queue_cells == 0)
		return;
	eg->queue = queue_create(queue_cells, salt);
	eg->turn_cells = UINT32_MAX;
	eg->rate = rate;
}

void egress_fini(struct egress *eg)
{
	queue_free(eg->queue);
	free(eg->pool);
	*eg = (struct egress){0};
}

static struct egress_batch *batch_of(struct tx_batch *tx)
{
	return container_of(tx, struct egress_batch, tx);
}

static struct egress_batch *batch_get(struct egress *eg, const struct endpoint *to,
				      uint16_t seg_len)
{
	struct egress_batch *b = eg->free;

	if (b == NULL)
		return NULL;
	eg->free = b->tx.next != NULL ? batch_of(b->tx.next) : NULL;
	b->tx = (struct tx_batch){.to = *to, .seg_len = seg_len, .data = b->buf};
	b->dead = 0;
	return b;
}

void egress_return(struct egress *eg, struct tx_batch *tx)
{
	struct egress_batch *b = batch_of(tx);

	tx->next = eg->free != NULL ? &eg->free->tx : NULL;
	eg->free = b;
}

static void ready_push(struct egress *eg, struct tx_batch *tx)
{
	tx->next = NULL;
	if (eg->ready_tail != NULL)
		eg->ready_tail->next = tx;
	else
		eg->ready_head = tx;
	eg->ready_tail = tx;
}

/* The open batch of a link hangs at the link, so that a burst for one link finds it at once. */
static void batch_close(struct egress_batch *b)
{
	if (b->is_open) {
		b->is_open = false;
		b->link->egress = NULL;
	}
}

static struct egress_batch *batch_open(struct egress *eg, struct link *l, unsigned hop)
{
	struct egress_batch *b = batch_get(eg, &l->endpoint, CELL_LEN);

	if (b == NULL)
		return NULL;
	b->link = l;
	b->hop = hop;
	b->is_open = true;
	l->egress = b;
	if (eg->pending_tail != NULL)
		eg->pending_tail->tx.next = &b->tx;
	else
		eg->pending_head = b;
	eg->pending_tail = b;
	return b;
}

static struct egress_slot batch_reserve(struct egress *eg, struct link *l, unsigned hop)
{
	struct egress_batch *b = l->egress;
	unsigned index;

	if (b != NULL && (b->tx.count == EGRESS_CELLS || b->hop != hop)) {
		batch_close(b);
		b = NULL;
	}
	if (b == NULL)
		b = batch_open(eg, l, hop);
	if (b == NULL)
		return (struct egress_slot){0};
	index = b->tx.count++;
	return (struct egress_slot){.batch = b, .cell = b->buf + index * CELL_LEN, .index = index};
}

/* ---- the queue ---- */

static bool may_leave(struct egress *eg)
{
	if (eg->is_blocked || eg->turn_used >= eg->turn_cells)
		return false;
	if (eg->rate != NULL && eg->tokens_bytes < WIRE_LEN)
		eg->tokens_bytes += rate_take(eg->rate, WIRE_LEN, TAKE, BURST_MIN, eg->now_ns);
	return eg->rate == NULL || eg->tokens_bytes >= WIRE_LEN;
}

static void spend(struct egress *eg)
{
	eg->turn_used++;
	if (eg->rate != NULL)
		eg->tokens_bytes -= WIRE_LEN;
}

bool egress_may_drain(struct egress *eg)
{
	return eg->queue != NULL && eg->queue->count > 0 && may_leave(eg);
}

/* Only so many at once: what the socket then has no room for waits in no order but its own. */
static void drain(struct egress *eg, const struct now *now)
{
	for (unsigned i = 0; i < EGRESS_CELLS && egress_may_drain(eg); i++) {
		struct queued *c = queue_next(eg->queue, now->mono_ns);
		struct egress_slot s = {0};

		if (c->link->state == LINK_UP)
			s = batch_reserve(eg, c->link, 1);
		if (s.cell != NULL) {
			memcpy(s.cell, c->cell, CELL_LEN);
			egress_commit(eg, &s, c->header);
			spend(eg);
		}
		queue_give_back(eg->queue, c);
	}
}

void egress_set_turn(struct egress *eg, unsigned cells)
{
	eg->turn_cells = MAX(cells, 1u);
}

void egress_block(struct egress *eg, bool blocked)
{
	if (eg->queue != NULL)
		eg->is_blocked = blocked;
}

uint64_t egress_deadline(const struct egress *eg)
{
	uint64_t cell_ns;

	if (eg->queue == NULL || eg->queue->count == 0 || eg->is_blocked)
		return NEVER;
	/* Batches, not single cells: a wake-up costs more than a cell, and a millisecond nobody. */
	cell_ns = eg->rate != NULL ? NS_PER_S * 8 * WIRE_LEN / MAX(rate_bps(eg->rate), 1u) : 0;
	return eg->now_ns + MAX(QUEUE_TURN_NS, cell_ns);
}

/* ---- cells ---- */

struct egress_slot egress_reserve(struct egress *eg, struct link *l, unsigned hop)
{
	struct egress_slot s = {0};

	if (l->state != LINK_UP)
		return s;
	if (eg->queue != NULL && (eg->queue->count > 0 || !may_leave(eg))) {
		s.queued = queue_get(eg->queue);
		if (s.queued != NULL)
			s.cell = s.queued->cell;
		s.link = l;
		return s;
	}
	s = batch_reserve(eg, l, hop);
	if (s.cell != NULL)
		spend(eg);
	return s;
}

void egress_commit(struct egress *eg, const struct egress_slot *s, struct cell_header header)
{
	if (s->queued != NULL)
		queue_put(eg->queue, s->queued, s->link, s->link->id, header, eg->now_ns);
	else
		s->batch->header[s->index] = header;
}

void egress_cancel(struct egress *eg, const struct egress_slot *s)
{
	if (s->queued != NULL)
		queue_give_back(eg->queue, s->queued);
	else
		s->batch->dead |= 1ull << s->index;
}

bool egress_datagram(struct egress *eg, const struct endpoint *to, const void *data, uint16_t len)
{
	struct egress_batch *b = batch_get(eg, to, len);

	if (b == NULL)
		return false;
	memcpy(b->buf, data, len);
	b->tx.count = 1;
	b->link = NULL;
	ready_push(eg, &b->tx);
	return true;
}

/* Cancelled slots are rare (a layer that did not verify): close the gaps they leave. */
static void batch_compact(struct egress_batch *b)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < b->tx.count; i++) {
		if (b->dead >> i & 1)
			continue;
		if (kept != i) {
			memcpy(b->buf + kept * CELL_LEN, b->buf + i * CELL_LEN, CELL_LEN);
			b->header[kept] = b->header[i];
		}
		kept++;
	}
	b->tx.count = (uint16_t)kept;
}

void egress_flush(struct egress *eg, struct links *ls, const struct now *now)
{
	struct tx_batch *next;

	eg->now_ns = now->mono_ns;
	if (eg->queue != NULL)
		drain(eg, now);
	for (struct tx_batch *tx = eg->pending_head != NULL ? &eg->pending_head->tx : NULL;
	     tx != NULL; tx = next) {
		struct egress_batch *b = batch_of(tx);

		next = tx->next;
		if (b->link != NULL)
			batch_close(b);
		if (b->dead != 0)
			batch_compact(b);
		if (b->link == NULL || b->link->state != LINK_UP || tx->count == 0) {
			egress_return(eg, tx);
			continue;
		}
		tx->to = b->link->endpoint;
		link_seal(ls, b->link, b->buf, b->header, tx->count, now);
		ready_push(eg, tx);
	}
	eg->pending_head = eg->pending_tail = NULL;
	eg->turn_used = 0;
}

void egress_forget(struct egress *eg, struct link *l)
{
	if (eg->queue != NULL)
		queue_forget(eg->queue, l);
	for (struct egress_batch *b = eg->pending_head; b != NULL;
	     b = b->tx.next != NULL ? batch_of(b->tx.next) : NULL) {
		if (b->link == l) {
			batch_close(b);
			b->link = NULL;
		}
	}
}

struct tx_batch *egress_take(struct egress *eg)
{
	struct tx_batch *head = eg->ready_head;

	eg->ready_head = eg->ready_tail = NULL;
	return head;
}
