/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The primitives: AEAD back-ends, wide ChaCha20, header AEAD, X25519. */
#include <stdio.h>

#include "bench/micro.h"
#include "crypto/aead.h"
#include "crypto/chacha.h"
#include "crypto/header_aead.h"
#include "crypto/noise.h"
#include "wire/limits.h"

enum {
	BATCH = 64
};

/* One batch of cell bodies, as a busy relay has it: next to each other, of one circuit. */
struct bodies {
	struct aead *aead;
	uint8_t key[KEY_LEN];
	uint8_t from[BATCH][CELL_LEN], to[BATCH][CELL_LEN], tags[BATCH][TAG_LEN];
	struct aead_job jobs[BATCH];
};

static void prepare(struct bodies *b, uint8_t (*from)[CELL_LEN], uint8_t (*to)[CELL_LEN])
{
	for (size_t i = 0; i < BATCH; i++)
		b->jobs[i] = (struct aead_job){
		    .key = b->key,
		    .nonce = i,
		    .src = from[i] + CELL_BODY_OFF,
		    .dst = to[i] + CELL_BODY_OFF,
		    .tag = b->tags[i],
		    .len = CELL_BODY_LEN,
		};
}

static void seal(void *ctx)
{
	struct bodies *b = ctx;

	prepare(b, b->from, b->to);
	aead_seal(b->aead, b->jobs, BATCH);
}

/* What seal left: back-ends may leave the work when a tag is wrong. */
static void unseal(void *ctx)
{
	struct bodies *b = ctx;

	prepare(b, b->to, b->from);
	aead_unseal(b->aead, b->jobs, BATCH);
	if (!b->jobs[0].ok || !b->jobs[BATCH - 1].ok)
		bench_die("aead_unseal refuses what aead_seal made");
}

static void xor_stream(void *ctx)
{
	struct bodies *b = ctx;

	prepare(b, b->from, b->to);
	aead_xor(b->aead, b->jobs, BATCH);
}

static void mac(void *ctx)
{
	struct bodies *b = ctx;

	prepare(b, b->from, b->to);
	aead_mac(b->aead, b->jobs, BATCH);
}

static void bench_aead(const char *name)
{
	static struct bodies b;

	b.aead = aead_open(name);
	if (b.aead == NULL)
		return; /* this CPU or build does not have it */
	bench_figure(bench_ns(seal, &b) / BATCH, "ns", "aead.%s.seal", name);
	bench_figure(bench_ns(unseal, &b) / BATCH, "ns", "aead.%s.unseal", name);
	bench_figure(bench_ns(xor_stream, &b) / BATCH, "ns", "aead.%s.xor", name);
	bench_figure(bench_ns(mac, &b) / BATCH, "ns", "aead.%s.mac", name);
	aead_close(b.aead);
}

static void best_aead(void)
{
	static struct bodies b;

	b.aead = aead_open(NULL);
	if (b.aead == NULL)
		bench_die("no AEAD back-end");
	bench_figure(bench_ns(seal, &b) / BATCH, "ns", "aead.best");
	aead_close(b.aead);
}

static void chacha(void *ctx)
{
	static uint8_t out[BATCH][CHACHA_BLOCK_LEN];
	static const uint8_t key[KEY_LEN];
	struct chacha_job jobs[BATCH];
	uint64_t *nonce = ctx;

	for (size_t i = 0; i < BATCH; i++)
		jobs[i] = (struct chacha_job){.key = key, .nonce = (*nonce)++};
	chacha_blocks(jobs, BATCH, out);
}

struct headers {
	uint8_t key[KEY_LEN];
	uint8_t text[BATCH][HEADER_TEXT_LEN], opened[BATCH][HEADER_TEXT_LEN];
	uint8_t tag[BATCH][TAG_LEN];
};

static void fill_headers(struct headers *h, uint8_t (*text)[HEADER_TEXT_LEN],
			 struct header_job *jobs)
{
	for (size_t i = 0; i < BATCH; i++)
		jobs[i] = (struct header_job){
		    .key = h->key, .nonce = i, .text = text[i], .tag = h->tag[i]};
}

static void header_seals(void *ctx)
{
	struct headers *h = ctx;
	struct header_job jobs[BATCH];

	fill_headers(h, h->text, jobs);
	header_seal(jobs, BATCH);
}

static void header_opens(void *ctx)
{
	struct headers *h = ctx;
	struct header_job jobs[BATCH];

	memcpy(h->opened, h->text, sizeof(h->opened));
	fill_headers(h, h->opened, jobs);
	header_open(jobs, BATCH);
	if (!jobs[0].ok || !jobs[BATCH - 1].ok)
		bench_die("header_open refuses what header_seal made");
}

struct x25519 {
	struct dh_keypair ours, theirs;
};

static void generate(void *ctx)
{
	struct x25519 *x = ctx;

	dh_keypair_generate(&x->ours, &rng_system);
}

static void agree(void *ctx)
{
	struct x25519 *x = ctx;
	uint8_t shared[DH_LEN];

	if (dh(shared, x->ours.secret, x->theirs.public) != 0)
		bench_die("a key that we made is degenerate");
}

void bench_crypto(unsigned rounds)
{
	static struct headers headers;
	struct x25519 x;
	uint64_t nonce = 0;

	dh_keypair_generate(&x.theirs, &rng_system);
	for (unsigned round = 0; round < rounds; round++) {
		for (const char *const *name = aead_names(); *name != NULL; name++)
			bench_aead(*name);
		best_aead();
		bench_figure(bench_ns(chacha, &nonce) / BATCH, "ns", "chacha.block");
		bench_figure(bench_ns(header_seals, &headers) / BATCH, "ns", "header.seal");
		bench_figure(bench_ns(header_opens, &headers) / BATCH, "ns", "header.open");
		bench_figure(bench_ns(generate, &x), "ns", "x25519.keygen");
		bench_figure(bench_ns(agree, &x), "ns", "x25519.dh");
	}
}
