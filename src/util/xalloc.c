/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "util/xalloc.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

static void *checked(void *p)
{
	if (p == NULL) {
		static const char msg[] = "out of memory\n";

		fwrite(msg, 1, sizeof(msg) - 1, stderr);
		abort();
	}
	return p;
}

void *xcalloc(size_t n, size_t size)
{
	return checked(calloc(n != 0 ? n : 1, size != 0 ? size : 1));
}

void *xcalloc_lines(size_t size)
{
	const size_t line_len = 64, len = (size + line_len - 1) / line_len * line_len;

	return memset(checked(aligned_alloc(line_len, len)), 0, len);
}

void *xcalloc_huge(size_t n, size_t size)
{
	size_t len;
	void *p;

	if (__builtin_mul_overflow(n, size, &len) || len < XALLOC_HUGE_LEN)
		return xcalloc(n, size);
	len = (len + XALLOC_HUGE_LEN - 1) / XALLOC_HUGE_LEN * XALLOC_HUGE_LEN;
	p = checked(aligned_alloc(XALLOC_HUGE_LEN, len));
	(void)madvise(p, len, MADV_HUGEPAGE); /* without, it is slower and as good */
	return memset(p, 0, len);
}

void *xrealloc(void *p, size_t n, size_t size)
{
	return checked(reallocarray(p, n != 0 ? n : 1, size != 0 ? size : 1));
}

char *xstrdup(const char *s)
{
	return checked(strdup(s));
}

char *xasprintf(const char *fmt, ...)
{
	va_list ap;
	char *s;
	int len;

	va_start(ap, fmt);
	len = vasprintf(&s, fmt, ap);
	va_end(ap);
	return checked(len < 0 ? NULL : s);
}
