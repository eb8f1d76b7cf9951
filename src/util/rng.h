/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Randomness as protocol code sees it: a source handed in by the caller (seeded in the simulator).
 */
#ifndef UTIL_RNG_H
#define UTIL_RNG_H

#include <stddef.h>
#include <stdint.h>

struct rng {
	void (*fill)(void *ctx, void *buf, size_t len);
	void *ctx;
};

/* rng_system: the operating system's source (libsodium randombytes). */
extern const struct rng rng_system;

/* rng_seeded(r, seed): deterministic ChaCha20 stream for tests; r->ctx is freed by rng_seeded_free.
 */
struct rng rng_seeded(uint64_t seed);
void rng_seeded_free(struct rng *rng);

static inline void rng_fill(const struct rng *rng, void *buf, size_t len)
{
	rng->fill(rng->ctx, buf, len);
}

uint32_t rng_u32(const struct rng *rng);
uint64_t rng_u64(const struct rng *rng);

/* rng_below(rng, n): uniform in 0..n-1, without modulo bias; n > 0. */
uint64_t rng_below(const struct rng *rng, uint64_t n);

#endif
