/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Packets sent lately over the paths of sessions that have several: what a dead path has swallowed
 * is sent again over another.  One ring of fixed size for all of an engine; the oldest give way.
 * When it turns round so fast that nothing in it could be of use, it takes nothing for a while.
 */
#ifndef CORE_RESEND_H
#define CORE_RESEND_H

#include "util/dgram.h"
#include "util/now.h"
#include "wire/limits.h"

#define RESEND_AGE_NS   (1500 * NS_PER_MS) /* older packets are of no use to anybody */
#define RESEND_WORTH_NS (100 * NS_PER_MS)  /* a ring that holds less than this rests ... */
#define RESEND_REST_NS  NS_PER_S           /* ... for so long */

struct resend {
	uint8_t *ring; /* NULL: nothing is kept */
	size_t size;
	uint64_t head, tail; /* bytes ever put in and taken out */
	uint64_t rest_ns;    /* until then nothing is kept */
	uint64_t owners;     /* given out */
};

/* resend_init: size bytes, a power of two, not taken before resend_begin. */
void resend_init(struct resend *r, size_t size);
/* resend_begin: from now on packets are kept; resend_end: none any more, all are wiped. */
void resend_begin(struct resend *r);
void resend_end(struct resend *r);

/* resend_owner(r): a number for a path, never used before, so that no session can get another's
 * packets. */
static inline uint64_t resend_owner(struct resend *r)
{
	return ++r->owners;
}

/* resend_keep: the packet left in the owner's cell of that counter. */
void resend_keep(struct resend *r, uint64_t owner, uint64_t seq, const struct packet *p,
		 const struct now *now);

struct resend_cursor {
	uint64_t owner, after; /* its packets in cells of later counters */
	uint64_t at, end;
};

struct resend_packet {
	uint64_t seq;
	uint8_t flags; /* enum packet_flag */
	uint16_t len;
	uint8_t bytes[CELL_BODY_LEN];
};

/* resend_walk: what is there now; meanwhile others may be kept.  resend_next: oldest first; false
 * when there is no more. */
struct resend_cursor resend_walk(const struct resend *r, uint64_t owner, uint64_t after);
bool resend_next(const struct resend *r, struct resend_cursor *c, const struct now *now,
		 struct resend_packet *out);

#endif
