/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Messages by which members and clients compare and copy directories; LINKCTL bodies of
 * CELL_BODY_LEN bytes, unused bytes zero:
 *
 *   ASK     1 | level u8 | request u16 | count u16 | count * {index u16, digest 16}
 *   COUNTS  2 | level u8 | request u16 | count u16 | total u32 | count * u32 | head length u8 |
 * head FETCH   3 | level u8 | request u16 | count u16 | credit u16 | count * {index u16, n u16, n *
 * hash 8} DATA    4 | flags u8 | request u16 | index u16 | start u16 | bytes of the stream EVENTS
 * 5 | 0 | request u16 | credit u16 | from u64 PUSH    6 | 0 | request u16 | length u16 | descriptor
 *   PUSHED  7 | result u8 | request u16 | error u8
 *
 * ASK tells the digests of some parts of the asker's directory (mesh/tree.h).  COUNTS answers how
 * many descriptors each of them has here, COUNTS_DIFFER set where the digest is another one, and
 * the newest head of the registry.  FETCH asks for those of these parts' descriptors whose hashes
 * (the first bytes) are not among those given; at most credit cells.  EVENTS asks for the
 * registry's log.  Both are answered by a stream of records {length u16, bytes}, cut into DATA
 * cells of SYNC_STREAM_LEN bytes, numbered from 0; start is where in the cell the first record
 * begins (SYNC_NO_START: none does), so that what follows a lost cell can be read.  Length 0: the
 * rest is zero.
 */
#ifndef MESH_SYNC_MSG_H
#define MESH_SYNC_MSG_H

#include "mesh/directory.h"
#include "wire/control.h"

enum sync_type {
	SYNC_ASK = 1,
	SYNC_COUNTS,
	SYNC_FETCH,
	SYNC_DATA,
	SYNC_EVENTS,
	SYNC_PUSH,
	SYNC_PUSHED,
};

enum sync_flag {             /* of DATA */
	SYNC_LAST = 1 << 0,  /* the stream ends here */
	SYNC_WHOLE = 1 << 1, /* with SYNC_LAST: that was all, credit did not cut it off */
	SYNC_FLAGS = SYNC_LAST | SYNC_WHOLE,
};

enum {
	SYNC_HASH_LEN = 8,
	SYNC_HEAD_MAX = 128, /* of the registry */
	SYNC_ASK_MAX = 71,   /* parts */
	SYNC_FETCH_MAX = 32,
	SYNC_CREDIT_MAX = 64, /* cells */
	SYNC_ASK_HEAD_LEN = 6,
	SYNC_ASK_PART_LEN = 2 + TREE_DIGEST_LEN,
	SYNC_FETCH_HEAD_LEN = 8,
	SYNC_FETCH_PART_LEN = 4,
	SYNC_DATA_HEAD_LEN = 8,
	/* Questions and answers may go through a circuit, too. */
	SYNC_QUESTION_LEN = MESH_QUESTION_LEN,
	SYNC_STREAM_LEN = MESH_ANSWER_LEN - SYNC_DATA_HEAD_LEN,
	SYNC_NO_START = 0xffff,
};

_Static_assert(SYNC_ASK_HEAD_LEN + SYNC_ASK_MAX * SYNC_ASK_PART_LEN <= SYNC_QUESTION_LEN,
	       "ASK fits");
_Static_assert(10 + 4 * SYNC_ASK_MAX + 1 + SYNC_HEAD_MAX <= MESH_ANSWER_LEN, "COUNTS fits");
_Static_assert((int)SYNC_CREDIT_MAX == (int)MESH_ANSWERS_MAX, "as many as a circuit lets through");

#define COUNTS_DIFFER (1u << 31)

struct sync_part {
	uint16_t index;
	const uint8_t *digest; /* ASK */
	uint16_t hash_count;   /* FETCH */
	const uint8_t *hashes; /* SYNC_HASH_LEN each */
};

/* Pointers are borrowed from the body decoded. */
struct sync_msg {
	enum sync_type type;
	uint16_t request; /* chosen by the asker, given back in the answer */
	uint8_t level;    /* ASK, COUNTS, FETCH */
	uint16_t count;   /* of parts or counts */
	struct sync_part parts[SYNC_ASK_MAX];
	uint32_t total, counts[SYNC_ASK_MAX]; /* COUNTS */
	uint8_t head_len;
	const uint8_t *head;
	uint16_t credit; /* FETCH, EVENTS */
	uint64_t from;   /* EVENTS */
	uint8_t flags;   /* DATA */
	uint16_t index, start;
	const uint8_t *stream; /* SYNC_STREAM_LEN */
	const uint8_t *bytes;  /* PUSH */
	uint16_t len;
	enum directory_result result; /* PUSHED */
	enum descriptor_error error;
};

/*
 * Peers are numbered by whoever carries the messages: mesh/membership's are links, circuits that
 * end here, and paths of ours.
 */
struct sync_out {
	uint64_t peer;
	uint64_t reply;   /* of an answer: as its question came, and how many answers went before */
	uint16_t answers; /* to a question: how many there may be */
	uint8_t body[CELL_BODY_LEN];
};

/* sync_decode(m, body): 0, or -EPROTO with *m unchanged. */
MUST_USE int sync_decode(struct sync_msg *m, const uint8_t body[static CELL_BODY_LEN]);

/* sync_encode(m, body): m is well-formed and fits (our own). */
void sync_encode(const struct sync_msg *m, uint8_t body[static CELL_BODY_LEN]);

#endif
