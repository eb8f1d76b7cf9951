/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The rules of a path: who may stand in which place, beside whom; and what the whole costs. */
#include "mesh/path_choice_int.h"

/* For sharing with another live route what one failure would take from both. */
#define SHARED_ENTRY_NS    NS_PER_S
#define SHARED_OPERATOR_NS (50 * NS_PER_MS)
#define SHARED_NETWORK_NS  (50 * NS_PER_MS)

/* Who lies about where it is may lie about more. */
#define REFUTED_NS (300 * NS_PER_MS)

const char *path_refusal_text(enum path_refusal r)
{
	static const char *const texts[REFUSAL_COUNT] = {
#define X(id, text) text,
	    PATH_REFUSALS(X)
#undef X
	};

	return texts[r];
}

static unsigned families(const struct descriptor *d)
{
	unsigned mask = 0;

	for (unsigned i = 0; i < d->addr_count; i++)
		mask |= endpoint_is_v4(&d->addrs[i]) ? PATH_V4 : PATH_V6;
	return mask;
}

/* IPv4 /16 or IPv6 /32. */
static bool is_same_network(const uint8_t a[static 16], const uint8_t b[static 16])
{
	static const uint8_t v4_prefix[12] = {[10] = 0xff, [11] = 0xff};
	const bool is_v4 = memcmp(a, v4_prefix, sizeof(v4_prefix)) == 0;

	return memcmp(a, b, is_v4 ? 14 : 4) == 0;
}

static bool has_addr_in(const struct descriptor *d, const uint8_t ip[static 16])
{
	for (unsigned i = 0; i < d->addr_count; i++)
		if (is_same_network(d->addrs[i].ip, ip))
			return true;
	return false;
}

static bool share_network(const struct descriptor *a, const struct descriptor *b)
{
	for (unsigned i = 0; i < a->addr_count; i++)
		if (has_addr_in(b, a->addrs[i].ip))
			return true;
	return false;
}

static bool share_operator(const struct descriptor *a, const struct descriptor *b)
{
	return memcmp(a->operator_tag, b->operator_tag, OPERATOR_LEN) == 0;
}

static bool is_listed(const uint8_t *ids, size_t n, const struct descriptor *d)
{
	for (size_t i = 0; i < n; i++)
		if (memcmp(ids + i * NODE_ID_LEN, d->id, NODE_ID_LEN) == 0)
			return true;
	return false;
}

/* Relays of a live route are in no place of another; its entry may be the entry again. */
static bool is_on_other_route(const struct path_wish *wish, unsigned place,
			      const struct descriptor *d)
{
	for (size_t i = 0; i < wish->apart_count; i++) {
		const struct route_nodes *other = &wish->apart[i];

		for (unsigned hop = place == 0 ? 1 : 0; hop + 1 < other->hops; hop++)
			if (memcmp(other->id[hop], d->id, NODE_ID_LEN) == 0)
				return true;
	}
	return false;
}

static bool speaks(const struct version_range *v)
{
	return v->min <= PROTOCOL_VERSION && PROTOCOL_VERSION <= v->max;
}

/* Against those already on the path. */
static enum path_refusal judge_company(const struct pick *p, unsigned place,
				       const struct descriptor *d)
{
	const unsigned mask = families(d);

	for (unsigned i = 0; i < p->wish->hops; i++) {
		const struct descriptor *other = p->hop[i];

		if (other == NULL || i == place)
			continue;
		if (memcmp(other->id, d->id, NODE_ID_LEN) == 0)
			return TAKEN;
		if (share_operator(other, d))
			return SAME_OPERATOR;
		if (share_network(other, d))
			return SAME_NETWORK;
		if (!p->may_share_as && places_share_as(p->wish->places, other->id, d->id))
			return SAME_AS;
		if ((i + 1 == place || place + 1 == i) && (families(other) & mask) == 0)
			return FAMILY;
	}
	return FITS;
}

/* Who asks for a country wants no node that is only said to be there. */
static bool wants_place(const struct path_wish *wish)
{
	return wish->exit == PATH_EXIT_COUNTRY || wish->exit == PATH_EXIT_REGION;
}

enum path_refusal path_judge(const struct pick *p, unsigned place, const struct descriptor *d)
{
	const struct path_wish *wish = p->wish;
	const bool is_exit = place == wish->hops - 1;

	if (is_listed(wish->exclude, wish->exclude_count, d) ||
	    is_listed(wish->avoid, wish->avoid_count, d))
		return EXCLUDED;
	if (d->valid_until_s <= p->wall_s)
		return EXPIRED;
	if (descriptor_onion_key(d, p->wall_s) == NULL)
		return NO_KEY;
	if (!speaks(&d->link_versions) || !speaks(&d->circuit_versions) ||
	    (is_exit && !speaks(&d->session_versions)))
		return VERSION;
	if (place == 0 && (d->roles & ROLE_ENTRY) == 0)
		return NOT_ENTRY; /* an exit that a one-hop path calls directly */
	if (is_exit && (d->exit_flags & wish->exit_reach) != wish->exit_reach)
		return REACH;
	if (is_exit && wants_place(wish) && places_is_refuted(wish->places, d->id))
		return REFUTED;
	if (place == 0 && wish->reach != 0 && (families(d) & wish->reach) == 0)
		return FAMILY;
	if (wish->client_ip != NULL && has_addr_in(d, wish->client_ip))
		return CLIENT_NETWORK;
	if (!is_exit && is_on_other_route(wish, place, d))
		return OTHER_ROUTE;
	return judge_company(p, place, d);
}

struct path_span path_span_of(const struct pick *p, unsigned place)
{
	struct path_tables *t = &p->pc->tables;

	if (place != p->wish->hops - 1)
		return place == 0 ? path_span_entries(t) : path_span_relays(t);
	switch (p->wish->exit) {
	case PATH_EXIT_COUNTRY:
		return path_span_country(t, p->wish->exit_country);
	case PATH_EXIT_REGION:
		return path_span_region(t, p->wish->exit_region);
	case PATH_EXIT_ANY:
	case PATH_EXIT_NODE:
		break;
	}
	return path_span_exits(t);
}

/* ---- cost ---- */

static uint64_t shared_ns(const struct pick *p, unsigned place)
{
	const struct descriptor *d = p->hop[place];
	uint64_t sum = 0;

	if (place == p->wish->hops - 1)
		return 0; /* routes of a session meet at its exit */
	for (size_t i = 0; i < p->wish->apart_count; i++) {
		const struct route_nodes *other = &p->wish->apart[i];

		for (unsigned hop = 0; hop + 1 < other->hops; hop++) {
			const struct descriptor *o = directory_by_id(p->pc->dir, other->id[hop]);

			if (o == NULL)
				continue;
			if (o == d)
				sum += SHARED_ENTRY_NS;
			else if (share_operator(o, d))
				sum += SHARED_OPERATOR_NS;
			else if (share_network(o, d))
				sum += SHARED_NETWORK_NS;
		}
	}
	return sum;
}

uint64_t path_pick_cost(const struct pick *p, struct path_hop_cost *hops)
{
	const struct path_cost_view view = {
	    .book = p->wish->book,
	    .client_country = p->wish->client_country,
	    .wall_s = p->wall_s,
	};
	uint64_t sum = 0;

	for (unsigned i = 0; i < p->wish->hops; i++) {
		struct path_hop_cost c =
		    path_hop_cost(&view, i > 0 ? p->hop[i - 1] : NULL, p->hop[i]);

		c.shared_ns = shared_ns(p, i);
		c.place_ns = places_is_refuted(p->wish->places, p->hop[i]->id) ? REFUTED_NS : 0;
		sum += path_hop_cost_sum(&c);
		if (hops != NULL)
			hops[i] = c;
	}
	return sum;
}
