/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mesh/path_cost.h"

#include "mesh/geo.h"

#define LOAD_FREE_PERCENT    50               /* up to it a node costs nothing extra */
#define LOAD_NS              (40 * NS_PER_US) /* by the square of the percents above: 100 ms at most */
#define LOAD_ASSUMED_PERCENT 50
#define YELLOW_NS            (200 * NS_PER_MS)
#define RED_NS               (2 * NS_PER_S)
#define LOST_NS              (5 * NS_PER_US) /* by ppm: 50 ms for each percent */
#define DOWN_NS              500             /* by ppm: 5 ms for each percent */

unsigned path_load(const struct book *book, const struct descriptor *d)
{
	const struct book_node *known = book != NULL ? book_node(book, d->id) : NULL;

	if (known != NULL && known->load_s > d->published_s)
		return known->load_percent;
	return d->load_percent == LOAD_UNKNOWN ? LOAD_ASSUMED_PERCENT : d->load_percent;
}

static uint64_t load_ns(uint64_t load)
{
	const uint64_t above = load > LOAD_FREE_PERCENT ? load - LOAD_FREE_PERCENT : 0;

	return above * above * LOAD_NS;
}

/* What was bad once may be good again: only what is new counts in full. */
static uint64_t health_ns(const struct book_node *n, uint64_t wall_s)
{
	static const uint64_t level_ns[HEALTH_LEVEL_COUNT] = {
	    [HEALTH_YELLOW] = YELLOW_NS,
	    [HEALTH_RED] = RED_NS,
	};
	const uint64_t age_s = wall_s > n->seen_s ? wall_s - n->seen_s : 0;
	const uint64_t bad_ns = level_ns[n->level] + n->lost_ppm * LOST_NS + n->excess_ns;

	return (bad_ns >> MIN(age_s / BOOK_HALF_S, 63)) +
	       (PPM - book_node_uptime_ppm(n)) * (uint64_t)DOWN_NS;
}

static uint64_t link_ns(const struct path_cost_view *v, const struct descriptor *before,
			const struct descriptor *d, enum path_rtt_source *source)
{
	static const uint8_t ourselves[NODE_ID_LEN];
	const uint64_t measured_ns =
	    v->book == NULL
		? 0
		: book_link_rtt_ns(v->book, before != NULL ? before->id : ourselves, d->id);

	*source = measured_ns != 0 ? PATH_RTT_MEASURED : PATH_RTT_GUESSED;
	if (measured_ns != 0)
		return measured_ns;
	return geo_rtt_ns(before != NULL ? before->country : v->client_country, d->country);
}

struct path_hop_cost path_hop_cost(const struct path_cost_view *v, const struct descriptor *before,
				   const struct descriptor *d)
{
	const struct book_node *known = v->book != NULL ? book_node(v->book, d->id) : NULL;
	struct path_hop_cost c = {.load_ns = load_ns(path_load(v->book, d))};

	c.rtt_ns = link_ns(v, before, d, &c.source);
	if (known != NULL)
		c.health_ns = health_ns(known, v->wall_s);
	return c;
}

uint64_t path_hop_cost_sum(const struct path_hop_cost *c)
{
	return c->rtt_ns + c->load_ns + c->health_ns + c->shared_ns + c->place_ns;
}
