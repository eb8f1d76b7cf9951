/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Many single ChaCha20 blocks (RFC 8439 2.3) in one wide call, each lane with its own key, nonce
 * and block counter: keystream for the short texts of cell headers and fillers, where a call per
 * text would cost more than the cipher.
 */
#ifndef CRYPTO_CHACHA_H
#define CRYPTO_CHACHA_H

#include "util/bytes.h"

#define CHACHA_BLOCK_LEN 64

struct chacha_job {
	const uint8_t *key; /* 32 bytes */
	uint64_t nonce;     /* as in crypto/aead.h */
	uint32_t block;     /* block counter */
};

/* chacha_blocks(jobs, n, out): block i to out[i]; any n; picks the widest vectors the CPU has. */
void chacha_blocks(const struct chacha_job *jobs, size_t n, uint8_t (*out)[CHACHA_BLOCK_LEN]);

#endif
