/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>

#include "proxy/dns_msg.h"
#include "tests/lib/test.h"

enum {
	ID = 0x1234,
	NAME_LEN = 10,
	HEAD_LEN = 12 + NAME_LEN + 4,
	RECORD_LEN = 2 + 10,
};

#define QUESTION "\3www\4test\0\0\1\0\1"

/* A head with this many answers, behind a question for www.test's A. */
static struct writer begin(uint8_t *text, size_t len, uint16_t flags, uint8_t answers)
{
	struct writer w = wr_init(text, len);
	const uint8_t head[] = {
	    ID >> 8, ID & 0xff, (uint8_t)(flags >> 8), (uint8_t)flags, 0, 1, 0, answers, 0, 0,
	    0,       0};

	wr_copy(&w, head, sizeof(head));
	wr_copy(&w, QUESTION, NAME_LEN + 4);
	return w;
}

static void record(struct writer *w, uint16_t type, const void *data, size_t len)
{
	const uint8_t head[] = {0xc0, 12, (uint8_t)(type >> 8), (uint8_t)type, 0, 1, 0, 0, 0,
				60,   0,  (uint8_t)len};

	wr_copy(w, head, sizeof(head));
	wr_copy(w, data, len);
}

static int get(const uint8_t *text, size_t len, struct dns_answer *a)
{
	return dns_read_answer(text, len, ID, "www.test", DNS_TYPE_A, a);
}

static void test_question(void)
{
	uint8_t text[DNS_QUESTION_MAX];
	struct writer w = wr_init(text, sizeof(text));

	dns_put_question(&w, ID, "www.test", DNS_TYPE_A);
	CHECK(wr_ok(&w));
	CHECK_INT(w.done, HEAD_LEN + 11);
	CHECK_MEM(text, "\x12\x34\1\0\0\1\0\0\0\0\0\1", 12);
	CHECK_MEM(text + 12, QUESTION, NAME_LEN + 4);
	CHECK_MEM(text + HEAD_LEN, "\0\0\51\4\xd0\0\0\0\0\0\0", 11);
}

static void test_longest_question(void)
{
	uint8_t text[DNS_QUESTION_MAX];
	struct writer w = wr_init(text, sizeof(text));
	char name[254] = "";

	memset(name, 'a', sizeof(name) - 1);
	for (size_t i = 63; i < sizeof(name) - 1; i += 64)
		name[i] = '.';
	dns_put_question(&w, ID, name, DNS_TYPE_AAAA);
	CHECK(wr_ok(&w));
}

static void test_answer(void)
{
	static const uint8_t want[16] = {[10] = 0xff, 0xff, 192, 0, 2, 1};
	uint8_t text[512];
	struct dns_answer a = {.count = 99};
	struct writer w = begin(text, sizeof(text), 0x8180, 2);

	record(&w, 5, "\1a\xc0\x10", 4); /* an alias on the way */
	record(&w, DNS_TYPE_A, want + 12, 4);
	for (size_t len = 0; len < w.done; len++)
		CHECK_INT(get(text, len, &a), -EPROTO);
	CHECK_INT(a.count, 99);
	CHECK_INT(get(text, w.done, &a), 0);
	CHECK_INT(a.count, 1);
	CHECK_MEM(a.ip[0], want, 16);
	CHECK_INT(dns_read_answer(text, w.done, ID, "WWW.Test", DNS_TYPE_A, &a), 0);
}

static void test_not_ours(void)
{
	uint8_t text[512];
	struct dns_answer a;
	struct writer w = begin(text, sizeof(text), 0x8180, 0);

	CHECK_INT(get(text, w.done, &a), 0);
	CHECK_INT(a.count, 0);
	CHECK_INT(dns_read_answer(text, w.done, ID + 1, "www.test", DNS_TYPE_A, &a), -EPROTO);
	CHECK_INT(dns_read_answer(text, w.done, ID, "www.tesu", DNS_TYPE_A, &a), -EPROTO);
	CHECK_INT(dns_read_answer(text, w.done, ID, "www", DNS_TYPE_A, &a), -EPROTO);
	CHECK_INT(dns_read_answer(text, w.done, ID, "www.test.org", DNS_TYPE_A, &a), -EPROTO);
	CHECK_INT(dns_read_answer(text, w.done, ID, "www.test", DNS_TYPE_AAAA, &a), -EPROTO);
	text[2] = 0; /* a question */
	CHECK_INT(get(text, w.done, &a), -EPROTO);
}

static void test_codes(void)
{
	uint8_t text[512];
	struct dns_answer a;
	struct writer w = begin(text, sizeof(text), 0x8183, 0);

	CHECK_INT(get(text, w.done, &a), -ENOENT);
	w = begin(text, sizeof(text), 0x8182, 0);
	CHECK_INT(get(text, w.done, &a), -EAGAIN);
	w = begin(text, sizeof(text), 0x8185, 0);
	CHECK_INT(get(text, w.done, &a), -EAGAIN);
}

static void test_many_and_wrong_records(void)
{
	uint8_t text[1024];
	struct dns_answer a;
	struct writer w = begin(text, sizeof(text), 0x8180, DNS_ADDRESSES_MAX + 3);

	record(&w, DNS_TYPE_A, "\1\2\3", 3); /* too short for an address */
	for (unsigned i = 0; i < DNS_ADDRESSES_MAX + 2; i++)
		record(&w, DNS_TYPE_A, "\300\0\2\1", 4);
	CHECK_INT(get(text, w.done, &a), 0);
	CHECK_INT(a.count, DNS_ADDRESSES_MAX);
	/* Cut short: what is whole counts. */
	CHECK_INT(get(text, w.done - 3, &a), 0);
	CHECK_INT(get(text, HEAD_LEN + RECORD_LEN + 3 + RECORD_LEN + 4 + 1, &a), 0);
	CHECK_INT(a.count, 1);
}

int main(void)
{
	RUN(test_question);
	RUN(test_longest_question);
	RUN(test_answer);
	RUN(test_not_ours);
	RUN(test_codes);
	RUN(test_many_and_wrong_records);
	return test_done();
}
