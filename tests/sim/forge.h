/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Cells that only a dishonest end of a session makes: it has the keys, and no scruples. */
#ifndef TESTS_SIM_FORGE_H
#define TESTS_SIM_FORGE_H

#include "core/path_int.h"
#include "tests/sim/sim.h"

static inline struct circuit *forge_first_circuit(struct engine *e)
{
	struct circuit *c;

	for (size_t at = 0; (c = slab_next(&e->circuits, &at)) != NULL;)
		if (c->state == CIRCUIT_OPEN)
			return c;
	return NULL;
}

/* A hop that knows nothing of one of its circuits any more, and has told nobody. */
static inline void forge_forget(struct engine *e, struct circuit *c)
{
	map_del(&e->circuits_by_end, end_key(c->prev.nb->link, c->prev.circ_id));
	if (c->next.nb != NULL)
		map_del(&e->circuits_by_end, end_key(c->next.nb->link, c->next.circ_id));
}

/* A client that sends from another inner address than the one that its session was granted. */
static inline void forge_address(struct sim_node *client, uint8_t xor)
{
	struct session_grant *g = &client->last[EVENT_SESSION_OPEN].grant;

	g->v4[3] ^= xor;
	memcpy(session_by_id(client->engine, client->last[EVENT_SESSION_OPEN].session)->grant.v4,
	       g->v4, 4);
}

/* Any text (op and arg included) for hop m of the path. */
static inline bool forge_onion_text(struct engine *e, uint32_t id, unsigned m, const uint8_t *bytes,
				    size_t len, const struct now *now)
{
	struct path *p = path_by_id(e, id);
	struct egress_slot slot;
	uint64_t seq;

	if (p == NULL || p->state != PATH_OPEN || m < 1 || m > p->n)
		return false;
	slot = egress_reserve(&e->egress, p->entry->link, m);
	if (slot.cell == NULL)
		return false;
	memset(onion_plaintext(slot.cell, m), 0, CELL_BODY_LEN - ONION_HOP_LEN * (m - 1));
	memcpy(onion_plaintext(slot.cell, m), bytes,
	       MIN(len, (size_t)(CELL_BODY_LEN - ONION_HOP_LEN * (m - 1))));
	seq = p->seq_next++;
	onion_seal(e->aead, p->keys, m, &slot.cell, &seq, 1);
	egress_commit(
	    &e->egress, &slot,
	    (struct cell_header){.circ_id = p->circ_id, .seq = seq, .kind = CELL_DATA_FWD});
	engine_finish(e, now);
	return true;
}

/* Any text in place of frames, from the client to the exit. */
static inline bool forge_client_text(struct engine *e, uint32_t id, const uint8_t *bytes,
				     size_t len, const struct now *now)
{
	struct path *p = path_by_id(e, id);
	uint8_t text[CELL_BODY_LEN] = {OP_DELIVER};
	struct aead_job job;
	size_t area;

	if (p == NULL || p->owner == NULL)
		return false;
	area = (size_t)FORWARD_AREA(p->n);
	text[1] = (uint8_t)(p->n - 1);
	memcpy(text + ONION_OP_LEN, bytes, MIN(len, area));
	job = (struct aead_job){.key = p->session.seal_key,
				.nonce = path_seq_at(p, p->n, p->seq_next),
				.src = text + ONION_OP_LEN,
				.dst = text + ONION_OP_LEN,
				.len = (uint32_t)area,
				.tag = text + ONION_OP_LEN + area};
	aead_seal(e->aead, &job, 1);
	return forge_onion_text(e, id, p->n, text, ONION_OP_LEN + area + TAG_LEN, now);
}

/* The same from an exit, on its first circuit with a session. */
static inline bool forge_exit_text(struct engine *e, const uint8_t *bytes, size_t len,
				   const struct now *now)
{
	struct circuit *c = forge_first_circuit(e);
	struct egress_slot slot;
	struct onion_wrap wrap;
	struct aead_job job;
	uint8_t *text;

	if (c == NULL || c->last == NULL || c->last->attached == NULL)
		return false;
	slot = egress_reserve(&e->egress, c->prev.nb->link, 1);
	if (slot.cell == NULL)
		return false;
	text = slot.cell + CELL_BODY_OFF;
	memset(slot.cell + CELL_TAG_OFF, 0, TAG_LEN + CELL_BODY_LEN);
	memcpy(text, bytes, MIN(len, (size_t)BACKWARD_AREA));
	wrap = (struct onion_wrap){
	    .kb = c->kb, .cell = slot.cell, .out = slot.cell, .b = c->last->b_next++};
	job = (struct aead_job){.key = c->last->attached->sp.seal_key,
				.nonce = wrap.b,
				.src = text,
				.dst = text,
				.len = BACKWARD_AREA,
				.tag = text + BACKWARD_AREA};
	aead_seal(e->aead, &job, 1);
	onion_wrap(e->aead, &wrap, 1);
	egress_commit(
	    &e->egress, &slot,
	    (struct cell_header){.circ_id = c->prev.circ_id, .seq = wrap.b, .kind = CELL_DATA_BWD});
	engine_finish(e, now);
	return true;
}

#endif
