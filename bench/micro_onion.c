/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The onion for each number of hops: what the client does for all of them, what one hop does. */
#include "bench/micro.h"
#include "onion/onion.h"
#include "util/rng.h"

enum {
	BATCH = 64
};

struct onions {
	struct aead *aead;
	struct hop_keys keys[HOPS_MAX];
	unsigned hops;
	uint64_t seq;
	uint8_t cells[BATCH * CELL_LEN + ONION_OVERHANG_MAX];
	uint8_t out[BATCH][CELL_LEN];
};

static uint8_t *cell_at(struct onions *o, size_t i)
{
	return o->cells + i * CELL_LEN;
}

static void seal(void *ctx)
{
	struct onions *o = ctx;
	uint8_t *cells[BATCH];
	uint64_t seqs[BATCH];

	for (size_t i = 0; i < BATCH; i++) {
		cells[i] = cell_at(o, i);
		seqs[i] = o->seq + i;
	}
	onion_seal(o->aead, o->keys, o->hops, cells, seqs, BATCH);
}

static void peel(void *ctx)
{
	struct onions *o = ctx;
	struct onion_peel jobs[BATCH];

	for (size_t i = 0; i < BATCH; i++)
		jobs[i] = (struct onion_peel){.kf = o->keys[0].kf,
					      .kfill = o->keys[0].kfill,
					      .cell = cell_at(o, i),
					      .out = o->out[i],
					      .seq = o->seq + i};
	onion_peel(o->aead, jobs, BATCH);
	if (!jobs[0].ok || !jobs[BATCH - 1].ok)
		bench_die("onion_peel refuses what onion_seal made");
}

static void wrap(void *ctx)
{
	struct onions *o = ctx;
	struct onion_wrap jobs[BATCH];

	for (size_t i = 0; i < BATCH; i++)
		jobs[i] = (struct onion_wrap){
		    .kb = o->keys[0].kb, .cell = cell_at(o, i), .out = o->out[i], .b = o->seq + i};
	onion_wrap(o->aead, jobs, BATCH);
}

/* What the hops make of a cell of the last one, for unwrap; the counter that hop 1 sends. */
static uint64_t wrap_all(struct onions *o)
{
	uint64_t b = 0;

	memset(o->cells, 0, sizeof(o->cells));
	for (unsigned h = o->hops; h-- > 0;) {
		struct onion_wrap jobs[BATCH];

		if (h + 1 < o->hops)
			b = seq_add(b, o->keys[h].epsilon);
		for (size_t i = 0; i < BATCH; i++)
			jobs[i] = (struct onion_wrap){.kb = o->keys[h].kb,
						      .cell = cell_at(o, i),
						      .out = cell_at(o, i),
						      .b = seq_add(b, i)};
		onion_wrap(o->aead, jobs, BATCH);
	}
	return b;
}

static void unwrap(void *ctx)
{
	struct onions *o = ctx;
	struct onion_unwrap jobs[BATCH];

	for (size_t i = 0; i < BATCH; i++)
		jobs[i] = (struct onion_unwrap){.cell = cell_at(o, i),
						.out = o->out[i] + CELL_BODY_OFF,
						.b = seq_add(o->seq, i)};
	onion_unwrap(o->aead, o->keys, o->hops, jobs, BATCH);
	if (!jobs[0].ok || !jobs[BATCH - 1].ok)
		bench_die("onion_unwrap refuses what onion_wrap made");
}

void bench_onion(unsigned rounds)
{
	static const unsigned hop_counts[] = {1, 2, 3, 5};
	static struct onions o;

	o.aead = aead_open(NULL);
	if (o.aead == NULL)
		bench_die("no AEAD back-end");
	rng_fill(&rng_system, o.keys, sizeof(o.keys));
	for (unsigned round = 0; round < rounds; round++) {
		for (size_t i = 0; i < ARRAY_LEN(hop_counts); i++) {
			o.hops = hop_counts[i];
			bench_figure(bench_ns(seal, &o) / BATCH, "ns", "onion.seal_%u", o.hops);
			o.seq = wrap_all(&o);
			bench_figure(bench_ns(unwrap, &o) / BATCH, "ns", "onion.unwrap_%u", o.hops);
		}
		o.hops = 3;
		o.seq = 1;
		seal(&o);
		bench_figure(bench_ns(peel, &o) / BATCH, "ns", "onion.peel");
		bench_figure(bench_ns(wrap, &o) / BATCH, "ns", "onion.wrap");
	}
	aead_close(o.aead);
}
