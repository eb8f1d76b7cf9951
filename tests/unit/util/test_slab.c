/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/lib/test.h"
#include "util/bytes.h"
#include "util/rng.h"
#include "util/slab.h"

enum {
	ITEM_LEN = 200, /* takes four lines */
	LINE_LEN = 64,
	ITEMS = 20000, /* more than a block holds */
};

static bool is_zero(const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (p[i] != 0)
			return false;
	return true;
}

static void *get(struct slab *s)
{
	uint8_t *item = slab_get(s);

	CHECK((uintptr_t)item % LINE_LEN == 0);
	CHECK(is_zero(item, ITEM_LEN));
	memset(item, 0xee, ITEM_LEN);
	return item;
}

/* All that are in use, each once. */
static void check_walk(const struct slab *s, void *const *items, const bool *in_use)
{
	static bool met[ITEMS];
	const uint32_t *item;
	size_t n = 0;

	memset(met, 0, sizeof(met));
	for (size_t at = 0; (item = slab_next(s, &at)) != NULL; n++) {
		NEED(*item < ITEMS && items[*item] == item);
		CHECK(in_use[*item] && !met[*item]);
		met[*item] = true;
	}
	for (size_t i = 0; i < ITEMS; i++)
		n -= in_use[i];
	CHECK_INT(n, 0);
}

static void test_slab_matches_model(void)
{
	static void *items[ITEMS];
	static bool in_use[ITEMS];
	struct rng rng = rng_seeded(1);
	struct slab s;
	size_t at = 0, most;

	slab_init(&s, ITEM_LEN);
	CHECK(slab_next(&s, &at) == NULL);
	for (uint32_t i = 0; i < ITEMS; i++) {
		items[i] = get(&s);
		memcpy(items[i], &i, sizeof(i));
		in_use[i] = true;
	}
	check_walk(&s, items, in_use);
	most = s.fresh;
	for (unsigned step = 0; step < 200000; step++) {
		const uint32_t i = (uint32_t)rng_below(&rng, ITEMS);

		if (in_use[i])
			slab_put(&s, items[i]);
		else
			memcpy(items[i] = get(&s), &i, sizeof(i));
		in_use[i] = !in_use[i];
		if (step % 20000 == 0)
			check_walk(&s, items, in_use);
	}
	check_walk(&s, items, in_use);
	CHECK_INT(s.fresh, most); /* what was put back came first */
	slab_fini(&s);
	rng_seeded_free(&rng);
}

/* As a sweep does. */
static void test_put_back_under_way(void)
{
	struct slab s;
	size_t at = 0, n = 0;
	void *item;

	slab_init(&s, ITEM_LEN);
	for (size_t i = 0; i < ITEMS; i++)
		get(&s);
	for (; (item = slab_next(&s, &at)) != NULL; n++)
		slab_put(&s, item);
	CHECK_INT(n, ITEMS);
	at = 0;
	CHECK(slab_next(&s, &at) == NULL);
	slab_fini(&s);
}

int main(void)
{
	RUN(test_slab_matches_model);
	RUN(test_put_back_under_way);
	return test_done();
}
