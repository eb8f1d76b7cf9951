/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Sessions at the exit: made and attached by control messages, each with its inner addresses;
 * packets of the exit's TUN find their session by destination, and go back on the path that spoke
 * last.
 */
#include "core/engine_int.h"

#include "util/xalloc.h"

enum {
	SESSION_LIFETIME_S = 24 * 3600,
	HOST_FIRST = 2,    /* .0 is the network, .1 the exit itself */
	V6_HOST_BITS = 20, /* when there is no IPv4 pool to say how many hosts there are */
	SESSIONS_PER_CIRCUIT_MAX = 8, /* a client needs one, and more when answers are lost */
};

#define SESSION_UNATTACHED_NS (10 * NS_PER_S)  /* before its first path */
#define SESSION_UNUSED_NS     (180 * NS_PER_S) /* without any path */

struct exit_session {
	uint8_t sid[SESSION_ID_LEN];
	uint8_t root[KEY_LEN];
	uint32_t host; /* number within the pools */
	uint8_t v4[4], v6[16];
	uint64_t expires_ns, last_ns;
	uint32_t path_id_max; /* a path id is used once, and ids rise */
	struct list paths;
	struct exit_path *active; /* spoke last: packets go back here */
	struct bucket up, down;
	struct list in_exit;
};

struct exit_node {
	struct exit_params params;
	struct map by_sid, by_host;
	struct list sessions;
	uint32_t count, hosts, next_host;
	uint64_t due_ns; /* when exit_tick has work: an acknowledgement or an expiry */
};

static bool has_v4(const struct exit_node *x)
{
	return x->params.pool_v4_bits != 0;
}

struct exit_node *exit_create(const struct exit_params *params, const struct rng *rng)
{
	struct exit_node *x = xcalloc(1, sizeof(*x));

	x->params = *params;
	x->hosts = (1u << (has_v4(x) ? 32 - params->pool_v4_bits : V6_HOST_BITS)) - HOST_FIRST - 1;
	x->next_host = (uint32_t)rng_below(rng, x->hosts);
	map_init(&x->by_sid, 64, rng);
	map_init(&x->by_host, 64, rng);
	list_init(&x->sessions);
	return x;
}

static void path_detach(struct exit_path *xp)
{
	struct exit_session *s = xp->session;

	list_del(&xp->in_session);
	if (s->active == xp) /* the newest of the others, until one of them speaks */
		s->active = list_is_empty(&s->paths)
				? NULL
				: container_of(s->paths.prev, struct exit_path, in_session);
	xp->circuit->attached = NULL;
	spath_wipe(&xp->sp);
	free(xp);
}

static void session_free(struct exit_node *x, struct exit_session *s)
{
	list_for_each_safe (it, tmp, &s->paths)
		path_detach(container_of(it, struct exit_path, in_session));
	map_del(&x->by_sid, get_le64(s->sid));
	map_del(&x->by_host, s->host);
	list_del(&s->in_exit);
	x->count--;
	secret_wipe(s, sizeof(*s));
	free(s);
}

void exit_free(struct exit_node *x)
{
	if (x == NULL)
		return;
	list_for_each_safe (it, tmp, &x->sessions)
		session_free(x, container_of(it, struct exit_session, in_exit));
	map_fini(&x->by_sid);
	map_fini(&x->by_host);
	free(x);
}

void exit_detach(struct engine *e, struct circuit *c)
{
	if (c->attached == NULL)
		return;
	/* The session now waits for another path. */
	c->attached->session->last_ns = MAX(c->attached->session->last_ns, e->egress.now_ns);
	path_detach(c->attached);
}

/* ---- SESS_NEW ---- */

static uint32_t host_take(struct exit_node *x)
{
	uint32_t host;

	do {
		host = HOST_FIRST + x->next_host;
		x->next_host = (x->next_host + 1) % x->hosts;
	} while (map_get(&x->by_host, host) != NULL);
	return host;
}

static struct exit_session *session_new(struct engine *e, const struct now *now)
{
	struct exit_node *x = e->exit;
	struct exit_session *s = xcalloc(1, sizeof(*s));

	do {
		rng_fill(&e->rng, s->sid, sizeof(s->sid));
	} while (map_get(&x->by_sid, get_le64(s->sid)) != NULL);
	s->host = host_take(x);
	if (has_v4(x))
		put_be32(s->v4, get_be32(x->params.pool_v4) + s->host);
	if (x->params.has_v6) {
		memcpy(s->v6, x->params.pool_v6, 8);
		put_be32(s->v6 + 12, s->host);
	}
	s->last_ns = now->mono_ns;
	s->expires_ns = now->mono_ns + SESSION_LIFETIME_S * NS_PER_S;
	list_init(&s->paths);
	map_put(&x->by_sid, get_le64(s->sid), s);
	map_put(&x->by_host, s->host, s);
	list_add_tail(&x->sessions, &s->in_exit);
	x->count++;
	return s;
}

static void grant_fill(const struct exit_node *x, const struct exit_session *s,
		       struct session_grant *g)
{
	*g = (struct session_grant){.lifetime_s = SESSION_LIFETIME_S};
	memcpy(g->sid, s->sid, sizeof(g->sid));
	memcpy(g->v4, s->v4, sizeof(g->v4));
	memcpy(g->v6, s->v6, sizeof(g->v6));
	if (has_v4(x)) /* the exit's own address answers */
		put_be32(g->dns_v4, get_be32(x->params.pool_v4) + 1);
	if (x->params.has_v6) {
		memcpy(g->dns_v6, x->params.pool_v6, 8);
		g->dns_v6[15] = 1;
	}
}

/* The responder's half up to message 2, which needs a session to tell of. */
static int read_request(struct engine *e, struct circuit *c, const uint8_t *body,
			struct noise_hs *hs)
{
	static const char label[] = "macromesh/1 session";
	uint8_t prologue[sizeof(label) - 1 + NODE_ID_LEN + HASH_LEN];
	uint8_t payload[SESS_NEW_PAYLOAD_LEN];

	memcpy(prologue, label, sizeof(label) - 1);
	memcpy(prologue + sizeof(label) - 1, e->id, NODE_ID_LEN);
	memcpy(prologue + sizeof(label) - 1 + NODE_ID_LEN, c->keys.h, HASH_LEN);
	noise_nk_start(hs, NOISE_RESPONDER, e->exit->params.session_key, NULL, prologue,
		       sizeof(prologue));
	if (noise_nk_read1(hs, e->exit->params.session_key, body, sizeof(payload), payload) != 0)
		return -1;
	return payload[0] == PROTOCOL_VERSION ? 0 : -1;
}

static void answer(struct engine *e, struct circuit *c, uint64_t reply_seq, uint8_t type,
		   enum control_status status, const uint8_t *body, size_t len)
{
	uint8_t text[CONTROL_ANSWER_HEAD_LEN + 256];
	const size_t head = control_put_answer_head(text, (enum control_type)type, status);

	if (len > 0)
		memcpy(text + head, body, len);
	relay_answer(e, c, reply_seq, text, head + len);
}

static void on_session_new(struct engine *e, struct circuit *c, uint64_t reply_seq,
			   const uint8_t *body, const struct now *now)
{
	struct exit_node *x = e->exit;
	uint8_t granted[SESS_GRANT_LEN], msg[SESS_GRANT_MSG_LEN];
	struct session_grant g;
	struct exit_session *s;
	struct noise_hs hs;

	if (x->count >= x->params.max_sessions || x->count >= x->hosts ||
	    c->sessions_made >= SESSIONS_PER_CIRCUIT_MAX) {
		answer(e, c, reply_seq, CONTROL_SESS_NEW, CONTROL_REFUSED, NULL, 0);
		return;
	}
	c->sessions_made++; /* also of those that do not verify: each costs us an X25519 */
	if (read_request(e, c, body, &hs) != 0) {
		engine_drop(e, DROP_CONTROL);
		goto out;
	}
	/* ck and h after message 2 make the root, but the grant inside message 2 is what makes h.
	 */
	s = session_new(e, now);
	grant_fill(x, s, &g);
	session_grant_encode(&g, granted);
	if (noise_nk_write2(&hs, &e->rng, granted, sizeof(granted), msg) != 0) {
		session_free(x, s);
		engine_drop(e, DROP_CONTROL);
		goto out;
	}
	hkdf_expand(s->root, sizeof(s->root), hs.sym.ck, "macromesh/1 root", hs.sym.h, HASH_LEN);
	answer(e, c, reply_seq, CONTROL_SESS_NEW, CONTROL_OK, msg, sizeof(msg));
out:
	noise_hs_wipe(&hs);
}

/* ---- ATTACH, SESS_CLOSE ---- */

static struct exit_session *session_by_sid(struct exit_node *x,
					   const uint8_t sid[static SESSION_ID_LEN])
{
	struct exit_session *s = map_get(&x->by_sid, get_le64(sid));

	return s != NULL && secret_equal(s->sid, sid, SESSION_ID_LEN) ? s : NULL;
}

static void attach_done(struct engine *e, struct exit_session *s, struct exit_path *xp,
			uint64_t reply_seq)
{
	struct attached a = {0};
	uint8_t body[64];

	list_for_each (it, &s->paths) {
		const struct exit_path *other = container_of(it, struct exit_path, in_session);

		if (a.count < ATTACH_PATHS_MAX)
			a.path_id[a.count++] = other->sp.path_id;
	}
	spath_attached_mac(&xp->sp, a.path_id, a.count, a.mac);
	answer(e, xp->circuit, reply_seq, CONTROL_ATTACH, CONTROL_OK, body,
	       attached_encode(&a, body));
}

/* The oldest path makes room: the client attaches a fresh one only when it wants it. */
static void make_room(struct exit_session *s)
{
	unsigned count = 0;

	list_for_each (it, &s->paths)
		count++;
	if (count >= SESSION_PATHS_MAX)
		path_detach(container_of(s->paths.next, struct exit_path, in_session));
}

static void on_attach(struct engine *e, struct circuit *c, uint64_t reply_seq, const uint8_t *body,
		      size_t len, const struct now *now)
{
	struct exit_session *s;
	struct exit_path *xp;
	struct attach a;
	uint8_t binder[MAC_LEN];

	if (attach_decode(&a, body, len) != 0) {
		engine_drop(e, DROP_CONTROL);
		return;
	}
	s = session_by_sid(e->exit, a.sid);
	if (s == NULL) {
		answer(e, c, reply_seq, CONTROL_ATTACH, CONTROL_UNKNOWN, NULL, 0);
		return;
	}
	xp = xcalloc(1, sizeof(*xp));
	spath_init(&xp->sp, SPATH_EXIT, s->root, c->keys.exporter, a.path_id, NULL);
	spath_binder(&xp->sp, c->keys.h, a.flags, a.weight, binder);
	if (!secret_equal(binder, a.binder, sizeof(binder)) || a.path_id <= s->path_id_max) {
		spath_wipe(&xp->sp);
		free(xp);
		answer(e, c, reply_seq, CONTROL_ATTACH, CONTROL_AUTH, NULL, 0);
		return;
	}
	exit_detach(e, c); /* a repeated ATTACH replaces the first */
	make_room(s);
	s->path_id_max = a.path_id;
	s->last_ns = now->mono_ns;
	xp->circuit = c;
	xp->session = s;
	c->attached = xp;
	list_add_tail(&s->paths, &xp->in_session);
	/* It is attached to be used, maybe because the last one is dead: a client that only waits
	 * for packets has nothing to say on it. */
	s->active = xp;
	attach_done(e, s, xp, reply_seq);
}

static void on_session_close(struct engine *e, struct circuit *c, uint64_t reply_seq,
			     const uint8_t *body, size_t len)
{
	struct exit_session *s =
	    len >= SESSION_ID_LEN + MAC_LEN ? session_by_sid(e->exit, body) : NULL;
	uint8_t mac[MAC_LEN];

	if (s == NULL || c->attached == NULL || c->attached->session != s) {
		engine_drop(e, DROP_CONTROL);
		return;
	}
	spath_attached_mac(&c->attached->sp, &c->attached->sp.path_id, 1, mac);
	if (!secret_equal(mac, body + SESSION_ID_LEN, MAC_LEN)) {
		engine_drop(e, DROP_CONTROL);
		return;
	}
	session_free(e->exit, s);
	answer(e, c, reply_seq, CONTROL_SESS_CLOSE, CONTROL_OK, NULL, 0);
}

void exit_on_control(struct engine *e, struct circuit *c, uint8_t type, uint64_t reply_seq,
		     const uint8_t *body, size_t len, const struct now *now)
{
	if (e->exit == NULL || !c->is_last) {
		answer(e, c, reply_seq, type, CONTROL_REFUSED, NULL, 0);
		return;
	}
	if (type == CONTROL_SESS_NEW)
		on_session_new(e, c, reply_seq, body, now);
	else if (type == CONTROL_ATTACH)
		on_attach(e, c, reply_seq, body, len, now);
	else
		on_session_close(e, c, reply_seq, body, len);
}

/* ---- packets to the world ---- */

static bool within_rate(const struct exit_node *x, struct bucket *b, const struct now *now)
{
	const uint32_t rate = x->params.packets_per_s;

	return bucket_take(b, rate, rate / 10 + 64, now->mono_ns);
}

static enum drop take_packet(struct engine *e, void *owner, const uint8_t *p, size_t len,
			     uint8_t flags, const struct now *now)
{
	struct exit_path *xp = owner;
	struct exit_session *s = xp->session;
	struct inner_addrs a;

	if (!inner_parse(p, len, &a))
		return DROP_PACKET;
	if (a.version == 4 ? !has_v4(e->exit) || memcmp(a.src, s->v4, 4) != 0
			   : !e->exit->params.has_v6 || memcmp(a.src, s->v6, 16) != 0)
		return DROP_SOURCE;
	if (!within_rate(e->exit, &s->up, now))
		return DROP_SESSION_RATE;
	s->active = xp;
	s->last_ns = now->mono_ns;
	engine_packet_out(e, SINK_EXIT, p, len, flags);
	e->stats.exit_rx_packets++;
	e->stats.exit_rx_bytes += len;
	return DROP_NONE;
}

/* ---- packets from the world ---- */

static void flush(struct engine *e, const struct now *now)
{
	struct packer *pk = &e->exit_out;
	struct onion_wrap wrap[ONION_BATCH];

	packer_seal(pk, e->aead, now);
	for (unsigned i = 0; i < pk->n; i++) {
		struct outcell *c = &pk->cell[i];
		struct circuit *circuit = c->owner;

		circuit->attached->open_cell = NULL;
		wrap[i] = (struct onion_wrap){
		    .keys = &circuit->keys, .cell = c->slot.cell, .out = c->slot.cell, .b = c->seq};
		egress_commit(&e->egress, &c->slot,
			      (struct cell_header){
				  .circ_id = circuit->prev.circ_id,
				  .seq = c->seq,
				  .kind = CELL_DATA_BWD,
				  .is_interactive = circuit->is_interactive,
			      });
		circuit->bwd_cells++;
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
		flush(e, now);
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
	    .seq = xp->circuit->b_next,
	    .nonce = xp->circuit->b_next,
	    .area = BACKWARD_AREA,
	};
	xp->circuit->b_next++;
	xp->open_cell = c;
	return c;
}

static void add_pack(struct engine *e, struct exit_path *xp, const struct now *now)
{
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

	if (a->version == 4 && !has_v4(x))
		return NULL;
	if (a->version == 4) {
		s = map_get(&x->by_host, get_be32(a->dst) - get_be32(x->params.pool_v4));
		return s != NULL && memcmp(s->v4, a->dst, 4) == 0 ? s : NULL;
	}
	s = map_get(&x->by_host, get_be32(a->dst + 12));
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

static enum drop add_packet(struct engine *e, const struct packet *pkt, const struct now *now)
{
	const size_t len = (size_t)pkt->head_len + pkt->body_len;
	struct exit_session *s;
	struct inner_addrs a;
	struct outcell *c;

	if (!packet_addrs(pkt, &a))
		return DROP_PACKET;
	s = session_by_addr(e->exit, &a);
	if (s == NULL || s->active == NULL)
		return DROP_SESSION;
	if (len > BACKWARD_AREA - FRAME_HEAD_LEN)
		return DROP_TOO_BIG;
	if (!within_rate(e->exit, &s->down, now))
		return DROP_SESSION_RATE;
	c = cell_for(e, s->active, len, now);
	if (c == NULL)
		return DROP_NO_BUFFER;
	packer_packet(c, pkt);
	add_pack(e, s->active, now);
	e->stats.exit_tx_packets++;
	e->stats.exit_tx_bytes += len;
	return DROP_NONE;
}

void engine_recv_exit(struct engine *e, const struct packet *pkts, size_t n, const struct now *now)
{
	for (size_t i = 0; i < n; i++) {
		const enum drop d = e->exit != NULL ? add_packet(e, &pkts[i], now) : DROP_SESSION;

		if (d != DROP_NONE)
			engine_drop(e, d);
	}
	flush(e, now);
	engine_finish(e, now);
}

void exit_deliver(struct engine *e, const struct incell *cells, size_t n, const struct now *now)
{
	unpack(e, cells, n, take_packet, now);
	for (size_t i = 0; i < n; i++)
		e->exit->due_ns = MIN(e->exit->due_ns, cells[i].sp->pack_due_ns);
}

/* ---- time ---- */

/* One that was asked for and never used costs its asker nothing: it must not cost others a place.
 */
static uint64_t unused_ns(const struct exit_session *s)
{
	return s->path_id_max == 0 ? SESSION_UNATTACHED_NS : SESSION_UNUSED_NS;
}

void exit_tick(struct engine *e, const struct now *now)
{
	struct exit_node *x = e->exit;

	if (x == NULL || x->due_ns > now->mono_ns)
		return;
	x->due_ns = now->mono_ns + NS_PER_S;
	list_for_each_safe (it, tmp, &x->sessions) {
		struct exit_session *s = container_of(it, struct exit_session, in_exit);

		list_for_each (pit, &s->paths) {
			struct exit_path *xp = container_of(pit, struct exit_path, in_session);

			add_pack(e, xp, now);
			x->due_ns =
			    MIN(x->due_ns, MAX(xp->sp.pack_due_ns, now->mono_ns + NS_PER_MS));
		}
		if (s->expires_ns <= now->mono_ns ||
		    (list_is_empty(&s->paths) && now->mono_ns - s->last_ns > unused_ns(s))) {
			flush(e, now); /* it may have cells of this session */
			session_free(x, s);
		}
	}
	flush(e, now);
}

uint64_t exit_deadline(const struct engine *e)
{
	return e->exit != NULL && e->exit->count > 0 ? e->exit->due_ns : NEVER;
}

uint32_t exit_session_count(const struct engine *e)
{
	return e->exit != NULL ? e->exit->count : 0;
}
