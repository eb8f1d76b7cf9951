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
	case CONTROL_SESS_NEW:
	case CONTROL_ATTACH:
	case CONTROL_SESS_CLOSE:
		exit_on_control(e, c, type, reply_seq, body, len, now);
		break;
	default:
		engine_drop(e, DROP_CONTROL);
	}
}
