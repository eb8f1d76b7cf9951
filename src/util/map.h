/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Hash map from a 64-bit key to a pointer: linear probing, deletion by shifting back (no
 * tombstones), multiply-shift hashing with a random multiplier because peers choose parts of keys.
 */
#ifndef UTIL_MAP_H
#define UTIL_MAP_H

#include "util/bytes.h"
#include "util/rng.h"

struct map_entry {
	uint64_t key;
	void *value; /* NULL: free */
};

struct map {
	struct map_entry *slots;
	uint64_t multiplier;
	size_t count;
	unsigned bits; /* 1 << bits slots */
};

/* map_init(m, expected, rng): room for expected entries before the first growth. */
void map_init(struct map *m, size_t expected, const struct rng *rng);
void map_fini(struct map *m);

void *map_get(const struct map *m, uint64_t key);

/* map_prefetch: a map_get of this key will come soon; spares it the wait for memory. */
void map_prefetch(const struct map *m, uint64_t key);

/* map_put: value is not NULL and key not yet in the map.  Grows (allocates) at three quarters. */
void map_put(struct map *m, uint64_t key, void *value);

/* map_del: the value that was there, or NULL. */
void *map_del(struct map *m, uint64_t key);

#endif
