/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "health/route_health.h"

#define COUNT_SLACK 64
#define COUNT_MAX   (1ull << 32) /* cells between two answers */

void route_health_init(struct route_health *r, unsigned hops)
{
	*r = (struct route_health){.hops = MIN(hops, HOPS_MAX)};
}

static bool has_hop(const struct route_health *r, unsigned hop)
{
	return hop >= 1 && hop <= r->hops;
}

/* What came from a hop came through those before it. */
static void heard_through(struct route_health *r, unsigned hop, const struct now *now)
{
	for (unsigned i = 0; i < hop; i++)
		health_heard(&r->way[i], now);
}

void route_health_echo(struct route_health *r, unsigned hop, uint64_t rtt_ns, const struct now *now)
{
	if (!has_hop(r, hop))
		return;
	health_rtt(&r->way[hop - 1], rtt_ns, now);
	heard_through(r, hop, now);
}

void route_health_unanswered(struct route_health *r, unsigned hop, uint64_t asked_ns,
			     const struct now *now)
{
	if (has_hop(r, hop))
		health_unanswered(&r->way[hop - 1], asked_ns, now);
}

static uint64_t less(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

/* The cells that went by since the last answer.  False: this one is older. */
static bool subtract_counts(const struct hop_count *c, const struct hop_count *last,
			    struct hop_count *out)
{
	if (last->sent == 0 || c->sent < last->sent || c->received < last->received)
		return false;
	*out = (struct hop_count){
	    .sent = c->sent - last->sent,
	    .seen = c->seen - last->seen,
	    .returned = c->returned - last->returned,
	    .received = c->received - last->received,
	};
	return true;
}

/* Some that were sent before may come after the question, and the reverse; no more than that. */
static bool is_possible(const struct hop_count *d)
{
	return d->seen <= d->sent + d->sent / 8 + COUNT_SLACK &&
	       d->returned + d->received / 8 + COUNT_SLACK >= d->received &&
	       d->returned <= COUNT_MAX;
}

void route_health_counters(struct route_health *r, unsigned hop, const struct hop_count *c,
			   const struct now *now)
{
	struct health_traffic t;
	struct hop_count d;

	if (!has_hop(r, hop))
		return;
	if (subtract_counts(c, &r->counted[hop - 1], &d)) {
		t = (struct health_traffic){
		    .sent = d.sent,
		    .sent_lost = is_possible(&d) ? less(d.sent, d.seen) : d.sent,
		    .received = is_possible(&d) ? d.returned : d.received,
		    .received_lost = is_possible(&d) ? less(d.returned, d.received) : d.received,
		};
		health_traffic(&r->way[hop - 1], &t, now);
	}
	r->counted[hop - 1] = *c;
	heard_through(r, hop, now);
}

void route_health_capacity(struct route_health *r, unsigned hop, uint64_t bps,
			   const struct now *now)
{
	if (!has_hop(r, hop))
		return;
	health_capacity(&r->way[hop - 1], bps, now);
	for (unsigned i = 0; i + 1 < hop; i++)
		if (capacity_bps(&r->way[i].capacity, now) < bps)
			health_capacity(&r->way[i], bps, now);
}

void route_health_traffic(struct route_health *r, const struct health_traffic *t, uint64_t rtt_ns,
			  const struct now *now)
{
	if (r->hops == 0)
		return;
	for (unsigned i = 0; i + 1 < r->hops; i++)
		health_rates(&r->way[i], t, now);
	health_traffic(&r->way[r->hops - 1], t, now);
	if (rtt_ns != 0)
		health_rtt(&r->way[r->hops - 1], rtt_ns, now);
	if (rtt_ns != 0 || t->received > 0)
		heard_through(r, r->hops, now);
}

struct health_figures route_health_hop(const struct route_health *r, unsigned hop,
				       const struct now *now)
{
	if (!has_hop(r, hop))
		return (struct health_figures){0};
	return health_figures(&r->way[hop - 1], hop > 1 ? &r->way[hop - 2] : NULL, now);
}

struct health_figures route_health_whole(const struct route_health *r, const struct now *now)
{
	if (r->hops == 0)
		return (struct health_figures){0};
	return health_figures(&r->way[r->hops - 1], NULL, now);
}

bool route_health_judge(struct route_health *r, const struct health_limits *limits,
			const struct now *now)
{
	const struct health_figures whole = route_health_whole(r, now);
	bool has_changed = verdict_update(&r->whole, &whole, limits, now);

	for (unsigned hop = 1; hop <= r->hops; hop++) {
		const struct health_figures f = route_health_hop(r, hop, now);

		has_changed |= verdict_update(&r->hop[hop - 1], &f, limits, now);
	}
	return has_changed;
}

unsigned route_health_blame(const struct route_health *r)
{
	unsigned worst = 0;

	for (unsigned hop = 1; hop <= r->hops; hop++) {
		const enum health_level level = r->hop[hop - 1].level;

		if (level > (worst == 0 ? HEALTH_GREEN : r->hop[worst - 1].level))
			worst = hop;
	}
	return worst;
}
