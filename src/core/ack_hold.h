/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * TCP acknowledgements that wait for others of their path.  One that goes alone takes a whole cell,
 * and a download asks for a thousand in a second: some per cent of a relay's line, which both ways
 * share.  So one waits if a cell has left just before, until ACK_HOLD_NS after that cell; or until
 * a cell would be full, or any other packet goes, which takes those that wait along before it.  The
 * first after a pause never waits.
 */
#ifndef CORE_ACK_HOLD_H
#define CORE_ACK_HOLD_H

#include "util/dgram.h"
#include "util/now.h"
#include "wire/limits.h"

#define ACK_HOLD_NS (2 * NS_PER_MS)

enum {
	ACK_HOLD_LEN = FORWARD_AREA(HOPS_MAX), /* frames that fit every cell */
};

/* Begins as zeros. */
struct ack_hold {
	uint64_t due_ns; /* when some wait */
	uint16_t used;
	uint8_t bytes[ACK_HOLD_LEN]; /* of each: length, flags, packet */
};

/* ack_hold_take(h, p, sent_ns, now): true when p is a TCP acknowledgement and nothing else, and
 * waits here; sent_ns: when the path's last cell left.  When they fill a cell, they are due at
 * once, and no more is taken. */
bool ack_hold_take(struct ack_hold *h, const struct packet *p, uint64_t sent_ns,
		   const struct now *now);

/* ack_hold_due: when those that wait are to go; NEVER when none does. */
static inline uint64_t ack_hold_due(const struct ack_hold *h)
{
	return h->used > 0 ? h->due_ns : NEVER;
}

/* ack_hold_next(h, at, out): the packets in the order in which they came; *at begins as 0.  Behind
 * the last one it forgets them: out's bytes are valid until the next ack_hold_take. */
bool ack_hold_next(struct ack_hold *h, size_t *at, struct packet *out);

#endif
