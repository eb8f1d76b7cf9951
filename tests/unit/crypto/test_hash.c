/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "crypto/hash.h"

#include "tests/lib/test.h"
#include "tests/lib/vectors.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>

static void test_sha256_abc(void)
{
	static const uint8_t want[HASH_LEN] = {
	    0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40,
	    0xde, 0x5d, 0xae, 0x22, 0x23, 0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17,
	    0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad,
	};
	uint8_t out[HASH_LEN];

	hash_sha256(out, "abc", 3);
	CHECK_MEM(out, want, sizeof(want));
}

/* RFC 4231, test case 2, and a key longer than a block against its hash (2 of RFC 2104). */
static void test_hmac(void)
{
	static const uint8_t want[HASH_LEN] = {
	    0x5b, 0xdc, 0xc1, 0x46, 0xbf, 0x60, 0x75, 0x4e, 0x6a, 0x04, 0x24,
	    0x26, 0x08, 0x95, 0x75, 0xc7, 0x5a, 0x00, 0x3f, 0x08, 0x9d, 0x27,
	    0x39, 0x83, 0x9d, 0xec, 0x58, 0xb9, 0x64, 0xec, 0x38, 0x43,
	};
	uint8_t out[HASH_LEN], again[HASH_LEN], key[100], hashed[HASH_LEN];

	hash_hmac(out, (const uint8_t *)"Jefe", 4, "what do ya want for nothing?", 28);
	CHECK_MEM(out, want, sizeof(want));

	memset(key, 0xaa, sizeof(key));
	hash_sha256(hashed, key, sizeof(key));
	hash_hmac(out, key, sizeof(key), "x", 1);
	hash_hmac(again, hashed, sizeof(hashed), "x", 1);
	CHECK_MEM(out, again, sizeof(out));
}

static size_t hex_len(json_t *obj, const char *name)
{
	return strlen(json_string_value(vector_get(obj, name))) / 2;
}

static void test_hkdf_vectors(void)
{
	json_t *root = vector_load("rfc5869.json"), *v;
	size_t i;

	CHECK(json_array_size(vector_get(root, "vectors")) == 3);
	json_array_foreach(vector_get(root, "vectors"), i, v)
	{
		uint8_t ikm[128], salt[128], info[128], prk[HASH_LEN], okm[128];
		uint8_t got_prk[HASH_LEN], got[128];
		const size_t ikm_len = hex_len(v, "ikm"), salt_len = hex_len(v, "salt");
		const size_t info_len = hex_len(v, "info"), okm_len = hex_len(v, "okm");

		vector_bytes(v, "ikm", ikm, ikm_len);
		vector_bytes(v, "salt", salt, salt_len);
		vector_bytes(v, "info", info, info_len);
		vector_bytes(v, "prk", prk, HASH_LEN);
		vector_bytes(v, "okm", okm, okm_len);
		hkdf_extract(got_prk, salt_len > 0 ? salt : NULL, salt_len, ikm, ikm_len);
		CHECK_MEM(got_prk, prk, HASH_LEN);
		hkdf_expand(got, okm_len, prk, "", info_len > 0 ? info : NULL, info_len);
		CHECK_MEM(got, okm, okm_len);
	}
	json_decref(root);
}

static void test_label_comes_before_info(void)
{
	const uint8_t prk[HASH_LEN] = {1, 2, 3};
	uint8_t joined[70], apart[70], other[70];

	hkdf_expand(joined, sizeof(joined), prk, "label", (const uint8_t *)"info", 4);
	hkdf_expand(apart, sizeof(apart), prk, "", (const uint8_t *)"labelinfo", 9);
	CHECK_MEM(joined, apart, sizeof(joined));
	hkdf_expand(other, sizeof(other), prk, "infolabel", NULL, 0);
	CHECK(memcmp(joined, other, sizeof(joined)) != 0);
}

static void test_expand_is_a_prefix_at_every_length(void)
{
	static uint8_t all[255 * HASH_LEN], some[300];
	const uint8_t prk[HASH_LEN] = {9};
	uint8_t info[128 - 3] = {7};

	hkdf_expand(all, sizeof(all), prk, "abc", info, sizeof(info)); /* both limits */
	for (size_t len = 0; len < sizeof(some); len++) {
		memset(some, 0xee, sizeof(some));
		hkdf_expand(some, len, prk, "abc", info, sizeof(info));
		CHECK(memcmp(some, all, len) == 0 && some[len] == 0xee);
	}
}

static void blake2b_openssl(uint8_t out[static MAC_LEN], const uint8_t *key, size_t key_len,
			    const uint8_t *data, size_t len)
{
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "BLAKE2BMAC", NULL);
	EVP_MAC_CTX *ctx = EVP_MAC_CTX_new(mac);
	size_t size = MAC_LEN, done;
	const OSSL_PARAM params[] = {
	    OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &size),
	    OSSL_PARAM_construct_end(),
	};

	NEED(EVP_MAC_init(ctx, key, key_len, params) == 1);
	NEED(EVP_MAC_update(ctx, data, len) == 1);
	NEED(EVP_MAC_final(ctx, out, &done, MAC_LEN) == 1 && done == MAC_LEN);
	EVP_MAC_CTX_free(ctx);
	EVP_MAC_free(mac);
}

static void test_mac128_is_keyed_blake2b(void)
{
	uint8_t data[300], key[64], got[MAC_LEN], want[MAC_LEN] = {0};

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 7);
	memcpy(key, data, sizeof(key));
	for (size_t len = 0; len <= sizeof(data); len += 25) {
		blake2b_openssl(want, key, 32, data, len);
		mac128(got, key, 32, data, len);
		CHECK_MEM(got, want, MAC_LEN);
	}
	blake2b_openssl(want, key, 16, data, 5);
	mac128(got, key, 16, data, 5);
	CHECK_MEM(got, want, MAC_LEN);
	key[15] ^= 1;
	mac128(got, key, 16, data, 5);
	CHECK(memcmp(got, want, MAC_LEN) != 0);
}

static void test_wipe_and_equal(void)
{
	uint8_t a[40], b[40];

	memset(a, 0x11, sizeof(a));
	memcpy(b, a, sizeof(a));
	CHECK(secret_equal(a, b, sizeof(a)));
	for (size_t i = 0; i < sizeof(a); i++) {
		b[i] ^= 0x80;
		CHECK(!secret_equal(a, b, sizeof(a)));
		CHECK(secret_equal(a, b, i));
		b[i] ^= 0x80;
	}
	secret_wipe(a, 39);
	for (size_t i = 0; i < 39; i++)
		CHECK(a[i] == 0);
	CHECK(a[39] == 0x11);
}

int main(void)
{
	RUN(test_sha256_abc);
	RUN(test_hmac);
	RUN(test_hkdf_vectors);
	RUN(test_label_comes_before_info);
	RUN(test_expand_is_a_prefix_at_every_length);
	RUN(test_mac128_is_keyed_blake2b);
	RUN(test_wipe_and_equal);
	return test_done();
}
