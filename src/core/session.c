/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The client's sessions: keys with an exit that outlive circuits, the inner addresses, and the
 * paths that are attached.  What goes over them: tunnel.c.
 */
#include "core/path_int.h"

#include "util/xalloc.h"

enum {
	SESSION_FLOW_BITS = 12
};

struct session *session_by_id(const struct engine *e, uint32_t id)
{
	list_for_each (it, &e->sessions) {
		struct session *s = container_of(it, struct session, in_engine);

		if (s->id == id)
			return s;
	}
	return NULL;
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

static void detach(struct path *p)
{
	struct session *s = p->owner;

	if (s == NULL)
		return;
	s->path[p->slot] = NULL;
	p->owner = NULL;
	failover_detached(s, p->slot);
	spath_drop(&p->session);
}

void session_path_gone(struct engine *e, struct path *p)
{
	attaching_drop(p);
	detach(p);
	list_for_each (it, &e->sessions) {
		struct session *s = container_of(it, struct session, in_engine);

		if (s->opening_on == p->id) {
			noise_hs_wipe(&s->opening);
			s->opening_on = 0;
		}
	}
}

static void session_free(struct engine *e, struct session *s)
{
	for (unsigned i = 0; i < SESSION_PATHS_MAX; i++)
		if (s->path[i] != NULL)
			detach(s->path[i]);
	group_session_gone(s);
	list_del(&s->in_engine);
	e->session_count--;
	steer_fini(&s->steer);
	secret_wipe(s, sizeof(*s));
	free(s);
	engine_session_ended(e);
}

void session_free_all(struct engine *e)
{
	list_for_each_safe (it, tmp, &e->sessions)
		session_free(e, container_of(it, struct session, in_engine));
}

/* ---- opening ---- */

uint32_t engine_session_open(struct engine *e, uint32_t path, const struct now *now)
{
	static const char label[] = "macromesh/1 session";
	uint8_t prologue[sizeof(label) - 1 + NODE_ID_LEN + HASH_LEN];
	uint8_t payload[SESS_NEW_PAYLOAD_LEN] = {PROTOCOL_VERSION};
	uint8_t msg[SESS_NEW_MSG_LEN];
	struct path *p = path_by_id(e, path);
	struct session *s;

	if (p == NULL || p->state != PATH_OPEN || e->session_count >= SESSIONS_MAX)
		return 0;
	s = xcalloc(1, sizeof(*s));
	memcpy(prologue, label, sizeof(label) - 1);
	memcpy(prologue + sizeof(label) - 1, p->spec.hop[p->n - 1].id, NODE_ID_LEN);
	memcpy(prologue + sizeof(label) - 1 + NODE_ID_LEN, p->binding.h, HASH_LEN);
	noise_nk_start(&s->opening, NOISE_INITIATOR, NULL, p->spec.exit_session_key, prologue,
		       sizeof(prologue));
	if (noise_nk_write1(&s->opening, &e->rng, payload, sizeof(payload), msg) != 0) {
		free(s); /* a degenerate key */
		return 0;
	}
	s->id = ++e->last_session_id;
	s->opening_on = path;
	s->options.isolate = ISOLATE_DESTINATION;
	/* The newest first: of two exits that grant the same address, the later one is meant. */
	list_add_tail(e->sessions.next, &s->in_engine);
	e->session_count++;
	path_ask(e, p, p->n, s, CONTROL_SESS_NEW, msg, sizeof(msg), NULL, now);
	engine_finish(e, now);
	return s->id;
}

static void session_failed(struct engine *e, struct session *s, struct path *p,
			   enum control_status status)
{
	struct engine_event *ev = engine_event(e, EVENT_SESSION_FAILED);

	ev->path = p->id;
	ev->session = s->id;
	ev->control = status;
	session_free(e, s);
}

static void on_session(struct engine *e, struct session *s, struct path *p,
		       enum control_status status, const uint8_t *body)
{
	uint8_t granted[SESS_GRANT_LEN];
	struct session_grant grant;
	struct engine_event *ev;

	if (s->opening_on != p->id) {
		engine_drop(e, DROP_CONTROL);
		return;
	}
	if (status != CONTROL_OK) {
		session_failed(e, s, p, status);
		return;
	}
	s->opening_on = 0; /* each question has one answer */
	if (noise_nk_read2(&s->opening, body, sizeof(granted), granted) != 0 ||
	    session_grant_decode(&grant, granted, sizeof(granted)) != 0) {
		engine_drop(e, DROP_CONTROL);
		noise_hs_wipe(&s->opening);
		return;
	}
	hkdf_expand(s->root, sizeof(s->root), s->opening.sym.ck, "macromesh/1 root",
		    s->opening.sym.h, HASH_LEN);
	noise_hs_wipe(&s->opening);
	steer_init(&s->steer, s->root, SESSION_FLOW_BITS);
	s->steer.isolation = (uint8_t)s->options.isolate;
	s->steer.duplicate = s->options.duplicate;
	s->steer.group = e->flow_group;
	s->steer.group_ctx = e->flow_group_ctx;
	s->grant = grant;
	s->is_open = true;
	ev = engine_event(e, EVENT_SESSION_OPEN);
	ev->path = p->id;
	ev->session = s->id;
	ev->grant = grant;
}

/* ---- attaching ---- */

static bool slot_for(const struct session *s, const struct path *p, uint8_t *slot)
{
	if (p->owner == s) {
		*slot = p->slot;
		return true;
	}
	for (unsigned i = 0; i < SESSION_PATHS_MAX; i++)
		if (s->path[i] == NULL) {
			*slot = (uint8_t)i;
			return true;
		}
	return false;
}

static void attach_failed(struct engine *e, const struct session *s, struct path *p,
			  enum control_status status)
{
	struct engine_event *ev = engine_event(e, EVENT_PATH_ATTACH_FAILED);

	ev->path = p->id;
	ev->session = s->id;
	ev->control = status;
	attaching_drop(p);
}

void engine_session_attach(struct engine *e, uint32_t session, uint32_t path, const struct now *now)
{
	struct session *s = session_by_id(e, session);
	struct path *p = path_by_id(e, path);
	struct attach a = {.weight = 0};
	uint8_t body[64], slot;
	size_t len;

	if (p == NULL || p->state != PATH_OPEN || s == NULL || !s->is_open)
		return;
	if (!slot_for(s, p, &slot)) {
		attach_failed(e, s, p, CONTROL_REFUSED);
		return;
	}
	attaching_drop(p);
	p->attaching = xcalloc(1, sizeof(*p->attaching));
	spath_init(p->attaching, SPATH_CLIENT, s->root, p->binding.exporter, ++s->last_path_id,
		   xcalloc(SPATH_SENT_MAX, sizeof(struct spath_sent)));
	memcpy(a.sid, s->grant.sid, sizeof(a.sid));
	a.path_id = p->attaching->path_id;
	spath_binder(p->attaching, p->binding.h, a.flags, a.weight, a.binder);
	len = attach_encode(&a, body);
	path_ask(e, p, p->n, s, CONTROL_ATTACH, body, len, NULL, now);
	engine_finish(e, now);
}

/* Every path that the exit lists must be one that we attached, now or before. */
static bool knows_all_paths(const struct session *s, const struct attached *a)
{
	for (unsigned i = 0; i < a->count; i++)
		if (a->path_id[i] == 0 || a->path_id[i] > s->last_path_id)
			return false;
	return true;
}

static void on_attached(struct engine *e, struct session *s, struct path *p,
			enum control_status status, const uint8_t *body, size_t len,
			uint64_t rtt_ns)
{
	struct engine_event *ev;
	struct attached a;
	struct lane before;
	uint8_t mac[MAC_LEN], slot;

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
		if (!knows_all_paths(s, &a))
			status = CONTROL_AUTH;
	}
	if (status == CONTROL_OK && !slot_for(s, p, &slot))
		status = CONTROL_REFUSED;
	if (status != CONTROL_OK) {
		attach_failed(e, s, p, status);
		return;
	}
	before = p->owner == s ? s->steer.lane[slot] : (struct lane){0};
	detach(p);
	p->session = *p->attaching;
	p->owner = s;
	p->slot = slot;
	s->path[slot] = p;
	liveness_rtt(&p->session.live, rtt_ns);
	p->session.resend_owner = resend_owner(&e->resend);
	failover_attached(s, slot, &before);
	if (s->steer.flows != NULL)
		resend_begin(&e->resend);
	secret_wipe(p->attaching, sizeof(*p->attaching));
	free(p->attaching);
	p->attaching = NULL;
	ev = engine_event(e, EVENT_PATH_ATTACHED);
	ev->path = p->id;
	ev->session = s->id;
}

void session_on_answer(struct engine *e, struct path *p, uint32_t session, uint8_t type,
		       enum control_status status, const uint8_t *body, size_t len, uint64_t rtt_ns)
{
	struct session *s = session_by_id(e, session);

	if (type == CONTROL_SESS_CLOSE)
		return;
	if (s == NULL) /* closed since */
		engine_drop(e, DROP_CONTROL);
	else if (type == CONTROL_SESS_NEW)
		on_session(e, s, p, status, body);
	else if (type == CONTROL_ATTACH)
		on_attached(e, s, p, status, body, len, rtt_ns);
}

/* ---- closing ---- */

/* Any attached path carries the farewell; only the session's owner has its binding key. */
static void say_farewell(struct engine *e, struct session *s, struct path *p, const struct now *now)
{
	uint8_t body[SESSION_ID_LEN + MAC_LEN];

	memcpy(body, s->grant.sid, SESSION_ID_LEN);
	spath_attached_mac(&p->session, &p->session.path_id, 1, body + SESSION_ID_LEN);
	path_ask(e, p, p->n, s, CONTROL_SESS_CLOSE, body, sizeof(body), NULL, now);
}

void engine_session_close(struct engine *e, uint32_t session, const struct now *now)
{
	struct session *s = session_by_id(e, session);

	if (s == NULL)
		return;
	for (unsigned i = 0; i < SESSION_PATHS_MAX; i++)
		if (s->path[i] != NULL) {
			say_farewell(e, s, s->path[i], now);
			break;
		}
	session_free(e, s);
	engine_finish(e, now);
}
