/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a back-end of crypto/aead.h provides.  Private to this folder. */
#ifndef CRYPTO_AEAD_BACKEND_H
#define CRYPTO_AEAD_BACKEND_H

#include "crypto/aead.h"
#include "crypto/chacha.h"

#define NONCE_LEN  12
#define AEAD_ROUND 64 /* most keys of one aead_poly_keys */

struct aead_backend {
	const char *name;
	struct aead *(*open)(void); /* NULL: not on this machine */
	void (*close)(struct aead *a);
	void (*seal)(struct aead *a, struct aead_job *jobs, size_t n);
	void (*unseal)(struct aead *a, struct aead_job *jobs, size_t n);
	void (*xor)(struct aead *a, struct aead_job *jobs, size_t n);
	void (*mac)(struct aead *a, struct aead_job *jobs, size_t n);
};

/* A back-end embeds this as the first member of its own state. */
struct aead {
	const struct aead_backend *backend;
};

extern const struct aead_backend aead_ipsec_mb, aead_openssl, aead_sodium;

/* aead_poly_keys(jobs, n, out): the Poly1305 keys of n <= AEAD_ROUND messages in one wide call;
 * each is the first half of its block. */
void aead_poly_keys(const struct aead_job *jobs, size_t n, uint8_t (*out)[CHACHA_BLOCK_LEN]);

static inline void aead_put_nonce(uint8_t out[static NONCE_LEN], uint64_t nonce)
{
	put_le32(out, 0);
	put_le64(out + 4, nonce);
}

/*
 * aead_settle(job): where to read the text from.  The libraries work in place or between apart
 * buffers only, not on ranges that partly overlap: such a text is first moved to dst.  In an opened
 * message this may overwrite the tag, so copy that before.
 */
static inline const uint8_t *aead_settle(const struct aead_job *job)
{
	const uintptr_t src = (uintptr_t)job->src, dst = (uintptr_t)job->dst;

	if (dst >= src || src - dst >= job->len)
		return job->src;
	memmove(job->dst, job->src, job->len);
	return job->dst;
}

/* What the tag covers besides the text: zeros up to a multiple of 16, and the two lengths. */
static inline size_t aead_padding(size_t len)
{
	return -len & 15;
}

static inline void aead_put_lengths(uint8_t out[static 16], const struct aead_job *job)
{
	put_le64(out, job->aad_len);
	put_le64(out + 8, job->len);
}

#endif
