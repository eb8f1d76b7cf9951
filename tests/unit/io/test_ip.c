/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/lib/test.h"

#include "io/ip.h"
#include "tests/unit/io/packets.h"
#include "util/rng.h"

static uint8_t buf[CRAFT_MAX];

static void test_sum_equals_the_slow_one(void)
{
	struct rng rng = rng_seeded(1);

	for (size_t len = 0; len < 300; len++) {
		const size_t shift = len % 7;

		rng_fill(&rng, buf, sizeof(buf));
		CHECK_INT(ip_fold(ip_sum(buf + shift, len)), add_words(0, buf + shift, len));
	}
	memset(buf, 0xff, sizeof(buf));
	CHECK_INT(ip_fold(ip_sum(buf, sizeof(buf))), 0xffff);
	CHECK_INT(ip_fold(UINT64_MAX), 0xffff);
	CHECK_INT(ip_fold(0x1fffe), 0xffff);
	rng_seeded_free(&rng);
}

static void test_parse_finds_the_transport_header(void)
{
	for (unsigned i = 0; i < 16; i++) {
		const struct craft c = {.v6 = (i & 1) != 0,
					.udp = (i & 2) != 0,
					.ip_extra = (i & 4) != 0 ? 24 : 0,
					.tcp_extra = (i & 8) != 0 ? 12 : 0,
					.payload_len = 100};
		const size_t len = craft(&c, buf);
		struct ip_layout l;

		NEED(ip_parse(&l, buf, craft_head_len(&c), len));
		CHECK_INT(l.v6, c.v6);
		CHECK_INT(l.proto, c.udp ? IPPROTO_UDP : IPPROTO_TCP);
		CHECK_INT(l.l4_off, craft_l4(&c));
		CHECK_INT(l.head_len, craft_head_len(&c));
		CHECK_INT(ip_fold(ip_pseudo_sum(&l, buf) + len - l.l4_off),
			  add_pseudo(buf, l.l4_off, len, l.proto));
		/* Not with a byte of the headers less, nor with another length. */
		for (size_t have = 0; have < l.head_len; have++)
			CHECK(!ip_parse(&l, buf, have, len));
		CHECK(!ip_parse(&l, buf, len - 1, len - 1));
		CHECK(!ip_parse(&l, buf, len, len + 1));
		CHECK(!ip_parse(&l, buf, len + 1, len));
	}
}

/* One byte of a good packet changed so that its transport header is not what it seems. */
static void refuse(const struct craft *c, size_t at, uint8_t value)
{
	const size_t len = craft(c, buf);
	struct ip_layout l;

	CHECK(ip_parse(&l, buf, len, len));
	buf[at] = value;
	CHECK(!ip_parse(&l, buf, len, len));
}

static void test_parse_refuses_odd_headers(void)
{
	const struct craft tcp4 = {.payload_len = 50}, tcp6 = {.v6 = true, .payload_len = 50};
	const struct craft udp4 = {.udp = true, .payload_len = 50};
	const struct craft opt6 = {.v6 = true, .ip_extra = 8, .payload_len = 50};

	for (unsigned version = 0; version < 16; version++)
		if (version != 4)
			refuse(&tcp4, 0, (uint8_t)(version << 4 | 5));
	for (uint8_t ihl = 0; ihl < 5; ihl++)
		refuse(&tcp4, 0, 0x40 | ihl);
	refuse(&tcp4, 2, 1);    /* total length */
	refuse(&tcp4, 6, 0x20); /* more fragments */
	refuse(&tcp4, 7, 1);    /* fragment offset */
	refuse(&tcp4, 9, IPPROTO_ICMP);
	for (uint8_t doff = 0; doff < 5; doff++)
		refuse(&tcp4, 20 + 12, (uint8_t)(doff << 4));
	refuse(&udp4, 20 + 5, 7);
	refuse(&udp4, 20 + 4, 1);
	refuse(&tcp6, 5, 0);
	refuse(&tcp6, 6, IPPROTO_FRAGMENT);
	refuse(&tcp6, 6, IPPROTO_ROUTING);
	refuse(&tcp6, 6, IPPROTO_HOPOPTS); /* the TCP header read as one: too long */
	refuse(&opt6, 41, 255);
	refuse(&opt6, 40, IPPROTO_NONE);
}

int main(void)
{
	RUN(test_sum_equals_the_slow_one);
	RUN(test_parse_finds_the_transport_header);
	RUN(test_parse_refuses_odd_headers);
	return test_done();
}
