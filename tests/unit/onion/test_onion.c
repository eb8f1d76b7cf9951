/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "onion/onion.h"

static void seal_once(struct aead *a, struct aead_job *jobs, size_t n);

#define aead_seal seal_once
#include "onion/onion.c"
#undef aead_seal

#include "tests/lib/test.h"
#include "tests/lib/vectors.h"
#include "util/rng.h"
#include "wire/cell.h"

#define OVERHANG (ONION_HOP_LEN * (HOPS_MAX - 1))

static struct aead *aead;
static struct rng rng;

/* All seals of this program go through here: no key may meet a nonce twice. */

#define SEEN_SLOTS (1u << 17)

static struct {
	uint8_t key[KEY_LEN];
	uint64_t nonce;
	bool used;
} seen[SEEN_SLOTS];
static size_t seals, reuses;

static void see(const uint8_t *key, uint64_t nonce)
{
	size_t at = (get_le32(key) ^ nonce * 0x9e3779b1u) % SEEN_SLOTS;

	for (; seen[at].used; at = (at + 1) % SEEN_SLOTS)
		if (seen[at].nonce == nonce && memcmp(seen[at].key, key, KEY_LEN) == 0)
			reuses++;
	memcpy(seen[at].key, key, KEY_LEN);
	seen[at].nonce = nonce;
	seen[at].used = true;
	if (++seals == SEEN_SLOTS / 2) {
		printf("Bail out! too many seals to watch\n");
		exit(EXIT_FAILURE);
	}
}

static void seal_once(struct aead *a, struct aead_job *jobs, size_t n)
{
	for (size_t i = 0; i < n; i++)
		see(jobs[i].key, jobs[i].nonce);
	aead_seal(a, jobs, n);
}

/* A circuit with the counters of both ends. */

struct circuit {
	struct hop_keys hops[HOPS_MAX];
	uint64_t seq; /* next forward counter at hop 1 */
	uint64_t b;   /* next backward counter as hop 1 sends it */
};

static uint64_t random_start(void)
{
	return rng_below(&rng, 1ull << SEQ_START_BITS);
}

static void circuit_init(struct circuit *ci)
{
	rng_fill(&rng, ci, sizeof(*ci));
	for (unsigned i = 0; i < HOPS_MAX; i++) {
		ci->hops[i].delta = random_start();
		ci->hops[i].epsilon = random_start();
	}
	ci->seq = random_start();
	ci->b = random_start();
}

static uint64_t seq_at(const struct circuit *ci, unsigned hop, uint64_t seq)
{
	for (unsigned i = 0; i < hop; i++)
		seq = seq_add(seq, ci->hops[i].delta);
	return seq;
}

static uint64_t b_at(const struct circuit *ci, unsigned hop, uint64_t b)
{
	for (unsigned i = 0; i < hop; i++)
		b = seq_add(b, 0 - ci->hops[i].epsilon);
	return b;
}

/* Hop `hop` (from 0) peels cell into out. */
static struct onion_peel peel(const struct circuit *ci, unsigned hop, uint64_t seq,
			      const uint8_t *cell, uint8_t *out)
{
	struct onion_peel job = {.kf = ci->hops[hop].kf,
				 .kfill = ci->hops[hop].kfill,
				 .cell = cell,
				 .out = out,
				 .seq = seq};

	onion_peel(aead, &job, 1);
	return job;
}

/* One cell for hop m with a random text, sealed; the text is kept where asked for.  Returns the
 * counter. */
static uint64_t seal_random(struct circuit *ci, unsigned m, uint8_t cell[CELL_LEN],
			    uint8_t text[CELL_BODY_LEN])
{
	uint8_t room[CELL_LEN + OVERHANG], *cells[1] = {room};
	const uint64_t seq = ci->seq++;

	rng_fill(&rng, room, sizeof(room));
	onion_plaintext(room, m)[0] = OP_DELIVER;
	onion_plaintext(room, m)[1] = (uint8_t)(m - 1);
	if (text != NULL)
		memcpy(text, onion_plaintext(room, m), CELL_BODY_LEN);
	onion_seal(aead, ci->hops, m, cells, &seq, 1);
	memcpy(cell, room, CELL_LEN);
	return seq;
}

static void wrap(const struct circuit *ci, unsigned hop, uint64_t b, const uint8_t *cell,
		 uint8_t *out)
{
	struct onion_wrap job = {.kb = ci->hops[hop].kb, .cell = cell, .out = out, .b = b};

	onion_wrap(aead, &job, 1);
}

/* A random backward cell as hop `to` (from 0) sends it, origin hop m; b is hop 1's counter. */
static void send_back(const struct circuit *ci, unsigned m, unsigned to, uint64_t b,
		      uint8_t cell[CELL_LEN], uint8_t text[CELL_BODY_LEN])
{
	rng_fill(&rng, cell, CELL_LEN);
	memset(cell + CELL_TAG_OFF, 0, TAG_LEN);
	memcpy(text, cell + CELL_BODY_OFF, CELL_BODY_LEN);
	for (unsigned i = m; i-- > to;)
		wrap(ci, i, b_at(ci, i, b), cell, cell);
}

/* The client takes it: true when accepted; a refusal leaves nothing but zeros. */
static bool accepts(const struct circuit *ci, unsigned m, uint64_t b, const uint8_t *cell,
		    uint8_t out[CELL_BODY_LEN])
{
	static const uint8_t zeros[CELL_BODY_LEN];
	struct onion_unwrap job = {.cell = cell, .out = out, .b = b};

	memset(out, 0xa5, CELL_BODY_LEN);
	onion_unwrap(aead, ci->hops, m, &job, 1);
	if (!job.ok)
		CHECK_MEM(out, zeros, CELL_BODY_LEN);
	return job.ok;
}

/* Vectors of tests/ref/onion_ref.py. */

static void load_hops(json_t *root, struct circuit *ci)
{
	for (unsigned i = 0; i < HOPS_MAX; i++) {
		json_t *h = vector_at(vector_get(root, "hops"), i);
		struct hop_keys *k = &ci->hops[i];

		vector_bytes(h, "kf", k->kf, KEY_LEN);
		vector_bytes(h, "kb", k->kb, KEY_LEN);
		vector_bytes(h, "kfill", k->kfill, KEY_LEN);
		k->delta = vector_int(h, "delta");
		k->epsilon = vector_int(h, "epsilon");
	}
}

static void check_forward_vector(const struct circuit *ci, json_t *v)
{
	const unsigned m = (unsigned)json_array_size(vector_get(v, "cells"));
	const size_t len = CELL_BODY_LEN - ONION_HOP_LEN * (m - 1);
	const uint64_t seq = vector_int(v, "seq");
	uint8_t room[CELL_LEN + OVERHANG] = {0}, want[CELL_LEN], *cells[1] = {room};

	vector_bytes(v, "payload", onion_plaintext(room, m), len);
	onion_seal(aead, ci->hops, m, cells, &seq, 1);
	for (unsigned i = 0; i < m; i++) {
		const uint64_t at = seq_at(ci, i, seq);

		CHECK(at == (uint64_t)json_integer_value(vector_at(vector_get(v, "seqs"), i)));
		vector_hex(vector_at(vector_get(v, "cells"), i), want, TAG_LEN + CELL_BODY_LEN);
		CHECK_MEM(room + CELL_TAG_OFF, want, TAG_LEN + CELL_BODY_LEN);
		CHECK(peel(ci, i, at, room, room).ok);
	}
	vector_bytes(v, "text", want, CELL_BODY_LEN);
	CHECK_MEM(onion_payload(room) - ONION_OP_LEN, want, CELL_BODY_LEN);
}

static void check_backward_vector(const struct circuit *ci, json_t *v)
{
	const unsigned m = (unsigned)json_array_size(vector_get(v, "cells"));
	const uint64_t b = vector_int(v, "b");
	uint8_t cell[CELL_LEN] = {0}, want[CELL_LEN], out[CELL_BODY_LEN];

	vector_bytes(v, "text", cell + CELL_BODY_OFF, CELL_BODY_LEN);
	for (unsigned i = m; i-- > 0;) {
		const uint64_t at = b_at(ci, i, b);

		CHECK(at == (uint64_t)json_integer_value(vector_at(vector_get(v, "bs"), i)));
		wrap(ci, i, at, cell, cell);
		vector_hex(vector_at(vector_get(v, "cells"), i), want, TAG_LEN + CELL_BODY_LEN);
		CHECK_MEM(cell + CELL_TAG_OFF, want, TAG_LEN + CELL_BODY_LEN);
	}
	CHECK(accepts(ci, m, b, cell, out));
	vector_bytes(v, "text", want, CELL_BODY_LEN);
	CHECK_MEM(out, want, CELL_BODY_LEN);
}

static void test_vectors(void)
{
	json_t *root = vector_load("onion.json"), *v;
	struct circuit ci;
	size_t i;

	circuit_init(&ci);
	load_hops(root, &ci);
	json_array_foreach(vector_get(root, "forward"), i, v) check_forward_vector(&ci, v);
	CHECK_INT(i, 7);
	json_array_foreach(vector_get(root, "backward"), i, v) check_backward_vector(&ci, v);
	CHECK_INT(i, 7);
	json_decref(root);
}

/* Forward. */

/* One hop peels a batch, in place or into other memory (and that back into its place). */
static void peel_batch(const struct circuit *ci, unsigned hop, uint8_t *const *cells,
		       const uint64_t *seqs, size_t n, bool in_place)
{
	static uint8_t other[ONION_BATCH][CELL_LEN];
	struct onion_peel jobs[ONION_BATCH];

	for (size_t c = 0; c < n; c++)
		jobs[c] = (struct onion_peel){
		    .kf = ci->hops[hop].kf,
		    .kfill = ci->hops[hop].kfill,
		    .cell = cells[c],
		    .out = in_place ? cells[c] : other[c],
		    .seq = seq_at(ci, hop, seqs[c]),
		};
	onion_peel(aead, jobs, n);
	for (size_t c = 0; c < n; c++) {
		CHECK(jobs[c].ok);
		if (!in_place)
			memcpy(cells[c], other[c], CELL_LEN);
		CHECK_INT(onion_payload(cells[c])[-ONION_OP_LEN], jobs[c].op);
	}
}

/* n adjacent cells for hop m with different texts; every hop sees whole cells in their places. */
static void forward_batch(unsigned m, size_t n, bool in_place)
{
	static uint8_t room[ONION_BATCH * CELL_LEN + OVERHANG + 64];
	static uint8_t texts[ONION_BATCH][CELL_BODY_LEN];
	uint8_t *const end = room + n * CELL_LEN + ONION_HOP_LEN * (m - 1);
	const size_t len = CELL_BODY_LEN - ONION_HOP_LEN * (m - 1);
	uint8_t *cells[ONION_BATCH], guard[64], front[CELL_TAG_OFF];
	uint64_t seqs[ONION_BATCH];
	struct circuit ci;

	circuit_init(&ci);
	rng_fill(&rng, room, sizeof(room));
	memcpy(guard, end, sizeof(guard));
	memcpy(front, room, sizeof(front));
	for (size_t c = 0; c < n; c++) {
		cells[c] = room + c * CELL_LEN;
		onion_plaintext(cells[c], m)[0] = OP_DELIVER;
		memcpy(texts[c], onion_plaintext(cells[c], m), len);
		seqs[c] = ci.seq + 3 * c;
	}
	onion_seal(aead, ci.hops, m, cells, seqs, n);
	CHECK_MEM(end, guard, sizeof(guard));
	CHECK_MEM(room, front, sizeof(front));
	rng_fill(&rng, end - ONION_HOP_LEN * (m - 1), OVERHANG);
	for (unsigned i = 0; i < m; i++) {
		for (size_t c = 0; c < n; c++) /* a link writes its part of the cell */
			rng_fill(&rng, cells[c], CELL_TAG_OFF);
		peel_batch(&ci, i, cells, seqs, n, in_place);
		CHECK_INT(onion_payload(room)[-ONION_OP_LEN], i == m - 1 ? OP_DELIVER : OP_FORWARD);
	}
	for (size_t c = 0; c < n; c++)
		CHECK_MEM(onion_payload(cells[c]) - ONION_OP_LEN, texts[c], len);
}

static void test_forward_round_trip(void)
{
	static const size_t counts[] = {1, 2, 15, ONION_BATCH};

	for (unsigned m = 1; m <= HOPS_MAX; m++)
		for (size_t k = 0; k < ARRAY_LEN(counts); k++) {
			forward_batch(m, counts[k], true);
			forward_batch(m, counts[k], false);
		}
}

static void test_adjacent_cells_one_by_one(void)
{
	static uint8_t room[8 * CELL_LEN + OVERHANG];
	struct circuit ci;

	circuit_init(&ci);
	memset(room, 0x77, sizeof(room));
	for (unsigned c = 0; c < 8; c++) {
		uint8_t *cells[1] = {room + c * CELL_LEN};
		const uint64_t seq = ci.seq + c;

		memset(onion_plaintext(cells[0], 1 + c % HOPS_MAX), (int)c, 500);
		onion_seal(aead, ci.hops, 1 + c % HOPS_MAX, cells, &seq, 1);
	}
	for (unsigned c = 0; c < 8; c++) {
		uint8_t *cell = room + c * CELL_LEN, want[500];

		for (unsigned i = 0; i <= c % HOPS_MAX; i++)
			CHECK(peel(&ci, i, seq_at(&ci, i, ci.seq + c), cell, cell).ok);
		memset(want, (int)c, sizeof(want));
		CHECK_MEM(onion_payload(cell) - ONION_OP_LEN, want, sizeof(want));
	}
}

/* Any hop may be the target, and learns op and arg as the client wrote them, unknown ones too. */
static void test_every_target_and_op(void)
{
	static const uint8_t ops[] = {OP_DELIVER, OP_CONTROL, OP_DROP, 0, 5, 255};
	struct circuit ci;

	circuit_init(&ci);
	for (unsigned m = 1; m <= HOPS_MAX; m++)
		for (size_t k = 0; k < ARRAY_LEN(ops); k++) {
			uint8_t room[CELL_LEN + OVERHANG], *cells[1] = {room}, want[1000];
			struct onion_peel job = {0};
			const uint64_t seq = ci.seq++;

			rng_fill(&rng, room, sizeof(room));
			onion_plaintext(room, m)[0] = ops[k];
			onion_plaintext(room, m)[1] = (uint8_t)(77 + k);
			memcpy(want, onion_plaintext(room, m) + ONION_OP_LEN, sizeof(want));
			onion_seal(aead, ci.hops, m, cells, &seq, 1);
			for (unsigned i = 0; i < m; i++) {
				job = peel(&ci, i, seq_at(&ci, i, seq), room, room);
				CHECK(job.ok && (i == m - 1 || job.op == OP_FORWARD));
			}
			CHECK_INT(job.op, ops[k]);
			CHECK_INT(job.arg, 77 + k);
			CHECK_MEM(onion_payload(room), want, sizeof(want));
		}
}

/* Each byte of T and B, on the way to each hop: that hop refuses. */
static void test_forward_flips(void)
{
	struct circuit ci;
	uint8_t cell[CELL_LEN], out[CELL_LEN];
	uint64_t seq;

	circuit_init(&ci);
	seq = seal_random(&ci, HOPS_MAX, cell, NULL);
	for (unsigned i = 0; i < HOPS_MAX; i++) {
		const uint64_t at = seq_at(&ci, i, seq);

		for (unsigned k = CELL_TAG_OFF; k < CELL_LEN; k++) {
			const uint8_t delta = (uint8_t)(1 + rng_below(&rng, 255));
			struct onion_peel job;

			cell[k] ^= delta;
			job = peel(&ci, i, at, cell, out);
			CHECK(!job.ok && job.op == 0 && job.arg == 0);
			cell[k] ^= delta;
		}
		CHECK(peel(&ci, i, at, cell, cell).ok); /* nothing else was wrong */
	}
}

/* Tagging: hop 1 adds a delta that hop 3 would take away again.  Honest hop 2 is in between. */
static void test_forward_recoverable_tagging(void)
{
	struct circuit ci;

	circuit_init(&ci);
	for (unsigned round = 0; round < 200; round++) {
		uint8_t cell[CELL_LEN], out[CELL_LEN], delta[CELL_BODY_LEN] = {0};
		const uint64_t seq = seal_random(&ci, 3, cell, NULL);
		const size_t at = rng_below(&rng, CELL_BODY_LEN - 32);
		struct onion_peel job;

		delta[at] = 1;
		rng_fill(&rng, delta + at + 1, 31);
		CHECK(peel(&ci, 0, seq, cell, cell).ok);
		for (unsigned k = 0; k < CELL_BODY_LEN; k++)
			cell[CELL_BODY_OFF + k] ^= delta[k];
		job = peel(&ci, 1, seq_at(&ci, 1, seq), cell, out);
		CHECK(!job.ok); /* an honest hop ends it here */
		for (unsigned k = 0; k < CELL_BODY_LEN; k++)
			cell[CELL_BODY_OFF + k] ^= delta[k];
		CHECK(!peel(&ci, 2, seq_at(&ci, 2, seq), cell, out).ok);
		CHECK(peel(&ci, 1, seq_at(&ci, 1, seq), cell, out).ok); /* it was only the delta */
	}
}

static void test_forward_misplaced(void)
{
	struct circuit ci, other;
	uint8_t cell[CELL_LEN], second[CELL_LEN], out[CELL_LEN];
	uint64_t seq, seq2;

	circuit_init(&ci);
	circuit_init(&other);
	seq = seal_random(&ci, 3, cell, NULL);
	seq2 = seal_random(&ci, 3, second, NULL);
	CHECK(!peel(&ci, 0, seq + 1, cell, out).ok);
	CHECK(!peel(&ci, 0, seq2, cell, out).ok);
	CHECK(!peel(&ci, 1, seq, cell, out).ok);
	CHECK(!peel(&ci, 1, seq_at(&ci, 1, seq), cell, out).ok);
	CHECK(!peel(&other, 0, seq, cell, out).ok);
	memcpy(out, cell, CELL_LEN);
	memcpy(out + CELL_TAG_OFF, second + CELL_TAG_OFF, TAG_LEN);
	CHECK(!peel(&ci, 0, seq, out, out).ok);
	CHECK(peel(&ci, 0, seq, cell, cell).ok);
	CHECK(!peel(&ci, 2, seq_at(&ci, 2, seq), cell, out).ok); /* hop 2 left out */
	CHECK(peel(&ci, 1, seq_at(&ci, 1, seq), cell, out).ok);
}

/* A bad cell in a batch does not touch its neighbours, and hops of many circuits mix. */
static void test_forward_mixed_batch(void)
{
	static struct circuit cis[ONION_BATCH];
	static uint8_t cells[ONION_BATCH][CELL_LEN], texts[ONION_BATCH][CELL_BODY_LEN];
	struct onion_peel jobs[ONION_BATCH];

	for (size_t c = 0; c < ONION_BATCH; c++) {
		const unsigned m = 1 + c % 2;
		uint64_t seq;

		circuit_init(&cis[c]);
		seq = seal_random(&cis[c], m, cells[c], texts[c]);
		if (c % 5 == 3)
			cells[c][CELL_LEN - 1 - c] ^= 1;
		jobs[c] = (struct onion_peel){
		    .kf = cis[c].hops[0].kf,
		    .kfill = cis[c].hops[0].kfill,
		    .cell = cells[c],
		    .out = cells[c],
		    .seq = seq,
		};
	}
	onion_peel(aead, jobs, ONION_BATCH);
	for (size_t c = 0; c < ONION_BATCH; c++) {
		CHECK_INT(jobs[c].ok, c % 5 != 3);
		if (!jobs[c].ok)
			continue;
		CHECK_INT(jobs[c].op, c % 2 == 0 ? OP_DELIVER : OP_FORWARD);
		if (jobs[c].op == OP_FORWARD)
			CHECK(peel(&cis[c], 1, seq_at(&cis[c], 1, jobs[c].seq), cells[c], cells[c])
				  .ok);
		CHECK_MEM(onion_payload(cells[c]), texts[c] + ONION_OP_LEN, 1360);
	}
}

/* Backward. */

static void backward_batch(unsigned m, size_t n, bool in_place)
{
	static uint8_t cells[ONION_BATCH][CELL_LEN], other[ONION_BATCH][CELL_LEN];
	static uint8_t texts[ONION_BATCH][CELL_BODY_LEN];
	struct onion_unwrap jobs[ONION_BATCH];
	struct circuit ci;

	circuit_init(&ci);
	for (size_t c = 0; c < n; c++) {
		rng_fill(&rng, cells[c], CELL_LEN);
		memset(cells[c] + CELL_TAG_OFF, 0, TAG_LEN);
		memcpy(texts[c], cells[c] + CELL_BODY_OFF, CELL_BODY_LEN);
	}
	for (unsigned i = m; i-- > 0;) {
		struct onion_wrap wraps[ONION_BATCH];

		for (size_t c = 0; c < n; c++)
			wraps[c] = (struct onion_wrap){
			    .kb = ci.hops[i].kb,
			    .cell = cells[c],
			    .out = in_place ? cells[c] : other[c],
			    .b = b_at(&ci, i, ci.b + 7 * c),
			};
		onion_wrap(aead, wraps, n);
		if (!in_place)
			memcpy(cells, other, n * CELL_LEN);
	}
	for (size_t c = 0; c < n; c++)
		jobs[c] = (struct onion_unwrap){
		    .cell = cells[c],
		    .out = (in_place ? cells[c] : other[c]) + CELL_BODY_OFF,
		    .b = ci.b + 7 * c,
		};
	onion_unwrap(aead, ci.hops, m, jobs, n);
	for (size_t c = 0; c < n; c++) {
		CHECK(jobs[c].ok);
		CHECK_MEM(jobs[c].out, texts[c], CELL_BODY_LEN);
	}
}

static void test_backward_round_trip(void)
{
	static const size_t counts[] = {1, UNWRAP_BATCH, UNWRAP_BATCH + 1, ONION_BATCH};

	for (unsigned m = 1; m <= HOPS_MAX; m++)
		for (size_t k = 0; k < ARRAY_LEN(counts); k++) {
			backward_batch(m, counts[k], true);
			backward_batch(m, counts[k], false);
		}
}

/* Each byte of T and B, on each link: the client refuses. */
static void test_backward_flips(void)
{
	const unsigned m = 4;
	struct circuit ci;

	circuit_init(&ci);
	for (unsigned link = 0; link < m; link++)
		for (unsigned k = CELL_TAG_OFF; k < CELL_LEN; k++) {
			uint8_t cell[CELL_LEN], text[CELL_BODY_LEN];
			const uint64_t b = ci.b++;

			send_back(&ci, m, link, b, cell, text);
			cell[k] ^= (uint8_t)(1 + rng_below(&rng, 255));
			for (unsigned i = link; i-- > 0;)
				wrap(&ci, i, b_at(&ci, i, b), cell, cell);
			CHECK(!accepts(&ci, m, b, cell, text));
		}
}

/* Tagging: hop 3 adds a delta, hop 1 takes it away; only honest hop 2's tag shows it. */
static void test_backward_recoverable_tagging(void)
{
	struct circuit ci;

	circuit_init(&ci);
	for (unsigned k = 0; k < CELL_BODY_LEN; k += 7) {
		uint8_t cell[CELL_LEN], text[CELL_BODY_LEN];
		const uint64_t b = ci.b++;

		send_back(&ci, 3, 2, b, cell, text);
		cell[CELL_BODY_OFF + k] ^= 0x5a;
		wrap(&ci, 1, b_at(&ci, 1, b), cell, cell);
		cell[CELL_BODY_OFF + k] ^= 0x5a;
		wrap(&ci, 0, b, cell, cell);
		CHECK(!accepts(&ci, 3, b, cell, text));
	}
}

/* The hops given (from 0), in the order in which they act. */
static bool accepts_order(struct circuit *ci, unsigned m, const unsigned *order, size_t n)
{
	uint8_t cell[CELL_LEN] = {0}, out[CELL_BODY_LEN];
	const uint64_t b = ci->b++;

	for (size_t k = 0; k < n; k++)
		wrap(ci, order[k], b_at(ci, order[k], b), cell, cell);
	return accepts(ci, m, b, cell, out);
}

static void test_backward_path_proof(void)
{
	struct circuit ci;

	circuit_init(&ci);
	CHECK(accepts_order(&ci, 3, (unsigned[]){2, 1, 0}, 3));
	CHECK(!accepts_order(&ci, 3, (unsigned[]){2, 0}, 2));       /* hop 2 skipped */
	CHECK(!accepts_order(&ci, 3, (unsigned[]){1, 0}, 2));       /* origin skipped */
	CHECK(!accepts_order(&ci, 3, (unsigned[]){2, 1}, 2));       /* hop 1 skipped */
	CHECK(!accepts_order(&ci, 3, (unsigned[]){1, 2, 0}, 3));    /* swapped */
	CHECK(!accepts_order(&ci, 3, (unsigned[]){2, 0, 1}, 3));    /* swapped */
	CHECK(!accepts_order(&ci, 3, (unsigned[]){3, 2, 1, 0}, 4)); /* another origin */
	CHECK(accepts_order(&ci, 4, (unsigned[]){3, 2, 1, 0}, 4));
}

static void test_backward_misplaced(void)
{
	struct circuit ci, other;
	uint8_t cell[CELL_LEN], again[CELL_LEN], text[CELL_BODY_LEN], out[CELL_BODY_LEN];
	uint64_t b;

	circuit_init(&ci);
	circuit_init(&other);
	b = ci.b++;
	send_back(&ci, 3, 0, b, cell, text);
	CHECK(!accepts(&ci, 3, b + 1, cell, out));
	CHECK(!accepts(&ci, 2, b, cell, out));
	CHECK(!accepts(&ci, 4, b, cell, out));
	CHECK(!accepts(&other, 3, b, cell, out));
	CHECK(accepts(&ci, 3, b, cell, out));
	CHECK_MEM(out, text, CELL_BODY_LEN);

	/* Hop 2 keeps what hop 3 sent and gives it to hop 1 again, under the next counter. */
	b = ci.b++;
	send_back(&ci, 3, 1, b, cell, text);
	memcpy(again, cell, CELL_LEN);
	wrap(&ci, 0, b, cell, cell);
	CHECK(accepts(&ci, 3, b, cell, out));
	b = ci.b++;
	wrap(&ci, 0, b, again, again);
	CHECK(!accepts(&ci, 3, b, again, out));

	/* The origin did not start from a zero tag. */
	b = ci.b++;
	memset(cell, 1, CELL_LEN);
	wrap(&ci, 0, b, cell, cell);
	CHECK(!accepts(&ci, 1, b, cell, out));
}

static void test_backward_bad_cell_in_batch(void)
{
	static uint8_t cells[ONION_BATCH][CELL_LEN], texts[ONION_BATCH][CELL_BODY_LEN];
	static uint8_t outs[ONION_BATCH][CELL_BODY_LEN];
	struct onion_unwrap jobs[ONION_BATCH];
	struct circuit ci;

	circuit_init(&ci);
	for (size_t c = 0; c < ONION_BATCH; c++) {
		jobs[c] = (struct onion_unwrap){.cell = cells[c], .out = outs[c], .b = ci.b++};
		send_back(&ci, 3, 0, jobs[c].b, cells[c], texts[c]);
		if (c % 3 == 1)
			cells[c][CELL_TAG_OFF + c] ^= 0x80;
	}
	onion_unwrap(aead, ci.hops, 3, jobs, ONION_BATCH);
	for (size_t c = 0; c < ONION_BATCH; c++) {
		CHECK_INT(jobs[c].ok, c % 3 != 1);
		if (!jobs[c].ok)
			memset(texts[c], 0, CELL_BODY_LEN);
		CHECK_MEM(outs[c], texts[c], CELL_BODY_LEN);
	}
}

static void test_empty_batches(void)
{
	struct circuit ci;

	circuit_init(&ci);
	onion_seal(aead, ci.hops, HOPS_MAX, NULL, NULL, 0);
	onion_peel(aead, NULL, 0);
	onion_wrap(aead, NULL, 0);
	onion_unwrap(aead, ci.hops, HOPS_MAX, NULL, 0);
}

static void test_no_key_met_a_nonce_twice(void)
{
	CHECK(seals > 10000);
	CHECK_INT(reuses, 0);
}

static void run_all(void)
{
	memset(seen, 0, sizeof(seen));
	seals = reuses = 0;
	RUN(test_vectors);
	RUN(test_forward_round_trip);
	RUN(test_adjacent_cells_one_by_one);
	RUN(test_every_target_and_op);
	RUN(test_forward_flips);
	RUN(test_forward_recoverable_tagging);
	RUN(test_forward_misplaced);
	RUN(test_forward_mixed_batch);
	RUN(test_backward_round_trip);
	RUN(test_backward_flips);
	RUN(test_backward_recoverable_tagging);
	RUN(test_backward_path_proof);
	RUN(test_backward_misplaced);
	RUN(test_backward_bad_cell_in_batch);
	RUN(test_empty_batches);
	RUN(test_no_key_met_a_nonce_twice);
}

int main(void)
{
	rng = rng_seeded(20);
	for (const char *const *name = aead_names(); *name != NULL; name++) {
		aead = aead_open(*name);
		if (aead == NULL)
			continue; /* this CPU lacks it */
		printf("# back-end %s\n", *name);
		run_all();
		aead_close(aead);
	}
	rng_seeded_free(&rng);
	return test_done();
}
