/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What follows from verdicts.  A route with a red hop is left: another takes its flows at once, and
 * a new one is made in its place.  It stays, without flows, and is measured on; when all its hops
 * are green again it is one of the backups, and its nodes may be chosen again.
 */
#include "client/client_int.h"

#include <stdio.h>

static const struct health_limits *limits_of(const struct client *c)
{
	return c->params.limits != NULL ? c->params.limits : &health_limits_default;
}

/* ---- who is to blame ---- */

static bool is_others_hop(const struct client *c, const struct client_route *r, size_t i,
			  unsigned hop, enum health_level level)
{
	const struct client_route *other = &c->route[i];

	return other != r && other->state == ROUTE_STANDING && !other->is_silent &&
	       other->n >= hop && other->health.way[hop - 1].rtt.samples > 0 &&
	       other->health.hop[hop - 1].level == level;
}

static bool any_other_is_green(const struct client *c, const struct client_route *r, bool is_last)
{
	for (size_t i = 0; i < ROUTES_MAX; i++)
		if (is_others_hop(c, r, i, is_last ? c->route[i].n : 1, HEALTH_GREEN))
			return true;
	return false;
}

/* 0: none, or one that no other route would avoid: our own network, or the exit itself. */
static unsigned to_blame(const struct client *c, const struct client_route *r)
{
	const unsigned hop = route_health_blame(&r->health);

	if (hop == 1 && !any_other_is_green(c, r, false))
		return 0;
	if (hop > 1 && hop == r->n && !any_other_is_green(c, r, true))
		return 0;
	return hop;
}

/* Where the exit does well on other routes, it is the hop before it, or the link between them. */
static unsigned culprit(const struct client_route *r, unsigned hop)
{
	return hop == r->n && hop > 1 ? hop - 1 : hop;
}

static struct cause cause_of(const struct client_route *r, unsigned hop,
			     char text[static CLIENT_REASON_MAX])
{
	const struct verdict *v = &r->health.hop[hop - 1];
	const unsigned its = culprit(r, hop);
	char who[DESCRIPTOR_TEXT_MAX], why[VERDICT_WHY_MAX];

	snprintf(text, CLIENT_REASON_MAX, "hop %u, %s%s: %s", its, route_hop_text(r, its, who),
		 its != hop ? ", to the exit" : "", verdict_why(v, why));
	return (struct cause){.text = text, .hop = its, .who = &r->hop[its - 1], .verdict = v};
}

/* ---- leaving and coming back ---- */

static size_t degraded(const struct client *c)
{
	size_t n = 0;

	for (size_t i = 0; i < ROUTES_MAX; i++)
		n += c->route[i].state == ROUTE_STANDING && c->route[i].is_degraded;
	return n;
}

/* The exit takes SESSION_PATHS_MAX in all; one of them is for what is being made. */
static bool has_room(const struct client *c)
{
	return degraded(c) < DEGRADED_MAX &&
	       c->wish.paths + c->wish.backups + degraded(c) + 2 <= SESSION_PATHS_MAX;
}

static void leave(struct client *c, struct client_route *r, unsigned hop, const struct now *now)
{
	char text[CLIENT_REASON_MAX];
	const struct cause cause = cause_of(r, hop, text);
	const bool was_used = r->weight != 0;

	choice_avoid(c, r->hop[culprit(r, hop) - 1].id, now);
	r->is_degraded = has_room(c);
	r->is_leaving = !r->is_degraded;
	r->why = "a hop did badly";
	r->is_poor = true;
	r->is_trial = false;
	r->degraded_ns = c->degraded_ns = now->mono_ns;
	c->retry_ns = MIN(c->retry_ns, now->mono_ns);
	if (!was_used)
		client_note_cause(c, CLIENT_NOTE_PATH, &cause, "%s; a backup is replaced", text);
	session_use(c, was_used ? &cause : NULL, now);
}

static void come_back(struct client *c, struct client_route *r, const struct now *now)
{
	char who[DESCRIPTOR_TEXT_MAX];

	r->is_degraded = r->is_poor = false;
	for (unsigned i = 0; i < r->n; i++)
		choice_readmit(c, r->hop[i].id);
	client_note(c, CLIENT_NOTE_PATH, "the route to %s does well again; it is a backup",
		    route_hop_text(r, r->n, who));
	session_trim(c, r, now);
	session_use(c, NULL, now);
	improve_soon(c, now);
}

/* ---- telling ---- */

static void tell_hop(struct client *c, const struct client_route *r, unsigned hop)
{
	const struct verdict *v = &r->health.hop[hop - 1];
	char who[DESCRIPTOR_TEXT_MAX], why[VERDICT_WHY_MAX];
	const struct cause cause = {.hop = hop, .who = &r->hop[hop - 1], .verdict = v};

	verdict_why(v, why);
	client_note_cause(c, CLIENT_NOTE_HEALTH, &cause, "hop %u, %s is %s%s%s", hop,
			  route_hop_text(r, hop, who), health_level_name(v->level),
			  why[0] != '\0' ? ": " : " again", why);
}

static void judge_all(struct client *c, struct client_route *r, const struct now *now)
{
	enum health_level before[HOPS_MAX];

	for (unsigned i = 0; i < r->n; i++)
		before[i] = r->health.hop[i].level;
	if (!route_health_judge(&r->health, limits_of(c), now))
		return;
	for (unsigned i = 0; i < r->n; i++)
		if (before[i] != r->health.hop[i].level)
			tell_hop(c, r, i + 1);
}

/* A verdict is about to change, or the traffic does badly and no hop shows why: measured more
 * closely, for a while. */
static void watch_closely(struct client_route *r, const struct now *now)
{
	const struct route_health *h = &r->health;
	bool is_near = h->whole.worse_ns != 0 ||
		       (h->whole.level != HEALTH_GREEN && route_health_blame(h) == 0);

	for (unsigned i = 0; i < r->n; i++)
		is_near |= h->hop[i].worse_ns != 0;
	if (!is_near)
		r->alert_ns = 0;
	else if (r->alert_ns == 0)
		r->alert_ns = now->mono_ns;
}

/* Whether one that is silent lives, watch.c finds out. */
static bool is_red(const struct verdict *v)
{
	return v->level == HEALTH_RED && v->cause != HEALTH_SILENT;
}

void degrade_judge(struct client *c, struct client_route *r, const struct now *now)
{
	char text[CLIENT_REASON_MAX];
	struct cause cause;
	unsigned hop;

	judge_all(c, r, now);
	watch_closely(r, now);
	hop = to_blame(c, r);
	if (r->is_degraded) {
		if (r->health.hop[0].level == HEALTH_GREEN && route_health_blame(&r->health) == 0)
			come_back(c, r, now);
		else if (now->mono_ns - r->degraded_ns >= DEGRADED_MAX_NS)
			route_drain(r, now);
	} else if (hop != 0 && is_red(&r->health.hop[hop - 1]) && !r->is_leaving &&
		   now->mono_ns - c->degraded_ns >= DEGRADE_GAP_NS) {
		leave(c, r, hop, now);
	} else if ((hop != 0) != r->is_poor) {
		r->is_poor = hop != 0;
		if (hop != 0)
			cause = cause_of(r, hop, text);
		session_use(c, hop != 0 && r == c->primary ? &cause : NULL, now);
	}
}
