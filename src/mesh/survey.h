/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What several nodes say of whoever asks them, all at once: how far they are, from which address it
 * comes, what time it is, and whether they can call a node at its address (mesh/reach_msg.h).  Over
 * an engine of its own, from one socket: where that is seen from tells what NAT does.
 */
#ifndef MESH_SURVEY_H
#define MESH_SURVEY_H

#include "core/engine.h"
#include "mesh/reach_msg.h"

#define SURVEY_TARGETS_MAX 8
#define SURVEY_DIALS_MAX   3 /* of those asked to call back */

struct survey;

struct survey_params {
	struct engine *engine; /* borrowed; a client's */
	const struct rng *rng; /* borrowed */
	uint16_t dial_port;    /* to be called at; 0: do not ask */
	uint8_t dial_key[DH_LEN];
};

/* What one node told. */
struct survey_result {
	bool is_small_answered; /* a probe of 64 bytes came back */
	bool is_up;             /* so did the handshake, 1432 bytes each way */
	bool is_seen;           /* what follows is known */
	struct endpoint seen;
	uint64_t rtt_ns;   /* the shortest of several */
	int64_t offset_ms; /* its clock less ours */
	bool is_dialed;    /* it was asked to call, and said how that went: */
	enum reach_result dial;
	uint64_t dial_rtt_ns;
};

struct survey *survey_create(const struct survey_params *params);
void survey_free(struct survey *s);

/* survey_add(s, key, endpoint, now): ask this node too; its number, from 0 on, or -ENOSPC. */
MUST_USE int survey_add(struct survey *s, const uint8_t key[static DH_LEN],
			const struct endpoint *endpoint, const struct now *now);

/* survey_on_event(s, ev, now): every event of the engine. */
void survey_on_event(struct survey *s, const struct engine_event *ev, const struct now *now);

/* survey_next_probe(s, to, msg): a datagram to send from the engine's socket, until false.
 * survey_recv_probe: one that came there with first byte MSG_LINK_PROBE. */
bool survey_next_probe(struct survey *s, struct endpoint *to, uint8_t msg[static LINK_PROBE_LEN]);
void survey_recv_probe(struct survey *s, const uint8_t *data, size_t len);

void survey_tick(struct survey *s, const struct now *now);
uint64_t survey_deadline(const struct survey *s);

/* survey_is_done(s): nobody will say more. */
bool survey_is_done(const struct survey *s);
unsigned survey_count(const struct survey *s);
const struct survey_result *survey_result(const struct survey *s, unsigned i);

#endif
