/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/lib/test.h"
#include "util/bucket.h"
#include "util/map.h"

enum {
	KEYS = 512
};

/* Against a plain array as the model: random puts and deletes over few keys, so that runs collide.
 */
static void test_map_matches_model(void)
{
	struct rng rng = rng_seeded(1);
	static char values[KEYS];
	bool in[KEYS] = {false};
	size_t count = 0;
	struct map m;

	map_init(&m, 4, &rng);
	for (int step = 0; step < 200000; step++) {
		const uint64_t k = rng_below(&rng, KEYS);

		if (!in[k]) {
			map_put(&m, k << 20, &values[k]);
			count++;
		} else {
			CHECK(map_del(&m, k << 20) == &values[k]);
			count--;
		}
		in[k] = !in[k];
		if (step % 1000 == 0)
			for (uint64_t i = 0; i < KEYS; i++)
				CHECK(map_get(&m, i << 20) == (in[i] ? &values[i] : NULL));
		if (m.count != count)
			NEED(m.count == count);
	}
	CHECK(map_del(&m, 12345) == NULL);
	map_fini(&m);
	rng_seeded_free(&rng);
}

static void test_bucket(void)
{
	struct bucket b = {0};
	uint64_t t = 5 * NS_PER_S;
	int got = 0;

	for (int i = 0; i < 100; i++)
		got += bucket_take(&b, 10, 16, t);
	CHECK_INT(got, 16);
	t += NS_PER_S / 2;
	for (got = 0; bucket_take(&b, 10, 16, t); got++)
		;
	CHECK_INT(got, 5);
	t += 100 * NS_PER_S;
	for (got = 0; bucket_take(&b, 10, 16, t); got++)
		;
	CHECK_INT(got, 16);
}

int main(void)
{
	RUN(test_map_matches_model);
	RUN(test_bucket);
	return test_done();
}
