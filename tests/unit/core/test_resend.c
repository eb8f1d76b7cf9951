/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/resend.h"

#include "tests/lib/test.h"

enum {
	SIZE = 65536,
	LEN = 1000,
};

static struct now clock_now = {.mono_ns = 100 * NS_PER_S};

static void keep(struct resend *r, uint64_t owner, uint64_t seq, size_t len)
{
	uint8_t bytes[CELL_BODY_LEN];
	const size_t head = len < 40 ? len : 40;

	memset(bytes, (int)(seq * 7 + owner), sizeof(bytes));
	resend_keep(r, owner, seq,
		    &(struct packet){.head = bytes,
				     .head_len = (uint16_t)head,
				     .body = bytes + head,
				     .body_len = (uint16_t)(len - head),
				     .flags = seq % 2 ? PACKET_CSUM_PARTIAL : 0},
		    &clock_now);
}

/* Those of one owner after a counter, all of them as they were put in; how many, and the first. */
static unsigned walk(const struct resend *r, uint64_t owner, uint64_t after, uint64_t *first)
{
	struct resend_cursor c = resend_walk(r, owner, after);
	struct resend_packet p;
	uint64_t last = after;
	unsigned n = 0;

	while (resend_next(r, &c, &clock_now, &p)) {
		CHECK(p.seq > last);
		CHECK_INT(p.flags, p.seq % 2 ? PACKET_CSUM_PARTIAL : 0);
		for (size_t i = 0; i < p.len; i++)
			CHECK_INT(p.bytes[i], (uint8_t)(p.seq * 7 + owner));
		if (n++ == 0)
			*first = p.seq;
		last = p.seq;
	}
	return n;
}

static void test_each_owner_gets_its_own(void)
{
	struct resend r;
	uint64_t first = 0;

	resend_init(&r, SIZE);
	keep(&r, 1, 1, LEN); /* not begun yet */
	CHECK_INT(walk(&r, 1, 0, &first), 0);
	resend_begin(&r);
	CHECK(resend_owner(&r) != resend_owner(&r));
	for (uint64_t seq = 1; seq <= 20; seq++) {
		keep(&r, 1, seq, seq);
		keep(&r, 2, seq, 1380 - seq);
	}
	CHECK_INT(walk(&r, 1, 0, &first), 20);
	CHECK_INT(first, 1);
	CHECK_INT(walk(&r, 2, 12, &first), 8);
	CHECK_INT(first, 13);
	CHECK_INT(walk(&r, 2, 20, &first), 0);
	CHECK_INT(walk(&r, 3, 0, &first), 0);
	resend_end(&r);
	CHECK_INT(walk(&r, 1, 0, &first), 0);
}

static void test_the_oldest_give_way(void)
{
	struct resend r;
	uint64_t first = 0;
	unsigned n;

	resend_init(&r, SIZE);
	resend_begin(&r);
	for (uint64_t seq = 1; seq <= 1000; seq++) {
		keep(&r, 1, seq, 900 + seq % 400);
		clock_now.mono_ns += 5 * NS_PER_MS;
		n = walk(&r, 1, 0, &first);
		CHECK(n == seq || n >= SIZE / 1400);
		CHECK_INT(first + n - 1, seq);
	}
	clock_now.mono_ns += RESEND_AGE_NS; /* too old to be of use, all but the last */
	CHECK_INT(walk(&r, 1, 0, &first), 0);
	resend_end(&r);
}

/* More than it can hold for long enough: it does not waste time on what is of no use. */
static void test_rests_when_too_fast(void)
{
	struct resend r;
	uint64_t first = 0;

	resend_init(&r, SIZE);
	resend_begin(&r);
	for (uint64_t seq = 1; seq <= 1000; seq++)
		keep(&r, 1, seq, LEN);
	CHECK(walk(&r, 1, 0, &first) < 66);
	CHECK_INT(first, 1);
	clock_now.mono_ns += RESEND_REST_NS;
	keep(&r, 1, 2000, LEN);
	CHECK_INT(walk(&r, 1, 1999, &first), 1);
	resend_end(&r);
}

/* What is sent again is kept again, in the same ring, while it is walked. */
static void test_keeping_while_walking(void)
{
	struct resend r;
	struct resend_cursor c;
	struct resend_packet p;
	unsigned n = 0;
	uint64_t first = 0;

	resend_init(&r, SIZE);
	resend_begin(&r);
	for (uint64_t seq = 1; seq <= 200; seq++) {
		keep(&r, 1, seq, LEN);
		clock_now.mono_ns += 5 * NS_PER_MS;
	}
	c = resend_walk(&r, 1, 0);
	for (; resend_next(&r, &c, &clock_now, &p); n++)
		for (unsigned twice = 0; twice < 2; twice++)
			keep(&r, 2, 2 * p.seq + twice, LEN);
	CHECK(n >= 20);
	CHECK(walk(&r, 2, 0, &first) >= 20);
	resend_end(&r);
}

static void test_absurd(void)
{
	struct resend r;
	uint8_t bytes[2] = {0};
	uint64_t first = 0;
	struct packet p = {.head = bytes, .head_len = 1};

	resend_init(&r, SIZE);
	resend_begin(&r);
	p.body = bytes;
	p.body_len = UINT16_MAX; /* longer than any cell: not looked at */
	resend_keep(&r, 1, 1, &p, &clock_now);
	CHECK_INT(walk(&r, 1, 0, &first), 0);
	p.body_len = 0;
	resend_keep(&r, 1, UINT64_MAX, &p, &clock_now);
	CHECK_INT(r.head - r.tail, 64);
	resend_end(&r);
	resend_end(&r);
}

int main(void)
{
	RUN(test_each_owner_gets_its_own);
	RUN(test_the_oldest_give_way);
	RUN(test_rests_when_too_fast);
	RUN(test_keeping_while_walking);
	RUN(test_absurd);
	return test_done();
}
