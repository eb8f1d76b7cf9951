/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "health/route_health.h"

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

static bool follows(const struct hop_count *c, const struct hop_count *last)
{
	return last->sent != 0 && c->sent >= last->sent && c->seen >= last->seen &&
	       c->returned >= last->returned && c->received >= last->received;
}

void route_health_counters(struct route_health *r, unsigned hop, const struct hop_count *c,
			   const struct now *now)
{
	struct hop_count *last;

	if (!has_hop(r, hop))
		return;
	last = &r->counted[hop - 1];
	if (follows(c, last)) {
		const uint64_t sent = c->sent - last->sent, returned = c->returned - last->returned;
		const struct health_traffic t = {
		    .sent = sent,
		    .sent_lost = less(sent, c->seen - last->seen),
		    .received = returned,
		    .received_lost = less(returned, c->received - last->received),
		};

		health_traffic(&r->way[hop - 1], &t, now);
	}
	*last = *c;
	heard_through(r, hop, now);
}

void route_health_traffic(struct route_health *r, const struct health_traffic *t, uint64_t rtt_ns,
			  const struct now *now)
{
	if (r->hops == 0)
		return;
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
