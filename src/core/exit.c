/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Sessions at the exit: made, given inner addresses, attached to circuits and ended by control
 * messages and time.  Their packets: exit_tunnel.c.
 */
#include "core/exit_int.h"

#include "util/xalloc.h"

enum {
	SESSION_LIFETIME_S = 24 * 3600, /* from the last ATTACH */
	V6_HOST_BITS = 20, /* when there is no IPv4 pool to say how many hosts there are */
	SESSIONS_PER_CIRCUIT_MAX = 8, /* a client needs one, and more when answers are lost */
	SESSION_FLOW_BITS = 8,
};

#define SESSION_UNATTACHED_NS (10 * NS_PER_S) /* before its first path */
#define SESSION_UNUSED_NS     (900 * NS_PER_S) /* without any path: a lid may be closed for a while */

struct exit_node *exit_create(const struct exit_params *params, const struct rng *rng)
{
	struct exit_node *x = xcalloc(1, sizeof(*x));

	x->params = *params;
	pool_init(&x->pool,
		  (1u << (exit_has_v4(x) ? 32 - params->pool_v4_bits : V6_HOST_BITS)) - POOL_FIRST -
		      1,
		  rng);
	map_init(&x->by_sid, 64, rng);
	list_init(&x->sessions);
	return x;
}

static void path_detach(struct exit_node *x, struct exit_path *xp)
{
	struct exit_session *s = xp->session;

	s->path[xp->slot] = NULL;
	s->steer.lane[xp->slot] = (struct lane){0};
	steer_changed(&s->steer);
	steer_move(&s->steer, false);
	timers_del(&x->timers, &xp->timer);
	xp->circuit->last->attached = NULL;
	spath_wipe(&xp->sp);
	free(xp);
}

static void session_free(struct exit_node *x, struct exit_session *s, uint64_t mono_ns)
{
	for (unsigned i = 0; i < SESSION_PATHS_MAX; i++)
		if (s->path[i] != NULL)
			path_detach(x, s->path[i]);
	steer_fini(&s->steer);
	map_del(&x->by_sid, get_le64(s->sid));
	pool_give_back(&x->pool, s->host, mono_ns);
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
		session_free(x, container_of(it, struct exit_session, in_exit), 0);
	pool_fini(&x->pool);
	map_fini(&x->by_sid);
	timers_fini(&x->timers);
	free(x);
}

void exit_detach(struct engine *e, struct circuit *c)
{
	struct exit_path *xp = c->last != NULL ? c->last->attached : NULL;

	if (xp == NULL)
		return;
	/* The session now waits for another path. */
	xp->session->last_ns = MAX(xp->session->last_ns, e->egress.now_ns);
	path_detach(e->exit, xp);
}

/* ---- SESS_NEW ---- */

static struct exit_session *session_new(struct engine *e, const struct now *now)
{
	struct exit_node *x = e->exit;
	struct exit_session *s = xcalloc(1, sizeof(*s));

	do {
		rng_fill(&e->rng, s->sid, sizeof(s->sid));
	} while (map_get(&x->by_sid, get_le64(s->sid)) != NULL);
	s->host = pool_take(&x->pool, s, now);
	if (exit_has_v4(x))
		put_be32(s->v4, get_be32(x->params.pool_v4) + s->host);
	if (x->params.has_v6) {
		memcpy(s->v6, x->params.pool_v6, 16);
		put_be32(s->v6 + 12, get_be32(s->v6 + 12) + s->host);
	}
	s->last_ns = now->mono_ns;
	s->expires_ns = now->mono_ns + SESSION_LIFETIME_S * NS_PER_S;
	map_put(&x->by_sid, get_le64(s->sid), s);
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
	if (exit_has_v4(x)) /* the exit's own address answers */
		put_be32(g->dns_v4, get_be32(x->params.pool_v4) + 1);
	if (x->params.has_v6) {
		memcpy(g->dns_v6, x->params.pool_v6, 16);
		g->dns_v6[15] |= 1;
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
	memcpy(prologue + sizeof(label) - 1 + NODE_ID_LEN, c->last->binding.h, HASH_LEN);
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

static bool has_path(const struct exit_session *s)
{
	for (unsigned i = 0; i < SESSION_PATHS_MAX; i++)
		if (s->path[i] != NULL)
			return true;
	return false;
}

static bool is_full(const struct exit_node *x)
{
	return x->count >= x->params.max_sessions || pool_is_empty(&x->pool);
}

/* The one that has been without a path for longest gives way. */
static bool make_room(struct exit_node *x, const struct now *now)
{
	struct exit_session *oldest = NULL;

	if (!is_full(x))
		return true;
	list_for_each (it, &x->sessions) {
		struct exit_session *s = container_of(it, struct exit_session, in_exit);

		if (!has_path(s) && (oldest == NULL || s->last_ns < oldest->last_ns))
			oldest = s;
	}
	if (oldest != NULL)
		session_free(x, oldest, now->mono_ns);
	return !is_full(x);
}

static void on_session_new(struct engine *e, struct circuit *c, uint64_t reply_seq,
			   const uint8_t *body, const struct now *now)
{
	struct exit_node *x = e->exit;
	uint8_t granted[SESS_GRANT_LEN], msg[SESS_GRANT_MSG_LEN];
	struct session_grant g;
	struct exit_session *s;
	struct noise_hs hs;

	if (c->last->sessions_made >= SESSIONS_PER_CIRCUIT_MAX || !make_room(x, now)) {
		answer(e, c, reply_seq, CONTROL_SESS_NEW, CONTROL_REFUSED, NULL, 0);
		return;
	}
	c->last->sessions_made++; /* also of those that do not verify: each costs us an X25519 */
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
		session_free(x, s, now->mono_ns);
		engine_drop(e, DROP_CONTROL);
		goto out;
	}
	hkdf_expand(s->root, sizeof(s->root), hs.sym.ck, "macromesh/1 root", hs.sym.h, HASH_LEN);
	steer_init(&s->steer, s->root, SESSION_FLOW_BITS);
	s->steer.is_exit = true;
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

	for (unsigned i = 0; i < SESSION_PATHS_MAX; i++)
		if (s->path[i] != NULL)
			a.path_id[a.count++] = s->path[i]->sp.path_id;
	spath_attached_mac(&xp->sp, a.path_id, a.count, a.mac);
	answer(e, xp->circuit, reply_seq, CONTROL_ATTACH, CONTROL_OK, body,
	       attached_encode(&a, body));
}

/* A free slot.  The oldest path makes room: the client attaches a fresh one only when it wants it.
 */
static unsigned slot_for(struct exit_node *x, struct exit_session *s)
{
	unsigned oldest = 0;

	for (unsigned i = 0; i < SESSION_PATHS_MAX; i++) {
		if (s->path[i] == NULL)
			return i;
		if (s->path[i]->sp.path_id < s->path[oldest]->sp.path_id)
			oldest = i;
	}
	path_detach(x, s->path[oldest]);
	return oldest;
}

static void path_attach(struct exit_node *x, struct exit_session *s, struct exit_path *xp,
			const struct now *now)
{
	xp->slot = slot_for(x, s);
	xp->session = s;
	xp->circuit->last->attached = xp;
	s->path[xp->slot] = xp;
	s->steer.lane[xp->slot] = (struct lane){.path_id = xp->sp.path_id};
	steer_changed(&s->steer);
	s->path_id_max = xp->sp.path_id;
	s->last_ns = now->mono_ns;
	s->expires_ns = now->mono_ns + SESSION_LIFETIME_S * NS_PER_S;
	timers_add(&x->timers, &xp->timer, NEVER);
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
	spath_init(&xp->sp, SPATH_EXIT, s->root, c->last->binding.exporter, a.path_id, NULL);
	spath_binder(&xp->sp, c->last->binding.h, a.flags, a.weight, binder);
	if (!secret_equal(binder, a.binder, sizeof(binder)) || a.path_id <= s->path_id_max) {
		spath_wipe(&xp->sp);
		free(xp);
		answer(e, c, reply_seq, CONTROL_ATTACH, CONTROL_AUTH, NULL, 0);
		return;
	}
	exit_detach(e, c); /* a repeated ATTACH replaces the first */
	xp->circuit = c;
	path_attach(e->exit, s, xp, now);
	xp->sp.resend_owner = resend_owner(&e->resend);
	if (s->steer.flows != NULL)
		resend_begin(&e->resend);
	attach_done(e, s, xp, reply_seq);
}

static void on_session_close(struct engine *e, struct circuit *c, uint64_t reply_seq,
			     const uint8_t *body, size_t len)
{
	struct exit_session *s =
	    len >= SESSION_ID_LEN + MAC_LEN ? session_by_sid(e->exit, body) : NULL;
	const struct exit_path *xp = c->last->attached;
	uint8_t mac[MAC_LEN];

	if (s == NULL || xp == NULL || xp->session != s) {
		engine_drop(e, DROP_CONTROL);
		return;
	}
	spath_attached_mac(&xp->sp, &xp->sp.path_id, 1, mac);
	if (!secret_equal(mac, body + SESSION_ID_LEN, MAC_LEN)) {
		engine_drop(e, DROP_CONTROL);
		return;
	}
	session_free(e->exit, s, e->egress.now_ns);
	engine_session_ended(e);
	answer(e, c, reply_seq, CONTROL_SESS_CLOSE, CONTROL_OK, NULL, 0);
}

void exit_on_control(struct engine *e, struct circuit *c, uint8_t type, uint64_t reply_seq,
		     const uint8_t *body, size_t len, const struct now *now)
{
	if (e->exit == NULL || c->last == NULL) {
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

/* ---- time ---- */

/* One that was asked for and never used costs its asker nothing: it must not cost others a place.
 */
static uint64_t unused_ns(const struct exit_session *s)
{
	return s->path_id_max == 0 ? SESSION_UNATTACHED_NS : SESSION_UNUSED_NS;
}

void exit_expire(struct engine *e, const struct now *now)
{
	struct exit_node *x = e->exit;

	if (x->expiry_ns > now->mono_ns)
		return;
	x->expiry_ns = now->mono_ns + NS_PER_S;
	exit_flush(e, now); /* it may have cells of a session that ends */
	list_for_each_safe (it, tmp, &x->sessions) {
		struct exit_session *s = container_of(it, struct exit_session, in_exit);

		if (s->expires_ns <= now->mono_ns ||
		    (!has_path(s) && now->mono_ns - s->last_ns > unused_ns(s)))
			session_free(x, s, now->mono_ns);
	}
	engine_session_ended(e);
}

uint32_t exit_session_count(const struct engine *e)
{
	return e->exit != NULL ? e->exit->count : 0;
}
