/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mesh/invite.h"

#include <errno.h>
#include <sodium.h>

#include "tests/lib/test.h"
#include "tests/lib/vectors.h"

#define WALL_S 1800000000ull

static struct registrar registrar;

static void fill(struct invite *inv, unsigned seeds)
{
	struct rng rng = rng_seeded(seeds);

	*inv = (struct invite){.expires_s = WALL_S + 10, .seed_count = seeds};
	memcpy(inv->registrar, registrar.key, sizeof(inv->registrar));
	for (unsigned i = 0; i < seeds; i++) {
		rng_fill(&rng, &inv->seeds[i], sizeof(inv->seeds[i]));
		inv->seeds[i].addr.port |= 1;
	}
	rng_seeded_free(&rng);
}

static void check_same(const struct invite *a, const struct invite *b)
{
	CHECK_MEM(a->registrar, b->registrar, sizeof(a->registrar));
	CHECK_INT(a->expires_s, b->expires_s);
	CHECK_INT(a->seed_count, b->seed_count);
	for (unsigned i = 0; i < a->seed_count; i++) {
		CHECK_MEM(a->seeds[i].id, b->seeds[i].id, NODE_ID_LEN);
		CHECK_MEM(a->seeds[i].link_public, b->seeds[i].link_public, DH_LEN);
		CHECK(endpoint_equal(&a->seeds[i].addr, &b->seeds[i].addr));
	}
}

static void test_round_trips(void)
{
	char text[INVITE_TEXT_MAX];
	const char *why = "";

	for (unsigned n = 1; n <= INVITE_SEEDS_MAX; n++) {
		struct invite inv, back;

		fill(&inv, n);
		NEED(invite_parse(&back, invite_format(&inv, registrar.secret, text), WALL_S,
				  &why) == 0);
		check_same(&inv, &back);
	}
}

static void test_vectors(void)
{
	json_t *root = vector_load("registry.json"), *all = vector_get(root, "invites"), *v;
	size_t i;

	NEED(json_array_size(all) > 0);
	json_array_foreach(all, i, v)
	{
		json_t *seeds = vector_get(v, "seeds"), *s;
		char text[INVITE_TEXT_MAX];
		uint8_t seed[32], secret[LOCAL_SECRET_LEN];
		struct invite want = {.expires_s = vector_int(v, "expires")}, got;
		const char *why = "", *given = json_string_value(vector_get(v, "text"));
		size_t k;

		vector_bytes(root, "registrar_seed", seed, sizeof(seed));
		crypto_sign_seed_keypair(want.registrar, secret, seed);
		json_array_foreach(seeds, k, s)
		{
			struct seed *to = &want.seeds[want.seed_count++];

			vector_bytes(s, "id", to->id, sizeof(to->id));
			vector_bytes(s, "link_key", to->link_public, sizeof(to->link_public));
			vector_bytes(s, "ip", to->addr.ip, sizeof(to->addr.ip));
			to->addr.port = (uint16_t)vector_int(s, "port");
		}
		NEED(invite_parse(&got, given, WALL_S, &why) == 0);
		check_same(&got, &want);
		CHECK(strcmp(invite_format(&want, secret, text), given) == 0);
	}
	json_decref(root);
}

static void refused(const char *text, uint64_t wall_s, const char *expected)
{
	struct invite inv, before;
	const char *why = "";

	memset(&inv, 0x77, sizeof(inv));
	before = inv;
	CHECK_INT(invite_parse(&inv, text, wall_s, &why), -EINVAL);
	CHECK_MEM(&inv, &before, sizeof(inv));
	if (strstr(why, expected) == NULL) {
		printf("# '%s': '%s' lacks '%s'\n", text, why, expected);
		test_current_failed = 1;
	}
}

/* Each character matters, and each length. */
static void test_damage(void)
{
	char text[INVITE_TEXT_MAX], other[INVITE_TEXT_MAX + 1];
	struct invite inv;
	size_t len;

	fill(&inv, 2);
	len = strlen(invite_format(&inv, registrar.secret, text));
	for (size_t i = 0; i < len; i++) {
		memcpy(other, text, len + 1);
		other[i] = text[i] == 'A' ? 'B' : 'A';
		refused(other, WALL_S, i < 6 ? "macro:" : "it was");
		other[i] = '!';
		refused(other, WALL_S, i < 6 ? "macro:" : "cut");
	}
	for (size_t n = 0; n < len; n++) {
		memcpy(other, text, n);
		other[n] = '\0';
		refused(other, WALL_S, n < 6 ? "macro:" : "cut");
	}
	snprintf(other, sizeof(other), "%sA", text);
	refused(other, WALL_S, "cut");
	memset(other, 'A', sizeof(other) - 1);
	memcpy(other, "macro:", 6);
	other[sizeof(other) - 1] = '\0';
	refused(other, WALL_S, "");
}

/* The text of bytes, with the right sum. */
static const char *pack(uint8_t *bytes, size_t len, char *out)
{
	uint8_t hash[HASH_LEN];

	hash_sha256(hash, bytes, len);
	memcpy(bytes + len, hash, 4);
	strcpy(out, "macro:");
	sodium_bin2base64(out + 6, INVITE_TEXT_MAX - 6, bytes, len + 4,
			  sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	return out;
}

/* What nobody mistypes: a stranger's changes, with the checksum put right. */
static void test_forgery(void)
{
	char text[INVITE_TEXT_MAX];
	uint8_t bytes[INVITE_BYTES_MAX + 100];
	struct invite inv;
	size_t len;

	fill(&inv, 2);
	invite_format(&inv, registrar.secret, text);
	NEED(sodium_base642bin(bytes, sizeof(bytes), text + 6, strlen(text + 6), NULL, &len, NULL,
			       sodium_base64_VARIANT_URLSAFE_NO_PADDING) == 0);
	len -= 4;
	for (size_t i = 1; i < len; i++) {
		if (i == 39) /* how many seeds */
			continue;
		bytes[i] ^= 1;
		refused(pack(bytes, len, text), WALL_S, "signature");
		bytes[i] ^= 1;
	}
	bytes[0] = 2;
	refused(pack(bytes, len, text), WALL_S, "another version");
	bytes[0] = 1;
	for (unsigned n = 0; n < 256; n++) {
		if (n == 2)
			continue;
		bytes[39] = (uint8_t)n;
		refused(pack(bytes, len, text), WALL_S,
			n == 0 || n > INVITE_SEEDS_MAX ? "names no node" : "");
	}
	bytes[39] = 2;
	refused(pack(bytes, len, text), WALL_S + 11, "expired");
	CHECK_INT(invite_parse(&inv, text, WALL_S + 10, &(const char *){NULL}), 0);
	refused(pack(bytes, len - 1, text), WALL_S, "wrong length");
}

static void test_for_ever(void)
{
	char text[INVITE_TEXT_MAX];
	struct invite inv;
	const char *why;

	fill(&inv, 1);
	inv.expires_s = 0;
	CHECK_INT(invite_parse(&inv, invite_format(&inv, registrar.secret, text), UINT64_MAX, &why),
		  0);
	inv.seeds[0].addr.port = 0;
	refused(invite_format(&inv, registrar.secret, text), WALL_S, "without a port");
}

int main(void)
{
	if (sodium_init() < 0)
		return EXIT_FAILURE;
	registrar_generate(&registrar, &rng_system);
	RUN(test_round_trips);
	RUN(test_vectors);
	RUN(test_damage);
	RUN(test_forgery);
	RUN(test_for_ever);
	return test_done();
}
