/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Path choice.  Places are filled in the order exit, entry, relays; each by weighted draws of which
 * unfit ones are thrown away, then, when fit ones are rare, by one exact draw over all.  A choice
 * that leaves a later place without candidates is taken back.  Of several routes found so, the cost
 * decides, by lot.
 */
#include "mesh/path_choice.h"

#include <stdio.h>

#include "mesh/path_choice_int.h"
#include "util/xalloc.h"

enum {
	DRAWS = 64,          /* thrown-away draws before all candidates are looked at */
	SECOND_DRAWS = 4,    /* to find another to compare the load with */
	TRIES = 16,          /* candidates per place that are taken back before giving up */
	ROUTES = 12,         /* drawn, of which one is taken */
	GOOD_MIN = 4,        /* of them always have a chance */
	BUDGET_PER_NODE = 6, /* looks at candidates in one choice, so that it ends */
	BUDGET_MIN = 20000,
	BUDGET_FURTHER = 4000, /* for all routes but the first */
};

#define GOOD_PERCENT 130 /* of the lowest cost */
#define GOOD_NS      (10 * NS_PER_MS)

/* A route that was drawn. */
struct found {
	const struct descriptor *hop[HOPS_MAX];
	uint64_t cost_ns;
};

struct path_chooser *path_chooser_create(const struct directory *dir)
{
	struct path_chooser *pc = xcalloc(1, sizeof(*pc));

	pc->dir = dir;
	path_tables_init(&pc->tables, &rng_system);
	return pc;
}

void path_chooser_free(struct path_chooser *pc)
{
	if (pc == NULL)
		return;
	path_tables_wipe(&pc->tables);
	free(pc);
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

/* ---- drawing one node ---- */

static bool is_tried(const struct descriptor *const *tried, unsigned n, const struct descriptor *d)
{
	for (unsigned i = 0; i < n; i++)
		if (tried[i] == d)
			return true;
	return false;
}

/* A place's row of candidates that were turned down, or one that was not. */
struct look {
	struct pick *p;
	unsigned place;
	const struct descriptor *const *tried;
	unsigned tried_count;
	struct tally tally;
	bool is_whole; /* all candidates were looked at */
};

static bool fits(struct look *l, const struct descriptor *d)
{
	const enum path_refusal refusal = path_judge(l->p, l->place, d);

	l->p->has_shared_as |= refusal == SAME_AS;
	l->tally.candidates++;
	l->tally.refused[refusal]++;
	return refusal == FITS && !is_tried(l->tried, l->tried_count, d);
}

static enum path_role role_at(const struct look *l)
{
	if (l->place == l->p->wish->hops - 1)
		return PATH_AS_EXIT;
	return l->place == 0 ? PATH_AS_ENTRY : PATH_AS_RELAY;
}

static uint64_t share_of(const struct look *l, const struct descriptor *d)
{
	return l->p->shares.of[role_at(l)][d->roles & ROLE_ALL];
}

/* What a node counts in an exact draw. */
static uint64_t ticket_of(const struct look *l, const struct descriptor *d)
{
	if (role_at(l) == PATH_AS_EXIT && l->p->wish->is_even)
		return 1;
	return path_weight(d) * share_of(l, d);
}

/* One exact draw among all that fit: each replaces the one kept with its share. */
static const struct descriptor *draw_exact(struct look *l, const struct path_span *span)
{
	const struct descriptor *kept = NULL, *d;
	uint64_t sum = 0;
	struct path_cursor at = {0};

	if (l->p->budget < span->len) /* a part of them would be no fair draw */
		return NULL;
	l->p->budget -= span->len;
	l->tally = (struct tally){0};
	l->is_whole = true;
	while ((d = path_span_next(span, l->p->pc->dir, &at)) != NULL) {
		if (!fits(l, d))
			continue;
		sum += ticket_of(l, d);
		if (rng_below(l->p->rng, sum) < ticket_of(l, d))
			kept = d;
	}
	return kept;
}

/* Those who should rather take other places are here no more than their share. */
static bool is_its_turn(const struct look *l, const struct descriptor *d)
{
	return share_of(l, d) == PATH_SHARE_ALL ||
	       rng_below(l->p->rng, PATH_SHARE_ALL) < share_of(l, d);
}

static unsigned load_of(const struct look *l, const struct descriptor *d)
{
	return path_load(l->p->wish->book, d);
}

/* Of two by weight the less loaded: what nodes tell of their load is old when it is read, and
 * whoever always took the least loaded would make a herd. */
static const struct descriptor *draw_two(struct look *l, const struct path_span *span)
{
	const struct descriptor *first = NULL;
	unsigned seconds = 0;

	for (unsigned i = 0; i < DRAWS && seconds < SECOND_DRAWS && l->p->budget > 0; i++) {
		const struct descriptor *d = path_span_draw(span, l->p->pc->dir, l->p->rng);

		l->p->budget--;
		if (d == NULL || !is_its_turn(l, d))
			continue;
		seconds += first != NULL;
		if (!fits(l, d))
			continue;
		if (first != NULL) /* even the fullest wins against itself */
			return load_of(l, d) < load_of(l, first) ? d : first;
		first = d;
	}
	return first;
}

/* The first that fits of those drawn without weights: all that fit alike. */
static const struct descriptor *draw_even(struct look *l, const struct path_span *span)
{
	for (unsigned i = 0; i < DRAWS && l->p->budget > 0; i++) {
		const struct descriptor *d = path_span_draw_even(span, l->p->pc->dir, l->p->rng);

		l->p->budget--;
		if (d != NULL && fits(l, d))
			return d;
	}
	return NULL;
}

static const struct descriptor *draw_named(struct look *l)
{
	const struct descriptor *d = l->p->named_exit;

	l->is_whole = true;
	return fits(l, d) ? d : NULL;
}

/* A guard, each alike; NULL: none fits, or the set wants another. */
static const struct descriptor *draw_guard(struct look *l)
{
	const struct guard_set *set = l->p->wish->guards;
	const struct descriptor *kept = NULL;
	unsigned n = 0;

	if (l->tried_count == 0 && guard_wants_more(set, false, l->p->now))
		return NULL;
	l->is_whole = true;
	for (unsigned i = 0; i < set->count; i++) {
		const struct descriptor *d = directory_by_id(l->p->pc->dir, set->guard[i].id);

		if (d != NULL && fits(l, d) && rng_below(l->p->rng, ++n) == 0)
			kept = d;
	}
	return kept;
}

static const struct descriptor *draw_span(struct look *l)
{
	const struct path_span span = path_span_of(l->p, l->place);
	const bool is_even = l->place == l->p->wish->hops - 1 && l->p->wish->is_even;
	const struct descriptor *d = is_even ? draw_even(l, &span) : draw_two(l, &span);

	return d != NULL ? d : draw_exact(l, &span);
}

/* From the guards; or a new one if they are too few, or all unfit. */
static const struct descriptor *draw_entry(struct look *l)
{
	struct guard_set *set = l->p->wish->guards;
	const struct descriptor *d = draw_guard(l);

	if (d != NULL || !guard_wants_more(set, l->tally.refused[FITS] == 0, l->p->now))
		return d;
	return draw_span(l);
}

static const struct descriptor *draw(struct pick *p, unsigned level,
				     const struct descriptor *const *tried, unsigned n)
{
	struct look l = {
	    .p = p, .place = place_of(level, p->wish->hops), .tried = tried, .tried_count = n};
	const struct descriptor *d;

	if (level == 0 && p->named_exit != NULL)
		d = draw_named(&l);
	else if (level > 0 && l.place == 0 && p->wish->guards != NULL)
		d = draw_entry(&l);
	else
		d = draw_span(&l);
	if (d == NULL && l.tally.refused[FITS] == 0 &&
	    (!p->has_failed || level > p->failed_level)) {
		p->has_failed = true;
		p->failed_level = level;
		p->failed = l.tally;
	}
	return d;
}

/* ---- one route, and several ---- */

/* Fill the places from level on; false: impossible with those filled before. */
static bool fill(struct pick *p, unsigned level)
{
	const struct descriptor *tried[TRIES];

	if (level >= MIN(p->wish->hops, HOPS_MAX))
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

/* In order of cost. */
static void keep(struct found *found, unsigned n, const struct pick *p)
{
	const uint64_t cost_ns = path_pick_cost(p, NULL);
	unsigned at = n;

	for (; at > 0 && found[at - 1].cost_ns > cost_ns; at--)
		found[at] = found[at - 1];
	memcpy(found[at].hop, p->hop, sizeof(p->hop));
	found[at].cost_ns = cost_ns;
}

/* By lot: chances fall with the square of the cost. */
static const struct found *choose_good(const struct found *found, unsigned n, const struct rng *rng)
{
	const uint64_t best_ns = MAX(found[0].cost_ns, 1),
		       good_ns = best_ns * GOOD_PERCENT / 100 + GOOD_NS;
	const struct found *chosen = &found[0];
	uint64_t sum = 0;

	for (unsigned i = 0; i < n && (i < GOOD_MIN || found[i].cost_ns <= good_ns); i++) {
		const uint64_t share =
		    MAX(1, (best_ns << 10) / MAX(MIN(found[i].cost_ns, UINT64_MAX / 2), 1));

		sum += share * share;
		if (rng_below(rng, sum) < share * share)
			chosen = &found[i];
	}
	return chosen;
}

/* The first address of d that a caller with these families can use. */
static const struct endpoint *address_for(const struct descriptor *d, unsigned mask,
					  unsigned *families)
{
	const struct endpoint *usable = NULL;

	*families = 0;
	for (unsigned i = 0; i < d->addr_count; i++) {
		const unsigned family = endpoint_is_v4(&d->addrs[i]) ? PATH_V4 : PATH_V6;

		*families |= family;
		if (usable == NULL && (family & mask) != 0)
			usable = &d->addrs[i];
	}
	return usable != NULL ? usable : &d->addrs[0];
}

static void describe(const struct pick *p, const struct found *found, struct path_route *route)
{
	const unsigned hops = MIN(p->wish->hops, HOPS_MAX);
	unsigned mask = p->wish->reach != 0 ? p->wish->reach : PATH_V4 | PATH_V6;

	*route = (struct path_route){.hops = hops, .cost_ns = found->cost_ns};
	for (unsigned i = 0; i < hops; i++) {
		const struct descriptor *d = found->hop[i];
		const struct onion_public *key = descriptor_onion_key(d, p->wall_s);
		struct create_hop *out = &route->hop[i];

		memcpy(out->id, d->id, NODE_ID_LEN);
		memcpy(out->onion_key, key->key, DH_LEN);
		out->onion_key_id = key->id;
		out->addr = *address_for(d, mask, &mask);
	}
	memcpy(route->entry_link_key, found->hop[0]->link_key, DH_LEN);
	memcpy(route->exit_session_key, found->hop[hops - 1]->session_key, DH_LEN);
}

/* ---- why not ---- */

/* "no relay left: of 4 relays 3 of an operator already on the path, 1 expired" */
static void explain_tally(const struct tally *t, const char *one, const char *many,
			  char why[static PATH_WHY_MAX])
{
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
					 t->refused[i], path_refusal_text(i));
		separator = ",";
	}
}

static enum path_error explain_failure(const struct pick *p, char why[static PATH_WHY_MAX])
{
	if (!p->has_failed) { /* no place was hopeless, but together */
		snprintf(why, PATH_WHY_MAX, "no route: too few combinations of nodes fit");
		return PATH_NO_RELAY;
	}
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
			 p->wish->exit_country, path_span_exits(&p->pc->tables).len);
	else if (p->wish->exit == PATH_EXIT_REGION && p->failed.candidates == 0)
		snprintf(why, PATH_WHY_MAX, "no exit in %s: 0 of %zu exits",
			 region_name(p->wish->exit_region), path_span_exits(&p->pc->tables).len);
	else
		explain_tally(&p->failed, "exit", "exits", why);
	return PATH_NO_EXIT;
}

/* ---- the door ---- */

static enum path_error name_exit(struct pick *p, char why[static PATH_WHY_MAX])
{
	const struct descriptor *d = directory_by_id(p->pc->dir, p->wish->exit_id);
	char id[SHORT_ID_LEN + 1];

	if (d == NULL) {
		snprintf(why, PATH_WHY_MAX, "no node %s is known", short_id(p->wish->exit_id, id));
		return PATH_UNKNOWN_EXIT;
	}
	if ((d->roles & ROLE_EXIT) == 0 && !p->wish->is_only_asked) {
		snprintf(why, PATH_WHY_MAX, "node %s is not an exit", short_id(d->id, id));
		return PATH_NO_EXIT;
	}
	p->named_exit = d;
	return PATH_OK;
}

/* Several routes, in order of cost; how many. */
static unsigned find_routes(struct pick *p, struct found found[static ROUTES])
{
	unsigned n = 0;

	for (; n < ROUTES && fill(p, 0); n++) {
		keep(found, n, p);
		if (n == 0)
			p->budget = BUDGET_FURTHER;
		if (p->wish->is_even) /* the cheaper exits must not win */
			p->named_exit = p->hop[p->wish->hops - 1];
		memset(p->hop, 0, sizeof(p->hop));
	}
	return n;
}

static enum path_error check_wish(const struct path_wish *wish, size_t nodes,
				  char why[static PATH_WHY_MAX])
{
	if (wish->hops < 1 || wish->hops > HOPS_MAX) {
		snprintf(why, PATH_WHY_MAX, "a path has 1 to %d hops, not %u", HOPS_MAX,
			 wish->hops);
		return PATH_BAD_WISH;
	}
	if (nodes == 0) {
		snprintf(why, PATH_WHY_MAX, "no node is known yet");
		return PATH_NO_NODES;
	}
	return PATH_OK;
}

enum path_error path_choose(struct path_chooser *pc, const struct path_wish *wish,
			    const struct now *now, const struct rng *rng, struct path_route *route,
			    char why[static PATH_WHY_MAX])
{
	const size_t nodes = directory_count(pc->dir);
	struct found found[ROUTES];
	const struct found *chosen;
	enum path_error err = check_wish(wish, nodes, why);
	unsigned n;
	struct pick p = {
	    .pc = pc,
	    .wish = wish,
	    .rng = rng,
	    .now = now,
	    .wall_s = now->wall_ns / NS_PER_S,
	    .budget = BUDGET_MIN + BUDGET_PER_NODE * nodes,
	};

	if (err != PATH_OK)
		return err;
	path_tables_follow(&pc->tables, pc->dir);
	p.shares = path_shares(pc->tables.capacity, wish->hops);
	if (wish->exit == PATH_EXIT_NODE) {
		err = name_exit(&p, why);
		if (err != PATH_OK)
			return err;
	}
	n = find_routes(&p, found);
	if (n == 0 && p.has_shared_as) { /* there is none without */
		p.may_share_as = true;
		p.has_failed = false;
		p.budget = BUDGET_MIN + BUDGET_PER_NODE * nodes;
		n = find_routes(&p, found);
	}
	if (n == 0)
		return explain_failure(&p, why);
	chosen = choose_good(found, n, rng);
	describe(&p, chosen, route);
	if (wish->guards != NULL && wish->hops > 1 &&
	    guard_find(wish->guards, chosen->hop[0]->id) == NULL)
		guard_add(wish->guards, chosen->hop[0]->id, now);
	return PATH_OK;
}

uint64_t path_cost_of(struct path_chooser *pc, const struct path_wish *wish,
		      const struct route_nodes *nodes, const struct now *now)
{
	const struct path_wish its = {
	    .hops = MIN(nodes->hops, HOPS_MAX),
	    .book = wish->book,
	    .client_country = {wish->client_country[0], wish->client_country[1]},
	    .apart = wish->apart,
	    .apart_count = wish->apart_count,
	};
	struct pick p = {.pc = pc, .wish = &its, .now = now, .wall_s = now->wall_ns / NS_PER_S};

	for (unsigned i = 0; i < its.hops; i++) {
		p.hop[i] = directory_by_id(pc->dir, nodes->id[i]);
		if (p.hop[i] == NULL)
			return UINT64_MAX;
	}
	return path_pick_cost(&p, NULL);
}
