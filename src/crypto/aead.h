/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * ChaCha20-Poly1305 (RFC 8439) over batches, behind a back-end chosen once at start: ipsec-mb where
 * the CPU has it, else OpenSSL, else libsodium.  All back-ends agree byte for byte.
 * A nonce is four zero bytes followed by the counter, little-endian.
 */
#ifndef CRYPTO_AEAD_H
#define CRYPTO_AEAD_H

#include "util/bytes.h"

#define KEY_LEN 32
#define TAG_LEN 16

#define AEAD_AAD_MAX  64
#define AEAD_TEXT_MAX 2048

/*
 * One message.  src and dst are either equal, or dst lies at a lower address, or they do not
 * overlap.  aad and tag may be the same memory (the tag is written last), and an opened message's
 * tag may lie in dst (it is read first); aad may not.
 */
struct aead_job {
	const uint8_t *key; /* KEY_LEN bytes */
	uint64_t nonce;
	const uint8_t *aad; /* may be NULL when aad_len is 0; at most AEAD_AAD_MAX bytes */
	const uint8_t *src;
	uint8_t *dst;
	uint8_t *tag; /* seal, mac: written; open: compared in constant time */
	uint32_t len; /* of src and dst; at most AEAD_TEXT_MAX */
	uint16_t aad_len;
	bool ok; /* open: the tag was right.  When false, dst must not be used. */
};

struct aead; /* a back-end's per-thread state */

/*
 * aead_open(name): the named back-end ("ipsec-mb", "openssl", "sodium"), or with NULL the fastest
 * that this CPU and build have.  NULL when a named one is missing.  One per thread; aead_close.
 */
struct aead *aead_open(const char *name);
void aead_close(struct aead *a);
const char *aead_name(const struct aead *a);

/* aead_names(): NULL-terminated list of all back-ends built in, fastest first. */
const char *const *aead_names(void);

/* Seal or open n messages, in any order: jobs of one call must not depend on each other. */
void aead_seal(struct aead *a, struct aead_job *jobs, size_t n);
void aead_unseal(struct aead *a, struct aead_job *jobs, size_t n);

/*
 * The two halves apart, for the client's backward chain (docs/protocol.md, backward cells):
 * aead_xor: dst = src xor the keystream that encrypts a message (ChaCha20 from block 1); no tag.
 * aead_mac: the tag that a sealed message with ciphertext src would carry; dst is not used.
 */
void aead_xor(struct aead *a, struct aead_job *jobs, size_t n);
void aead_mac(struct aead *a, struct aead_job *jobs, size_t n);

/* aead_selftest(a): RFC 8439 vectors through every entry; 0 or -EIO. */
MUST_USE int aead_selftest(struct aead *a);

#endif
