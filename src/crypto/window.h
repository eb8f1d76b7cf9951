/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Replay windows in the manner of RFC 6479: a ring of bitmap words, so that moving forward clears
 * words instead of shifting.  The bitmap's size is the caller's (a power of two of 64-bit words);
 * one word of it is always being cleared, so the usable width is 64 bits less.
 */
#ifndef CRYPTO_WINDOW_H
#define CRYPTO_WINDOW_H

#include "util/bytes.h"

/* Begins as zeros, and so does the bitmap beside it. */
struct window {
	uint64_t end; /* one more than the highest counter set; 0: none was, and each is fresh */
};

/*
 * window_is_fresh: counter was not set yet and is not below the window; 2^64 - 1 never is.
 * window_set: set it; call only when fresh and authenticated.  words: power of two, >= 2.
 */
bool window_is_fresh(const struct window *w, const uint64_t *bits, size_t words, uint64_t counter);
void window_set(struct window *w, uint64_t *bits, size_t words, uint64_t counter);

/* window_word: where the bit of this counter is. */
static inline const uint64_t *window_word(const uint64_t *bits, size_t words, uint64_t counter)
{
	return &bits[counter / 64 & (words - 1)];
}

#endif
