/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How far news have got, and what it costs. */
#include "tests/sim/directory/world_int.h"

enum {
	FOLLOW_ONE_IN = 8,
	BIN_MS = 100,
};

/* Of all that are up on its side. */
static unsigned lacks(struct world *w, const struct host *h, unsigned enough)
{
	unsigned n = 0;

	for (unsigned i = 0; i < w->joined && n < enough; i++) {
		const struct host *other = &w->hosts[i];

		n += other->is_up && (!w->is_parted || other->side == h->side) &&
		     directory_by_id(h->dir, other->identity.id) == NULL;
	}
	return n;
}

bool world_all_know_all(struct world *w, bool clients)
{
	for (unsigned i = clients ? w->members : 0; i < (clients ? w->host_count : w->joined); i++)
		if (w->hosts[i].is_up && !w->hosts[i].withholds && lacks(w, &w->hosts[i], 1) > 0)
			return false;
	return true;
}

double world_lacked(struct world *w, unsigned sample)
{
	uint64_t sum = 0;
	unsigned n = 0;

	for (unsigned i = 0; i < w->joined && n < sample; i++) {
		if (!w->hosts[i].is_up || w->hosts[i].withholds)
			continue;
		sum += lacks(w, &w->hosts[i], UINT32_MAX);
		n++;
	}
	return (double)sum / MAX(n, 1u);
}

unsigned world_client_views(struct world *w)
{
	uint8_t seen[64][TREE_DIGEST_LEN];
	unsigned n = 0;

	for (unsigned i = w->members; i < w->host_count && n < 64; i++) {
		unsigned k = 0;

		if (!w->hosts[i].is_up)
			continue;
		directory_view_digest(w->hosts[i].dir, seen[n]);
		while (memcmp(seen[k], seen[n], TREE_DIGEST_LEN) != 0)
			k++;
		n += k == n;
	}
	return n;
}

/* ---- how fast ---- */

void spread_signed(const struct host *h)
{
	struct world *w = h->world;
	struct followed *f = &w->followed[h->index];

	*f = (struct followed){0};
	if (!w->follows || w->signings++ % FOLLOW_ONE_IN != 0)
		return;
	*f = (struct followed){.sequence = h->sequence, .signed_ns = w->now.mono_ns};
	f->awaited = world_up(w) - 1;
	w->follow_count++;
}

void spread_taken(struct world *w, const uint8_t id[static NODE_ID_LEN], uint64_t sequence)
{
	const struct host *h = world_by_id(w, id);
	struct followed *f = &w->followed[h->index];
	uint64_t took_ns;

	if (f->signed_ns == 0 || f->sequence != sequence || w->now.mono_ns == f->signed_ns)
		return;
	took_ns = w->now.mono_ns - f->signed_ns;
	w->bins[MIN(took_ns / (BIN_MS * NS_PER_MS), (uint64_t)SPREAD_BINS - 1)]++;
	w->told++;
	w->longest_s = MAX(w->longest_s, (double)took_ns / 1e9);
	w->follow_complete += ++f->got == f->awaited;
}

void world_follow(struct world *w, bool on)
{
	w->follows = on;
	w->told = w->follow_count = w->follow_complete = 0;
	w->longest_s = 0;
	memset(w->bins, 0, SPREAD_BINS * sizeof(*w->bins));
	memset(w->followed, 0, w->members * sizeof(*w->followed));
}

static double quantile_s(const struct world *w, double q)
{
	uint64_t seen = 0;

	for (unsigned i = 0; i < SPREAD_BINS; i++) {
		seen += w->bins[i];
		if (seen > 0 && (double)seen >= q * (double)w->told)
			return (double)(i + 1) * BIN_MS / 1000;
	}
	return 0;
}

struct spread world_spread(struct world *w)
{
	return (struct spread){.followed = (unsigned)w->follow_count,
			       .complete = (unsigned)w->follow_complete,
			       .p50_s = quantile_s(w, 0.5),
			       .p99_s = quantile_s(w, 0.99),
			       .max_s = w->longest_s};
}

void world_meter(struct world *w)
{
	w->meter_ns = w->now.mono_ns;
	w->meter_descriptors = w->descriptors;
	for (unsigned i = 0; i < w->host_count; i++)
		w->metered[i] = w->hosts[i].traffic;
}

struct meter world_metered(struct world *w)
{
	struct meter m = {.seconds = (double)(w->now.mono_ns - w->meter_ns) / 1e9};
	const double to_kb_per_h = 3.6 / m.seconds;
	unsigned nodes = 0, clients = 0;

	m.descriptors_per_s = (double)(w->descriptors - w->meter_descriptors) / m.seconds;
	for (unsigned i = 0; i < w->host_count; i++) {
		const struct traffic *now = &w->hosts[i].traffic, *was = &w->metered[i];
		const double kb = (double)(now->tx + now->rx - was->tx - was->rx) * to_kb_per_h;

		if (!w->hosts[i].is_up)
			continue;
		if (w->hosts[i].is_client) {
			clients++;
			m.client_kb_per_h += kb;
			continue;
		}
		nodes++;
		m.node_kb_per_h += kb;
		m.carried_kb_per_h += (double)(now->carried - was->carried) * to_kb_per_h;
		m.node_max_kb_per_h = MAX(m.node_max_kb_per_h, kb);
	}
	m.node_kb_per_h /= MAX(nodes, 1u);
	m.carried_kb_per_h /= MAX(nodes, 1u);
	m.client_kb_per_h /= MAX(clients, 1u);
	return m;
}
