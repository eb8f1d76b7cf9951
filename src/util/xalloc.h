/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Allocation that aborts when memory is gone.  Sizes from the network are bounded before they get
 * here. */
#ifndef UTIL_XALLOC_H
#define UTIL_XALLOC_H

#include <stddef.h>
#include <stdlib.h>

void *xcalloc(size_t n, size_t size) __attribute__((malloc, returns_nonnull));
/* xcalloc_lines(size): zeroed and on a cache line of its own. */
void *xcalloc_lines(size_t size) __attribute__((malloc, returns_nonnull));
/* xcalloc_huge(n, size): as xcalloc; what is at least XALLOC_HUGE_LEN long begins on a multiple of
 * it, where the kernel may use huge pages. */
#define XALLOC_HUGE_LEN (2u << 20)
void *xcalloc_huge(size_t n, size_t size) __attribute__((malloc, returns_nonnull));
void *xrealloc(void *p, size_t n, size_t size) __attribute__((returns_nonnull));
char *xstrdup(const char *s) __attribute__((malloc, returns_nonnull));
char *xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2), returns_nonnull));

#endif
