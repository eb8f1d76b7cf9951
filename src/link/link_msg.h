/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Layout of the three handshake messages, for link*.c and their tests.
 *
 * INIT    0 type | 1 version | 2 offered suites u16 | 4 sender index u24 | 7 receiver's shard
 *         8 e 32 | 40 zero 1200
 *         1240 Enc(static) 48 | 1288 Enc(payload) 48 | 1336 zero 64 | 1400 mac1 | 1416 mac2
 * RESP    0 type | 1 version | 2 suite u16 | 4 sender index u32 | 8 receiver index u32 | 12 e 32
 *         44 zero 1104 | 1148 Enc(payload) 48 | 1196 zero 204 | 1400 mac1 | 1416 zero 16
 * COOKIE  0 type | 1 zero 3 | 4 receiver index u32 | 8 nonce 24 | 32 sealed cookie 32
 *
 * INIT's payload: TAI64N 12 | version u32 | capabilities u32 | suites u16 | role u8 | zero 9;
 * RESP's: version u32 | capabilities u32 | suite u16 | role u8 | zero 21.
 */
#ifndef CORE_LINK_MSG_H
#define CORE_LINK_MSG_H

#include "crypto/cookie.h"
#include "crypto/noise.h"
#include "util/cursor.h"
#include "wire/cell.h"

#define SUITES_OFFERED     (1u << (SUITE_CLASSICAL - 1)) /* bit 0 stands for suite 1 */
#define LINK_PROLOGUE_TEXT "macromesh/1 link"

enum {
	HELLO_LEN = 32, /* payload of INIT and RESP, the time included */
	TAI64N_LEN = 12,

	INIT_INDEX_OFF = 4,
	INIT_SHARD_OFF = 7,
	INIT_E_OFF = 8,
	INIT_ZERO_OFF = 40,
	INIT_SEALED_OFF = 1240, /* static, payload */
	INIT_SEALED_LEN = DH_LEN + TAG_LEN + HELLO_LEN + TAG_LEN,
	INIT_ZERO2_OFF = INIT_SEALED_OFF + INIT_SEALED_LEN,

	RESP_INDEX_OFF = 4,
	RESP_PEER_INDEX_OFF = 8,
	RESP_E_OFF = 12,
	RESP_ZERO_OFF = 44,
	RESP_SEALED_OFF = 1148, /* payload */
	RESP_SEALED_LEN = HELLO_LEN + TAG_LEN,
	RESP_ZERO2_OFF = RESP_SEALED_OFF + RESP_SEALED_LEN,

	MAC1_OFF = 1400,
	MAC2_OFF = MAC1_OFF + MAC_LEN,

	COOKIE_INDEX_OFF = 4,
	COOKIE_NONCE_OFF = 8,
	COOKIE_SEALED_OFF = 32,

	LINK_PROLOGUE_LEN = sizeof(LINK_PROLOGUE_TEXT) - 1 + INIT_E_OFF - 1,
};

_Static_assert(INIT_ZERO2_OFF == 1336 && RESP_ZERO2_OFF == 1196, "handshake layout");
_Static_assert(MAC2_OFF + MAC_LEN == CELL_LEN, "handshake layout");
_Static_assert(COOKIE_SEALED_OFF + COOKIE_SEALED_LEN == LINK_COOKIE_LEN, "cookie layout");

/* What the payloads of INIT and RESP say besides the time. */
struct hello {
	uint16_t suites; /* INIT: offered, as bits; RESP: the chosen one */
	bool is_node;
};

/* msg_put_prologue: what this INIT says in the clear; whoever changes it on the way breaks the
 * handshake. */
void msg_put_prologue(uint8_t out[static LINK_PROLOGUE_LEN], const uint8_t *init);

/* Type, version and suites of INIT and RESP. */
void msg_put_head(uint8_t *msg, enum msg_type type, uint16_t suites);

/* The rest of a payload, to its end. */
void msg_put_hello(struct writer *w, const struct hello *h);
bool msg_get_hello(struct reader *r, struct hello *h);

void msg_put_tai64n(struct writer *w, uint64_t wall_ns);

/* mac1 of INIT and RESP: proves that the sender knows whom it calls. */
void msg_put_mac1(uint8_t *msg, const uint8_t receiver_static[static DH_LEN]);
bool msg_mac1_is_right(const struct cookie_jar *jar, const uint8_t *msg);

bool msg_is_zero(const uint8_t *p, size_t len);

#endif
