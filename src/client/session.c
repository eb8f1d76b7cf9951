/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The session and its paths: how many there should be, which of them carry the traffic, and what to
 * do when none lives.  Paths in use stay in use while they do well; one that ages or does badly is
 * marked as leaving, and ends when another stands.
 */
#include "client/client_int.h"

#include <stdio.h>

enum {
	WEIGHT_BEST = 200, /* of the path with the shortest round trip; others in proportion */
	WEIGHT_LEAST = 40,
};

/* ---- which paths carry the traffic ---- */

/* What kills one in use, which comes before it, kills this one too. */
static bool is_tied(const struct client *c, const struct client_route *r)
{
	for (size_t i = 0; i < ROUTES_MAX; i++) {
		const struct client_route *other = &c->route[i];
		const bool is_first =
		    other == c->primary || (r != c->primary && (r->weight == 0 || other < r));

		if (other != r && other->weight != 0 && route_lives(other) && is_first &&
		    route_shares_node(r, other))
			return true;
	}
	return false;
}

/* It carries flows only if there is no other. */
static bool is_last_resort(const struct client_route *r)
{
	return !route_lives(r) || r->is_leaving || r->is_degraded || r->is_trial;
}

/* Lower is used first.  What is in use stays so, and the first stays first: nothing changes for
 * nothing. */
static unsigned rank(const struct client *c, const struct client_route *r)
{
	return (unsigned)(!route_lives(r) << 7 | r->is_degraded << 6 | r->is_leaving << 5 |
			  r->is_trial << 4 | r->is_poor << 3 | is_tied(c, r) << 2 |
			  (r->weight == 0) << 1 | (r != c->primary));
}

static bool is_before(const struct client *c, const struct client_route *a,
		      const struct client_route *b)
{
	const unsigned x = rank(c, a), y = rank(c, b);

	return x != y ? x < y : route_rtt_ns(a) < route_rtt_ns(b);
}

static size_t standing(struct client *c, struct client_route *list[static ROUTES_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < ROUTES_MAX; i++) {
		struct client_route *r = &c->route[i];
		size_t at = n;

		if (r->state != ROUTE_STANDING)
			continue;
		for (; at > 0 && is_before(c, r, list[at - 1]); at--)
			list[at] = list[at - 1];
		list[at] = r;
		n++;
	}
	return n;
}

static uint8_t weight_of(const struct client_route *r, uint64_t best_ns)
{
	const uint64_t w =
	    route_rtt_ns(r) > 0 ? WEIGHT_BEST * best_ns / route_rtt_ns(r) : WEIGHT_BEST;

	return (uint8_t)MIN(MAX(w, WEIGHT_LEAST), WEIGHT_BEST);
}

/* The first are carriers; those already in use keep their weight, so that no flow moves for
 * nothing. */
static void weigh(const struct client *c, struct client_route **list, size_t n)
{
	uint64_t best_ns = NEVER;

	for (size_t i = 0; i < n && i < c->wish.paths; i++)
		best_ns = MIN(best_ns, route_rtt_ns(list[i]));
	for (size_t i = 0; i < n; i++) {
		if (i >= c->wish.paths || (i > 0 && is_last_resort(list[i])))
			list[i]->weight = 0;
		else if (list[i]->weight == 0)
			list[i]->weight = weight_of(list[i], best_ns);
	}
}

/* "a > b > c" */
static const char *route_text(const struct client_route *r, char out[static CLIENT_REASON_MAX])
{
	char id[SHORT_ID_LEN + 1];
	size_t len = 0;

	for (unsigned i = 0; i < r->n && len < CLIENT_REASON_MAX; i++)
		len += (size_t)snprintf(
		    out + len, CLIENT_REASON_MAX - len, "%s%s", i > 0 ? " > " : "",
		    r->hop[i].name[0] != '\0' ? r->hop[i].name : short_id(r->hop[i].id, id));
	return out;
}

static void primary_is(struct client *c, struct client_route *r, const struct cause *why)
{
	const struct client_route *before = c->primary;
	const bool is_other = r != NULL && r != before;
	char now_over[CLIENT_REASON_MAX], was_over[CLIENT_REASON_MAX];
	struct client_note *n;

	c->primary = r;
	if (r != NULL && why != NULL)
		n = client_note_cause(c, CLIENT_NOTE_ROUTE, why,
				      "%.110s -> %.110s; connections dropped: 0", why->text,
				      route_text(r, now_over));
	else if (is_other && before != NULL && !route_lives(before))
		n = client_note(c, CLIENT_NOTE_ROUTE,
				"%.90s does not answer -> %.110s; connections dropped: 0",
				route_text(before, was_over), route_text(r, now_over));
	else if (is_other)
		n = client_note(c, CLIENT_NOTE_ROUTE, "now over %s; connections dropped: 0",
				route_text(r, now_over));
	else if (why != NULL)
		n = client_note_cause(c, CLIENT_NOTE_ERROR, why, "%s", why->text);
	else
		return;
	n->has_dropped = r != NULL;
}

void session_use(struct client *c, const struct cause *why, const struct now *now)
{
	struct client_route *list[ROUTES_MAX];
	struct path_use use[ROUTES_MAX] = {0};
	const size_t n = standing(c, list);

	weigh(c, list, n);
	for (size_t i = 0; i < n; i++)
		use[i] = (struct path_use){.path = list[i]->path, .weight = list[i]->weight};
	if (n != c->use_count || memcmp(use, c->use, n * sizeof(use[0])) != 0) {
		engine_session_use(c->params.engine, c->session.id, use, n, now);
		memcpy(c->use, use, sizeof(use));
		c->use_count = n;
	}
	primary_is(c, n > 0 ? list[0] : NULL, why);
}

/* ---- beginning and end ---- */

void session_forget(struct client *c, const struct now *now)
{
	if (c->session.id != 0)
		engine_session_close(c->params.engine, c->session.id, now);
	c->session = (struct client_session){0};
	c->primary = NULL;
	c->use_count = 0;
	for (size_t i = 0; i < ROUTES_MAX; i++)
		if (c->route[i].state != ROUTE_FREE && !c->route[i].is_spare)
			route_drop(c, &c->route[i], now);
}

void session_new(struct client *c, struct client_route *r, const struct session_grant *grant,
		 const struct now *now)
{
	r->is_spare = true; /* the one that stays */
	session_forget(c, now);
	r->is_spare = false;
	c->session = (struct client_session){
	    .id = r->session, .grant = *grant, .is_new = true, .silent_ns = now->mono_ns};
	memcpy(c->session.exit, r->hop[r->n - 1].id, NODE_ID_LEN);
	engine_session_options(c->params.engine, c->session.id, &c->wish.options, now);
}

/* One that leaves may go now: what carries nothing, then what is in use. */
static void retire(struct client *c, const char **why, const struct now *now)
{
	struct client_route *out = NULL;

	for (size_t i = 0; i < ROUTES_MAX; i++) {
		struct client_route *r = &c->route[i];

		if (r->state == ROUTE_STANDING && r->is_leaving &&
		    (out == NULL || r == c->primary || (r->weight != 0 && out != c->primary)))
			out = r;
	}
	if (out == NULL)
		return;
	*why = out->weight != 0 ? out->why : NULL;
	route_drain(out, now);
}

void session_stands(struct client *c, struct client_route *r, const struct now *now)
{
	struct cause cause = {.over_now = r};
	char who[DESCRIPTOR_TEXT_MAX];

	c->clock_ns = (int64_t)(now->wall_ns - now->mono_ns);
	if (r->is_trial)
		r->trial_ns = now->mono_ns + TRIAL_NS;
	else
		retire(c, &cause.text, now);
	if (c->session.is_new)
		client_note(c, CLIENT_NOTE_SESSION, "addresses of the session with %s",
			    route_hop_text(r, r->n, who));
	c->session.is_new = false;
	if (c->session.silent_ns != 0)
		takeover_lives_again(c, now);
	c->backoff_ns = 0;
	if (!r->is_trial)
		improve_soon(c, now);
	session_use(c, cause.text != NULL ? &cause : NULL, now);
}

bool session_any_lives(const struct client *c)
{
	for (size_t i = 0; i < ROUTES_MAX; i++)
		if (route_lives(&c->route[i]))
			return true;
	return false;
}

uint32_t session_connections(const struct client *c)
{
	struct path_stats s;
	uint32_t n = 0;

	for (size_t i = 0; i < ROUTES_MAX; i++)
		if (c->route[i].state == ROUTE_STANDING &&
		    engine_path_stats(c->params.engine, c->route[i].path, &s))
			n += s.flows;
	return n;
}

/* ---- how many there should be ---- */

struct tally {
	size_t coming, stay;
};

static struct tally count(const struct client *c)
{
	const bool lives = session_any_lives(c);
	struct tally t = {0};

	for (size_t i = 0; i < ROUTES_MAX; i++) {
		const struct client_route *r = &c->route[i];

		if (r->is_spare || r->is_trial || r->is_degraded)
			continue;
		else if (route_is_coming(r))
			t.coming++;
		else if (r->state == ROUTE_STANDING && !r->is_leaving && lives)
			t.stay++;
	}
	return t;
}

static size_t wanted(const struct client *c)
{
	if (c->session.id == 0)
		return 1;
	if (!session_any_lives(c))
		return AT_ONCE_MAX;
	/* With one hop there is but one way to the exit. */
	return c->wish.hops == 1 ? 1 : c->wish.paths + c->wish.backups;
}

static struct client_route *costliest_backup(struct client *c, const struct client_route *keep,
					     const struct now *now)
{
	struct client_route *worst = NULL;
	uint64_t worst_ns = 0;

	for (size_t i = 0; i < ROUTES_MAX; i++) {
		struct client_route *r = &c->route[i];
		uint64_t cost_ns;

		if (r->state != ROUTE_STANDING || r == keep || r->weight != 0 || r->is_leaving ||
		    r->is_trial || r->is_degraded)
			continue;
		cost_ns = choice_cost(c, r, now);
		if (worst == NULL || cost_ns > worst_ns) {
			worst = r;
			worst_ns = cost_ns;
		}
	}
	return worst;
}

void session_trim(struct client *c, const struct client_route *keep, const struct now *now)
{
	struct client_route *surplus;

	if (count(c).stay <= wanted(c))
		return;
	surplus = costliest_backup(c, keep, now);
	if (surplus != NULL)
		route_drain(surplus, now);
}

static void age(struct client *c, const struct now *now)
{
	for (size_t i = 0; i < ROUTES_MAX; i++) {
		struct client_route *r = &c->route[i];

		if (r->state == ROUTE_STANDING && !r->is_leaving &&
		    r->successor_ns <= now->mono_ns) {
			r->is_leaving = true;
			r->why = "the route was due for a change";
			c->retry_ns = MIN(c->retry_ns, now->mono_ns);
		}
	}
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

/* By how much the clock was set since a route stood; 0: not so that others would mind. */
static int64_t clock_set_s(const struct client *c, const struct now *now)
{
	const int64_t most_s = CREATE_CLOCK_SKEW_S / 2;
	const int64_t by_s =
	    ((int64_t)(now->wall_ns - now->mono_ns) - c->clock_ns) / (int64_t)NS_PER_S;

	return c->clock_ns == 0 || (by_s > -most_s && by_s < most_s) ? 0 : by_s;
}

/* Nothing carries the traffic, and there is no way: what is missing may have joined since. */
static void no_way(struct client *c, const char *why, const struct now *now)
{
	const uint64_t most_ns = c->session.id != 0 ? RETRY_SESSION_NS : RETRY_MAX_NS;
	const int64_t set_s = clock_set_s(c, now);

	if (set_s != 0)
		snprintf(c->reason, sizeof(c->reason),
			 "no route since the clock was set by %+lld s: %s", (long long)set_s, why);
	else
		snprintf(c->reason, sizeof(c->reason), "no route: %s", why);
	membership_refresh(c->params.membership, now);
	client_note(c, CLIENT_NOTE_ERROR, "%s", c->reason);
	c->backoff_ns = MIN(most_ns, MAX(RETRY_MIN_NS, c->backoff_ns * 2));
	c->retry_ns = now->mono_ns + c->backoff_ns;
	client_note(c, CLIENT_NOTE_STATE, "%s", c->reason);
}

static void seek_one(struct client *c, bool is_coming, const struct now *now)
{
	const bool lives = session_any_lives(c);
	char why[PATH_WHY_MAX];

	if (!route_start(c, AIM_SESSION, now, why)) {
		if (lives || is_coming)
			c->retry_ns = MIN(choice_again_ns(c, now),
					  now->mono_ns + (lives ? SCARCE_NS : RETRY_SESSION_NS));
		else
			no_way(c, why, now);
		return;
	}
	if (lives)
		c->retry_ns = now->mono_ns + STAGGER_NS;
	if (c->state == CLIENT_CONNECTING && c->backoff_ns == 0)
		client_set_state(c, CLIENT_CONNECTING, now, "building a route");
}

static void seek(struct client *c, const struct now *now)
{
	struct tally t = count(c);

	if (c->retry_ns > now->mono_ns)
		return;
	if (!membership_has_view(c->params.membership)) {
		wait_for_view(c, now); /* membership tells when */
		return;
	}
	for (; t.stay + t.coming < wanted(c) && c->retry_ns <= now->mono_ns; t.coming++)
		seek_one(c, t.coming > 0, now);
}

void session_tick(struct client *c, const struct now *now)
{
	age(c, now);
	takeover_tick(c, now);
	seek(c, now);
}

bool session_is_complete(const struct client *c)
{
	return count(c).stay >= wanted(c);
}

uint64_t session_deadline(const struct client *c)
{
	const struct tally t = count(c);
	uint64_t due = takeover_deadline(c);

	for (size_t i = 0; i < ROUTES_MAX; i++)
		if (c->route[i].state == ROUTE_STANDING && !c->route[i].is_leaving)
			due = MIN(due, c->route[i].successor_ns);
	if (t.stay + t.coming < wanted(c))
		due = MIN(due,
			  membership_has_view(c->params.membership) ? c->retry_ns : c->view_due_ns);
	return due;
}
