/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/sim/sim.h"

#include "util/seen.h"
#include "util/xalloc.h"

#include <stdio.h>

enum {
	RECV_BATCH = 64,
	SPIN_TICKS = 8,
};

struct event {
	uint64_t at_ns;
	uint64_t order; /* ties are broken by insertion */
	unsigned to, from;
	uint16_t len;
	bool ce;
	uint8_t *data; /* NULL: a tick */
};

struct sim {
	struct now now;
	struct rng rng;
	struct sim_node *nodes;
	unsigned count;
	struct sim_wire *wires;
	uint32_t exit_packets_per_s, exit_sessions;
	size_t batches;
	bool is_v6_only;
	void (*setup)(struct sim_node *n, struct engine_params *p, struct exit_params *exit,
		      void *ctx);
	void *setup_ctx;
	struct event *heap;
	size_t heap_len, heap_cap;
	uint64_t order;
	void (*tap)(void *ctx, unsigned from, unsigned to, uint8_t *data, size_t *len);
	void *tap_ctx;
	unsigned node_count, workers;
};

/* ---- event heap ---- */

static bool before(const struct event *a, const struct event *b)
{
	return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->order < b->order;
}

static void heap_push(struct sim *s, struct event ev)
{
	size_t i = s->heap_len++;

	if (s->heap_len > s->heap_cap) {
		s->heap_cap = s->heap_cap * 2 + 64;
		s->heap = xrealloc(s->heap, s->heap_cap, sizeof(*s->heap));
	}
	ev.order = s->order++;
	for (; i > 0 && before(&ev, &s->heap[(i - 1) / 2]); i = (i - 1) / 2)
		s->heap[i] = s->heap[(i - 1) / 2];
	s->heap[i] = ev;
}

static struct event heap_pop(struct sim *s)
{
	const struct event top = s->heap[0], last = s->heap[--s->heap_len];
	size_t i = 0, child;

	while ((child = 2 * i + 1) < s->heap_len) {
		if (child + 1 < s->heap_len && before(&s->heap[child + 1], &s->heap[child]))
			child++;
		if (!before(&s->heap[child], &last))
			break;
		s->heap[i] = s->heap[child];
		i = child;
	}
	s->heap[i] = last;
	return top;
}

/* ---- what engines ask of the world ---- */

static void peer_of(const struct sim_node *n, struct node_peer *out)
{
	memcpy(out->id, n->id, sizeof(out->id));
	memcpy(out->link_key, n->link_key.public, sizeof(out->link_key));
	out->addrs[0] = n->endpoint;
	out->addr_count = 1;
}

static bool by_id(void *ctx, const uint8_t id[static NODE_ID_LEN], struct node_peer *out)
{
	const struct sim_node *me = ctx;
	const unsigned i = get_le32(id); /* ids begin with the index */

	if (i >= me->sim->count || memcmp(me->sim->nodes[i].id, id, NODE_ID_LEN) != 0 ||
	    me->sim->nodes[i].roles == 0)
		return false;
	peer_of(&me->sim->nodes[i], out);
	return true;
}

static bool by_link_key(void *ctx, const uint8_t key[static DH_LEN], struct node_peer *out)
{
	const struct sim_node *me = ctx;

	for (unsigned i = 0; i < me->sim->count; i++) {
		const struct sim_node *n = &me->sim->nodes[i];

		if (n->roles != 0 && memcmp(n->link_key.public, key, DH_LEN) == 0) {
			peer_of(n, out);
			return true;
		}
	}
	return false;
}

static bool onion_key(void *ctx, unsigned i, struct dh_keypair *key, uint32_t *key_id)
{
	const struct sim_node *me = ctx;

	*key = me->onion_key;
	*key_id = me->onion_key_id;
	return i == 0;
}

/* ---- construction ---- */

static void engine_start(struct sim *s, struct sim_node *n)
{
	const bool is_client = n->roles == 0;
	struct exit_params exit = {
	    .session_key = &n->session_key,
	    .pool_v4 = {10, 88, 0, 0},
	    .pool_v4_bits = s->is_v6_only ? 0 : 16,
	    .pool_v6 = {0xfd, 0x6d},
	    .has_v6 = true,
	    .max_sessions = s->exit_sessions,
	    .packets_per_s = s->exit_packets_per_s,
	};

	struct engine_params params = {
	    .link_key = &n->link_key,
	    .node_id = is_client ? NULL : n->id,
	    .roles = n->roles,
	    .worker = (uint8_t)n->worker,
	    .workers = is_client ? 1 : (uint8_t)s->workers,
	    .creates = n->creates,
	    .max_circuits = 100000,
	    .max_links = 4096,
	    .batches = s->batches,
	    .rng = &s->rng,
	    .aead = "sodium",
	    .world = {.ctx = n,
		      .node_by_id = by_id,
		      .node_by_link_key = by_link_key,
		      .onion_key = onion_key},
	    .exit = is_client ? NULL : &exit,
	};

	if (s->setup != NULL)
		s->setup(n, &params, &exit, s->setup_ctx);
	n->engine = engine_create(&params);
}

/* Another engine of the node that first began. */
static void join(struct sim_node *n, const struct sim_node *first)
{
	n->worker = n->index - first->index;
	n->creates = first->creates;
	n->endpoint = first->endpoint;
	n->link_key = first->link_key;
	n->onion_key = first->onion_key;
	n->session_key = first->session_key;
	n->onion_key_id = first->onion_key_id;
	memcpy(n->id, first->id, sizeof(n->id));
}

static void node_init(struct sim *s, unsigned i, bool is_client)
{
	struct sim_node *n = &s->nodes[i];

	*n = (struct sim_node){.sim = s, .index = i, .tick_at_ns = NEVER};
	rng_fill(&s->rng, n->id, sizeof(n->id));
	put_le32(n->id, i);
	dh_keypair_generate(&n->link_key, &s->rng);
	dh_keypair_generate(&n->onion_key, &s->rng);
	dh_keypair_generate(&n->session_key, &s->rng);
	n->onion_key_id = rng_u32(&s->rng);
	n->roles = is_client ? 0 : ROLE_ENTRY | ROLE_RELAY | ROLE_EXIT;
	n->endpoint.port = 4600;
	put_be32(n->endpoint.ip + 10, 0xffff0000u | 0);
	n->endpoint.ip[10] = n->endpoint.ip[11] = 0xff;
	put_be32(n->endpoint.ip + 12, 0x05000001u + (i << 16));
	if (!is_client && i % s->workers > 0)
		join(n, &s->nodes[i - i % s->workers]);
	else
		n->creates = seen_create(CREATES_SEEN_MAX, CREATES_SEEN_NS, &s->rng);
	engine_start(s, n);
}

struct sim *sim_create(const struct sim_params *params)
{
	struct sim *s = xcalloc(1, sizeof(*s));

	s->rng = rng_seeded(params->seed);
	s->count = params->nodes + params->clients;
	s->exit_sessions = params->exit_sessions != 0 ? params->exit_sessions : 1000;
	s->exit_packets_per_s =
	    params->exit_packets_per_s != 0 ? params->exit_packets_per_s : 200000;
	s->is_v6_only = params->is_v6_only;
	s->node_count = params->nodes;
	s->workers = MAX(params->workers, 1u);
	s->setup = params->setup;
	s->setup_ctx = params->setup_ctx;
	s->batches = params->batches != 0 ? params->batches : 16;
	s->now = (struct now){.mono_ns = 1000 * NS_PER_S, .wall_ns = 1790000000ull * NS_PER_S};
	s->nodes = xcalloc(s->count, sizeof(*s->nodes));
	s->wires = xcalloc((size_t)s->count * s->count, sizeof(*s->wires));
	for (size_t i = 0; i < (size_t)s->count * s->count; i++)
		s->wires[i] = params->wire;
	for (unsigned i = 0; i < s->count; i++)
		node_init(s, i, i >= params->nodes);
	return s;
}

void sim_free(struct sim *s)
{
	for (unsigned i = 0; i < s->count; i++) {
		engine_free(s->nodes[i].engine);
		if (s->nodes[i].worker == 0)
			seen_free(s->nodes[i].creates);
	}
	for (size_t i = 0; i < s->heap_len; i++)
		free(s->heap[i].data);
	free(s->heap);
	free(s->wires);
	free(s->nodes);
	rng_seeded_free(&s->rng);
	free(s);
}

struct now sim_now(const struct sim *s)
{
	return s->now;
}

struct sim_node *sim_node(struct sim *s, unsigned i)
{
	return &s->nodes[i];
}

struct rng *sim_rng(struct sim *s)
{
	return &s->rng;
}

struct sim_wire *sim_wire(struct sim *s, unsigned from, unsigned to)
{
	return &s->wires[(size_t)from * s->count + to];
}

struct engine_stats sim_stats(struct sim *s, unsigned i)
{
	struct engine_stats st;

	engine_stats(s->nodes[i].engine, &st);
	return st;
}

uint64_t sim_drops(struct sim *s, unsigned i, enum drop why)
{
	uint64_t sum = 0;

	if (i != SIM_ALL)
		return sim_stats(s, i).drops[why];
	for (i = 0; i < s->count; i++)
		sum += sim_stats(s, i).drops[why];
	return sum;
}

void sim_tap(struct sim *s,
	     void (*tap)(void *ctx, unsigned from, unsigned to, uint8_t *data, size_t *len),
	     void *ctx)
{
	s->tap = tap;
	s->tap_ctx = ctx;
}

/* ---- wires ---- */

static bool chance(struct sim *s, uint32_t per_1000)
{
	return per_1000 > 0 && rng_below(&s->rng, 1000) < per_1000;
}

/* When the wire has sent it; 0: its queue is full. */
static uint64_t sent_ns(struct sim *s, struct sim_wire *w, size_t len)
{
	const uint64_t now_ns = s->now.mono_ns;

	if (w->rate_bps == 0)
		return now_ns;
	if (w->idle_ns > now_ns + SIM_QUEUE_NS)
		return 0;
	w->idle_ns = MAX(w->idle_ns, now_ns) + len * 8 * NS_PER_S / w->rate_bps;
	return w->idle_ns;
}

static void transmit(struct sim *s, unsigned from, unsigned to, const uint8_t *data, size_t len)
{
	struct sim_wire *w = sim_wire(s, from, to);
	const unsigned copies = chance(s, w->dup_per_1000) ? 2 : 1;
	uint64_t start_ns;

	if (w->is_down || chance(s, w->loss_per_1000))
		return;
	start_ns = sent_ns(s, w, len);
	if (start_ns == 0)
		return;
	for (unsigned i = 0; i < copies; i++) {
		struct event ev = {.to = to, .from = from, .len = (uint16_t)len};

		ev.at_ns = start_ns + w->delay_ns +
			   (w->jitter_ns > 0 ? rng_below(&s->rng, w->jitter_ns) : 0);
		ev.data = xcalloc(1, len);
		memcpy(ev.data, data, len);
		ev.ce = chance(s, w->ce_per_1000);
		if (chance(s, w->flip_per_1000))
			ev.data[rng_below(&s->rng, len)] ^= (uint8_t)(1u << rng_below(&s->rng, 8));
		heap_push(s, ev);
	}
}

/* What the kernel does for sockets that share a port. */
static unsigned worker_for(const struct sim *s, unsigned to, const uint8_t *data, size_t len)
{
	return to < s->node_count ? shard_of_datagram(data, len) % s->workers : 0;
}

static void send_batch(struct sim *s, struct sim_node *n, const struct tx_batch *b)
{
	const unsigned to =
	    (get_be32(b->to.ip + 12) - 0x05000001u) >> 16; /* a /16 each: see path_choice */

	for (unsigned i = 0; i < b->count; i++) {
		uint8_t copy[CELL_LEN];
		size_t len = b->seg_len;

		n->datagrams++;
		if (len != CELL_LEN && len != LINK_COOKIE_LEN)
			n->sent_sizes_wrong = 1;
		memcpy(copy, b->data + (size_t)i * b->seg_len, len);
		if (s->tap != NULL)
			s->tap(s->tap_ctx, n->index, to, copy, &len);
		if (to < s->count && len > 0)
			transmit(s, n->index, to + worker_for(s, to, copy, len), copy, len);
	}
}

void sim_inject(struct sim *s, unsigned from, unsigned to, const uint8_t *data, size_t len)
{
	struct event ev = {.to = to, .from = from, .len = (uint16_t)len, .at_ns = s->now.mono_ns};

	ev.data = xcalloc(1, len);
	memcpy(ev.data, data, len);
	heap_push(s, ev);
}

void sim_restart(struct sim *s, unsigned i)
{
	struct sim_node *n = &s->nodes[i];

	engine_free(n->engine);
	n->tick_at_ns = NEVER;
	engine_start(s, n);
}

/* ---- the echo origin behind every exit, and the client's applications ---- */

static void fill(uint8_t *p, size_t len, uint64_t tag)
{
	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)(tag * 31 + i * 7 + (i >> 8));
}

enum {
	UDP_HEAD = 28,
	ORIGIN = 0x09090909, /* 9.9.9.9 and up */
};

/* The origin sends all packets back, as one burst for each burst that came. */
static void echo(struct sim *s, struct sim_node *n, const struct packet *p, size_t count)
{
	static uint8_t bytes[RECV_BATCH][CELL_LEN];
	struct packet back[RECV_BATCH];

	while (count > 0) {
		const size_t step = MIN(count, (size_t)RECV_BATCH);

		for (size_t i = 0; i < step; i++) {
			memcpy(bytes[i], p[i].head, p[i].head_len);
			memcpy(bytes[i] + 12, p[i].head + 16, 4);
			memcpy(bytes[i] + 16, p[i].head + 12, 4);
			memcpy(bytes[i] + 20, p[i].head + 22, 2);
			memcpy(bytes[i] + 22, p[i].head + 20, 2);
			back[i] = (struct packet){
			    .head = bytes[i], .head_len = p[i].head_len, .flags = p[i].flags};
		}
		engine_recv_exit(n->engine, back, step, &s->now);
		p += step;
		count -= step;
	}
}

static void arrived(struct sim *s, struct sim_node *n, const struct packet *p)
{
	uint8_t want[CELL_LEN];
	const size_t len = p->head_len - MIN(p->head_len, UDP_HEAD);
	uint64_t tag;

	n->packets++;
	n->bytes += p->head_len;
	n->last_packet_ns = s->now.mono_ns;
	if (len < sizeof(tag)) { /* no packet of ours is so short */
		n->bad_packets++;
		return;
	}
	memcpy(n->last_to, p->head + 16, sizeof(n->last_to));
	tag = get_le64(p->head + UDP_HEAD);
	fill(want, len, tag);
	if (memcmp(want + sizeof(tag), p->head + UDP_HEAD + sizeof(tag), len - sizeof(tag)) != 0)
		n->bad_packets++;
	else if (n->on_packet != NULL)
		n->on_packet(n, get_be32(p->head + 12) - ORIGIN, tag, n->ctx);
}

/* A UDP packet between the client and an origin of this flow's own. */
static struct packet make_packet(uint8_t bytes[static CELL_LEN], const uint8_t client[static 4],
				 bool is_down, unsigned flow, size_t len, uint64_t tag)
{
	memset(bytes, 0, UDP_HEAD);
	bytes[0] = 0x45;
	bytes[1] = 2; /* ECT(0): a mark on the way is a mark, not a loss */
	put_be16(bytes + 2, (uint16_t)len);
	bytes[8] = 64;
	bytes[9] = 17;
	memcpy(bytes + (is_down ? 16 : 12), client, 4);
	put_be32(bytes + (is_down ? 12 : 16), ORIGIN + flow);
	put_be16(bytes + (is_down ? 22 : 20), (uint16_t)(4000 + flow));
	put_be16(bytes + (is_down ? 20 : 22), 7);
	fill(bytes + UDP_HEAD, len - UDP_HEAD, tag);
	put_le64(bytes + UDP_HEAD, tag);
	return (struct packet){.head = bytes, .head_len = (uint16_t)len};
}

void sim_send_flow(struct sim *s, struct sim_node *client, unsigned flow, size_t len, uint64_t tag)
{
	uint8_t bytes[CELL_LEN];
	const struct packet p =
	    make_packet(bytes, client->last[EVENT_SESSION_OPEN].grant.v4, false, flow, len, tag);

	engine_recv_client(client->engine, &p, 1, &s->now);
	sim_pump(s, client);
}

void sim_send(struct sim *s, struct sim_node *client, size_t len, uint64_t tag)
{
	sim_send_flow(s, client, 0, len, tag);
}

void sim_send_down(struct sim *s, unsigned exit, struct sim_node *client, unsigned flow, size_t len,
		   uint64_t tag)
{
	struct sim_node *x = sim_node(s, exit);
	uint8_t bytes[CELL_LEN];
	const struct packet p =
	    make_packet(bytes, client->last[EVENT_SESSION_OPEN].grant.v4, true, flow, len, tag);

	engine_recv_exit(x->engine, &p, 1, &s->now);
	sim_pump(s, x);
}

/* ---- running ---- */

static struct now node_now(const struct sim_node *n)
{
	struct now now = n->sim->now;

	now.wall_ns += (uint64_t)(n->wall_skew_s * (int64_t)NS_PER_S);
	return now;
}

static void take_events(struct sim_node *n)
{
	struct engine_event ev;

	while (engine_next_event(n->engine, &ev)) {
		n->last[ev.type] = ev;
		n->last_at_ns[ev.type] = n->sim->now.mono_ns;
		n->seen[ev.type]++;
		if (n->on_event != NULL)
			n->on_event(n, &ev, n->ctx);
	}
}

void sim_pump(struct sim *s, struct sim_node *n)
{
	const struct packet *p;
	struct tx_batch *b, *next;
	uint64_t due;
	size_t count;

	p = engine_take_packets(n->engine, SINK_EXIT, &count);
	echo(s, n, p, count);
	p = engine_take_packets(n->engine, SINK_CLIENT, &count);
	for (size_t i = 0; i < count; i++)
		arrived(s, n, &p[i]);
	take_events(n);
	for (b = engine_take_batches(n->engine); b != NULL; b = next) {
		next = b->next;
		if (!n->is_dead)
			send_batch(s, n, b);
		engine_return_batch(n->engine, b);
	}
	due = engine_deadline(n->engine);
	if (n->deadline != NULL) {
		const struct now now = node_now(n);

		due = MIN(due, n->deadline(n, &now, n->ctx));
	}
	if (due < n->tick_at_ns) {
		n->tick_at_ns = MAX(due, s->now.mono_ns);
		heap_push(s, (struct event){.at_ns = n->tick_at_ns, .to = n->index});
	}
}

/* All that arrives at one node at one instant is one batch, as from a socket. */
static void deliver_datagrams(struct sim *s, struct sim_node *n, const struct event *first)
{
	struct rx_dgram d[RECV_BATCH];
	const struct now now = node_now(n);
	struct event ev = *first;
	size_t count = 0;

	for (;;) {
		d[count++] = (struct rx_dgram){.data = ev.data,
					       .len = ev.len,
					       .ce = ev.ce,
					       .from = &s->nodes[ev.from].endpoint};
		if (count == RECV_BATCH || s->heap_len == 0 || s->heap[0].data == NULL ||
		    s->heap[0].at_ns != ev.at_ns || s->heap[0].to != ev.to)
			break;
		ev = heap_pop(s);
	}
	if (!n->is_dead) {
		engine_recv(n->engine, d, count, &now);
		sim_pump(s, n);
	}
	for (size_t i = 0; i < count; i++)
		free(d[i].data);
}

/* An engine may be due again at the instant of its tick, but not for ever: time must go on. */
static void check_progress(struct sim *s, struct sim_node *n)
{
	n->ticks_now = n->last_tick_ns == s->now.mono_ns ? n->ticks_now + 1 : 1;
	n->last_tick_ns = s->now.mono_ns;
	if (n->ticks_now < SPIN_TICKS)
		return;
	printf("# node %u stays due: its loop would spin\n", n->index);
	fflush(stdout);
	abort();
}

static void tick(struct sim *s, struct sim_node *n)
{
	const struct now now = node_now(n);

	n->tick_at_ns = NEVER;
	if (n->is_dead)
		return;
	check_progress(s, n);
	engine_tick(n->engine, &now);
	if (n->on_tick != NULL)
		n->on_tick(n, &now, n->ctx);
	sim_pump(s, n);
}

static void deliver(struct sim *s, const struct event *ev)
{
	struct sim_node *n = &s->nodes[ev->to];

	if (ev->data != NULL)
		deliver_datagrams(s, n, ev);
	else if (ev->at_ns == n->tick_at_ns) /* else an earlier tick took its place */
		tick(s, n);
}

bool sim_run_until(struct sim *s, uint64_t ns, bool (*done)(void *ctx), void *ctx)
{
	const uint64_t end = s->now.mono_ns + ns;

	for (;;) {
		struct event ev;

		if (done != NULL && done(ctx))
			return true;
		if (s->heap_len == 0 || s->heap[0].at_ns > end)
			break;
		ev = heap_pop(s);
		s->now.wall_ns += ev.at_ns - s->now.mono_ns;
		s->now.mono_ns = ev.at_ns;
		deliver(s, &ev);
	}
	s->now.wall_ns += end - s->now.mono_ns;
	s->now.mono_ns = end;
	return false;
}

void sim_run(struct sim *s, uint64_t ns)
{
	sim_run_until(s, ns, NULL, NULL);
}

struct path_spec sim_spec(struct sim *s, const unsigned *hops, unsigned n)
{
	struct path_spec spec = {.n = n, .lifetime_s = 700};

	for (unsigned i = 0; i < n; i++) {
		const struct sim_node *node = &s->nodes[hops[i]];
		struct create_hop *h = &spec.hop[i];

		memcpy(h->id, node->id, sizeof(h->id));
		memcpy(h->onion_key, node->onion_key.public, sizeof(h->onion_key));
		h->onion_key_id = node->onion_key_id;
		h->addr = node->endpoint;
	}
	spec.exit_workers = (uint8_t)s->workers;
	memcpy(spec.entry_link_key, s->nodes[hops[0]].link_key.public, DH_LEN);
	memcpy(spec.exit_session_key, s->nodes[hops[n - 1]].session_key.public, DH_LEN);
	return spec;
}
