/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mesh/dirsync_msg.h"

#include <assert.h>
#include <errno.h>

#include "util/cursor.h"

static void get_items(struct reader *r, struct dirsync_msg *m, uint8_t count)
{
	if (count > DIRSYNC_ITEMS_MAX) {
		r->bad = true;
		return;
	}
	for (unsigned i = 0; i < count; i++) {
		const uint16_t len = rd_u16(r);

		if (len == 0 || len > DESCRIPTOR_MAX)
			r->bad = true;
		m->items[i] = (struct dirsync_item){.bytes = rd_bytes(r, len), .len = len};
	}
	m->count = count;
}

static void get_zero(struct reader *r, size_t n)
{
	const uint8_t *p = rd_bytes(r, n);

	for (size_t i = 0; p != NULL && i < n; i++)
		if (p[i] != 0)
			r->bad = true;
}

static void decode_get(struct reader *r, struct dirsync_msg *m)
{
	get_zero(r, 1);
	m->request = rd_u16(r);
	m->epoch = rd_u64(r);
	m->from = rd_u64(r);
	m->to = rd_u64(r);
	if (m->to < m->from)
		r->bad = true;
}

static void decode_data(struct reader *r, struct dirsync_msg *m)
{
	const uint8_t count = rd_u8(r);

	m->request = rd_u16(r);
	m->epoch = rd_u64(r);
	m->from = rd_u64(r);
	m->next = rd_u64(r);
	m->last = rd_u64(r);
	m->total = rd_u32(r);
	get_items(r, m, count);
	if (m->epoch == 0 || m->next < m->from || (m->next == m->from && count != 0))
		r->bad = true;
}

static void decode_push(struct reader *r, struct dirsync_msg *m)
{
	get_zero(r, 1);
	m->request = rd_u16(r);
	get_items(r, m, 1);
}

static void decode_pushed(struct reader *r, struct dirsync_msg *m)
{
	const uint8_t result = rd_u8(r), error = rd_u8(r);

	get_zero(r, 1);
	m->request = rd_u16(r);
	if (result >= DIRECTORY_RESULT_COUNT || error >= DESCRIPTOR_ERROR_COUNT ||
	    (result == DIRECTORY_INVALID) != (error != DESCRIPTOR_OK)) {
		r->bad = true;
		return;
	}
	m->result = (enum directory_result)result;
	m->error = (enum descriptor_error)error;
}

int dirsync_decode(struct dirsync_msg *m, const uint8_t body[static CELL_BODY_LEN])
{
	struct reader r = rd_init(body, CELL_BODY_LEN);
	struct dirsync_msg out = {.type = (enum dirsync_type)rd_u8(&r)};

	switch (out.type) {
	case DIRSYNC_GET:
		decode_get(&r, &out);
		break;
	case DIRSYNC_DATA:
		decode_data(&r, &out);
		break;
	case DIRSYNC_PUSH:
		decode_push(&r, &out);
		break;
	case DIRSYNC_PUSHED:
		decode_pushed(&r, &out);
		break;
	default: /* a byte from the wire */
		return -EPROTO;
	}
	get_zero(&r, r.left);
	if (!rd_done(&r))
		return -EPROTO;
	*m = out;
	return 0;
}

static void put_items(struct writer *w, const struct dirsync_msg *m)
{
	for (unsigned i = 0; i < m->count; i++) {
		wr_u16(w, m->items[i].len);
		wr_copy(w, m->items[i].bytes, m->items[i].len);
	}
}

void dirsync_encode(const struct dirsync_msg *m, uint8_t body[static CELL_BODY_LEN])
{
	struct writer w = wr_init(body, CELL_BODY_LEN);

	wr_u8(&w, (uint8_t)m->type);
	switch (m->type) {
	case DIRSYNC_GET:
		wr_u8(&w, 0);
		wr_u16(&w, m->request);
		wr_u64(&w, m->epoch);
		wr_u64(&w, m->from);
		wr_u64(&w, m->to);
		break;
	case DIRSYNC_DATA:
		wr_u8(&w, m->count);
		wr_u16(&w, m->request);
		wr_u64(&w, m->epoch);
		wr_u64(&w, m->from);
		wr_u64(&w, m->next);
		wr_u64(&w, m->last);
		wr_u32(&w, m->total);
		put_items(&w, m);
		break;
	case DIRSYNC_PUSH:
		wr_u8(&w, 0);
		wr_u16(&w, m->request);
		put_items(&w, m);
		break;
	case DIRSYNC_PUSHED:
		wr_u8(&w, (uint8_t)m->result);
		wr_u8(&w, (uint8_t)m->error);
		wr_u8(&w, 0);
		wr_u16(&w, m->request);
		break;
	}
	assert(wr_ok(&w));
	wr_zero(&w, w.left);
}
