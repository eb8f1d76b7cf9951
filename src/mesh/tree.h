/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A set of items in the order of their ids, with a digest of every part of it.  A binary tree over
 * the leading bits of the id: level 0 is everything, level TREE_BITS has the leaves.  Two sets
 * differ exactly where their digests do, so that finding the differences costs what they are.
 *
 * leaf  = H("leaf", hash of each item in order of ids)     inner = H("node", left, right)
 * H is BLAKE2b of 16 bytes; a part without items has a digest of zeros.
 */
#ifndef MESH_TREE_H
#define MESH_TREE_H

#include <stddef.h>

#include "util/list.h"

enum {
	TREE_BITS = 10,
	TREE_DIGEST_LEN = 16,
	TREE_LEAVES = 1 << TREE_BITS,
	TREE_ID_LEN = 32,
};

/* Part of something that has an id, at the same distance for all items of a tree. */
struct tree_item {
	struct list in_leaf;
	uint8_t hash[TREE_DIGEST_LEN]; /* of the item's content */
};

/* One part of the set: the items whose ids begin with the level bits of index. */
struct tree_part {
	uint8_t level; /* 0..TREE_BITS */
	uint16_t index;
};

struct tree_node {
	uint32_t count;
	bool is_stale; /* its digest is to be made anew */
	uint8_t digest[TREE_DIGEST_LEN];
};

struct tree {
	ptrdiff_t id_off; /* from an item to its id, TREE_ID_LEN bytes */
	struct list leaves[TREE_LEAVES];
	struct tree_node nodes[2 * TREE_LEAVES]; /* as a heap, the root is 1 */
};

void tree_init(struct tree *t, ptrdiff_t id_off);

/* tree_add(t, item): its id is not in the set yet.  tree_remove: item is in the set. */
void tree_add(struct tree *t, struct tree_item *item);
void tree_remove(struct tree *t, struct tree_item *item);

/* tree_next(t, part, after): the first item of the part whose id is above after (NULL: the first of
 * all), or NULL. */
struct tree_item *tree_next(const struct tree *t, struct tree_part part, const uint8_t *after);

/* tree_after(t, item): the one behind it, or the first of all (NULL); NULL at the end. */
struct tree_item *tree_after(const struct tree *t, const struct tree_item *item);

uint32_t tree_count(const struct tree *t, struct tree_part part);

/* tree_digest(t, part): valid until the set changes. */
const uint8_t *tree_digest(struct tree *t, struct tree_part part);

/* tree_hash(out, bytes, len): the hash for an item of this content. */
void tree_hash(uint8_t out[static TREE_DIGEST_LEN], const uint8_t *bytes, size_t len);

static inline bool tree_part_is_valid(struct tree_part p)
{
	return p.level <= TREE_BITS && p.index >> p.level == 0;
}

#endif
