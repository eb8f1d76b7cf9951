/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a connection would cost: round trips from those that are known or guessed, and the share of
 * the line from the form of the cell. */
#include "client/client_int.h"

#include <stdio.h>
#include <stdlib.h>

#include "mesh/geo.h"

enum {
	DRAWS = 9,
	UDP_HEADERS_LEN = 28, /* around a cell, over IPv4 */
};

struct estimate {
	uint64_t rtt_ns, direct_ns;
	bool is_measured;
};

uint32_t client_share_ppm(uint64_t bytes, uint64_t cells)
{
	const double line = (double)cells * (CELL_LEN + UDP_HEADERS_LEN);

	return cells > 0 ? (uint32_t)MIN((double)bytes / line * PPM, (double)PPM) : 0;
}

uint32_t client_goodput_ppm(unsigned hops)
{
	return client_share_ppm((uint64_t)INNER_MTU(hops), 1);
}

/* No farther than by way of the entry, whose round trip may be measured where ours to the exit's
 * country can only be guessed. */
static uint64_t direct_ns(const struct path_cost_view *v, const struct descriptor *entry,
			  uint64_t entry_ns, const struct descriptor *exit)
{
	const struct path_hop_cost direct = path_hop_cost(v, NULL, exit);

	if (entry == exit || direct.source == PATH_RTT_MEASURED)
		return direct.rtt_ns;
	return MIN(direct.rtt_ns, entry_ns + geo_rtt_ns(entry->country, exit->country));
}

static bool look_at(const struct client *c, const struct path_cost_view *v,
		    const struct path_route *pr, struct estimate *out)
{
	const struct descriptor *entry = NULL, *before = NULL;
	uint64_t entry_ns = 0;

	*out = (struct estimate){.is_measured = true};
	for (unsigned i = 0; i < pr->hops; i++) {
		const struct descriptor *d = directory_by_id(c->params.dir, pr->hop[i].id);
		struct path_hop_cost hop;

		if (d == NULL)
			return false;
		hop = path_hop_cost(v, before, d);
		out->rtt_ns += hop.rtt_ns;
		out->is_measured &= hop.source == PATH_RTT_MEASURED;
		if (i == 0) {
			entry = d;
			entry_ns = hop.rtt_ns;
		}
		before = d;
	}
	out->direct_ns = direct_ns(v, entry, entry_ns, before);
	return true;
}

static int by_rtt(const void *a, const void *b)
{
	const struct estimate *x = a, *y = b;

	return (x->rtt_ns > y->rtt_ns) - (x->rtt_ns < y->rtt_ns);
}

void client_expect(struct client *c, const struct client_wish *wish, const struct now *now,
		   struct client_cost *out)
{
	struct path_wish w = {
	    .hops = wish->hops, .book = c->params.book, .guards = c->params.guards};
	struct path_cost_view v = {
	    .book = c->params.book, .client_country = "", .wall_s = now->wall_ns / NS_PER_S};
	struct estimate e[DRAWS];
	char why[PATH_WHY_MAX] = "";
	struct path_route pr;
	size_t n = 0;

	*out = (struct client_cost){.goodput_ppm = client_goodput_ppm(wish->hops)};
	if (choice_exit(c, wish->exit, &w, why)) {
		v.client_country = w.client_country;
		for (unsigned i = 0; i < DRAWS; i++)
			if (path_choose(c->chooser, &w, now, c->params.rng, &pr, why) == PATH_OK &&
			    look_at(c, &v, &pr, &e[n]))
				n++;
	}
	if (n == 0) {
		snprintf(out->why, sizeof(out->why), "%s", why);
		return;
	}
	qsort(e, n, sizeof(e[0]), by_rtt);
	out->is_known = true;
	out->is_measured = e[n / 2].is_measured;
	out->rtt_ns = e[n / 2].rtt_ns;
	out->direct_ns = MIN(e[n / 2].direct_ns, out->rtt_ns);
}
