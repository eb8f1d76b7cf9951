/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "client/client_int.h"

#include "util/xalloc.h"

#include <stdarg.h>
#include <stdio.h>

struct client *client_create(const struct client_params *params)
{
	struct client *c = xcalloc(1, sizeof(*c));

	c->params = *params;
	c->chooser = params->chooser != NULL ? params->chooser : path_chooser_create(params->dir);
	c->hurry_ns = c->due_ns = NEVER;
	if (params->membership != NULL)
		mirror_offer_paths(c);
	return c;
}

void client_free(struct client *c)
{
	if (c == NULL)
		return;
	if (c->params.chooser == NULL)
		path_chooser_free(c->chooser);
	secret_wipe(c, sizeof(*c));
	free(c);
}

/* ---- notes ---- */

static struct client_note *note_va(struct client *c, enum client_note_type type, const char *fmt,
				   va_list ap)
{
	struct client_note *n;

	if (c->note_count == NOTES_MAX) { /* the oldest gives way */
		c->note_head = (c->note_head + 1) % NOTES_MAX;
		c->note_count--;
	}
	n = &c->notes[(c->note_head + c->note_count++) % NOTES_MAX];
	*n = (struct client_note){.type = type};
	vsnprintf(n->text, sizeof(n->text), fmt, ap);
	return n;
}

struct client_note *client_note(struct client *c, enum client_note_type type, const char *fmt, ...)
{
	struct client_note *n;
	va_list ap;

	va_start(ap, fmt);
	n = note_va(c, type, fmt, ap);
	va_end(ap);
	return n;
}

struct client_note *client_note_cause(struct client *c, enum client_note_type type,
				      const struct cause *cause, const char *fmt, ...)
{
	struct client_note *n;
	va_list ap;

	va_start(ap, fmt);
	n = note_va(c, type, fmt, ap);
	va_end(ap);
	if (cause->hop == 0)
		return n;
	n->hop = cause->hop;
	n->who = *cause->who;
	n->has_verdict = cause->verdict != NULL;
	if (n->has_verdict)
		n->verdict = *cause->verdict;
	return n;
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

static void session_end(struct client *c, const struct now *now)
{
	session_forget(c, now);
	for (size_t i = 0; i < ROUTES_MAX; i++)
		if (c->route[i].state != ROUTE_FREE)
			route_drop(c, &c->route[i], now);
}

void client_connect(struct client *c, const struct client_wish *wish, const struct now *now)
{
	session_end(c, now);
	choice_forget(c);
	c->wish = *wish;
	c->wish.paths = MIN(MAX(wish->paths, 1u), CLIENT_IN_USE_MAX);
	c->wish.backups = MIN(wish->backups, CLIENT_BACKUPS_MAX);
	c->retry_ns = now->mono_ns;
	c->backoff_ns = 0;
	c->view_due_ns = now->mono_ns + SEEDS_PATIENCE_NS;
	c->due_ns = NEVER;
	c->improve_ns = 0;
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

/* Those that are being made go: they may be waiting for what is no more. */
static void start_over(struct client *c, const struct now *now)
{
	for (size_t i = 0; i < ROUTES_MAX; i++)
		if (route_is_coming(&c->route[i]))
			route_drop(c, &c->route[i], now);
	c->retry_ns = MIN(c->retry_ns, now->mono_ns);
	c->backoff_ns = 0;
}

void client_reconnect(struct client *c, bool new_exit, const struct now *now)
{
	if (c->state == CLIENT_OFF)
		return;
	if (new_exit) {
		if (c->session.id != 0)
			choice_avoid(c, c->session.exit, now);
		session_end(c, now);
		client_set_state(c, CLIENT_CONNECTING, now, "changing the exit");
	}
	start_over(c, now);
	for (size_t i = 0; i < ROUTES_MAX; i++)
		if (c->route[i].state == ROUTE_STANDING) {
			c->route[i].is_leaving = true;
			c->route[i].why = "another route was asked for";
		}
	client_tick(c, now);
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
	if (c->primary == NULL || !route_lives(c->primary))
		start_over(c, now);
	engine_hurry(c->params.engine, now);
	membership_hurry(c->params.membership, now);
	for (size_t i = 0; i < ROUTES_MAX; i++)
		if (c->route[i].state == ROUTE_STANDING)
			watch_now(c, &c->route[i], now);
}

static struct client_route *by_path(struct client *c, uint32_t path)
{
	for (size_t i = 0; i < ROUTES_MAX; i++)
		if (c->route[i].state != ROUTE_FREE && c->route[i].path == path)
			return &c->route[i];
	return NULL;
}

void client_on_event(struct client *c, const struct engine_event *ev, const struct now *now)
{
	struct client_route *r;

	switch (ev->type) {
	case EVENT_LINK_UP:
	case EVENT_LINK_DOWN:
	case EVENT_LINK_MESSAGE:
	case EVENT_CIRCUIT_MESSAGE:
	case EVENT_PATH_MESSAGE: /* membership's */
		break;
	case EVENT_PATH_OPEN:
	case EVENT_PATH_FAILED:
	case EVENT_PATH_CLOSED:
	case EVENT_ECHO:
	case EVENT_SESSION_OPEN:
	case EVENT_SESSION_FAILED:
	case EVENT_PATH_ATTACHED:
	case EVENT_PATH_ATTACH_FAILED:
	case EVENT_PATH_SUSPECT:
	case EVENT_PATH_RECOVERED:
	case EVENT_COUNTERS:
		r = by_path(c, ev->path);
		if (r != NULL)
			route_on_event(c, r, ev, now);
		break;
	}
	client_tick(c, now);
}

void client_tick(struct client *c, const struct now *now)
{
	if (c->state == CLIENT_OFF)
		return;
	if (c->hurry_ns <= now->mono_ns || c->due_ns < now->mono_ns - MIN(now->mono_ns, ASLEEP_NS))
		hurry(c, now);
	for (size_t i = 0; i < ROUTES_MAX; i++)
		route_tick(c, &c->route[i], now);
	session_tick(c, now);
	improve_tick(c, now);
	c->due_ns = client_deadline(c);
}

uint64_t client_deadline(const struct client *c)
{
	uint64_t due;

	if (c->state == CLIENT_OFF)
		return NEVER;
	/* Never counted from now: what is always yet to come is never due. */
	due = MIN(MIN(session_deadline(c), improve_deadline(c)), c->hurry_ns);
	for (size_t i = 0; i < ROUTES_MAX; i++)
		due = MIN(due, route_deadline(&c->route[i]));
	return due;
}
