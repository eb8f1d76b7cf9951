/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "util/map.h"

#include "util/xalloc.h"

#include <assert.h>

static size_t slot_of(const struct map *m, uint64_t key)
{
	return (size_t)((key * m->multiplier) >> (64 - m->bits));
}

void map_init(struct map *m, size_t expected, const struct rng *rng)
{
	*m = (struct map){.multiplier = rng_u64(rng) | 1, .bits = 4};
	while (((size_t)1 << m->bits) * 3 / 4 < expected)
		m->bits++;
	m->slots = xcalloc_huge((size_t)1 << m->bits, sizeof(*m->slots));
}

void map_fini(struct map *m)
{
	free(m->slots);
	*m = (struct map){0};
}

/* The slot with key, or the free slot where it would go. */
static struct map_entry *find(const struct map *m, uint64_t key)
{
	const size_t mask = ((size_t)1 << m->bits) - 1;
	size_t i = slot_of(m, key);

	while (m->slots[i].value != NULL && m->slots[i].key != key)
		i = (i + 1) & mask;
	return &m->slots[i];
}

void *map_get(const struct map *m, uint64_t key)
{
	return find(m, key)->value;
}

void map_prefetch(const struct map *m, uint64_t key)
{
	__builtin_prefetch(&m->slots[slot_of(m, key)]);
}

static void grow(struct map *m)
{
	struct map_entry *old = m->slots;
	const size_t old_len = (size_t)1 << m->bits;

	m->bits++;
	m->slots = xcalloc_huge((size_t)1 << m->bits, sizeof(*m->slots));
	for (size_t i = 0; i < old_len; i++)
		if (old[i].value != NULL)
			*find(m, old[i].key) = old[i];
	free(old);
}

void map_put(struct map *m, uint64_t key, void *value)
{
	struct map_entry *e;

	if ((m->count + 1) * 4 > ((size_t)3 << m->bits))
		grow(m);
	e = find(m, key);
	assert(value != NULL && e->value == NULL);
	*e = (struct map_entry){.key = key, .value = value};
	m->count++;
}

void *map_del(struct map *m, uint64_t key)
{
	const size_t mask = ((size_t)1 << m->bits) - 1;
	struct map_entry *e = find(m, key);
	void *value = e->value;
	size_t hole = (size_t)(e - m->slots);

	if (value == NULL)
		return NULL;
	m->count--;
	/* Pull back every follower that may not stay behind the hole. */
	for (size_t i = (hole + 1) & mask; m->slots[i].value != NULL; i = (i + 1) & mask) {
		const size_t home = slot_of(m, m->slots[i].key);

		if (((i - home) & mask) >= ((i - hole) & mask)) {
			m->slots[hole] = m->slots[i];
			hole = i;
		}
	}
	m->slots[hole].value = NULL;
	return value;
}
