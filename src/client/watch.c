/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Whether a standing route lives.  Its traffic tells the engine, which moves the flows away; what
 * is idle is asked by rounds of ECHOs to each hop, at random times.  When the exit stays silent,
 * the hop behind the farthest that answered is to blame: unless nothing at all is heard on any
 * route, for then it is our own network.
 *
 * How well it does: the traffic tells of the whole way, once a second, and costs nothing; the
 * rounds tell of each hop, with COUNTERS of what went by since the last one.
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

/* In line with the traffic, so that what is missing was lost. */
static void ask(struct client *c, struct client_route *r, const struct now *now)
{
	const uint64_t rtt_ns = route_rtt_ns(r);

	for (unsigned hop = 1; hop <= r->n; hop++) {
		engine_path_echo(c->params.engine, r->path, hop, now);
		engine_path_counters(c->params.engine, r->path, hop, now);
	}
	if (r->state == ROUTE_STANDING)
		takeover_asked(c, now->mono_ns);
	r->is_asked = true;
	r->is_near = false;
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
	train_begin(r, now);
}

void watch_hold(struct client_route *r, const struct now *now)
{
	r->sample_ns = NEVER;
	r->train = (struct train){.next_ns = NEVER, .end_ns = NEVER};
	r->echo_ns = now->mono_ns + 1;
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

static uint64_t next_round_ns(const struct client *c, const struct client_route *r,
			      const struct now *now)
{
	const bool is_alert = r->alert_ns != 0 && now->mono_ns - r->alert_ns < ALERT_MAX_NS;

	return now->mono_ns + (is_alert ? ALERT_GAP_NS : random_gap_ns(c, r));
}

static void on_echo(struct client *c, struct client_route *r, const struct engine_event *ev,
		    const struct now *now)
{
	/* Behind others of a train it waited for them: that is no round trip. */
	if (!train_on_echo(c, r, ev, now))
		route_health_echo(&r->health, ev->hop, rtt_sample_ns(0, ev->rtt_ns, ev->hold_ns),
				  now);
	r->reached = MAX(r->reached, ev->hop);
	r->is_near |= ev->hop + 1 == r->n;
	takeover_heard(c, now);
	if (ev->hop != r->n)
		return;
	if (r->state == ROUTE_STANDING)
		takeover_answered(c, now);
	r->is_silent = r->is_witness = false;
	r->rounds = r->reached = 0;
	if (!r->is_asked)
		return;
	r->is_asked = false;
	if (r->state == ROUTE_STANDING)
		degrade_judge(c, r, now);
	r->echo_ns = next_round_ns(c, r, now);
}

static void on_counters(struct client_route *r, const struct engine_event *ev,
			const struct now *now)
{
	route_health_counters(&r->health, ev->hop, ev->asked_ns,
			      &(struct hop_count){
				  .sent = ev->sent_cells,
				  .seen = ev->fwd_cells,
				  .returned = ev->bwd_cells,
				  .received = ev->got_cells,
			      },
			      now);
}

void watch_on_event(struct client *c, struct client_route *r, const struct engine_event *ev,
		    const struct now *now)
{
	if (ev->type == EVENT_ECHO) {
		on_echo(c, r, ev, now);
	} else if (ev->type == EVENT_COUNTERS) {
		on_counters(r, ev, now);
	} else if (ev->type == EVENT_PATH_SUSPECT && r->state == ROUTE_STANDING) {
		r->is_suspect = true;
		r->doubt_ns = now->mono_ns;
		r->rounds = r->reached = 0;
		takeover_asked(c, now->mono_ns - ev->silent_ns);
		ask(c, r, now);
		ask_others(c, r, now);
	} else if (ev->type == EVENT_PATH_RECOVERED) { /* the exit has acknowledged something */
		r->is_suspect = r->is_silent = r->is_witness = false;
		r->rounds = r->reached = 0;
		takeover_heard(c, now);
		takeover_answered(c, now);
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

	if (!r->is_silent)
		r->silent_ns = now->mono_ns;
	r->is_silent = true;
	if (now->mono_ns - r->silent_ns < GIVE_UP_NS)
		return; /* it may only be slow; its flows have moved already */
	if (hop == r->n && !r->is_spare && (c->session.silent_ns != 0 || takeover_doubts(c)))
		return; /* the exit itself may be dead: takeover.c finds out */
	if (r->reached == 0 && !others_are_heard(c, r))
		return;
	if (hop >= r->n && r->n > 1 &&
	    !r->is_spare) /* on other routes the exit answers: it is the link to it */
		choice_avoid(c, r->hop[r->n - 2].id, now);
	route_fail(c, r, MIN(hop, r->n), now, "no answer");
}

/* ---- how well it does ---- */

/* One sample that is far out is reason enough to look, though not to judge. */
static bool is_odd(const struct client *c, const struct client_route *r, uint64_t srtt_ns)
{
	const struct health_limits *l =
	    c->params.limits != NULL ? c->params.limits : &health_limits_default;
	const uint64_t floor_ns = rtt_floor_ns(&r->health.way[r->n - 1].rtt);

	return floor_ns != 0 && srtt_ns > floor_ns + l->excess_ns[0];
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
	train_earn(r, s.tx_bytes - last->tx_bytes + s.rx_bytes - last->rx_bytes);
	r->sampled = s;
	r->sampled_ns = now->mono_ns;
	if (r->alert_ns == 0 && !is_odd(c, r, s.srtt_ns))
		return;
	if (!r->is_asked)
		r->echo_ns = MIN(r->echo_ns, now->mono_ns + ALERT_GAP_NS);
	train_hurry(r, now);
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

/* Silence convicts nothing that is carrying traffic. */
static bool has_carried(const struct client *c, const struct client_route *r)
{
	struct path_stats s;

	return engine_path_stats(c->params.engine, r->path, &s) && s.last_rx_ns > r->asked_ns;
}

/* The exit has not answered in time. */
static void end_round(struct client *c, struct client_route *r, const struct now *now)
{
	if (has_carried(c, r)) {
		r->is_silent = r->is_witness = false;
		r->rounds = r->reached = 0;
		return;
	}
	r->is_witness = r->is_near;
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
		degrade_judge(c, r, now);
		if (r->state != ROUTE_STANDING)
			return;
		note_in_book(c, r, now);
	}
	train_tick(c, r, now);
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
	if (r->state == ROUTE_STANDING || r->state == ROUTE_HELD)
		ask(c, r, now);
}

uint64_t watch_deadline(const struct client_route *r)
{
	return MIN(MIN(MIN(r->echo_ns, r->sample_ns), train_deadline(r)),
		   r->is_suspect && !r->is_silent ? r->doubt_ns + DOUBT_MAX_NS + 1 : NEVER);
}
