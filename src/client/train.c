/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a route can carry: now and then some ECHOs go out close behind each other, though no faster
 * than TRAIN_STEP in a millisecond, and the distance between the answers tells what the narrowest
 * link on the way let through.  What is of our own traffic between them counts with them.  Where
 * the way to the exit is narrow, the hops before it are asked too: so the narrow one is found.
 *
 * Trains take a hundredth of what the route carries; a new one has two for free.
 */
#include "client/client_int.h"

enum {
	TRAIN_STEP = 3,
	TRAIN_GAPS_MIN = 3, /* fewer answers tell nothing */
	SHARE = 100,
	TRAINS_SAVED = 2,
};

#define STEP_NS         NS_PER_MS
#define FIRST_NS        (NS_PER_S / 2)
#define GAP_NS          (10 * NS_PER_S) /* mean, if there is the budget for it */
#define DEGRADED_GAP_NS (4 * NS_PER_S)  /* there it is the only traffic */
#define CONFIRM_NS      NS_PER_S
#define WAIT_MIN_NS     (NS_PER_S / 4)
#define COST_BYTES      (2ull * TRAIN_CELLS * CELL_LEN)
/* An answer that comes with the one before it: as fast as makes no difference. */
#define GAP_LEAST_NS (10 * NS_PER_US)

void train_begin(struct client_route *r, const struct now *now)
{
	r->train = (struct train){.next_ns = now->mono_ns + FIRST_NS,
				  .end_ns = NEVER,
				  .budget_bytes = TRAINS_SAVED * COST_BYTES};
}

void train_earn(struct client_route *r, uint64_t bytes)
{
	r->train.budget_bytes =
	    MIN(r->train.budget_bytes + bytes / SHARE, TRAINS_SAVED * COST_BYTES);
}

void train_hurry(struct client_route *r, const struct now *now)
{
	if (r->train.hop == 0)
		r->train.next_ns = MIN(r->train.next_ns, now->mono_ns);
}

static uint64_t cells_in(const struct client *c, const struct client_route *r)
{
	struct path_stats s;

	return engine_path_stats(c->params.engine, r->path, &s) ? s.rx_cells : 0;
}

/* ---- one train ---- */

static void start(struct client_route *r, unsigned hop, const struct now *now)
{
	struct train *t = &r->train;

	t->hop = (uint8_t)hop;
	t->sent = t->gaps = 0;
	t->last_ns = 0;
	t->begun_ns = t->next_ns = now->mono_ns;
	t->end_ns = NEVER;
}

static void send_some(struct client *c, struct client_route *r, const struct now *now)
{
	struct train *t = &r->train;

	for (unsigned i = 0; i < TRAIN_STEP && t->sent < TRAIN_CELLS; i++, t->sent++)
		engine_path_echo(c->params.engine, r->path, t->hop, now);
	t->next_ns = now->mono_ns + STEP_NS;
	if (t->sent < TRAIN_CELLS)
		return;
	t->next_ns = NEVER;
	t->end_ns = now->mono_ns + MAX(WAIT_MIN_NS, 2 * route_rtt_ns(r));
}

/* In order of size. */
static void note_gap(struct train *t, uint64_t bps)
{
	unsigned at = t->gaps++;

	for (; at > 0 && t->bps[at - 1] > bps; at--)
		t->bps[at] = t->bps[at - 1];
	t->bps[at] = bps;
}

bool train_on_echo(struct client *c, struct client_route *r, const struct engine_event *ev,
		   const struct now *now)
{
	struct train *t = &r->train;
	const bool is_first = t->last_ns == 0;
	uint64_t cells, gap_ns;

	if (t->hop == 0 || t->hop != ev->hop || t->gaps == TRAIN_CELLS)
		return false;
	cells = cells_in(c, r);
	gap_ns = MAX(now->mono_ns - t->last_ns, GAP_LEAST_NS);
	if (!is_first)
		note_gap(t, (1 + cells - t->last_cells) * CELL_LEN * 8 * NS_PER_S / gap_ns);
	t->last_ns = now->mono_ns;
	t->last_cells = cells;
	return !is_first;
}

/* ---- one after the other ---- */

static uint64_t random_ns(const struct client *c, uint64_t mean_ns)
{
	return mean_ns / 2 + rng_below(c->params.rng, mean_ns);
}

/* Narrow enough that it matters where. */
static bool is_narrow(const struct client *c, uint64_t bps)
{
	const struct health_limits *l =
	    c->params.limits != NULL ? c->params.limits : &health_limits_default;

	return bps < 2 * l->capacity_bps[0];
}

static void finish(struct client *c, struct client_route *r, const struct now *now)
{
	struct train *t = &r->train;
	const unsigned hop = t->hop;
	const uint64_t bps = t->gaps > 0 ? t->bps[t->gaps / 2] : 0;
	const bool has_told = t->gaps >= TRAIN_GAPS_MIN;
	uint64_t known_bps;

	t->hop = 0;
	t->end_ns = NEVER;
	t->next_ns = now->mono_ns + random_ns(c, r->is_degraded ? DEGRADED_GAP_NS : GAP_NS);
	if (!has_told)
		return;
	route_health_capacity(&r->health, hop, bps, now);
	known_bps = capacity_bps(&r->health.way[hop - 1].capacity, now);
	if (is_narrow(c, bps) && hop > 1)
		start(r, hop - 1, now);
	else if (known_bps == 0 || is_narrow(c, known_bps) != is_narrow(c, bps) ||
		 is_narrow(c, capacity_bps(&r->health.way[r->n - 1].capacity, now)) !=
		     is_narrow(c, bps))
		t->next_ns = now->mono_ns + CONFIRM_NS;
}

static bool may_start(const struct client_route *r)
{
	return r->is_degraded || r->train.budget_bytes >= COST_BYTES;
}

void train_tick(struct client *c, struct client_route *r, const struct now *now)
{
	struct train *t = &r->train;

	if (t->end_ns <= now->mono_ns)
		finish(c, r, now);
	if (t->next_ns > now->mono_ns)
		return;
	if (t->hop == 0 && (!may_start(r) || r->is_suspect || r->is_silent)) {
		t->next_ns = now->mono_ns + CONFIRM_NS;
		return;
	}
	if (t->hop == 0) {
		t->budget_bytes -= MIN(t->budget_bytes, COST_BYTES);
		start(r, r->n, now);
	}
	send_some(c, r, now);
}

uint64_t train_deadline(const struct client_route *r)
{
	return MIN(r->train.next_ns, r->train.end_ns);
}
