/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Cookies against handshake floods, in WireGuard's manner: mac1 proves that the sender knows whom
 * it calls, mac2 that it can receive at its source address.
 */
#ifndef CRYPTO_COOKIE_H
#define CRYPTO_COOKIE_H

#include "crypto/hash.h"
#include "util/endpoint.h"
#include "util/now.h"
#include "util/rng.h"

#define COOKIE_LEN        16
#define COOKIE_NONCE_LEN  24
#define COOKIE_SEALED_LEN (COOKIE_LEN + 16)
#define COOKIE_ROTATE_NS  (120 * NS_PER_S)

/* The responder's side. */
struct cookie_jar {
	uint8_t mac1_key[HASH_LEN];  /* H("mac1" || own static public key) */
	uint8_t seal_key[HASH_LEN];  /* H("cookie" || own static public key) */
	uint8_t secret[2][HASH_LEN]; /* current, previous */
	uint64_t rotated_ns;
};

void cookie_jar_init(struct cookie_jar *jar, const uint8_t static_public[static 32]);

/* mac1_key_of(out, pk), cookie_key_of(out, pk): the two keys for calls to the owner of pk. */
void cookie_mac1_key(uint8_t out[static HASH_LEN], const uint8_t static_public[static 32]);
void cookie_seal_key(uint8_t out[static HASH_LEN], const uint8_t static_public[static 32]);

/* cookie_for(jar, from): the cookie of this address now; rotates the secret when it is due. */
void cookie_for(struct cookie_jar *jar, const struct endpoint *from, const struct now *now,
		const struct rng *rng, uint8_t out[static COOKIE_LEN]);

/* cookie_mac2_ok: mac2 over data was made with this address's current or previous cookie. */
bool cookie_mac2_ok(struct cookie_jar *jar, const struct endpoint *from, const struct now *now,
		    const struct rng *rng, const void *data, size_t len,
		    const uint8_t mac2[static MAC_LEN]);

/* Seal and open a cookie for the wire (XChaCha20-Poly1305, AAD = mac1 of the message answered). */
void cookie_seal(uint8_t out[static COOKIE_SEALED_LEN], const uint8_t cookie[static COOKIE_LEN],
		 const uint8_t seal_key[static HASH_LEN],
		 const uint8_t nonce[static COOKIE_NONCE_LEN], const uint8_t mac1[static MAC_LEN]);
MUST_USE int cookie_unseal(uint8_t cookie[static COOKIE_LEN],
			   const uint8_t sealed[static COOKIE_SEALED_LEN],
			   const uint8_t seal_key[static HASH_LEN],
			   const uint8_t nonce[static COOKIE_NONCE_LEN],
			   const uint8_t mac1[static MAC_LEN]);

#endif
