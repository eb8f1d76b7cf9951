/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Noise protocol framework, revision 34, with 25519, ChaChaPoly, SHA256: the symmetric state, and
 * on it the two patterns in use, IK (links) and NK (hops, sessions).  Callers that need another
 * shape of the same handshake (the onion's CREATE) drive the symmetric state themselves.
 */
#ifndef CRYPTO_NOISE_H
#define CRYPTO_NOISE_H

#include "crypto/aead.h"
#include "crypto/hash.h"
#include "util/rng.h"

#define DH_LEN 32

struct dh_keypair {
	uint8_t secret[DH_LEN];
	uint8_t public[DH_LEN];
};

void dh_keypair_generate(struct dh_keypair *kp, const struct rng *rng);
void dh_keypair_from_secret(struct dh_keypair *kp, const uint8_t secret[static DH_LEN]);

/* dh(out, secret, public): X25519.  -EINVAL, out wiped, when the result is all zero. */
MUST_USE int dh(uint8_t out[static DH_LEN], const uint8_t secret[static DH_LEN],
		const uint8_t public[static DH_LEN]);

struct noise_sym {
	uint8_t ck[HASH_LEN];
	uint8_t h[HASH_LEN];
	uint8_t k[KEY_LEN];
	uint64_t n;
	bool has_key;
};

void noise_sym_init(struct noise_sym *s, const char *protocol_name);
void noise_mix_hash(struct noise_sym *s, const void *data, size_t len);
void noise_mix_key(struct noise_sym *s, const uint8_t *ikm, size_t len);
/* out holds len + TAG_LEN bytes (len when no key is set yet); in place is allowed. */
void noise_encrypt_and_hash(struct noise_sym *s, const uint8_t *text, size_t len, uint8_t *out);
/* in holds text_len + TAG_LEN bytes.  -EBADMSG: wrong tag, s and text unchanged. */
MUST_USE int noise_decrypt_and_hash(struct noise_sym *s, const uint8_t *in, size_t text_len,
				    uint8_t *text);
void noise_split(const struct noise_sym *s, uint8_t k1[static KEY_LEN], uint8_t k2[static KEY_LEN]);

/*
 * The same with the tag apart from the ciphertext: ct has len bytes and may equal text; h takes in
 * ct, then tag.  _open_: -EBADMSG as above.
 */
void noise_seal_detached(struct noise_sym *s, const uint8_t *text, size_t len, uint8_t *ct,
			 uint8_t tag[static TAG_LEN]);
MUST_USE int noise_open_detached(struct noise_sym *s, const uint8_t *ct, size_t len,
				 const uint8_t tag[static TAG_LEN], uint8_t *text);

enum noise_role {
	NOISE_INITIATOR,
	NOISE_RESPONDER,
};

/* One running handshake.  Wiped by noise_hs_wipe. */
struct noise_hs {
	struct noise_sym sym;
	struct dh_keypair e;
	uint8_t rs[DH_LEN]; /* the other's static key, when known */
	uint8_t re[DH_LEN];
	enum noise_role role;
};

/* Protocol names: Noise_IK_25519_ChaChaPoly_SHA256, Noise_NK_25519_ChaChaPoly_SHA256. */

/*
 * IK: -> e, es, s, ss   <- e, ee, se
 * Initiator: noise_ik_start, noise_ik_write1, noise_ik_read2.  Responder: noise_ik_start (rs NULL),
 * noise_ik_read1 (fills hs->rs), noise_ik_write2.  Message 1 is 32 + 48 + len + 16 bytes, message 2
 * 32 + len + 16.  Every read returns 0 or -EBADMSG / -EINVAL (zero DH); after a failed read the
 * handshake must be wiped.  Then noise_split(&hs->sym, ...).
 */
void noise_ik_start(struct noise_hs *hs, enum noise_role role, const struct dh_keypair *s,
		    const uint8_t *rs, const void *prologue, size_t prologue_len);
MUST_USE int noise_ik_write1(struct noise_hs *hs, const struct dh_keypair *s, const struct rng *rng,
			     const uint8_t *payload, size_t len, uint8_t *out);
MUST_USE int noise_ik_read1(struct noise_hs *hs, const struct dh_keypair *s, const uint8_t *in,
			    size_t payload_len, uint8_t *payload);
MUST_USE int noise_ik_write2(struct noise_hs *hs, const struct rng *rng, const uint8_t *payload,
			     size_t len, uint8_t *out);
MUST_USE int noise_ik_read2(struct noise_hs *hs, const struct dh_keypair *s, const uint8_t *in,
			    size_t payload_len, uint8_t *payload);

/*
 * NK: -> e, es   <- e, ee
 * Message 1 is 32 + len + 16 bytes, message 2 the same.  Start: the initiator gives rs, the
 * responder its own static pair s.
 */
void noise_nk_start(struct noise_hs *hs, enum noise_role role, const struct dh_keypair *s,
		    const uint8_t *rs, const void *prologue, size_t prologue_len);
MUST_USE int noise_nk_write1(struct noise_hs *hs, const struct rng *rng, const uint8_t *payload,
			     size_t len, uint8_t *out);
MUST_USE int noise_nk_read1(struct noise_hs *hs, const struct dh_keypair *s, const uint8_t *in,
			    size_t payload_len, uint8_t *payload);
MUST_USE int noise_nk_write2(struct noise_hs *hs, const struct rng *rng, const uint8_t *payload,
			     size_t len, uint8_t *out);
MUST_USE int noise_nk_read2(struct noise_hs *hs, const uint8_t *in, size_t payload_len,
			    uint8_t *payload);

void noise_hs_wipe(struct noise_hs *hs);

#endif
