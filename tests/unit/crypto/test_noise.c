/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "crypto/noise.h"

#include "tests/lib/test.h"
#include "tests/lib/vectors.h"

#include <errno.h>
#include <sodium.h>

#define MESSAGE_MAX 256

/* --- X25519 --- */

static void from_hex(uint8_t out[static DH_LEN], const char *hex)
{
	size_t len = 0;

	CHECK(sodium_hex2bin(out, DH_LEN, hex, strlen(hex), NULL, &len, NULL) == 0);
	CHECK(len == DH_LEN);
}

static void check_dh(const char *scalar_hex, const char *point_hex, const char *product_hex)
{
	uint8_t scalar[DH_LEN], point[DH_LEN], want[DH_LEN], got[DH_LEN];

	from_hex(scalar, scalar_hex);
	from_hex(point, point_hex);
	from_hex(want, product_hex);
	CHECK(dh(got, scalar, point) == 0);
	CHECK_MEM(got, want, DH_LEN);
}

static void test_rfc7748_products(void)
{
	check_dh("a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
		 "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
		 "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552");
	check_dh("4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
		 "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
		 "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957");
}

/* 5.2: the product becomes the scalar, and the scalar the point. */
static void test_rfc7748_iterated(void)
{
	uint8_t k[DH_LEN] = {9}, u[DH_LEN] = {9}, out[DH_LEN], want[DH_LEN];

	for (int i = 1; i <= 1000; i++) {
		NEED(dh(out, k, u) == 0);
		memcpy(u, k, DH_LEN);
		memcpy(k, out, DH_LEN);
	}
	from_hex(want, "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51");
	CHECK_MEM(k, want, DH_LEN);
}

/* 6.1 */
static void test_rfc7748_key_pairs(void)
{
	struct dh_keypair alice, bob;
	uint8_t secret[DH_LEN], want[DH_LEN], got[DH_LEN];

	from_hex(secret, "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a");
	dh_keypair_from_secret(&alice, secret);
	from_hex(want, "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a");
	CHECK_MEM(alice.public, want, DH_LEN);
	from_hex(secret, "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb");
	dh_keypair_from_secret(&bob, secret);
	from_hex(want, "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
	CHECK(dh(got, alice.secret, bob.public) == 0);
	CHECK_MEM(got, want, DH_LEN);
	CHECK(dh(got, bob.secret, alice.public) == 0);
	CHECK_MEM(got, want, DH_LEN);
}

static void test_generated_pairs_differ(void)
{
	struct dh_keypair a, b;
	uint8_t ab[DH_LEN], ba[DH_LEN];

	dh_keypair_generate(&a, &rng_system);
	dh_keypair_generate(&b, &rng_system);
	CHECK(memcmp(a.secret, b.secret, DH_LEN) != 0);
	CHECK(dh(ab, a.secret, b.public) == 0);
	CHECK(dh(ba, b.secret, a.public) == 0);
	CHECK_MEM(ab, ba, DH_LEN);
}

/* Points of small order, also in their non-canonical forms: with these the product is zero. */
static const char *const small_points[] = {
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
};

static void test_zero_products_are_refused(void)
{
	const uint8_t zero[DH_LEN] = {0};
	struct dh_keypair kp;

	dh_keypair_generate(&kp, &rng_system);
	for (size_t i = 0; i < ARRAY_LEN(small_points); i++) {
		uint8_t point[DH_LEN], out[DH_LEN];

		memset(out, 0xee, sizeof(out));
		from_hex(point, small_points[i]);
		CHECK(dh(out, kp.secret, point) == -EINVAL);
		CHECK_MEM(out, zero, sizeof(zero));
	}
}

/* --- Symmetric state --- */

static struct noise_sym sym_with_key(void)
{
	struct noise_sym s;

	noise_sym_init(&s, "Noise_XX_25519_ChaChaPoly_SHA256");
	noise_mix_hash(&s, "prologue", 8);
	noise_mix_key(&s, (const uint8_t *)"input", 5);
	return s;
}

static void test_name_is_padded_or_hashed(void)
{
	uint8_t want[HASH_LEN] = "short";
	struct noise_sym s;

	noise_sym_init(&s, "short");
	CHECK_MEM(s.h, want, HASH_LEN);
	CHECK_MEM(s.ck, want, HASH_LEN);
	CHECK(!s.has_key);
	noise_sym_init(&s, "exactly 32 bytes are not hashed.");
	CHECK_MEM(s.h, "exactly 32 bytes are not hashed.", HASH_LEN);
	noise_sym_init(&s, "exactly 33 bytes are hashed here.");
	hash_sha256(want, "exactly 33 bytes are hashed here.", 33);
	CHECK_MEM(s.h, want, HASH_LEN);
}

static void test_without_key_text_passes_in_the_clear(void)
{
	struct noise_sym a, b, c;
	uint8_t text[9] = "payload!", out[9], back[9];

	noise_sym_init(&a, "name");
	b = c = a;
	noise_encrypt_and_hash(&a, text, sizeof(text), out);
	CHECK_MEM(out, text, sizeof(text));
	CHECK(noise_decrypt_and_hash(&b, out, sizeof(text), back) == 0);
	CHECK_MEM(back, text, sizeof(text));
	noise_mix_hash(&c, text, sizeof(text));
	CHECK_MEM(a.h, c.h, HASH_LEN);
	CHECK_MEM(b.h, c.h, HASH_LEN);
}

static void test_detached_equals_joined(void)
{
	struct noise_sym a = sym_with_key(), b = a, c = a, d = a;
	uint8_t text[40], joined[40 + TAG_LEN], ct[40], tag[TAG_LEN];

	memset(text, 0x42, sizeof(text));
	for (int round = 0; round < 3; round++) { /* the nonce counts up alike */
		noise_encrypt_and_hash(&a, text, sizeof(text), joined);
		memcpy(ct, text, sizeof(ct));
		noise_seal_detached(&b, ct, sizeof(ct), ct, tag);
		CHECK_MEM(ct, joined, sizeof(ct));
		CHECK_MEM(tag, joined + sizeof(ct), TAG_LEN);
		CHECK(noise_open_detached(&c, ct, sizeof(ct), tag, ct) == 0);
		CHECK_MEM(ct, text, sizeof(ct));
		CHECK(noise_decrypt_and_hash(&d, joined, sizeof(text), joined) == 0);
		CHECK_MEM(joined, text, sizeof(text));
	}
	CHECK(a.n == 3);
	CHECK(memcmp(&a, &b, offsetof(struct noise_sym, has_key)) == 0);
	CHECK(memcmp(&a, &c, offsetof(struct noise_sym, has_key)) == 0);
	CHECK(memcmp(&a, &d, offsetof(struct noise_sym, has_key)) == 0);
}

static void test_refused_message_changes_nothing(void)
{
	struct noise_sym a = sym_with_key(), b = a;
	const struct noise_sym before = a;
	uint8_t text[33] = "thirty-two bytes of handshake...", sealed[33 + TAG_LEN], out[33];
	uint8_t untouched[33];

	memset(untouched, 0xab, sizeof(untouched));
	noise_encrypt_and_hash(&a, text, sizeof(text), sealed);
	for (size_t i = 0; i < sizeof(sealed); i++) {
		memcpy(out, untouched, sizeof(out));
		sealed[i] ^= 4;
		CHECK(noise_decrypt_and_hash(&b, sealed, sizeof(text), out) == -EBADMSG);
		CHECK_MEM(out, untouched, sizeof(out));
		CHECK_MEM(&b, &before, sizeof(b));
		sealed[i] ^= 4;
	}
	CHECK(noise_decrypt_and_hash(&b, sealed, sizeof(text), out) == 0);
	CHECK_MEM(out, text, sizeof(text));
}

static void test_split_keys_differ(void)
{
	const struct noise_sym s = sym_with_key();
	uint8_t k1[KEY_LEN], k2[KEY_LEN];

	noise_split(&s, k1, k2);
	CHECK(memcmp(k1, k2, KEY_LEN) != 0);
	CHECK(memcmp(k1, s.k, KEY_LEN) != 0 && memcmp(k2, s.k, KEY_LEN) != 0);
}

/* --- Patterns --- */

struct pattern {
	const char *name;
	size_t overhead1; /* of message 1 besides its payload */
	bool initiator_has_static;
};

static const struct pattern ik = {"Noise_IK_25519_ChaChaPoly_SHA256", 32 + 48 + 16, true};
static const struct pattern nk = {"Noise_NK_25519_ChaChaPoly_SHA256", 32 + 16, false};
#define OVERHEAD2 (32 + 16)

/* Both sides of one handshake. */
struct parties {
	const struct pattern *p;
	struct dh_keypair is, rs;
	struct noise_hs i, r;
};

static void start(struct parties *x, const void *i_prologue, size_t i_len, const void *r_prologue,
		  size_t r_len)
{
	if (x->p == &ik) {
		noise_ik_start(&x->i, NOISE_INITIATOR, &x->is, x->rs.public, i_prologue, i_len);
		noise_ik_start(&x->r, NOISE_RESPONDER, &x->rs, NULL, r_prologue, r_len);
	} else {
		noise_nk_start(&x->i, NOISE_INITIATOR, NULL, x->rs.public, i_prologue, i_len);
		noise_nk_start(&x->r, NOISE_RESPONDER, &x->rs, NULL, r_prologue, r_len);
	}
}

static int write1(struct parties *x, const struct rng *rng, const uint8_t *payload, size_t len,
		  uint8_t *out)
{
	return x->p == &ik ? noise_ik_write1(&x->i, &x->is, rng, payload, len, out)
			   : noise_nk_write1(&x->i, rng, payload, len, out);
}

static int read1(struct parties *x, const uint8_t *in, size_t len, uint8_t *payload)
{
	return x->p == &ik ? noise_ik_read1(&x->r, &x->rs, in, len, payload)
			   : noise_nk_read1(&x->r, &x->rs, in, len, payload);
}

static int write2(struct parties *x, const struct rng *rng, const uint8_t *payload, size_t len,
		  uint8_t *out)
{
	return x->p == &ik ? noise_ik_write2(&x->r, rng, payload, len, out)
			   : noise_nk_write2(&x->r, rng, payload, len, out);
}

static int read2(struct parties *x, const uint8_t *in, size_t len, uint8_t *payload)
{
	return x->p == &ik ? noise_ik_read2(&x->i, &x->is, in, len, payload)
			   : noise_nk_read2(&x->i, in, len, payload);
}

/* A vector's ephemeral key as the only thing that a source of randomness yields. */
static void fill_fixed(void *ctx, void *buf, size_t len)
{
	NEED(len == DH_LEN);
	memcpy(buf, ctx, len);
}

struct text {
	uint8_t bytes[MESSAGE_MAX];
	size_t len;
};

static struct text load_text(json_t *obj, const char *name)
{
	struct text t = {.len = strlen(json_string_value(vector_get(obj, name))) / 2};

	if (t.len > MESSAGE_MAX)
		vector_die(name, "too long");
	vector_bytes(obj, name, t.bytes, t.len);
	return t;
}

static void check_handshake(struct parties *x, json_t *v)
{
	uint8_t i_secret[DH_LEN], r_secret[DH_LEN], out[MESSAGE_MAX], payload[MESSAGE_MAX];
	const struct rng i_rng = {fill_fixed, i_secret}, r_rng = {fill_fixed, r_secret};
	json_t *messages = vector_get(v, "messages");
	const struct text p1 = load_text(vector_at(messages, 0), "payload");
	const struct text c1 = load_text(vector_at(messages, 0), "ciphertext");
	const struct text p2 = load_text(vector_at(messages, 1), "payload");
	const struct text c2 = load_text(vector_at(messages, 1), "ciphertext");

	vector_bytes(v, "init_ephemeral", i_secret, DH_LEN);
	vector_bytes(v, "resp_ephemeral", r_secret, DH_LEN);
	NEED(c1.len == p1.len + x->p->overhead1 && c2.len == p2.len + OVERHEAD2);

	CHECK(write1(x, &i_rng, p1.bytes, p1.len, out) == 0);
	CHECK_MEM(out, c1.bytes, c1.len);
	CHECK(read1(x, c1.bytes, p1.len, payload) == 0);
	CHECK_MEM(payload, p1.bytes, p1.len);
	CHECK(!x->p->initiator_has_static || memcmp(x->r.rs, x->is.public, DH_LEN) == 0);

	CHECK(write2(x, &r_rng, p2.bytes, p2.len, out) == 0);
	CHECK_MEM(out, c2.bytes, c2.len);
	CHECK(read2(x, c2.bytes, p2.len, payload) == 0);
	CHECK_MEM(payload, p2.bytes, p2.len);
	CHECK_MEM(x->i.sym.h, x->r.sym.h, HASH_LEN);
	if (json_object_get(v, "handshake_hash") != NULL) {
		vector_bytes(v, "handshake_hash", out, HASH_LEN);
		CHECK_MEM(x->i.sym.h, out, HASH_LEN);
	}
}

/* The messages after the handshake, which both sides take in turns, the initiator first. */
static void check_transport(const struct parties *x, json_t *messages)
{
	uint8_t ki[2][KEY_LEN], kr[2][KEY_LEN];
	struct aead *a = aead_open(NULL);

	NEED(a != NULL);
	noise_split(&x->i.sym, ki[0], ki[1]);
	noise_split(&x->r.sym, kr[0], kr[1]);
	CHECK_MEM(ki, kr, sizeof(ki));
	for (size_t n = 2; n < json_array_size(messages); n++) {
		const struct text p = load_text(vector_at(messages, n), "payload");
		const struct text c = load_text(vector_at(messages, n), "ciphertext");
		uint8_t out[MESSAGE_MAX], tag[TAG_LEN];
		struct aead_job job = {
		    .key = ki[n % 2],
		    .nonce = n / 2 - 1,
		    .src = p.bytes,
		    .dst = out,
		    .tag = tag,
		    .len = (uint32_t)p.len,
		};

		NEED(c.len == p.len + TAG_LEN);
		aead_seal(a, &job, 1);
		CHECK_MEM(out, c.bytes, p.len);
		CHECK_MEM(tag, c.bytes + p.len, TAG_LEN);
	}
	aead_close(a);
}

static void test_published_vectors(void)
{
	json_t *root = vector_load("noise.json"), *v;
	size_t i, met = 0;

	json_array_foreach(vector_get(root, "vectors"), i, v)
	{
		const char *name = json_string_value(vector_get(v, "protocol_name"));
		struct parties x = {.p = strcmp(name, ik.name) == 0 ? &ik : &nk};
		const struct text ip = load_text(v, "init_prologue");
		const struct text rp = load_text(v, "resp_prologue");
		uint8_t secret[DH_LEN];

		CHECK(strcmp(name, x.p->name) == 0);
		if (x.p->initiator_has_static) {
			vector_bytes(v, "init_static", secret, DH_LEN);
			dh_keypair_from_secret(&x.is, secret);
		}
		vector_bytes(v, "resp_static", secret, DH_LEN);
		dh_keypair_from_secret(&x.rs, secret);
		start(&x, ip.bytes, ip.len, rp.bytes, rp.len);
		check_handshake(&x, v);
		check_transport(&x, vector_get(v, "messages"));
		met++;
	}
	CHECK(met == 4);
	json_decref(root);
}

static struct parties fresh_parties(const struct pattern *p)
{
	struct parties x = {.p = p};

	dh_keypair_generate(&x.is, &rng_system);
	dh_keypair_generate(&x.rs, &rng_system);
	start(&x, "same", 4, "same", 4);
	return x;
}

static const uint8_t hello[] = "hello";

static void check_changed_bytes(const struct pattern *p)
{
	struct parties x = fresh_parties(p);
	uint8_t m1[MESSAGE_MAX], m2[MESSAGE_MAX], out[sizeof(hello)];
	const size_t len1 = p->overhead1 + sizeof(hello), len2 = OVERHEAD2 + sizeof(hello);

	CHECK(write1(&x, &rng_system, hello, sizeof(hello), m1) == 0);
	for (size_t i = 0; i < len1; i++) {
		struct parties y = x;

		m1[i] ^= 0x40;
		CHECK(read1(&y, m1, sizeof(hello), out) < 0);
		m1[i] ^= 0x40;
	}
	CHECK(read1(&x, m1, sizeof(hello), out) == 0);
	CHECK(write2(&x, &rng_system, hello, sizeof(hello), m2) == 0);
	for (size_t i = 0; i < len2; i++) {
		struct parties y = x;

		m2[i] ^= 0x40;
		CHECK(read2(&y, m2, sizeof(hello), out) < 0);
		m2[i] ^= 0x40;
	}
	CHECK(read2(&x, m2, sizeof(hello), out) == 0);
	CHECK_MEM(x.i.sym.h, x.r.sym.h, HASH_LEN);
}

static void test_every_changed_byte_is_refused(void)
{
	check_changed_bytes(&ik);
	check_changed_bytes(&nk);
}

static void check_wrong_context(const struct pattern *p)
{
	struct parties x = fresh_parties(p);
	uint8_t m1[MESSAGE_MAX], out[sizeof(hello)];

	start(&x, "same", 4, "other", 5);
	CHECK(write1(&x, &rng_system, hello, sizeof(hello), m1) == 0);
	CHECK(read1(&x, m1, sizeof(hello), out) == -EBADMSG);

	/* A message for somebody else. */
	x = fresh_parties(p);
	CHECK(write1(&x, &rng_system, hello, sizeof(hello), m1) == 0);
	dh_keypair_generate(&x.rs, &rng_system);
	start(&x, "same", 4, "same", 4);
	CHECK(read1(&x, m1, sizeof(hello), out) == -EBADMSG);
}

static void test_wrong_prologue_or_receiver_is_refused(void)
{
	check_wrong_context(&ik);
	check_wrong_context(&nk);
}

/* An answer to another handshake with the same parties. */
static void test_stale_answer_is_refused(void)
{
	const struct pattern *const both[] = {&ik, &nk};

	for (size_t k = 0; k < ARRAY_LEN(both); k++) {
		struct parties x = fresh_parties(both[k]), y = x;
		uint8_t m1[MESSAGE_MAX], m2[MESSAGE_MAX], out[sizeof(hello)];

		CHECK(write1(&x, &rng_system, hello, sizeof(hello), m1) == 0);
		CHECK(read1(&x, m1, sizeof(hello), out) == 0);
		CHECK(write2(&x, &rng_system, hello, sizeof(hello), m2) == 0);
		CHECK(write1(&y, &rng_system, hello, sizeof(hello), m1) == 0);
		CHECK(read2(&y, m2, sizeof(hello), out) == -EBADMSG);
	}
}

static void check_small_points(const struct pattern *p)
{
	for (size_t i = 0; i < ARRAY_LEN(small_points); i++) {
		struct parties x = fresh_parties(p), y;
		uint8_t m[MESSAGE_MAX] = {0}, out[sizeof(hello)];

		from_hex(m, small_points[i]);
		y = x;
		CHECK(read1(&y, m, sizeof(hello), out) == -EINVAL);
		y = x;
		CHECK(write1(&y, &rng_system, hello, sizeof(hello), m) == 0);
		from_hex(m, small_points[i]);
		CHECK(read2(&y, m, sizeof(hello), out) == -EINVAL);

		/* A peer whose static key is such a point, and a caller's ephemeral. */
		y = x;
		from_hex(y.i.rs, small_points[i]);
		CHECK(write1(&y, &rng_system, hello, sizeof(hello), m) == -EINVAL);
		y = x;
		from_hex(y.r.re, small_points[i]);
		CHECK(write2(&y, &rng_system, hello, sizeof(hello), m) == -EINVAL);
	}
}

static void test_small_points_are_refused(void)
{
	check_small_points(&ik);
	check_small_points(&nk);
}

static void test_wipe(void)
{
	struct parties x = fresh_parties(&ik);
	static const struct noise_hs zero;

	noise_hs_wipe(&x.i);
	CHECK_MEM(&x.i, &zero, sizeof(zero));
}

int main(void)
{
	RUN(test_rfc7748_products);
	RUN(test_rfc7748_iterated);
	RUN(test_rfc7748_key_pairs);
	RUN(test_generated_pairs_differ);
	RUN(test_zero_products_are_refused);
	RUN(test_name_is_padded_or_hashed);
	RUN(test_without_key_text_passes_in_the_clear);
	RUN(test_detached_equals_joined);
	RUN(test_refused_message_changes_nothing);
	RUN(test_split_keys_differ);
	RUN(test_published_vectors);
	RUN(test_every_changed_byte_is_refused);
	RUN(test_wrong_prologue_or_receiver_is_refused);
	RUN(test_stale_answer_is_refused);
	RUN(test_small_points_are_refused);
	RUN(test_wipe);
	return test_done();
}
