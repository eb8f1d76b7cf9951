/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a hop does when the client asks it something.  Sessions are the exit's. */
#include "core/engine_int.h"

static void echo(struct engine *e, struct circuit *c, uint64_t reply_seq, const uint8_t *body,
		 size_t len, const struct now *now)
{
	uint8_t text[CONTROL_ANSWER_HEAD_LEN + ECHO_NONCE_LEN + 4];
	struct echo_answer a = {0};
	size_t n;

	(void)now;
	if (len < ECHO_NONCE_LEN) {
		engine_drop(e, DROP_CONTROL);
		return;
	}
	/* Answered within the same batch: there is no hold time worth telling. */
	memcpy(a.nonce, body, sizeof(a.nonce));
	n = control_put_answer_head(text, CONTROL_ECHO, CONTROL_OK);
	n += echo_answer_encode(&a, text + n);
	relay_answer(e, c, reply_seq, text, n);
}

static void counters(struct engine *e, struct circuit *c, uint64_t reply_seq)
{
	uint8_t text[CONTROL_ANSWER_HEAD_LEN + 16];
	const struct counters_answer a = {.fwd_cells = c->fwd_cells, .bwd_cells = c->bwd_cells};
	size_t n = control_put_answer_head(text, CONTROL_COUNTERS, CONTROL_OK);

	n += counters_answer_encode(&a, text + n);
	relay_answer(e, c, reply_seq, text, n);
}

/* For mesh/, which answers when and as far as it likes. */
static void mesh(struct engine *e, const struct circuit *c, uint64_t reply_seq, const uint8_t *body,
		 size_t len)
{
	struct engine_event *ev;

	if (len < MESH_QUESTION_LEN || body[0] == 0 || body[0] > LINKCTL_MESH_MAX) {
		engine_drop(e, DROP_CONTROL);
		return;
	}
	if (e->event_count >= EVENT_RING / 2) { /* whoever sends many harms no others */
		engine_drop(e, DROP_NO_BUFFER);
		return;
	}
	ev = engine_event(e, EVENT_CIRCUIT_MESSAGE);
	ev->circuit = end_key(c->prev.nb->link, c->prev.circ_id);
	ev->reply = reply_seq;
	memcpy(ev->body, body, MESH_QUESTION_LEN);
	memset(ev->body + MESH_QUESTION_LEN, 0, CELL_BODY_LEN - MESH_QUESTION_LEN);
}

void hop_mesh_answer(struct engine *e, const struct engine_message *m)
{
	struct circuit *c = map_get(&e->circuits_by_end, m->to);
	uint8_t text[CELL_BODY_LEN];
	const size_t head = control_put_answer_head(text, CONTROL_MESH, CONTROL_OK);

	if (c == NULL || c->state != CIRCUIT_OPEN ||
	    end_key(c->prev.nb->link, c->prev.circ_id) != m->to) {
		engine_drop(e, DROP_CIRCUIT_STATE);
		return;
	}
	memcpy(text + head, m->body, MESH_ANSWER_LEN);
	relay_answer(e, c, m->reply, text, sizeof(text));
}

void hop_control(struct engine *e, struct circuit *c, const uint8_t *payload, size_t len,
		 const struct now *now)
{
	const uint8_t *body = payload + CONTROL_HEAD_LEN;
	uint64_t reply_seq;
	uint8_t type;

	if (control_get_head(payload, len, &type, &reply_seq) != 0) {
		engine_drop(e, DROP_CONTROL);
		return;
	}
	len -= CONTROL_HEAD_LEN;
	switch (type) {
	case CONTROL_ECHO:
		echo(e, c, reply_seq, body, len, now);
		break;
	case CONTROL_COUNTERS:
		counters(e, c, reply_seq);
		break;
	case CONTROL_MESH:
		mesh(e, c, reply_seq, body, len);
		break;
	case CONTROL_SESS_NEW:
	case CONTROL_ATTACH:
	case CONTROL_SESS_CLOSE:
		exit_on_control(e, c, type, reply_seq, body, len, now);
		break;
	default:
		engine_drop(e, DROP_CONTROL);
	}
}
