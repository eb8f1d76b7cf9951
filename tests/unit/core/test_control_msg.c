/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Control messages: heads, bodies, every length off by one, every byte flipped where it matters. */
#include "tests/lib/test.h"

#include "wire/control.h"

#include <errno.h>

static void test_head(void)
{
	const uint64_t seq = SEQ_CONTROL_BIT | 0x123456789a;
	uint8_t p[CONTROL_HEAD_LEN], type = 0xee;
	uint64_t back = 1;

	CHECK_INT(control_put_head(p, CONTROL_ECHO, seq), CONTROL_HEAD_LEN);
	for (size_t len = 0; len < sizeof(p); len++)
		CHECK_INT(control_get_head(p, len, &type, &back), -EINVAL);
	CHECK(type == 0xee && back == 1);
	CHECK_INT(control_get_head(p, sizeof(p), &type, &back), 0);
	CHECK(type == CONTROL_ECHO && back == seq);
	p[6] ^= 0x80; /* not a counter for answers */
	CHECK_INT(control_get_head(p, sizeof(p), &type, &back), -EINVAL);
	control_put_head(p, CONTROL_ECHO, SEQ_MASK);
	CHECK_INT(control_get_head(p, sizeof(p), &type, &back), 0);
	CHECK(back == SEQ_MASK);
}

static void test_answer_head(void)
{
	uint8_t p[CONTROL_ANSWER_HEAD_LEN], type;
	enum control_status status;

	CHECK_INT(control_put_answer_head(p, CONTROL_ATTACH, CONTROL_AUTH),
		  CONTROL_ANSWER_HEAD_LEN);
	for (size_t len = 0; len < sizeof(p); len++)
		CHECK_INT(control_get_answer_head(p, len, &type, &status), -EINVAL);
	for (unsigned s = 0; s < 256; s++) {
		p[1] = (uint8_t)s;
		CHECK_INT(control_get_answer_head(p, sizeof(p), &type, &status),
			  s < CONTROL_STATUS_COUNT ? 0 : -EINVAL);
		if (s < CONTROL_STATUS_COUNT)
			CHECK(type == CONTROL_ATTACH && status == s);
	}
}

static void test_echo(void)
{
	struct echo_answer a = {.hold_us = 0x01020304}, back;
	uint8_t bytes[ECHO_NONCE_LEN + 4];

	memset(a.nonce, 7, sizeof(a.nonce));
	CHECK_INT(echo_answer_encode(&a, bytes), sizeof(bytes));
	CHECK_INT(bytes[ECHO_NONCE_LEN], 4); /* little-endian */
	CHECK_INT(echo_answer_decode(&back, bytes, sizeof(bytes)), 0);
	CHECK_MEM(&back, &a, sizeof(a));
	for (size_t len = 0; len < sizeof(bytes); len++)
		CHECK_INT(echo_answer_decode(&back, bytes, len), -EINVAL);
}

static void test_counters(void)
{
	const struct counters_answer a = {.fwd_cells = 0x0102030405, .bwd_cells = (1ull << 48) - 1};
	struct counters_answer back;
	uint8_t bytes[12];

	CHECK_INT(counters_answer_encode(&a, bytes), sizeof(bytes));
	CHECK_INT(bytes[0], 5); /* little-endian */
	CHECK_INT(counters_answer_decode(&back, bytes, sizeof(bytes)), 0);
	CHECK_MEM(&back, &a, sizeof(a));
	for (size_t len = 0; len < sizeof(bytes); len++)
		CHECK_INT(counters_answer_decode(&back, bytes, len), -EINVAL);
}

static void test_grant(void)
{
	struct session_grant g = {.lifetime_s = 86400}, back;
	uint8_t bytes[SESS_GRANT_LEN];

	for (unsigned i = 0; i < 16; i++) {
		g.sid[i] = (uint8_t)(1 + i);
		g.v6[i] = (uint8_t)(33 + i);
		g.dns_v6[i] = (uint8_t)(65 + i);
	}
	memcpy(g.v4, "\x0a\x58\x01\x02", 4);
	memcpy(g.dns_v4, "\x0a\x58\x00\x01", 4);
	CHECK_INT(session_grant_encode(&g, bytes), SESS_GRANT_LEN);
	CHECK_INT(session_grant_decode(&back, bytes, sizeof(bytes)), 0);
	CHECK_MEM(&back, &g, sizeof(g));
	for (size_t len = 0; len < sizeof(bytes); len++)
		CHECK_INT(session_grant_decode(&back, bytes, len), -EINVAL);
	for (size_t i = 0; i < SESS_GRANT_LEN - 4; i++) { /* each byte is some field's */
		bytes[i] ^= 0x40;
		CHECK_INT(session_grant_decode(&back, bytes, sizeof(bytes)), 0);
		CHECK(memcmp(&back, &g, sizeof(g)) != 0);
		bytes[i] ^= 0x40;
	}
	memset(bytes + 56, 0, 4); /* no lifetime at all */
	memset(&back, 0x11, sizeof(back));
	CHECK_INT(session_grant_decode(&back, bytes, sizeof(bytes)), -EINVAL);
	CHECK_INT(back.sid[0], 0x11);
}

static void test_attach(void)
{
	struct attach a = {.path_id = 0x01020304, .weight = 9}, back;
	uint8_t bytes[64] = {0};
	size_t len;

	memset(a.sid, 1, sizeof(a.sid));
	memset(a.binder, 2, sizeof(a.binder));
	len = attach_encode(&a, bytes);
	CHECK_INT(len, SESSION_ID_LEN + 4 + 1 + 1 + 16);
	CHECK_INT(attach_decode(&back, bytes, len), 0);
	CHECK_MEM(&back, &a, sizeof(a));
	CHECK_INT(attach_decode(&back, bytes, sizeof(bytes)), 0); /* the rest of the cell */
	for (size_t k = 0; k < len; k++)
		CHECK_INT(attach_decode(&back, bytes, k), -EINVAL);
	for (size_t i = 0; i < len; i++) {
		const bool is_flags = i == SESSION_ID_LEN + 4; /* unknown flags are refused */

		bytes[i] ^= 1;
		CHECK_INT(attach_decode(&back, bytes, len), is_flags ? -EINVAL : 0);
		CHECK(is_flags || memcmp(&back, &a, sizeof(a)) != 0);
		bytes[i] ^= 1;
	}
}

static void test_attached(void)
{
	for (unsigned count = 1; count <= ATTACH_PATHS_MAX; count++) {
		struct attached a = {.count = (uint8_t)count}, back;
		uint8_t bytes[64] = {0};
		size_t len;

		for (unsigned i = 0; i < count; i++)
			a.path_id[i] = i * 0x01010101 + 1;
		memset(a.mac, 3, sizeof(a.mac));
		len = attached_encode(&a, bytes);
		CHECK_INT(len, 1 + 4 * count + 16);
		CHECK_INT(attached_decode(&back, bytes, len), 0);
		CHECK_MEM(&back, &a, sizeof(a));
		for (size_t k = 0; k < len; k++)
			CHECK_INT(attached_decode(&back, bytes, k), -EINVAL);
	}
	for (unsigned count = 0; count < 256; count++) {
		uint8_t bytes[1 + 4 * 255 + 16] = {(uint8_t)count};
		struct attached back = {.count = 99};

		CHECK_INT(attached_decode(&back, bytes, sizeof(bytes)),
			  count >= 1 && count <= ATTACH_PATHS_MAX ? 0 : -EINVAL);
		if (count == 0 || count > ATTACH_PATHS_MAX)
			CHECK_INT(back.count, 99);
	}
}

/* All of them fit a cell with the largest onion around them. */
static void test_everything_fits(void)
{
	const size_t room = FORWARD_AREA(HOPS_MAX) + SESSION_TAG_LEN;

	CHECK(CONTROL_HEAD_LEN + SESS_NEW_MSG_LEN <= room);
	CHECK(CONTROL_HEAD_LEN + SESSION_ID_LEN + 4 + 1 + 1 + 16 <= room);
	CHECK(CONTROL_ANSWER_HEAD_LEN + SESS_GRANT_MSG_LEN <= CELL_BODY_LEN);
}

int main(void)
{
	RUN(test_head);
	RUN(test_answer_head);
	RUN(test_echo);
	RUN(test_counters);
	RUN(test_grant);
	RUN(test_attach);
	RUN(test_attached);
	RUN(test_everything_fits);
	return test_done();
}
