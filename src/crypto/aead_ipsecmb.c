/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * AEAD back-end on Intel's ipsec-mb.  The library does not spread ChaCha20 or Poly1305 jobs over
 * lanes: each is done when its submission returns, so jobs are run one by one.
 */
#include "crypto/aead_backend.h"

#include "crypto/poly1305.h"
#include "util/xalloc.h"

#include <assert.h>
#include <intel-ipsec-mb.h>

struct ipsec_mb {
	struct aead aead;
	IMB_MGR *mgr;
	uint8_t text[AEAD_AAD_MAX + AEAD_TEXT_MAX + 32]; /* of mac: all that a tag covers */
};

static struct ipsec_mb *state_of(struct aead *a)
{
	return container_of(a, struct ipsec_mb, aead);
}

static struct aead *open_ipsec_mb(void)
{
	struct ipsec_mb *s;
	IMB_MGR *mgr;

	if (!__builtin_cpu_supports("avx2"))
		return NULL;
	mgr = alloc_mb_mgr(0);
	if (mgr == NULL)
		return NULL;
	init_mb_mgr_auto(mgr, NULL);
	if (imb_get_errno(mgr) != 0) {
		free_mb_mgr(mgr);
		return NULL;
	}
	s = xcalloc(1, sizeof(*s));
	s->aead.backend = &aead_ipsec_mb;
	s->mgr = mgr;
	return &s->aead;
}

static void close_ipsec_mb(struct aead *a)
{
	struct ipsec_mb *s = state_of(a);

	free_mb_mgr(s->mgr);
	free(s);
}

static void run(IMB_MGR *mgr)
{
	const IMB_JOB *done = IMB_SUBMIT_JOB_NOCHECK(mgr);

	assert(done != NULL && done->status == IMB_STATUS_COMPLETED);
}

static void run_cipher(struct ipsec_mb *s, const struct aead_job *j, IMB_CIPHER_MODE cipher,
		       IMB_HASH_ALG hash, IMB_CIPHER_DIRECTION direction, uint8_t *tag)
{
	IMB_JOB *job = IMB_GET_NEXT_JOB(s->mgr);
	uint8_t nonce[NONCE_LEN];

	aead_put_nonce(nonce, j->nonce);
	job->cipher_mode = cipher;
	job->hash_alg = hash;
	job->cipher_direction = direction;
	job->chain_order =
	    direction == IMB_DIR_ENCRYPT ? IMB_ORDER_CIPHER_HASH : IMB_ORDER_HASH_CIPHER;
	job->enc_keys = j->key;
	job->dec_keys = j->key;
	job->key_len_in_bytes = KEY_LEN;
	job->iv = nonce;
	job->iv_len_in_bytes = NONCE_LEN;
	job->src = aead_settle(j);
	job->dst = j->dst;
	job->cipher_start_src_offset_in_bytes = 0;
	job->msg_len_to_cipher_in_bytes = j->len;
	job->hash_start_src_offset_in_bytes = 0;
	job->msg_len_to_hash_in_bytes = j->len;
	job->u.CHACHA20_POLY1305.aad = j->aad;
	job->u.CHACHA20_POLY1305.aad_len_in_bytes = j->aad_len;
	job->auth_tag_output = tag;
	job->auth_tag_output_len_in_bytes = TAG_LEN;
	run(s->mgr);
}

static void run_mac(struct ipsec_mb *s, const struct aead_job *j, const uint8_t *poly_key)
{
	IMB_JOB *job = IMB_GET_NEXT_JOB(s->mgr);
	uint8_t *p = s->text;

	assert(j->aad_len <= AEAD_AAD_MAX && j->len <= AEAD_TEXT_MAX);
	if (j->aad_len > 0)
		memcpy(p, j->aad, j->aad_len);
	p += j->aad_len;
	memset(p, 0, 16);
	p += aead_padding(j->aad_len);
	memcpy(p, j->src, j->len);
	p += j->len;
	memset(p, 0, 16);
	p += aead_padding(j->len);
	aead_put_lengths(p, j);
	p += 16;

	job->cipher_mode = IMB_CIPHER_NULL;
	job->hash_alg = IMB_AUTH_POLY1305;
	job->cipher_direction = IMB_DIR_ENCRYPT;
	job->chain_order = IMB_ORDER_HASH_CIPHER;
	job->src = s->text;
	job->hash_start_src_offset_in_bytes = 0;
	job->msg_len_to_hash_in_bytes = (uint64_t)(p - s->text);
	job->u.POLY1305._key = poly_key;
	job->auth_tag_output = j->tag;
	job->auth_tag_output_len_in_bytes = TAG_LEN;
	run(s->mgr);
}

static void seal(struct aead *a, struct aead_job *jobs, size_t n)
{
	for (size_t i = 0; i < n; i++)
		run_cipher(state_of(a), &jobs[i], IMB_CIPHER_CHACHA20_POLY1305,
			   IMB_AUTH_CHACHA20_POLY1305, IMB_DIR_ENCRYPT, jobs[i].tag);
}

static void unseal(struct aead *a, struct aead_job *jobs, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint8_t want[TAG_LEN], have[TAG_LEN];

		memcpy(have, jobs[i].tag, TAG_LEN);
		run_cipher(state_of(a), &jobs[i], IMB_CIPHER_CHACHA20_POLY1305,
			   IMB_AUTH_CHACHA20_POLY1305, IMB_DIR_DECRYPT, want);
		jobs[i].ok = poly1305_equal(want, have);
	}
}

static void xor_stream(struct aead *a, struct aead_job *jobs, size_t n)
{
	for (size_t i = 0; i < n; i++)
		run_cipher(state_of(a), &jobs[i], IMB_CIPHER_CHACHA20, IMB_AUTH_NULL,
			   IMB_DIR_ENCRYPT, NULL);
}

static void mac(struct aead *a, struct aead_job *jobs, size_t n)
{
	uint8_t keys[AEAD_ROUND][CHACHA_BLOCK_LEN];

	for (size_t i = 0; i < n; i++) {
		if (i % AEAD_ROUND == 0)
			aead_poly_keys(jobs + i, MIN(n - i, (size_t)AEAD_ROUND), keys);
		run_mac(state_of(a), &jobs[i], keys[i % AEAD_ROUND]);
	}
}

const struct aead_backend aead_ipsec_mb = {
    .name = "ipsec-mb",
    .open = open_ipsec_mb,
    .close = close_ipsec_mb,
    .seal = seal,
    .unseal = unseal,
    .xor = xor_stream,
    .mac = mac,
};
