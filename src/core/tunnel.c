/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The packets of the client's TUN on their way out and back, over the paths of its sessions. */
#include "core/path_int.h"

/* ---- packets out ---- */

/* Seal the onion of cells of one path, in ascending order in its link's batches. */
static void seal_run(struct engine *e, const struct outcell *const *run, size_t n)
{
	uint8_t *cells[ONION_BATCH];
	uint64_t seqs[ONION_BATCH];
	struct path *p;

	if (n == 0)
		return;
	p = run[0]->owner;
	p->sent_to[p->n - 1] += n;
	for (size_t i = 0; i < n; i++) {
		cells[i] = run[i]->slot.cell;
		seqs[i] = run[i]->seq;
		egress_commit(&e->egress, &run[i]->slot,
			      (struct cell_header){
				  .circ_id = p->circ_id,
				  .seq = run[i]->seq,
				  .kind = CELL_DATA_FWD,
			      });
	}
	onion_seal(e->aead, p->keys, p->n, cells, seqs, n);
}

static const struct link *link_of(const struct outcell *c)
{
	return ((const struct path *)c->owner)->entry->link;
}

/*
 * All cells for the link of the first one.  Paths that share it must be sealed as their cells lie:
 * what a layer writes behind its cell is the front of the next.
 */
static void seal_link(struct engine *e, struct packer *pk, unsigned first)
{
	const struct link *link = link_of(&pk->cell[first]);
	const struct outcell *run[ONION_BATCH] = {&pk->cell[first]};
	size_t n = 0;

	for (unsigned i = first; i < pk->n; i++) {
		struct outcell *c = &pk->cell[i];

		if (c->is_done || link_of(c) != link)
			continue;
		if (n > 0 && run[0]->owner != c->owner) {
			seal_run(e, run, n);
			n = 0;
		}
		c->is_done = true;
		run[n++] = c;
	}
	seal_run(e, run, n);
}

void tunnel_flush(struct engine *e, const struct now *now)
{
	struct packer *pk = &e->client_out;

	packer_seal(pk, e->aead, now);
	for (unsigned i = 0; i < pk->n; i++)
		((struct path *)pk->cell[i].owner)->open_cell = NULL;
	for (unsigned i = 0; i < pk->n; i++)
		if (!pk->cell[i].is_done)
			seal_link(e, pk, i);
	pk->n = 0;
}

struct outcell *tunnel_cell(struct engine *e, struct path *p, size_t len, const struct now *now)
{
	struct packer *pk = &e->client_out;
	struct egress_slot slot;
	struct outcell *c = p->open_cell;

	if (c != NULL && packer_fits(c, len))
		return c;
	if (pk->n == ONION_BATCH)
		tunnel_flush(e, now);
	slot = egress_reserve(&e->egress, p->entry->link, p->n);
	if (slot.cell == NULL)
		return NULL;
	c = &pk->cell[pk->n++];
	*c = (struct outcell){
	    .slot = slot,
	    .sp = &p->session,
	    .owner = p,
	    .text = onion_plaintext(slot.cell, p->n) + ONION_OP_LEN,
	    .seq = p->seq_next++,
	    .area = (uint16_t)FORWARD_AREA(p->n),
	};
	c->nonce = path_seq_at(p, p->n, c->seq);
	c->text[-2] = OP_DELIVER;
	c->text[-1] = (uint8_t)(p->n - 1);
	p->open_cell = c;
	return c;
}

static void put_in(struct engine *e, struct path *p, struct outcell *c, const struct packet *pkt,
		   const struct now *now)
{
	packer_packet(c, pkt);
	if (p->owner->steer.flows != NULL)
		resend_keep(&e->resend, p->session.resend_owner, c->nonce, pkt, now);
}

/* Those that wait for company go now. */
static void let_go(struct engine *e, struct path *p, const struct now *now)
{
	struct packet held;
	size_t at = 0;

	while (ack_hold_next(&p->session.held, &at, &held)) {
		struct outcell *c = tunnel_cell(e, p, held.head_len, now);

		if (c == NULL)
			engine_drop(e, DROP_NO_BUFFER);
		else
			put_in(e, p, c, &held, now);
	}
}

static void add_pack(struct engine *e, struct path *p, const struct now *now)
{
	if (p->owner != NULL && ack_hold_due(&p->session.held) <= now->mono_ns)
		let_go(e, p, now);
	while (p->owner != NULL && spath_has_pack(&p->session, now)) {
		struct outcell *c = tunnel_cell(e, p, spath_pack_len(&p->session), now);

		if (c == NULL) {
			spath_postpone(&p->session, now);
			return;
		}
		packer_pack(c, now);
	}
	if (p->open_cell != NULL)
		packer_ride(p->open_cell, now);
}

/* Whose granted address is the packet's source; the newest session's, if there are several. */
static enum drop session_of(const struct engine *e, const struct packet *pkt, struct session **out)
{
	static const uint8_t nowhere[16];
	const bool is_v4 = pkt->head_len >= 20 && pkt->head[0] >> 4 == 4;
	const size_t len = is_v4 ? 4 : 16;
	const uint8_t *src = pkt->head + (is_v4 ? 12 : 8);

	if (!is_v4 && (pkt->head_len < 40 || pkt->head[0] >> 4 != 6))
		return DROP_PACKET;
	list_for_each (it, &e->sessions) {
		struct session *s = container_of(it, struct session, in_engine);

		const uint8_t *granted = is_v4 ? s->grant.v4 : s->grant.v6;

		if (s->is_open && s->group == NULL && memcmp(src, granted, len) == 0 &&
		    memcmp(src, nowhere, len) != 0) {
			*out = s;
			return DROP_NONE;
		}
	}
	return DROP_SOURCE;
}

static enum drop put_packet(struct engine *e, struct path *p, const struct packet *pkt, size_t len,
			    const struct now *now)
{
	struct outcell *c;

	if (len > (size_t)INNER_MTU(p->n))
		return DROP_TOO_BIG;
	if (ack_hold_take(&p->session.held, pkt, p->session.sent_last_ns, now)) {
		if (ack_hold_due(&p->session.held) <= now->mono_ns)
			let_go(e, p, now);
		return DROP_NONE;
	}
	let_go(e, p, now);
	c = tunnel_cell(e, p, len, now);
	if (c == NULL)
		return DROP_NO_BUFFER;
	put_in(e, p, c, pkt, now);
	return DROP_NONE;
}

/* Over two paths; one of them is enough. */
static enum drop put_twice(struct engine *e, struct session *s, struct steering way,
			   const struct packet *pkt, size_t len, const struct now *now)
{
	const int lanes[] = {way.lane, way.second};
	const uint64_t number = s->steer.number_next++;
	enum drop d = DROP_NO_BUFFER;

	for (unsigned i = 0; i < ARRAY_LEN(lanes); i++) {
		struct outcell *c;

		let_go(e, s->path[lanes[i]], now);
		c = tunnel_cell(e, s->path[lanes[i]], NUMBERED_HEAD_LEN + len, now);
		if (c == NULL)
			continue;
		packer_numbered(c, pkt, number);
		d = DROP_NONE;
	}
	return d;
}

/* One that the path `lost` may not have delivered.  The exit is told, so that it takes it only
 * once; but for one of full size there is no room for that. */
static enum drop put_again(struct engine *e, struct path *p, const struct spath *lost, uint64_t seq,
			   const struct packet *pkt, const struct now *now)
{
	const size_t len = RESENT_HEAD_LEN + (size_t)pkt->head_len;
	struct outcell *c;

	if (len > (size_t)INNER_MTU(p->n))
		return put_packet(e, p, pkt, pkt->head_len, now);
	c = tunnel_cell(e, p, len, now);
	if (c == NULL)
		return DROP_NO_BUFFER;
	packer_resent(c, pkt, lost->path_id, seq);
	resend_keep(&e->resend, p->session.resend_owner, c->nonce, pkt, now);
	return DROP_NONE;
}

void tunnel_resend(struct engine *e, struct session *s, unsigned slot, const struct now *now)
{
	struct spath *lost = &s->path[slot]->session;
	struct resend_cursor at =
	    resend_walk(&e->resend, lost->resend_owner, MAX(lost->acked_seq, lost->resent_seq));
	struct resend_packet k;

	while (resend_next(&e->resend, &at, now, &k)) {
		const struct packet pkt = {.head = k.bytes, .head_len = k.len, .flags = k.flags};
		const int lane = steer_again(&s->steer, &pkt, FLOW_UP);
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

/* A packet of a group may have to wait, and may get another source, in *copy. */
static enum drop choose_session(struct engine *e, const struct packet **pkt, struct packet *copy,
				struct session **out, const struct now *now)
{
	struct group *g = list_is_empty(&e->groups) ? NULL : group_of_packet(e, *pkt);

	if (g == NULL)
		return session_of(e, *pkt, out);
	*copy = **pkt;
	*pkt = copy;
	return group_divert(e, g, copy, out, now);
}

static enum drop add_packet(struct engine *e, const struct packet *pkt, const struct now *now)
{
	const size_t len = (size_t)pkt->head_len + pkt->body_len;
	struct session *s = NULL;
	struct steering way;
	struct packet copy;
	enum drop d;

	d = choose_session(e, &pkt, &copy, &s, now);
	if (d != DROP_NONE || s == NULL)
		return d;
	way = steer_packet(&s->steer, pkt, len, FLOW_UP, now);
	if (way.lane == STEER_NONE)
		return DROP_NO_ROUTE;
	if (way.second != STEER_NONE)
		d = put_twice(e, s, way, pkt, len, now);
	else
		d = put_packet(e, s->path[way.lane], pkt, len, now);
	if (d == DROP_NONE) {
		e->stats.client_tx_packets++;
		e->stats.client_tx_bytes += len;
	}
	return d;
}

static uint32_t in_us(uint64_t ns)
{
	return (uint32_t)MIN(ns / NS_PER_US, UINT32_MAX / 2);
}

/* How long the path's round trips are now, for the choice among paths. */
static void time_lane(struct path *p)
{
	const struct liveness *live = &p->session.live;
	struct lane *l;

	if (p->owner == NULL || live->srtt_ns == 0)
		return;
	l = &p->owner->steer.lane[p->slot];
	l->rtt_us = in_us(live->srtt_ns);
	l->rtt_min_us = l->rtt_min_us == 0 ? l->rtt_us : MIN(l->rtt_min_us, l->rtt_us);
	l->settle_us = in_us(live->srtt_ns + live->rttvar_ns);
}

void engine_recv_client(struct engine *e, const struct packet *pkts, size_t n,
			const struct now *now)
{
	list_for_each (it, &e->paths)
		time_lane(container_of(it, struct path, in_engine));
	for (size_t i = 0; i < n; i++) {
		const enum drop d = add_packet(e, &pkts[i], now);

		if (d != DROP_NONE)
			engine_drop(e, d);
	}
	list_for_each (it, &e->paths)
		add_pack(e, container_of(it, struct path, in_engine), now);
	tunnel_flush(e, now);
	engine_finish(e, now);
}

void tunnel_tick(struct engine *e, const struct now *now)
{
	list_for_each (it, &e->paths)
		add_pack(e, container_of(it, struct path, in_engine), now);
	tunnel_flush(e, now);
}

uint64_t tunnel_deadline(const struct engine *e)
{
	uint64_t due = NEVER;

	list_for_each (it, &e->paths) {
		const struct path *p = container_of(it, struct path, in_engine);

		if (p->owner != NULL)
			due = MIN(due, MIN(p->session.pack_due_ns, ack_hold_due(&p->session.held)));
	}
	return due;
}

/* ---- packets in ---- */

static enum drop take_packet(struct engine *e, void *owner, const struct inner *in,
			     const struct now *now)
{
	const struct path *path = owner;
	const struct session_grant *g = &path->owner->grant;
	struct inner_addrs a;

	(void)now;
	if (!inner_parse(in->p, in->len, &a))
		return DROP_PACKET;
	/* A malicious exit must not reach other addresses of this machine. */
	if (a.version == 4 ? memcmp(a.dst, g->v4, 4) != 0 : memcmp(a.dst, g->v6, 16) != 0)
		return DROP_SOURCE;
	if (path->owner->group != NULL && !group_restore(path->owner, in->p, in->len, in->flags))
		return DROP_SOURCE;
	engine_packet_out(e, SINK_CLIENT, in->p, in->len, in->flags);
	e->stats.client_rx_packets++;
	e->stats.client_rx_bytes += in->len;
	return DROP_NONE;
}

static bool is_new(void *owner, uint64_t number)
{
	const struct path *path = owner;

	return steer_is_new(&path->owner->steer, number);
}

/* On which of the session's paths; one that is gone cannot tell. */
static bool has_come(void *owner, uint32_t path_id, uint64_t seq)
{
	const struct session *s = ((const struct path *)owner)->owner;

	for (unsigned i = 0; i < SESSION_PATHS_MAX; i++)
		if (s->path[i] != NULL && s->path[i]->session.path_id == path_id)
			return path_has_come(s->path[i], seq);
	return false;
}

static void on_paths(struct engine *e, void *owner, const struct paths *paths,
		     const struct now *now)
{
	const struct path *path = owner;

	(void)e;
	(void)now;
	failover_on_paths(path->owner, paths);
}

void tunnel_deliver(struct engine *e, const struct incell *cells, size_t n, const struct now *now)
{
	static const struct unpack_ops ops = {take_packet, is_new, has_come, on_paths};

	unpack(e, cells, n, &ops, now);
}
