/* SPDX-License-Identifier: GPL-3.0-or-later */
/* AEAD back-end on libsodium: always there, the reference for the others. */
#include "crypto/aead_backend.h"

#include <sodium.h>

static struct aead *open_sodium(void)
{
	static struct aead stateless = {.backend = &aead_sodium};

	return &stateless;
}

static void close_sodium(struct aead *a)
{
	(void)a;
}

static void seal(struct aead *a, struct aead_job *jobs, size_t n)
{
	(void)a;
	for (struct aead_job *j = jobs; j < jobs + n; j++) {
		uint8_t nonce[NONCE_LEN];
		const uint8_t *text = aead_settle(j);

		aead_put_nonce(nonce, j->nonce);
		crypto_aead_chacha20poly1305_ietf_encrypt_detached(
		    j->dst, j->tag, NULL, text, j->len, j->aad, j->aad_len, NULL, nonce, j->key);
	}
}

static void unseal(struct aead *a, struct aead_job *jobs, size_t n)
{
	(void)a;
	for (struct aead_job *j = jobs; j < jobs + n; j++) {
		uint8_t nonce[NONCE_LEN], tag[TAG_LEN];
		const uint8_t *text;

		memcpy(tag, j->tag, TAG_LEN);
		text = aead_settle(j);
		aead_put_nonce(nonce, j->nonce);
		j->ok =
		    crypto_aead_chacha20poly1305_ietf_decrypt_detached(
			j->dst, NULL, text, j->len, tag, j->aad, j->aad_len, nonce, j->key) == 0;
	}
}

static void xor_stream(struct aead *a, struct aead_job *jobs, size_t n)
{
	(void)a;
	for (struct aead_job *j = jobs; j < jobs + n; j++) {
		uint8_t nonce[NONCE_LEN];
		const uint8_t *text = aead_settle(j);

		aead_put_nonce(nonce, j->nonce);
		crypto_stream_chacha20_ietf_xor_ic(j->dst, text, j->len, nonce, 1, j->key);
	}
}

static void mac_one(const struct aead_job *j)
{
	static const uint8_t zeros[16];
	crypto_onetimeauth_poly1305_state st;
	uint8_t nonce[NONCE_LEN], key[crypto_onetimeauth_poly1305_KEYBYTES], lengths[16];

	aead_put_nonce(nonce, j->nonce);
	crypto_stream_chacha20_ietf(key, sizeof(key), nonce, j->key);
	aead_put_lengths(lengths, j);
	crypto_onetimeauth_poly1305_init(&st, key);
	crypto_onetimeauth_poly1305_update(&st, j->aad, j->aad_len);
	crypto_onetimeauth_poly1305_update(&st, zeros, aead_padding(j->aad_len));
	crypto_onetimeauth_poly1305_update(&st, j->src, j->len);
	crypto_onetimeauth_poly1305_update(&st, zeros, aead_padding(j->len));
	crypto_onetimeauth_poly1305_update(&st, lengths, sizeof(lengths));
	crypto_onetimeauth_poly1305_final(&st, j->tag);
	sodium_memzero(key, sizeof(key));
}

static void mac(struct aead *a, struct aead_job *jobs, size_t n)
{
	(void)a;
	for (size_t i = 0; i < n; i++)
		mac_one(&jobs[i]);
}

const struct aead_backend aead_sodium = {
    .name = "sodium",
    .open = open_sodium,
    .close = close_sodium,
    .seal = seal,
    .unseal = unseal,
    .xor = xor_stream,
    .mac = mac,
};
