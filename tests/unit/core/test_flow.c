/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/flow.h"
#include "tests/lib/test.h"

/* 10.0.0.5 to 9.9.9.9, UDP ports 0x1234 and 53; fd00:: to 2000::, TCP ports 0x1234 and 443. */
static const uint8_t v4[60] = {0x45,     [9] = 17, [12] = 10,   [15] = 5,    [16] = 9, [17] = 9,
			       [18] = 9, [19] = 9, [20] = 0x12, [21] = 0x34, [23] = 53};
static const uint8_t v6[80] = {
    0x60, [6] = 6, [8] = 0xfd, [24] = 0x20, [40] = 0x12, [41] = 0x34, [42] = 1, [43] = 0xbb};

static bool parse(const uint8_t *p, size_t len, enum flow_side side, struct flow_key *out)
{
	const struct packet pkt = {.head = p, .head_len = (uint16_t)len};

	return flow_parse(&pkt, side, out);
}

static void turn_round(uint8_t *p)
{
	uint8_t addr[4];

	memcpy(addr, p + 12, 4);
	memmove(p + 12, p + 16, 4);
	memcpy(p + 16, addr, 4);
}

static void test_both_sides_name_one_flow(void)
{
	struct flow_key up, down;
	uint8_t back[60];

	NEED(parse(v4, sizeof(v4), FLOW_UP, &up));
	CHECK_INT(up.version, 4);
	CHECK_INT(up.proto, 17);
	CHECK_INT(up.local_port, 0x1234);
	CHECK_INT(up.remote_port, 53);
	CHECK_MEM(up.local, v4 + 12, 4);
	CHECK_MEM(up.remote, v4 + 16, 4);
	memcpy(back, v4, sizeof(back));
	turn_round(back);
	memcpy(back + 20, v4 + 22, 2);
	memcpy(back + 22, v4 + 20, 2);
	NEED(parse(back, sizeof(back), FLOW_DOWN, &down));
	CHECK_MEM(&up, &down, sizeof(up));
	NEED(parse(v6, sizeof(v6), FLOW_UP, &up));
	CHECK_INT(up.version, 6);
	CHECK_INT(up.proto, 6);
	CHECK_INT(up.remote_port, 443);
	CHECK_MEM(up.local, v6 + 8, 16);
	CHECK_MEM(up.remote, v6 + 24, 16);
}

static void test_fragments_have_addresses_only(void)
{
	uint8_t p[sizeof(v4)], q[sizeof(v6)];
	struct flow_key first, second;

	memcpy(p, v4, sizeof(p));
	p[6] = 0x20; /* more fragments */
	NEED(parse(p, sizeof(p), FLOW_UP, &first));
	p[6] = 0;
	p[7] = 100; /* the last one, with other bytes in the place of ports */
	p[20] = 99;
	NEED(parse(p, sizeof(p), FLOW_UP, &second));
	CHECK_INT(first.proto, 0);
	CHECK_INT(first.local_port, 0);
	CHECK_MEM(&first, &second, sizeof(first));
	p[6] = 0x40; /* do not fragment: none */
	p[7] = 0;
	NEED(parse(p, sizeof(p), FLOW_UP, &second));
	CHECK_INT(second.proto, 17);
	memcpy(q, v6, sizeof(q));
	q[6] = 44; /* a fragment header */
	NEED(parse(q, sizeof(q), FLOW_UP, &first));
	CHECK_INT(first.proto, 0);
	CHECK_INT(first.local_port, 0);
}

static void test_icmp(void)
{
	uint8_t p[sizeof(v4)];
	struct flow_key up, down;

	memcpy(p, v4, sizeof(p));
	p[9] = 1;
	p[20] = 8; /* echo request */
	p[24] = 0xab;
	p[25] = 0xcd;
	NEED(parse(p, sizeof(p), FLOW_UP, &up));
	CHECK_INT(up.local_port, 0xabcd);
	turn_round(p);
	p[20] = 0; /* its answer */
	NEED(parse(p, sizeof(p), FLOW_DOWN, &down));
	CHECK_MEM(&up, &down, sizeof(up));
	p[20] = 3; /* an error: about something else */
	NEED(parse(p, sizeof(p), FLOW_DOWN, &down));
	CHECK_INT(down.proto, 0);
	CHECK_INT(down.local_port, 0);
}

static void test_short_and_strange_packets(void)
{
	struct flow_key k;
	uint8_t p[sizeof(v6)] = {0};

	for (size_t len = 0; len < sizeof(v4); len++) {
		CHECK_INT(parse(v4, len, FLOW_UP, &k), len >= 20);
		if (len >= 20)
			CHECK_INT(k.proto, len >= 24 ? 17 : 0);
	}
	for (size_t len = 0; len < sizeof(v6); len++)
		CHECK_INT(parse(v6, len, FLOW_UP, &k), len >= 40);
	memcpy(p, v4, sizeof(v4));
	p[0] = 0x4f; /* options to the end of the packet */
	NEED(parse(p, 60, FLOW_UP, &k));
	CHECK_INT(k.proto, 0);
	p[0] = 0x25;
	CHECK(!parse(p, 60, FLOW_UP, &k));
}

static bool is_urgent(const uint8_t *p, size_t len)
{
	const struct packet pkt = {.head = p, .head_len = (uint16_t)len};
	struct flow_key k;

	return flow_parse(&pkt, FLOW_UP, &k) && flow_is_urgent(&pkt, &k);
}

static void test_urgent(void)
{
	uint8_t p[600];

	memset(p, 0, sizeof(p));
	memcpy(p, v4, sizeof(v4));
	CHECK(is_urgent(p, 60)); /* a short datagram */
	CHECK(!is_urgent(p, 600));
	p[22] = 1, p[23] = 0xbb; /* QUIC */
	CHECK(!is_urgent(p, 60));
	p[1] = 46 << 2; /* EF */
	CHECK(is_urgent(p, 60));
	CHECK(is_urgent(p, 600));
	memcpy(p, v6, sizeof(v6));
	CHECK(!is_urgent(p, 80)); /* a web page */
	p[43] = 22, p[42] = 0;
	CHECK(is_urgent(p, 80));
	p[43] = 80;
	CHECK(!is_urgent(p, 80));
	p[0] = 0x60 | 34 >> 2, p[1] = (34 & 3) << 6; /* AF41 */
	CHECK(is_urgent(p, 80));
	p[1] |= 3 << 4; /* ECN is another matter */
	CHECK(is_urgent(p, 80));
}

int main(void)
{
	RUN(test_both_sides_name_one_flow);
	RUN(test_fragments_have_addresses_only);
	RUN(test_icmp);
	RUN(test_short_and_strange_packets);
	RUN(test_urgent);
	return test_done();
}
