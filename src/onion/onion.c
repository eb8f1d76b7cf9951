/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The onion of DATA cells.  No state, no allocation: every step is one batched call over all cells
 * of one layer, and all scratch is on the stack.
 */
#include "onion/onion.h"

#include <assert.h>

#include "crypto/chacha.h"

#define UNWRAP_BATCH    8 /* cells whose peeled layers are on the stack at once: 44 KB */
#define TAIL_BLOCKS_MAX 2 /* keystream blocks that touch the last 18 (HOPS_MAX - 1) bytes of B */
#define LAST_BLOCK      ((CELL_BODY_LEN - 1) / CHACHA_BLOCK_LEN)

_Static_assert(LAST_BLOCK - (CELL_BODY_LEN - ONION_HOP_LEN * (HOPS_MAX - 1)) / CHACHA_BLOCK_LEN <
		   TAIL_BLOCKS_MAX,
	       "tails span no more blocks than that");

/* One hop's layer in a batch. */
struct layer {
	const struct hop_keys *keys;
	uint64_t offset; /* from hop 1's counter to this hop's */
	unsigned before; /* bytes that the hops before it add behind the cell */
};

/* Single blocks of keystream, first asked for one by one, then made together. */
struct blocks {
	struct chacha_job jobs[ONION_BATCH * TAIL_BLOCKS_MAX];
	uint8_t stream[ONION_BATCH * TAIL_BLOCKS_MAX][CHACHA_BLOCK_LEN];
	size_t n;
};

static void ask(struct blocks *b, const uint8_t *key, uint64_t nonce, uint32_t block)
{
	b->jobs[b->n++] = (struct chacha_job){.key = key, .nonce = nonce, .block = block};
}

/* What the hop appends to the cell. */
static void append_fillers(const struct layer *l, uint8_t *const *cells, const uint64_t *seqs,
			   size_t n)
{
	struct blocks b;

	b.n = 0;
	for (size_t c = 0; c < n; c++)
		ask(&b, l->keys->kfill, seq_add(seqs[c], l->offset), 0);
	chacha_blocks(b.jobs, b.n, b.stream);
	for (size_t c = 0; c < n; c++)
		memcpy(cells[c] + CELL_LEN + l->before, b.stream[c], ONION_HOP_LEN);
}

/* What the hop's decryption does to the fillers of the hops before it, the last bytes of its B. */
static void xor_tails(const struct layer *l, uint8_t *const *cells, const uint64_t *seqs, size_t n)
{
	const unsigned start = CELL_BODY_LEN - l->before;
	const unsigned first = start / CHACHA_BLOCK_LEN;
	const unsigned count = LAST_BLOCK - first + 1;
	struct blocks b;

	b.n = 0;
	for (size_t c = 0; c < n; c++)
		for (unsigned k = 0; k < count; k++) /* block 0 makes the Poly1305 key */
			ask(&b, l->keys->kf, seq_add(seqs[c], l->offset), 1 + first + k);
	chacha_blocks(b.jobs, b.n, b.stream);
	for (size_t c = 0; c < n; c++) {
		const uint8_t *ks = b.stream[c * count] + start % CHACHA_BLOCK_LEN;
		uint8_t *tail = cells[c] + CELL_LEN;

		for (unsigned k = 0; k < l->before; k++)
			tail[k] ^= ks[k];
	}
}

static void seal_layer(struct aead *a, const struct layer *l, uint8_t *const *cells,
		       const uint64_t *seqs, size_t n)
{
	struct aead_job jobs[ONION_BATCH];

	for (size_t c = 0; c < n; c++) {
		uint8_t *body = cells[c] + CELL_BODY_OFF + l->before;

		jobs[c] = (struct aead_job){
		    .key = l->keys->kf,
		    .nonce = seq_add(seqs[c], l->offset),
		    .src = body,
		    .dst = body,
		    .tag = body - TAG_LEN,
		    .len = CELL_BODY_LEN,
		};
	}
	aead_seal(a, jobs, n);
}

/*
 * The bytes behind a cell first live through what the hops will do to them: each hop decrypts those
 * that are there and appends its own.  What the last hop's decryption makes of them is the end of
 * its plaintext, so that sealing, which takes each step back, leaves at every hop's B the end that
 * this hop will see.
 */
void onion_seal(struct aead *a, const struct hop_keys *hops, unsigned m, uint8_t *const *cells,
		const uint64_t *seqs, size_t n)
{
	struct layer layers[HOPS_MAX];
	uint64_t offset = 0;

	assert(m >= 1 && m <= HOPS_MAX && n <= ONION_BATCH);
	for (unsigned i = 0; i < m; i++) {
		layers[i] = (struct layer){&hops[i], offset, ONION_HOP_LEN * i};
		offset += hops[i].delta;
		if (i > 0)
			xor_tails(&layers[i], cells, seqs, n);
		if (i + 1 < m)
			append_fillers(&layers[i], cells, seqs, n);
	}
	seal_layer(a, &layers[m - 1], cells, seqs, n);
	for (unsigned i = m - 1; i-- > 0;) {
		for (size_t c = 0; c < n; c++) {
			uint8_t *text = onion_plaintext(cells[c], i + 1);

			text[0] = OP_FORWARD;
			text[1] = 0;
		}
		seal_layer(a, &layers[i], cells, seqs, n);
	}
}

static void unseal_forward(struct aead *a, struct onion_peel *jobs, size_t n)
{
	struct aead_job opens[ONION_BATCH];
	uint8_t tags[ONION_BATCH][TAG_LEN]; /* in place, the plaintext overwrites the tag */

	for (size_t c = 0; c < n; c++) {
		memcpy(tags[c], jobs[c].cell + CELL_TAG_OFF, TAG_LEN);
		opens[c] = (struct aead_job){
		    .key = jobs[c].kf,
		    .nonce = jobs[c].seq,
		    .src = jobs[c].cell + CELL_BODY_OFF,
		    .dst = onion_payload(jobs[c].out) - ONION_OP_LEN,
		    .tag = tags[c],
		    .len = CELL_BODY_LEN,
		};
	}
	aead_unseal(a, opens, n);
	for (size_t c = 0; c < n; c++) {
		jobs[c].ok = opens[c].ok;
		jobs[c].op = opens[c].ok ? opens[c].dst[0] : 0;
		jobs[c].arg = opens[c].ok ? opens[c].dst[1] : 0;
	}
}

void onion_peel(struct aead *a, struct onion_peel *jobs, size_t n)
{
	uint8_t *fillers[ONION_BATCH];
	struct blocks b;

	assert(n <= ONION_BATCH);
	unseal_forward(a, jobs, n);
	b.n = 0;
	for (size_t c = 0; c < n; c++) {
		if (jobs[c].op != OP_FORWARD)
			continue;
		fillers[b.n] = jobs[c].out + CELL_LEN - ONION_HOP_LEN;
		ask(&b, jobs[c].kfill, jobs[c].seq, 0);
	}
	chacha_blocks(b.jobs, b.n, b.stream);
	for (size_t c = 0; c < b.n; c++)
		memcpy(fillers[c], b.stream[c], ONION_HOP_LEN);
}

void onion_wrap(struct aead *a, struct onion_wrap *jobs, size_t n)
{
	struct aead_job seals[ONION_BATCH];
	uint8_t aads[ONION_BATCH][TAG_LEN]; /* in place, the new tag overwrites the old */

	assert(n <= ONION_BATCH);
	for (size_t c = 0; c < n; c++) {
		memcpy(aads[c], jobs[c].cell + CELL_TAG_OFF, TAG_LEN);
		seals[c] = (struct aead_job){
		    .key = jobs[c].kb,
		    .nonce = jobs[c].b,
		    .aad = aads[c],
		    .aad_len = TAG_LEN,
		    .src = jobs[c].cell + CELL_BODY_OFF,
		    .dst = jobs[c].out + CELL_BODY_OFF,
		    .tag = jobs[c].out + CELL_TAG_OFF,
		    .len = CELL_BODY_LEN,
		};
	}
	aead_seal(a, seals, n);
}

/*
 * The chain runs from the origin to hop 1, but the layers come off from hop 1 on: so all layers
 * down to the origin's ciphertext are kept.  The origin's plaintext is only made of verified cells.
 */
static void unwrap_some(struct aead *a, const struct hop_keys *hops, unsigned m,
			struct onion_unwrap *jobs, size_t n)
{
	uint8_t bodies[HOPS_MAX - 1][UNWRAP_BATCH][CELL_BODY_LEN]; /* as hops 2..m sent them */
	uint8_t tags[HOPS_MAX + 1][UNWRAP_BATCH][TAG_LEN];
	struct aead_job layers[HOPS_MAX][UNWRAP_BATCH];
	uint64_t offset = 0;
	size_t verified = 0;

	for (unsigned i = 0; i < m; i++) {
		for (size_t c = 0; c < n; c++)
			layers[i][c] = (struct aead_job){
			    .key = hops[i].kb,
			    .nonce = seq_add(jobs[c].b, offset),
			    .aad = tags[i + 1][c],
			    .aad_len = TAG_LEN,
			    .src = i == 0 ? jobs[c].cell + CELL_BODY_OFF : bodies[i - 1][c],
			    .dst = i == m - 1 ? jobs[c].out : bodies[i][c],
			    .tag = tags[i][c],
			    .len = CELL_BODY_LEN,
			};
		offset -= hops[i].epsilon;
		if (i < m - 1)
			aead_xor(a, layers[i], n);
	}
	memset(tags[m], 0, sizeof(tags[m]));
	for (unsigned i = m; i-- > 0;)
		aead_mac(a, layers[i], n);
	for (size_t c = 0; c < n; c++) {
		jobs[c].ok = secret_equal(tags[0][c], jobs[c].cell + CELL_TAG_OFF, TAG_LEN);
		if (jobs[c].ok)
			layers[m - 1][verified++] = layers[m - 1][c];
		else
			secret_wipe(jobs[c].out, CELL_BODY_LEN);
	}
	aead_xor(a, layers[m - 1], verified);
}

void onion_unwrap(struct aead *a, const struct hop_keys *hops, unsigned m,
		  struct onion_unwrap *jobs, size_t n)
{
	assert(m >= 1 && m <= HOPS_MAX && n <= ONION_BATCH);
	for (size_t c = 0; c < n; c += UNWRAP_BATCH)
		unwrap_some(a, hops, m, jobs + c, MIN(n - c, (size_t)UNWRAP_BATCH));
}
