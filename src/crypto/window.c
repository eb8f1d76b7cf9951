/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Replay window: bit (counter mod 64) of ring word (counter / 64 mod words). */
#include "crypto/window.h"

#define WORD_BITS 64

static uint64_t bit_of(uint64_t counter)
{
	return UINT64_C(1) << (counter % WORD_BITS);
}

bool window_is_fresh(const struct window *w, const uint64_t *bits, size_t words, uint64_t counter)
{
	if (counter >= w->end)
		return counter != UINT64_MAX;
	if (w->end - 1 - counter >= (words - 1) * WORD_BITS)
		return false;
	return (bits[counter / WORD_BITS & (words - 1)] & bit_of(counter)) == 0;
}

void window_set(struct window *w, uint64_t *bits, size_t words, uint64_t counter)
{
	const uint64_t word = counter / WORD_BITS;

	if (counter >= w->end) {
		const uint64_t top_word = w->end != 0 ? (w->end - 1) / WORD_BITS : word;
		const uint64_t steps = MIN(word - top_word, (uint64_t)words);

		for (uint64_t i = 1; i <= steps; i++)
			bits[(top_word + i) & (words - 1)] = 0;
		w->end = counter + 1;
	}
	bits[word & (words - 1)] |= bit_of(counter);
}
