/* SPDX-License-Identifier: GPL-3.0-or-later */
/* inner_parse: whole packets only, and no lengths that lie. */
#include "tests/lib/test.h"

#include "core/unpacker.h"

static void v4(uint8_t *p, size_t total, unsigned words)
{
	memset(p, 0, 100);
	p[0] = (uint8_t)(0x40 | words);
	put_be16(p + 2, (uint16_t)total);
	memcpy(p + 12, "\x0a\x58\x00\x02", 4);
	memcpy(p + 16, "\x09\x09\x09\x09", 4);
}

static void v6(uint8_t *p, size_t payload)
{
	memset(p, 0, 100);
	p[0] = 0x60;
	put_be16(p + 4, (uint16_t)payload);
	memset(p + 8, 0xaa, 16);
	memset(p + 24, 0xbb, 16);
}

static void test_v4(void)
{
	uint8_t p[100];
	struct inner_addrs a;

	for (size_t len = 0; len <= sizeof(p); len++)
		for (int lie = -1; lie <= 1; lie++) {
			v4(p, (size_t)((int)len + lie), 5);
			CHECK_INT(inner_parse(p, len, &a), len >= 20 && lie == 0);
		}
	v4(p, 60, 5);
	NEED(inner_parse(p, 60, &a));
	CHECK(a.version == 4 && a.src == p + 12 && a.dst == p + 16);
}

static void test_v4_header_length(void)
{
	uint8_t p[100];
	struct inner_addrs a;

	for (unsigned words = 0; words < 16; words++)
		for (size_t len = 20; len <= 64; len++) {
			v4(p, len, words);
			CHECK_INT(inner_parse(p, len, &a), words >= 5 && words * 4 <= len);
		}
}

static void test_v6(void)
{
	uint8_t p[100];
	struct inner_addrs a;

	for (size_t len = 0; len <= sizeof(p); len++)
		for (int lie = -1; lie <= 1; lie++) {
			v6(p, (size_t)((int)len - 40 + lie));
			CHECK_INT(inner_parse(p, len, &a), len >= 40 && lie == 0);
		}
	v6(p, 20);
	NEED(inner_parse(p, 60, &a));
	CHECK(a.version == 6 && a.src == p + 8 && a.dst == p + 24);
}

/* A jumbogram's length of 0 is the length of an empty packet, and only that. */
static void test_v6_without_length(void)
{
	uint8_t p[100];
	struct inner_addrs a;

	v6(p, 0);
	CHECK(inner_parse(p, 40, &a));
	CHECK(!inner_parse(p, 41, &a));
	CHECK(!inner_parse(p, 100, &a));
}

static void test_other_versions(void)
{
	uint8_t p[100];
	struct inner_addrs a;

	for (unsigned version = 0; version < 16; version++) {
		v4(p, 60, 5);
		put_be16(p + 4, 20); /* right for both */
		p[0] = (uint8_t)(version << 4 | 5);
		CHECK_INT(inner_parse(p, 60, &a), version == 4 || version == 6);
	}
}

int main(void)
{
	RUN(test_v4);
	RUN(test_v4_header_length);
	RUN(test_v6);
	RUN(test_v6_without_length);
	RUN(test_other_versions);
	return test_done();
}
