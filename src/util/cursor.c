/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "util/cursor.h"

const uint8_t *rd_bytes(struct reader *r, size_t n)
{
	const uint8_t *p = r->p;

	if (r->bad || r->left < n) {
		r->bad = true;
		return NULL;
	}
	r->p += n;
	r->left -= n;
	return p;
}

uint8_t *wr_bytes(struct writer *w, size_t n)
{
	uint8_t *p = w->p;

	if (w->bad || w->left < n) {
		w->bad = true;
		return NULL;
	}
	w->p += n;
	w->left -= n;
	w->done += n;
	return p;
}
