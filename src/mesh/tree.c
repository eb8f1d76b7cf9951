/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Digests are made when asked for: a change only marks the way from its leaf to the root. */
#include "mesh/tree.h"

#include <sodium.h>

_Static_assert(TREE_DIGEST_LEN >= crypto_generichash_BYTES_MIN, "BLAKE2b");

static unsigned leaf_of(const uint8_t *id)
{
	return (unsigned)get_be16(id) >> (16 - TREE_BITS);
}

static size_t place(struct tree_part p)
{
	return ((size_t)1 << p.level) + p.index;
}

static struct tree_item *item_of(struct list *l)
{
	return container_of(l, struct tree_item, in_leaf);
}

static const uint8_t *id_of(const struct tree *t, const struct tree_item *item)
{
	return (const uint8_t *)item + t->id_off;
}

void tree_init(struct tree *t, ptrdiff_t id_off)
{
	t->id_off = id_off;
	memset(t->nodes, 0, sizeof(t->nodes));
	for (size_t i = 0; i < TREE_LEAVES; i++)
		list_init(&t->leaves[i]);
}

static void mark(struct tree *t, const uint8_t *id, bool is_added)
{
	for (size_t n = TREE_LEAVES + leaf_of(id); n > 0; n /= 2) {
		t->nodes[n].is_stale = true;
		if (is_added)
			t->nodes[n].count++;
		else
			t->nodes[n].count--;
	}
}

void tree_add(struct tree *t, struct tree_item *item)
{
	const uint8_t *id = id_of(t, item);
	struct list *leaf = &t->leaves[leaf_of(id)], *after = leaf->prev;

	/* From the end: what comes in order, as from a cache, is in place at once. */
	while (after != leaf && memcmp(id_of(t, item_of(after)), id, TREE_ID_LEN) > 0)
		after = after->prev;
	list_add_tail(after->next, &item->in_leaf);
	mark(t, id, true);
}

void tree_remove(struct tree *t, struct tree_item *item)
{
	list_del(&item->in_leaf);
	mark(t, id_of(t, item), false);
}

struct tree_item *tree_next(const struct tree *t, struct tree_part part, const uint8_t *after)
{
	const unsigned shift = TREE_BITS - part.level;
	const unsigned end = ((unsigned)part.index + 1) << shift;
	unsigned i = (unsigned)part.index << shift;

	if (after != NULL && leaf_of(after) >= i) {
		i = leaf_of(after);
		if (i >= end)
			return NULL;
		list_for_each (it, &t->leaves[i])
			if (memcmp(id_of(t, item_of(it)), after, TREE_ID_LEN) > 0)
				return item_of(it);
		i++;
	}
	for (; i < end; i++)
		if (!list_is_empty(&t->leaves[i]))
			return item_of(t->leaves[i].next);
	return NULL;
}

struct tree_item *tree_after(const struct tree *t, const struct tree_item *item)
{
	const struct list *leaf;

	if (item == NULL)
		return tree_next(t, (struct tree_part){0}, NULL);
	leaf = &t->leaves[leaf_of(id_of(t, item))];
	if (item->in_leaf.next != leaf)
		return item_of(item->in_leaf.next);
	for (leaf++; leaf < t->leaves + TREE_LEAVES; leaf++)
		if (!list_is_empty(leaf))
			return item_of(leaf->next);
	return NULL;
}

uint32_t tree_count(const struct tree *t, struct tree_part part)
{
	return t->nodes[place(part)].count;
}

static void digest_leaf(struct tree *t, size_t n)
{
	static const char label[] = "leaf";
	crypto_generichash_state state;

	crypto_generichash_init(&state, NULL, 0, TREE_DIGEST_LEN);
	crypto_generichash_update(&state, (const uint8_t *)label, sizeof(label) - 1);
	list_for_each (it, &t->leaves[n - TREE_LEAVES])
		crypto_generichash_update(&state, item_of(it)->hash, TREE_DIGEST_LEN);
	crypto_generichash_final(&state, t->nodes[n].digest, TREE_DIGEST_LEN);
}

static const uint8_t *digest(struct tree *t, size_t n)
{
	struct tree_node *node = &t->nodes[n];
	uint8_t text[4 + 2 * TREE_DIGEST_LEN] = {'n', 'o', 'd', 'e'};

	if (!node->is_stale)
		return node->digest;
	node->is_stale = false;
	if (node->count == 0) {
		memset(node->digest, 0, sizeof(node->digest));
	} else if (n >= TREE_LEAVES) {
		digest_leaf(t, n);
	} else {
		memcpy(text + 4, digest(t, 2 * n), TREE_DIGEST_LEN);
		memcpy(text + 4 + TREE_DIGEST_LEN, digest(t, 2 * n + 1), TREE_DIGEST_LEN);
		tree_hash(node->digest, text, sizeof(text));
	}
	return node->digest;
}

const uint8_t *tree_digest(struct tree *t, struct tree_part part)
{
	return digest(t, place(part));
}

void tree_hash(uint8_t out[static TREE_DIGEST_LEN], const uint8_t *bytes, size_t len)
{
	crypto_generichash(out, TREE_DIGEST_LEN, bytes, len, NULL, 0);
}
