/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Every test runs on every back-end that this machine has; libsodium's own call is the reference.
 */
#include "crypto/aead_backend.h"

#include "tests/lib/test.h"
#include "tests/lib/vectors.h"
#include "util/rng.h"

#include <sodium.h>

#define LEN_MAX 1500
#define ROOM    (LEN_MAX + 64)
#define BATCH   5

static struct aead *a; /* the back-end under test */

/* Each message of a batch has its own key, nonce, AAD and text, and stands in its own buffer. */
struct message {
	uint8_t key[KEY_LEN], aad[AEAD_AAD_MAX], plain[LEN_MAX], ct[LEN_MAX], tag[TAG_LEN];
	uint8_t buf[ROOM], other[ROOM], got_tag[TAG_LEN];
	uint64_t nonce;
};

static struct message msgs[BATCH];
static struct aead_job jobs[BATCH];

static void fill_messages(void)
{
	struct rng rng = rng_seeded(1380);

	rng_fill(&rng, msgs, sizeof(msgs));
	rng_seeded_free(&rng);
}

static void make_reference(struct message *m, size_t len, size_t aad_len)
{
	uint8_t nonce[NONCE_LEN];

	aead_put_nonce(nonce, m->nonce);
	crypto_aead_chacha20poly1305_ietf_encrypt_detached(m->ct, m->tag, NULL, m->plain, len,
							   m->aad, aad_len, NULL, nonce, m->key);
}

/* How src and dst lie to each other. */
enum layout {
	APART,
	IN_PLACE,
	DOWN_16,
	DOWN_18,
	DOWN_1,
	LAYOUTS,
};

static const size_t shift_of[LAYOUTS] = {[DOWN_16] = 16, [DOWN_18] = 18, [DOWN_1] = 1};

/* Puts text into the buffers and sets up the batch; message i has len - i bytes where it can. */
static void prepare(enum layout layout, size_t len, bool sealed)
{
	for (size_t i = 0; i < BATCH; i++) {
		struct message *m = &msgs[i];
		const size_t n = len >= i ? len - i : len, aad_len = (len + i) % (AEAD_AAD_MAX + 1);

		make_reference(m, n, aad_len);
		memset(m->buf, 0xdd, sizeof(m->buf));
		memset(m->other, 0xdd, sizeof(m->other));
		memcpy(m->buf + 18, sealed ? m->ct : m->plain, n);
		memcpy(m->got_tag, m->tag, TAG_LEN);
		jobs[i] = (struct aead_job){
		    .key = m->key,
		    .nonce = m->nonce,
		    .aad = aad_len > 0 ? m->aad : NULL,
		    .aad_len = (uint16_t)aad_len,
		    .src = m->buf + 18,
		    .dst = layout == APART ? m->other : m->buf + 18 - shift_of[layout],
		    .tag = m->got_tag,
		    .len = (uint32_t)n,
		};
	}
}

/* dst holds want and nothing behind it was touched. */
static bool holds(enum layout layout, size_t i, const uint8_t *want)
{
	const struct aead_job *j = &jobs[i];
	const uint8_t behind = j->dst[j->len + shift_of[layout]];

	return memcmp(j->dst, want, j->len) == 0 && behind == 0xdd;
}

static void check_layout(enum layout layout, size_t len)
{
	prepare(layout, len, false);
	for (size_t i = 0; i < BATCH; i++)
		memset(msgs[i].got_tag, 0, TAG_LEN);
	aead_seal(a, jobs, BATCH);
	for (size_t i = 0; i < BATCH; i++)
		CHECK(holds(layout, i, msgs[i].ct) &&
		      memcmp(msgs[i].got_tag, msgs[i].tag, TAG_LEN) == 0);

	prepare(layout, len, true);
	aead_unseal(a, jobs, BATCH);
	for (size_t i = 0; i < BATCH; i++)
		CHECK(jobs[i].ok && holds(layout, i, msgs[i].plain));

	prepare(layout, len, false);
	aead_xor(a, jobs, BATCH);
	for (size_t i = 0; i < BATCH; i++)
		CHECK(holds(layout, i, msgs[i].ct));
}

/* The halves recombine: xor gives the ciphertext, mac over it the tag. */
static void check_mac(size_t len)
{
	prepare(APART, len, true);
	for (size_t i = 0; i < BATCH; i++) {
		memset(msgs[i].got_tag, 0, TAG_LEN);
		jobs[i].dst = NULL;
	}
	aead_mac(a, jobs, BATCH);
	for (size_t i = 0; i < BATCH; i++)
		CHECK_MEM(msgs[i].got_tag, msgs[i].tag, TAG_LEN);
}

static void test_every_length_and_layout(void)
{
	fill_messages();
	for (size_t len = 0; len <= LEN_MAX; len++) {
		for (enum layout layout = APART; layout < LAYOUTS; layout++)
			check_layout(layout, len);
		check_mac(len);
		if (test_current_failed) {
			printf("# first at length %zu\n", len);
			return;
		}
	}
}

static void test_aead_vector(void)
{
	json_t *root = vector_load("rfc8439.json");
	json_t *v = vector_at(vector_get(root, "aead"), 0);
	uint8_t key[KEY_LEN], nonce[8], aad[12], plain[265], cipher[265], tag[TAG_LEN];
	uint8_t out[265], got[TAG_LEN];

	vector_bytes(v, "key", key, sizeof(key));
	vector_bytes(v, "nonce", nonce, sizeof(nonce));
	vector_bytes(v, "aad", aad, sizeof(aad));
	vector_bytes(v, "plain", plain, sizeof(plain));
	vector_bytes(v, "cipher", cipher, sizeof(cipher));
	vector_bytes(v, "tag", tag, sizeof(tag));
	json_decref(root);

	struct aead_job job = {
	    .key = key,
	    .nonce = get_le64(nonce),
	    .aad = aad,
	    .aad_len = sizeof(aad),
	    .src = plain,
	    .dst = out,
	    .tag = got,
	    .len = sizeof(plain),
	};

	aead_seal(a, &job, 1);
	CHECK_MEM(out, cipher, sizeof(cipher));
	CHECK_MEM(got, tag, sizeof(tag));
	job.src = cipher;
	aead_unseal(a, &job, 1);
	CHECK(job.ok);
	CHECK_MEM(out, plain, sizeof(plain));
}

static void test_text_vectors(void)
{
	json_t *root = vector_load("rfc8439.json"), *v;
	size_t i, met = 0;

	json_array_foreach(vector_get(root, "texts"), i, v)
	{
		uint8_t key[KEY_LEN], nonce[8], plain[375], cipher[375], out[375];
		const size_t len = strlen(json_string_value(vector_get(v, "plain"))) / 2;

		if (vector_int(v, "block") != 1)
			continue; /* ours starts at block 1 */
		NEED(len <= sizeof(plain));
		vector_bytes(v, "key", key, sizeof(key));
		vector_bytes(v, "nonce", nonce, sizeof(nonce));
		vector_bytes(v, "plain", plain, len);
		vector_bytes(v, "cipher", cipher, len);

		struct aead_job job = {
		    .key = key,
		    .nonce = get_le64(nonce),
		    .src = plain,
		    .dst = out,
		    .len = (uint32_t)len,
		};

		aead_xor(a, &job, 1);
		CHECK_MEM(out, cipher, len);
		met++;
	}
	CHECK(met == 2);
	json_decref(root);
}

/* One byte of the batch's message 2 is wrong: it alone is refused. */
static void check_refused(uint8_t *byte)
{
	*byte ^= 0x20;
	for (size_t i = 0; i < BATCH; i++)
		jobs[i].ok = i == 2;
	aead_unseal(a, jobs, BATCH);
	for (size_t i = 0; i < BATCH; i++)
		CHECK(jobs[i].ok == (i != 2));
	*byte ^= 0x20;
}

static void test_every_changed_byte_is_refused(void)
{
	static const size_t lens[] = {4, 20, 100, 258, 1382};

	fill_messages();
	for (size_t k = 0; k < ARRAY_LEN(lens); k++) {
		struct message *m = &msgs[2];

		prepare(APART, lens[k], true);
		for (size_t i = 0; i < TAG_LEN; i++)
			check_refused(&m->got_tag[i]);
		for (size_t i = 0; i < jobs[2].len; i++)
			check_refused(&m->buf[18 + i]);
		for (size_t i = 0; i < jobs[2].aad_len; i++)
			check_refused(&m->aad[i]);
		for (size_t i = 0; i < KEY_LEN; i++)
			check_refused(&m->key[i]);
		jobs[2].nonce ^= 1ull << 63;
		aead_unseal(a, jobs, BATCH);
		CHECK(jobs[1].ok && !jobs[2].ok && jobs[3].ok);
	}
}

static void test_lengths_are_authenticated(void)
{
	uint8_t out[64];

	fill_messages();
	prepare(APART, 48, true);
	jobs[0].dst = out;
	jobs[0].len = 47;
	aead_unseal(a, jobs, 1);
	CHECK(!jobs[0].ok);
	jobs[0].len = 48;
	jobs[0].aad_len--;
	aead_unseal(a, jobs, 1);
	CHECK(!jobs[0].ok);
	jobs[0].aad_len++;
	aead_unseal(a, jobs, 1);
	CHECK(jobs[0].ok);
}

/* A hop opens a cell in place: tag at 36, body at 52, and the plaintext from 34 on covers both. */
static void test_opened_text_may_cover_the_tag(void)
{
	struct message *m = &msgs[0];
	struct aead_job job;

	fill_messages();
	make_reference(m, 1380, 0);
	for (int wrong = 0; wrong <= 1; wrong++) {
		memcpy(m->buf + 36, m->tag, TAG_LEN);
		memcpy(m->buf + 52, m->ct, 1380);
		m->buf[36] ^= (uint8_t)wrong;
		job = (struct aead_job){
		    .key = m->key,
		    .nonce = m->nonce,
		    .src = m->buf + 52,
		    .dst = m->buf + 34,
		    .tag = m->buf + 36,
		    .len = 1380,
		};
		aead_unseal(a, &job, 1);
		CHECK(job.ok == !wrong);
		CHECK(wrong || memcmp(m->buf + 34, m->plain, 1380) == 0);
	}
}

/* A hop adds a backward layer: the old tag is the AAD, and the new one takes its place. */
static void test_sealed_tag_may_replace_the_aad(void)
{
	struct message *m = &msgs[0];
	struct aead_job job;

	fill_messages();
	make_reference(m, 1380, TAG_LEN);
	memcpy(m->buf, m->aad, TAG_LEN);
	memcpy(m->buf + TAG_LEN, m->plain, 1380);
	job = (struct aead_job){
	    .key = m->key,
	    .nonce = m->nonce,
	    .aad = m->buf,
	    .aad_len = TAG_LEN,
	    .src = m->buf + TAG_LEN,
	    .dst = m->buf + TAG_LEN,
	    .tag = m->buf,
	    .len = 1380,
	};
	aead_seal(a, &job, 1);
	CHECK_MEM(m->buf, m->tag, TAG_LEN);
	CHECK_MEM(m->buf + TAG_LEN, m->ct, 1380);

	memcpy(m->buf, m->aad, TAG_LEN);
	aead_mac(a, &job, 1);
	CHECK_MEM(m->buf, m->tag, TAG_LEN);
}

static void test_batches_of_any_size(void)
{
	enum {
		MANY = 2 * AEAD_ROUND + 3,
		LEN = 40
	};
	static uint8_t text[MANY][LEN], tags[MANY][TAG_LEN], macs[MANY][TAG_LEN], zeros[LEN];
	static struct aead_job many[MANY];

	fill_messages();
	for (size_t n = 0; n <= MANY; n += n < 3 ? 1 : 16) {
		for (size_t i = 0; i < MANY; i++) {
			memset(text[i], 0, LEN);
			many[i] = (struct aead_job){
			    .key = msgs[i % BATCH].key,
			    .nonce = i,
			    .src = text[i],
			    .dst = text[i],
			    .tag = tags[i],
			    .len = LEN,
			};
		}
		aead_seal(a, many, n);
		for (size_t i = 0; i < n; i++)
			many[i].tag = macs[i];
		aead_mac(a, many, n);
		CHECK_MEM(macs, tags, n * TAG_LEN);
		aead_unseal(a, many, n);
		for (size_t i = 0; i < MANY; i++) {
			CHECK(many[i].ok == (i < n));
			CHECK_MEM(text[i], zeros, LEN);
		}
	}
}

static void test_selftest_passes(void)
{
	CHECK(aead_selftest(a) == 0);
}

/* --- The self-test must notice a back-end that is wrong in any entry. --- */

static struct aead *real;
static size_t wrong_entry;

static void call_wrongly(size_t entry, struct aead_job *list, size_t n)
{
	static void (*const entries[])(struct aead *, struct aead_job *,
				       size_t) = {aead_seal, aead_unseal, aead_xor, aead_mac};

	entries[entry](real, list, n);
	if (entry != wrong_entry)
		return;
	if (entry == 3)
		list[n - 1].tag[TAG_LEN - 1] ^= 1;
	else
		list[n - 1].dst[list[n - 1].len - 1] ^= 1;
}

static void wrong_seal(struct aead *s, struct aead_job *list, size_t n)
{
	(void)s;
	call_wrongly(0, list, n);
}

static void wrong_unseal(struct aead *s, struct aead_job *list, size_t n)
{
	(void)s;
	call_wrongly(1, list, n);
	if (wrong_entry == 4)
		list[0].ok = true; /* accepts everything */
	if (wrong_entry == 5)
		list[0].ok = false;
}

static void wrong_xor(struct aead *s, struct aead_job *list, size_t n)
{
	(void)s;
	call_wrongly(2, list, n);
}

static void wrong_mac(struct aead *s, struct aead_job *list, size_t n)
{
	(void)s;
	call_wrongly(3, list, n);
}

static void test_selftest_notices_errors(void)
{
	static const struct aead_backend backend = {
	    .name = "wrong",
	    .seal = wrong_seal,
	    .unseal = wrong_unseal,
	    .xor = wrong_xor,
	    .mac = wrong_mac,
	};
	struct aead wrong = {.backend = &backend};

	real = aead_open("sodium");
	NEED(real != NULL);
	for (wrong_entry = 0; wrong_entry < 6; wrong_entry++)
		CHECK(aead_selftest(&wrong) < 0);
	CHECK(aead_selftest(&wrong) == 0); /* nothing wrong */
	aead_close(real);
}

static void test_choice(void)
{
	const char *const *names = aead_names();
	struct aead *best = aead_open(NULL);

	NEED(best != NULL);
	for (; strcmp(*names, aead_name(best)) != 0; names++)
		CHECK(aead_open(*names) == NULL); /* only what is missing here is passed over */
	aead_close(best);
	CHECK(aead_open("rot13") == NULL);
	CHECK(aead_open("") == NULL);
	aead_close(NULL);
}

static void run_backend(const char *name)
{
	a = aead_open(name);
	if (a == NULL) {
		printf("# %s is not on this machine\n", name);
		return;
	}
	printf("# %s\n", name);
	RUN(test_selftest_passes);
	RUN(test_aead_vector);
	RUN(test_text_vectors);
	RUN(test_every_length_and_layout);
	RUN(test_every_changed_byte_is_refused);
	RUN(test_lengths_are_authenticated);
	RUN(test_opened_text_may_cover_the_tag);
	RUN(test_sealed_tag_may_replace_the_aad);
	RUN(test_batches_of_any_size);
	aead_close(a);
}

int main(void)
{
	RUN(test_choice);
	RUN(test_selftest_notices_errors);
	for (const char *const *name = aead_names(); *name != NULL; name++)
		run_backend(*name);
	return test_done();
}
