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

void route_health_counters(struct route_health *r, unsigned hop, uint64_t asked_ns,
			   const struct hop_count *c, const struct now *now)
{
	if (!has_hop(r, hop))
		return;
	losses_told(&r->losses, hop, asked_ns, c, now);
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

static uint32_t rest(uint32_t whole_ppm, uint32_t of_links_ppm)
{
	return whole_ppm > of_links_ppm ? whole_ppm - of_links_ppm : 0;
}

/* The exit's answers do not come through, those of the hop before it do: what the traffic lost, and
 * the other links did not, was lost on the last one. */
static void fill_rest(const struct route_health *r, struct health_figures *f, const struct now *now)
{
	const struct health_figures whole = route_health_whole(r, now);
	uint32_t out_ppm = 0, in_ppm = 0;

	for (unsigned hop = 1; hop < r->hops; hop++) {
		const struct link_loss loss = losses_of(&r->losses, hop, now);

		out_ppm += loss.out_ppm;
		in_ppm += loss.in_ppm;
	}
	f->lost_out_ppm = rest(whole.lost_out_ppm, out_ppm);
	f->lost_in_ppm = rest(whole.lost_in_ppm, in_ppm);
	f->lost_of = whole.lost_of;
}

struct health_figures route_health_hop(const struct route_health *r, unsigned hop,
				       const struct now *now)
{
	struct health_figures f = {0};
	struct link_loss loss;

	if (!has_hop(r, hop))
		return f;
	f = health_figures(&r->way[hop - 1], hop > 1 ? &r->way[hop - 2] : NULL, now);
	loss = losses_of(&r->losses, hop, now);
	f.lost_out_ppm = loss.out_ppm;
	f.lost_in_ppm = loss.in_ppm;
	f.lost_of = loss.of;
	if (hop == r->hops && losses_is_cut_off(&r->losses, hop, now))
		fill_rest(r, &f, now);
	return f;
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
