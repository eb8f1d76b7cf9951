/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Includes the source, to run every kernel that this CPU has and not only the one it picks. */
#include "crypto/chacha.c"

#include "tests/lib/test.h"
#include "tests/lib/vectors.h"
#include "util/rng.h"

#include <sodium.h>

#define MANY 70

static void sodium_block(const struct chacha_job *job, uint8_t out[static CHACHA_BLOCK_LEN])
{
	uint8_t nonce[12] = {0};

	put_le64(nonce + 4, job->nonce);
	memset(out, 0, CHACHA_BLOCK_LEN);
	crypto_stream_chacha20_ietf_xor_ic(out, out, CHACHA_BLOCK_LEN, nonce, job->block, job->key);
}

static void test_rfc8439_blocks(void)
{
	json_t *root = vector_load("rfc8439.json"), *blocks = vector_get(root, "blocks"), *v;
	size_t i;

	CHECK(json_array_size(blocks) == 9);
	json_array_foreach(blocks, i, v)
	{
		uint8_t key[32], nonce[8], want[CHACHA_BLOCK_LEN], got[1][CHACHA_BLOCK_LEN];
		const size_t len = strlen(json_string_value(vector_get(v, "stream"))) / 2;

		vector_bytes(v, "key", key, sizeof(key));
		vector_bytes(v, "nonce", nonce, sizeof(nonce));
		vector_bytes(v, "stream", want, len);

		const struct chacha_job job = {
		    .key = key,
		    .nonce = get_le64(nonce),
		    .block = (uint32_t)vector_int(v, "block"),
		};

		chacha_blocks(&job, 1, got);
		CHECK_MEM(got[0], want, len);
	}
	json_decref(root);
}

struct many {
	struct chacha_job jobs[MANY];
	uint8_t keys[MANY][32];
	uint8_t want[MANY][CHACHA_BLOCK_LEN];
};

/* Each lane differs from its neighbours in key, nonce and counter; the extremes are among them. */
static void fill_many(struct many *m)
{
	struct rng rng = rng_seeded(8439);

	rng_fill(&rng, m->keys, sizeof(m->keys));
	for (size_t i = 0; i < MANY; i++) {
		m->jobs[i] = (struct chacha_job){
		    .key = m->keys[i],
		    .nonce = i % 5 == 0 ? UINT64_MAX : rng_u64(&rng),
		    .block = i % 7 == 0 ? UINT32_MAX : rng_u32(&rng),
		};
		sodium_block(&m->jobs[i], m->want[i]);
	}
	rng_seeded_free(&rng);
}

static void check_all_counts(const struct kernels *ks)
{
	static struct many m;
	static uint8_t got[MANY + 1][CHACHA_BLOCK_LEN];

	fill_many(&m);
	for (size_t n = 0; n <= MANY; n++) {
		memset(got, 0xa5, sizeof(got));
		run_all(ks, m.jobs, n, got);
		CHECK_MEM(got, m.want, n * CHACHA_BLOCK_LEN);
		for (size_t i = 0; i < CHACHA_BLOCK_LEN; i++)
			CHECK(got[n][i] == 0xa5);
	}
}

static void test_baseline_kernels(void)
{
	check_all_counts(&baseline);
}

static void test_wider_kernels(void)
{
#if defined(__x86_64__)
	if (__builtin_cpu_supports("avx2"))
		check_all_counts(&avx2);
	if (__builtin_cpu_supports("avx512f"))
		check_all_counts(&avx512);
#endif
	check_all_counts(pick_kernels());
}

int main(void)
{
	RUN(test_rfc8439_blocks);
	RUN(test_baseline_kernels);
	RUN(test_wider_kernels);
	return test_done();
}
