/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Hashes and key derivation, all on libsodium. */
#include "crypto/hash.h"

#include "util/cursor.h"

#include <assert.h>
#include <sodium.h>

#define INFO_MAX 128

void hash_sha256(uint8_t out[static HASH_LEN], const void *data, size_t len)
{
	crypto_hash_sha256(out, data, len);
}

void hash_hmac(uint8_t out[static HASH_LEN], const uint8_t *key, size_t key_len, const void *data,
	       size_t len)
{
	crypto_auth_hmacsha256_state st;

	/* HKDF without a salt has no key; libsodium wants a pointer all the same. */
	crypto_auth_hmacsha256_init(&st, key != NULL ? key : (const uint8_t *)"", key_len);
	crypto_auth_hmacsha256_update(&st, data, len);
	crypto_auth_hmacsha256_final(&st, out);
	secret_wipe(&st, sizeof(st));
}

void hkdf_extract(uint8_t prk[static HASH_LEN], const uint8_t *salt, size_t salt_len,
		  const uint8_t *ikm, size_t ikm_len)
{
	hash_hmac(prk, salt, salt_len, ikm, ikm_len);
}

void hkdf_expand(uint8_t *out, size_t out_len, const uint8_t prk[static HASH_LEN],
		 const char *label, const uint8_t *info, size_t info_len)
{
	/* One round's input: T(i-1) (absent in the first round), label, info, i. */
	uint8_t text[HASH_LEN + INFO_MAX + 1];
	uint8_t t[HASH_LEN];
	struct writer w = wr_init(text + HASH_LEN, INFO_MAX);

	wr_copy(&w, label, strlen(label));
	wr_copy(&w, info, info_len);
	assert(wr_ok(&w) && out_len <= 255 * HASH_LEN);

	const size_t tail = w.done + 1;

	for (size_t done = 0, round = 1; done < out_len; round++) {
		const size_t step = MIN(out_len - done, (size_t)HASH_LEN);

		text[HASH_LEN + tail - 1] = (uint8_t)round;
		if (round == 1)
			hash_hmac(t, prk, HASH_LEN, text + HASH_LEN, tail);
		else
			hash_hmac(t, prk, HASH_LEN, text, HASH_LEN + tail);
		memcpy(text, t, HASH_LEN);
		memcpy(out + done, t, step);
		done += step;
	}
	secret_wipe(t, sizeof(t));
	secret_wipe(text, sizeof(text));
}

void mac128(uint8_t out[static MAC_LEN], const uint8_t *key, size_t key_len, const void *data,
	    size_t len)
{
	assert(key_len <= crypto_generichash_KEYBYTES_MAX);
	crypto_generichash(out, MAC_LEN, data, len, key, key_len);
}

void secret_wipe(void *p, size_t len)
{
	sodium_memzero(p, len);
}

bool secret_equal(const void *a, const void *b, size_t len)
{
	return sodium_memcmp(a, b, len) == 0;
}
