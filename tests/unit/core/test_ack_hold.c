/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/ack_hold.h"

#include "tests/lib/test.h"

enum {
	ACK = 0x10,
	V4_LEN = 20 + 32,
	V6_LEN = 40 + 20,
};

#define SENT_NS NS_PER_S

static const struct now soon = {.mono_ns = SENT_NS + NS_PER_US};

/* A TCP packet over IPv4, with timestamps. */
static struct packet tcp4(uint8_t *bytes, uint8_t flags, size_t data)
{
	memset(bytes, 0, V4_LEN + data);
	bytes[0] = 0x45;
	bytes[9] = 6;
	bytes[20 + 12] = 8 << 4;
	bytes[20 + 13] = flags;
	return (struct packet){.head = bytes, .head_len = (uint16_t)(V4_LEN + data)};
}

static struct packet tcp6(uint8_t *bytes, uint8_t flags)
{
	memset(bytes, 0, V6_LEN);
	bytes[0] = 0x60;
	bytes[6] = 6;
	bytes[40 + 12] = 5 << 4;
	bytes[40 + 13] = flags;
	return (struct packet){.head = bytes, .head_len = V6_LEN, .flags = PACKET_CSUM_PARTIAL};
}

static bool is_taken(struct packet p)
{
	struct ack_hold h = {0};

	return ack_hold_take(&h, &p, SENT_NS, &soon);
}

static void test_acknowledgements_only(void)
{
	uint8_t b[V4_LEN + 10];

	CHECK(is_taken(tcp4(b, ACK, 0)));
	CHECK(is_taken(tcp6(b, ACK)));
	CHECK(is_taken(tcp4(b, ACK | 0x40, 0))); /* echo of congestion */
	for (unsigned bit = 0; bit < 6; bit++)   /* FIN, SYN, RST, PSH, and no ACK; URG */
		CHECK_INT(is_taken(tcp4(b, (uint8_t)(ACK ^ 1 << bit), 0)), 0);
	CHECK(!is_taken(tcp4(b, ACK, 1)));
	tcp4(b, ACK, 0);
	b[9] = 17;
	CHECK(!is_taken((struct packet){.head = b, .head_len = V4_LEN}));
	tcp4(b, ACK, 0);
	b[6] = 0x20; /* a fragment */
	CHECK(!is_taken((struct packet){.head = b, .head_len = V4_LEN}));
	tcp4(b, ACK, 0);
	CHECK(!is_taken((struct packet){.head = b, .head_len = V4_LEN, .body = b, .body_len = 1}));
	for (uint16_t len = 0; len < V4_LEN; len++) /* cut short */
		CHECK(!is_taken((struct packet){.head = b, .head_len = len}));
	tcp6(b, ACK);
	for (uint16_t len = 0; len < V6_LEN; len++)
		CHECK(!is_taken((struct packet){.head = b, .head_len = len}));
}

static void test_first_after_a_pause_does_not_wait(void)
{
	const struct now later = {.mono_ns = SENT_NS + ACK_HOLD_NS};
	struct ack_hold h = {0};
	uint8_t b[V4_LEN];
	const struct packet p = tcp4(b, ACK, 0);

	CHECK(!ack_hold_take(&h, &p, SENT_NS, &later));
	CHECK(ack_hold_due(&h) == NEVER);
	CHECK(ack_hold_take(&h, &p, SENT_NS, &soon));
	CHECK_INT(ack_hold_due(&h), SENT_NS + ACK_HOLD_NS);
}

static void test_order(void)
{
	uint8_t a[V4_LEN], b[V6_LEN], c[V4_LEN];
	const struct packet in[] = {tcp4(a, ACK, 0), tcp6(b, ACK), tcp4(c, ACK, 0)};
	struct ack_hold h = {0};
	struct packet out;
	size_t at = 0;

	c[4] = 99;
	for (unsigned i = 0; i < ARRAY_LEN(in); i++)
		CHECK(ack_hold_take(&h, &in[i], SENT_NS, &soon));
	for (unsigned i = 0; i < ARRAY_LEN(in); i++) {
		NEED(ack_hold_next(&h, &at, &out));
		CHECK_INT(out.head_len, in[i].head_len);
		CHECK_INT(out.flags, in[i].flags);
		CHECK(memcmp(out.head, in[i].head, out.head_len) == 0);
	}
	CHECK(!ack_hold_next(&h, &at, &out));
	CHECK(ack_hold_due(&h) == NEVER);
	at = 0;
	CHECK(!ack_hold_next(&h, &at, &out));
}

/* As many as a cell has room for, and then it goes at once. */
static void test_full(void)
{
	struct ack_hold h = {0};
	uint8_t b[V4_LEN];
	const struct packet p = tcp4(b, ACK, 0);
	size_t n = 0, at = 0, frames = 0;
	struct packet out;

	do {
		CHECK(ack_hold_take(&h, &p, SENT_NS, &soon));
		n++;
	} while (ack_hold_due(&h) > soon.mono_ns && n < 1000);
	CHECK(!ack_hold_take(&h, &p, SENT_NS, &soon));
	while (ack_hold_next(&h, &at, &out))
		frames += FRAME_HEAD_LEN + (size_t)out.head_len;
	CHECK_INT(frames, n * (FRAME_HEAD_LEN + V4_LEN));
	CHECK(frames <= FORWARD_AREA(HOPS_MAX));
	CHECK(n >= 20);
}

int main(void)
{
	RUN(test_acknowledgements_only);
	RUN(test_first_after_a_pause_does_not_wait);
	RUN(test_order);
	RUN(test_full);
	return test_done();
}
