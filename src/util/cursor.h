/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Bounded reading and writing of messages.  A reader or writer that would step over its end
 * turns bad, stays bad, and reads as zeros: parse everything, then check rd_ok()/wr_ok() once.
 */
#ifndef UTIL_CURSOR_H
#define UTIL_CURSOR_H

#include "util/bytes.h"

struct reader {
	const uint8_t *p;
	size_t left;
	bool bad;
};

struct writer {
	uint8_t *p;
	size_t left;
	size_t done;
	bool bad;
};

static inline struct reader rd_init(const void *p, size_t len)
{
	return (struct reader){.p = p, .left = len};
}

/* rd_bytes(r, n): the next n bytes in place, or NULL (and r turns bad). */
const uint8_t *rd_bytes(struct reader *r, size_t n);

static inline void rd_copy(struct reader *r, void *dst, size_t n)
{
	const uint8_t *p = rd_bytes(r, n);

	if (p != NULL)
		memcpy(dst, p, n);
	else
		memset(dst, 0, n);
}

static inline uint8_t rd_u8(struct reader *r)
{
	const uint8_t *p = rd_bytes(r, 1);

	return p != NULL ? *p : 0;
}

static inline uint16_t rd_u16(struct reader *r)
{
	const uint8_t *p = rd_bytes(r, 2);

	return p != NULL ? get_le16(p) : 0;
}

static inline uint32_t rd_u32(struct reader *r)
{
	const uint8_t *p = rd_bytes(r, 4);

	return p != NULL ? get_le32(p) : 0;
}

static inline uint64_t rd_u48(struct reader *r)
{
	const uint8_t *p = rd_bytes(r, 6);

	return p != NULL ? get_le48(p) : 0;
}

static inline uint64_t rd_u64(struct reader *r)
{
	const uint8_t *p = rd_bytes(r, 8);

	return p != NULL ? get_le64(p) : 0;
}

static inline bool rd_ok(const struct reader *r)
{
	return !r->bad;
}

/* rd_done(r): parsed without overrun and nothing is left over. */
static inline bool rd_done(const struct reader *r)
{
	return !r->bad && r->left == 0;
}

static inline struct writer wr_init(void *p, size_t len)
{
	return (struct writer){.p = p, .left = len};
}

/* wr_bytes(w, n): room for the next n bytes, or NULL (and w turns bad). */
uint8_t *wr_bytes(struct writer *w, size_t n);

static inline void wr_copy(struct writer *w, const void *src, size_t n)
{
	uint8_t *p = wr_bytes(w, n);

	if (p != NULL && n > 0)
		memcpy(p, src, n);
}

static inline void wr_zero(struct writer *w, size_t n)
{
	uint8_t *p = wr_bytes(w, n);

	if (p != NULL)
		memset(p, 0, n);
}

static inline void wr_u8(struct writer *w, uint8_t v)
{
	wr_copy(w, &v, 1);
}

static inline void wr_u16(struct writer *w, uint16_t v)
{
	uint8_t *p = wr_bytes(w, 2);

	if (p != NULL)
		put_le16(p, v);
}

static inline void wr_u32(struct writer *w, uint32_t v)
{
	uint8_t *p = wr_bytes(w, 4);

	if (p != NULL)
		put_le32(p, v);
}

static inline void wr_u48(struct writer *w, uint64_t v)
{
	uint8_t *p = wr_bytes(w, 6);

	if (p != NULL)
		put_le48(p, v);
}

static inline void wr_u64(struct writer *w, uint64_t v)
{
	uint8_t *p = wr_bytes(w, 8);

	if (p != NULL)
		put_le64(p, v);
}

static inline bool wr_ok(const struct writer *w)
{
	return !w->bad;
}

#endif
