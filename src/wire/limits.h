/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Every size, limit and lifetime of the wire protocol, with its unit.  Reasons: docs/protocol.md.
 */
#ifndef WIRE_LIMITS_H
#define WIRE_LIMITS_H

#include "util/now.h"

#define PROTOCOL_VERSION 1
#define SUITE_CLASSICAL  1 /* X25519, ChaCha20-Poly1305, SHA-256 */

enum {
	HOPS_MAX = 5,
	NODE_ID_LEN = 32, /* Ed25519 public key */

	/* Datagrams and the cell, bytes */
	CELL_LEN = 1432,
	CELL_WIRE_LEN = CELL_LEN + 28, /* what it takes of a bandwidth: with IPv4 and UDP headers */
	LINK_COOKIE_LEN = 64,
	LINK_PROBE_LEN = 64,
	CELL_HEADER_OFF = 8, /* encrypted link header */
	CELL_LINK_TAG_OFF = 20,
	CELL_TAG_OFF = 36,  /* T: tag of the body, by the onion (DATA) or the link (all others) */
	CELL_BODY_OFF = 52, /* B */
	CELL_BODY_LEN = CELL_LEN - CELL_BODY_OFF, /* 1380 */

	/* Onion, bytes */
	ONION_HOP_LEN = 18, /* what one layer adds: op, arg, tag */
	ONION_OP_LEN = 2,   /* op, arg */
	ONION_OVERHANG_MAX = ONION_HOP_LEN * (HOPS_MAX - 1),

	/* CREATE and CREATED, bytes; both fill the body */
	CREATE_ROUTE_LEN = 128,
	CREATE_HOP_LEN = CREATE_ROUTE_LEN + 48, /* what one hop consumes */
	CREATED_STATUS_LEN = 16,

	/* Session */
	SESSION_TAG_LEN = 16,
	FRAME_HEAD_LEN = 2,
	PACK_RANGES_MAX = 16,

	/* Windows, 64-bit words (one word is spare) */
	LINK_WINDOW_WORDS = 128,   /* 8192 bits */
	CIRCUIT_WINDOW_WORDS = 32, /* 2048 bits */
	CONTROL_WINDOW_WORDS = 4,
};

/* DATA counters: 48 bits on the wire; bit 47 marks solicited control replies. */
#define SEQ_MASK        ((1ull << 48) - 1)
#define SEQ_CONTROL_BIT (1ull << 47)
#define SEQ_START_BITS  44 /* first counters and offsets are drawn below 2^44 */

/* Link lifetimes (WireGuard's) */
#define LINK_REKEY_AFTER_NS  (120 * NS_PER_S)
#define LINK_REJECT_AFTER_NS (180 * NS_PER_S)
#define LINK_COUNTER_MAX     ((1ull << 32) - (1ull << 13)) /* cells per key */

/* A node's load, percent of its bandwidth that it uses */
#define LOAD_UNKNOWN 255

/* Circuits */
#define CREATE_CLOCK_SKEW_S     120
#define CIRCUIT_IDLE_NS         (60 * NS_PER_S)
#define CIRCUIT_LIFETIME_MIN_S  600
#define CIRCUIT_LIFETIME_RAND_S 300
#define CIRCUIT_CELLS_MAX       (1ull << 32)

_Static_assert(CELL_BODY_LEN == 1380, "cell layout");

/* Room for session ciphertext in a forward cell of a circuit with n hops, and for its frames. */
#define FORWARD_AREA(n) (CELL_BODY_LEN - ONION_OP_LEN - ONION_HOP_LEN * ((n)-1) - SESSION_TAG_LEN)
#define BACKWARD_AREA   (CELL_BODY_LEN - SESSION_TAG_LEN)
/* Largest inner packet of an n-hop circuit: 1360, 1342, 1324, 1306, 1288. */
#define INNER_MTU(n) (FORWARD_AREA(n) - FRAME_HEAD_LEN)

#endif
