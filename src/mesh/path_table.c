/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mesh/path_table.h"

#include "util/xalloc.h"

/* What nodes say of themselves counts up to 10 Gbit/s: a boast must not draw all traffic. */
#define CAPACITY_MAX_KBIT 10000000u
#define ROWS_SPARE        1024 /* rows of nodes long gone, before all are made anew */

uint64_t path_weight(const struct descriptor *d)
{
	return MIN(d->capacity_kbit, CAPACITY_MAX_KBIT);
}

/* 0..PATH_COUNTRIES-1, or PATH_COUNTRIES for what is no country. */
static size_t country_index(const char *c)
{
	if (c[0] < 'A' || c[0] > 'Z' || c[1] < 'A' || c[1] > 'Z')
		return PATH_COUNTRIES;
	return (size_t)(c[0] - 'A') * 26 + (size_t)(c[1] - 'A');
}

/* ---- groups; place p is number p + 1 of the tree ---- */

static size_t low_bit(size_t n)
{
	return n & (~n + 1);
}

static uint64_t group_below(const struct path_group *g, size_t place)
{
	uint64_t sum = 0;

	for (size_t n = place; n > 0; n -= low_bit(n))
		sum += g->tree[n - 1];
	return sum;
}

static void group_change(struct path_group *g, size_t place, uint64_t from, uint64_t to)
{
	for (size_t n = place + 1; n <= g->len; n += low_bit(n))
		g->tree[n - 1] += to - from;
	g->sum += to - from;
}

static uint32_t group_append(struct path_group *g, uint32_t row, uint64_t weight)
{
	const size_t n = g->len + 1;

	if (g->len == g->room) {
		g->room = MAX(16, 2 * g->room);
		g->rows = xrealloc(g->rows, g->room, sizeof(*g->rows));
		g->tree = xrealloc(g->tree, g->room, sizeof(*g->tree));
	}
	g->rows[g->len] = row;
	g->tree[g->len] = group_below(g, n - 1) - group_below(g, n - low_bit(n)) + weight;
	g->len = n;
	g->sum += weight;
	return (uint32_t)(n - 1);
}

/* The first place with more than ticket below its end. */
static size_t group_find(const struct path_group *g, uint64_t ticket)
{
	size_t place = 0, step = 1;

	while (2 * step <= g->len)
		step *= 2;
	for (; step > 0; step /= 2)
		if (place + step <= g->len && g->tree[place + step - 1] <= ticket) {
			place += step;
			ticket -= g->tree[place - 1];
		}
	return place;
}

static void group_wipe(struct path_group *g)
{
	free(g->rows);
	free(g->tree);
	*g = (struct path_group){0};
}

/* ---- rows ---- */

void path_tables_init(struct path_tables *t, const struct rng *rng)
{
	*t = (struct path_tables){0};
	map_init(&t->by_id, 64, rng);
	for (size_t i = 0; i < PATH_COUNTRIES; i++)
		t->regions[i] =
		    (uint8_t)region_of((char[3]){(char)('A' + i / 26), (char)('A' + i % 26), '\0'});
}

static void forget_rows(struct path_tables *t)
{
	group_wipe(&t->entries);
	group_wipe(&t->relays);
	for (size_t i = 0; i < PATH_COUNTRIES; i++)
		group_wipe(&t->exits[i]);
	for (size_t i = 0; i < t->len; i++)
		map_del(&t->by_id, get_le64(t->rows[i].id));
	memset(t->capacity, 0, sizeof(t->capacity));
	t->len = 0;
	t->change = 0;
}

void path_tables_wipe(struct path_tables *t)
{
	forget_rows(t);
	free(t->rows);
	map_fini(&t->by_id);
}

/* Rows are numbered from 1 in the map, where NULL is none. */
static size_t row_of(struct path_tables *t, const uint8_t id[static NODE_ID_LEN])
{
	const size_t found = (size_t)(uintptr_t)map_get(&t->by_id, get_le64(id));

	if (found != 0)
		return found - 1;
	if (t->len == t->room) {
		t->room = MAX(64, 2 * t->room);
		t->rows = xrealloc(t->rows, t->room, sizeof(*t->rows));
	}
	t->rows[t->len] = (struct path_row){0};
	memcpy(t->rows[t->len].id, id, NODE_ID_LEN);
	map_put(&t->by_id, get_le64(id), (void *)(uintptr_t)(t->len + 1));
	return t->len++;
}

static void set_weight(struct path_tables *t, size_t row, enum path_role role,
		       struct path_group *group, uint64_t weight)
{
	struct path_row *r = &t->rows[row];

	if (r->group[role] != NULL && r->group[role] != group) { /* an exit that has moved abroad */
		group_change(r->group[role], r->place[role], r->weight[role], 0);
		r->group[role] = NULL;
		r->weight[role] = 0;
	}
	if (r->group[role] != NULL) {
		group_change(group, r->place[role], r->weight[role], weight);
	} else if (weight > 0) {
		r->place[role] = group_append(group, (uint32_t)row, weight);
		r->group[role] = group;
	}
	r->weight[role] = weight;
}

static void set_capacity(struct path_tables *t, size_t row, uint8_t roles, uint64_t weight)
{
	struct path_row *r = &t->rows[row];

	t->capacity[r->roles & ROLE_ALL] -= r->capacity;
	t->capacity[roles & ROLE_ALL] += weight;
	r->capacity = weight;
	r->roles = roles;
}

static void take_in(struct path_tables *t, const struct directory *dir, const struct descriptor *d)
{
	const size_t row = row_of(t, d->id), country = country_index(d->country);
	const uint64_t weight = directory_in_view(dir, d) ? path_weight(d) : 0;

	/* Two ids with the same beginning: nobody can make one to match another's in our time. */
	if (memcmp(t->rows[row].id, d->id, NODE_ID_LEN) != 0)
		return;
	set_capacity(t, row, d->roles, weight);
	set_weight(t, row, PATH_AS_ENTRY, &t->entries, (d->roles & ROLE_ENTRY) != 0 ? weight : 0);
	set_weight(t, row, PATH_AS_RELAY, &t->relays, (d->roles & ROLE_RELAY) != 0 ? weight : 0);
	if (country < PATH_COUNTRIES)
		set_weight(t, row, PATH_AS_EXIT, &t->exits[country],
			   (d->roles & ROLE_EXIT) != 0 ? weight : 0);
}

/* Gone from the directory; its next descriptor brings it back. */
static void take_out(struct path_tables *t, size_t row)
{
	struct path_row *r = &t->rows[row];

	for (unsigned role = 0; role < PATH_ROLE_COUNT; role++) {
		if (r->group[role] != NULL)
			group_change(r->group[role], r->place[role], r->weight[role], 0);
		r->weight[role] = 0;
	}
	set_capacity(t, row, 0, 0);
}

void path_tables_follow(struct path_tables *t, const struct directory *dir)
{
	if (t->len > 2 * directory_count(dir) + ROWS_SPARE || t->view_s != directory_view(dir))
		forget_rows(t);
	t->view_s = directory_view(dir);
	for (const struct descriptor *d = directory_since(dir, t->change); d != NULL;
	     d = directory_later(dir, d))
		take_in(t, dir, d);
	t->change = directory_last_change(dir);
}

/* ---- drawing ---- */

struct path_span path_span_entries(struct path_tables *t)
{
	return (struct path_span){.tables = t, .group = &t->entries, .len = t->entries.len};
}

struct path_span path_span_relays(struct path_tables *t)
{
	return (struct path_span){.tables = t, .group = &t->relays, .len = t->relays.len};
}

/* Whether the exits of a country belong to a span over several. */
static bool has_country(const struct path_span *s, size_t country)
{
	return s->region == REGION_COUNT || s->tables->regions[country] == s->region;
}

struct path_span path_span_region(struct path_tables *t, enum region region)
{
	struct path_span s = {.tables = t, .region = region};

	for (size_t i = 0; i < PATH_COUNTRIES; i++)
		s.len += has_country(&s, i) ? t->exits[i].len : 0;
	return s;
}

struct path_span path_span_exits(struct path_tables *t)
{
	return path_span_region(t, REGION_COUNT);
}

struct path_span path_span_country(struct path_tables *t, const char *country)
{
	const size_t i = country_index(country);

	if (i == PATH_COUNTRIES)
		return (struct path_span){.tables = t, .group = &t->exits[0]};
	return (struct path_span){.tables = t, .group = &t->exits[i], .len = t->exits[i].len};
}

static struct path_group *draw_country(const struct path_span *s, const struct rng *rng)
{
	struct path_tables *t = s->tables;
	uint64_t sum = 0, ticket;

	for (size_t i = 0; i < PATH_COUNTRIES; i++)
		sum += has_country(s, i) ? t->exits[i].sum : 0;
	if (sum == 0)
		return NULL;
	ticket = rng_below(rng, sum);
	for (size_t i = 0; i < PATH_COUNTRIES; i++) {
		if (!has_country(s, i))
			continue;
		if (ticket < t->exits[i].sum)
			return &t->exits[i];
		ticket -= t->exits[i].sum;
	}
	return NULL;
}

const struct descriptor *path_span_draw(const struct path_span *s, const struct directory *dir,
					const struct rng *rng)
{
	struct path_tables *t = s->tables;
	struct path_group *g = s->group != NULL ? s->group : draw_country(s, rng);
	const struct descriptor *d;
	size_t row;

	if (g == NULL || g->sum == 0)
		return NULL;
	row = g->rows[group_find(g, rng_below(rng, g->sum))];
	d = directory_by_id(dir, t->rows[row].id);
	if (d == NULL)
		take_out(t, row);
	return d;
}

static const struct path_group *group_at(const struct path_span *s, struct path_cursor *at)
{
	if (s->group != NULL)
		return at->place < s->group->len ? s->group : NULL;
	for (; at->country < PATH_COUNTRIES; at->country++, at->place = 0)
		if (has_country(s, at->country) && at->place < s->tables->exits[at->country].len)
			return &s->tables->exits[at->country];
	return NULL;
}

/* A row may have left its place for another group. */
static bool stands_at(const struct path_row *r, const struct path_group *g, size_t place)
{
	for (unsigned role = 0; role < PATH_ROLE_COUNT; role++)
		if (r->group[role] == g && r->place[role] == place)
			return r->weight[role] > 0;
	return false;
}

const struct descriptor *path_span_draw_even(const struct path_span *s, const struct directory *dir,
					     const struct rng *rng)
{
	size_t place = s->len > 0 ? (size_t)rng_below(rng, s->len) : 0, country = 0;
	const struct path_group *g = s->group;
	const struct path_row *r;

	for (; g == NULL && country < PATH_COUNTRIES; country++) {
		const struct path_group *one = &s->tables->exits[country];

		if (!has_country(s, country))
			continue;
		if (place < one->len)
			g = one;
		else
			place -= one->len;
	}
	if (g == NULL || place >= g->len)
		return NULL;
	r = &s->tables->rows[g->rows[place]];
	return stands_at(r, g, place) ? directory_by_id(dir, r->id) : NULL;
}

const struct descriptor *path_span_next(const struct path_span *s, const struct directory *dir,
					struct path_cursor *at)
{
	const struct path_group *g;

	while ((g = group_at(s, at)) != NULL) {
		const size_t place = at->place++;
		const struct path_row *r = &s->tables->rows[g->rows[place]];
		const struct descriptor *d =
		    stands_at(r, g, place) ? directory_by_id(dir, r->id) : NULL;

		if (d != NULL)
			return d;
	}
	return NULL;
}
