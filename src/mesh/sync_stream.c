/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mesh/sync_stream.h"

static void load(struct stream_writer *w, stream_source *next, void *ctx)
{
	const size_t len = next(ctx, w->record + 2);

	w->off = 0;
	w->len = len > 0 ? (uint16_t)(2 + len) : 0;
	put_le16(w->record, (uint16_t)len);
}

void stream_write(struct stream_writer *w, struct sync_msg *m, uint8_t cell[static SYNC_STREAM_LEN],
		  stream_source *next, void *ctx)
{
	size_t used = 0;

	if (!w->is_begun)
		load(w, next, ctx);
	w->is_begun = true;
	m->start = SYNC_NO_START;
	while (w->len > 0 && used < SYNC_STREAM_LEN) {
		const size_t n = MIN((size_t)(w->len - w->off), SYNC_STREAM_LEN - used);

		if (w->off == 0 && m->start == SYNC_NO_START)
			m->start = (uint16_t)used;
		memcpy(cell + used, w->record + w->off, n);
		used += n;
		w->off = (uint16_t)(w->off + n);
		if (w->off == w->len)
			load(w, next, ctx);
	}
	memset(cell + used, 0, SYNC_STREAM_LEN - used);
	m->index = w->index++;
	m->stream = cell;
	m->flags = w->len == 0 ? SYNC_LAST | SYNC_WHOLE : 0;
}

/* What the record under way needs before it can be told, its length field first. */
static size_t wanted(const struct stream_reader *r)
{
	return r->len < 2 ? 2 : 2 + (size_t)get_le16(r->partial);
}

/* As much of p as the record under way takes. */
static size_t gather(struct stream_reader *r, const uint8_t *p, size_t len)
{
	const size_t n = MIN(len, wanted(r) - r->len);

	memcpy(r->partial + r->len, p, n);
	r->len = (uint16_t)(r->len + n);
	return n;
}

bool stream_read(struct stream_reader *r, const struct sync_msg *m, stream_sink *take, void *ctx)
{
	size_t at = 0;

	if (m->index < r->next)
		return false;
	if (m->index > r->next) {
		r->has_gaps = true;
		r->len = 0;
		at = MIN(m->start, SYNC_STREAM_LEN);
	}
	r->next = (uint16_t)(m->index + 1);
	while (at < SYNC_STREAM_LEN) {
		at += gather(r, m->stream + at, SYNC_STREAM_LEN - at);
		if (r->len < 2)
			break;
		if (wanted(r) == 2) { /* a length of 0: the rest is padding */
			r->len = 0;
			break;
		}
		if (wanted(r) > sizeof(r->partial)) {
			r->has_gaps = true;
			r->len = 0;
			break;
		}
		if (r->len == wanted(r) && r->len > 2) {
			take(ctx, r->partial + 2, r->len - 2u);
			r->len = 0;
		}
	}
	r->has_gaps |= (m->flags & SYNC_LAST) != 0 && r->len > 0;
	return true;
}
