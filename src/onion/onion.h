/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The onion of DATA cells as pure functions over batches (docs/protocol.md, "Data cells").
 *
 * Forward, a hop's opened body is  op 1 | arg 1 | 1378 bytes; for OP_FORWARD those are the next
 * hop's T (16) and the first 1362 bytes of its B, whose last 18 bytes the hop makes itself
 * (filler). Because every layer is 18 bytes further to the left, all layers are made in place in
 * the cell: the body for hop m (1-based) starts at CELL_BODY_OFF + 18 (m - 1) and hangs over the
 * cell's end by as much; in a batch of adjacent cells the overhang lies in the next cell's still
 * unused front.
 */
#ifndef CORE_ONION_H
#define CORE_ONION_H

#include "crypto/aead.h"
#include "crypto/hash.h"
#include "wire/limits.h"

#define ONION_BATCH 64 /* most cells in one call */

enum onion_op {
	OP_FORWARD = 1,
	OP_DELIVER = 2, /* arg: how many 18-byte units at the end are not ours (hops - 1) */
	OP_CONTROL = 3,
	OP_DROP = 4,
};

/* What client and hop need for each cell (derived in onion/create). */
struct hop_keys {
	uint8_t kf[KEY_LEN];    /* forward layer */
	uint8_t kfill[KEY_LEN]; /* forward filler */
	uint8_t kb[KEY_LEN];    /* backward layer */
	uint64_t epsilon;       /* backward: b to the previous hop = b + epsilon */
	uint64_t delta;         /* forward: next hop's seq = seq + delta */
};

/* Where hop m's plaintext (CELL_BODY_LEN bytes, the last 18 (m - 1) of them not the caller's)
 * begins. */
static inline uint8_t *onion_plaintext(uint8_t *cell, unsigned m)
{
	return cell + CELL_BODY_OFF + ONION_HOP_LEN * (m - 1);
}

/*
 * onion_seal(a, hops, m, cells, seqs, n): the client's side, n <= ONION_BATCH cells for hop m.
 * In: each cell's plaintext for hop m stands at onion_plaintext(cell, m).  seqs[i]: the counter
 * that hop 1 will see (link side), 48 bits.  Out: T and B of each cell; its bytes 0..35 are left
 * alone, but the 18 (m - 1) bytes behind it are scratch. Cells may be adjacent in memory, in
 * ascending order, when headers and whatever else lies behind a cell are written later; the last
 * one needs that room too.  Intermediate layers carry OP_FORWARD, arg 0.
 */
void onion_seal(struct aead *a, const struct hop_keys *hops, unsigned m, uint8_t *const *cells,
		const uint64_t *seqs, size_t n);

/* One cell at a hop, going forward. */
struct onion_peel {
	const uint8_t *kf, *kfill;
	const uint8_t *cell; /* arrived: T and B are read */
	uint8_t *out;        /* CELL_LEN bytes, not overlapping, or equal to cell */
	uint64_t seq;        /* from the link header */
	bool ok;             /* the layer verified */
	uint8_t op, arg;
};

/*
 * onion_peel(a, jobs, n): opens one layer.  The plaintext's byte k lands at out[34 + k], so that
 * for OP_FORWARD the next cell's T and B stand in their places in out, filler included; for the
 * other operations the payload is onion_payload(out), 1378 bytes.  op and arg are in the job.  When
 * ok is false, out's content is unspecified.
 */
void onion_peel(struct aead *a, struct onion_peel *jobs, size_t n);

static inline uint8_t *onion_payload(uint8_t *out)
{
	return out + CELL_TAG_OFF;
}

/* One cell at a hop, going backward; T and B in place. */
struct onion_wrap {
	const uint8_t *kb;
	const uint8_t *cell; /* T (the AAD, zero at the origin) and B are read */
	uint8_t *out;        /* T and B are written; equal to cell or not overlapping */
	uint64_t b; /* the counter this hop sends: the received one + epsilon, or its own */
};

/* onion_wrap(a, jobs, n): add this hop's layer and replace the tag.  Cannot fail. */
void onion_wrap(struct aead *a, struct onion_wrap *jobs, size_t n);

/* One backward cell at the client. */
struct onion_unwrap {
	const uint8_t *cell;
	uint8_t *out; /* CELL_BODY_LEN bytes: the origin's plaintext; may be cell's B */
	uint64_t b;   /* from the link header */
	bool ok;      /* the chain of tags recomputed (constant time) */
};

/*
 * onion_unwrap(a, hops, m, jobs, n): the client's side, cells whose origin is hop m, n <=
 * ONION_BATCH. Peels all m layers, recomputes the chain of tags from the origin back to hop 1 and
 * compares it with T: the path proof.  out is wiped when the proof fails.
 */
void onion_unwrap(struct aead *a, const struct hop_keys *hops, unsigned m,
		  struct onion_unwrap *jobs, size_t n);

/* Counter arithmetic along the path, 48 bits. */
static inline uint64_t seq_add(uint64_t seq, uint64_t offset)
{
	return (seq + offset) & SEQ_MASK;
}

#endif
