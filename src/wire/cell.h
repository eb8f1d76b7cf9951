/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The cell, CELL_LEN bytes, the same on every link:
 *
 *   0 type=4 | 1 receiver index u24 | 4 link counter u32 | 8 header 12 (encrypted) | 20 link tag 16
 *   36 T 16 | 52 B 1380
 *
 * header: circ_id u32, seq u48, kind u8, flags u8.  The link tag covers bytes 0..7 and T.
 */
#ifndef WIRE_CELL_H
#define WIRE_CELL_H

#include "util/bytes.h"
#include "wire/limits.h"

enum msg_type { /* first byte of every datagram */
	MSG_LINK_INIT = 1,
	MSG_LINK_RESP = 2,
	MSG_LINK_COOKIE = 3,
	MSG_CELL = 4,
	MSG_LINK_PROBE = 5,
};

enum cell_kind {
	CELL_DATA_FWD = 0,
	CELL_DATA_BWD = 1,
	CELL_CREATE = 2,
	CELL_CREATED = 3,
	CELL_DESTROY = 4,
	CELL_LINKCTL = 5,
	CELL_COVER = 6,
	CELL_KIND_COUNT,
};

enum cell_flag {
	CELL_FLAG_CE = 1 << 0, /* ECN congestion-experienced was seen on the way */
};

struct cell_header {
	uint64_t seq; /* 48 bits */
	uint32_t circ_id;
	uint8_t kind; /* enum cell_kind once checked */
	uint8_t flags;
	bool is_interactive; /* its circuit's class; known at each hop, not on the wire */
};

static inline bool cell_kind_is_data(uint8_t kind)
{
	return kind == CELL_DATA_FWD || kind == CELL_DATA_BWD;
}

/* Bytes 0..7, in the clear. */
static inline void cell_put_outer(uint8_t *cell, uint32_t receiver_index, uint32_t counter)
{
	put_le32(cell, MSG_CELL | receiver_index << 8);
	put_le32(cell + 4, counter);
}

static inline uint32_t cell_receiver_index(const uint8_t *cell)
{
	return get_le32(cell) >> 8;
}

static inline uint32_t cell_counter(const uint8_t *cell)
{
	return get_le32(cell + 4);
}

/* Bytes 8..19, before sealing or after opening. */
static inline void cell_put_header(uint8_t *cell, const struct cell_header *h)
{
	uint8_t *p = cell + CELL_HEADER_OFF;

	put_le32(p, h->circ_id);
	put_le48(p + 4, h->seq);
	p[10] = h->kind;
	p[11] = h->flags;
}

static inline void cell_get_header(const uint8_t *cell, struct cell_header *h)
{
	const uint8_t *p = cell + CELL_HEADER_OFF;

	*h = (struct cell_header){
	    .circ_id = get_le32(p), .seq = get_le48(p + 4), .kind = p[10], .flags = p[11]};
}

#endif
