/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Shards: each end of a link has a number of 3 bits that says which of its workers owns the link:
 * the shard modulo the number of workers, which is nobody else's business.  Each datagram names the
 * receiver's shard at a place that depends on its type only, so that the kernel (or the worker that
 * got it) can tell whose it is before any key is looked up.
 */
#ifndef WIRE_SHARD_H
#define WIRE_SHARD_H

#include "wire/cell.h"

enum {
	SHARDS = 8,
	SHARD_MASK = SHARDS - 1,
	WORKERS_MAX = SHARDS,

	/* As routes and callers name the shard of a node's worker that they want. */
	SHARD_ANY = 0,
	SHARD_WISH = 8, /* | the shard */
};

/* At which byte the receiver's shard stands (in its low 3 bits), by the datagram's type: in the
 * receiver index, and of INIT, which has none yet, in a byte of its own. */
#define SHARD_OFFSETS                                                                            \
	{                                                                                        \
		[MSG_LINK_INIT] = 7, [MSG_LINK_RESP] = 8, [MSG_LINK_COOKIE] = 4, [MSG_CELL] = 1, \
	}

/* shard_of_datagram: 0 for what is none of ours. */
static inline unsigned shard_of_datagram(const uint8_t *data, size_t len)
{
	static const uint8_t offsets[] = SHARD_OFFSETS;
	const size_t at = len > 0 && data[0] < ARRAY_LEN(offsets) ? offsets[data[0]] : 0;

	return at > 0 && at < len ? data[at] & SHARD_MASK : 0;
}

static inline bool shard_wish_is_valid(uint8_t wish)
{
	return wish == SHARD_ANY || wish >> 3 == 1;
}

#endif
