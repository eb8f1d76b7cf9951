/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Composition: sorts what arrives by kind, hands runs of DATA cells on in batches, and keeps time.
 * Every public call ends with a flush, so that what it produced is ready to be taken.
 */
#include "core/path_int.h"

#include "util/xalloc.h"

struct engine *engine_create(const struct engine_params *params)
{
	struct aead *aead = aead_open(params->aead);
	struct engine *e;

	if (aead == NULL)
		return NULL;
	e = xcalloc(1, sizeof(*e));
	e->aead = aead;
	e->rng = *params->rng;
	e->world = params->world;
	e->roles = params->roles;
	e->load_percent = LOAD_UNKNOWN;
	e->flow_group = params->flow_group;
	e->flow_group_ctx = params->flow_group_ctx;
	e->worker = params->worker;
	e->max_circuits = params->max_circuits;
	if (params->node_id != NULL)
		memcpy(e->id, params->node_id, sizeof(e->id));
	e->links = links_create(&(struct links_params){
	    .identity = params->link_key,
	    .rng = &e->rng,
	    .aead = aead,
	    .is_node = params->node_id != NULL,
	    .worker = params->worker,
	    .workers = params->workers,
	    .max_links = params->max_links,
	    .init_burst = 100,
	});
	egress_init(&e->egress, params->batches, params->queue_cells, params->rate,
		    rng_u64(&e->rng));
	rng_fill(&e->rng, e->shard_key, sizeof(e->shard_key));
	map_init(&e->circuits_by_end, 64, &e->rng);
	map_init(&e->paths_by_end, 8, &e->rng);
	e->creates = params->creates;
	if (e->creates == NULL)
		e->creates = e->own_creates =
		    seen_create(CREATES_SEEN_MAX, CREATES_SEEN_NS, &e->rng);
	slab_init(&e->circuits, sizeof(struct circuit));
	list_init(&e->neighbours);
	list_init(&e->link_events);
	list_init(&e->paths);
	list_init(&e->sessions);
	list_init(&e->groups);
	resend_init(&e->resend, params->exit != NULL ? RESEND_EXIT_BYTES : RESEND_CLIENT_BYTES);
	if (params->exit != NULL)
		e->exit = exit_create(params->exit, &e->rng);
	return e;
}

void engine_free(struct engine *e)
{
	if (e == NULL)
		return;
	path_free_all(e);
	group_free_all(e);
	session_free_all(e);
	circuit_free_all(e);
	exit_free(e->exit);
	resend_end(&e->resend);
	list_for_each_safe (it, tmp, &e->neighbours)
		free(container_of(it, struct neighbour, in_engine));
	links_free(e->links);
	egress_fini(&e->egress);
	map_fini(&e->circuits_by_end);
	map_fini(&e->paths_by_end);
	seen_free(e->own_creates);
	aead_close(e->aead);
	secret_wipe(e, sizeof(*e));
	free(e);
}

/* ---- events and packets out ---- */

struct engine_event *engine_event(struct engine *e, enum engine_event_type type)
{
	struct engine_event *ev;

	if (e->event_count ==
	    EVENT_RING) { /* the oldest gives way; whoever waited for it has a timer */
		e->event_head = (e->event_head + 1) % EVENT_RING;
		e->event_count--;
		e->stats.events_lost++;
	}
	ev = &e->events[(e->event_head + e->event_count++) % EVENT_RING];
	*ev = (struct engine_event){.type = type};
	return ev;
}

bool engine_next_event(struct engine *e, struct engine_event *ev)
{
	if (neighbour_next_event(e, ev))
		return true;
	if (e->event_count == 0)
		return false;
	*ev = e->events[e->event_head];
	e->event_head = (e->event_head + 1) % EVENT_RING;
	e->event_count--;
	return true;
}

void engine_packet_out(struct engine *e, enum packet_sink sink, const uint8_t *p, size_t len,
		       uint8_t flags)
{
	if (e->packet_count[sink] == PACKET_RING) {
		engine_drop(e, DROP_NO_BUFFER);
		return;
	}
	e->packets[sink][e->packet_count[sink]++] =
	    (struct packet){.head = p, .head_len = (uint16_t)len, .flags = flags};
}

const struct packet *engine_take_packets(struct engine *e, enum packet_sink sink, size_t *n)
{
	*n = e->packet_count[sink];
	e->packet_count[sink] = 0;
	return e->packets[sink];
}

struct tx_batch *engine_take_batches(struct engine *e)
{
	struct tx_batch *head = egress_take(&e->egress);

	for (const struct tx_batch *b = head; b != NULL; b = b->next)
		e->stats.tx_datagrams += b->count;
	return head;
}

void engine_return_batch(struct engine *e, struct tx_batch *b)
{
	egress_return(&e->egress, b);
}

void engine_block(struct engine *e, bool is_blocked, const struct now *now)
{
	egress_block(&e->egress, is_blocked);
	engine_finish(e, now);
}

void engine_set_turn(struct engine *e, unsigned cells)
{
	egress_set_turn(&e->egress, cells);
}

bool engine_next_turn(struct engine *e, const struct now *now)
{
	if (egress_may_drain(&e->egress))
		engine_finish(e, now);
	return e->egress.ready_head != NULL;
}

/* ---- datagrams in ---- */

/* Cells of one kind that can be worked on together. */
struct gather {
	struct relay_cell fwd[ONION_BATCH];
	struct relay_cell bwd[ONION_BATCH];
	struct path_cell mine[ONION_BATCH];
	size_t fwd_n, bwd_n, mine_n;
};

static void gather_flush(struct engine *e, struct gather *g, const struct now *now)
{
	if (g->fwd_n > 0)
		relay_forward(e, g->fwd, g->fwd_n, now);
	if (g->bwd_n > 0)
		relay_backward(e, g->bwd, g->bwd_n, now);
	if (g->mine_n > 0)
		path_backward(e, g->mine, g->mine_n, now);
	g->fwd_n = g->bwd_n = g->mine_n = 0;
}

/* Whoever still uses a circuit that we do not know, for we have started anew or our DESTROY was
 * lost, learns it from the first cell. */
static void end_unknown(struct engine *e, const struct link_rx *rx, const struct now *now)
{
	neighbour_refuse(e, neighbour_of(e, rx->link), rx->header.circ_id, now);
}

static enum drop gather_data(struct engine *e, struct gather *g, const struct link_rx *rx,
			     const struct now *now)
{
	const uint64_t key = end_key(rx->link, rx->header.circ_id);
	const bool is_forward = rx->header.kind == CELL_DATA_FWD;
	struct circuit *c = map_get(&e->circuits_by_end, key);

	if (g->fwd_n == ONION_BATCH || g->bwd_n == ONION_BATCH || g->mine_n == ONION_BATCH)
		gather_flush(e, g, now);
	if (c != NULL) {
		/* Forward comes from the previous hop, backward from the next. */
		const bool from_prev = c->prev.nb != NULL && c->prev.nb->link == rx->link &&
				       c->prev.circ_id == rx->header.circ_id;
		const struct relay_cell cell = {c, rx->cell, rx->header};

		if (from_prev != is_forward)
			return DROP_CIRCUIT_STATE;
		if (is_forward)
			g->fwd[g->fwd_n++] = cell;
		else
			g->bwd[g->bwd_n++] = cell;
		return DROP_NONE;
	}
	if (!is_forward) {
		struct path *p = map_get(&e->paths_by_end, key);

		if (p != NULL) {
			g->mine[g->mine_n++] = (struct path_cell){p, rx->cell, rx->header};
			return DROP_NONE;
		}
	}
	end_unknown(e, rx, now);
	return DROP_NO_CIRCUIT;
}

static enum drop on_created(struct engine *e, const struct link_rx *rx, const struct now *now)
{
	const uint64_t key = end_key(rx->link, rx->header.circ_id);
	struct circuit *c = map_get(&e->circuits_by_end, key);
	struct path *p = map_get(&e->paths_by_end, key);

	if (c != NULL && c->next.nb != NULL && c->next.nb->link == rx->link &&
	    c->next.circ_id == rx->header.circ_id)
		circuit_on_created(e, c, rx->cell + CELL_BODY_OFF, now);
	else if (p != NULL)
		path_on_created(e, p, rx->cell + CELL_BODY_OFF, now);
	else
		return DROP_NO_CIRCUIT;
	return DROP_NONE;
}

static enum drop on_destroy(struct engine *e, const struct link_rx *rx, const struct now *now)
{
	const uint64_t key = end_key(rx->link, rx->header.circ_id);
	struct circuit *c = map_get(&e->circuits_by_end, key);
	struct path *p = map_get(&e->paths_by_end, key);

	if (c != NULL)
		circuit_on_destroy(e, c, neighbour_of(e, rx->link), now);
	else if (p != NULL)
		path_on_destroy(e, p);
	else
		return DROP_NO_CIRCUIT;
	return DROP_NONE;
}

static enum drop on_cell(struct engine *e, struct gather *g, const struct link_rx *rx,
			 const struct now *now)
{
	const enum cell_kind kind = (enum cell_kind)rx->header.kind;

	if (!cell_kind_is_data(rx->header.kind))
		gather_flush(e, g, now); /* what follows may end circuits that are gathered */
	switch (kind) {
	case CELL_DATA_FWD:
	case CELL_DATA_BWD:
		return gather_data(e, g, rx, now);
	case CELL_CREATE:
		circuit_on_create(e, neighbour_of(e, rx->link), rx->header.circ_id,
				  rx->cell + CELL_BODY_OFF, now);
		return DROP_NONE;
	case CELL_CREATED:
		return on_created(e, rx, now);
	case CELL_DESTROY:
		return on_destroy(e, rx, now);
	case CELL_LINKCTL:
		neighbour_message(e, neighbour_of(e, rx->link), rx->cell + CELL_BODY_OFF, now);
		return DROP_NONE;
	case CELL_COVER:
		return DROP_COVER;
	case CELL_KIND_COUNT:
		break;
	}
	return DROP_TYPE;
}

static void drain_links(struct engine *e, const struct now *now)
{
	struct link_event ev;
	struct link_out out;

	while (links_next_event(e->links, &ev)) {
		if (ev.type == LINK_EVENT_UP)
			neighbour_link_up(e, ev.link, now);
		else
			neighbour_link_down(e, ev.link, now);
	}
	while (links_next_out(e->links, &out))
		if (!egress_datagram(&e->egress, &out.to, out.data, out.len))
			engine_drop(e, DROP_NO_BUFFER);
}

void engine_finish(struct engine *e, const struct now *now)
{
	drain_links(e, now);
	egress_flush(&e->egress, e->links, now);
}

/* Cells on their way through the link layer together. */
struct arrived {
	struct link_rx rx[ONION_BATCH];
	bool ce[ONION_BATCH]; /* the datagram met congestion */
	size_t n;
};

enum {
	CIRCUITS_CACHED = 256, /* with fewer, what a cell needs is in the caches anyway */
	CACHE_LINE_LEN = 64,
};

_Static_assert(offsetof(struct circuit, delta) == CACHE_LINE_LEN, "the forward half's lines");
_Static_assert(offsetof(struct circuit, kb) == 2 * CACHE_LINE_LEN, "the backward half's");
_Static_assert(offsetof(struct circuit, fwd_bits) == 3 * CACHE_LINE_LEN, "and nothing behind");

/* The lines of a circuit that a DATA cell touches, but for the bitmaps. */
static void prefetch_circuit(const struct circuit *c, const struct cell_header *h)
{
	__builtin_prefetch(&c->delta, 1);
	if (h->kind == CELL_DATA_FWD)
		__builtin_prefetch(c->kf);
	else
		__builtin_prefetch(c->kb, 1);
}

static void prefetch_window(const struct circuit *c, const struct cell_header *h)
{
	const bool is_forward = h->kind == CELL_DATA_FWD;
	const uint64_t seq = is_forward ? h->seq : seq_add(h->seq, c->epsilon);

	__builtin_prefetch(
	    window_word(is_forward ? c->fwd_bits : c->bwd_bits, CIRCUIT_WINDOW_WORDS, seq), 1);
}

/*
 * Among very many circuits each cell finds its own out of the caches.  The state of a whole batch
 * is asked for at once, so that the waits for memory overlap.
 */
static void prefetch_circuits(const struct engine *e, const struct arrived *in)
{
	const struct circuit *c[ONION_BATCH];

	for (size_t i = 0; i < in->n; i++)
		if (in->rx[i].drop == DROP_NONE)
			map_prefetch(&e->circuits_by_end,
				     end_key(in->rx[i].link, in->rx[i].header.circ_id));
	for (size_t i = 0; i < in->n; i++) {
		const struct link_rx *rx = &in->rx[i];

		c[i] = rx->drop == DROP_NONE
			   ? map_get(&e->circuits_by_end, end_key(rx->link, rx->header.circ_id))
			   : NULL;
		if (c[i] != NULL)
			prefetch_circuit(c[i], &rx->header);
	}
	for (size_t i = 0; i < in->n; i++)
		if (c[i] != NULL)
			prefetch_window(c[i], &in->rx[i].header);
}

static void open_cells(struct engine *e, struct arrived *in, struct gather *g,
		       const struct now *now)
{
	links_open(e->links, in->rx, in->n, now);
	drain_links(e,
		    now); /* a cell may bring its link up: that comes before what the cell says */
	if (e->circuit_count > CIRCUITS_CACHED)
		prefetch_circuits(e, in);
	for (size_t i = 0; i < in->n; i++) {
		struct link_rx *rx = &in->rx[i];
		enum drop d = rx->drop;

		if (in->ce[i])
			rx->header.flags |= CELL_FLAG_CE;
		if (d == DROP_NONE)
			d = on_cell(e, g, rx, now);
		if (d != DROP_NONE)
			engine_drop(e, d);
	}
	in->n = 0;
}

void engine_recv(struct engine *e, const struct rx_dgram *d, size_t n, const struct now *now)
{
	struct arrived in;
	struct gather g;
	enum drop why;

	in.n = g.fwd_n = g.bwd_n = g.mine_n = 0;
	e->stats.rx_datagrams += n;
	for (size_t i = 0; i < n; i++) {
		if (d[i].len == CELL_LEN && d[i].data[0] == MSG_CELL) {
			in.rx[in.n] = (struct link_rx){.cell = d[i].data, .from = d[i].from};
			in.ce[in.n] = d[i].ce;
			if (++in.n == ONION_BATCH)
				open_cells(e, &in, &g, now);
			continue;
		}
		why = d[i].len == 0 || d[i].data[0] == MSG_CELL
			  ? DROP_SHORT
			  : links_recv_handshake(e->links, d[i].data, d[i].len, d[i].from, now);
		if (why != DROP_NONE)
			engine_drop(e, why);
	}
	open_cells(e, &in, &g, now);
	gather_flush(e, &g, now);
	engine_finish(e, now);
}

/* ---- what the node is up to ---- */

void engine_set_load(struct engine *e, uint8_t percent)
{
	e->load_percent = percent;
}

void engine_leave(struct engine *e, const struct now *now)
{
	e->roles = 0; /* no new ones */
	circuit_leave(e, now);
	engine_finish(e, now);
}

/* ---- time ---- */

uint64_t engine_deadline(const struct engine *e)
{
	uint64_t due = links_deadline(e->links);

	due = MIN(due, neighbour_deadline(e));
	due = MIN(due, failover_deadline(e));
	due = MIN(due, tunnel_deadline(e));
	due = MIN(due, exit_deadline(e));
	due = MIN(due, egress_deadline(&e->egress));
	due = MIN(due, timers_next(&e->pending));
	if (e->circuit_count > 0)
		due = MIN(due, e->sweep_ns);
	return due;
}

void engine_tick(struct engine *e, const struct now *now)
{
	links_tick(e->links, now);
	drain_links(e, now);
	circuit_tick(e, now);
	failover_tick(e, now);
	tunnel_tick(e, now);
	exit_tick(e, now);
	neighbour_tick(e, now);
	engine_finish(e, now);
}

void engine_session_ended(struct engine *e)
{
	if (e->session_count == 0 && exit_session_count(e) == 0)
		resend_end(&e->resend);
}

/* ---- neighbours ---- */

void engine_hurry(struct engine *e, const struct now *now)
{
	links_hurry(e->links, now);
	failover_hurry(e);
	engine_finish(e, now);
}

uint32_t engine_link(struct engine *e, const uint8_t link_key[static DH_LEN],
		     const struct endpoint *endpoint, const struct now *now)
{
	struct link *l = links_get(e->links, link_key, endpoint);

	if (l == NULL)
		return 0;
	if (l->state == LINK_UP) /* no other event will tell */
		neighbour_tell(e, neighbour_of(e, l), true);
	else
		neighbour_of(e, l);
	link_connect(e->links, l, now);
	engine_finish(e, now);
	return l->id;
}

void engine_link_send(struct engine *e, uint32_t link, const uint8_t body[static CELL_BODY_LEN],
		      const struct now *now)
{
	struct engine_message m = {.to = link};

	memcpy(m.body, body, sizeof(m.body));
	engine_message_send(e, &m, now);
}

static void send_to_link(struct engine *e, uint32_t link, const uint8_t *body)
{
	struct link *l = links_by_id(e->links, link);

	if (l != NULL)
		neighbour_send(e, neighbour_of(e, l), (struct cell_header){.kind = CELL_LINKCTL},
			       body, CELL_BODY_LEN);
}

void engine_message_send(struct engine *e, const struct engine_message *m, const struct now *now)
{
	if (engine_message_worker(m) != e->worker && e->world.pass_message != NULL)
		e->world.pass_message(e->world.ctx, m);
	else if (m->to >> 32 != 0)
		hop_mesh_answer(e, m);
	else
		send_to_link(e, (uint32_t)m->to, m->body);
	engine_finish(e, now);
}

struct endpoint_list {
	struct endpoint *items;
	size_t count, max;
};

static void add_endpoint(struct link *l, void *ctx)
{
	struct endpoint_list *list = ctx;

	if (l->state != LINK_IDLE && list->count < list->max)
		list->items[list->count++] = l->endpoint;
}

size_t engine_endpoints(const struct engine *e, struct endpoint *out, size_t max)
{
	struct endpoint_list list = {.items = out, .max = max};

	links_foreach(e->links, add_endpoint, &list);
	return list.count;
}

static void count_link(struct link *l, void *ctx)
{
	uint32_t *count = ctx;

	*count += l->state == LINK_UP;
}

void engine_stats(const struct engine *e, struct engine_stats *out)
{
	*out = e->stats;
	out->circuits = e->circuit_count;
	out->paths = e->path_count;
	out->sessions = exit_session_count(e);
	if (e->egress.queue != NULL) {
		out->queued_marked = e->egress.queue->marked;
		out->queued_dropped = e->egress.queue->dropped;
	}
	out->links = 0;
	links_foreach(e->links, count_link, &out->links);
}
