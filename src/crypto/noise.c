/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Noise revision 34: section 5.2 (symmetric state) and the patterns IK and NK (7.5).  Handshake
 * messages are rare and short, so this uses libsodium directly instead of an AEAD back-end.
 */
#include "crypto/noise.h"

#include <errno.h>
#include <sodium.h>

_Static_assert(TAG_LEN == crypto_aead_chacha20poly1305_ietf_ABYTES, "one tag length");

void dh_keypair_generate(struct dh_keypair *kp, const struct rng *rng)
{
	rng_fill(rng, kp->secret, DH_LEN);
	crypto_scalarmult_base(kp->public, kp->secret);
}

void dh_keypair_from_secret(struct dh_keypair *kp, const uint8_t secret[static DH_LEN])
{
	memmove(kp->secret, secret, DH_LEN);
	crypto_scalarmult_base(kp->public, kp->secret);
}

int dh(uint8_t out[static DH_LEN], const uint8_t secret[static DH_LEN],
       const uint8_t public[static DH_LEN])
{
	if (crypto_scalarmult(out, secret, public) == 0)
		return 0;
	secret_wipe(out, DH_LEN);
	return -EINVAL;
}

void noise_sym_init(struct noise_sym *s, const char *protocol_name)
{
	const size_t len = strlen(protocol_name);

	*s = (struct noise_sym){0};
	if (len <= HASH_LEN)
		memcpy(s->h, protocol_name, len);
	else
		hash_sha256(s->h, protocol_name, len);
	memcpy(s->ck, s->h, HASH_LEN);
}

/* h = H(h || a || b) */
static void mix_hash2(struct noise_sym *s, const void *a, size_t a_len, const void *b, size_t b_len)
{
	crypto_hash_sha256_state st;

	crypto_hash_sha256_init(&st);
	crypto_hash_sha256_update(&st, s->h, HASH_LEN);
	crypto_hash_sha256_update(&st, a, a_len);
	crypto_hash_sha256_update(&st, b, b_len);
	crypto_hash_sha256_final(&st, s->h);
}

void noise_mix_hash(struct noise_sym *s, const void *data, size_t len)
{
	mix_hash2(s, data, len, NULL, 0);
}

/* HKDF(ck, ikm, 2) of the specification, 4.3. */
static void hkdf2(const struct noise_sym *s, const uint8_t *ikm, size_t len,
		  uint8_t out1[static HASH_LEN], uint8_t out2[static HASH_LEN])
{
	uint8_t prk[HASH_LEN], okm[2 * HASH_LEN];

	hkdf_extract(prk, s->ck, HASH_LEN, ikm, len);
	hkdf_expand(okm, sizeof(okm), prk, "", NULL, 0);
	memcpy(out1, okm, HASH_LEN);
	memcpy(out2, okm + HASH_LEN, HASH_LEN);
	secret_wipe(prk, sizeof(prk));
	secret_wipe(okm, sizeof(okm));
}

void noise_mix_key(struct noise_sym *s, const uint8_t *ikm, size_t len)
{
	hkdf2(s, ikm, len, s->ck, s->k);
	s->n = 0;
	s->has_key = true;
}

void noise_split(const struct noise_sym *s, uint8_t k1[static KEY_LEN], uint8_t k2[static KEY_LEN])
{
	hkdf2(s, NULL, 0, k1, k2);
}

static void put_nonce(uint8_t out[static crypto_aead_chacha20poly1305_ietf_NPUBBYTES], uint64_t n)
{
	put_le32(out, 0);
	put_le64(out + 4, n);
}

/* ENCRYPT(k, n++, h, text) */
static void seal(struct noise_sym *s, const uint8_t *text, size_t len, uint8_t *ct, uint8_t *tag)
{
	uint8_t nonce[crypto_aead_chacha20poly1305_ietf_NPUBBYTES];

	put_nonce(nonce, s->n++);
	crypto_aead_chacha20poly1305_ietf_encrypt_detached(ct, tag, NULL, text, len, s->h, HASH_LEN,
							   NULL, nonce, s->k);
}

/* The check comes apart from the deciphering, since a refused message must leave text as it was,
 * and h must take in the ciphertext before it is overwritten in place. */
static bool tag_is_right(const struct noise_sym *s, const uint8_t *ct, size_t len,
			 const uint8_t *tag)
{
	uint8_t nonce[crypto_aead_chacha20poly1305_ietf_NPUBBYTES];

	put_nonce(nonce, s->n);
	return crypto_aead_chacha20poly1305_ietf_decrypt_detached(NULL, NULL, ct, len, tag, s->h,
								  HASH_LEN, nonce, s->k) == 0;
}

static void decipher(struct noise_sym *s, const uint8_t *ct, size_t len, uint8_t *text)
{
	uint8_t nonce[crypto_aead_chacha20poly1305_ietf_NPUBBYTES];

	put_nonce(nonce, s->n++);
	crypto_stream_chacha20_ietf_xor_ic(text, ct, len, nonce, 1, s->k);
}

void noise_encrypt_and_hash(struct noise_sym *s, const uint8_t *text, size_t len, uint8_t *out)
{
	if (s->has_key) {
		seal(s, text, len, out, out + len);
		len += TAG_LEN;
	} else if (len > 0) {
		memmove(out, text, len);
	}
	noise_mix_hash(s, out, len);
}

int noise_decrypt_and_hash(struct noise_sym *s, const uint8_t *in, size_t text_len, uint8_t *text)
{
	if (!s->has_key) {
		noise_mix_hash(s, in, text_len);
		if (text_len > 0)
			memmove(text, in, text_len);
		return 0;
	}
	return noise_open_detached(s, in, text_len, in + text_len, text);
}

void noise_seal_detached(struct noise_sym *s, const uint8_t *text, size_t len, uint8_t *ct,
			 uint8_t tag[static TAG_LEN])
{
	seal(s, text, len, ct, tag);
	mix_hash2(s, ct, len, tag, TAG_LEN);
}

int noise_open_detached(struct noise_sym *s, const uint8_t *ct, size_t len,
			const uint8_t tag[static TAG_LEN], uint8_t *text)
{
	if (!tag_is_right(s, ct, len, tag))
		return -EBADMSG;
	mix_hash2(s, ct, len, tag, TAG_LEN);
	decipher(s, ct, len, text);
	return 0;
}

/* --- Handshake patterns: one function per token, then one per message. --- */

/* Both patterns have the responder's static key as pre-message. */
static void start(struct noise_hs *hs, const char *name, enum noise_role role,
		  const struct dh_keypair *s, const uint8_t *rs, const void *prologue,
		  size_t prologue_len)
{
	*hs = (struct noise_hs){.role = role};
	if (rs != NULL)
		memcpy(hs->rs, rs, DH_LEN);
	noise_sym_init(&hs->sym, name);
	noise_mix_hash(&hs->sym, prologue, prologue_len);
	noise_mix_hash(&hs->sym, role == NOISE_INITIATOR ? hs->rs : s->public, DH_LEN);
}

static void write_e(struct noise_hs *hs, const struct rng *rng, uint8_t *out)
{
	dh_keypair_generate(&hs->e, rng);
	memcpy(out, hs->e.public, DH_LEN);
	noise_mix_hash(&hs->sym, out, DH_LEN);
}

static void read_e(struct noise_hs *hs, const uint8_t *in)
{
	memcpy(hs->re, in, DH_LEN);
	noise_mix_hash(&hs->sym, in, DH_LEN);
}

static int mix_dh(struct noise_hs *hs, const uint8_t *secret, const uint8_t *public)
{
	uint8_t shared[DH_LEN];
	const int ret = dh(shared, secret, public);

	if (ret == 0)
		noise_mix_key(&hs->sym, shared, DH_LEN);
	secret_wipe(shared, sizeof(shared));
	return ret;
}

void noise_ik_start(struct noise_hs *hs, enum noise_role role, const struct dh_keypair *s,
		    const uint8_t *rs, const void *prologue, size_t prologue_len)
{
	start(hs, "Noise_IK_25519_ChaChaPoly_SHA256", role, s, rs, prologue, prologue_len);
}

int noise_ik_write1(struct noise_hs *hs, const struct dh_keypair *s, const struct rng *rng,
		    const uint8_t *payload, size_t len, uint8_t *out)
{
	int ret;

	write_e(hs, rng, out);
	out += DH_LEN;
	ret = mix_dh(hs, hs->e.secret, hs->rs); /* es */
	if (ret < 0)
		return ret;
	noise_encrypt_and_hash(&hs->sym, s->public, DH_LEN, out);
	out += DH_LEN + TAG_LEN;
	ret = mix_dh(hs, s->secret, hs->rs); /* ss */
	if (ret < 0)
		return ret;
	noise_encrypt_and_hash(&hs->sym, payload, len, out);
	return 0;
}

int noise_ik_read1(struct noise_hs *hs, const struct dh_keypair *s, const uint8_t *in,
		   size_t payload_len, uint8_t *payload)
{
	int ret;

	read_e(hs, in);
	in += DH_LEN;
	ret = mix_dh(hs, s->secret, hs->re); /* es */
	if (ret < 0)
		return ret;
	ret = noise_decrypt_and_hash(&hs->sym, in, DH_LEN, hs->rs);
	if (ret < 0)
		return ret;
	in += DH_LEN + TAG_LEN;
	ret = mix_dh(hs, s->secret, hs->rs); /* ss */
	if (ret < 0)
		return ret;
	return noise_decrypt_and_hash(&hs->sym, in, payload_len, payload);
}

int noise_ik_write2(struct noise_hs *hs, const struct rng *rng, const uint8_t *payload, size_t len,
		    uint8_t *out)
{
	int ret;

	write_e(hs, rng, out);
	ret = mix_dh(hs, hs->e.secret, hs->re); /* ee */
	if (ret < 0)
		return ret;
	ret = mix_dh(hs, hs->e.secret, hs->rs); /* se */
	if (ret < 0)
		return ret;
	noise_encrypt_and_hash(&hs->sym, payload, len, out + DH_LEN);
	return 0;
}

int noise_ik_read2(struct noise_hs *hs, const struct dh_keypair *s, const uint8_t *in,
		   size_t payload_len, uint8_t *payload)
{
	int ret;

	read_e(hs, in);
	ret = mix_dh(hs, hs->e.secret, hs->re); /* ee */
	if (ret < 0)
		return ret;
	ret = mix_dh(hs, s->secret, hs->re); /* se */
	if (ret < 0)
		return ret;
	return noise_decrypt_and_hash(&hs->sym, in + DH_LEN, payload_len, payload);
}

void noise_nk_start(struct noise_hs *hs, enum noise_role role, const struct dh_keypair *s,
		    const uint8_t *rs, const void *prologue, size_t prologue_len)
{
	start(hs, "Noise_NK_25519_ChaChaPoly_SHA256", role, s, rs, prologue, prologue_len);
}

/* e, then a DH of it with the other's key: es in message 1, ee in message 2. */
static int nk_write(struct noise_hs *hs, const uint8_t *other, const struct rng *rng,
		    const uint8_t *payload, size_t len, uint8_t *out)
{
	int ret;

	write_e(hs, rng, out);
	ret = mix_dh(hs, hs->e.secret, other);
	if (ret < 0)
		return ret;
	noise_encrypt_and_hash(&hs->sym, payload, len, out + DH_LEN);
	return 0;
}

static int nk_read(struct noise_hs *hs, const uint8_t *secret, const uint8_t *in,
		   size_t payload_len, uint8_t *payload)
{
	int ret;

	read_e(hs, in);
	ret = mix_dh(hs, secret, hs->re);
	if (ret < 0)
		return ret;
	return noise_decrypt_and_hash(&hs->sym, in + DH_LEN, payload_len, payload);
}

int noise_nk_write1(struct noise_hs *hs, const struct rng *rng, const uint8_t *payload, size_t len,
		    uint8_t *out)
{
	return nk_write(hs, hs->rs, rng, payload, len, out);
}

int noise_nk_read1(struct noise_hs *hs, const struct dh_keypair *s, const uint8_t *in,
		   size_t payload_len, uint8_t *payload)
{
	return nk_read(hs, s->secret, in, payload_len, payload);
}

int noise_nk_write2(struct noise_hs *hs, const struct rng *rng, const uint8_t *payload, size_t len,
		    uint8_t *out)
{
	return nk_write(hs, hs->re, rng, payload, len, out);
}

int noise_nk_read2(struct noise_hs *hs, const uint8_t *in, size_t payload_len, uint8_t *payload)
{
	return nk_read(hs, hs->e.secret, in, payload_len, payload);
}

void noise_hs_wipe(struct noise_hs *hs)
{
	secret_wipe(hs, sizeof(*hs));
}
