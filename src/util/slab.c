/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The first line of each block holds a bitmap of its items in use; an item's index counts through
 * all blocks. */
#include "util/slab.h"

#include "util/bytes.h"
#include "util/xalloc.h"

#include <assert.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, len)   ((void)(p), (void)(len))
#define ASAN_UNPOISON_MEMORY_REGION(p, len) ((void)(p), (void)(len))
#endif

enum {
	LINE_LEN = 64,
	ITEM_LEN_MIN = 2 * LINE_LEN,
	BLOCK_ITEMS_MAX = XALLOC_HUGE_LEN / ITEM_LEN_MIN,
	WORD_BITS = 64,
};

struct slab_block {
	uint64_t used[BLOCK_ITEMS_MAX / WORD_BITS];
	uint8_t items[];
};

_Static_assert(sizeof(struct slab_block) % LINE_LEN == 0, "items begin on a line");

void slab_init(struct slab *s, size_t item_len)
{
	*s = (struct slab){.item_len = (item_len + LINE_LEN - 1) / LINE_LEN * LINE_LEN};
	assert(s->item_len >= ITEM_LEN_MIN);
	s->per_block = (XALLOC_HUGE_LEN - sizeof(struct slab_block)) / s->item_len;
	assert(s->per_block > 0);
}

void slab_fini(struct slab *s)
{
	for (size_t i = 0; i < s->block_count; i++) {
		ASAN_UNPOISON_MEMORY_REGION(s->blocks[i], XALLOC_HUGE_LEN);
		free(s->blocks[i]);
	}
	free(s->blocks);
	*s = (struct slab){0};
}

static uint8_t *item_at(const struct slab *s, size_t index)
{
	return s->blocks[index / s->per_block]->items + index % s->per_block * s->item_len;
}

/* Blocks are as long as they are aligned. */
static struct slab_block *block_of(void *item)
{
	return (struct slab_block *)((uintptr_t)item & ~(uintptr_t)(XALLOC_HUGE_LEN - 1));
}

static void mark(const struct slab *s, void *item)
{
	struct slab_block *b = block_of(item);
	const size_t i = (size_t)((uint8_t *)item - b->items) / s->item_len;

	b->used[i / WORD_BITS] ^= UINT64_C(1) << i % WORD_BITS;
}

static void *get_fresh(struct slab *s)
{
	if (s->fresh == s->block_count * s->per_block) {
		s->blocks = xrealloc(s->blocks, s->block_count + 1, sizeof(struct slab_block *));
		s->blocks[s->block_count++] = xcalloc_huge(1, XALLOC_HUGE_LEN);
	}
	return item_at(s, s->fresh++);
}

void *slab_get(struct slab *s)
{
	void *item = s->free;

	if (item == NULL) {
		item = get_fresh(s);
	} else {
		ASAN_UNPOISON_MEMORY_REGION(item, s->item_len);
		memcpy(&s->free, item, sizeof(s->free));
		memset(item, 0, s->item_len);
	}
	mark(s, item);
	return item;
}

void slab_put(struct slab *s, void *item)
{
	mark(s, item);
	memcpy(item, &s->free, sizeof(s->free));
	s->free = item;
	ASAN_POISON_MEMORY_REGION(item, s->item_len);
}

void *slab_next(const struct slab *s, size_t *at)
{
	while (*at < s->fresh) {
		const size_t i = *at % s->per_block;
		const uint64_t ahead =
		    s->blocks[*at / s->per_block]->used[i / WORD_BITS] >> i % WORD_BITS;

		if ((ahead & 1) != 0)
			return item_at(s, (*at)++);
		*at += ahead != 0 ? (size_t)__builtin_ctzll(ahead)
				  : MIN(WORD_BITS - i % WORD_BITS, s->per_block - i);
	}
	return NULL;
}
