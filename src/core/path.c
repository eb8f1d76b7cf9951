/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The client's circuits: one CREATE builds one, CREATED is recomputed whole, then cells go out
 * sealed for a hop and come back with a chain of tags that proves which hops handled them.
 */
#include "core/path_int.h"

#include "util/xalloc.h"

#include <errno.h>

/*
 * Counters for answers are given out by where they reach us, so that every hop sees them rise;
 * the base leaves room below for the hops' secret offsets.
 */
#define REPLY_BASE (SEQ_CONTROL_BIT + 3 * (1ull << 45))

struct path *path_by_id(const struct engine *e, uint32_t id)
{
	list_for_each (it, &e->paths) {
		struct path *p = container_of(it, struct path, in_engine);

		if (p->id == id)
			return p;
	}
	return NULL;
}

uint64_t path_seq_at(const struct path *p, unsigned hop, uint64_t seq)
{
	for (unsigned i = 0; i + 1 < hop; i++)
		seq += p->keys[i].delta;
	return seq & SEQ_MASK;
}

/* The counter that hop m sends so that the first link's is b1. */
static uint64_t counter_from(const struct path *p, unsigned m, uint64_t b1)
{
	for (unsigned i = 0; i + 1 < m; i++)
		b1 -= p->keys[i].epsilon;
	return b1 & SEQ_MASK;
}

bool path_has_come(const struct path *p, uint64_t seq)
{
	for (unsigned i = 0; i + 1 < p->n; i++)
		seq += p->keys[i].epsilon;
	return !window_is_fresh(&p->window, p->window_bits, CIRCUIT_WINDOW_WORDS, seq & SEQ_MASK);
}

static void create_drop(struct path *p)
{
	if (p->create == NULL)
		return;
	create_wipe(p->create);
	free(p->create);
	p->create = NULL;
}

static void path_free(struct engine *e, struct path *p)
{
	session_path_gone(e, p);
	create_drop(p);
	if (p->circ_id != 0)
		map_del(&e->paths_by_end, end_key(p->entry->link, p->circ_id));
	p->entry->paths--;
	if (p->state != PATH_OPEN)
		p->entry->waiting--;
	list_del(&p->in_engine);
	e->path_count--;
	secret_wipe(p, sizeof(*p));
	free(p);
}

static void path_failed(struct engine *e, struct path *p, unsigned hop, enum hop_status status)
{
	struct engine_event *ev = engine_event(e, EVENT_PATH_FAILED);

	ev->path = p->id;
	ev->hop = hop;
	ev->status = status;
	path_free(e, p);
}

static void send_create(struct engine *e, struct path *p, const struct now *now)
{
	uint8_t body[CELL_BODY_LEN];

	p->create = xcalloc(1, sizeof(*p->create));
	if (create_build(p->create, p->spec.hop, p->n, now, p->spec.lifetime_s, &e->rng, body) !=
	    0) {
		path_failed(e, p, 0, HOP_KEY);
		return;
	}
	p->circ_id = neighbour_new_circ_id(e, p->entry);
	map_put(&e->paths_by_end, end_key(p->entry->link, p->circ_id), p);
	p->state = PATH_BUILDING;
	p->built_ns = now->mono_ns;
	p->ends_ns = now->mono_ns + p->spec.lifetime_s * NS_PER_S;
	neighbour_send(e, p->entry,
		       (struct cell_header){.circ_id = p->circ_id, .kind = CELL_CREATE}, body,
		       sizeof(body));
}

/*
 * A session lives in one worker of its exit, and all its circuits must end there.  Which worker is
 * drawn here, once for each exit, so that the first circuit looks like the others.
 */
static void wish_exit_shard(const struct engine *e, struct path_spec *spec)
{
	struct create_hop *exit = &spec->hop[spec->n - 1];
	uint8_t hash[crypto_shorthash_BYTES];

	if (spec->exit_workers < 2 || spec->exit_workers > WORKERS_MAX)
		return;
	crypto_shorthash(hash, exit->id, sizeof(exit->id), e->shard_key);
	exit->shard = (uint8_t)(SHARD_WISH | get_le64(hash) % spec->exit_workers);
}

uint32_t engine_path_build(struct engine *e, const struct path_spec *spec, const struct now *now)
{
	struct link *l;
	struct path *p;
	uint32_t id;

	if (spec->n < 1 || spec->n > HOPS_MAX || e->path_count >= PATHS_MAX)
		return 0;
	p = xcalloc(1, sizeof(*p));
	p->spec = *spec;
	wish_exit_shard(e, &p->spec);
	l = links_get_shard(e->links, spec->entry_link_key, p->spec.hop[0].shard,
			    &spec->hop[0].addr);
	if (l == NULL) {
		free(p);
		return 0;
	}
	id = p->id = ++e->last_path_id;
	p->n = (uint8_t)spec->n;
	p->entry = neighbour_of(e, l);
	p->entry->paths++;
	neighbour_wait(e, p->entry);
	p->reply_next = REPLY_BASE;
	p->seq_next = rng_u64(&e->rng) >> (64 - SEQ_START_BITS);
	p->built_ns = now->mono_ns;
	list_add_tail(&e->paths, &p->in_engine);
	e->path_count++;
	if (l->state == LINK_UP)
		send_create(e, p, now);
	else
		link_connect(e->links, l, now);
	engine_finish(e, now);
	return id;
}

static void send_destroy(struct engine *e, struct path *p)
{
	if (p->circ_id != 0 && p->entry->link->state == LINK_UP)
		neighbour_send(e, p->entry,
			       (struct cell_header){.circ_id = p->circ_id, .kind = CELL_DESTROY},
			       NULL, 0);
}

static uint8_t told_load(const struct hop_answer *a)
{
	return a->queue_hint >= 1 && a->queue_hint <= 101 ? (uint8_t)(a->queue_hint - 1)
							  : LOAD_UNKNOWN;
}

void path_on_created(struct engine *e, struct path *p, const uint8_t *body, const struct now *now)
{
	struct create_result r;
	struct engine_event *ev;

	if (p->state != PATH_BUILDING) {
		engine_drop(e, DROP_CIRCUIT_STATE);
		return;
	}
	if (create_finish(p->create, body, &r) != 0) {
		engine_drop(e, DROP_CREATED); /* a genuine one may still come */
		return;
	}
	if (r.answer[r.answered - 1].status != HOP_OK) {
		send_destroy(e, p); /* the hops before that one think it stands */
		path_failed(e, p, r.answered, (enum hop_status)r.answer[r.answered - 1].status);
		goto out;
	}
	create_drop(p);
	for (unsigned i = 0; i < p->n; i++)
		p->keys[i] = r.hop[i].keys;
	p->binding = r.hop[p->n - 1].binding;
	p->state = PATH_OPEN;
	p->entry->waiting--;
	ev = engine_event(e, EVENT_PATH_OPEN);
	ev->path = p->id;
	ev->hop = p->n;
	ev->rtt_ns = now->mono_ns - p->built_ns;
	for (unsigned i = 0; i < HOPS_MAX; i++)
		ev->load[i] = i < r.answered ? told_load(&r.answer[i]) : LOAD_UNKNOWN;
out:
	secret_wipe(&r, sizeof(r));
}

static void closed(struct engine *e, struct path *p, unsigned hop)
{
	struct engine_event *ev = engine_event(e, EVENT_PATH_CLOSED);

	ev->path = p->id;
	ev->hop = hop;
	path_free(e, p);
}

void path_on_destroy(struct engine *e, struct path *p)
{
	if (p->state == PATH_OPEN)
		closed(e, p, 1);
	else /* farther hops would have answered: it is the entry's */
		path_failed(e, p, 0, HOP_NO_NEXT);
}

void engine_path_close(struct engine *e, uint32_t id, const struct now *now)
{
	struct path *p = path_by_id(e, id);

	if (p == NULL)
		return;
	send_destroy(e, p);
	path_free(e, p);
	engine_finish(e, now);
}

void path_neighbour_up(struct engine *e, struct neighbour *nb, const struct now *now)
{
	list_for_each_safe (it, tmp, &e->paths) {
		struct path *p = container_of(it, struct path, in_engine);

		if (p->entry == nb && p->state == PATH_LINKING)
			send_create(e, p, now);
	}
}

void path_neighbour_dead(struct engine *e, struct neighbour *nb)
{
	list_for_each_safe (it, tmp, &e->paths) {
		struct path *p = container_of(it, struct path, in_engine);

		if (p->entry != nb)
			continue;
		if (p->state == PATH_OPEN)
			closed(e, p, 0);
		else
			path_failed(e, p, 0, HOP_NO_NEXT);
	}
}

void path_free_all(struct engine *e)
{
	list_for_each_safe (it, tmp, &e->paths)
		path_free(e, container_of(it, struct path, in_engine));
}

/* ---- control ---- */

/* Cells that go to a hop or beyond it, and that come from there. */
static uint64_t cells_beyond(const uint64_t cells[static HOPS_MAX], unsigned hop)
{
	uint64_t sum = 0;

	for (unsigned i = hop - 1; i < HOPS_MAX; i++)
		sum += cells[i];
	return sum;
}

static struct path_asked *asked_slot(struct path *p)
{
	struct path_asked *oldest = &p->asked[0];

	for (unsigned i = 0; i < PATH_ASKED_MAX; i++) {
		if (p->asked[i].b1 == 0)
			return &p->asked[i];
		if (p->asked[i].sent_ns < oldest->sent_ns)
			oldest = &p->asked[i];
	}
	return oldest; /* never answered: lost */
}

/* A question with up to so many answers. */
static bool ask(struct engine *e, struct path *p, unsigned hop, unsigned answers,
		const struct session *s, enum control_type type, const uint8_t *body, size_t len,
		const uint8_t *nonce, const struct now *now)
{
	struct egress_slot slot;
	struct path_asked *a;
	uint64_t seq;
	uint8_t *text;

	if (p->state != PATH_OPEN || hop < 1 || hop > p->n)
		return false;
	slot = egress_reserve(&e->egress, p->entry->link, hop);
	if (slot.cell == NULL) {
		engine_drop(e, DROP_NO_BUFFER);
		return false;
	}
	a = asked_slot(p);
	*a = (struct path_asked){.b1 = p->reply_next,
				 .sent_ns = now->mono_ns,
				 .sent_cells = cells_beyond(p->sent_to, hop) + 1,
				 .session = s != NULL ? s->id : 0,
				 .type = (uint8_t)type,
				 .hop = (uint8_t)hop,
				 .answers = (uint8_t)answers};
	p->reply_next += answers;
	if (nonce != NULL)
		memcpy(a->nonce, nonce, ECHO_NONCE_LEN);
	text = onion_plaintext(slot.cell, hop);
	memset(text, 0, CELL_BODY_LEN);
	text[0] = OP_CONTROL;
	control_put_head(text + ONION_OP_LEN, type, counter_from(p, hop, a->b1));
	if (len > 0)
		memcpy(text + ONION_OP_LEN + CONTROL_HEAD_LEN, body, len);
	seq = p->seq_next++;
	p->sent_to[hop - 1]++;
	onion_seal(e->aead, p->keys, hop, &slot.cell, &seq, 1);
	egress_commit(
	    &e->egress, &slot,
	    (struct cell_header){.circ_id = p->circ_id, .seq = seq, .kind = CELL_DATA_FWD});
	return true;
}

bool path_ask(struct engine *e, struct path *p, unsigned hop, const struct session *s,
	      enum control_type type, const uint8_t *body, size_t len, const uint8_t *nonce,
	      const struct now *now)
{
	return ask(e, p, hop, 1, s, type, body, len, nonce, now);
}

void engine_path_message(struct engine *e, uint32_t id, const uint8_t body[static CELL_BODY_LEN],
			 unsigned answers, const struct now *now)
{
	struct path *p = path_by_id(e, id);

	if (p == NULL)
		return;
	ask(e, p, p->n, MIN(MAX(answers, 1u), (unsigned)MESH_ANSWERS_MAX), NULL, CONTROL_MESH, body,
	    MESH_QUESTION_LEN, NULL, now);
	engine_finish(e, now);
}

static void mesh_answered(struct engine *e, const struct path *p, const uint8_t *body)
{
	struct engine_event *ev;

	if (e->event_count >= EVENT_RING / 2) {
		engine_drop(e, DROP_NO_BUFFER);
		return;
	}
	ev = engine_event(e, EVENT_PATH_MESSAGE);
	ev->path = p->id;
	memcpy(ev->body, body, MESH_ANSWER_LEN);
	memset(ev->body + MESH_ANSWER_LEN, 0, CELL_BODY_LEN - MESH_ANSWER_LEN);
}

void engine_path_echo(struct engine *e, uint32_t id, unsigned hop, const struct now *now)
{
	struct path *p = path_by_id(e, id);
	uint8_t nonce[ECHO_NONCE_LEN];

	if (p == NULL)
		return;
	rng_fill(&e->rng, nonce, sizeof(nonce));
	path_ask(e, p, hop, NULL, CONTROL_ECHO, nonce, sizeof(nonce), nonce, now);
	engine_finish(e, now);
}

static void echo_answered(struct engine *e, struct path *p, const struct path_asked *a,
			  const uint8_t *body, size_t len, const struct now *now)
{
	struct echo_answer answer;
	struct engine_event *ev;

	if (echo_answer_decode(&answer, body, len) != 0 ||
	    !secret_equal(answer.nonce, a->nonce, ECHO_NONCE_LEN)) {
		engine_drop(e, DROP_CONTROL);
		return;
	}
	ev = engine_event(e, EVENT_ECHO);
	ev->path = p->id;
	ev->hop = a->hop;
	ev->rtt_ns = now->mono_ns - a->sent_ns;
	ev->hold_ns = answer.hold_us * NS_PER_US;
}

void engine_path_counters(struct engine *e, uint32_t id, unsigned hop, const struct now *now)
{
	struct path *p = path_by_id(e, id);

	if (p == NULL)
		return;
	path_ask(e, p, hop, NULL, CONTROL_COUNTERS, NULL, 0, NULL, now);
	engine_finish(e, now);
}

static void counters_answered(struct engine *e, const struct path *p, const struct path_asked *a,
			      const uint8_t *body, size_t len)
{
	struct counters_answer answer;
	struct engine_event *ev;

	if (counters_answer_decode(&answer, body, len) != 0) {
		engine_drop(e, DROP_CONTROL);
		return;
	}
	ev = engine_event(e, EVENT_COUNTERS);
	ev->path = p->id;
	ev->hop = a->hop;
	ev->fwd_cells = answer.fwd_cells;
	ev->bwd_cells = answer.bwd_cells;
	ev->asked_ns = a->sent_ns;
	ev->sent_cells = a->sent_cells;
	ev->got_cells = cells_beyond(p->got_from, a->hop);
}

static void answered(struct engine *e, struct path *p, const struct path_asked *a,
		     const uint8_t *text, const struct now *now)
{
	const uint8_t *body = text + CONTROL_ANSWER_HEAD_LEN;
	const size_t len = CELL_BODY_LEN - CONTROL_ANSWER_HEAD_LEN;
	enum control_status status;
	uint8_t type;

	if (control_get_answer_head(text, CELL_BODY_LEN, &type, &status) != 0 || type != a->type) {
		engine_drop(e, DROP_CONTROL);
		return;
	}
	if (type == CONTROL_ECHO)
		echo_answered(e, p, a, body, len, now);
	else if (type == CONTROL_COUNTERS)
		counters_answered(e, p, a, body, len);
	else if (type == CONTROL_MESH)
		mesh_answered(e, p, body);
	else
		session_on_answer(e, p, a->session, type, status, body, len,
				  now->mono_ns - a->sent_ns);
}

/* ---- backward cells ---- */

static struct path_asked *asked_by_counter(struct path *p, uint64_t b)
{
	for (unsigned i = 0; i < PATH_ASKED_MAX; i++) {
		struct path_asked *a = &p->asked[i];

		if (a->b1 != 0 && b >= a->b1 && b - a->b1 < a->answers &&
		    (a->got >> (b - a->b1) & 1) == 0)
			return a;
	}
	return NULL;
}

/* Each counter has one answer; the question is forgotten with its last.  False: its twin in this
 * batch was first. */
static bool take_answer(struct path_asked *a, uint64_t b)
{
	const uint64_t bit = 1ull << ((b - a->b1) % MESH_ANSWERS_MAX);

	if (a->b1 == 0 || b < a->b1 || b - a->b1 >= a->answers || (a->got & bit) != 0)
		return false;
	a->got |= bit;
	if (a->got == UINT64_MAX >> (MESH_ANSWERS_MAX - a->answers))
		a->b1 = 0;
	return true;
}

_Static_assert(MESH_ANSWERS_MAX == 64, "a bit for each");

/* The counter decides whose layers a cell must have: a question's hop, or the exit's for data. */
static unsigned origin_of(struct path *p, const struct path_cell *c, struct path_asked **asked)
{
	*asked = NULL;
	if ((c->header.seq & SEQ_CONTROL_BIT) == 0)
		return window_is_fresh(&p->window, p->window_bits, CIRCUIT_WINDOW_WORDS,
				       c->header.seq)
			   ? p->n
			   : 0;
	*asked = asked_by_counter(p, c->header.seq);
	return *asked != NULL ? (*asked)->hop : 0;
}

static void verified(struct engine *e, const struct path_cell *c, struct path_asked *asked,
		     uint8_t *text, struct incell *data, size_t *n, const struct now *now)
{
	struct path *p = c->path;
	struct path_asked question;

	p->bwd_ok++;
	p->bwd_last_ns = now->mono_ns;
	if (asked != NULL) {
		if (*n > 0) /* the answer may change the session's keys */
			tunnel_deliver(e, data, *n, now);
		*n = 0;
		question = *asked;
		if (take_answer(asked, c->header.seq)) {
			answered(e, p, &question, text, now);
			p->got_from[question.hop - 1]++;
		}
		return;
	}
	if (!window_is_fresh(&p->window, p->window_bits, CIRCUIT_WINDOW_WORDS, c->header.seq)) {
		engine_drop(e, DROP_REPLAY);
		return;
	}
	window_set(&p->window, p->window_bits, CIRCUIT_WINDOW_WORDS, c->header.seq);
	p->got_from[p->n - 1]++;
	if (p->owner == NULL) {
		engine_drop(e, DROP_SESSION);
		return;
	}
	data[(*n)++] = (struct incell){
	    .sp = &p->session,
	    .owner = p,
	    .text = text,
	    .area = BACKWARD_AREA,
	    .seq = counter_from(p, p->n, c->header.seq),
	    .ce = c->header.flags & CELL_FLAG_CE,
	};
}

/* A run of cells of one path and one origin. */
static void unwrap_run(struct engine *e, const struct path_cell *cells,
		       struct path_asked *const *asked, size_t n, unsigned origin,
		       const struct now *now)
{
	struct onion_unwrap jobs[ONION_BATCH];
	struct incell data[ONION_BATCH];
	struct path *p = cells[0].path;
	size_t data_n = 0;

	for (size_t i = 0; i < n; i++)
		jobs[i] = (struct onion_unwrap){
		    .cell = cells[i].cell,
		    .out = cells[i].cell + CELL_BODY_OFF,
		    .b = cells[i].header.seq,
		};
	onion_unwrap(e->aead, p->keys, origin, jobs, n);
	for (size_t i = 0; i < n; i++) {
		if (!jobs[i].ok) {
			p->bwd_failed++;
			engine_drop(e, DROP_PROOF);
			continue;
		}
		verified(e, &cells[i], asked[i], jobs[i].out, data, &data_n, now);
	}
	if (data_n > 0)
		tunnel_deliver(e, data, data_n, now);
}

void path_backward(struct engine *e, const struct path_cell *cells, size_t n, const struct now *now)
{
	struct path_cell run[ONION_BATCH];
	struct path_asked *asked[ONION_BATCH];
	unsigned run_origin = 0;
	size_t m = 0;

	for (size_t i = 0; i < n; i++) {
		struct path *p = cells[i].path;
		struct path_asked *a = NULL;
		const unsigned origin = p->state == PATH_OPEN ? origin_of(p, &cells[i], &a) : 0;

		if (origin == 0) {
			engine_drop(e, p->state == PATH_OPEN ? DROP_REPLAY : DROP_CIRCUIT_STATE);
			continue;
		}
		if (m > 0 && (run[0].path != p || run_origin != origin)) {
			unwrap_run(e, run, asked, m, run_origin, now);
			m = 0;
		}
		run_origin = origin;
		asked[m] = a;
		run[m++] = cells[i];
	}
	if (m > 0)
		unwrap_run(e, run, asked, m, run_origin, now);
}

static void session_stats(const struct path *p, struct path_stats *out)
{
	const struct lane *l = &p->owner->steer.lane[p->slot];
	const struct spath *sp = &p->session;

	out->session = p->owner->id;
	out->is_active = l->is_used && l->weight > 0;
	out->is_suspect = l->is_suspect;
	out->srtt_ns = sp->live.srtt_ns;
	out->rttvar_ns = sp->live.rttvar_ns;
	out->tx_cells = sp->sent_total;
	out->acked_cells = sp->acked_total;
	out->rx_cells = sp->total;
	out->tx_bytes = sp->tx_bytes;
	out->rx_bytes = sp->rx_bytes;
	out->tx_ce = sp->acked_ce;
	out->tx_lost = sp->lost;
	if (sp->total > 0)
		out->rx_lost = sp->top_seq - sp->first_seq + 1 - sp->total;
	out->proofs_ok = sp->proofs_ok;
	out->proofs_failed = sp->proofs_failed;
	out->acked_last_ns = sp->acked_last_ns;
	out->sent_last_ns = sp->sent_last_ns;
	out->last_rx_ns = sp->last_ns;
	out->unanswered_ns = sp->unanswered_ns;
}

bool engine_path_stats(const struct engine *e, uint32_t id, struct path_stats *out)
{
	const struct path *p = path_by_id(e, id);

	if (p == NULL)
		return false;
	*out = (struct path_stats){
	    .path = id,
	    .is_attached = p->owner != NULL,
	    .bwd_ok = p->bwd_ok,
	    .bwd_failed = p->bwd_failed,
	    .bwd_last_ns = p->bwd_last_ns,
	};
	if (p->owner != NULL) {
		session_stats(p, out);
		out->flows = steer_flows(&p->owner->steer, p->slot, e->egress.now_ns);
	}
	return true;
}
