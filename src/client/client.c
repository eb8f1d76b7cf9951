/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "client/client_int.h"

#include "util/xalloc.h"

#include <stdarg.h>
#include <stdio.h>

#define WATCH_NS (NS_PER_S / 2) /* how often a path in use is looked at */

struct client *client_create(const struct client_params *params)
{
	struct client *c = xcalloc(1, sizeof(*c));

	c->params = *params;
	c->chooser = path_chooser_create(params->dir);
	c->hurry_ns = c->due_ns = NEVER;
	return c;
}

void client_free(struct client *c)
{
	if (c == NULL)
		return;
	path_chooser_free(c->chooser);
	secret_wipe(c, sizeof(*c));
	free(c);
}

/* ---- notes ---- */

static void note_va(struct client *c, enum client_note_type type, const char *fmt, va_list ap)
{
	struct client_note *n;

	if (c->note_count == NOTES_MAX) { /* the oldest gives way */
		c->note_head = (c->note_head + 1) % NOTES_MAX;
		c->note_count--;
	}
	n = &c->notes[(c->note_head + c->note_count++) % NOTES_MAX];
	n->type = type;
	vsnprintf(n->text, sizeof(n->text), fmt, ap);
}

void client_note(struct client *c, enum client_note_type type, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	note_va(c, type, fmt, ap);
	va_end(ap);
}

bool client_next_note(struct client *c, struct client_note *out)
{
	if (c->note_count == 0)
		return false;
	*out = c->notes[c->note_head];
	c->note_head = (c->note_head + 1) % NOTES_MAX;
	c->note_count--;
	return true;
}

void client_set_state(struct client *c, enum client_state state, const struct now *now,
		      const char *fmt, ...)
{
	char reason[CLIENT_REASON_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(reason, sizeof(reason), fmt, ap);
	va_end(ap);
	if (c->state != state)
		c->since_wall_ns = now->wall_ns;
	c->state = state;
	memcpy(c->reason, reason, sizeof(c->reason));
	client_note(c, CLIENT_NOTE_STATE, "%s", reason);
}

/* ---- commands ---- */

static void drop_all(struct client *c, const struct now *now)
{
	for (size_t i = 0; i < ROUTES_MAX; i++)
		if (c->route[i].state != ROUTE_FREE)
			route_drop(c, &c->route[i], now);
}

static void session_end(struct client *c, const struct now *now)
{
	if (c->has_session)
		engine_session_close(c->params.engine, c->session, now);
	c->has_session = false;
	c->exit_failures = 0;
	drop_all(c, now);
}

void client_connect(struct client *c, const struct client_wish *wish, const struct now *now)
{
	session_end(c, now);
	choice_forget(c);
	c->wish = *wish;
	c->retry_ns = now->mono_ns;
	c->backoff_ns = 0;
	c->view_due_ns = now->mono_ns + SEEDS_PATIENCE_NS;
	membership_want(c->params.membership, true, now);
	client_set_state(c, CLIENT_CONNECTING, now, "asking the seeds for the list of nodes");
	client_tick(c, now);
}

void client_disconnect(struct client *c, const struct now *now)
{
	if (c->state == CLIENT_OFF)
		return;
	session_end(c, now);
	membership_want(c->params.membership, false, now);
	client_set_state(c, CLIENT_OFF, now, "%s", "");
}

void client_reconnect(struct client *c, bool new_exit, const struct now *now)
{
	if (c->state == CLIENT_OFF)
		return;
	if (new_exit && c->has_session)
		choice_avoid(c, c->session_exit, now);
	/* Another route means other relays, as far as there are any. */
	if (c->active != NULL)
		for (unsigned i = 0; i + 1 < c->active->n; i++)
			choice_avoid(c, c->active->hop[i].id, now);
	if (new_exit) {
		session_end(c, now);
		client_set_state(c, CLIENT_CONNECTING, now, "changing the exit");
	}
	for (size_t i = 0; i < ROUTES_MAX; i++)
		if (c->route[i].state == ROUTE_BUILDING)
			route_drop(c, &c->route[i], now);
	c->retry_ns = now->mono_ns;
	c->backoff_ns = 0;
	if (!route_is_coming(c))
		route_start(c, !new_exit, now);
}

void client_network_changed(struct client *c, const struct now *now)
{
	if (c->state == CLIENT_OFF)
		return;
	c->hurry_ns = MIN(c->hurry_ns, MAX(now->mono_ns, c->hurried_ns + HURRY_GAP_NS));
	client_tick(c, now);
}

/* ---- events and time ---- */

/* What failed on the network that was may do on the one that is; and who we talk to learns our new
 * address from what we send. */
static void hurry(struct client *c, const struct now *now)
{
	c->hurry_ns = NEVER;
	c->hurried_ns = now->mono_ns;
	choice_forget(c);
	c->backoff_ns = 0;
	c->retry_ns = MIN(c->retry_ns, now->mono_ns);
	engine_hurry(c->params.engine, now);
	membership_hurry(c->params.membership, now);
	if (c->active != NULL)
		c->active->echo_ns = now->mono_ns;
}

void client_on_event(struct client *c, const struct engine_event *ev, const struct now *now)
{
	struct client_route *r;

	switch (ev->type) {
	case EVENT_LINK_UP:
	case EVENT_LINK_DOWN:
	case EVENT_LINK_MESSAGE:
	case EVENT_PATH_SUSPECT:
	case EVENT_PATH_RECOVERED:
	case EVENT_COUNTERS:
		break;
	case EVENT_PATH_OPEN:
	case EVENT_PATH_FAILED:
	case EVENT_PATH_CLOSED:
	case EVENT_ECHO:
	case EVENT_SESSION_OPEN:
	case EVENT_SESSION_FAILED:
	case EVENT_PATH_ATTACHED:
	case EVENT_PATH_ATTACH_FAILED:
		r = route_by_path(c, ev->path);
		if (r != NULL)
			route_on_event(c, r, ev, now);
		break;
	}
	client_tick(c, now);
}

/* The session's exit is gone for good as far as we can tell: its connections end, new ones need
 * another. */
static void give_up_exit(struct client *c, const struct now *now)
{
	choice_avoid(c, c->session_exit, now);
	client_note(c, CLIENT_NOTE_ERROR,
		    "the exit cannot be reached; open connections through it are lost");
	session_end(c, now);
	c->backoff_ns = 0;
	c->retry_ns = now->mono_ns;
	client_set_state(c, CLIENT_CONNECTING, now, "the exit cannot be reached, choosing another");
}

/* Said once, if it takes long. */
static void wait_for_view(struct client *c, const struct now *now)
{
	char seeds[CLIENT_REASON_MAX];

	if (c->view_due_ns > now->mono_ns)
		return;
	c->view_due_ns = NEVER;
	membership_seeds_text(c->params.membership, seeds, sizeof(seeds));
	client_set_state(c, c->state, now,
			 "no seed has answered yet; check the network and [mesh] seeds: %s", seeds);
}

static void seek(struct client *c, const struct now *now)
{
	if (c->active != NULL || route_is_coming(c))
		return;
	if (c->has_session &&
	    (c->exit_failures >= EXIT_TRIES_MAX || now->mono_ns - c->lost_ns > EXIT_GIVE_UP_NS))
		give_up_exit(c, now);
	if (c->retry_ns > now->mono_ns)
		return;
	if (!membership_has_view(c->params.membership)) {
		wait_for_view(c, now); /* membership tells when */
		return;
	}
	if (route_start(c, true, now)) {
		if (c->state == CLIENT_CONNECTING && c->backoff_ns == 0)
			client_set_state(c, CLIENT_CONNECTING, now, "building a route");
		return;
	}
	/* What is missing may have joined since. */
	membership_refresh(c->params.membership, now);
	c->backoff_ns = MIN(RETRY_MAX_NS, MAX(RETRY_MIN_NS, c->backoff_ns * 2));
	c->retry_ns = now->mono_ns + c->backoff_ns;
	client_note(c, CLIENT_NOTE_STATE, "%s", c->reason);
}

void client_tick(struct client *c, const struct now *now)
{
	if (c->state == CLIENT_OFF)
		return;
	if (c->hurry_ns <= now->mono_ns || c->due_ns < now->mono_ns - MIN(now->mono_ns, ASLEEP_NS))
		hurry(c, now);
	for (size_t i = 0; i < ROUTES_MAX; i++)
		route_tick(c, &c->route[i], now);
	seek(c, now);
	if (c->watch_ns <= now->mono_ns)
		c->watch_ns = now->mono_ns + WATCH_NS;
	c->due_ns = client_deadline(c);
}

uint64_t client_deadline(const struct client *c)
{
	uint64_t due = NEVER;

	if (c->state == CLIENT_OFF)
		return NEVER;
	for (size_t i = 0; i < ROUTES_MAX; i++)
		due = MIN(due, route_deadline(&c->route[i]));
	due = MIN(due, c->hurry_ns);
	/* Never counted from now: what is always yet to come is never due. */
	if (c->active != NULL)
		due = MIN(due, c->watch_ns);
	else if (!route_is_coming(c))
		due = MIN(due,
			  membership_has_view(c->params.membership) ? c->retry_ns : c->view_due_ns);
	return due;
}

void client_view(const struct client *c, struct client_view *out)
{
	*out = (struct client_view){
	    .state = c->state,
	    .since_wall_ns = c->since_wall_ns,
	    .has_session = c->has_session,
	    .grant = c->grant,
	};
	memcpy(out->reason, c->reason, sizeof(out->reason));
	for (size_t i = 0; i < ROUTES_MAX; i++)
		out->paths += c->route[i].state == ROUTE_READY;
	if (c->active == NULL)
		return;
	out->hops = c->active->n;
	memcpy(out->hop, c->active->hop, sizeof(out->hop));
	out->route_wall_ns = c->active->ready_wall_ns;
	out->build_ns = c->active->rtt_ns;
	engine_path_stats(c->params.engine, c->active->path, &out->stats);
}
