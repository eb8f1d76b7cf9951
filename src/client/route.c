/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One path's life: built, given or attached to a session, standing, drained. */
#include "client/client_int.h"

#include <stdarg.h>
#include <stdio.h>

const char *route_hop_text(const struct client_route *r, unsigned hop,
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
	r->asks = 0;
}

bool route_shares_node(const struct client_route *a, const struct client_route *b)
{
	for (unsigned i = 0; i + 1 < a->n; i++)
		for (unsigned k = 0; k + 1 < b->n; k++)
			if (memcmp(a->hop[i].id, b->hop[k].id, NODE_ID_LEN) == 0)
				return true;
	return false;
}

/* ---- beginning and end ---- */

static struct client_route *free_slot(struct client *c, const struct now *now)
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

	return (uint16_t)(base + SUCCESSOR_NS / NS_PER_S + rng_below(c->params.rng, spread));
}

struct client_route *route_build(struct client *c, const struct path_route *pr,
				 const struct now *now, char why[static PATH_WHY_MAX])
{
	const struct descriptor *exit = directory_by_id(c->params.dir, pr->hop[pr->hops - 1].id);
	struct client_route *r = free_slot(c, now);
	struct path_spec spec = {.lifetime_s = lifetime_s(c), .n = pr->hops};

	if (r == NULL) {
		snprintf(why, PATH_WHY_MAX, "there are too many");
		return NULL;
	}
	memcpy(spec.hop, pr->hop, sizeof(spec.hop));
	memcpy(spec.entry_link_key, pr->entry_link_key, DH_LEN);
	memcpy(spec.exit_session_key, pr->exit_session_key, DH_LEN);
	spec.exit_workers = exit != NULL ? (uint8_t)descriptor_workers(exit) : 1;
	*r = (struct client_route){.n = pr->hops};
	describe_hops(c, pr, r);
	route_health_init(&r->health, pr->hops);
	r->path = engine_path_build(c->params.engine, &spec, now);
	if (r->path == 0) {
		snprintf(why, PATH_WHY_MAX, "too many circuits or links at once");
		return NULL;
	}
	enter(r, ROUTE_BUILDING, now->mono_ns + BUILD_TIMEOUT_NS);
	r->successor_ns = now->mono_ns + spec.lifetime_s * NS_PER_S - SUCCESSOR_NS;
	return r;
}

bool route_start(struct client *c, enum route_aim aim, const struct now *now,
		 char why[static PATH_WHY_MAX])
{
	struct client_route *r;
	struct path_route pr;

	if (!choice_make(c, aim, now, &pr, why))
		return false;
	r = route_build(c, &pr, now, why);
	if (r == NULL)
		return false;
	r->is_spare = aim == AIM_SPARE;
	return true;
}

void route_drop(struct client *c, struct client_route *r, const struct now *now)
{
	if (r->session != 0 && r->session != c->session.id) /* asked for, in vain */
		engine_session_close(c->params.engine, r->session, now);
	engine_path_close(c->params.engine, r->path, now);
	if (c->primary == r)
		c->primary = NULL;
	*r = (struct client_route){0};
}

void route_drain(struct client_route *r, const struct now *now)
{
	const uint64_t wait_ns = r->weight != 0 ? DRAIN_NS : DRAIN_IDLE_NS;

	r->weight = 0;
	enter(r, ROUTE_DRAINING, now->mono_ns + wait_ns);
}

/* ---- failure ---- */

static void back_off(struct client *c, bool was_standing, const struct now *now)
{
	const uint64_t most_ns = c->session.id != 0 ? RETRY_SESSION_NS : RETRY_MAX_NS;

	c->backoff_ns = was_standing ? 0 : MIN(most_ns, MAX(RETRY_MIN_NS, c->backoff_ns * 2));
	c->retry_ns = now->mono_ns + c->backoff_ns;
}

/* Nobody named: all but the exit, which the session needs. */
static void avoid(struct client *c, const struct client_route *r, unsigned hop,
		  const struct now *now)
{
	if (hop > 0) {
		choice_avoid(c, r->hop[hop - 1].id, now);
		if (c->params.book != NULL)
			book_note_dead(c->params.book, r->hop[hop - 1].id, now);
		return;
	}
	for (unsigned i = 0; i + 1 < r->n; i++)
		choice_avoid(c, r->hop[i].id, now);
}

/* The network is there: others are heard. */
static void note_guard(struct client *c, const struct client_route *r, bool is_ok,
		       const struct now *now)
{
	if (c->params.guards != NULL && r->n > 1)
		guard_note(c->params.guards, r->hop[0].id, is_ok, now);
}

/* Its traffic has moved already, or moves now. */
static void tell_failed(struct client *c, const struct cause *cause, bool was_standing,
			bool was_used)
{
	if (!was_standing)
		client_note_cause(c, c->primary != NULL ? CLIENT_NOTE_PATH : CLIENT_NOTE_ERROR,
				  cause, "%s", cause->text);
	else if (!was_used)
		client_note_cause(c, CLIENT_NOTE_PATH, cause, "%s; a backup is replaced",
				  cause->text);
}

void route_fail(struct client *c, struct client_route *r, unsigned hop, const struct now *now,
		const char *what, ...)
{
	const bool was_standing = r->state == ROUTE_STANDING, was_used = r->weight != 0,
		   was_spare = r->is_spare;
	char who[DESCRIPTOR_TEXT_MAX], said[WHY_MAX], text[CLIENT_REASON_MAX];
	const struct client_hop named = r->hop[hop > 0 ? hop - 1 : 0];
	const struct cause cause = {.text = text, .hop = hop, .who = &named};
	va_list ap;

	va_start(ap, what);
	vsnprintf(said, sizeof(said), what, ap);
	va_end(ap);
	if (hop > 0)
		snprintf(text, sizeof(text), "hop %u, %s: %s", hop, route_hop_text(r, hop, who),
			 said);
	else
		snprintf(text, sizeof(text), "route to %s: %s", route_hop_text(r, r->n, who), said);
	avoid(c, r, hop, now);
	if (hop == 1 && session_any_lives(c))
		note_guard(c, r, false, now);
	route_drop(c, r, now);
	if (was_spare)
		c->spare_ns = now->mono_ns + RETRY_MIN_NS;
	else
		back_off(c, was_standing, now);
	if (c->session.silent_ns == 0 || c->session.heard_ns != 0) /* not our own network's fault */
		snprintf(c->reason, sizeof(c->reason), "%s", text);
	tell_failed(c, &cause, was_standing, was_used);
	if (was_standing)
		session_use(c, was_used ? &cause : NULL, now);
}

/* ---- steps ---- */

static uint64_t ask_due_ns(const struct client_route *r, const struct now *now)
{
	return now->mono_ns + MAX(ASK_TIMEOUT_MIN_NS, 2 * r->rtt_ns);
}

static void ask(struct client *c, struct client_route *r, const struct now *now)
{
	if (r->state == ROUTE_ATTACHING) {
		engine_session_attach(c->params.engine, r->session, r->path, now);
	} else {
		if (r->session != 0) /* the last request, or its answer, was lost */
			engine_session_close(c->params.engine, r->session, now);
		r->session = engine_session_open(c->params.engine, r->path, now);
	}
	r->due_ns = ask_due_ns(r, now);
}

void route_open(struct client *c, struct client_route *r, const struct now *now)
{
	enter(r, ROUTE_OPENING, 0);
	r->session = 0;
	ask(c, r, now);
}

/* The exit takes no more than so many for a session; one that is going may still be among them when
 * our request comes. */
static void make_room(struct client *c, const struct now *now)
{
	struct client_route *first = NULL;
	size_t n = 0;

	for (size_t i = 0; i < ROUTES_MAX; i++) {
		struct client_route *r = &c->route[i];

		n += r->state == ROUTE_STANDING || r->state == ROUTE_DRAINING;
		if (r->state == ROUTE_DRAINING && (first == NULL || r->due_ns < first->due_ns))
			first = r;
	}
	if (n + 1 >= SESSION_PATHS_MAX && first != NULL)
		route_drop(c, first, now);
}

void route_attach(struct client *c, struct client_route *r, uint32_t session, const struct now *now)
{
	if (!r->is_spare)
		make_room(c, now);
	enter(r, ROUTE_ATTACHING, 0);
	r->session = session;
	ask(c, r, now);
}

static void note_loads(struct client *c, const struct client_route *r,
		       const struct engine_event *ev, const struct now *now)
{
	for (unsigned i = 0; i < r->n && c->params.book != NULL; i++)
		if (ev->load[i] != LOAD_UNKNOWN)
			book_note_load(c->params.book, r->hop[i].id, ev->load[i], now);
}

/* How many routes in a row may be turned down: what the user waits for, none. */
static unsigned fulls_max(const struct client *c)
{
	if (c->primary != NULL && route_lives(c->primary))
		return FULLS_MAX;
	return c->session.id == 0 ? FULLS_FIRST_MAX : 0;
}

/* Some hop has more to do than most, so others should be asked first.  The session's exit is given.
 */
static bool is_full(const struct client *c, const struct client_route *r,
		    const struct engine_event *ev)
{
	const bool is_fixed = c->session.id != 0 && !r->is_spare;
	unsigned most = 0;

	for (unsigned i = 0; i < r->n - is_fixed; i++)
		if (ev->load[i] != LOAD_UNKNOWN)
			most = MAX(most, ev->load[i]);
	return most > LOAD_FULL_PERCENT && c->fulls < fulls_max(c);
}

void route_hold(struct client *c, struct client_route *r, const struct now *now)
{
	if (r->session != 0)
		engine_session_close(c->params.engine, r->session, now);
	r->session = 0;
	r->is_taken = false;
	enter(r, ROUTE_HELD, NEVER);
	watch_hold(r, now);
}

static void on_session(struct client *c, struct client_route *r, const struct engine_event *ev,
		       const struct now *now)
{
	r->grant = ev->grant;
	if (r->is_spare) {
		takeover_granted(c, r, now);
		return;
	}
	session_new(c, r, &r->grant, now);
	route_attach(c, r, c->session.id, now);
}

static void on_attached(struct client *c, struct client_route *r, const struct now *now)
{
	if (!r->is_spare) {
		route_stand(c, r, now);
		return;
	}
	enter(r, ROUTE_READY, NEVER);
	takeover_ready(c, r, now);
}

static void on_open(struct client *c, struct client_route *r, const struct engine_event *ev,
		    const struct now *now)
{
	const struct client_session *s = &c->session;

	takeover_heard(c, now);
	r->rtt_ns = ev->rtt_ns;
	note_loads(c, r, ev, now);
	if (is_full(c, r, ev)) {
		route_drop(c, r, now);
		c->fulls++;
		return;
	}
	c->fulls = 0;
	if (r->is_spare)
		route_hold(c, r, now);
	else if (s->id != 0 && memcmp(s->exit, r->hop[r->n - 1].id, NODE_ID_LEN) == 0)
		route_attach(c, r, s->id, now);
	else
		route_open(c, r, now);
}

void route_stand(struct client *c, struct client_route *r, const struct now *now)
{
	enter(r, ROUTE_STANDING, NEVER);
	r->ready_wall_ns = now->wall_ns;
	note_guard(c, r, true, now);
	watch_begin(c, r, now);
	session_stands(c, r, now);
}

static void on_attach_failed(struct client *c, struct client_route *r,
			     const struct engine_event *ev, const struct now *now)
{
	char who[DESCRIPTOR_TEXT_MAX];
	struct client_note *n;

	if (ev->control != CONTROL_UNKNOWN || r->is_spare) {
		route_fail(c, r, r->n, now, "refused the session's path");
		return;
	}
	/* The exit has lost the session (a restart): a new one, on this very path. */
	n = client_note(c, CLIENT_NOTE_ERROR, "the exit %s lost the session; open connections end",
			route_hop_text(r, r->n, who));
	n->has_dropped = true;
	n->dropped = session_connections(c);
	r->state = ROUTE_HELD; /* the one that stays */
	r->session = 0;
	r->is_spare = true;
	session_forget(c, now);
	client_set_state(c, CLIENT_CONNECTING, now,
			 "the exit lost the session, asking for a new one");
	r->is_spare = false;
	route_open(c, r, now);
}

/* Over another entry: so our own network works. */
static bool lives_elsewhere(const struct client *c, const struct client_route *r)
{
	for (size_t i = 0; i < ROUTES_MAX; i++)
		if (route_lives(&c->route[i]) &&
		    memcmp(c->route[i].hop[0].id, r->hop[0].id, NODE_ID_LEN) != 0)
			return true;
	return false;
}

static void on_closed(struct client *c, struct client_route *r, const struct engine_event *ev,
		      const struct now *now)
{
	if (r->state == ROUTE_DRAINING) {
		*r = (struct client_route){0};
		return;
	}
	if (ev->hop == 0 && lives_elsewhere(c, r)) {
		route_fail(c, r, 1, now, "no answer");
		return;
	}
	if (r->state == ROUTE_STANDING && ev->hop > 0)
		takeover_closed(c, r, now);
	route_fail(c, r, r->reached > 0 && r->reached < r->n ? r->reached + 1 : 0, now,
		   "a hop closed the circuit");
}

static void on_failed(struct client *c, struct client_route *r, const struct engine_event *ev,
		      const struct now *now)
{
	if (ev->hop > 0)
		takeover_heard(c, now);
	if (ev->status == HOP_NO_NEXT || ev->hop == 0)
		route_fail(c, r, MIN(ev->hop + 1, r->n), now, "cannot be reached");
	else
		route_fail(c, r, MIN(ev->hop, r->n), now, "%s", hop_status_name(ev->status));
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
		on_failed(c, r, ev, now);
		break;
	case EVENT_PATH_CLOSED:
		on_closed(c, r, ev, now);
		break;
	case EVENT_SESSION_OPEN:
		if (r->state == ROUTE_OPENING && r->session == ev->session)
			on_session(c, r, ev, now);
		break;
	case EVENT_SESSION_FAILED:
		if (r->state == ROUTE_OPENING && r->session == ev->session)
			route_fail(c, r, r->n, now, "refused a session");
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
	case EVENT_PATH_SUSPECT:
	case EVENT_PATH_RECOVERED:
	case EVENT_COUNTERS:
		watch_on_event(c, r, ev, now);
		break;
	case EVENT_LINK_UP:
	case EVENT_LINK_DOWN:
	case EVENT_LINK_MESSAGE:
	case EVENT_CIRCUIT_MESSAGE:
	case EVENT_PATH_MESSAGE:
		break;
	}
}

/* ---- time ---- */

void route_tick(struct client *c, struct client_route *r, const struct now *now)
{
	if (r->state == ROUTE_STANDING || r->state == ROUTE_HELD)
		watch_tick(c, r, now);
	if (r->state == ROUTE_FREE || r->due_ns > now->mono_ns)
		return;
	switch (r->state) {
	case ROUTE_FREE:
	case ROUTE_HELD:
	case ROUTE_READY:
	case ROUTE_STANDING:
		break;
	case ROUTE_BUILDING:
		route_fail(c, r, 0, now, "could not be built in time");
		break;
	case ROUTE_OPENING:
	case ROUTE_ATTACHING:
		if (++r->asks >= ASKS_MAX)
			route_fail(c, r, r->n, now, "does not answer inside the tunnel");
		else
			ask(c, r, now);
		break;
	case ROUTE_DRAINING:
		route_drop(c, r, now);
		break;
	}
}

uint64_t route_deadline(const struct client_route *r)
{
	if (r->state == ROUTE_FREE)
		return NEVER;
	return r->state == ROUTE_STANDING || r->state == ROUTE_HELD ? watch_deadline(r) : r->due_ns;
}
