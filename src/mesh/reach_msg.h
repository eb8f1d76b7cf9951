/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Messages by which somebody learns from a node how it is seen, and whether it can be called;
 * LINKCTL bodies of CELL_BODY_LEN bytes, unused bytes zero:
 *
 *   SEE     12 | 0 | request u16
 *   SEEN    13 | 0 | request u16 | ip 16 | port u16 | time in ms u64 | token 16
 *   DIAL    14 | 0 | request u16 | port u16 | link key 32 | MAC128(token, all before)
 *   DIALED  15 | result u8 | request u16 | round trip in us u32
 *
 * SEEN tells where the asker's cells come from, the node's time, and a token that is good for this
 * very address and port for two to four minutes.  DIAL asks the node to begin a handshake with the
 * owner of the link key at that IP and the port given; the token shows that the asker receives
 * there.
 */
#ifndef MESH_REACH_MSG_H
#define MESH_REACH_MSG_H

#include "crypto/cookie.h"
#include "crypto/noise.h"
#include "util/endpoint.h"
#include "wire/limits.h"

#define REACH_TYPE_MIN  12 /* first bytes of LINKCTL bodies that are ours: 12..15 */
#define REACH_TOKEN_LEN COOKIE_LEN
#define REACH_MAC_OFF   38 /* of DIAL */

enum reach_type {
	REACH_SEE = REACH_TYPE_MIN,
	REACH_SEEN,
	REACH_DIAL,
	REACH_DIALED,
};

enum reach_result {
	REACH_OK = 1,    /* the owner of the key answered there */
	REACH_NO_ANSWER, /* nobody did */
	REACH_REFUSED,   /* the node does not dial: too much asked, or nothing it would call */
	REACH_TOKEN,     /* the token is not of this address, or too old: ask SEE again */
};

struct reach_msg {
	enum reach_type type;
	uint16_t request;               /* given back in the answer */
	struct endpoint seen;           /* SEEN */
	uint64_t time_ms;               /* SEEN: since 1970 */
	uint8_t token[REACH_TOKEN_LEN]; /* SEEN; DIAL, to encode only */
	uint16_t port;                  /* DIAL: not 0 */
	uint8_t link_key[DH_LEN];       /* DIAL */
	uint8_t mac[MAC_LEN];           /* DIAL, decoded only */
	enum reach_result result;       /* DIALED */
	uint32_t rtt_us;                /* DIALED: REACH_OK */
};

/* reach_decode(m, body): 0, or -EPROTO with *m unchanged. */
MUST_USE int reach_decode(struct reach_msg *m, const uint8_t body[static CELL_BODY_LEN]);
void reach_encode(const struct reach_msg *m, uint8_t body[static CELL_BODY_LEN]);

#endif
