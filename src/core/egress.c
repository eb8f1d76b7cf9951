/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/egress.h"

#include "util/xalloc.h"

void egress_init(struct egress *eg, size_t batches)
{
	*eg = (struct egress){.pool = xcalloc(batches, sizeof(*eg->pool))};
	for (size_t i = 0; i < batches; i++)
		egress_return(eg, &eg->pool[i].tx);
}

void egress_fini(struct egress *eg)
{
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

struct egress_slot egress_reserve(struct egress *eg, struct link *l, unsigned hop)
{
	struct egress_batch *b = l->egress;
	struct egress_slot s = {0};

	if (l->state != LINK_UP)
		return s;
	if (b != NULL && (b->tx.count == EGRESS_CELLS || b->hop != hop)) {
		batch_close(b);
		b = NULL;
	}
	if (b == NULL)
		b = batch_open(eg, l, hop);
	if (b == NULL)
		return s;
	s.batch = b;
	s.index = b->tx.count++;
	s.cell = b->buf + s.index * CELL_LEN;
	return s;
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
}

void egress_forget(struct egress *eg, struct link *l)
{
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
