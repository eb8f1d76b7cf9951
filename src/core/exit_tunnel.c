/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Packets of sessions at the exit: out of cells to the world, and back on the paths that their
 * flows came by, as long as those answer.
 */
#include "core/exit_int.h"

/* ---- packets to the world ---- */

static bool within_rate(const struct exit_node *x, struct bucket *b, const struct now *now)
{
	const uint32_t rate = x->params.packets_per_s;

	return bucket_take(b, rate, rate / 10 + 64, now->mono_ns);
}

static enum drop take_packet(struct engine *e, void *owner, const struct inner *in,
			     const struct now *now)
{
	const struct packet pkt = {.head = in->p, .head_len = (uint16_t)in->len};
	struct exit_path *xp = owner;
	struct exit_session *s = xp->session;
	struct inner_addrs a;

	if (!inner_parse(in->p, in->len, &a))
		return DROP_PACKET;
	if (a.version == 4 ? !exit_has_v4(e->exit) || memcmp(a.src, s->v4, 4) != 0
			   : !e->exit->params.has_v6 || memcmp(a.src, s->v6, 16) != 0)
		return DROP_SOURCE;
	if (!within_rate(e->exit, &s->up, now))
		return DROP_SESSION_RATE;
	steer_learn(&s->steer, &pkt, FLOW_UP, (int)xp->slot, in->is_duplicate, now);
	s->last_ns = now->mono_ns;
	engine_packet_out(e, SINK_EXIT, in->p, in->len, in->flags);
	e->stats.exit_rx_packets++;
	e->stats.exit_rx_bytes += in->len;
	return DROP_NONE;
}

/* ---- packets from the world ---- */

/* When the path wants attention: earlier than its timer knows. */
static void look_after(struct exit_node *x, struct exit_path *xp)
{
	const uint64_t due_ns =
	    MIN(MIN(xp->sp.pack_due_ns, ack_hold_due(&xp->sp.held)), liveness_due(&xp->sp.live));

	if (due_ns < xp->timer.due_ns)
		timers_set(&x->timers, &xp->timer, due_ns);
}

void exit_flush(struct engine *e, const struct now *now)
{
	struct packer *pk = &e->exit_out;
	struct onion_wrap wrap[ONION_BATCH];

	packer_seal(pk, e->aead, now);
	for (unsigned i = 0; i < pk->n; i++) {
		struct outcell *c = &pk->cell[i];
		struct circuit *circuit = c->owner;

		circuit->last->attached->open_cell = NULL;
		wrap[i] = (struct onion_wrap){
		    .kb = circuit->kb, .cell = c->slot.cell, .out = c->slot.cell, .b = c->seq};
		egress_commit(&e->egress, &c->slot,
			      (struct cell_header){
				  .circ_id = circuit->prev.circ_id,
				  .seq = c->seq,
				  .kind = CELL_DATA_BWD,
				  .is_interactive = circuit->is_interactive,
			      });
		circuit->bwd_cells++;
		look_after(e->exit, circuit->last->attached);
	}
	onion_wrap(e->aead, wrap, pk->n);
	pk->n = 0;
}

static struct outcell *cell_for(struct engine *e, struct exit_path *xp, size_t len,
				const struct now *now)
{
	struct packer *pk = &e->exit_out;
	struct outcell *c = xp->open_cell;
	struct egress_slot slot;

	if (c != NULL && packer_fits(c, len))
		return c;
	if (pk->n == ONION_BATCH)
		exit_flush(e, now);
	slot = egress_reserve(&e->egress, xp->circuit->prev.nb->link, 1);
	if (slot.cell == NULL)
		return NULL;
	memset(slot.cell + CELL_TAG_OFF, 0, TAG_LEN); /* the chain of tags begins here */
	c = &pk->cell[pk->n++];
	*c = (struct outcell){
	    .slot = slot,
	    .sp = &xp->sp,
	    .owner = xp->circuit,
	    .text = slot.cell + CELL_BODY_OFF,
	    .seq = xp->circuit->last->b_next,
	    .nonce = xp->circuit->last->b_next,
	    .area = BACKWARD_AREA,
	};
	xp->circuit->last->b_next++;
	xp->open_cell = c;
	return c;
}

static void put_in(struct engine *e, struct exit_path *xp, struct outcell *c,
		   const struct packet *pkt, const struct now *now)
{
	packer_packet(c, pkt);
	if (xp->session->steer.flows != NULL)
		resend_keep(&e->resend, xp->sp.resend_owner, c->nonce, pkt, now);
}

/* Those that wait for company go now. */
static void let_go(struct engine *e, struct exit_path *xp, const struct now *now)
{
	struct packet held;
	size_t at = 0;

	while (ack_hold_next(&xp->sp.held, &at, &held)) {
		struct outcell *c = cell_for(e, xp, held.head_len, now);

		if (c == NULL)
			engine_drop(e, DROP_NO_BUFFER);
		else
			put_in(e, xp, c, &held, now);
	}
}

static void add_pack(struct engine *e, struct exit_path *xp, const struct now *now)
{
	if (ack_hold_due(&xp->sp.held) <= now->mono_ns)
		let_go(e, xp, now);
	while (spath_has_pack(&xp->sp, now)) {
		struct outcell *c = cell_for(e, xp, spath_pack_len(&xp->sp), now);

		if (c == NULL)
			return;
		packer_pack(c, now);
	}
	if (xp->open_cell != NULL)
		packer_ride(xp->open_cell, now);
}

static struct exit_session *session_by_addr(const struct exit_node *x, const struct inner_addrs *a)
{
	struct exit_session *s;

	if (a->version == 4 && !exit_has_v4(x))
		return NULL;
	if (a->version == 4) {
		s = pool_user(&x->pool, get_be32(a->dst) - get_be32(x->params.pool_v4));
		return s != NULL && memcmp(s->v4, a->dst, 4) == 0 ? s : NULL;
	}
	s = pool_user(&x->pool, get_be32(a->dst + 12) - get_be32(x->params.pool_v6 + 12));
	return s != NULL && memcmp(s->v6, a->dst, 16) == 0 ? s : NULL;
}

/* The head holds both addresses; the length fields were checked by the TUN reader. */
static bool packet_addrs(const struct packet *p, struct inner_addrs *a)
{
	if (p->head_len >= 20 && p->head[0] >> 4 == 4)
		*a = (struct inner_addrs){.version = 4, .src = p->head + 12, .dst = p->head + 16};
	else if (p->head_len >= 40 && p->head[0] >> 4 == 6)
		*a = (struct inner_addrs){.version = 6, .src = p->head + 8, .dst = p->head + 24};
	else
		return false;
	return true;
}

static enum drop put_packet(struct engine *e, struct exit_path *xp, const struct packet *pkt,
			    size_t len, const struct now *now)
{
	struct outcell *c;

	if (ack_hold_take(&xp->sp.held, pkt, xp->sp.sent_last_ns, now)) {
		add_pack(e, xp, now);
		look_after(e->exit, xp);
		return DROP_NONE;
	}
	let_go(e, xp, now);
	c = cell_for(e, xp, len, now);
	if (c == NULL)
		return DROP_NO_BUFFER;
	put_in(e, xp, c, pkt, now);
	add_pack(e, xp, now);
	return DROP_NONE;
}

/* Over two paths; one of them is enough. */
static enum drop put_twice(struct engine *e, struct exit_session *s, struct steering way,
			   const struct packet *pkt, size_t len, const struct now *now)
{
	const int lanes[] = {way.lane, way.second};
	const uint64_t number = s->steer.number_next++;
	enum drop d = DROP_NO_BUFFER;

	for (unsigned i = 0; i < ARRAY_LEN(lanes); i++) {
		struct outcell *c;

		let_go(e, s->path[lanes[i]], now);
		c = cell_for(e, s->path[lanes[i]], NUMBERED_HEAD_LEN + len, now);
		if (c == NULL)
			continue;
		packer_numbered(c, pkt, number);
		add_pack(e, s->path[lanes[i]], now);
		d = DROP_NONE;
	}
	return d;
}

/* One that the path `lost` may not have delivered; where there is room to say so, the client takes
 * it only once. */
static enum drop put_again(struct engine *e, struct exit_path *xp, const struct spath *lost,
			   uint64_t seq, const struct packet *pkt, const struct now *now)
{
	const size_t len = RESENT_HEAD_LEN + (size_t)pkt->head_len;
	struct outcell *c;

	if (len > BACKWARD_AREA - FRAME_HEAD_LEN)
		return put_packet(e, xp, pkt, pkt->head_len, now);
	c = cell_for(e, xp, len, now);
	if (c == NULL)
		return DROP_NO_BUFFER;
	packer_resent(c, pkt, lost->path_id, seq);
	resend_keep(&e->resend, xp->sp.resend_owner, c->nonce, pkt, now);
	return DROP_NONE;
}

/* What the path in that slot was given and has not acknowledged goes over others, once. */
static void resend(struct engine *e, struct exit_session *s, unsigned slot, const struct now *now)
{
	struct spath *lost = &s->path[slot]->sp;
	struct resend_cursor at =
	    resend_walk(&e->resend, lost->resend_owner, MAX(lost->acked_seq, lost->resent_seq));
	struct resend_packet k;

	while (resend_next(&e->resend, &at, now, &k)) {
		const struct packet pkt = {.head = k.bytes, .head_len = k.len, .flags = k.flags};
		const int lane = steer_again(&s->steer, &pkt, FLOW_DOWN);
		enum drop d;

		if (lane == STEER_NONE || lane == (int)slot)
			continue;
		d = put_again(e, s->path[lane], lost, k.seq, &pkt, now);
		if (d != DROP_NONE)
			engine_drop(e, d);
		lost->resent_seq = k.seq;
		e->stats.resent_packets++;
	}
}

static enum drop add_packet(struct engine *e, const struct packet *pkt, const struct now *now)
{
	const size_t len = (size_t)pkt->head_len + pkt->body_len;
	struct exit_session *s;
	struct inner_addrs a;
	struct steering way;
	enum drop d;

	if (!packet_addrs(pkt, &a))
		return DROP_PACKET;
	s = session_by_addr(e->exit, &a);
	if (s == NULL)
		return DROP_SESSION;
	way = steer_packet(&s->steer, pkt, len, FLOW_DOWN, now);
	if (way.lane == STEER_NONE)
		return DROP_SESSION;
	if (len > BACKWARD_AREA - FRAME_HEAD_LEN)
		return DROP_TOO_BIG;
	if (!within_rate(e->exit, &s->down, now))
		return DROP_SESSION_RATE;
	if (way.second != STEER_NONE)
		d = put_twice(e, s, way, pkt, len, now);
	else
		d = put_packet(e, s->path[way.lane], pkt, len, now);
	if (d == DROP_NONE) {
		e->stats.exit_tx_packets++;
		e->stats.exit_tx_bytes += len;
	}
	return d;
}

void engine_recv_exit(struct engine *e, const struct packet *pkts, size_t n, const struct now *now)
{
	for (size_t i = 0; i < n; i++) {
		const enum drop d = e->exit != NULL ? add_packet(e, &pkts[i], now) : DROP_SESSION;

		if (d != DROP_NONE)
			engine_drop(e, d);
	}
	exit_flush(e, now);
	engine_finish(e, now);
}

/* ---- the session's paths ---- */

/* What we think of them, on this path. */
static void tell(struct engine *e, struct exit_path *xp, const struct now *now)
{
	const struct exit_session *s = xp->session;
	struct paths p = {.version = s->paths_version};
	struct outcell *c = cell_for(e, xp, PATHS_LEN(ATTACH_PATHS_MAX), now);

	if (c == NULL)
		return;
	for (unsigned i = 0; i < SESSION_PATHS_MAX; i++)
		if (s->path[i] != NULL)
			p.path[p.count++] = (struct paths_entry){
			    .path_id = s->path[i]->sp.path_id,
			    .weight = s->steer.lane[i].weight,
			    .flags = s->path[i]->sp.live.is_suspect ? PATHS_SUSPECT : 0,
			};
	packer_paths(c, &p);
}

/* The client's word on a path, or our own.  True when it has just become suspect. */
static bool judge(struct exit_session *s, unsigned slot)
{
	struct lane *l = &s->steer.lane[slot];
	const bool was_suspect = l->is_suspect;

	l->is_suspect = s->path[slot]->is_told_suspect || s->path[slot]->sp.live.is_suspect;
	return l->is_suspect && !was_suspect;
}

/* True when more than suspicions has changed; *is_lost when it has become suspect. */
static bool apply(struct exit_session *s, unsigned slot, const struct paths *p, bool *is_lost)
{
	const struct lane before = s->steer.lane[slot];
	struct lane *l = &s->steer.lane[slot];

	l->is_used = false;
	l->weight = l->order = 0;
	s->path[slot]->is_told_suspect = false;
	for (unsigned i = 0; i < p->count; i++)
		if (p->path[i].path_id == l->path_id) {
			l->is_used = true;
			l->weight = p->path[i].weight;
			l->order = (uint8_t)i;
			s->path[slot]->is_told_suspect = p->path[i].flags & PATHS_SUSPECT;
		}
	*is_lost = judge(s, slot);
	return before.is_used != l->is_used || before.weight != l->weight;
}

static void on_paths(struct engine *e, void *owner, const struct paths *p, const struct now *now)
{
	struct exit_path *xp = owner;
	struct exit_session *s = xp->session;
	bool is_new_use = false, is_lost[SESSION_PATHS_MAX] = {false};

	if (p->version > s->paths_version) {
		s->paths_version = p->version;
		s->steer.duplicate = p->flags & PATHS_DUPLICATE;
		for (unsigned i = 0; i < SESSION_PATHS_MAX; i++)
			if (s->path[i] != NULL)
				is_new_use |= apply(s, i, p, &is_lost[i]);
		steer_changed(&s->steer);
		steer_move(&s->steer, is_new_use);
		for (unsigned i = 0; i < SESSION_PATHS_MAX; i++)
			if (is_lost[i])
				resend(e, s, i, now);
	}
	tell(e, xp, now);
}

static bool is_new(void *owner, uint64_t number)
{
	const struct exit_path *xp = owner;

	return steer_is_new(&xp->session->steer, number);
}

/* On which of the session's paths; one that is gone cannot tell. */
static bool has_come(void *owner, uint32_t path_id, uint64_t seq)
{
	const struct exit_session *s = ((const struct exit_path *)owner)->session;

	for (unsigned i = 0; i < SESSION_PATHS_MAX; i++)
		if (s->path[i] != NULL && s->path[i]->sp.path_id == path_id) {
			const struct circuit *c = s->path[i]->circuit;

			return !window_is_fresh(&c->fwd_window, c->fwd_bits, CIRCUIT_WINDOW_WORDS,
						seq);
		}
	return false;
}

void exit_deliver(struct engine *e, const struct incell *cells, size_t n, const struct now *now)
{
	static const struct unpack_ops ops = {take_packet, is_new, has_come, on_paths};

	unpack(e, cells, n, &ops, now);
	for (size_t i = 0; i < n; i++)
		look_after(e->exit, cells[i].owner);
	exit_flush(e, now);
}

/* ---- time ---- */

static void judged_anew(struct engine *e, struct exit_path *xp, const struct now *now)
{
	struct exit_session *s = xp->session;
	bool is_lost;

	is_lost = judge(s, xp->slot);
	steer_changed(&s->steer);
	steer_move(&s->steer, false);
	if (is_lost)
		resend(e, s, xp->slot, now);
	for (unsigned i = 0; i < SESSION_PATHS_MAX; i++)
		if (s->path[i] != NULL && !s->steer.lane[i].is_suspect)
			tell(e, s->path[i], now);
}

static void watch(struct engine *e, struct exit_path *xp, const struct now *now)
{
	struct outcell *c;

	switch (liveness_tick(&xp->sp.live, now)) {
	case LIVENESS_FINE:
		break;
	case LIVENESS_PROBE:
		c = cell_for(e, xp, 0, now);
		if (c != NULL)
			packer_ping(c);
		break;
	case LIVENESS_SUSPECT:
	case LIVENESS_RECOVERED:
		judged_anew(e, xp, now);
		break;
	}
}

void exit_tick(struct engine *e, const struct now *now)
{
	struct exit_node *x = e->exit;
	struct timer *t;

	if (x == NULL)
		return;
	while ((t = timers_due(&x->timers, now)) != NULL) {
		struct exit_path *xp = container_of(t, struct exit_path, timer);

		add_pack(e, xp, now);
		if (liveness_due(&xp->sp.live) <= now->mono_ns)
			watch(e, xp, now);
		/* Whatever could not be done now is tried again soon, not at once. */
		timers_set(&x->timers, t, NEVER);
		look_after(x, xp);
		if (t->due_ns <= now->mono_ns)
			timers_set(&x->timers, t, now->mono_ns + NS_PER_MS);
	}
	exit_flush(e, now);
	exit_expire(e, now);
}

uint64_t exit_deadline(const struct engine *e)
{
	const struct exit_node *x = e->exit;

	if (x == NULL || x->count == 0)
		return NEVER;
	return MIN(timers_next(&x->timers), x->expiry_ns);
}
