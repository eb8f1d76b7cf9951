/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The short AEAD of link headers: two ChaCha20 blocks and four Poly1305 blocks for each. */
#include "crypto/header_aead.h"

#include "crypto/chacha.h"
#include "crypto/poly1305.h"

#define ROUND 64 /* headers in one wide call */

/* A header's two blocks: the Poly1305 key, and the keystream of its text. */
struct streams {
	uint8_t block[2 * ROUND][CHACHA_BLOCK_LEN];
};

static void make_streams(struct streams *s, const struct header_job *jobs, size_t n)
{
	struct chacha_job blocks[2 * ROUND];

	for (size_t i = 0; i < n; i++)
		for (uint32_t b = 0; b < 2; b++)
			blocks[2 * i + b] = (struct chacha_job){
			    .key = jobs[i].key, .nonce = jobs[i].nonce, .block = b};
	chacha_blocks(blocks, 2 * n, s->block);
}

static void make_tag(uint8_t tag[static TAG_LEN], const struct header_job *job,
		     const uint8_t *poly_key)
{
	uint8_t m[64] = {0}; /* AAD and text, each padded with zeros to 16, and their lengths */

	memcpy(m, job->aad, HEADER_AAD_LEN);
	memcpy(m + 32, job->text, HEADER_TEXT_LEN);
	put_le64(m + 48, HEADER_AAD_LEN);
	put_le64(m + 56, HEADER_TEXT_LEN);
	poly1305_blocks(tag, poly_key, m, sizeof(m) / 16);
}

static void xor_text(uint8_t *text, const uint8_t *stream)
{
	put_le64(text, get_le64(text) ^ get_le64(stream));
	put_le32(text + 8, get_le32(text + 8) ^ get_le32(stream + 8));
}

void header_seal(struct header_job *jobs, size_t n)
{
	struct streams s;

	for (size_t step; n > 0; jobs += step, n -= step) {
		step = MIN(n, (size_t)ROUND);
		make_streams(&s, jobs, step);
		for (size_t i = 0; i < step; i++) {
			xor_text(jobs[i].text, s.block[2 * i + 1]);
			make_tag(jobs[i].tag, &jobs[i], s.block[2 * i]);
		}
	}
}

void header_open(struct header_job *jobs, size_t n)
{
	struct streams s;
	uint8_t tag[TAG_LEN];

	for (size_t step; n > 0; jobs += step, n -= step) {
		step = MIN(n, (size_t)ROUND);
		make_streams(&s, jobs, step);
		for (size_t i = 0; i < step; i++) {
			make_tag(tag, &jobs[i], s.block[2 * i]);
			jobs[i].ok = poly1305_equal(tag, jobs[i].tag);
			if (jobs[i].ok)
				xor_text(jobs[i].text, s.block[2 * i + 1]);
		}
	}
}
