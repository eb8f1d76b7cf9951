/* SPDX-License-Identifier: GPL-3.0-or-later */
/* SHA-256, HMAC-SHA256, HKDF-SHA256 (RFC 5869), keyed BLAKE2b-128, wiping and constant-time
 * comparison. */
#ifndef CRYPTO_HASH_H
#define CRYPTO_HASH_H

#include "util/bytes.h"

#define HASH_LEN 32
#define MAC_LEN  16

void hash_sha256(uint8_t out[static HASH_LEN], const void *data, size_t len);
void hash_hmac(uint8_t out[static HASH_LEN], const uint8_t *key, size_t key_len, const void *data,
	       size_t len);

/* hkdf_extract(prk, salt, salt_len, ikm, ikm_len): RFC 5869 2.2. */
void hkdf_extract(uint8_t prk[static HASH_LEN], const uint8_t *salt, size_t salt_len,
		  const uint8_t *ikm, size_t ikm_len);

/*
 * hkdf_expand(out, out_len, prk, label, info, info_len): RFC 5869 2.3 with info = label (a C
 * string, without its zero) followed by the info bytes (may be NULL, 0); out_len <= 255 * 32, the
 * two together at most 128 bytes.
 */
void hkdf_expand(uint8_t *out, size_t out_len, const uint8_t prk[static HASH_LEN],
		 const char *label, const uint8_t *info, size_t info_len);

/* mac128(out, key, key_len, data, len): keyed BLAKE2b with 16 bytes of output; the link's mac1,
 * mac2. */
void mac128(uint8_t out[static MAC_LEN], const uint8_t *key, size_t key_len, const void *data,
	    size_t len);

void secret_wipe(void *p, size_t len);
bool secret_equal(const void *a, const void *b, size_t len);

#endif
