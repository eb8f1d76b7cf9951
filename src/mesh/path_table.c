/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mesh/path_table.h"

#include "util/xalloc.h"

/* What nodes say of themselves counts up to 10 Gbit/s: a boast must not draw all traffic. */
#define CAPACITY_MAX_KBIT    10000000u
#define LOAD_ASSUMED_PERCENT 50

uint64_t path_weight(const struct descriptor *d)
{
	const unsigned load =
	    d->load_percent == LOAD_UNKNOWN ? LOAD_ASSUMED_PERCENT : d->load_percent;
	const uint64_t free_share = load < 100 ? 100 - load : 1;

	return MIN(d->capacity_kbit, CAPACITY_MAX_KBIT) * free_share;
}

/* 0..COUNTRY_COUNT-1, or COUNTRY_COUNT for what is no country. */
static size_t country_index(const char *c)
{
	if (c[0] < 'A' || c[0] > 'Z' || c[1] < 'A' || c[1] > 'Z')
		return COUNTRY_COUNT;
	return (size_t)(c[0] - 'A') * 26 + (size_t)(c[1] - 'A');
}

static void table_alloc(struct path_table *t, size_t len)
{
	t->nodes = xcalloc(len + 1, sizeof(const struct descriptor *));
	t->sums = xcalloc(len + 1, sizeof(*t->sums));
	t->len = len;
}

static void table_sum(struct path_table *t)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < t->len; i++) {
		sum += path_weight(t->nodes[i]);
		t->sums[i] = sum;
	}
}

static void table_wipe(struct path_table *t)
{
	free(t->nodes);
	free(t->sums);
}

void path_tables_wipe(struct path_tables *t)
{
	table_wipe(&t->entries);
	table_wipe(&t->relays);
	table_wipe(&t->exits);
	*t = (struct path_tables){0};
}

/* How many of each role; country_start becomes where each country's exits begin. */
static void count(struct path_tables *t, const struct directory *dir)
{
	size_t entries = 0, relays = 0, exits = 0;
	const struct descriptor *d;
	uint64_t change = 0;

	while ((d = directory_next(dir, &change)) != NULL) {
		entries += (d->roles & ROLE_ENTRY) != 0;
		relays += (d->roles & ROLE_RELAY) != 0;
		if ((d->roles & ROLE_EXIT) == 0)
			continue;
		t->country_start[country_index(d->country) + 1]++;
		exits++;
	}
	for (size_t i = 0; i < COUNTRY_COUNT; i++)
		t->country_start[i + 1] += t->country_start[i];
	table_alloc(&t->entries, entries);
	table_alloc(&t->relays, relays);
	table_alloc(&t->exits, exits);
}

void path_tables_build(struct path_tables *t, const struct directory *dir)
{
	size_t entries = 0, relays = 0, exits[COUNTRY_COUNT];
	const struct descriptor *d;
	uint64_t change = 0;

	path_tables_wipe(t);
	count(t, dir);
	memcpy(exits, t->country_start, sizeof(exits));
	while ((d = directory_next(dir, &change)) != NULL) {
		if ((d->roles & ROLE_ENTRY) != 0)
			t->entries.nodes[entries++] = d;
		if ((d->roles & ROLE_RELAY) != 0)
			t->relays.nodes[relays++] = d;
		if ((d->roles & ROLE_EXIT) != 0)
			t->exits.nodes[exits[country_index(d->country)]++] = d;
	}
	table_sum(&t->entries);
	table_sum(&t->relays);
	table_sum(&t->exits);
}

struct path_span path_span_all(const struct path_table *table)
{
	return (struct path_span){.table = table, .end = table->len};
}

struct path_span path_span_country(const struct path_tables *t, const char *country)
{
	const size_t i = country_index(country);

	if (i == COUNTRY_COUNT)
		return (struct path_span){.table = &t->exits};
	return (struct path_span){
	    .table = &t->exits,
	    .begin = t->country_start[i],
	    .end = t->country_start[i + 1],
	};
}

const struct descriptor *path_span_draw(const struct path_span *s, const struct rng *rng)
{
	const uint64_t *sums = s->table->sums;
	const uint64_t base = s->begin == 0 ? 0 : sums[s->begin - 1];
	const uint64_t ticket = base + rng_below(rng, sums[s->end - 1] - base);
	size_t low = s->begin, high = s->end - 1;

	while (low < high) { /* the first row whose sum is above the ticket */
		const size_t middle = low + (high - low) / 2;

		if (sums[middle] > ticket)
			high = middle;
		else
			low = middle + 1;
	}
	return s->table->nodes[low];
}
