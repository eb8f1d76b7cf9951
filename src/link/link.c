/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The links of one worker as a whole: their life, timers, events and waiting handshake messages. */
#include "link/link.h"

#include "link/link_int.h"
#include "util/xalloc.h"

#include <assert.h>

struct links *links_create(const struct links_params *params)
{
	struct links *ls = xcalloc(1, sizeof(*ls));

	assert(params->max_links > 0 && params->max_links <= LINKS_MAX);
	assert(params->init_burst > 0 && params->workers <= WORKERS_MAX);
	assert(params->workers == 0 || params->worker < params->workers);
	ls->params = *params;
	ls->last_id = params->worker;
	map_init(&ls->by_name, 16, params->rng);
	map_init(&ls->by_id, 16, params->rng);
	map_init(&ls->by_index, 16, params->rng);
	rng_fill(params->rng, ls->hash_key, sizeof(ls->hash_key));
	list_init(&ls->peers);
	list_init(&ls->idle);
	list_init(&ls->events);
	list_init(&ls->out);
	list_init(&ls->dead_keys);
	ls->timers = xcalloc((size_t)params->max_links + 1, sizeof(*ls->timers));
	cookie_jar_init(&ls->jar, params->identity->public);
	load_init(&ls->load, params->rng);
	return ls;
}

void links_free(struct links *ls)
{
	if (ls == NULL)
		return;
	list_for_each_safe (it, tmp, &ls->peers) {
		peer_free(ls, container_of(it, struct peer, node));
	}
	for (struct list *it; (it = list_pop(&ls->out)) != NULL;)
		free(container_of(it, struct out_msg, node));
	map_fini(&ls->by_name);
	map_fini(&ls->by_id);
	map_fini(&ls->by_index);
	free(ls->timers);
	secret_wipe(ls, sizeof(*ls));
	free(ls);
}

struct link *links_get_shard(struct links *ls, const uint8_t peer[static DH_LEN], uint8_t wish,
			     const struct endpoint *endpoint)
{
	const struct peer_name name = peer_name_of(ls, peer, wish);
	struct peer *p = peer_find(ls, &name);

	if (p == NULL) {
		if (memcmp(peer, ls->params.identity->public, DH_LEN) == 0)
			return NULL;
		p = peer_create(ls, &name);
		if (p == NULL)
			return NULL;
	}
	/* Where a stranger's message came from is no address to call. */
	if (endpoint != NULL && p->pub.state == LINK_IDLE)
		p->pub.endpoint = *endpoint;
	p->is_stranger = false;
	return &p->pub;
}

struct link *links_by_id(struct links *ls, uint32_t id)
{
	struct peer *p = map_get(&ls->by_id, id);

	return p != NULL ? &p->pub : NULL;
}

void links_foreach(struct links *ls, void (*fn)(struct link *l, void *ctx), void *ctx)
{
	list_for_each (it, &ls->peers) {
		fn(&container_of(it, struct peer, node)->pub, ctx);
	}
}

void link_connect(struct links *ls, struct link *l, const struct now *now)
{
	if (l->state != LINK_IDLE)
		return;
	l->state = LINK_CONNECTING; /* so that failing at once is a change, and told */
	attempt_begin(ls, peer_of(l), now);
	peer_update(ls, peer_of(l));
}

void link_renew(struct links *ls, struct link *l)
{
	if (l->state == LINK_UP)
		peer_want_rekey(ls, peer_of(l));
}

void links_hurry(struct links *ls, const struct now *now)
{
	list_for_each (it, &ls->peers) {
		struct peer *p = container_of(it, struct peer, node);

		if (!p->attempt.is_running)
			continue;
		attempt_hurry(&p->attempt, now);
		peer_update(ls, p);
	}
}

void link_close(struct links *ls, struct link *l)
{
	peer_free(ls, peer_of(l));
}

/* ---- state, events, timers ---- */

void peer_tell(struct links *ls, struct peer *p, enum link_event_type type)
{
	p->event = type;
	if (list_is_empty(&p->event_node))
		list_add_tail(&ls->events, &p->event_node);
}

bool links_next_event(struct links *ls, struct link_event *ev)
{
	struct list *it = list_pop(&ls->events);
	struct peer *p;

	if (it == NULL)
		return false;
	p = container_of(it, struct peer, event_node);
	*ev = (struct link_event){.type = p->event, .link = &p->pub};
	return true;
}

static enum link_state state_of(const struct peer *p)
{
	if (p->pub.send_key != NULL)
		return LINK_UP;
	return p->attempt.is_running || p->wants_rekey ? LINK_CONNECTING : LINK_IDLE;
}

static uint64_t deadline_of(const struct peer *p)
{
	const struct link_key *keys[] = {p->pub.send_key, p->previous, p->next};
	const struct attempt *at = &p->attempt;
	uint64_t deadline_ns = NEVER;

	if (p->wants_rekey)
		return 0; /* at once */
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (keys[i] != NULL)
			deadline_ns = MIN(deadline_ns, keys[i]->born_ns + LINK_REJECT_AFTER_NS);
	if (at->is_running) {
		deadline_ns = MIN(deadline_ns, at->retry_ns);
		deadline_ns = MIN(deadline_ns, at->began_ns + ATTEMPT_MAX_NS);
	}
	return deadline_ns;
}

void peer_update(struct links *ls, struct peer *p)
{
	const enum link_state before = p->pub.state;

	p->pub.state = state_of(p);
	list_del(&p->idle_node);
	if (p->pub.state == LINK_IDLE)
		list_add_tail(&ls->idle, &p->idle_node);
	if (p->pub.state == LINK_UP && before != LINK_UP)
		peer_tell(ls, p, LINK_EVENT_UP);
	if (p->pub.state == LINK_IDLE && before != LINK_IDLE)
		peer_tell(ls, p, LINK_EVENT_DOWN);
	timer_set(ls, p, deadline_of(p));
}

/* Called on the packet path, which has no time for Diffie-Hellman: it happens in the tick. */
void peer_want_rekey(struct links *ls, struct peer *p)
{
	if (p->wants_rekey || p->attempt.is_running)
		return;
	p->wants_rekey = true;
	timer_set(ls, p, deadline_of(p));
}

static void peer_tick(struct links *ls, struct peer *p, const struct now *now)
{
	const bool wants_rekey = p->wants_rekey;

	p->wants_rekey = false;
	keys_expire(ls, p, now);
	if (p->attempt.is_running)
		attempt_tick(ls, p, now);
	else if (wants_rekey)
		attempt_begin(ls, p, now);
	peer_update(ls, p);
}

uint64_t links_deadline(const struct links *ls)
{
	return ls->timers_len > 0 ? ls->timers[1]->deadline_ns : NEVER;
}

void links_tick(struct links *ls, const struct now *now)
{
	while (links_deadline(ls) <= now->mono_ns)
		peer_tick(ls, ls->timers[1], now);
}

/* ---- handshake messages ---- */

enum drop links_recv_handshake(struct links *ls, const uint8_t *data, size_t len,
			       const struct endpoint *from, const struct now *now)
{
	const uint8_t type = len > 0 ? data[0] : 0;

	switch (type) {
	case MSG_LINK_INIT:
		return len == CELL_LEN ? answer_recv_init(ls, data, from, now) : DROP_SHORT;
	case MSG_LINK_RESP:
		return len == CELL_LEN ? attempt_recv_resp(ls, data, now) : DROP_SHORT;
	case MSG_LINK_COOKIE:
		return len == LINK_COOKIE_LEN ? attempt_recv_cookie(ls, data, now) : DROP_SHORT;
	case MSG_LINK_PROBE:
		return len == LINK_PROBE_LEN ? probe_recv(ls, data, from, now) : DROP_SHORT;
	default:
		return len == 0 ? DROP_SHORT : DROP_TYPE;
	}
}

struct link_out *out_push(struct links *ls, const struct endpoint *to, uint16_t len)
{
	struct out_msg *m = xcalloc(1, sizeof(*m));

	m->out.to = *to;
	m->out.len = len;
	list_add_tail(&ls->out, &m->node);
	ls->out_len++;
	return &m->out;
}

bool links_next_out(struct links *ls, struct link_out *out)
{
	struct list *it = list_pop(&ls->out);
	struct out_msg *m;

	if (it == NULL)
		return false;
	m = container_of(it, struct out_msg, node);
	*out = m->out;
	ls->out_len--;
	free(m);
	return true;
}
