/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mesh/tree.h"

#include "tests/lib/test.h"
#include "util/rng.h"

enum {
	ITEMS = 3000,
};

static struct thing {
	struct tree_item item;
	uint8_t id[TREE_ID_LEN];
} things[ITEMS];

#define ID_OFF ((ptrdiff_t)offsetof(struct thing, id) - (ptrdiff_t)offsetof(struct thing, item))

static struct tree tree, other;

static const uint8_t *id_of(const struct tree_item *item)
{
	return (const uint8_t *)item + ID_OFF;
}

static void make(uint64_t seed)
{
	struct rng rng = rng_seeded(seed);

	for (unsigned i = 0; i < ITEMS; i++) {
		rng_fill(&rng, things[i].id, TREE_ID_LEN);
		tree_hash(things[i].item.hash, things[i].id, TREE_ID_LEN);
	}
	rng_seeded_free(&rng);
	tree_init(&tree, ID_OFF);
	tree_init(&other, ID_OFF);
}

static const struct tree_part root = {0};

static void copy_root(uint8_t out[static TREE_DIGEST_LEN])
{
	memcpy(out, tree_digest(&tree, root), TREE_DIGEST_LEN);
}

/* The digest is of the set, not of its history. */
static void test_order_does_not_matter(void)
{
	static struct thing again[ITEMS];
	uint8_t forth[TREE_DIGEST_LEN];

	make(1);
	for (unsigned i = 0; i < ITEMS; i++)
		tree_add(&tree, &things[i].item);
	copy_root(forth);
	for (unsigned i = ITEMS; i-- > 0;) {
		again[i] = things[i];
		tree_add(&other, &again[i].item);
		tree_digest(&other, root);
	}
	CHECK_MEM(tree_digest(&other, root), forth, TREE_DIGEST_LEN);
	CHECK_INT(tree_count(&tree, root), ITEMS);
	for (unsigned i = 0; i < ITEMS; i += 2)
		tree_remove(&tree, &things[i].item);
	CHECK(memcmp(tree_digest(&tree, root), forth, TREE_DIGEST_LEN) != 0);
	for (unsigned i = 0; i < ITEMS; i += 2)
		tree_add(&tree, &things[i].item);
	CHECK_MEM(tree_digest(&tree, root), forth, TREE_DIGEST_LEN);
}

/* Each change of an item's content shows in its part at every level, and nowhere else. */
static void test_parts(void)
{
	make(2);
	for (unsigned i = 0; i < ITEMS; i++)
		tree_add(&tree, &things[i].item);
	for (uint8_t level = 0; level <= TREE_BITS; level++) {
		static uint8_t before[TREE_LEAVES][TREE_DIGEST_LEN];
		struct thing *t = &things[level * 7];
		unsigned changed = 0, count = 0;

		for (uint16_t i = 0; i < 1u << level; i++)
			memcpy(before[i], tree_digest(&tree, (struct tree_part){level, i}),
			       TREE_DIGEST_LEN);
		tree_remove(&tree, &t->item);
		t->item.hash[3] ^= 1;
		tree_add(&tree, &t->item);
		for (uint16_t i = 0; i < 1u << level; i++) {
			const struct tree_part part = {level, i};
			const bool is_there = get_be16(t->id) >> (16 - level) == i || level == 0;

			CHECK((memcmp(before[i], tree_digest(&tree, part), TREE_DIGEST_LEN) != 0) ==
			      is_there);
			changed += is_there;
			count += tree_count(&tree, part);
		}
		CHECK_INT(changed, 1);
		CHECK_INT(count, ITEMS);
	}
}

static void test_walks(void)
{
	const struct tree_item *item = NULL, *last = NULL;
	unsigned n = 0;

	make(3);
	CHECK(tree_after(&tree, NULL) == NULL);
	for (unsigned i = 0; i < ITEMS; i++)
		tree_add(&tree, &things[i].item);
	while ((item = tree_after(&tree, item)) != NULL) {
		CHECK(last == NULL || memcmp(id_of(last), id_of(item), TREE_ID_LEN) < 0);
		last = item;
		n++;
	}
	CHECK_INT(n, ITEMS);
	n = 0;
	for (uint16_t i = 0; i < 32; i++) { /* the same, part by part and from ids */
		const struct tree_part part = {5, i};
		const uint8_t *after = NULL;
		unsigned here = 0;

		while ((item = tree_next(&tree, part, after)) != NULL) {
			CHECK_INT(id_of(item)[0] >> 3, i);
			after = id_of(item);
			here++;
		}
		CHECK_INT(here, tree_count(&tree, part));
		n += here;
		/* from before the part, and from beyond it */
		CHECK(tree_next(&tree, part, (uint8_t[TREE_ID_LEN]){0}) ==
		      tree_next(&tree, part, NULL));
		CHECK(i == 31 ||
		      tree_next(&tree, part, (uint8_t[TREE_ID_LEN]){0xff, 0xff}) == NULL);
	}
	CHECK_INT(n, ITEMS);
}

static void test_empty(void)
{
	static const uint8_t nothing[TREE_DIGEST_LEN];

	make(4);
	for (uint8_t level = 0; level <= TREE_BITS; level++)
		CHECK_MEM(tree_digest(&tree, (struct tree_part){level, 0}), nothing,
			  TREE_DIGEST_LEN);
	tree_add(&tree, &things[0].item);
	CHECK(memcmp(tree_digest(&tree, root), nothing, TREE_DIGEST_LEN) != 0);
	tree_remove(&tree, &things[0].item);
	CHECK_MEM(tree_digest(&tree, root), nothing, TREE_DIGEST_LEN);
	CHECK(tree_part_is_valid((struct tree_part){TREE_BITS, TREE_LEAVES - 1}));
	CHECK(!tree_part_is_valid((struct tree_part){TREE_BITS, TREE_LEAVES}));
	CHECK(!tree_part_is_valid((struct tree_part){TREE_BITS + 1, 0}));
	CHECK(!tree_part_is_valid((struct tree_part){0, 1}));
}

int main(void)
{
	RUN(test_order_does_not_matter);
	RUN(test_parts);
	RUN(test_walks);
	RUN(test_empty);
	return test_done();
}
