/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mesh/dirsync_msg.h"

#include <errno.h>

#include "tests/lib/test.h"

static uint8_t text[DESCRIPTOR_MAX]; /* stands for a descriptor */

static struct dirsync_msg get_msg(void)
{
	return (struct dirsync_msg){
	    .type = DIRSYNC_GET, .request = 0x1234, .epoch = 77, .from = 5, .to = 900};
}

static struct dirsync_msg data_msg(void)
{
	return (struct dirsync_msg){
	    .type = DIRSYNC_DATA,
	    .request = 0x4321,
	    .epoch = 77,
	    .from = 5,
	    .next = 12,
	    .last = 900,
	    .total = 400,
	    .count = 3,
	    .items = {{text, 300}, {text, 1}, {text, 1000}},
	};
}

static struct dirsync_msg push_msg(void)
{
	return (struct dirsync_msg){
	    .type = DIRSYNC_PUSH, .request = 9, .count = 1, .items = {{text, DESCRIPTOR_MAX}}};
}

static struct dirsync_msg pushed_msg(void)
{
	return (struct dirsync_msg){.type = DIRSYNC_PUSHED,
				    .request = 9,
				    .result = DIRECTORY_INVALID,
				    .error = DESCRIPTOR_EXPIRED};
}

static void same(const struct dirsync_msg *a, const struct dirsync_msg *b)
{
	CHECK(a->type == b->type && a->request == b->request && a->epoch == b->epoch &&
	      a->from == b->from && a->to == b->to && a->next == b->next && a->last == b->last &&
	      a->total == b->total && a->count == b->count && a->result == b->result &&
	      a->error == b->error);
	for (unsigned i = 0; i < a->count; i++) {
		CHECK(a->items[i].len == b->items[i].len);
		CHECK_MEM(a->items[i].bytes, b->items[i].bytes, a->items[i].len);
	}
}

/*
 * Every byte of the encoding changed: refused, or another message whose one encoding that is.
 * Returns how many changes were refused.
 */
static unsigned flip_all(const uint8_t *body)
{
	uint8_t changed[CELL_BODY_LEN], again[CELL_BODY_LEN];
	unsigned refused = 0;

	memcpy(changed, body, sizeof(changed));
	for (size_t i = 0; i < CELL_BODY_LEN; i++) {
		struct dirsync_msg m;

		changed[i] ^= 0x81;
		if (dirsync_decode(&m, changed) != 0) {
			refused++;
		} else {
			dirsync_encode(&m, again);
			CHECK_MEM(again, changed, CELL_BODY_LEN);
		}
		changed[i] ^= 0x81;
	}
	return refused;
}

static void round_trip(const struct dirsync_msg *m, size_t used)
{
	uint8_t body[CELL_BODY_LEN], again[CELL_BODY_LEN];
	struct dirsync_msg out;

	dirsync_encode(m, body);
	NEED(dirsync_decode(&out, body) == 0);
	same(m, &out);
	dirsync_encode(&out, again);
	CHECK_MEM(body, again, CELL_BODY_LEN);
	CHECK(flip_all(body) >= CELL_BODY_LEN - used); /* the zeros behind, at least */
}

static void test_round_trips(void)
{
	const struct dirsync_msg get = get_msg(), data = data_msg(), push = push_msg();
	const struct dirsync_msg pushed = pushed_msg();

	memset(text, 't', sizeof(text));
	round_trip(&get, 28);
	round_trip(&data, DIRSYNC_DATA_HEAD_LEN + 6 + 1301);
	round_trip(&push, 6 + DESCRIPTOR_MAX);
	round_trip(&pushed, 6);
}

static void refused(const uint8_t *body)
{
	struct dirsync_msg m, before;

	memset(&m, 0x3c, sizeof(m));
	memcpy(&before, &m, sizeof(m));
	CHECK_INT(dirsync_decode(&m, body), -EPROTO);
	CHECK_MEM(&m, &before, sizeof(m));
}

static void refused_msg(const struct dirsync_msg *m)
{
	uint8_t body[CELL_BODY_LEN];

	dirsync_encode(m, body);
	refused(body);
}

static void test_types(void)
{
	uint8_t body[CELL_BODY_LEN] = {0};

	for (unsigned type = 0; type < 256; type++) {
		body[0] = (uint8_t)type;
		if (type != DIRSYNC_GET && type != DIRSYNC_PUSHED)
			refused(body); /* those two may be all zero */
	}
}

static void test_nonsense(void)
{
	struct dirsync_msg m = get_msg();

	m.to = m.from - 1;
	refused_msg(&m);
	m = data_msg();
	m.epoch = 0;
	refused_msg(&m);
	m = data_msg();
	m.next = m.from - 1;
	refused_msg(&m);
	m.next = m.from; /* no step, but descriptors */
	refused_msg(&m);
	m = pushed_msg();
	m.error = DESCRIPTOR_OK;
	refused_msg(&m);
	m.result = DIRECTORY_ADDED;
	m.error = DESCRIPTOR_EXPIRED;
	refused_msg(&m);
	m.result = DIRECTORY_RESULT_COUNT;
	refused_msg(&m);
	m.result = DIRECTORY_INVALID;
	m.error = DESCRIPTOR_ERROR_COUNT;
	refused_msg(&m);
}

static void test_lengths(void)
{
	const struct dirsync_msg push = push_msg(), data = data_msg();
	uint8_t body[CELL_BODY_LEN];

	dirsync_encode(&push, body);
	put_le16(body + 4, DESCRIPTOR_MAX + 1);
	refused(body);
	put_le16(body + 4, DESCRIPTOR_MAX - 1); /* one byte is left over */
	refused(body);
	put_le16(body + 4, 0);
	refused(body);
	dirsync_encode(&data, body);
	for (unsigned count = 0; count < 256; count++) {
		body[1] = (uint8_t)count;
		if (count != 3)
			refused(body);
	}
	dirsync_encode(&data, body);
	for (int off = -1; off <= 1; off += 2) { /* the last item's length */
		put_le16(body + DIRSYNC_DATA_HEAD_LEN + 305, (uint16_t)(1000 + off));
		if (off < 0)
			refused(body);
	}
	put_le16(body + DIRSYNC_DATA_HEAD_LEN + 305, 1034); /* beyond the body */
	refused(body);
}

int main(void)
{
	RUN(test_round_trips);
	RUN(test_types);
	RUN(test_nonsense);
	RUN(test_lengths);
	return test_done();
}
