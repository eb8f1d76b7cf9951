/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Path choice.  Places are filled in the order exit, entry, relays; each by weighted draws of which
 * unfit ones are thrown away, then, when fit ones are rare, by one exact draw over all.  A choice
 * that leaves a later place without candidates is taken back.
 */
#include "mesh/path_choice.h"

#include <stdio.h>

#include "mesh/path_table.h"
#include "util/xalloc.h"

enum {
	DRAWS = 64,          /* thrown-away draws before all candidates are looked at */
	TRIES = 16,          /* candidates per place that are taken back before giving up */
	BUDGET_PER_NODE = 6, /* looks at candidates in one choice, so that it ends */
	BUDGET_MIN = 20000,
};

struct path_chooser {
	const struct directory *dir;
	uint64_t version; /* of the directory the tables show */
	bool is_built;
	struct path_tables tables;
};

/* Why a candidate cannot take a place. */
#define REFUSALS(X)                                            \
	X(FITS, "")                                            \
	X(EXCLUDED, "excluded or to be avoided")               \
	X(EXPIRED, "expired")                                  \
	X(NO_KEY, "without a valid onion key")                 \
	X(VERSION, "of another protocol version")              \
	X(NOT_ENTRY, "not also an entry")                      \
	X(REACH, "not reaching the wanted address family")     \
	X(FAMILY, "without a common address family")           \
	X(TAKEN, "already on the path")                        \
	X(SAME_OPERATOR, "of an operator already on the path") \
	X(SAME_NETWORK, "in a network already on the path")    \
	X(CLIENT_NETWORK, "in the client's own network")

enum refusal {
#define X(id, text) id,
	REFUSALS(X)
#undef X
	REFUSAL_COUNT,
};

/* A look at all candidates of a place. */
struct tally {
	size_t candidates;
	size_t refused[REFUSAL_COUNT];
};

struct pick {
	const struct path_chooser *pc;
	const struct path_wish *wish;
	const struct rng *rng;
	uint64_t wall_s;
	size_t budget;
	const struct descriptor *hop[HOPS_MAX]; /* NULL: still free */
	/* A table of one, for a named exit. */
	struct path_table named;
	const struct descriptor *named_node;
	uint64_t named_sum;
	/* The place furthest on that nobody could take, and why. */
	bool has_failed;
	unsigned failed_level;
	struct tally failed;
};

struct path_chooser *path_chooser_create(const struct directory *dir)
{
	struct path_chooser *pc = xcalloc(1, sizeof(*pc));

	pc->dir = dir;
	return pc;
}

void path_chooser_free(struct path_chooser *pc)
{
	if (pc == NULL)
		return;
	path_tables_wipe(&pc->tables);
	free(pc);
}

static void follow(struct path_chooser *pc)
{
	if (pc->is_built && pc->version == directory_version(pc->dir))
		return;
	path_tables_build(&pc->tables, pc->dir);
	pc->version = directory_version(pc->dir);
	pc->is_built = true;
}

const char *path_error_name(enum path_error e)
{
	static const char *const names[PATH_ERROR_COUNT] = {
#define X(id, name) name,
	    PATH_ERRORS(X)
#undef X
	};

	return names[e];
}

/* In which order places are filled: exit, entry, then the relays along the path. */
static unsigned place_of(unsigned level, unsigned hops)
{
	if (level == 0)
		return hops - 1;
	return level - 1;
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

static bool is_listed(const uint8_t *ids, size_t n, const struct descriptor *d)
{
	for (size_t i = 0; i < n; i++)
		if (memcmp(ids + i * NODE_ID_LEN, d->id, NODE_ID_LEN) == 0)
			return true;
	return false;
}

static bool speaks(const struct version_range *v)
{
	return v->min <= PROTOCOL_VERSION && PROTOCOL_VERSION <= v->max;
}

/* Against those already on the path. */
static enum refusal judge_company(const struct pick *p, unsigned place, const struct descriptor *d)
{
	const unsigned mask = families(d);

	for (unsigned i = 0; i < p->wish->hops; i++) {
		const struct descriptor *other = p->hop[i];

		if (other == NULL)
			continue;
		if (memcmp(other->id, d->id, NODE_ID_LEN) == 0)
			return TAKEN;
		if (memcmp(other->operator_tag, d->operator_tag, OPERATOR_LEN) == 0)
			return SAME_OPERATOR;
		if (share_network(other, d))
			return SAME_NETWORK;
		if ((i + 1 == place || place + 1 == i) && (families(other) & mask) == 0)
			return FAMILY;
	}
	return FITS;
}

static enum refusal judge(const struct pick *p, unsigned place, const struct descriptor *d)
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
	if (place == 0 && wish->reach != 0 && (families(d) & wish->reach) == 0)
		return FAMILY;
	if (wish->client_ip != NULL && has_addr_in(d, wish->client_ip))
		return CLIENT_NETWORK;
	return judge_company(p, place, d);
}

static struct path_span candidates(const struct pick *p, unsigned level)
{
	const struct path_tables *t = &p->pc->tables;

	if (level > 0)
		return path_span_all(level == 1 ? &t->entries : &t->relays);
	switch (p->wish->exit) {
	case PATH_EXIT_ANY:
		break;
	case PATH_EXIT_COUNTRY:
		return path_span_country(t, p->wish->exit_country);
	case PATH_EXIT_NODE:
		return path_span_all(&p->named);
	}
	return path_span_all(&t->exits);
}

static bool is_tried(const struct descriptor *const *tried, unsigned n, const struct descriptor *d)
{
	for (unsigned i = 0; i < n; i++)
		if (tried[i] == d)
			return true;
	return false;
}

/* One exact weighted draw among all that fit: each replaces the one kept with its share. */
static const struct descriptor *draw_exact(struct pick *p, unsigned level,
					   const struct path_span *span,
					   const struct descriptor *const *tried, unsigned n)
{
	const unsigned place = place_of(level, p->wish->hops);
	struct tally tally = {.candidates = span->end - span->begin};
	const struct descriptor *kept = NULL;
	uint64_t sum = 0;
	size_t i;

	for (i = span->begin; i < span->end && p->budget > 0; i++, p->budget--) {
		const struct descriptor *d = span->table->nodes[i];
		const enum refusal refusal = judge(p, place, d);

		tally.refused[refusal]++;
		if (refusal != FITS || is_tried(tried, n, d))
			continue;
		sum += path_weight(d);
		if (rng_below(p->rng, sum) < path_weight(d))
			kept = d;
	}
	if (i == span->end && tally.refused[FITS] == 0 &&
	    (!p->has_failed || level > p->failed_level)) {
		p->has_failed = true;
		p->failed_level = level;
		p->failed = tally;
	}
	return kept;
}

static const struct descriptor *draw(struct pick *p, unsigned level,
				     const struct descriptor *const *tried, unsigned n)
{
	const struct path_span span = candidates(p, level);
	const unsigned place = place_of(level, p->wish->hops);

	for (unsigned i = 0; i < DRAWS && span.begin < span.end && p->budget > 0; i++) {
		const struct descriptor *d = path_span_draw(&span, p->rng);

		p->budget--;
		if (judge(p, place, d) == FITS && !is_tried(tried, n, d))
			return d;
	}
	return draw_exact(p, level, &span, tried, n);
}

/* Fill the places from level on; false: impossible with those filled before. */
static bool fill(struct pick *p, unsigned level)
{
	const struct descriptor *tried[TRIES];

	if (level == p->wish->hops)
		return true;
	for (unsigned n = 0; n < TRIES; n++) {
		const unsigned place = place_of(level, p->wish->hops);

		tried[n] = draw(p, level, tried, n);
		if (tried[n] == NULL)
			return false;
		p->hop[place] = tried[n];
		if (fill(p, level + 1))
			return true;
		p->hop[place] = NULL;
	}
	return false;
}

/* The first address of d that a caller with these families can use. */
static const struct endpoint *address_for(const struct descriptor *d, unsigned mask)
{
	for (unsigned i = 0; i < d->addr_count; i++)
		if (((endpoint_is_v4(&d->addrs[i]) ? PATH_V4 : PATH_V6) & mask) != 0)
			return &d->addrs[i];
	return &d->addrs[0];
}

static void describe(const struct pick *p, struct path_route *route)
{
	const unsigned hops = p->wish->hops;
	unsigned mask = p->wish->reach != 0 ? p->wish->reach : PATH_V4 | PATH_V6;

	*route = (struct path_route){.hops = hops};
	for (unsigned i = 0; i < hops; i++) {
		const struct descriptor *d = p->hop[i];
		const struct onion_public *key = descriptor_onion_key(d, p->wall_s);
		struct create_hop *out = &route->hop[i];

		memcpy(out->id, d->id, NODE_ID_LEN);
		memcpy(out->onion_key, key->key, DH_LEN);
		out->onion_key_id = key->id;
		out->addr = *address_for(d, mask);
		mask = families(d);
	}
	memcpy(route->entry_link_key, p->hop[0]->link_key, DH_LEN);
	memcpy(route->exit_session_key, p->hop[hops - 1]->session_key, DH_LEN);
}

/* "no relay left: of 4 relays 3 of an operator already on the path, 1 expired" */
static void explain_tally(const struct tally *t, const char *one, const char *many,
			  char why[static PATH_WHY_MAX])
{
	static const char *const texts[REFUSAL_COUNT] = {
#define X(id, text) text,
	    REFUSALS(X)
#undef X
	};
	size_t done;
	const char *separator = "";

	if (t->candidates == 0) {
		snprintf(why, PATH_WHY_MAX, "no %s: no node has that role", one);
		return;
	}
	done = (size_t)snprintf(why, PATH_WHY_MAX, "no %s left: of %zu %s", one, t->candidates,
				t->candidates == 1 ? one : many);
	for (unsigned i = FITS + 1; i < REFUSAL_COUNT; i++) {
		if (t->refused[i] == 0 || done >= PATH_WHY_MAX)
			continue;
		done += (size_t)snprintf(why + done, PATH_WHY_MAX - done, "%s %zu %s", separator,
					 t->refused[i], texts[i]);
		separator = ",";
	}
}

static enum path_error explain(const struct pick *p, char why[static PATH_WHY_MAX])
{
	if (p->failed_level == 1) {
		explain_tally(&p->failed, "entry", "entries", why);
		return PATH_NO_ENTRY;
	}
	if (p->failed_level > 1) {
		explain_tally(&p->failed, "relay", "relays", why);
		return PATH_NO_RELAY;
	}
	if (p->wish->exit == PATH_EXIT_COUNTRY && p->failed.candidates == 0)
		snprintf(why, PATH_WHY_MAX, "no exit in country %.2s: 0 of %zu exits",
			 p->wish->exit_country, p->pc->tables.exits.len);
	else
		explain_tally(&p->failed, "exit", "exits", why);
	return PATH_NO_EXIT;
}

/* The exit asked for by name, as a table of one. */
static enum path_error name_exit(struct pick *p, char why[static PATH_WHY_MAX])
{
	const struct descriptor *d = directory_by_id(p->pc->dir, p->wish->exit_id);
	char id[SHORT_ID_LEN + 1];

	if (d == NULL) {
		snprintf(why, PATH_WHY_MAX, "no node %s is known", short_id(p->wish->exit_id, id));
		return PATH_UNKNOWN_EXIT;
	}
	if ((d->roles & ROLE_EXIT) == 0) {
		snprintf(why, PATH_WHY_MAX, "node %s is not an exit", short_id(d->id, id));
		return PATH_NO_EXIT;
	}
	p->named_node = d;
	p->named_sum = path_weight(d);
	p->named = (struct path_table){.nodes = &p->named_node, .sums = &p->named_sum, .len = 1};
	return PATH_OK;
}

enum path_error path_choose(struct path_chooser *pc, const struct path_wish *wish,
			    const struct now *now, const struct rng *rng, struct path_route *route,
			    char why[static PATH_WHY_MAX])
{
	const size_t nodes = directory_count(pc->dir);
	struct pick p = {
	    .pc = pc,
	    .wish = wish,
	    .rng = rng,
	    .wall_s = now->wall_ns / NS_PER_S,
	    .budget = BUDGET_MIN + BUDGET_PER_NODE * nodes,
	};
	enum path_error err;

	if (wish->hops < 1 || wish->hops > HOPS_MAX) {
		snprintf(why, PATH_WHY_MAX, "a path has 1 to %d hops, not %u", HOPS_MAX,
			 wish->hops);
		return PATH_BAD_WISH;
	}
	if (nodes == 0) {
		snprintf(why, PATH_WHY_MAX, "no node is known yet");
		return PATH_NO_NODES;
	}
	follow(pc);
	if (wish->exit == PATH_EXIT_NODE) {
		err = name_exit(&p, why);
		if (err != PATH_OK)
			return err;
	}
	if (!fill(&p, 0))
		return explain(&p, why);
	describe(&p, route);
	return PATH_OK;
}
