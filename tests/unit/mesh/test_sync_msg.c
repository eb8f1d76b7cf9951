/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mesh/sync_msg.h"

#include <errno.h>

#include "tests/lib/test.h"

static uint8_t fill_bytes[CELL_BODY_LEN];

static struct sync_msg made(enum sync_type type)
{
	struct sync_msg m = {.type = type, .request = 0x1234};

	switch (type) {
	case SYNC_ASK:
		m.level = 7;
		m.count = 3;
		for (uint16_t i = 0; i < 3; i++)
			m.parts[i] = (struct sync_part){.index = (uint16_t)(5 * i),
							.digest = fill_bytes + i};
		break;
	case SYNC_COUNTS:
		m.level = 7;
		m.count = 3;
		m.total = 99;
		m.counts[1] = 7 | COUNTS_DIFFER;
		m.head = fill_bytes;
		m.head_len = 100;
		break;
	case SYNC_FETCH:
		m.level = TREE_BITS;
		m.count = 2;
		m.credit = SYNC_CREDIT_MAX;
		m.parts[0] = (struct sync_part){.index = 1};
		m.parts[1] = (struct sync_part){
		    .index = TREE_LEAVES - 1, .hashes = fill_bytes, .hash_count = 20};
		break;
	case SYNC_DATA:
		m.flags = SYNC_LAST | SYNC_WHOLE;
		m.index = 60000;
		m.start = SYNC_STREAM_LEN - 1;
		m.stream = fill_bytes;
		break;
	case SYNC_EVENTS:
		m.credit = 1;
		m.from = UINT64_MAX - 3;
		break;
	case SYNC_PUSH:
		m.len = DESCRIPTOR_MAX;
		m.bytes = fill_bytes;
		break;
	case SYNC_PUSHED:
		m.result = DIRECTORY_INVALID;
		m.error = DESCRIPTOR_NAME;
		break;
	}
	return m;
}

static const enum sync_type types[] = {SYNC_ASK,    SYNC_COUNTS, SYNC_FETCH, SYNC_DATA,
				       SYNC_EVENTS, SYNC_PUSH,   SYNC_PUSHED};

static void refused(const uint8_t *body)
{
	static struct sync_msg m, before;

	memset(&m, 0x77, sizeof(m));
	memcpy(&before, &m, sizeof(m));
	CHECK_INT(sync_decode(&m, body), -EPROTO);
	CHECK_MEM(&m, &before, sizeof(m));
}

/* What decodes has one encoding; every byte is either part of it or refused. */
static void test_round_trips(void)
{
	for (size_t k = 0; k < ARRAY_LEN(types); k++) {
		const struct sync_msg m = made(types[k]);
		uint8_t body[CELL_BODY_LEN], again[CELL_BODY_LEN];
		struct sync_msg out;

		sync_encode(&m, body);
		NEED(sync_decode(&out, body) == 0);
		CHECK_INT(out.type, m.type);
		CHECK_INT(out.request, m.request);
		CHECK_INT(out.count, m.count);
		for (size_t i = 0; i < CELL_BODY_LEN; i++) {
			body[i] ^= 0x81;
			if (sync_decode(&out, body) == 0) {
				sync_encode(&out, again);
				CHECK_MEM(again, body, CELL_BODY_LEN);
			}
			body[i] ^= 0x81;
		}
	}
}

/* Padding is zero. */
static void test_left_over(void)
{
	for (size_t k = 0; k < ARRAY_LEN(types); k++) {
		const struct sync_msg m = made(types[k]);
		uint8_t body[CELL_BODY_LEN];

		if (types[k] == SYNC_DATA)
			continue; /* all of it is stream */
		sync_encode(&m, body);
		body[CELL_BODY_LEN - 1] = 1;
		refused(body);
	}
}

static void refused_msg(const struct sync_msg *m)
{
	uint8_t body[CELL_BODY_LEN];

	sync_encode(m, body);
	refused(body);
}

#define REFUSED(type, ...)                      \
	do {                                    \
		struct sync_msg m = made(type); \
		__VA_ARGS__;                    \
		refused_msg(&m);                \
	} while (0)

static void test_refused(void)
{
	uint8_t body[CELL_BODY_LEN] = {0};

	refused(body);
	body[0] = SYNC_PUSHED + 1;
	refused(body);
	memset(body, 0xff, sizeof(body));
	for (unsigned type = 0; type < 256; type++) {
		body[0] = (uint8_t)type;
		if (type != SYNC_DATA)
			refused(body);
	}
	REFUSED(SYNC_ASK, m.count = 0);
	REFUSED(SYNC_ASK, m.level = TREE_BITS + 1);
	REFUSED(SYNC_ASK, m.parts[2].index = 1 << 7);
	REFUSED(SYNC_ASK, m.parts[2].index = m.parts[1].index);
	REFUSED(SYNC_ASK, m.parts[1].index = m.parts[2].index + 1);
	REFUSED(SYNC_COUNTS, m.count = 0);
	REFUSED(SYNC_COUNTS, m.level = TREE_BITS + 1);
	REFUSED(SYNC_COUNTS, m.head_len = SYNC_HEAD_MAX + 1);
	REFUSED(SYNC_FETCH, m.count = 0);
	REFUSED(SYNC_FETCH, m.credit = 0);
	REFUSED(SYNC_FETCH, m.credit = SYNC_CREDIT_MAX + 1);
	REFUSED(SYNC_FETCH, m.parts[1].index = 1);
	REFUSED(SYNC_DATA, m.flags = SYNC_WHOLE);
	REFUSED(SYNC_DATA, m.flags = 4);
	REFUSED(SYNC_DATA, m.start = SYNC_STREAM_LEN);
	REFUSED(SYNC_EVENTS, m.credit = 0);
	REFUSED(SYNC_PUSH, m.len = 0);
	REFUSED(SYNC_PUSH, m.len = DESCRIPTOR_MAX + 1);
	REFUSED(SYNC_PUSHED, m.error = DESCRIPTOR_OK);
	REFUSED(SYNC_PUSHED, m.result = DIRECTORY_ADDED);
}

/* Counts that reach beyond the body. */
static void test_overruns(void)
{
	struct sync_msg m = made(SYNC_FETCH);
	uint8_t body[CELL_BODY_LEN];

	sync_encode(&m, body);
	put_le16(body + SYNC_FETCH_HEAD_LEN + 2, 0xffff); /* hashes of the first part */
	refused(body);
	sync_encode(&m, body);
	put_le16(body + 4, SYNC_FETCH_MAX + 1);
	refused(body);
	m = made(SYNC_ASK);
	sync_encode(&m, body);
	put_le16(body + 4, SYNC_ASK_MAX + 1);
	refused(body);
	m = made(SYNC_COUNTS);
	sync_encode(&m, body);
	put_le16(body + 4, SYNC_ASK_MAX + 1);
	refused(body);
}

int main(void)
{
	memset(fill_bytes, 0xa7, sizeof(fill_bytes));
	RUN(test_round_trips);
	RUN(test_left_over);
	RUN(test_refused);
	RUN(test_overruns);
	return test_done();
}
