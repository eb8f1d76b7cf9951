/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Whether a standing route lives.  Its traffic tells the engine, which moves the flows away; what
 * is idle is asked by rounds of ECHOs to each hop, at random times.  When the exit stays silent,
 * the hop behind the farthest that answered is to blame: unless nothing at all is heard on any
 * route, for then it is our own network.
 */
#include "client/client_int.h"

#include <stdio.h>

enum {
	HALVINGS_MAX = 8
};

/* As an atom decays: each half-life (and one half-life's fraction) or another, half as likely. */
static uint64_t random_gap_ns(const struct client *c, const struct client_route *r)
{
	const uint64_t mean_ns = r->weight != 0 ? ECHO_IN_USE_NS : ECHO_BACKUP_NS;
	const unsigned halvings =
	    (unsigned)__builtin_ctz(rng_u32(c->params.rng) | 1u << HALVINGS_MAX);

	return (halvings * mean_ns + rng_below(c->params.rng, mean_ns)) * 2 / 3;
}

static void ask(struct client *c, struct client_route *r, const struct now *now)
{
	const uint64_t rtt_ns = route_rtt_ns(r);

	for (unsigned hop = 1; hop <= r->n; hop++)
		engine_path_echo(c->params.engine, r->path, hop, now);
	r->is_asked = true;
	r->asked_ns = now->mono_ns;
	r->echo_ns = now->mono_ns + (r->is_silent ? MAX(ECHO_SILENT_NS, rtt_ns)
						  : MAX(ECHO_TIMEOUT_NS, rtt_ns + rtt_ns / 2));
}

void watch_begin(struct client *c, struct client_route *r, const struct now *now)
{
	r->sampled_ns = now->mono_ns;
	r->sample_ns = now->mono_ns + SAMPLE_NS;
	(void)engine_path_stats(c->params.engine, r->path, &r->sampled);
	r->echo_ns = now->mono_ns + 1; /* the next tick, when the owner has set up the machine */
}

void watch_now(struct client *c, struct client_route *r, const struct now *now)
{
	ask(c, r, now);
}

/* Is it this route, or the exit, or all of our network?  What is idle would tell too late. */
static void ask_others(struct client *c, const struct client_route *r, const struct now *now)
{
	for (size_t i = 0; i < ROUTES_MAX; i++)
		if (&c->route[i] != r && route_lives(&c->route[i]) && !c->route[i].is_asked)
			ask(c, &c->route[i], now);
}

static void on_echo(struct client *c, struct client_route *r, const struct engine_event *ev,
		    const struct now *now)
{
	route_health_echo(&r->health, ev->hop, ev->rtt_ns, now);
	r->reached = MAX(r->reached, ev->hop);
	session_heard(c, now);
	if (ev->hop != r->n)
		return;
	r->is_asked = r->is_silent = false;
	r->rounds = r->reached = 0;
	r->echo_ns = now->mono_ns + random_gap_ns(c, r);
}

void watch_on_event(struct client *c, struct client_route *r, const struct engine_event *ev,
		    const struct now *now)
{
	if (ev->type == EVENT_ECHO) {
		on_echo(c, r, ev, now);
	} else if (ev->type == EVENT_PATH_SUSPECT && r->state == ROUTE_STANDING) {
		r->is_suspect = true;
		r->doubt_ns = now->mono_ns;
		r->rounds = r->reached = 0;
		ask(c, r, now);
		ask_others(c, r, now);
	} else if (ev->type == EVENT_PATH_RECOVERED) {
		r->is_suspect = false;
	}
}

/* Something else of ours is heard: our own network works. */
static bool others_are_heard(const struct client *c, const struct client_route *r)
{
	for (size_t i = 0; i < ROUTES_MAX; i++)
		if (&c->route[i] != r && route_lives(&c->route[i]))
			return true;
	return c->session.heard_ns != 0;
}

/* All rounds are over. */
static void judge(struct client *c, struct client_route *r, const struct now *now)
{
	const unsigned hop = r->reached + 1;

	r->is_silent = true;
	if (hop == r->n && c->session.silent_ns != 0)
		return; /* the exit itself may be dead: session.c finds out */
	if (r->reached == 0 && !others_are_heard(c, r))
		return;
	if (hop >= r->n && r->n > 1) /* on other routes the exit answers: it is the link to it */
		choice_avoid(c, r->hop[r->n - 2].id, now);
	route_fail(c, r, MIN(hop, r->n), now, "no answer");
}

/* ---- how well it does ---- */

/* Its first hop does badly, and so do those of all others: it is our own network. */
static bool is_our_own(const struct client *c, const struct client_route *r, unsigned hop)
{
	for (size_t i = 0; i < ROUTES_MAX && hop == 1; i++) {
		const struct client_route *other = &c->route[i];

		if (other != r && other->state == ROUTE_STANDING && !other->is_silent &&
		    other->health.hop[0].level == HEALTH_GREEN)
			return false;
	}
	return hop == 1;
}

/* Left as soon as there is another; its flows move at once if one stands ready. */
static void leave_poor(struct client *c, struct client_route *r, unsigned hop,
		       const struct now *now)
{
	char who[DESCRIPTOR_TEXT_MAX], why[VERDICT_WHY_MAX], text[CLIENT_REASON_MAX];
	const bool was_used = r->weight != 0;

	snprintf(text, sizeof(text), "hop %u, %s: %s", hop, route_hop_text(r, hop, who),
		 verdict_why(&r->health.hop[hop - 1], why));
	choice_avoid(c, r->hop[hop - 1].id, now);
	r->is_leaving = true;
	r->why = "a hop did badly";
	c->degraded_ns = now->mono_ns;
	c->retry_ns = MIN(c->retry_ns, now->mono_ns);
	if (!was_used)
		client_note(c, CLIENT_NOTE_PATH, "%s; a backup is replaced", text);
	session_use(c, was_used ? text : NULL, now);
}

static void judge_health(struct client *c, struct client_route *r, const struct now *now)
{
	const struct health_limits *limits =
	    c->params.limits != NULL ? c->params.limits : &health_limits_default;
	unsigned hop;
	bool is_poor;

	(void)route_health_judge(&r->health, limits, now);
	hop = route_health_blame(&r->health);
	is_poor = hop != 0 && !is_our_own(c, r, hop);
	if (is_poor && r->health.hop[hop - 1].level == HEALTH_RED && hop < r->n && !r->is_leaving &&
	    now->mono_ns - c->degraded_ns >= DEGRADE_GAP_NS) {
		leave_poor(c, r, hop, now);
	} else if (is_poor != r->is_poor) {
		r->is_poor = is_poor;
		session_use(c, NULL, now);
	}
}

/* What the traffic of the last second shows of the whole way. */
static void sample(struct client *c, struct client_route *r, const struct now *now)
{
	const struct path_stats *last = &r->sampled;
	struct path_stats s;

	r->sample_ns = now->mono_ns + SAMPLE_NS;
	if (!engine_path_stats(c->params.engine, r->path, &s))
		return;
	route_health_traffic(&r->health,
			     &(struct health_traffic){
				 .span_ns = now->mono_ns - r->sampled_ns,
				 .sent = s.tx_cells - last->tx_cells,
				 .sent_lost = s.tx_lost - last->tx_lost,
				 .sent_bytes = s.tx_bytes - last->tx_bytes,
				 .received = s.rx_cells - last->rx_cells,
				 .received_lost = s.rx_lost - last->rx_lost,
				 .received_bytes = s.rx_bytes - last->rx_bytes,
				 .marked = s.tx_ce - last->tx_ce,
			     },
			     s.acked_cells != last->acked_cells ? s.srtt_ns : 0, now);
	r->sampled = s;
	r->sampled_ns = now->mono_ns;
}

static void note_in_book(const struct client *c, struct client_route *r, const struct now *now)
{
	struct route_nodes nodes = {.hops = r->n};

	if (c->params.book == NULL)
		return;
	for (unsigned i = 0; i < r->n; i++)
		memcpy(nodes.id[i], r->hop[i].id, NODE_ID_LEN);
	book_note_route(c->params.book, &r->health, &nodes, now);
}

/* ---- time ---- */

/* The exit has not answered in time. */
static void end_round(struct client *c, struct client_route *r, const struct now *now)
{
	r->rounds += r->rounds < ROUNDS_IDLE_MAX;
	if (r->rounds == 1)
		ask_others(c, r, now);
	if (r->reached < r->n)
		route_health_unanswered(&r->health, r->reached + 1, r->asked_ns, now);
}

void watch_tick(struct client *c, struct client_route *r, const struct now *now)
{
	if (r->sample_ns <= now->mono_ns) {
		sample(c, r, now);
		judge_health(c, r, now);
		note_in_book(c, r, now);
	}
	if (r->is_suspect && !r->is_silent && now->mono_ns - r->doubt_ns > DOUBT_MAX_NS) {
		route_fail(c, r, 0, now, "carries no traffic");
		return;
	}
	if (r->echo_ns > now->mono_ns)
		return;
	if (r->is_asked)
		end_round(c, r, now);
	if (r->rounds >= (r->is_suspect ? ROUNDS_DOUBT_MAX : ROUNDS_IDLE_MAX))
		judge(c, r, now);
	if (r->state == ROUTE_STANDING)
		ask(c, r, now);
}

uint64_t watch_deadline(const struct client_route *r)
{
	return MIN(MIN(r->echo_ns, r->sample_ns),
		   r->is_suspect && !r->is_silent ? r->doubt_ns + DOUBT_MAX_NS + 1 : NEVER);
}
