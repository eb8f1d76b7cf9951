/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Frames: what a session cell carries, one after the other.  A frame is a u16 head, type in the top
 * 5 bits and length in the low 11, and its body; a zero head ends the list.
 */
#ifndef WIRE_FRAME_H
#define WIRE_FRAME_H

#include "util/bytes.h"
#include "wire/control.h"

enum frame_type {
	FRAME_END = 0,
	FRAME_PACKET = 1,         /* an IP packet */
	FRAME_PING = 2,           /* nothing: acknowledge at once */
	FRAME_NUMBERED = 3,       /* an IP packet that is sent twice, struct numbered */
	FRAME_PACK = 4,           /* acknowledgement, struct pack */
	FRAME_PATHS = 5,          /* what the session's paths are for, struct paths */
	FRAME_RESENT = 6,         /* an IP packet that another path may have lost, struct resent */
	FRAME_PACKET_PARTIAL = 8, /* an IP packet whose checksum is as PACKET_CSUM_PARTIAL says */
};

#define FRAME_LEN_MAX 2047

static inline void frame_put_head(uint8_t *p, enum frame_type type, size_t len)
{
	put_le16(p, (uint16_t)((unsigned)type << 11 | len));
}

struct frame {
	unsigned type; /* raw: may be none of enum frame_type */
	uint16_t len;
	const uint8_t *body;
};

/*
 * frame_next(p, end, f): the frame at *p; moves *p behind it.  1: f is filled; 0: no more frames;
 * -1: malformed (runs over the end).
 */
static inline int frame_next(const uint8_t **p, const uint8_t *end, struct frame *f)
{
	uint16_t head;

	if (end - *p < FRAME_HEAD_LEN)
		return 0;
	head = get_le16(*p);
	if (head == 0)
		return 0;
	f->type = head >> 11;
	f->len = head & FRAME_LEN_MAX;
	f->body = *p + FRAME_HEAD_LEN;
	if (f->len > end - f->body)
		return -1;
	*p = f->body + f->len;
	return 1;
}

/* Acknowledgement of session cells on one path (docs/protocol.md, "PACK"). */
struct pack_range {
	uint16_t gap; /* counters not received, between this range and the one before it */
	uint16_t run; /* counters received, at least 1 */
};

struct pack {
	uint64_t first;      /* counter where ranges begin; the first gap counts from here */
	uint64_t total;      /* cells received on this path since attach, 48 bits */
	uint32_t ce;         /* of those, with congestion-experienced */
	uint16_t delay_16us; /* from the arrival of the last counter to this message */
	uint8_t count;       /* ranges */
	struct pack_range range[PACK_RANGES_MAX];
	uint8_t digest[8]; /* over the session tags of exactly the counters in ranges */
};

#define PACK_LEN(count) (6 + 6 + 4 + 2 + 1 + 8 + 4 * (count))

/* pack_encode: PACK_LEN(count) bytes to out; returns that length. */
size_t pack_encode(const struct pack *p, uint8_t *out);
/* pack_decode: 0 or -EINVAL (length, zero runs, overflow). */
MUST_USE int pack_decode(struct pack *p, const uint8_t *in, size_t len);

/* A packet that goes over two paths, under a number that neither direction uses twice. */
struct numbered {
	uint64_t number; /* 48 bits */
	uint8_t flags;   /* enum numbered_flag */
	const uint8_t *packet;
	size_t len;
};

enum numbered_flag {
	NUMBERED_PARTIAL = 1 << 0, /* as FRAME_PACKET_PARTIAL */
};

#define NUMBERED_HEAD_LEN 7

/* numbered_put_head: NUMBERED_HEAD_LEN bytes, the packet follows. */
void numbered_put_head(uint8_t *out, uint64_t number, uint8_t flags);
/* numbered_decode: 0 or -EINVAL (length, flags). */
MUST_USE int numbered_decode(struct numbered *n, const uint8_t *in, size_t len);

/* A packet that left in that cell of a path which does not answer: it may have arrived yet. */
struct resent {
	uint32_t path_id;
	uint64_t seq;  /* 48 bits: the cell's counter at the exit */
	uint8_t flags; /* enum numbered_flag */
	const uint8_t *packet;
	size_t len;
};

#define RESENT_HEAD_LEN 11

/* The largest inner packet on the way back that leaves room for that head, for any hops: 1351. */
#define INNER_MTU_BACK (BACKWARD_AREA - FRAME_HEAD_LEN - RESENT_HEAD_LEN)

/* resent_put_head: RESENT_HEAD_LEN bytes, the packet follows. */
void resent_put_head(uint8_t *out, uint32_t path_id, uint64_t seq, uint8_t flags);
/* resent_decode: 0 or -EINVAL (length, flags, a path id of zero). */
MUST_USE int resent_decode(struct resent *r, const uint8_t *in, size_t len);

/*
 * What the client wants its session's paths to be used for; the exit answers with the same version
 * and with what it thinks of them, which it also says unasked when one turns suspect.
 */
struct paths_entry {
	uint32_t path_id;
	uint8_t weight; /* 0: a backup; backups are tried in the order given */
	uint8_t flags;  /* enum paths_entry_flag */
};

enum paths_entry_flag {
	PATHS_SUSPECT = 1 << 0, /* nothing comes back on it */
};

enum paths_flag {
	PATHS_DUPLICATE = 1 << 0, /* small packets of interactive flows go over two paths */
};

struct paths {
	uint32_t version; /* rises with each change */
	uint8_t flags;    /* enum paths_flag */
	uint8_t count;
	struct paths_entry path[ATTACH_PATHS_MAX]; /* others carry nothing */
};

#define PATHS_LEN(count) (6 + 6 * (count))

/* paths_encode: PATHS_LEN(count) bytes to out; returns that length. */
size_t paths_encode(const struct paths *p, uint8_t *out);
/* paths_decode: 0 or -EINVAL (length, flags, an id of zero or named twice). */
MUST_USE int paths_decode(struct paths *p, const uint8_t *in, size_t len);

#endif
