/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * DATA cells at a hop, in batches: forward cells lose a layer, backward cells gain one, and both
 * are written by the cipher straight into the batch of the link on which they leave.
 */
#include "core/engine_int.h"

/* A hop that answers or ends cells reads them in place; one that forwards writes the next link's
 * slot. */
struct forward {
	struct circuit *circuit;
	struct egress_slot slot;
	struct cell_header header;
};

/* Cells for sessions, opened together at the end of a batch, or before something in the batch that
 * may end a session or its path. */
struct delivery {
	struct incell cells[ONION_BATCH];
	size_t n;
};

static void deliver(struct engine *e, struct delivery *d, const struct now *now)
{
	if (d->n > 0)
		exit_deliver(e, d->cells, d->n, now);
	d->n = 0;
}

static void bad_tag(struct engine *e, struct circuit *c, struct delivery *d, const struct now *now)
{
	engine_drop(e, DROP_ONION_TAG);
	/* The neighbour cannot be blamed for one (the link protects the header only), but for many.
	 */
	c->bad_tags++;
	if (c->bad_tags >= 16 && c->bad_tags > c->fwd_cells / 1000) {
		deliver(e, d, now);
		circuit_destroy(e, c, now);
	}
}

static void forward_cell(struct engine *e, const struct forward *f)
{
	struct circuit *c = f->circuit;

	egress_commit(&e->egress, &f->slot,
		      (struct cell_header){
			  .circ_id = c->next.circ_id,
			  .seq = seq_add(f->header.seq, c->delta),
			  .kind = CELL_DATA_FWD,
			  .flags = f->header.flags & CELL_FLAG_CE,
			  .is_interactive = c->is_interactive,
		      });
	e->stats.fwd_cells++;
}

static void cancel(struct engine *e, const struct forward *f)
{
	if (f->slot.cell != NULL)
		egress_cancel(&e->egress, &f->slot);
}

/* What one opened layer asks for. */
static void act(struct engine *e, struct forward *f, struct onion_peel *p, struct delivery *d,
		const struct now *now)
{
	struct circuit *c = f->circuit;
	uint8_t *payload = onion_payload(p->out);
	struct exit_path *xp;

	switch (p->op) {
	case OP_FORWARD:
		if (f->slot.cell == NULL) {
			engine_drop(e, c->is_last ? DROP_OP : DROP_NO_BUFFER);
			return;
		}
		forward_cell(e, f);
		return;
	case OP_DELIVER:
		cancel(e, f);
		xp = c->last != NULL ? c->last->attached : NULL;
		if (xp == NULL || p->arg >= HOPS_MAX) {
			engine_drop(e, DROP_SESSION);
			return;
		}
		d->cells[d->n++] = (struct incell){
		    .sp = &xp->sp,
		    .owner = xp,
		    .text = payload,
		    .area = FORWARD_AREA((size_t)p->arg + 1),
		    .seq = f->header.seq,
		    .ce = f->header.flags & CELL_FLAG_CE,
		};
		return;
	case OP_CONTROL: {
		uint8_t text[CELL_BODY_LEN - ONION_OP_LEN];

		memcpy(text, payload, sizeof(text)); /* the slot may be reused while we answer */
		cancel(e, f);
		deliver(e, d, now);
		hop_control(e, c, text, sizeof(text), now);
		return;
	}
	case OP_DROP:
		cancel(e, f);
		engine_drop(e, DROP_COVER);
		return;
	default:
		cancel(e, f);
		engine_drop(e, DROP_OP);
	}
}

void relay_forward(struct engine *e, const struct relay_cell *cells, size_t n,
		   const struct now *now)
{
	struct onion_peel peel[ONION_BATCH];
	struct forward fwd[ONION_BATCH];
	struct delivery delivery;
	size_t m = 0;

	delivery.n = 0;

	for (size_t i = 0; i < n; i++) {
		struct circuit *c = cells[i].circuit;
		const struct cell_header *h = &cells[i].header;
		struct egress_slot slot = {0};

		if (c->state != CIRCUIT_OPEN) {
			engine_drop(e, DROP_CIRCUIT_STATE);
			continue;
		}
		if ((h->seq & SEQ_CONTROL_BIT) != 0 ||
		    !window_is_fresh(&c->fwd_window, c->fwd_bits, CIRCUIT_WINDOW_WORDS, h->seq)) {
			engine_drop(e, DROP_REPLAY);
			continue;
		}
		if (!c->is_last)
			slot = egress_reserve(&e->egress, c->next.nb->link, 1);
		fwd[m] = (struct forward){.circuit = c, .slot = slot, .header = *h};
		peel[m] = (struct onion_peel){
		    .kf = c->kf,
		    .kfill = c->kfill,
		    .cell = cells[i].cell,
		    .out = slot.cell != NULL ? slot.cell : cells[i].cell,
		    .seq = h->seq,
		};
		m++;
	}
	onion_peel(e->aead, peel, m);
	for (size_t i = 0; i < m; i++) {
		struct circuit *c = fwd[i].circuit;

		if (!peel[i].ok) {
			cancel(e, &fwd[i]);
			bad_tag(e, c, &delivery, now);
			continue;
		}
		/* Again, and now for good: the same cell may stand twice in one batch. */
		if (c->state != CIRCUIT_OPEN ||
		    !window_is_fresh(&c->fwd_window, c->fwd_bits, CIRCUIT_WINDOW_WORDS,
				     peel[i].seq)) {
			cancel(e, &fwd[i]);
			engine_drop(e, DROP_REPLAY);
			continue;
		}
		window_set(&c->fwd_window, c->fwd_bits, CIRCUIT_WINDOW_WORDS, peel[i].seq);
		c->last_ns = now->mono_ns;
		c->fwd_cells++;
		act(e, &fwd[i], &peel[i], &delivery, now);
	}
	deliver(e, &delivery, now);
}

/*
 * Check and set before sealing.  This is not about replay alone: a next hop that repeats a
 * counter would make us seal two bodies under one nonce.
 */
static bool take_counter(struct circuit *c, uint64_t b)
{
	const bool control = (b & SEQ_CONTROL_BIT) != 0;
	struct window *w = control ? &c->ctl_window : &c->bwd_window;
	uint64_t *bits = control ? c->ctl_bits : c->bwd_bits;
	const size_t words = control ? CONTROL_WINDOW_WORDS : CIRCUIT_WINDOW_WORDS;

	if (!window_is_fresh(w, bits, words, b))
		return false;
	window_set(w, bits, words, b);
	return true;
}

static void commit_backward(struct engine *e, struct circuit *c, const struct egress_slot *slot,
			    uint64_t b, uint8_t flags)
{
	egress_commit(&e->egress, slot,
		      (struct cell_header){
			  .circ_id = c->prev.circ_id,
			  .seq = b,
			  .kind = CELL_DATA_BWD,
			  .flags = flags,
			  .is_interactive = c->is_interactive,
		      });
	c->bwd_cells++;
	e->stats.bwd_cells++;
}

void relay_backward(struct engine *e, const struct relay_cell *cells, size_t n,
		    const struct now *now)
{
	struct onion_wrap wrap[ONION_BATCH];
	size_t m = 0;

	for (size_t i = 0; i < n; i++) {
		struct circuit *c = cells[i].circuit;
		const struct cell_header *h = &cells[i].header;
		const uint64_t b = seq_add(h->seq, c->epsilon);
		struct egress_slot slot;

		if (c->state != CIRCUIT_OPEN) {
			engine_drop(e, DROP_CIRCUIT_STATE);
			continue;
		}
		if (!take_counter(c, b)) {
			engine_drop(e, DROP_REPLAY);
			continue;
		}
		slot = egress_reserve(&e->egress, c->prev.nb->link, 1);
		if (slot.cell == NULL) {
			engine_drop(e, DROP_NO_BUFFER);
			continue;
		}
		wrap[m++] = (struct onion_wrap){
		    .kb = c->kb, .cell = cells[i].cell, .out = slot.cell, .b = b};
		commit_backward(e, c, &slot, b, h->flags & CELL_FLAG_CE);
		c->last_ns = now->mono_ns;
	}
	onion_wrap(e->aead, wrap, m);
}

void relay_answer(struct engine *e, struct circuit *c, uint64_t reply_seq, const uint8_t *text,
		  size_t len)
{
	struct egress_slot slot;
	struct onion_wrap wrap;

	if (!take_counter(c, reply_seq)) {
		engine_drop(e, DROP_REPLAY);
		return;
	}
	slot = egress_reserve(&e->egress, c->prev.nb->link, 1);
	if (slot.cell == NULL) {
		engine_drop(e, DROP_NO_BUFFER);
		return;
	}
	memset(slot.cell + CELL_TAG_OFF, 0, TAG_LEN);
	memcpy(slot.cell + CELL_BODY_OFF, text, len);
	memset(slot.cell + CELL_BODY_OFF + len, 0, CELL_BODY_LEN - len);
	wrap =
	    (struct onion_wrap){.kb = c->kb, .cell = slot.cell, .out = slot.cell, .b = reply_seq};
	onion_wrap(e->aead, &wrap, 1);
	commit_backward(e, c, &slot, reply_seq, 0);
}
