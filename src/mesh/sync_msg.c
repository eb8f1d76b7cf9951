/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mesh/sync_msg.h"

#include <assert.h>
#include <errno.h>

#include "util/cursor.h"

static void get_zero(struct reader *r, size_t n)
{
	const uint8_t *p = rd_bytes(r, n);

	for (size_t i = 0; p != NULL && i < n; i++)
		if (p[i] != 0)
			r->bad = true;
}

static uint16_t get_below(struct reader *r, uint16_t max)
{
	const uint16_t n = rd_u16(r);

	if (n <= max)
		return n;
	r->bad = true;
	return 0;
}

/* Parts in rising order: none twice. */
static void get_index(struct reader *r, struct sync_msg *m, unsigned i)
{
	struct sync_part *p = &m->parts[i];

	p->index = rd_u16(r);
	if (!tree_part_is_valid((struct tree_part){m->level, p->index}) ||
	    (i > 0 && p->index <= m->parts[i - 1].index))
		r->bad = true;
}

static void get_ask(struct reader *r, struct sync_msg *m)
{
	m->level = rd_u8(r);
	m->request = rd_u16(r);
	m->count = get_below(r, SYNC_ASK_MAX);
	for (unsigned i = 0; i < m->count; i++) {
		get_index(r, m, i);
		m->parts[i].digest = rd_bytes(r, TREE_DIGEST_LEN);
	}
	r->bad |= m->count == 0;
}

static void get_counts(struct reader *r, struct sync_msg *m)
{
	m->level = rd_u8(r);
	m->request = rd_u16(r);
	m->count = get_below(r, SYNC_ASK_MAX);
	m->total = rd_u32(r);
	for (unsigned i = 0; i < m->count; i++)
		m->counts[i] = rd_u32(r);
	m->head_len = rd_u8(r);
	r->bad |= m->head_len > SYNC_HEAD_MAX || m->level > TREE_BITS || m->count == 0;
	m->head = rd_bytes(r, m->head_len);
}

static void get_fetch(struct reader *r, struct sync_msg *m)
{
	m->level = rd_u8(r);
	m->request = rd_u16(r);
	m->count = get_below(r, SYNC_FETCH_MAX);
	m->credit = get_below(r, SYNC_CREDIT_MAX);
	for (unsigned i = 0; i < m->count; i++) {
		get_index(r, m, i);
		m->parts[i].hash_count = rd_u16(r);
		m->parts[i].hashes = rd_bytes(r, (size_t)m->parts[i].hash_count * SYNC_HASH_LEN);
	}
	r->bad |= m->count == 0 || m->credit == 0;
}

static void get_data(struct reader *r, struct sync_msg *m)
{
	m->flags = rd_u8(r);
	m->request = rd_u16(r);
	m->index = rd_u16(r);
	m->start = rd_u16(r);
	m->stream = rd_bytes(r, SYNC_STREAM_LEN);
	r->bad |= (m->flags & ~SYNC_FLAGS) != 0 || m->flags == SYNC_WHOLE ||
		  (m->start >= SYNC_STREAM_LEN && m->start != SYNC_NO_START);
}

static void get_events(struct reader *r, struct sync_msg *m)
{
	get_zero(r, 1);
	m->request = rd_u16(r);
	m->credit = get_below(r, SYNC_CREDIT_MAX);
	m->from = rd_u64(r);
	r->bad |= m->credit == 0;
}

static void get_push(struct reader *r, struct sync_msg *m)
{
	get_zero(r, 1);
	m->request = rd_u16(r);
	m->len = get_below(r, DESCRIPTOR_MAX);
	m->bytes = rd_bytes(r, m->len);
	r->bad |= m->len == 0;
}

static void get_pushed(struct reader *r, struct sync_msg *m)
{
	const uint8_t result = rd_u8(r);
	uint8_t error;

	m->request = rd_u16(r);
	error = rd_u8(r);
	if (result >= DIRECTORY_RESULT_COUNT || error >= DESCRIPTOR_ERROR_COUNT ||
	    (result == DIRECTORY_INVALID) != (error != DESCRIPTOR_OK)) {
		r->bad = true;
		return;
	}
	m->result = (enum directory_result)result;
	m->error = (enum descriptor_error)error;
}

int sync_decode(struct sync_msg *m, const uint8_t body[static CELL_BODY_LEN])
{
	struct reader r = rd_init(body, CELL_BODY_LEN);
	struct sync_msg out;

	memset(&out, 0, sizeof(out));
	out.type = (enum sync_type)rd_u8(&r);
	switch (out.type) {
	case SYNC_ASK:
		get_ask(&r, &out);
		break;
	case SYNC_COUNTS:
		get_counts(&r, &out);
		break;
	case SYNC_FETCH:
		get_fetch(&r, &out);
		break;
	case SYNC_DATA:
		get_data(&r, &out);
		break;
	case SYNC_EVENTS:
		get_events(&r, &out);
		break;
	case SYNC_PUSH:
		get_push(&r, &out);
		break;
	case SYNC_PUSHED:
		get_pushed(&r, &out);
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

static void put_head(struct writer *w, uint8_t second, uint16_t request)
{
	wr_u8(w, second);
	wr_u16(w, request);
}

static void put_ask(struct writer *w, const struct sync_msg *m)
{
	put_head(w, m->level, m->request);
	wr_u16(w, m->count);
	for (unsigned i = 0; i < m->count; i++) {
		wr_u16(w, m->parts[i].index);
		wr_copy(w, m->parts[i].digest, TREE_DIGEST_LEN);
	}
}

static void put_counts(struct writer *w, const struct sync_msg *m)
{
	put_head(w, m->level, m->request);
	wr_u16(w, m->count);
	wr_u32(w, m->total);
	for (unsigned i = 0; i < m->count; i++)
		wr_u32(w, m->counts[i]);
	wr_u8(w, m->head_len);
	wr_copy(w, m->head, m->head_len);
}

static void put_fetch(struct writer *w, const struct sync_msg *m)
{
	put_head(w, m->level, m->request);
	wr_u16(w, m->count);
	wr_u16(w, m->credit);
	for (unsigned i = 0; i < m->count; i++) {
		wr_u16(w, m->parts[i].index);
		wr_u16(w, m->parts[i].hash_count);
		wr_copy(w, m->parts[i].hashes, (size_t)m->parts[i].hash_count * SYNC_HASH_LEN);
	}
}

void sync_encode(const struct sync_msg *m, uint8_t body[static CELL_BODY_LEN])
{
	struct writer w = wr_init(body, CELL_BODY_LEN);

	wr_u8(&w, (uint8_t)m->type);
	switch (m->type) {
	case SYNC_ASK:
		put_ask(&w, m);
		break;
	case SYNC_COUNTS:
		put_counts(&w, m);
		break;
	case SYNC_FETCH:
		put_fetch(&w, m);
		break;
	case SYNC_DATA:
		put_head(&w, m->flags, m->request);
		wr_u16(&w, m->index);
		wr_u16(&w, m->start);
		wr_copy(&w, m->stream, SYNC_STREAM_LEN);
		break;
	case SYNC_EVENTS:
		put_head(&w, 0, m->request);
		wr_u16(&w, m->credit);
		wr_u64(&w, m->from);
		break;
	case SYNC_PUSH:
		put_head(&w, 0, m->request);
		wr_u16(&w, m->len);
		wr_copy(&w, m->bytes, m->len);
		break;
	case SYNC_PUSHED:
		put_head(&w, (uint8_t)m->result, m->request);
		wr_u8(&w, (uint8_t)m->error);
		break;
	}
	assert(wr_ok(&w));
	wr_zero(&w, w.left);
}
