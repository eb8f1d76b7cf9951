/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Very many objects of one size: zeroed, each on cache lines of its own, next to each other in
 * blocks that the kernel may back with huge pages, so that whoever jumps about among them does not
 * wait for page tables too.  What was put back is given out again; blocks are kept to the end.
 */
#ifndef UTIL_SLAB_H
#define UTIL_SLAB_H

#include <stddef.h>
#include <stdint.h>

struct slab_block;

struct slab {
	size_t item_len;  /* whole cache lines */
	size_t per_block; /* items */
	struct slab_block **blocks;
	size_t block_count;
	void *free;   /* put back: a list through their first bytes */
	size_t fresh; /* index of the first that was never given out */
};

void slab_init(struct slab *s, size_t item_len);
void slab_fini(struct slab *s);

/* slab_get(s): a zeroed item.  slab_put: its content is the caller's to wipe first. */
void *slab_get(struct slab *s);
void slab_put(struct slab *s, void *item);

/* slab_next(s, at): the first item in use from index *at on, and *at behind it; NULL at the end.
 * Begin with 0.  The item given may be put back meanwhile. */
void *slab_next(const struct slab *s, size_t *at);

#endif
