/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Better routes than there are.  Now and then one of ours is put beside a newly drawn one.  If the
 * gain is clear (in cost, which counts bonds with the others too: mesh/path_cost.h), the new one is
 * made, measured for a while, and takes the old one's place only if it is still clear then.  Below
 * that nothing changes: who always took the best route would be known by it.
 */
#include "client/client_int.h"

#include <stdio.h>

#define GAIN_PERCENT 30               /* of our round trip, at least ... */
#define GAIN_NS      (20 * NS_PER_MS) /* ... and that much */
#define TIED_NS      (10 * NS_PER_S)  /* mean time between looks, while some share a node */
#define SOON_NS      (5 * NS_PER_S)

static uint64_t usual_ns(const struct client_route *r)
{
	return rtt_floor_ns(&r->health.way[r->n - 1].rtt);
}

static bool is_clear(const struct client_route *ours, uint64_t its_ns, uint64_t other_ns)
{
	const uint64_t gain_ns = MAX(GAIN_NS, usual_ns(ours) * GAIN_PERCENT / 100);

	return usual_ns(ours) != 0 && its_ns != UINT64_MAX && its_ns > gain_ns &&
	       other_ns < its_ns - gain_ns;
}

/* ---- which of ours ---- */

static bool is_settled(const struct client_route *r)
{
	return r->state == ROUTE_STANDING && route_lives(r) && !r->is_leaving && !r->is_degraded;
}

static struct client_route *any_settled(struct client *c)
{
	struct client_route *any = NULL;
	unsigned n = 0;

	for (size_t i = 0; i < ROUTES_MAX; i++)
		if (is_settled(&c->route[i]) && rng_below(c->params.rng, ++n) == 0)
			any = &c->route[i];
	return any;
}

/* A backup that is nearer than one in use by the same measure: it is at hand. */
static bool exchange(struct client *c, const struct now *now)
{
	struct client_route *slow = NULL, *fast = NULL;
	char text[CLIENT_REASON_MAX];

	for (size_t i = 0; i < ROUTES_MAX; i++) {
		struct client_route *r = &c->route[i];

		if (!is_settled(r) || r->is_poor || usual_ns(r) == 0)
			continue;
		if (r->weight != 0 && (slow == NULL || usual_ns(r) > usual_ns(slow)))
			slow = r;
		if (r->weight == 0 && (fast == NULL || usual_ns(r) < usual_ns(fast)))
			fast = r;
	}
	if (slow == NULL || fast == NULL || !is_clear(slow, usual_ns(slow), usual_ns(fast)))
		return false;
	for (size_t i = 0; i < ROUTES_MAX; i++) /* it must not be tied to what stays in use */
		if (c->route[i].weight != 0 && &c->route[i] != slow &&
		    route_shares_node(&c->route[i], fast))
			return false;
	snprintf(text, sizeof(text), "a shorter route was ready, %llu ms instead of %llu ms",
		 (unsigned long long)(usual_ns(fast) / NS_PER_MS),
		 (unsigned long long)(usual_ns(slow) / NS_PER_MS));
	fast->weight = slow->weight;
	slow->weight = 0;
	if (c->primary == slow)
		c->primary = fast;
	session_use(c, &(struct cause){.text = text, .over_now = fast}, now);
	return true;
}

/* ---- one on trial ---- */

static struct client_route *by_path(struct client *c, uint32_t path)
{
	for (size_t i = 0; i < ROUTES_MAX; i++)
		if (c->route[i].state == ROUTE_STANDING && c->route[i].path == path)
			return &c->route[i];
	return NULL;
}

static void replace(struct client *c, struct client_route *ours, struct client_route *other,
		    const struct now *now)
{
	const bool was_used = ours->weight != 0;
	char text[CLIENT_REASON_MAX];
	const struct cause cause = {.text = text, .over_now = other};

	if (usual_ns(other) < usual_ns(ours))
		snprintf(text, sizeof(text), "a better route was found, %llu ms instead of %llu ms",
			 (unsigned long long)(usual_ns(other) / NS_PER_MS),
			 (unsigned long long)(usual_ns(ours) / NS_PER_MS));
	else
		snprintf(text, sizeof(text),
			 "a better route was found: less loaded, or less bound to the others");
	other->is_trial = false;
	if (!was_used)
		client_note(c, CLIENT_NOTE_PATH, "%s; a backup is replaced", text);
	other->weight = ours->weight;
	if (c->primary == ours)
		c->primary = other;
	route_drain(ours, now);
	session_use(c, was_used ? &cause : NULL, now);
	improve_soon(c, now);
}

static void decide(struct client *c, struct client_route *other, const struct now *now)
{
	struct client_route *ours = by_path(c, other->rival);

	if (ours == NULL || !is_settled(ours)) { /* it is needed more than was thought */
		other->is_trial = false;
		session_trim(c, NULL, now);
		session_use(c, NULL, now);
	} else if (is_settled(other) && !other->is_poor &&
		   is_clear(ours, choice_cost(c, ours, now), choice_cost(c, other, now))) {
		replace(c, ours, other, now);
	} else {
		route_drain(other, now);
	}
}

/* ---- time ---- */

static bool is_busy(const struct client *c)
{
	for (size_t i = 0; i < ROUTES_MAX; i++)
		if (route_is_coming(&c->route[i]) || c->route[i].is_trial)
			return true;
	return false;
}

static void look(struct client *c, const struct now *now)
{
	char why[PATH_WHY_MAX];
	struct client_route *ours, *other;
	struct path_route pr;

	if (c->state != CLIENT_CONNECTED || c->session.silent_ns != 0 || c->wish.hops == 1 ||
	    is_busy(c) || exchange(c, now))
		return;
	ours = any_settled(c);
	if (ours == NULL || !choice_better(c, ours, now, &pr) ||
	    !is_clear(ours, choice_cost(c, ours, now), pr.cost_ns))
		return;
	other = route_build(c, &pr, now, why);
	if (other == NULL)
		return;
	other->is_trial = true;
	other->rival = ours->path;
	other->trial_ns = NEVER;
}

/* One death would be felt twice. */
static bool are_tied(const struct client *c)
{
	for (size_t i = 0; i < ROUTES_MAX; i++)
		for (size_t k = 0; k < i; k++)
			if (is_settled(&c->route[i]) && is_settled(&c->route[k]) &&
			    route_shares_node(&c->route[i], &c->route[k]))
				return true;
	return false;
}

static uint64_t next_ns(const struct client *c, const struct now *now)
{
	const uint64_t set_ns = c->params.improve_ns,
		       mean_ns = are_tied(c) ? MIN(set_ns, TIED_NS) : set_ns;

	return mean_ns == 0 ? NEVER
			    : now->mono_ns + mean_ns / 2 + rng_below(c->params.rng, mean_ns);
}

void improve_tick(struct client *c, const struct now *now)
{
	for (size_t i = 0; i < ROUTES_MAX; i++)
		if (c->route[i].is_trial && c->route[i].state == ROUTE_STANDING &&
		    c->route[i].trial_ns <= now->mono_ns)
			decide(c, &c->route[i], now);
	if (c->improve_ns > now->mono_ns)
		return;
	if (c->improve_ns != 0)
		look(c, now);
	c->improve_ns = next_ns(c, now);
}

void improve_soon(struct client *c, const struct now *now)
{
	if (c->params.improve_ns != 0)
		c->improve_ns = MIN(c->improve_ns, now->mono_ns + SOON_NS);
}

uint64_t improve_deadline(const struct client *c)
{
	uint64_t due = c->improve_ns;

	for (size_t i = 0; i < ROUTES_MAX; i++)
		if (c->route[i].is_trial && c->route[i].state == ROUTE_STANDING)
			due = MIN(due, c->route[i].trial_ns);
	return due;
}
