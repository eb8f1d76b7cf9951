/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The client's session: keys with the exit that outlive circuits, the inner addresses, and the
 * packets of the client's TUN on their way out and back.
 */
#include "core/engine_int.h"

#include "util/xalloc.h"

struct tunnel {
	struct noise_hs opening; /* SESS_NEW under way on opening_path */
	uint32_t opening_path;
	bool is_open;
	uint8_t root[KEY_LEN];
	struct session_grant grant;
	uint32_t last_path_id;
	struct path *active;
};

struct tunnel *tunnel_create(void)
{
	return xcalloc(1, sizeof(struct tunnel));
}

void tunnel_free(struct tunnel *t)
{
	if (t == NULL)
		return;
	secret_wipe(t, sizeof(*t));
	free(t);
}

static void spath_drop(struct spath *sp)
{
	free(sp->sent);
	spath_wipe(sp);
}

static void attaching_drop(struct path *p)
{
	if (p->attaching == NULL)
		return;
	spath_drop(p->attaching);
	free(p->attaching);
	p->attaching = NULL;
}

static void detach(struct tunnel *t, struct path *p)
{
	attaching_drop(p);
	if (p->is_attached)
		spath_drop(&p->session);
	p->is_attached = false;
	if (t->active == p)
		t->active = NULL;
}

void tunnel_path_gone(struct engine *e, struct path *p)
{
	detach(e->tunnel, p);
	if (e->tunnel->opening_path == p->id) {
		noise_hs_wipe(&e->tunnel->opening);
		e->tunnel->opening_path = 0;
	}
}

bool tunnel_is_active(const struct engine *e, const struct path *p)
{
	return e->tunnel->active == p;
}

/* ---- opening, attaching, closing ---- */

void engine_session_open(struct engine *e, uint32_t id, const struct now *now)
{
	static const char label[] = "macromesh/1 session";
	uint8_t prologue[sizeof(label) - 1 + NODE_ID_LEN + HASH_LEN];
	uint8_t payload[SESS_NEW_PAYLOAD_LEN] = {PROTOCOL_VERSION};
	uint8_t msg[SESS_NEW_MSG_LEN];
	struct tunnel *t = e->tunnel;
	struct path *p = path_by_id(e, id);

	if (p == NULL || p->state != PATH_OPEN)
		return;
	memcpy(prologue, label, sizeof(label) - 1);
	memcpy(prologue + sizeof(label) - 1, p->spec.hop[p->n - 1].id, NODE_ID_LEN);
	memcpy(prologue + sizeof(label) - 1 + NODE_ID_LEN, p->keys[p->n - 1].h, HASH_LEN);
	noise_nk_start(&t->opening, NOISE_INITIATOR, NULL, p->spec.exit_session_key, prologue,
		       sizeof(prologue));
	if (noise_nk_write1(&t->opening, &e->rng, payload, sizeof(payload), msg) != 0)
		return; /* a degenerate key: the caller's timer ends it */
	t->opening_path = id;
	path_ask(e, p, p->n, CONTROL_SESS_NEW, msg, sizeof(msg), NULL, now);
	engine_finish(e, now);
}

static void session_failed(struct engine *e, struct path *p, enum control_status status)
{
	struct engine_event *ev = engine_event(e, EVENT_SESSION_FAILED);

	ev->path = p->id;
	ev->control = status;
	noise_hs_wipe(&e->tunnel->opening);
	e->tunnel->opening_path = 0;
}

static void on_session(struct engine *e, struct path *p, enum control_status status,
		       const uint8_t *body)
{
	struct tunnel *t = e->tunnel;
	uint8_t granted[SESS_GRANT_LEN];
	struct session_grant grant;
	struct engine_event *ev;
	struct noise_hs hs;

	if (t->opening_path != p->id) {
		engine_drop(e, DROP_CONTROL);
		return;
	}
	if (status != CONTROL_OK) {
		session_failed(e, p, status);
		return;
	}
	/* On a copy: this may be the answer to an earlier request, and ours still to come. */
	hs = t->opening;
	if (noise_nk_read2(&hs, body, sizeof(granted), granted) != 0 ||
	    session_grant_decode(&grant, granted, sizeof(granted)) != 0) {
		engine_drop(e, DROP_CONTROL);
		noise_hs_wipe(&hs);
		return;
	}
	list_for_each (it, &e->paths) /* what the last session had */
		detach(t, container_of(it, struct path, in_engine));
	hkdf_expand(t->root, sizeof(t->root), hs.sym.ck, "macromesh/1 root", hs.sym.h, HASH_LEN);
	noise_hs_wipe(&hs);
	noise_hs_wipe(&t->opening);
	t->opening_path = 0;
	t->grant = grant;
	t->is_open = true;
	ev = engine_event(e, EVENT_SESSION_OPEN);
	ev->path = p->id;
	ev->grant = grant;
}

void engine_session_attach(struct engine *e, uint32_t id, const struct now *now)
{
	struct tunnel *t = e->tunnel;
	struct path *p = path_by_id(e, id);
	struct attach a = {.weight = 1};
	uint8_t body[64];
	size_t len;

	if (p == NULL || p->state != PATH_OPEN || !t->is_open)
		return;
	attaching_drop(p);
	p->attaching = xcalloc(1, sizeof(*p->attaching));
	spath_init(p->attaching, SPATH_CLIENT, t->root, p->keys[p->n - 1].exporter,
		   ++t->last_path_id, xcalloc(SPATH_SENT_MAX, sizeof(struct spath_sent)));
	memcpy(a.sid, t->grant.sid, sizeof(a.sid));
	a.path_id = p->attaching->path_id;
	spath_binder(p->attaching, p->keys[p->n - 1].h, a.flags, a.weight, a.binder);
	len = attach_encode(&a, body);
	path_ask(e, p, p->n, CONTROL_ATTACH, body, len, NULL, now);
	engine_finish(e, now);
}

/* Every path that the exit lists must be one that we attached, now or before. */
static bool knows_all_paths(const struct tunnel *t, const struct attached *a)
{
	for (unsigned i = 0; i < a->count; i++)
		if (a->path_id[i] == 0 || a->path_id[i] > t->last_path_id)
			return false;
	return true;
}

static void on_attached(struct engine *e, struct path *p, enum control_status status,
			const uint8_t *body, size_t len)
{
	struct engine_event *ev;
	struct attached a;
	uint8_t mac[MAC_LEN];

	if (p->attaching == NULL) {
		engine_drop(e, DROP_CONTROL);
		return;
	}
	if (status == CONTROL_OK) {
		if (attached_decode(&a, body, len) != 0) {
			engine_drop(e, DROP_CONTROL);
			return;
		}
		spath_attached_mac(p->attaching, a.path_id, a.count, mac);
		if (!secret_equal(mac, a.mac, sizeof(mac))) {
			engine_drop(e, DROP_CONTROL); /* of an earlier request, or forged */
			return;
		}
		if (!knows_all_paths(e->tunnel, &a))
			status = CONTROL_AUTH;
	}
	ev = engine_event(e, status == CONTROL_OK ? EVENT_PATH_ATTACHED : EVENT_PATH_ATTACH_FAILED);
	ev->path = p->id;
	ev->control = status;
	if (status != CONTROL_OK) {
		attaching_drop(p);
		return;
	}
	if (p->is_attached)
		spath_drop(&p->session);
	p->session = *p->attaching;
	p->is_attached = true;
	secret_wipe(p->attaching, sizeof(*p->attaching));
	free(p->attaching);
	p->attaching = NULL;
}

void tunnel_on_answer(struct engine *e, struct path *p, uint8_t type, enum control_status status,
		      const uint8_t *body, size_t len, const struct now *now)
{
	(void)now;
	if (type == CONTROL_SESS_NEW)
		on_session(e, p, status, body);
	else if (type == CONTROL_ATTACH)
		on_attached(e, p, status, body, len);
}

void engine_session_use(struct engine *e, uint32_t id)
{
	struct path *p = path_by_id(e, id);

	e->tunnel->active = p != NULL && p->is_attached ? p : NULL;
}

void engine_session_close(struct engine *e, const struct now *now)
{
	struct tunnel *t = e->tunnel;

	/* Any attached path carries the farewell; only the session's owner has its binding key. */
	list_for_each (it, &e->paths) {
		struct path *p = container_of(it, struct path, in_engine);

		if (t->is_open && p->is_attached) {
			uint8_t body[SESSION_ID_LEN + MAC_LEN];

			memcpy(body, t->grant.sid, SESSION_ID_LEN);
			spath_attached_mac(&p->session, &p->session.path_id, 1,
					   body + SESSION_ID_LEN);
			path_ask(e, p, p->n, CONTROL_SESS_CLOSE, body, sizeof(body), NULL, now);
			t->is_open = false;
		}
	}
	list_for_each (it, &e->paths)
		detach(t, container_of(it, struct path, in_engine));
	secret_wipe(t, sizeof(*t));
	engine_finish(e, now);
}

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
	while (p->is_attached && spath_has_pack(&p->session, now)) {
		struct outcell *c = cell_for(e, p, PACK_LEN(PACK_RANGES_MAX), now);

		if (c == NULL) {
			spath_postpone(&p->session, now);
			return;
		}
		packer_pack(c, now);
	}
}

static enum drop add_packet(struct engine *e, const struct packet *pkt, const struct now *now)
{
	const size_t len = (size_t)pkt->head_len + pkt->body_len;
	struct path *p = e->tunnel->active;
	struct outcell *c;

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
	if (e->tunnel->active != NULL)
		add_pack(e, e->tunnel->active, now);
	flush(e, now);
	engine_finish(e, now);
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

		if (p->is_attached)
			due = MIN(due, p->session.pack_due_ns);
	}
	return due;
}

/* ---- packets in ---- */

static enum drop take_packet(struct engine *e, void *owner, const uint8_t *p, size_t len,
			     uint8_t flags, const struct now *now)
{
	const struct session_grant *g = &e->tunnel->grant;
	struct inner_addrs a;

	(void)owner;
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
