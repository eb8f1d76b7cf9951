/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Poly1305 (RFC 8439 2.5) over a few whole blocks, inline: for a cell's header, 64 bytes, setting
 * up a library's state costs more than the sum itself.  Private to this folder.
 *
 * The accumulator h < 2^131 and the clamped r are kept in 64-bit words.  Since r's high word r1 is
 * a multiple of 4 and 2^130 = 5 mod p, a product that would land at 2^128 times h1 r1 lands at 2^0
 * as h1 s1, with s1 = r1 5/4; no product overflows 128 bits.
 */
#ifndef CRYPTO_POLY1305_H
#define CRYPTO_POLY1305_H

#include "util/bytes.h"

__extension__ typedef unsigned __int128 poly1305_wide;

/* poly1305_blocks(tag, key, data, n): data is n blocks of 16 bytes; key 32 bytes, used once. */
static inline void poly1305_blocks(uint8_t tag[static 16], const uint8_t key[static 32],
				   const uint8_t *data, size_t n)
{
	const uint64_t r0 = get_le64(key) & 0x0ffffffc0fffffff;
	const uint64_t r1 = get_le64(key + 8) & 0x0ffffffc0ffffffc;
	const uint64_t s1 = r1 + (r1 >> 2);
	uint64_t h0 = 0, h1 = 0, h2 = 0, g0, g1, g2, carry, mask;
	poly1305_wide d0, d1;

	for (; n > 0; n--, data += 16) {
		d0 = (poly1305_wide)h0 + get_le64(data);
		d1 = (poly1305_wide)h1 + get_le64(data + 8) + (uint64_t)(d0 >> 64);
		h0 = (uint64_t)d0;
		h1 = (uint64_t)d1;
		h2 += (uint64_t)(d1 >> 64) + 1;

		d0 = (poly1305_wide)h0 * r0 + (poly1305_wide)h1 * s1;
		d1 = (poly1305_wide)h0 * r1 + (poly1305_wide)h1 * r0 + h2 * s1 +
		     (uint64_t)(d0 >> 64);
		h2 = h2 * r0 + (uint64_t)(d1 >> 64);

		/* What is above 2^130 comes back five times as much below. */
		carry = (h2 >> 2) * 5;
		d0 = (poly1305_wide)(uint64_t)d0 + carry;
		d1 = (poly1305_wide)(uint64_t)d1 + (uint64_t)(d0 >> 64);
		h0 = (uint64_t)d0;
		h1 = (uint64_t)d1;
		h2 = (h2 & 3) + (uint64_t)(d1 >> 64);
	}

	/* h mod p: take h + 5 - 2^130 if that is not negative. */
	d0 = (poly1305_wide)h0 + 5;
	d1 = (poly1305_wide)h1 + (uint64_t)(d0 >> 64);
	g0 = (uint64_t)d0;
	g1 = (uint64_t)d1;
	g2 = h2 + (uint64_t)(d1 >> 64);
	mask = -(g2 >> 2 & 1);
	h0 = (h0 & ~mask) | (g0 & mask);
	h1 = (h1 & ~mask) | (g1 & mask);

	d0 = (poly1305_wide)h0 + get_le64(key + 16);
	d1 = (poly1305_wide)h1 + get_le64(key + 24) + (uint64_t)(d0 >> 64);
	put_le64(tag, (uint64_t)d0);
	put_le64(tag + 8, (uint64_t)d1);
}

/* poly1305_equal(a, b): two tags compared in constant time. */
static inline bool poly1305_equal(const uint8_t a[static 16], const uint8_t b[static 16])
{
	return ((get_le64(a) ^ get_le64(b)) | (get_le64(a + 8) ^ get_le64(b + 8))) == 0;
}

#endif
