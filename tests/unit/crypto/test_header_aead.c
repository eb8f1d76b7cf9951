/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "crypto/header_aead.h"

#include "crypto/poly1305.h"
#include "tests/lib/test.h"
#include "tests/lib/vectors.h"
#include "util/rng.h"

#include <sodium.h>

#define MANY 131 /* two full rounds and a rest */

static void test_poly1305_vectors(void)
{
	json_t *root = vector_load("rfc8439.json"), *list = vector_get(root, "poly1305"), *v;
	size_t i;

	CHECK(json_array_size(list) == 8);
	json_array_foreach(list, i, v)
	{
		uint8_t key[32], data[64], want[16], got[16];
		const size_t len = strlen(json_string_value(vector_get(v, "data"))) / 2;

		NEED(len <= sizeof(data) && len % 16 == 0);
		vector_bytes(v, "key", key, sizeof(key));
		vector_bytes(v, "data", data, len);
		vector_bytes(v, "tag", want, sizeof(want));
		poly1305_blocks(got, key, data, len / 16);
		CHECK_MEM(got, want, sizeof(want));
	}
	json_decref(root);
}

/* Random bytes seldom reach the carries: every byte is often all ones or all zeros here. */
static void test_poly1305_against_libsodium(void)
{
	struct rng rng = rng_seeded(1305);

	for (int i = 0; i < 20000; i++) {
		uint8_t bytes[32 + 128], got[16], want[16];
		const size_t n = rng_below(&rng, 9);

		rng_fill(&rng, bytes, sizeof(bytes));
		for (size_t k = 0; i % 4 != 0 && k < sizeof(bytes); k++)
			bytes[k] = bytes[k] % 8 == 0 ? 0 : bytes[k] % 8 < 5 ? 0xff : bytes[k];
		poly1305_blocks(got, bytes, bytes + 32, n);
		crypto_onetimeauth_poly1305(want, bytes + 32, n * 16, bytes);
		CHECK_MEM(got, want, sizeof(want));
	}
	rng_seeded_free(&rng);
}

static void test_tags_compare_by_every_bit(void)
{
	uint8_t a[16], b[16];

	memset(a, 0x3c, sizeof(a));
	memcpy(b, a, sizeof(b));
	CHECK(poly1305_equal(a, b));
	for (size_t bit = 0; bit < 128; bit++) {
		b[bit / 8] ^= (uint8_t)(1 << bit % 8);
		CHECK(!poly1305_equal(a, b));
		b[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

struct many {
	struct header_job jobs[MANY];
	uint8_t keys[MANY][KEY_LEN];
	uint8_t plain[MANY][HEADER_TEXT_LEN], text[MANY][HEADER_TEXT_LEN];
	uint8_t tags[MANY][TAG_LEN];
};

static struct many m;

static void fill_many(void)
{
	struct rng rng = rng_seeded(12);

	rng_fill(&rng, m.keys, sizeof(m.keys));
	rng_fill(&rng, m.plain, sizeof(m.plain));
	memcpy(m.text, m.plain, sizeof(m.text));
	for (size_t i = 0; i < MANY; i++) {
		m.jobs[i] = (struct header_job){
		    .key = m.keys[i],
		    .nonce = rng_u64(&rng),
		    .text = m.text[i],
		    .tag = m.tags[i],
		};
		rng_fill(&rng, m.jobs[i].aad, HEADER_AAD_LEN);
	}
	rng_seeded_free(&rng);
}

static void test_equals_rfc8439_aead(void)
{
	fill_many();
	for (size_t n = 1; n <= MANY; n += 13) {
		memcpy(m.text, m.plain, sizeof(m.text));
		header_seal(m.jobs, n);
		for (size_t i = 0; i < n; i++) {
			uint8_t nonce[12] = {0}, ct[HEADER_TEXT_LEN], tag[TAG_LEN];

			put_le64(nonce + 4, m.jobs[i].nonce);
			crypto_aead_chacha20poly1305_ietf_encrypt_detached(
			    ct, tag, NULL, m.plain[i], HEADER_TEXT_LEN, m.jobs[i].aad,
			    HEADER_AAD_LEN, NULL, nonce, m.keys[i]);
			CHECK_MEM(m.text[i], ct, sizeof(ct));
			CHECK_MEM(m.tags[i], tag, sizeof(tag));
		}
		for (size_t i = n; i < MANY; i++)
			CHECK_MEM(m.text[i], m.plain[i], HEADER_TEXT_LEN);
	}
}

static void test_opens_what_was_sealed(void)
{
	fill_many();
	header_seal(m.jobs, MANY);
	header_open(m.jobs, MANY);
	for (size_t i = 0; i < MANY; i++)
		CHECK(m.jobs[i].ok);
	CHECK_MEM(m.text, m.plain, sizeof(m.plain));
	header_seal(m.jobs, 0);
	header_open(m.jobs, 0);
	CHECK_MEM(m.text, m.plain, sizeof(m.plain));
}

/* One bit of one header is changed; it alone is refused, and its text stays as it came. */
static void check_refused(uint8_t *byte, uint8_t bit, size_t victim)
{
	uint8_t sealed[HEADER_TEXT_LEN];

	memcpy(m.text, m.plain, sizeof(m.text));
	header_seal(m.jobs, 3);
	*byte ^= bit;
	memcpy(sealed, m.text[victim], sizeof(sealed));
	header_open(m.jobs, 3);
	for (size_t i = 0; i < 3; i++) {
		CHECK(m.jobs[i].ok == (i != victim));
		CHECK_MEM(m.text[i], i == victim ? sealed : m.plain[i], HEADER_TEXT_LEN);
	}
	*byte ^= bit;
}

static void test_every_changed_bit_is_refused(void)
{
	fill_many();
	for (size_t bit = 0; bit < 8; bit++) {
		const uint8_t mask = (uint8_t)(1 << bit);

		for (size_t i = 0; i < HEADER_TEXT_LEN; i++)
			check_refused(&m.text[1][i], mask, 1);
		for (size_t i = 0; i < TAG_LEN; i++)
			check_refused(&m.tags[1][i], mask, 1);
		for (size_t i = 0; i < HEADER_AAD_LEN; i++)
			check_refused(&m.jobs[1].aad[i], mask, 1);
	}
}

static void test_wrong_nonce_or_key_is_refused(void)
{
	fill_many();
	header_seal(m.jobs, 2);
	m.jobs[0].nonce++;
	m.keys[1][31] ^= 1;
	header_open(m.jobs, 2);
	CHECK(!m.jobs[0].ok && !m.jobs[1].ok);
}

int main(void)
{
	RUN(test_poly1305_vectors);
	RUN(test_poly1305_against_libsodium);
	RUN(test_tags_compare_by_every_bit);
	RUN(test_equals_rfc8439_aead);
	RUN(test_opens_what_was_sealed);
	RUN(test_every_changed_bit_is_refused);
	RUN(test_wrong_nonce_or_key_is_refused);
	return test_done();
}
