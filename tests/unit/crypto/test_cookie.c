/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "crypto/cookie.h"

#include "tests/lib/test.h"

static const uint8_t owner[32] = {1, 2, 3};
static const char message[] = "the first 1416 bytes of an INIT";

struct fixture {
	struct cookie_jar jar;
	struct rng rng;
	struct now now;
	struct endpoint from;
};

static struct fixture setup(void)
{
	struct fixture f = {.rng = rng_seeded(3), .now.mono_ns = 0};

	cookie_jar_init(&f.jar, owner);
	CHECK(endpoint_parse(&f.from, "192.0.2.1:4600") == 0);
	return f;
}

static void bake(struct fixture *f, uint8_t mac2[static MAC_LEN])
{
	uint8_t cookie[COOKIE_LEN];

	cookie_for(&f->jar, &f->from, &f->now, &f->rng, cookie);
	mac128(mac2, cookie, COOKIE_LEN, message, sizeof(message));
}

static bool is_ok(struct fixture *f, const uint8_t mac2[static MAC_LEN])
{
	return cookie_mac2_ok(&f->jar, &f->from, &f->now, &f->rng, message, sizeof(message), mac2);
}

static void test_cookie_is_honoured(void)
{
	struct fixture f = setup();
	uint8_t mac2[MAC_LEN];

	bake(&f, mac2);
	CHECK(is_ok(&f, mac2));
	CHECK(!cookie_mac2_ok(&f.jar, &f.from, &f.now, &f.rng, message, sizeof(message) - 1, mac2));
	for (size_t i = 0; i < MAC_LEN; i++) {
		mac2[i] ^= 1;
		CHECK(!is_ok(&f, mac2));
		mac2[i] ^= 1;
	}
	rng_seeded_free(&f.rng);
}

static void test_fresh_jar_honours_nothing(void)
{
	struct fixture f = setup();
	uint8_t mac2[MAC_LEN] = {0}, secret[HASH_LEN] = {0}, cookie[COOKIE_LEN], address[18] = {0};

	CHECK(!is_ok(&f, mac2));
	rng_seeded_free(&f.rng);

	/* Nor a cookie under the all-zero secret that a jar holds before its first use. */
	f = setup();
	memcpy(address, f.from.ip, 16);
	put_le16(address + 16, f.from.port);
	mac128(cookie, secret, sizeof(secret), address, sizeof(address));
	mac128(mac2, cookie, sizeof(cookie), message, sizeof(message));
	CHECK(!is_ok(&f, mac2));
	rng_seeded_free(&f.rng);
}

static void test_cookie_belongs_to_one_address(void)
{
	struct fixture f = setup();
	uint8_t mac2[MAC_LEN];

	bake(&f, mac2);
	f.from.port++;
	CHECK(!is_ok(&f, mac2));
	f.from.port--;
	for (size_t i = 0; i < sizeof(f.from.ip); i++) {
		f.from.ip[i] ^= 1;
		CHECK(!is_ok(&f, mac2));
		f.from.ip[i] ^= 1;
	}
	CHECK(is_ok(&f, mac2));
	rng_seeded_free(&f.rng);
}

static void test_secret_rotates(void)
{
	struct fixture f = setup();
	uint8_t first[MAC_LEN], second[MAC_LEN], third[MAC_LEN];

	bake(&f, first);
	f.now.mono_ns = COOKIE_ROTATE_NS - 1;
	bake(&f, second);
	CHECK_MEM(first, second, MAC_LEN);

	f.now.mono_ns = COOKIE_ROTATE_NS;
	bake(&f, second);
	CHECK(memcmp(first, second, MAC_LEN) != 0);
	CHECK(is_ok(&f, first) && is_ok(&f, second));

	f.now.mono_ns = 2 * COOKIE_ROTATE_NS;
	bake(&f, third);
	CHECK(!is_ok(&f, first) && is_ok(&f, second) && is_ok(&f, third));
	rng_seeded_free(&f.rng);
}

/* The check itself rotates, and after a long rest nothing older is honoured. */
static void test_old_cookie_dies_without_traffic(void)
{
	struct fixture f = setup();
	uint8_t mac2[MAC_LEN];

	bake(&f, mac2);
	f.now.mono_ns = 2 * COOKIE_ROTATE_NS - 1;
	CHECK(is_ok(&f, mac2));
	rng_seeded_free(&f.rng);

	f = setup();
	bake(&f, mac2);
	f.now.mono_ns = 2 * COOKIE_ROTATE_NS;
	CHECK(!is_ok(&f, mac2));
	rng_seeded_free(&f.rng);
}

static void test_seal_and_unseal(void)
{
	uint8_t key[HASH_LEN], nonce[COOKIE_NONCE_LEN] = {5}, mac1[MAC_LEN] = {6};
	uint8_t cookie[COOKIE_LEN], sealed[COOKIE_SEALED_LEN], opened[COOKIE_LEN] = {0};
	const uint8_t zeros[COOKIE_LEN] = {0};
	uint8_t *const parts[] = {sealed, nonce, mac1, key};
	const size_t lens[] = {sizeof(sealed), sizeof(nonce), sizeof(mac1), sizeof(key)};

	memset(cookie, 0x77, sizeof(cookie));
	cookie_seal_key(key, owner);
	cookie_seal(sealed, cookie, key, nonce, mac1);
	for (size_t p = 0; p < ARRAY_LEN(parts); p++) {
		for (size_t i = 0; i < lens[p]; i++) {
			parts[p][i] ^= 0x10;
			CHECK(cookie_unseal(opened, sealed, key, nonce, mac1) < 0);
			CHECK_MEM(opened, zeros, sizeof(zeros));
			parts[p][i] ^= 0x10;
		}
	}
	CHECK(cookie_unseal(opened, sealed, key, nonce, mac1) == 0);
	CHECK_MEM(opened, cookie, sizeof(cookie));
}

static void test_keys_of_a_responder(void)
{
	struct cookie_jar jar;
	uint8_t key[HASH_LEN], want[HASH_LEN], text[6 + 32];

	cookie_jar_init(&jar, owner);
	cookie_mac1_key(key, owner);
	CHECK_MEM(key, jar.mac1_key, HASH_LEN);
	memcpy(text, "mac1", 4);
	memcpy(text + 4, owner, 32);
	hash_sha256(want, text, 36);
	CHECK_MEM(key, want, HASH_LEN);

	cookie_seal_key(key, owner);
	CHECK_MEM(key, jar.seal_key, HASH_LEN);
	memcpy(text, "cookie", 6);
	memcpy(text + 6, owner, 32);
	hash_sha256(want, text, 38);
	CHECK_MEM(key, want, HASH_LEN);
}

int main(void)
{
	RUN(test_cookie_is_honoured);
	RUN(test_fresh_jar_honours_nothing);
	RUN(test_cookie_belongs_to_one_address);
	RUN(test_secret_rotates);
	RUN(test_old_cookie_dies_without_traffic);
	RUN(test_seal_and_unseal);
	RUN(test_keys_of_a_responder);
	return test_done();
}
