/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mesh/survey.h"

#include <errno.h>

#include "link/link_probe.h"
#include "util/xalloc.h"

enum {
	SAMPLES = 3, /* SEENs for the shortest round trip */
	SEES_MAX = 9,
	DIAL_TRIES = 2,
	PROBES = 3,
};

#define LINK_NS  (4 * NS_PER_S) /* for the handshake */
#define SEE_NS   NS_PER_S       /* for an answer */
#define DIAL_NS  (5 * NS_PER_S) /* the node itself waits 3 s */
#define AGAIN_NS (NS_PER_S / 2) /* when it was busy */
#define PROBE_NS (700 * NS_PER_MS)

enum stage {
	STAGE_LINK,
	STAGE_SEE,
	STAGE_DIAL,
	STAGE_DONE,
};

struct target {
	uint8_t key[DH_LEN];
	struct endpoint endpoint;
	uint8_t nonce[PROBE_NONCE_LEN];
	uint32_t link;
	enum stage stage;
	uint64_t due_ns;   /* the end of the stage, or of the wait for an answer */
	uint64_t probe_ns; /* next one */
	uint64_t sent_ns;  /* the last question */
	uint64_t sent_wall_ns;
	unsigned probes, sees, samples, dials;
	uint16_t request;
	uint8_t token[REACH_TOKEN_LEN];
	struct survey_result result;
};

struct survey {
	struct survey_params params;
	struct target targets[SURVEY_TARGETS_MAX];
	unsigned count, dialers;
	uint16_t last_request;
	uint64_t now_ns;
};

struct survey *survey_create(const struct survey_params *params)
{
	struct survey *s = xcalloc(1, sizeof(*s));

	s->params = *params;
	s->last_request = (uint16_t)rng_u32(params->rng);
	return s;
}

void survey_free(struct survey *s)
{
	free(s);
}

int survey_add(struct survey *s, const uint8_t key[static DH_LEN], const struct endpoint *endpoint,
	       const struct now *now)
{
	struct target *t;

	if (s->count == SURVEY_TARGETS_MAX)
		return -ENOSPC;
	t = &s->targets[s->count];
	*t = (struct target){
	    .endpoint = *endpoint, .due_ns = now->mono_ns + LINK_NS, .probe_ns = now->mono_ns};
	memcpy(t->key, key, sizeof(t->key));
	rng_fill(s->params.rng, t->nonce, sizeof(t->nonce));
	t->link = engine_link(s->params.engine, key, endpoint, now);
	if (t->link == 0)
		t->stage = STAGE_DONE;
	s->now_ns = now->mono_ns;
	return (int)s->count++;
}

/* ---- questions ---- */

static void ask(struct survey *s, struct target *t, struct reach_msg *m, uint64_t wait_ns,
		const struct now *now)
{
	uint8_t body[CELL_BODY_LEN];

	m->request = t->request = ++s->last_request;
	t->due_ns = now->mono_ns + wait_ns;
	t->sent_ns = now->mono_ns;
	t->sent_wall_ns = now->wall_ns;
	reach_encode(m, body);
	engine_link_send(s->params.engine, t->link, body, now);
}

static void ask_see(struct survey *s, struct target *t, const struct now *now)
{
	if (t->sees++ == SEES_MAX) {
		t->stage = STAGE_DONE;
		return;
	}
	t->stage = STAGE_SEE;
	ask(s, t, &(struct reach_msg){.type = REACH_SEE}, SEE_NS, now);
}

static void ask_dial(struct survey *s, struct target *t, const struct now *now)
{
	struct reach_msg m = {.type = REACH_DIAL, .port = s->params.dial_port};

	if (t->dials++ == DIAL_TRIES) {
		t->stage = STAGE_DONE;
		return;
	}
	t->stage = STAGE_DIAL;
	memcpy(m.token, t->token, sizeof(m.token));
	memcpy(m.link_key, s->params.dial_key, sizeof(m.link_key));
	ask(s, t, &m, DIAL_NS, now);
}

static void after_samples(struct survey *s, struct target *t, const struct now *now)
{
	if (s->params.dial_port == 0 || s->dialers == SURVEY_DIALS_MAX) {
		t->stage = STAGE_DONE;
		return;
	}
	s->dialers++;
	ask_dial(s, t, now);
}

/* ---- answers ---- */

/* The clock is taken from the fastest answer: nobody knows which half of the way was the slow one.
 */
static void take_seen(struct survey *s, struct target *t, const struct reach_msg *m,
		      const struct now *now)
{
	struct survey_result *r = &t->result;
	const uint64_t rtt_ns = now->mono_ns - t->sent_ns;

	if (!r->is_seen || rtt_ns < r->rtt_ns) {
		r->rtt_ns = rtt_ns;
		r->offset_ms =
		    (int64_t)m->time_ms - (int64_t)((t->sent_wall_ns + rtt_ns / 2) / NS_PER_MS);
	}
	r->is_seen = true;
	r->seen = m->seen;
	memcpy(t->token, m->token, sizeof(t->token));
	if (++t->samples < SAMPLES)
		ask_see(s, t, now);
	else
		after_samples(s, t, now);
}

static void take_dialed(struct survey *s, struct target *t, const struct reach_msg *m,
			const struct now *now)
{
	struct survey_result *r = &t->result;

	if (m->result == REACH_REFUSED) { /* it did not call, which tells nothing */
		t->due_ns = now->mono_ns + AGAIN_NS;
		return;
	}
	if (r->is_dialed && r->dial == REACH_OK)
		return;
	r->is_dialed = true;
	r->dial = m->result;
	r->dial_rtt_ns = m->rtt_us * 1000ull;
	/* One datagram that was lost is not a closed port. */
	if (m->result == REACH_OK)
		t->stage = STAGE_DONE;
	else
		ask_dial(s, t, now);
}

static struct target *by_link(struct survey *s, uint32_t link)
{
	for (unsigned i = 0; i < s->count; i++)
		if (s->targets[i].link == link && s->targets[i].stage != STAGE_DONE)
			return &s->targets[i];
	return NULL;
}

static void take_message(struct survey *s, struct target *t, const uint8_t *body,
			 const struct now *now)
{
	struct reach_msg m;

	if (reach_decode(&m, body) != 0 || m.request != t->request)
		return;
	if (m.type == REACH_SEEN && t->stage == STAGE_SEE)
		take_seen(s, t, &m, now);
	else if (m.type == REACH_DIALED && t->stage == STAGE_DIAL)
		take_dialed(s, t, &m, now);
}

void survey_on_event(struct survey *s, const struct engine_event *ev, const struct now *now)
{
	struct target *t = by_link(s, ev->link);

	if (t == NULL)
		return;
	if (ev->type == EVENT_LINK_UP && t->stage == STAGE_LINK) {
		t->result.is_up = true;
		ask_see(s, t, now);
	} else if (ev->type == EVENT_LINK_DOWN) {
		t->stage = STAGE_DONE;
	} else if (ev->type == EVENT_LINK_MESSAGE) {
		take_message(s, t, ev->body, now);
	}
}

/* ---- probes ---- */

static bool wants_probe(const struct target *t)
{
	return t->stage == STAGE_LINK && !t->result.is_small_answered && t->probes < PROBES;
}

bool survey_next_probe(struct survey *s, struct endpoint *to, uint8_t msg[static LINK_PROBE_LEN])
{
	for (unsigned i = 0; i < s->count; i++) {
		struct target *t = &s->targets[i];

		if (!wants_probe(t) || t->probe_ns > s->now_ns)
			continue;
		t->probes++;
		t->probe_ns = s->now_ns + PROBE_NS;
		*to = t->endpoint;
		probe_put(msg, t->key, t->nonce);
		return true;
	}
	return false;
}

void survey_recv_probe(struct survey *s, const uint8_t *data, size_t len)
{
	for (unsigned i = 0; i < s->count; i++)
		if (probe_is_answer(data, len, s->targets[i].key, s->targets[i].nonce))
			s->targets[i].result.is_small_answered = true;
}

/* ---- time ---- */

void survey_tick(struct survey *s, const struct now *now)
{
	s->now_ns = now->mono_ns;
	for (unsigned i = 0; i < s->count; i++) {
		struct target *t = &s->targets[i];

		if (t->stage == STAGE_DONE || t->due_ns > now->mono_ns)
			continue;
		if (t->stage == STAGE_LINK)
			t->stage = STAGE_DONE;
		else if (t->stage == STAGE_SEE)
			ask_see(s, t, now);
		else
			ask_dial(s, t, now);
	}
}

uint64_t survey_deadline(const struct survey *s)
{
	uint64_t due = NEVER;

	for (unsigned i = 0; i < s->count; i++) {
		const struct target *t = &s->targets[i];

		if (t->stage != STAGE_DONE)
			due = MIN(due, t->due_ns);
		if (wants_probe(t))
			due = MIN(due, t->probe_ns);
	}
	return due;
}

bool survey_is_done(const struct survey *s)
{
	for (unsigned i = 0; i < s->count; i++)
		if (s->targets[i].stage != STAGE_DONE)
			return false;
	return true;
}

unsigned survey_count(const struct survey *s)
{
	return s->count;
}

const struct survey_result *survey_result(const struct survey *s, unsigned i)
{
	return &s->targets[i].result;
}
