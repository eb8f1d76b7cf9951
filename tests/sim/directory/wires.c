/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The part of core/engine.h that mesh/ uses, on modelled links: handshakes of two datagrams and a
 * round trip, tried again as link/ does; keys that last as long as there; circuits of three hops,
 * each of which counts what it carries.
 */
#include "tests/sim/directory/world_int.h"

#include "util/map.h"
#include "util/xalloc.h"

enum {
	PATHS_MAX = 8,
	HOPS = 3,
};

#define INIT_AGAIN_NS   (NS_PER_S / 2) /* doubles up to ... */
#define INIT_SLOWEST_NS (5 * NS_PER_S)
#define ATTEMPT_NS      (30 * NS_PER_S)
#define LOOK_NS         (10 * NS_PER_S) /* for keys that have ended */
#define HOP_WAIT_NS     (3 * NS_PER_S)  /* for a next hop that does not answer */

struct wire {
	struct list in_engine;
	unsigned peer;
	bool is_up, is_node;  /* is_node: its descriptor was known when we met */
	bool is_half;         /* we have answered; its first cell shows that it has the key */
	bool is_caller;       /* of the present key */
	bool has_sent;        /* since it came up */
	uint64_t key_ns;      /* when it was made */
	uint64_t answered_ns; /* RESP sent */
	uint64_t attempt_ns;  /* began; 0: none */
	uint64_t try_ns, gap_ns;
};

struct path {
	uint32_t id; /* 0: free */
	unsigned hop[HOPS];
	bool is_open;
	uint64_t began_ns, reply_next;
};

struct event {
	struct list in_engine;
	struct engine_event ev;
};

struct engine {
	struct host *h;
	struct map by_peer; /* index + 1 -> struct wire */
	struct list links, events;
	uint64_t look_ns, try_ns; /* try_ns: no attempt is due before */
	bool has_fresh;           /* a wire is up on which nothing was sent yet */
	struct path paths[PATHS_MAX];
	uint32_t last_path;
};

static struct now now_of(const struct engine *e)
{
	return world_now(e->h->world);
}

struct engine *wires_create(struct host *h)
{
	struct engine *e = xcalloc(1, sizeof(*e));

	e->h = h;
	map_init(&e->by_peer, 16, &h->rng);
	list_init(&e->links);
	list_init(&e->events);
	e->look_ns = world_now(h->world).mono_ns + LOOK_NS;
	e->try_ns = NEVER;
	return e;
}

static void wire_free(struct engine *e, struct wire *l)
{
	map_del(&e->by_peer, l->peer + 1);
	list_del(&l->in_engine);
	free(l);
}

void wires_free(struct engine *e)
{
	struct list *it;

	list_for_each_safe (i, tmp, &e->links)
		wire_free(e, container_of(i, struct wire, in_engine));
	while ((it = list_pop(&e->events)) != NULL)
		free(container_of(it, struct event, in_engine));
	map_fini(&e->by_peer);
	free(e);
}

/* ---- events ---- */

static struct engine_event *tell(struct engine *e, enum engine_event_type type)
{
	struct event *ev = xcalloc(1, sizeof(*ev));

	ev->ev.type = type;
	list_add_tail(&e->events, &ev->in_engine);
	return &ev->ev;
}

bool wires_next_event(struct engine *e, struct engine_event *ev)
{
	struct list *it = list_pop(&e->events);

	if (it == NULL)
		return false;
	*ev = container_of(it, struct event, in_engine)->ev;
	free(container_of(it, struct event, in_engine));
	return true;
}

static uint32_t wire_id(const struct wire *l)
{
	return l->peer + 1;
}

static void tell_up(struct engine *e, const struct wire *l, uint64_t rtt_ns)
{
	const struct host *peer = world_host(e->h->world, l->peer);
	struct engine_event *ev = tell(e, EVENT_LINK_UP);

	ev->link = wire_id(l);
	ev->link_is_node = l->is_node;
	ev->link_says_node = !peer->is_client;
	memcpy(ev->link_key, peer->identity.link.public, DH_LEN);
	ev->rtt_ns = rtt_ns;
}

/* ---- links ---- */

static struct wire *wire_to(struct engine *e, unsigned peer)
{
	return map_get(&e->by_peer, peer + 1);
}

static struct wire *wire_for(struct engine *e, unsigned peer)
{
	struct wire *l = wire_to(e, peer);

	if (l != NULL)
		return l;
	l = xcalloc(1, sizeof(*l));
	l->peer = peer;
	l->is_node = directory_by_id(e->h->dir, world_host(e->h->world, peer)->identity.id) != NULL;
	list_add_tail(&e->links, &l->in_engine);
	map_put(&e->by_peer, peer + 1, l);
	return l;
}

static void send_init(struct engine *e, struct wire *l)
{
	const struct now now = now_of(e);

	world_send(
	    e->h->world,
	    (struct message){
		.kind = MESSAGE_INIT, .from = e->h->index, .to = l->peer, .sent_ns = now.mono_ns},
	    0);
	l->try_ns = now.mono_ns + l->gap_ns;
	e->try_ns = MIN(e->try_ns, l->try_ns);
	l->gap_ns = MIN(2 * l->gap_ns, INIT_SLOWEST_NS);
}

static void attempt(struct engine *e, struct wire *l)
{
	if (l->attempt_ns != 0)
		return;
	l->attempt_ns = now_of(e).mono_ns;
	l->gap_ns = INIT_AGAIN_NS;
	send_init(e, l);
}

static void send_on(struct engine *e, struct wire *l, enum message_kind kind, const uint8_t *body)
{
	struct message m = {.kind = kind, .from = e->h->index, .to = l->peer};

	if (!l->is_up)
		return;
	if (body != NULL) {
		m.body = xcalloc(1, CELL_BODY_LEN);
		memcpy(m.body, body, CELL_BODY_LEN);
	}
	l->has_sent = true;
	world_send(e->h->world, m, 0);
	if (l->is_caller && now_of(e).mono_ns - l->key_ns > LINK_REKEY_AFTER_NS)
		attempt(e, l);
}

uint32_t engine_link(struct engine *e, const uint8_t link_key[static DH_LEN],
		     const struct endpoint *endpoint, const struct now *now)
{
	const struct host *peer = world_by_link_key(e->h->world, link_key);
	struct wire *l;

	(void)endpoint;
	(void)now;
	if (peer == NULL)
		return 0;
	l = wire_for(e, peer->index);
	if (l->is_up)
		tell_up(e, l, 0);
	else
		attempt(e, l);
	return wire_id(l);
}

static void on_init(struct engine *e, const struct message *m)
{
	struct wire *l = wire_for(e, m->from);

	l->is_half = true;
	l->answered_ns = now_of(e).mono_ns;
	world_send(
	    e->h->world,
	    (struct message){
		.kind = MESSAGE_RESP, .from = e->h->index, .to = m->from, .sent_ns = m->sent_ns},
	    0);
}

static void on_resp(struct engine *e, const struct message *m)
{
	struct wire *l = wire_to(e, m->from);
	const uint64_t now_ns = now_of(e).mono_ns;

	if (l == NULL || l->attempt_ns == 0)
		return;
	l->attempt_ns = 0;
	l->key_ns = now_ns;
	l->is_caller = true;
	l->has_sent = false;
	e->has_fresh = true;
	if (!l->is_up)
		tell_up(e, l, now_ns - m->sent_ns);
	l->is_up = true;
}

/* Any cell shows that its sender has the key that we answered for. */
static struct wire *on_cell(struct engine *e, unsigned from)
{
	struct wire *l = wire_to(e, from);
	const uint64_t now_ns = now_of(e).mono_ns;

	if (l == NULL || !l->is_half)
		return l;
	l->is_half = l->is_caller = false;
	l->key_ns = now_ns;
	if (!l->is_up)
		tell_up(e, l, now_ns - l->answered_ns);
	l->is_up = true;
	return l;
}

/* ---- circuits ---- */

static struct path *path_by_id(struct engine *e, uint32_t id)
{
	for (unsigned i = 0; i < PATHS_MAX; i++)
		if (id != 0 && e->paths[i].id == id)
			return &e->paths[i];
	return NULL;
}

/* From one hop of a circuit to the next, or back. */
static void pass_on(struct engine *e, struct message *m, const struct path *p, unsigned to_hop,
		    bool is_back)
{
	struct message next = *m;

	m->body = NULL;
	next.from = e->h->index;
	next.hop = to_hop;
	next.to = is_back && to_hop == 0 ? m->client : p->hop[is_back ? to_hop - 1 : to_hop];
	world_send(e->h->world, next, 0);
}

static struct path *circuit_of(const struct engine *e, const struct message *m)
{
	return path_by_id(world_host(e->h->world, m->client)->engine, m->path);
}

/* Hops of a circuit are numbered from 1 on its way back, so that 0 is the client. */
static void on_create(struct engine *e, struct message *m)
{
	const struct path *p = circuit_of(e, m);
	struct message back = {.kind = MESSAGE_CREATED,
			       .from = e->h->index,
			       .client = m->client,
			       .path = m->path,
			       .hop = m->hop};
	uint64_t rtt_ns;

	if (p == NULL)
		return;
	back.to = m->hop == 0 ? m->client : p->hop[m->hop - 1];
	if (m->hop + 1 == HOPS) {
		world_send(e->h->world, back, 0);
		return;
	}
	/* The link to the next hop is hardly ever there. */
	rtt_ns = 2 * world_delay_ns(e->h->world, e->h->index, p->hop[m->hop + 1]);
	world_count(e->h->world, e->h->index, p->hop[m->hop + 1], true);
	if (!world_reaches(e->h->world, e->h->index, p->hop[m->hop + 1])) {
		back.is_failed = true;
		world_send(e->h->world, back, HOP_WAIT_NS);
		return;
	}
	world_count(e->h->world, p->hop[m->hop + 1], e->h->index, true);
	world_send(e->h->world,
		   (struct message){.kind = MESSAGE_CREATE,
				    .from = e->h->index,
				    .to = p->hop[m->hop + 1],
				    .client = m->client,
				    .path = m->path,
				    .hop = m->hop + 1},
		   rtt_ns);
}

static void path_ended(struct engine *e, struct path *p, enum engine_event_type type)
{
	tell(e, type)->path = p->id;
	p->id = 0;
}

static void on_created(struct engine *e, struct message *m)
{
	struct path *p = circuit_of(e, m);

	if (p == NULL)
		return;
	if (m->hop > 0) {
		pass_on(e, m, p, m->hop - 1, true);
		return;
	}
	if (m->is_failed) {
		path_ended(e, p, EVENT_PATH_FAILED);
		return;
	}
	p->is_open = true;
	tell(e, EVENT_PATH_OPEN)->path = p->id;
}

static void on_ask(struct engine *e, struct message *m)
{
	const struct path *p = circuit_of(e, m);
	struct engine_event *ev;

	if (p == NULL)
		return;
	if (m->hop + 1 < HOPS) {
		pass_on(e, m, p, m->hop + 1, false);
		return;
	}
	ev = tell(e, EVENT_CIRCUIT_MESSAGE);
	ev->circuit = (uint64_t)(m->client + 1) << 32 | m->path;
	ev->reply = m->reply;
	memcpy(ev->body, m->body, CELL_BODY_LEN);
}

static void on_answer(struct engine *e, struct message *m)
{
	struct path *p = circuit_of(e, m);
	struct engine_event *ev;

	if (p == NULL)
		return;
	if (m->hop > 0) {
		pass_on(e, m, p, m->hop - 1, true);
		return;
	}
	ev = tell(e, EVENT_PATH_MESSAGE);
	ev->path = p->id;
	memcpy(ev->body, m->body, CELL_BODY_LEN);
}

static void begin_create(struct engine *e, const struct path *p)
{
	world_send(e->h->world,
		   (struct message){.kind = MESSAGE_CREATE,
				    .from = e->h->index,
				    .to = p->hop[0],
				    .client = e->h->index,
				    .path = p->id},
		   0);
}

/* Any two others that the client knows. */
static bool choose_hops(struct host *h, struct path *p, const struct host *mirror)
{
	for (unsigned tries = 0; tries < 64; tries++) {
		const struct descriptor *entry = directory_random(h->dir, &h->rng);
		const struct descriptor *relay = directory_random(h->dir, &h->rng);
		const struct host *a, *b;

		if (entry == NULL || relay == NULL)
			return false;
		a = world_by_id(h->world, entry->id);
		b = world_by_id(h->world, relay->id);
		if (a == b || a == mirror || b == mirror)
			continue;
		p->hop[0] = a->index;
		p->hop[1] = b->index;
		p->hop[2] = mirror->index;
		return true;
	}
	return false;
}

uint32_t wires_open_path(void *ctx, const uint8_t id[static NODE_ID_LEN], const struct now *now)
{
	struct host *h = ctx;
	struct engine *e = h->engine;
	const struct host *mirror = world_by_id(h->world, id);
	struct path *p = NULL;
	struct wire *l;

	for (unsigned i = 0; i < PATHS_MAX && p == NULL; i++)
		if (e->paths[i].id == 0)
			p = &e->paths[i];
	if (p == NULL || mirror == NULL || !choose_hops(h, p, mirror))
		return 0;
	p->id = ++e->last_path;
	p->is_open = false;
	p->began_ns = now->mono_ns;
	p->reply_next = 1;
	l = wire_for(e, p->hop[0]);
	if (l->is_up)
		begin_create(e, p);
	else
		attempt(e, l);
	return p->id;
}

void engine_path_close(struct engine *e, uint32_t id, const struct now *now)
{
	struct path *p = path_by_id(e, id);

	(void)now;
	if (p == NULL)
		return;
	if (p->is_open) { /* DESTROY, from hop to hop */
		world_count(e->h->world, e->h->index, p->hop[0], false);
		for (unsigned i = 0; i + 1 < HOPS; i++)
			world_count(e->h->world, p->hop[i], p->hop[i + 1], true);
	}
	p->id = 0;
}

void engine_path_message(struct engine *e, uint32_t id, const uint8_t body[static CELL_BODY_LEN],
			 unsigned answers, const struct now *now)
{
	struct path *p = path_by_id(e, id);
	struct message m = {
	    .kind = MESSAGE_ASK, .from = e->h->index, .client = e->h->index, .path = id};

	(void)now;
	if (p == NULL || !p->is_open)
		return;
	m.to = p->hop[0];
	m.reply = p->reply_next;
	p->reply_next += answers;
	m.body = xcalloc(1, CELL_BODY_LEN);
	memcpy(m.body, body, MESH_QUESTION_LEN);
	world_send(e->h->world, m, 0);
}

static void answer_circuit(struct engine *e, const struct engine_message *to)
{
	struct message m = {.kind = MESSAGE_ANSWER,
			    .from = e->h->index,
			    .client = (unsigned)(to->to >> 32) - 1,
			    .path = (uint32_t)to->to,
			    .hop = HOPS - 1,
			    .reply = to->reply};
	const struct path *p = circuit_of(e, &m);

	if (p == NULL)
		return;
	m.to = p->hop[HOPS - 2];
	m.body = xcalloc(1, CELL_BODY_LEN);
	memcpy(m.body, to->body, MESH_ANSWER_LEN);
	world_send(e->h->world, m, 0);
}

void engine_message_send(struct engine *e, const struct engine_message *m, const struct now *now)
{
	struct wire *l;

	(void)now;
	if (m->to >> 32 != 0) {
		answer_circuit(e, m);
		return;
	}
	l = wire_to(e, (unsigned)m->to - 1);
	if (l != NULL)
		send_on(e, l, MESSAGE_LINK, m->body);
}

/* ---- what comes, and time ---- */

void wires_deliver(struct host *to, struct message *m)
{
	struct engine *e = to->engine;
	struct engine_event *ev;
	const struct wire *l;

	switch (m->kind) {
	case MESSAGE_INIT:
		on_init(e, m);
		break;
	case MESSAGE_RESP:
		on_resp(e, m);
		break;
	case MESSAGE_COVER:
	case MESSAGE_DESTROY:
		on_cell(e, m->from);
		break;
	case MESSAGE_LINK:
		l = on_cell(e, m->from);
		if (l == NULL || !l->is_up)
			break;
		ev = tell(e, EVENT_LINK_MESSAGE);
		ev->link = wire_id(l);
		ev->link_is_node = l->is_node;
		memcpy(ev->body, m->body, CELL_BODY_LEN);
		break;
	case MESSAGE_CREATE:
		on_cell(e, m->from);
		on_create(e, m);
		break;
	case MESSAGE_CREATED:
		on_created(e, m);
		break;
	case MESSAGE_ASK:
		on_ask(e, m);
		break;
	case MESSAGE_ANSWER:
		on_answer(e, m);
		break;
	}
}

/* A caller's first cell: what it had to say, or one that says nothing. */
void wires_settle(struct engine *e)
{
	if (!e->has_fresh)
		return;
	e->has_fresh = false;
	list_for_each (it, &e->links) {
		struct wire *l = container_of(it, struct wire, in_engine);

		if (!l->is_up || !l->is_caller || l->has_sent)
			continue;
		for (unsigned i = 0; i < PATHS_MAX; i++)
			if (e->paths[i].id != 0 && !e->paths[i].is_open &&
			    e->paths[i].hop[0] == l->peer) {
				begin_create(e, &e->paths[i]);
				l->has_sent = true;
			}
		if (!l->has_sent)
			send_on(e, l, MESSAGE_COVER, NULL);
	}
}

static void look_after(struct engine *e, struct wire *l, uint64_t now_ns)
{
	const bool has_ended = l->is_up && now_ns - l->key_ns > 180 * NS_PER_S;

	if (l->attempt_ns != 0 && now_ns - l->attempt_ns > ATTEMPT_NS) {
		l->attempt_ns = 0;
		if (!l->is_up)
			tell(e, EVENT_LINK_DOWN)->link = wire_id(l);
	} else if (l->attempt_ns != 0 && l->try_ns <= now_ns) {
		send_init(e, l);
	}
	if (has_ended) {
		l->is_up = false;
		tell(e, EVENT_LINK_DOWN)->link = wire_id(l);
	}
	if (!l->is_up && l->attempt_ns == 0 &&
	    (!l->is_half || now_ns - l->answered_ns > ATTEMPT_NS))
		wire_free(e, l);
}

void wires_tick(struct engine *e)
{
	const uint64_t now_ns = now_of(e).mono_ns;

	if (now_ns < e->look_ns && now_ns < e->try_ns)
		return;
	if (now_ns >= e->look_ns)
		e->look_ns = now_ns + LOOK_NS;
	list_for_each_safe (it, tmp, &e->links)
		look_after(e, container_of(it, struct wire, in_engine), now_ns);
	e->try_ns = NEVER;
	list_for_each (it, &e->links) {
		const struct wire *l = container_of(it, struct wire, in_engine);

		if (l->attempt_ns != 0)
			e->try_ns = MIN(e->try_ns, l->try_ns);
	}
}

uint64_t wires_deadline(const struct engine *e)
{
	return MIN(list_is_empty(&e->links) ? NEVER : e->look_ns, e->try_ns);
}
