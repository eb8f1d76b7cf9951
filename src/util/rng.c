/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Sources of randomness: the system's, and a seeded one for tests and the simulator. */
#include "util/rng.h"

#include "util/bytes.h"
#include "util/xalloc.h"

#include <sodium.h>

static void system_fill(void *ctx, void *buf, size_t len)
{
	(void)ctx;
	randombytes_buf(buf, len);
}

const struct rng rng_system = {.fill = system_fill};

struct seeded {
	uint8_t key[crypto_stream_chacha20_KEYBYTES];
	uint64_t block;
};

static void seeded_fill(void *ctx, void *buf, size_t len)
{
	struct seeded *s = ctx;
	uint8_t nonce[crypto_stream_chacha20_NONCEBYTES];

	put_le64(nonce, s->block++);
	crypto_stream_chacha20(buf, len, nonce, s->key);
}

struct rng rng_seeded(uint64_t seed)
{
	struct seeded *s = xcalloc(1, sizeof(*s));

	put_le64(s->key, seed);
	return (struct rng){.fill = seeded_fill, .ctx = s};
}

void rng_seeded_free(struct rng *rng)
{
	free(rng->ctx);
	rng->ctx = NULL;
}

uint32_t rng_u32(const struct rng *rng)
{
	uint32_t v;

	rng_fill(rng, &v, sizeof(v));
	return v;
}

uint64_t rng_u64(const struct rng *rng)
{
	uint64_t v;

	rng_fill(rng, &v, sizeof(v));
	return v;
}

uint64_t rng_below(const struct rng *rng, uint64_t n)
{
	const uint64_t reject_below = -n % n;
	uint64_t v;

	do {
		v = rng_u64(rng);
	} while (v < reject_below);
	return v % n;
}
