/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The packets of the client's TUN on their way out and back, over the paths of its sessions. */
#include "core/engine_int.h"

/* ---- packets out ---- */

/* Seal the onion of a run of cells of one path: they lie in ascending order in its link's batches.
 */
static void seal_run(struct engine *e, const struct outcell *run, size_t n)
{
	const struct path *p = run[0].owner;
	uint8_t *cells[ONION_BATCH];
	uint64_t seqs[ONION_BATCH];

	for (size_t i = 0; i < n; i++) {
		cells[i] = run[i].slot.cell;
		seqs[i] = run[i].seq;
		egress_commit(&e->egress, &run[i].slot,
			      (struct cell_header){
				  .circ_id = p->circ_id,
				  .seq = run[i].seq,
				  .kind = CELL_DATA_FWD,
			      });
	}
	onion_seal(e->aead, p->keys, p->n, cells, seqs, n);
}

static void flush(struct engine *e, const struct now *now)
{
	struct packer *pk = &e->client_out;
	unsigned start = 0;

	packer_seal(pk, e->aead, now);
	for (unsigned i = 0; i < pk->n; i++) {
		((struct path *)pk->cell[i].owner)->open_cell = NULL;
		if (i + 1 == pk->n || pk->cell[i + 1].owner != pk->cell[start].owner) {
			seal_run(e, &pk->cell[start], i + 1 - start);
			start = i + 1;
		}
	}
	pk->n = 0;
}

/* The path's open cell with room for len more bytes, a new one if need be; NULL: no buffer. */
static struct outcell *cell_for(struct engine *e, struct path *p, size_t len, const struct now *now)
{
	struct packer *pk = &e->client_out;
	struct egress_slot slot;
	struct outcell *c = p->open_cell;

	if (c != NULL && packer_fits(c, len))
		return c;
	if (pk->n == ONION_BATCH)
		flush(e, now);
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

static void add_pack(struct engine *e, struct path *p, const struct now *now)
{
	while (p->owner != NULL && spath_has_pack(&p->session, now)) {
		struct outcell *c = cell_for(e, p, spath_pack_len(&p->session), now);

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

		if (s->is_open && memcmp(src, granted, len) == 0 &&
		    memcmp(src, nowhere, len) != 0) {
			*out = s;
			return DROP_NONE;
		}
	}
	return DROP_SOURCE;
}

/* The path that carries the session now: its first carrier, else its first backup. */
static struct path *path_for(const struct session *s)
{
	struct path *best = NULL;

	for (unsigned i = 0; i < SESSION_PATHS_MAX; i++) {
		struct path *p = s->path[i];

		if (p == NULL || !p->is_used)
			continue;
		if (best == NULL || (p->weight > 0) > (best->weight > 0) ||
		    ((p->weight > 0) == (best->weight > 0) && p->order < best->order))
			best = p;
	}
	return best;
}

static enum drop add_packet(struct engine *e, const struct packet *pkt, const struct now *now)
{
	const size_t len = (size_t)pkt->head_len + pkt->body_len;
	struct session *s = NULL;
	struct outcell *c;
	struct path *p;
	enum drop d;

	d = session_of(e, pkt, &s);
	if (d != DROP_NONE)
		return d;
	p = path_for(s);
	if (p == NULL)
		return DROP_NO_ROUTE;
	if (len > (size_t)INNER_MTU(p->n))
		return DROP_TOO_BIG;
	c = cell_for(e, p, len, now);
	if (c == NULL)
		return DROP_NO_BUFFER;
	packer_packet(c, pkt);
	e->stats.client_tx_packets++;
	e->stats.client_tx_bytes += len;
	return DROP_NONE;
}

void engine_recv_client(struct engine *e, const struct packet *pkts, size_t n,
			const struct now *now)
{
	for (size_t i = 0; i < n; i++) {
		const enum drop d = add_packet(e, &pkts[i], now);

		if (d != DROP_NONE)
			engine_drop(e, d);
	}
	list_for_each (it, &e->paths)
		add_pack(e, container_of(it, struct path, in_engine), now);
	flush(e, now);
	engine_finish(e, now);
}

void engine_session_use(struct engine *e, uint32_t session, const struct path_use *use, size_t n,
			const struct now *now)
{
	struct session *s = session_by_id(e, session);

	(void)now;
	if (s == NULL)
		return;
	for (unsigned i = 0; i < SESSION_PATHS_MAX; i++)
		if (s->path[i] != NULL)
			s->path[i]->is_used = false;
	for (size_t i = 0; i < n; i++) {
		struct path *p = path_by_id(e, use[i].path);

		if (p == NULL || p->owner != s)
			continue;
		p->is_used = true;
		p->weight = use[i].weight;
		p->order = (uint8_t)MIN(i, UINT8_MAX);
	}
}

void engine_session_options(struct engine *e, uint32_t session, const struct session_options *o,
			    const struct now *now)
{
	struct session *s = session_by_id(e, session);

	(void)now;
	if (s != NULL)
		s->options = *o;
}

void tunnel_tick(struct engine *e, const struct now *now)
{
	list_for_each (it, &e->paths)
		add_pack(e, container_of(it, struct path, in_engine), now);
	flush(e, now);
}

uint64_t tunnel_deadline(const struct engine *e)
{
	uint64_t due = NEVER;

	list_for_each (it, &e->paths) {
		const struct path *p = container_of(it, struct path, in_engine);

		if (p->owner != NULL)
			due = MIN(due, p->session.pack_due_ns);
	}
	return due;
}

/* ---- packets in ---- */

static enum drop take_packet(struct engine *e, void *owner, const uint8_t *p, size_t len,
			     uint8_t flags, const struct now *now)
{
	const struct path *path = owner;
	const struct session_grant *g = &path->owner->grant;
	struct inner_addrs a;

	(void)now;
	if (!inner_parse(p, len, &a))
		return DROP_PACKET;
	/* A malicious exit must not reach other addresses of this machine. */
	if (a.version == 4 ? memcmp(a.dst, g->v4, 4) != 0 : memcmp(a.dst, g->v6, 16) != 0)
		return DROP_SOURCE;
	engine_packet_out(e, SINK_CLIENT, p, len, flags);
	e->stats.client_rx_packets++;
	e->stats.client_rx_bytes += len;
	return DROP_NONE;
}

void tunnel_deliver(struct engine *e, const struct incell *cells, size_t n, const struct now *now)
{
	unpack(e, cells, n, take_packet, now);
}
