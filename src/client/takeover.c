/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The exit's death, and who takes its place.  A circuit to another exit is held ready all the time.
 * When ours owes an answer for a while, a session is asked for there; when it still does, though
 * the hops before it answer, that one takes over.  All routes closed at once, though they share no
 * other node, mean that the exit has left.
 */
#include "client/client_int.h"

#include <stdio.h>

#define PREPARE_NS  (NS_PER_S * 3 / 10) /* of silence: another session is asked for */
#define ALONE_NS    (3 * NS_PER_S)      /* of silence, when only one relay bears witness */
#define TOGETHER_NS (NS_PER_S / 2)      /* routes that are closed within that end for one reason */

static struct client_route *spare_of(struct client *c)
{
	for (size_t i = 0; i < ROUTES_MAX; i++)
		if (c->route[i].is_spare && c->route[i].state != ROUTE_FREE)
			return &c->route[i];
	return NULL;
}

/* ---- signs of life ---- */

void takeover_heard(struct client *c, const struct now *now)
{
	if (c->session.silent_ns != 0 && c->session.heard_ns == 0)
		c->session.heard_ns = now->mono_ns;
}

void takeover_asked(struct client *c, uint64_t at_ns)
{
	struct client_session *s = &c->session;

	if (s->asked_ns == 0 || at_ns < s->asked_ns)
		s->asked_ns = at_ns;
}

/* It was only slow: what was begun elsewhere ends. */
static void stand_down(struct client *c, const struct now *now)
{
	struct client_route *spare = spare_of(c);

	if (spare != NULL && spare->state != ROUTE_BUILDING && spare->state != ROUTE_HELD)
		route_hold(c, spare, now);
}

void takeover_answered(struct client *c, const struct now *now)
{
	c->session.asked_ns = 0;
	stand_down(c, now);
}

bool takeover_doubts(const struct client *c)
{
	return c->session.asked_ns != 0;
}

void takeover_lives_again(struct client *c, const struct now *now)
{
	c->session.silent_ns = c->session.heard_ns = 0;
	c->backoff_ns = 0;
	c->reason[0] = '\0';
	if (c->state != CLIENT_CONNECTED)
		client_set_state(c, CLIENT_CONNECTED, now, "%s", "");
}

/* The traffic may have told the engine since. */
static void look_at_traffic(struct client *c, const struct now *now)
{
	struct path_stats s;

	for (size_t i = 0; i < ROUTES_MAX && c->session.asked_ns != 0; i++)
		if (c->route[i].state == ROUTE_STANDING &&
		    engine_path_stats(c->params.engine, c->route[i].path, &s) &&
		    MAX(s.last_rx_ns, s.acked_last_ns) > c->session.asked_ns)
			takeover_answered(c, now);
}

/* ---- is it dead ---- */

/* Relays that answer while the exit does not, counted once each; and who would take over, for our
 * network works. */
static unsigned witnesses(const struct client *c)
{
	const struct client_route *seen[ROUTES_MAX];
	unsigned n = 0, others = 0;

	for (size_t i = 0; i < ROUTES_MAX; i++) {
		const struct client_route *r = &c->route[i];
		unsigned k = 0;

		others += r->state == ROUTE_READY;
		if (r->state != ROUTE_STANDING || !r->is_witness || r->n < 2)
			continue;
		while (k < n && memcmp(seen[k]->hop[seen[k]->n - 2].id, r->hop[r->n - 2].id,
				       NODE_ID_LEN) != 0)
			k++;
		if (k == n)
			seen[n++] = r;
	}
	return n + others;
}

static uint64_t patience_ns(const struct client *c)
{
	uint64_t most_ns = EXIT_PATIENCE_NS;

	for (size_t i = 0; i < ROUTES_MAX; i++)
		if (c->route[i].state == ROUTE_STANDING || c->route[i].state == ROUTE_HELD)
			most_ns = MAX(most_ns, 3 * route_rtt_ns(&c->route[i]));
	return witnesses(c) > 1 ? most_ns : MAX(most_ns, ALONE_NS);
}

static bool any_stands(const struct client *c)
{
	for (size_t i = 0; i < ROUTES_MAX; i++)
		if (c->route[i].state == ROUTE_STANDING)
			return true;
	return false;
}

/* When silence is proof; NEVER: it is not yet. */
static uint64_t dead_ns(const struct client *c)
{
	const struct client_session *s = &c->session;

	if (!any_stands(c)) /* none is left to ask it on, and no new one gets there */
		return s->silent_ns != 0 && s->heard_ns != 0
			   ? MAX(s->silent_ns, s->heard_ns) + EXIT_PATIENCE_NS
			   : NEVER;
	if (s->asked_ns == 0 || witnesses(c) == 0)
		return NEVER;
	return s->asked_ns + patience_ns(c);
}

/* When something should be done in case it is; NEVER: one lost question is no reason. */
static uint64_t prepare_ns(const struct client *c)
{
	bool is_odd = false;
	uint64_t rtt_ns = 0;

	for (size_t i = 0; i < ROUTES_MAX; i++)
		if (c->route[i].state == ROUTE_STANDING) {
			is_odd |= c->route[i].is_suspect || c->route[i].rounds >= ROUNDS_DOUBT_MAX;
			rtt_ns = MAX(rtt_ns, route_rtt_ns(&c->route[i]));
		}
	return is_odd && c->session.asked_ns != 0
		   ? c->session.asked_ns + MAX(PREPARE_NS, 2 * rtt_ns)
		   : NEVER;
}

static bool share_relay(const struct route_nodes *a, const struct route_nodes *b)
{
	for (unsigned i = 0; i + 1 < a->hops; i++)
		for (unsigned k = 0; k + 1 < b->hops; k++)
			if (memcmp(a->id[i], b->id[k], NODE_ID_LEN) == 0)
				return true;
	return false;
}

void takeover_closed(struct client *c, const struct client_route *r, const struct now *now)
{
	struct closings *s = &c->session.closed;
	struct route_nodes *nodes;

	if (now->mono_ns - s->last_ns > TOGETHER_NS)
		s->count = 0;
	s->last_ns = now->mono_ns;
	if (s->count == CLOSED_MAX)
		return;
	nodes = &s->route[s->count++];
	nodes->hops = r->n;
	for (unsigned i = 0; i < r->n; i++)
		memcpy(nodes->id[i], r->hop[i].id, NODE_ID_LEN);
}

/* All routes were closed, and not by a node that they share. */
static bool has_left(const struct client *c, const struct now *now)
{
	const struct closings *s = &c->session.closed;

	if (s->count == 0 || now->mono_ns - s->last_ns > TOGETHER_NS)
		return false;
	if (any_stands(c))
		return false;
	if (s->route[0].hops == 1)
		return true;
	for (unsigned i = 0; i < s->count; i++)
		for (unsigned k = 0; k < i; k++)
			if (!share_relay(&s->route[i], &s->route[k]))
				return true;
	return false;
}

/* ---- the change ---- */

/* Its connections end; new ones go through another exit. */
static void leave_exit(struct client *c, struct client_route *spare, const struct now *now)
{
	char text[CLIENT_REASON_MAX], who[DESCRIPTOR_TEXT_MAX];
	struct client_note *n;

	choice_avoid(c, c->session.exit, now);
	if (c->params.book != NULL)
		book_note_dead(c->params.book, c->session.exit, now);
	snprintf(text, sizeof(text),
		 "the exit cannot be reached; open connections through it are lost; "
		 "changing to %s",
		 route_hop_text(spare, spare->n, who));
	n = client_note(c, CLIENT_NOTE_ERROR, "%s", text);
	n->has_dropped = true;
	n->dropped = session_connections(c);
	client_set_state(c, CLIENT_RECONNECTING, now, "%s", text);
	spare->is_taken = true;
	if (spare->state == ROUTE_HELD)
		route_open(c, spare, now);
	else if (spare->state == ROUTE_READY)
		takeover_ready(c, spare, now);
}

/* As far as it has got. */
void takeover_granted(struct client *c, struct client_route *r, const struct now *now)
{
	route_attach(c, r, r->session, now);
}

void takeover_ready(struct client *c, struct client_route *r, const struct now *now)
{
	const struct session_grant grant = r->grant;

	if (!r->is_taken)
		return;
	r->is_taken = false;
	session_new(c, r, &grant, now);
	route_stand(c, r, now);
}

static bool is_usable(const struct client_route *spare)
{
	return spare != NULL && spare->state != ROUTE_BUILDING && !spare->is_taken;
}

static void judge(struct client *c, const struct now *now)
{
	struct client_route *spare = spare_of(c);

	if (!is_usable(spare))
		return;
	if (has_left(c, now)) {
		leave_exit(c, spare, now);
		return;
	}
	if (MIN(dead_ns(c), prepare_ns(c)) > now->mono_ns)
		return;
	look_at_traffic(c, now);
	if (dead_ns(c) <= now->mono_ns)
		leave_exit(c, spare, now);
	else if (prepare_ns(c) <= now->mono_ns && spare->state == ROUTE_HELD)
		route_open(c, spare, now);
}

/* ---- a spare is kept ---- */

/* When one should be made; NEVER: none is needed now. */
static uint64_t want_ns(const struct client *c)
{
	const struct client_session *s = &c->session;

	if (!membership_has_view(c->params.membership))
		return NEVER;
	if (s->silent_ns != 0)
		return MAX(c->spare_ns, s->is_new ? s->silent_ns + EXIT_PATIENCE_NS : 0);
	return c->wish.backups > 0 && session_is_complete(c) ? c->spare_ns : NEVER;
}

static bool is_outdated(const struct client *c, const struct client_route *spare,
			const struct now *now)
{
	return memcmp(spare->hop[spare->n - 1].id, c->session.exit, NODE_ID_LEN) == 0 ||
	       (spare->state == ROUTE_HELD && spare->successor_ns <= now->mono_ns);
}

static void keep_spare(struct client *c, const struct now *now)
{
	struct client_route *spare = spare_of(c);
	char why[PATH_WHY_MAX];

	if (spare != NULL && c->session.id != 0 && is_outdated(c, spare, now)) {
		route_drop(c, spare, now);
		spare = NULL;
	}
	if (spare != NULL || want_ns(c) > now->mono_ns)
		return;
	if (!route_start(c, AIM_SPARE, now, why)) /* there may be none */
		c->spare_ns =
		    now->mono_ns + (c->session.silent_ns != 0 ? RETRY_SESSION_NS : SCARCE_NS);
}

/* ---- time ---- */

static void tell_silence(struct client *c, const struct now *now)
{
	struct client_session *s = &c->session;

	if (session_any_lives(c)) {
		if (s->silent_ns != 0)
			takeover_lives_again(c, now);
		return;
	}
	if (s->silent_ns == 0) {
		s->silent_ns = now->mono_ns;
		c->retry_ns = MIN(c->retry_ns, now->mono_ns);
		c->spare_ns = MIN(c->spare_ns, now->mono_ns);
	}
	if (c->state == CLIENT_CONNECTED && now->mono_ns - s->silent_ns >= SILENT_TELL_NS)
		client_set_state(c, CLIENT_RECONNECTING, now, "%s",
				 s->heard_ns != 0 ? "the exit does not answer"
						  : "nothing answers; is the network up?");
}

void takeover_tick(struct client *c, const struct now *now)
{
	if (c->session.id == 0)
		return;
	tell_silence(c, now);
	judge(c, now);
	keep_spare(c, now);
}

uint64_t takeover_deadline(const struct client *c)
{
	struct client_route *spare = spare_of((struct client *)(uintptr_t)c);
	const struct client_session *s = &c->session;
	uint64_t due = NEVER;

	if (s->id == 0)
		return NEVER;
	if (s->silent_ns != 0 && c->state == CLIENT_CONNECTED)
		due = s->silent_ns + SILENT_TELL_NS;
	if (spare == NULL)
		return MIN(due, want_ns(c));
	if (!is_usable(spare))
		return due;
	if (spare->state == ROUTE_HELD)
		due = MIN(due, MIN(spare->successor_ns, prepare_ns(c)));
	return MIN(due, dead_ns(c));
}
