/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Wide ChaCha20 in gcc's vector extension: a wide and a narrow kernel for each kind of CPU. */
#include "crypto/chacha.h"

#define WIDEST 32

#if defined(__x86_64__)
#define TARGET __attribute__((target("avx512f")))
#define LANES  4
#define GROUPS 8
#include "crypto/chacha_rows.h"
#define GROUPS 4
#include "crypto/chacha_rows.h"
#undef LANES
#undef TARGET

#define TARGET __attribute__((target("avx2")))
#define LANES  2
#define GROUPS 8
#include "crypto/chacha_rows.h"
#define GROUPS 4
#include "crypto/chacha_rows.h"
#undef LANES
#undef TARGET
#endif

#define TARGET
#define LANES  1
#define GROUPS 8
#include "crypto/chacha_rows.h"
#define GROUPS 4
#include "crypto/chacha_rows.h"

struct kernel {
	void (*run)(const struct chacha_job *jobs, uint8_t (*out)[CHACHA_BLOCK_LEN]);
	size_t blocks;
};

struct kernels {
	struct kernel wide, narrow; /* throughput; latency of small batches */
};

static const struct kernels baseline = {{blocks_1x8, 8}, {blocks_1x4, 4}};
#if defined(__x86_64__)
static const struct kernels avx2 = {{blocks_2x8, 16}, {blocks_2x4, 8}};
static const struct kernels avx512 = {{blocks_4x8, 32}, {blocks_4x4, 16}};
#endif

static const struct kernels *pick_kernels(void)
{
#if defined(__x86_64__)
	if (__builtin_cpu_supports("avx512f"))
		return &avx512;
	if (__builtin_cpu_supports("avx2"))
		return &avx2;
#endif
	return &baseline;
}

static void run_padded(const struct kernel *k, const struct chacha_job *jobs, size_t n,
		       uint8_t (*out)[CHACHA_BLOCK_LEN])
{
	struct chacha_job padded[WIDEST];
	uint8_t blocks[WIDEST][CHACHA_BLOCK_LEN];

	for (size_t i = 0; i < k->blocks; i++)
		padded[i] = jobs[i < n ? i : 0];
	k->run(padded, blocks);
	memcpy(out, blocks, n * CHACHA_BLOCK_LEN);
}

static void run_all(const struct kernels *ks, const struct chacha_job *jobs, size_t n,
		    uint8_t (*out)[CHACHA_BLOCK_LEN])
{
	while (n > 0) {
		const struct kernel *k = n > ks->narrow.blocks ? &ks->wide : &ks->narrow;
		const size_t step = MIN(n, k->blocks);

		if (step == k->blocks)
			k->run(jobs, out);
		else
			run_padded(k, jobs, step, out);
		jobs += step;
		out += step;
		n -= step;
	}
}

void chacha_blocks(const struct chacha_job *jobs, size_t n, uint8_t (*out)[CHACHA_BLOCK_LEN])
{
	run_all(pick_kernels(), jobs, n, out);
}
