/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One path's life: built, given or attached to a session, used, watched, replaced, drained. */
#include "client/client_int.h"

#include <stdio.h>

struct client_route *route_by_path(struct client *c, uint32_t path)
{
	for (size_t i = 0; i < ROUTES_MAX; i++)
		if (c->route[i].state != ROUTE_FREE && c->route[i].path == path)
			return &c->route[i];
	return NULL;
}

bool route_is_coming(const struct client *c)
{
	for (size_t i = 0; i < ROUTES_MAX; i++)
		if (c->route[i].state == ROUTE_BUILDING || c->route[i].state == ROUTE_OPENING ||
		    c->route[i].state == ROUTE_ATTACHING)
			return true;
	return false;
}

static const char *hop_text(const struct client_route *r, unsigned hop,
			    char out[static DESCRIPTOR_TEXT_MAX])
{
	const struct client_hop *h = &r->hop[hop - 1];
	char id[SHORT_ID_LEN + 1];

	snprintf(out, DESCRIPTOR_TEXT_MAX, "%s (%s)",
		 h->name[0] != '\0' ? h->name : short_id(h->id, id), h->country);
	return out;
}

static void enter(struct client_route *r, enum route_state state, uint64_t due_ns)
{
	r->state = state;
	r->due_ns = due_ns;
	r->tries = 0;
}

static uint64_t ask_timeout_ns(const struct client_route *r)
{
	return MAX(ASK_TIMEOUT_MIN_NS, 2 * r->rtt_ns);
}

/* ---- beginning and end ---- */

static struct client_route *route_slot(struct client *c, const struct now *now)
{
	for (size_t i = 0; i < ROUTES_MAX; i++)
		if (c->route[i].state == ROUTE_FREE)
			return &c->route[i];
	for (size_t i = 0; i < ROUTES_MAX; i++)
		if (c->route[i].state == ROUTE_DRAINING) {
			route_drop(c, &c->route[i], now);
			return &c->route[i];
		}
	return NULL;
}

static void describe_hops(const struct client *c, const struct path_route *pr,
			  struct client_route *r)
{
	for (unsigned i = 0; i < pr->hops; i++) {
		const struct descriptor *d = directory_by_id(c->params.dir, pr->hop[i].id);
		struct client_hop *h = &r->hop[i];

		memcpy(h->id, pr->hop[i].id, NODE_ID_LEN);
		h->addr = pr->hop[i].addr;
		if (d == NULL)
			continue;
		snprintf(h->name, sizeof(h->name), "%s", d->name);
		memcpy(h->country, d->country, sizeof(h->country));
	}
}

static uint16_t lifetime_s(const struct client *c)
{
	/* Drawn anew for each, so that rotations of different clients do not line up. */
	const uint32_t base = c->wish.rotate_s != 0 ? c->wish.rotate_s : CIRCUIT_LIFETIME_MIN_S;
	const uint32_t spread =
	    c->wish.rotate_s != 0 ? c->wish.rotate_s / 4 + 1 : CIRCUIT_LIFETIME_RAND_S;

	return (uint16_t)(base + SUCCESSOR_BEFORE_NS / NS_PER_S + rng_below(c->params.rng, spread));
}

bool route_start(struct client *c, bool keep_exit, const struct now *now)
{
	struct client_route *r = route_slot(c, now);
	struct path_spec spec = {.lifetime_s = lifetime_s(c)};
	char why[PATH_WHY_MAX];
	const struct descriptor *exit;
	struct path_route pr;

	if (r == NULL)
		return false;
	if (!choice_make(c, keep_exit, now, &pr, why)) {
		client_note(c, CLIENT_NOTE_ERROR, "no route: %s", why);
		snprintf(c->reason, sizeof(c->reason), "no route: %s", why);
		return false;
	}
	spec.n = pr.hops;
	memcpy(spec.hop, pr.hop, sizeof(spec.hop));
	memcpy(spec.entry_link_key, pr.entry_link_key, DH_LEN);
	memcpy(spec.exit_session_key, pr.exit_session_key, DH_LEN);
	exit = directory_by_id(c->params.dir, pr.hop[pr.hops - 1].id);
	spec.exit_workers = exit != NULL ? (uint8_t)descriptor_workers(exit) : 1;
	*r = (struct client_route){.n = pr.hops};
	describe_hops(c, &pr, r);
	r->path = engine_path_build(c->params.engine, &spec, now);
	if (r->path == 0)
		return false;
	enter(r, ROUTE_BUILDING, now->mono_ns + BUILD_TIMEOUT_NS);
	r->successor_ns = now->mono_ns + spec.lifetime_s * NS_PER_S - SUCCESSOR_BEFORE_NS;
	return true;
}

void route_drop(struct client *c, struct client_route *r, const struct now *now)
{
	if (c->active == r)
		c->active = NULL;
	engine_session_close(c->params.engine, r->session, now);
	engine_path_close(c->params.engine, r->path, now);
	r->state = ROUTE_FREE;
}

/* ---- failure ---- */

/* A path that cannot be had: blame whom we can, and let the client try another. */
static void fail(struct client *c, struct client_route *r, unsigned hop, const char *what,
		 const struct now *now)
{
	char who[DESCRIPTOR_TEXT_MAX];
	const bool was_active = c->active == r;
	const uint64_t backoff_max_ns = c->has_session ? RETRY_SESSION_MAX_NS : RETRY_MAX_NS;

	if (hop > 0) {
		choice_avoid(c, r->hop[hop - 1].id, now);
		client_note(c, CLIENT_NOTE_ERROR, "hop %u, %s: %s", hop, hop_text(r, hop, who),
			    what);
		snprintf(c->reason, sizeof(c->reason), "hop %u, %s: %s", hop, who, what);
	} else {
		/* Nobody named: all but the exit, which the session needs. */
		for (unsigned i = 0; i + 1 < r->n; i++)
			choice_avoid(c, r->hop[i].id, now);
		client_note(c, CLIENT_NOTE_ERROR, "route to %s: %s", hop_text(r, r->n, who), what);
		snprintf(c->reason, sizeof(c->reason), "route to %s: %s", who, what);
	}
	/* Only a failure of the exit itself speaks against it: the others may be our own network's.
	 */
	if (c->has_session && hop == r->n &&
	    memcmp(r->hop[r->n - 1].id, c->session_exit, NODE_ID_LEN) == 0)
		c->exit_failures++;
	route_drop(c, r, now);
	if (was_active) {
		c->lost_ns = now->mono_ns;
		client_set_state(c, CLIENT_RECONNECTING, now, "%s", c->reason);
	}
	c->backoff_ns = was_active ? 0 : MIN(backoff_max_ns, MAX(RETRY_MIN_NS, c->backoff_ns * 2));
	c->retry_ns = now->mono_ns + c->backoff_ns;
	if (c->active != NULL) /* its successor is still wanted */
		c->active->due_ns = MIN(c->active->due_ns, c->retry_ns);
}

/* ---- steps ---- */

static void ask(struct client *c, struct client_route *r, const struct now *now)
{
	if (r->state == ROUTE_OPENING) {
		engine_session_close(c->params.engine, r->session, now);
		r->session = engine_session_open(c->params.engine, r->path, now);
	} else {
		engine_session_attach(c->params.engine, c->session, r->path, now);
	}
	r->due_ns = now->mono_ns + ask_timeout_ns(r);
}

static void on_open(struct client *c, struct client_route *r, const struct engine_event *ev,
		    const struct now *now)
{
	r->rtt_ns = ev->rtt_ns;
	enter(r,
	      c->has_session && memcmp(c->session_exit, r->hop[r->n - 1].id, NODE_ID_LEN) == 0
		  ? ROUTE_ATTACHING
		  : ROUTE_OPENING,
	      0);
	ask(c, r, now);
}

static void on_session(struct client *c, struct client_route *r, const struct engine_event *ev,
		       const struct now *now)
{
	if (c->has_session)
		engine_session_close(c->params.engine, c->session, now);
	c->session = ev->session;
	r->session = 0;
	c->has_session = c->session_is_new = true;
	c->lost_ns = now->mono_ns; /* it has none yet */
	c->grant = ev->grant;
	memcpy(c->session_exit, r->hop[r->n - 1].id, NODE_ID_LEN);
	if (c->active != NULL &&
	    c->active != r) { /* of the last session: cannot carry this one's */
		route_drop(c, c->active, now);
	}
	enter(r, ROUTE_ATTACHING, 0);
	ask(c, r, now);
}

static void on_attached(struct client *c, struct client_route *r, const struct now *now)
{
	const bool is_new = c->active == NULL;
	char who[DESCRIPTOR_TEXT_MAX];

	engine_session_use(c->params.engine, c->session,
			   &(struct path_use){.path = r->path, .weight = 1}, 1, now);
	if (c->active != NULL && c->active != r)
		enter(c->active, ROUTE_DRAINING, now->mono_ns + DRAIN_NS);
	c->active = r;
	c->exit_failures = 0;
	c->backoff_ns = 0;
	enter(r, ROUTE_READY, r->successor_ns);
	r->echo_ns = now->mono_ns + 1; /* the next tick, when the owner has set up the machine */
	r->ready_wall_ns = now->wall_ns;
	c->reason[0] = '\0';
	if (c->session_is_new)
		client_note(c, CLIENT_NOTE_SESSION, "addresses of the session with %s",
			    hop_text(r, r->n, who));
	c->session_is_new = false;
	if (c->state != CLIENT_CONNECTED)
		client_set_state(c, CLIENT_CONNECTED, now, "%s", "");
	client_note(c, CLIENT_NOTE_ROUTE, "%s route to %s, %u hops", is_new ? "new" : "changed",
		    hop_text(r, r->n, who), r->n);
}

static void on_attach_failed(struct client *c, struct client_route *r,
			     const struct engine_event *ev, const struct now *now)
{
	if (ev->control != CONTROL_UNKNOWN) {
		fail(c, r, r->n, "refused the session's path", now);
		return;
	}
	/* The exit has lost the session (a restart): a new one, on this very path. */
	client_note(c, CLIENT_NOTE_ERROR, "the exit lost the session; open connections end");
	engine_session_close(c->params.engine, c->session, now);
	c->has_session = false;
	client_set_state(c, CLIENT_CONNECTING, now,
			 "the exit lost the session, asking for a new one");
	enter(r, ROUTE_OPENING, 0);
	ask(c, r, now);
}

static void on_echo(const struct client *c, struct client_route *r, const struct engine_event *ev,
		    const struct now *now)
{
	struct client_hop *h = &r->hop[ev->hop - 1];

	h->rtt_ns = h->rtt_ns == 0 ? ev->rtt_ns : (7 * h->rtt_ns + ev->rtt_ns) / 8;
	if (ev->hop != r->n)
		return;
	r->echo_unanswered = 0;
	r->echo_ns = now->mono_ns + ECHO_MIN_NS + rng_below(c->params.rng, ECHO_RAND_NS);
}

void route_on_event(struct client *c, struct client_route *r, const struct engine_event *ev,
		    const struct now *now)
{
	switch (ev->type) {
	case EVENT_PATH_OPEN:
		if (r->state == ROUTE_BUILDING)
			on_open(c, r, ev, now);
		break;
	case EVENT_PATH_FAILED:
		fail(c, r, ev->hop == 0 ? 1 : MIN(ev->hop + (ev->status == HOP_NO_NEXT), r->n),
		     ev->status == HOP_NO_NEXT ? "cannot be reached" : hop_status_name(ev->status),
		     now);
		break;
	case EVENT_PATH_CLOSED:
		if (r->state == ROUTE_DRAINING)
			r->state = ROUTE_FREE;
		else
			fail(c, r, 0, "a hop closed the circuit", now);
		break;
	case EVENT_SESSION_OPEN:
		if (r->state == ROUTE_OPENING)
			on_session(c, r, ev, now);
		break;
	case EVENT_SESSION_FAILED:
		fail(c, r, r->n, "refused a session", now);
		break;
	case EVENT_PATH_ATTACHED:
		if (r->state == ROUTE_ATTACHING)
			on_attached(c, r, now);
		break;
	case EVENT_PATH_ATTACH_FAILED:
		if (r->state == ROUTE_ATTACHING)
			on_attach_failed(c, r, ev, now);
		break;
	case EVENT_ECHO:
		on_echo(c, r, ev, now);
		break;
	case EVENT_LINK_UP:
	case EVENT_LINK_DOWN:
	case EVENT_LINK_MESSAGE:
	case EVENT_PATH_SUSPECT:
	case EVENT_PATH_RECOVERED:
	case EVENT_COUNTERS:
		break;
	}
}

/* ---- time ---- */

static bool is_silent(const struct client_route *r, const struct path_stats *s,
		      const struct now *now)
{
	return (r->echo_unanswered >= TRIES_MAX && r->echo_ns <= now->mono_ns) ||
	       (s->unanswered_ns != 0 && now->mono_ns - s->unanswered_ns > SILENT_NS);
}

/* Data came and then no more: once for each such pause, an ECHO tells it from a dead hop. */
static bool has_paused(struct client_route *r, const struct path_stats *s, const struct now *now)
{
	if (s->rx_cells == r->rx_cells || s->bwd_last_ns + PAUSE_NS > now->mono_ns)
		return false;
	r->rx_cells = s->rx_cells;
	return true;
}

static void echo_round(struct client *c, struct client_route *r, const struct now *now)
{
	for (unsigned hop = 1; hop <= r->n; hop++)
		engine_path_echo(c->params.engine, r->path, hop, now);
	r->echo_unanswered++;
	r->echo_ns = now->mono_ns + MAX(NS_PER_S, 2 * r->rtt_ns); /* unless this one is answered */
}

static void tick_ready(struct client *c, struct client_route *r, const struct now *now)
{
	struct path_stats s = {.bwd_last_ns = now->mono_ns};

	(void)engine_path_stats(c->params.engine, r->path, &s); /* without: as if all were well */
	if (is_silent(r, &s, now)) {
		fail(c, r, 0, "no answer", now);
		return;
	}
	if (r->echo_ns <= now->mono_ns || has_paused(r, &s, now))
		echo_round(c, r, now);
	if (r->due_ns <= now->mono_ns) { /* its successor is due */
		r->due_ns = now->mono_ns + RETRY_MAX_NS;
		if (!route_is_coming(c))
			route_start(c, true, now);
	}
}

void route_tick(struct client *c, struct client_route *r, const struct now *now)
{
	switch (r->state) {
	case ROUTE_FREE:
		break;
	case ROUTE_BUILDING:
		if (r->due_ns <= now->mono_ns)
			fail(c, r, 0, "could not be built in time", now);
		break;
	case ROUTE_OPENING:
	case ROUTE_ATTACHING:
		if (r->due_ns > now->mono_ns)
			break;
		if (++r->tries >= TRIES_MAX)
			fail(c, r, r->n, "does not answer inside the tunnel", now);
		else
			ask(c, r, now);
		break;
	case ROUTE_READY:
		tick_ready(c, r, now);
		break;
	case ROUTE_DRAINING:
		if (r->due_ns <= now->mono_ns)
			route_drop(c, r, now);
		break;
	}
}

uint64_t route_deadline(const struct client_route *r)
{
	switch (r->state) {
	case ROUTE_FREE:
		return NEVER;
	case ROUTE_READY:
		return MIN(r->due_ns, r->echo_ns);
	case ROUTE_BUILDING:
	case ROUTE_OPENING:
	case ROUTE_ATTACHING:
	case ROUTE_DRAINING:
		return r->due_ns;
	}
	return NEVER;
}
