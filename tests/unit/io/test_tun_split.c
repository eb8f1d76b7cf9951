/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/lib/test.h"

#include <errno.h>

#include "io/tun_split.h"
#include "tests/unit/io/packets.h"
#include "util/rng.h"

enum {
	PACKETS_MAX = 70000
};

static uint8_t frame[CRAFT_MAX + VNET_LEN], whole[CRAFT_MAX];
static uint8_t heads_memory[PACKETS_MAX * 64];
static struct packet packets[PACKETS_MAX];

static const struct craft base = {.ttl = 64,
				  .id = 0xfffe, /* wraps */
				  .dont_fragment = true,
				  .seq = 0xfffff000,
				  .ack = 77,
				  .window = 500,
				  .tcp_flags = 0x10,
				  .payload_len = 5000,
				  .partial = true};

static void check_tcp(const struct craft *c, const uint8_t *t, uint32_t place, bool last)
{
	uint8_t flags = c->tcp_flags;

	if (place > 0)
		flags &= (uint8_t)~TCP_CWR;
	if (!last)
		flags &= (uint8_t) ~(TCP_PSH | TCP_FIN);
	CHECK_INT(get_be32(t + 4), c->seq + place);
	CHECK_INT(get_be32(t + 8), c->ack);
	CHECK_INT(t[13], flags);
	CHECK_INT(get_be16(t + 14), c->window);
}

/* Segment number i, which starts at `place` of the payload; returns its payload's length. */
static uint32_t check_segment(const struct craft *c, const struct packet *k, unsigned i,
			      uint32_t place, uint16_t gso_size)
{
	const size_t l4 = craft_l4(c), head = craft_head_len(c), len = gather(k, whole);
	const uint32_t payload_len = (uint32_t)(len - head);
	const bool last = place + payload_len == c->payload_len;

	CHECK_INT(k->flags, PACKET_CSUM_PARTIAL);
	CHECK_INT(k->head_len, head);
	CHECK_INT(payload_len, last ? c->payload_len - place : gso_size);
	if (c->v6) {
		CHECK_INT(get_be16(whole + 4), len - 40);
	} else {
		CHECK_INT(get_be16(whole + 2), len);
		CHECK_INT(get_be16(whole + 4), (uint16_t)(c->id + i));
	}
	if (c->udp)
		CHECK_INT(get_be16(whole + l4 + 4), len - l4);
	else
		check_tcp(c, whole + l4, place, last);
	CHECK(k->body > frame && k->body < frame + sizeof(frame)); /* was not copied */
	for (uint32_t j = 0; j < payload_len; j++)
		if (whole[head + j] != stream_byte(c->seq + place + j)) {
			CHECK(!"payload");
			break;
		}
	finish_checksum(whole, len, l4, c->udp);
	CHECK(checksums_are_right(whole, len, l4));
	return payload_len;
}

/* Cuts c at gso_size, taking `step` packets at a time, and checks all. */
static void check_cut(const struct craft *c, uint16_t gso_size, unsigned step)
{
	const size_t len = craft_frame(c, gso_size, frame);
	struct writer heads = wr_init(heads_memory, sizeof(heads_memory));
	struct tun_split s;
	unsigned n = 0, got;
	uint32_t place = 0;

	NEED(tun_split_start(&s, frame, len) == 0);
	while ((got = tun_split_next(&s, packets + n, MIN(step, PACKETS_MAX - n), &heads)) > 0)
		n += got;
	CHECK(tun_split_is_done(&s));
	CHECK_INT(n, (c->payload_len + gso_size - 1) / gso_size);
	for (unsigned i = 0; i < n; i++)
		place += check_segment(c, &packets[i], i, place, gso_size);
	CHECK_INT(place, c->payload_len);
}

static void test_cuts_every_kind(void)
{
	static const uint16_t sizes[] = {1, 2, 47, 536, 1283, 1284, 1448, 9000, 32000};
	static const uint16_t payloads[] = {3, 1285, 2568, 5000, 64000};

	for (unsigned kind = 0; kind < 16; kind++)
		for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
			for (size_t j = 0; j < ARRAY_LEN(payloads); j++) {
				struct craft c = base;

				c.v6 = (kind & 1) != 0;
				c.udp = (kind & 2) != 0;
				c.ip_extra = (kind & 4) != 0 ? 24 : 0;
				c.tcp_extra = (kind & 8) != 0 ? 12 : 0;
				c.payload_len = payloads[j];
				if (sizes[i] < payloads[j] && payloads[j] / sizes[i] < 2000)
					check_cut(&c, sizes[i], 64);
			}
}

static void test_flags_go_where_they_belong(void)
{
	for (unsigned flags = 0; flags < 256; flags++) {
		struct craft c = base;

		c.tcp_flags = (uint8_t)flags;
		check_cut(&c, 1000, 64);
	}
}

static void test_goes_on_after_any_number(void)
{
	for (unsigned step = 1; step < 8; step++)
		check_cut(&base, 999, step);
}

static void test_goes_on_when_heads_run_out(void)
{
	const size_t len = craft_frame(&base, 1000, frame);
	struct tun_split s;
	unsigned total = 0;

	NEED(tun_split_start(&s, frame, len) == 0);
	while (!tun_split_is_done(&s)) {
		struct writer heads = wr_init(heads_memory, 99); /* two of 40 bytes */
		const unsigned n = tun_split_next(&s, packets, 64, &heads);

		NEED(n > 0 && n <= 2);
		total += n;
	}
	CHECK_INT(total, 5);
}

/* Splits a frame that must not be cut; returns its only packet. */
static struct packet pass(size_t len)
{
	struct writer heads = wr_init(heads_memory, 0);
	struct packet k = {0};
	struct tun_split s;

	CHECK_INT(tun_split_start(&s, frame, len), 0);
	CHECK_INT(tun_split_next(&s, &k, 0, &heads), 0);
	CHECK_INT(tun_split_next(&s, &k, 9, &heads), 1);
	CHECK_INT(tun_split_next(&s, &k, 9, &heads), 0);
	CHECK(tun_split_is_done(&s));
	CHECK_INT(k.head_len, len - VNET_LEN);
	CHECK(k.head == frame + VNET_LEN && k.body_len == 0);
	return k;
}

static void test_small_packets_pass_as_they_are(void)
{
	for (unsigned kind = 0; kind < 8; kind++) {
		struct craft c = base;
		size_t len;

		c.v6 = (kind & 1) != 0;
		c.udp = (kind & 2) != 0;
		c.partial = (kind & 4) != 0;
		len = craft_frame(&c, 0, frame);
		craft(&c, whole);
		CHECK_INT(pass(len).flags, c.partial ? PACKET_CSUM_PARTIAL : 0);
		CHECK_MEM(frame + VNET_LEN, whole, len - VNET_LEN);
		if (c.partial) { /* GSO of less than a segment, and of exactly one */
			len = craft_frame(&c, c.payload_len + 1, frame);
			CHECK_INT(pass(len).flags, PACKET_CSUM_PARTIAL);
			len = craft_frame(&c, c.payload_len, frame);
			CHECK_INT(pass(len).flags, PACKET_CSUM_PARTIAL);
			CHECK_MEM(frame + VNET_LEN, whole, len - VNET_LEN);
		}
	}
}

/* A checksum that is not TCP's or UDP's where we expect it is completed, as a device would. */
static void test_completes_other_checksums(void)
{
	struct craft c = base;
	struct virtio_net_hdr v;
	size_t len;

	c.v6 = true;
	c.ip_extra = 16;
	len = craft_frame(&c, 0, frame);
	frame[VNET_LEN + 6] = IPPROTO_ROUTING; /* with no segments left: checksum as before */
	frame[VNET_LEN + 43] = 0;
	CHECK_INT(pass(len).flags, 0);
	frame[VNET_LEN + 6] = IPPROTO_DSTOPTS;
	CHECK(checksums_are_right(frame + VNET_LEN, len - VNET_LEN, craft_l4(&c)));

	/* Any other place: the sum from csum_start to the end comes out right. */
	len = craft_frame(&base, 0, frame);
	memcpy(&v, frame, sizeof(v));
	v.csum_start = 37;
	v.csum_offset = 10;
	memcpy(frame, &v, sizeof(v));
	memset(frame + VNET_LEN + 47, 0, 2);
	CHECK_INT(pass(len).flags, 0);
	CHECK_INT(add_words(0, frame + VNET_LEN + 37, len - VNET_LEN - 37), 0xffff);
}

static void test_completed_zero_is_ffff(void)
{
	const struct virtio_net_hdr v = {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 4};

	memset(frame, 0, VNET_LEN + 8);
	memcpy(frame, &v, sizeof(v));
	memset(frame + VNET_LEN + 6, 0xff, 2);
	CHECK_INT(pass(VNET_LEN + 8).flags, 0);
	CHECK_INT(get_be16(frame + VNET_LEN + 4), 0xffff);
}

/* The frame in `frame`, which was made well, with a change to its vnet header. */
static void refuse(const struct craft *c, uint16_t gso_size, struct virtio_net_hdr change)
{
	const size_t len = craft_frame(c, gso_size, frame);
	struct virtio_net_hdr v;
	struct tun_split s;

	CHECK_INT(tun_split_start(&s, frame, len), 0);
	memcpy(&v, frame, sizeof(v));
	v.flags ^= change.flags;
	v.gso_type ^= change.gso_type;
	v.gso_size ^= change.gso_size;
	v.csum_start = (uint16_t)(v.csum_start + change.csum_start);
	v.csum_offset = (uint16_t)(v.csum_offset + change.csum_offset);
	memcpy(frame, &v, sizeof(v));
	CHECK_INT(tun_split_start(&s, frame, len), -EBADMSG);
	CHECK(tun_split_is_done(&s));
}

static void test_refuses_lying_vnet_headers(void)
{
	struct craft udp = base;

	udp.udp = true;
	refuse(&base, 1000, (struct virtio_net_hdr){.gso_size = 1000});  /* 0 */
	refuse(&base, 1000, (struct virtio_net_hdr){.gso_type = 1 ^ 4}); /* v6 for v4 */
	refuse(&base, 1000, (struct virtio_net_hdr){.gso_type = 1 ^ 5}); /* UDP for TCP */
	refuse(&udp, 1000, (struct virtio_net_hdr){.gso_type = 5 ^ 1});
	refuse(&udp, 1000, (struct virtio_net_hdr){.gso_type = 5 ^ 3}); /* UFO */
	refuse(&base, 1000, (struct virtio_net_hdr){.gso_type = 0x40});
	refuse(&base, 1000, (struct virtio_net_hdr){.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM});
	refuse(&base, 1000, (struct virtio_net_hdr){.csum_start = 4});
	refuse(&base, 1000, (struct virtio_net_hdr){.csum_offset = 4});
	refuse(&base, 0, (struct virtio_net_hdr){.csum_start = 60000});
	refuse(&base, 0, (struct virtio_net_hdr){.csum_offset = 5003});
	refuse(&base, 0, (struct virtio_net_hdr){.csum_offset = 0xffff - 16});
}

static void test_refuses_bad_packets_to_cut(void)
{
	struct craft c = base;
	struct tun_split s;
	size_t len = craft_frame(&c, 1000, frame);

	CHECK_INT(tun_split_start(&s, frame, len - 1), -EBADMSG); /* shorter than it says */
	frame[VNET_LEN] = 0x4f;                                   /* header over the end of TCP's */
	CHECK_INT(tun_split_start(&s, frame, len), -EBADMSG);
	craft_frame(&c, 1000, frame);
	frame[VNET_LEN + 6] |= 0x20; /* a fragment */
	CHECK_INT(tun_split_start(&s, frame, len), -EBADMSG);
	c.v6 = true;
	c.ip_extra = 248; /* more headers than we copy per packet */
	len = craft_frame(&c, 1000, frame);
	CHECK_INT(tun_split_start(&s, frame, len), -EBADMSG);
	for (len = 0; len <= VNET_LEN; len++)
		CHECK_INT(tun_split_start(&s, frame, len), -EBADMSG);
	memset(frame, 0, VNET_LEN);
	CHECK_INT(tun_split_start(&s, frame, VNET_LEN + 1), 0); /* no GSO: not ours to judge */
	CHECK_INT(tun_split_start(&s, frame, VNET_LEN + 65535), 0);
	CHECK_INT(tun_split_start(&s, frame, VNET_LEN + 65536), -EBADMSG);
}

/* hdr_len may say anything. */
static void test_ignores_hdr_len(void)
{
	for (unsigned lie = 0; lie < 65536; lie += 4369) {
		const size_t len = craft_frame(&base, 1000, frame);
		struct writer heads = wr_init(heads_memory, sizeof(heads_memory));
		struct tun_split s;

		frame[2] = (uint8_t)lie;
		frame[3] = (uint8_t)(lie >> 8);
		NEED(tun_split_start(&s, frame, len) == 0);
		CHECK_INT(tun_split_next(&s, packets, 64, &heads), 5);
		check_segment(&base, &packets[0], 0, 0, 1000);
	}
}

static void test_random_changes_never_break_it(void)
{
	struct rng rng = rng_seeded(2);

	for (unsigned round = 0; round < 200000; round++) {
		struct craft c = base;
		struct writer heads = wr_init(heads_memory, 4096);
		struct tun_split s;
		size_t len, total = 0;
		unsigned n;

		c.v6 = round % 2 != 0;
		c.udp = round % 4 > 1;
		c.ip_extra = (uint8_t)(rng_below(&rng, 4) * 8);
		c.payload_len = (uint16_t)rng_below(&rng, 300);
		len = craft_frame(&c, (uint16_t)rng_below(&rng, 100), frame);
		for (uint64_t i = rng_below(&rng, 4); i > 0; i--)
			frame[rng_below(&rng, MIN(len, 100))] = (uint8_t)rng_u32(&rng);
		len -= rng_below(&rng, 8) == 0 ? rng_below(&rng, len) : 0;
		if (tun_split_start(&s, frame, len) < 0)
			continue;
		n = tun_split_next(&s, packets, 64, &heads);
		CHECK(n > 0);
		for (unsigned i = 0; i < n; i++) {
			gather(&packets[i], whole);
			total += packets[i].body_len;
		}
		CHECK(total < len);
	}
	rng_seeded_free(&rng);
}

int main(void)
{
	RUN(test_cuts_every_kind);
	RUN(test_flags_go_where_they_belong);
	RUN(test_goes_on_after_any_number);
	RUN(test_goes_on_when_heads_run_out);
	RUN(test_small_packets_pass_as_they_are);
	RUN(test_completes_other_checksums);
	RUN(test_completed_zero_is_ffff);
	RUN(test_refuses_lying_vnet_headers);
	RUN(test_refuses_bad_packets_to_cut);
	RUN(test_ignores_hdr_len);
	RUN(test_random_changes_never_break_it);
	return test_done();
}
