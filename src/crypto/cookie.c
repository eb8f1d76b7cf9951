/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Cookies: MAC(secret, address), where the secret lives COOKIE_ROTATE_NS and is honoured for as
 * long again.  Nothing is kept for each caller.
 */
#include "crypto/cookie.h"

#include <errno.h>
#include <sodium.h>

_Static_assert(COOKIE_NONCE_LEN == crypto_aead_xchacha20poly1305_ietf_NPUBBYTES, "XChaCha nonce");
_Static_assert(COOKIE_SEALED_LEN == COOKIE_LEN + crypto_aead_xchacha20poly1305_ietf_ABYTES, "tag");

static void labelled_key(uint8_t out[static HASH_LEN], const char *label,
			 const uint8_t static_public[static 32])
{
	crypto_hash_sha256_state st;

	crypto_hash_sha256_init(&st);
	crypto_hash_sha256_update(&st, (const uint8_t *)label, strlen(label));
	crypto_hash_sha256_update(&st, static_public, 32);
	crypto_hash_sha256_final(&st, out);
}

void cookie_mac1_key(uint8_t out[static HASH_LEN], const uint8_t static_public[static 32])
{
	labelled_key(out, "mac1", static_public);
}

void cookie_seal_key(uint8_t out[static HASH_LEN], const uint8_t static_public[static 32])
{
	labelled_key(out, "cookie", static_public);
}

void cookie_jar_init(struct cookie_jar *jar, const uint8_t static_public[static 32])
{
	*jar = (struct cookie_jar){.rotated_ns = NEVER};
	cookie_mac1_key(jar->mac1_key, static_public);
	cookie_seal_key(jar->seal_key, static_public);
}

static void rotate_if_due(struct cookie_jar *jar, const struct now *now, const struct rng *rng)
{
	const bool first = jar->rotated_ns == NEVER;

	if (!first && now->mono_ns - jar->rotated_ns < COOKIE_ROTATE_NS)
		return;
	/* After a long rest the current secret is too old even to be the previous one. */
	if (first || now->mono_ns - jar->rotated_ns >= 2 * COOKIE_ROTATE_NS)
		rng_fill(rng, jar->secret[1], HASH_LEN);
	else
		memcpy(jar->secret[1], jar->secret[0], HASH_LEN);
	rng_fill(rng, jar->secret[0], HASH_LEN);
	jar->rotated_ns = now->mono_ns;
}

static void bake(uint8_t out[static COOKIE_LEN], const uint8_t secret[static HASH_LEN],
		 const struct endpoint *from)
{
	uint8_t address[sizeof(from->ip) + 2];

	memcpy(address, from->ip, sizeof(from->ip));
	put_le16(address + sizeof(from->ip), from->port);
	mac128(out, secret, HASH_LEN, address, sizeof(address));
}

void cookie_for(struct cookie_jar *jar, const struct endpoint *from, const struct now *now,
		const struct rng *rng, uint8_t out[static COOKIE_LEN])
{
	rotate_if_due(jar, now, rng);
	bake(out, jar->secret[0], from);
}

bool cookie_mac2_ok(struct cookie_jar *jar, const struct endpoint *from, const struct now *now,
		    const struct rng *rng, const void *data, size_t len,
		    const uint8_t mac2[static MAC_LEN])
{
	bool ok = false;

	rotate_if_due(jar, now, rng);
	for (size_t i = 0; i < ARRAY_LEN(jar->secret); i++) {
		uint8_t cookie[COOKIE_LEN], want[MAC_LEN];

		bake(cookie, jar->secret[i], from);
		mac128(want, cookie, COOKIE_LEN, data, len);
		ok |= secret_equal(want, mac2, MAC_LEN);
	}
	return ok;
}

void cookie_seal(uint8_t out[static COOKIE_SEALED_LEN], const uint8_t cookie[static COOKIE_LEN],
		 const uint8_t seal_key[static HASH_LEN],
		 const uint8_t nonce[static COOKIE_NONCE_LEN], const uint8_t mac1[static MAC_LEN])
{
	crypto_aead_xchacha20poly1305_ietf_encrypt(out, NULL, cookie, COOKIE_LEN, mac1, MAC_LEN,
						   NULL, nonce, seal_key);
}

int cookie_unseal(uint8_t cookie[static COOKIE_LEN], const uint8_t sealed[static COOKIE_SEALED_LEN],
		  const uint8_t seal_key[static HASH_LEN],
		  const uint8_t nonce[static COOKIE_NONCE_LEN], const uint8_t mac1[static MAC_LEN])
{
	uint8_t opened[COOKIE_LEN];

	if (crypto_aead_xchacha20poly1305_ietf_decrypt(
		opened, NULL, NULL, sealed, COOKIE_SEALED_LEN, mac1, MAC_LEN, nonce, seal_key) != 0)
		return -EBADMSG;
	memcpy(cookie, opened, COOKIE_LEN);
	secret_wipe(opened, sizeof(opened));
	return 0;
}
