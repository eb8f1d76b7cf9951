/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/lib/test.h"

#include "io/tun_merge.h"
#include "tests/unit/io/packets.h"
#include "util/rng.h"

enum {
	FRAMES_MAX = 400,
	PACKETS_MAX = 400,
	SMALL = 2048
};

/* What the merge wrote, each frame in one piece. */
static struct {
	uint8_t data[CRAFT_MAX + VNET_LEN];
	size_t len;
} frames[FRAMES_MAX];
static unsigned frame_count;

static struct tun_merge merge;
static uint8_t memory[PACKETS_MAX][SMALL], super[CRAFT_MAX + VNET_LEN], heads_memory[65536];
static uint8_t one[CRAFT_MAX], other[CRAFT_MAX];
static struct packet packets[PACKETS_MAX], again[PACKETS_MAX];

static const struct craft base = {.ttl = 64,
				  .id = 0xfff0,
				  .seq = 0xfffffff0,
				  .ack = 77,
				  .window = 500,
				  .tcp_flags = 0x10,
				  .tcp_extra = 12,
				  .payload_len = 1000,
				  .partial = true};

static void keep_frame(struct tun_merge *m, const struct iovec *iovs, int count)
{
	size_t len = 0;

	CHECK(m == &merge && count >= 2 && iovs[0].iov_len == VNET_LEN);
	NEED(frame_count < FRAMES_MAX);
	for (int i = 0; i < count; i++) {
		NEED(iovs[i].iov_len > 0 && len + iovs[i].iov_len <= sizeof(frames[0].data));
		memcpy(frames[frame_count].data + len, iovs[i].iov_base, iovs[i].iov_len);
		len += iovs[i].iov_len;
	}
	frames[frame_count++].len = len;
}

static void begin(bool udp)
{
	tun_merge_init(&merge, udp, keep_frame);
	frame_count = 0;
}

static void merge_all(const struct packet *in, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		tun_merge_add(&merge, &in[i]);
	tun_merge_flush(&merge);
}

/* c as packet number i: all in the head, or split between head and body at some place. */
static struct packet *put(unsigned i, const struct craft *c, size_t head_len)
{
	const size_t len = craft(c, memory[i]);

	head_len = MIN(head_len, len);
	packets[i] = (struct packet){.head = memory[i],
				     .head_len = (uint16_t)head_len,
				     .body = memory[i] + head_len,
				     .body_len = (uint16_t)(len - head_len),
				     .flags = c->partial ? PACKET_CSUM_PARTIAL : 0};
	return &packets[i];
}

/* The next packet of a stream. */
static struct craft next(struct craft c)
{
	c.seq += c.payload_len;
	c.id++;
	return c;
}

/* Cuts the frames again; returns how many packets that gives. */
static unsigned split_frames(void)
{
	struct writer heads = wr_init(heads_memory, sizeof(heads_memory));
	unsigned n = 0;

	for (unsigned i = 0; i < frame_count; i++) {
		struct tun_split s;

		CHECK_INT(tun_split_start(&s, frames[i].data, frames[i].len), 0);
		n += tun_split_next(&s, again + n, PACKETS_MAX - n, &heads);
		CHECK(tun_split_is_done(&s));
	}
	return n;
}

static bool is_same_packet(const struct packet *a, const struct packet *b)
{
	const size_t len = gather(a, one);

	return gather(b, other) == len && memcmp(one, other, len) == 0 && a->flags == b->flags;
}

/* split, then merge, gives the very same frame: vnet header, headers and payload. */
static void round_trip(const struct craft *c, uint16_t gso_size)
{
	struct writer heads = wr_init(heads_memory, sizeof(heads_memory));
	const size_t len = craft_frame(c, gso_size, super);
	struct tun_split s;
	unsigned n;

	CHECK_INT(tun_split_start(&s, super, len), 0);
	n = tun_split_next(&s, packets, PACKETS_MAX, &heads);
	NEED(tun_split_is_done(&s));
	begin(true);
	merge_all(packets, n);
	CHECK_INT(frame_count, 1);
	CHECK_INT(frames[0].len, len);
	CHECK_MEM(frames[0].data, super, len);
}

static void test_merge_undoes_split(void)
{
	static const uint16_t sizes[] = {1, 100, 536, 1283, 1284, 1448, 9000, 32000};

	for (unsigned kind = 0; kind < 64; kind++)
		for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
			for (unsigned count = 2; count <= TUN_RUN_PACKETS_MAX;
			     count += 1 + count / 4) {
				const uint32_t most = (uint32_t)sizes[i] * count;
				struct craft c = base;

				c.v6 = (kind & 1) != 0;
				c.udp = (kind & 2) != 0;
				c.ip_extra = (kind & 4) != 0 ? 24 : 0;
				c.tcp_extra = (kind & 8) != 0 ? 40 : 0;
				c.dont_fragment = (kind & 16) != 0;
				if ((kind & 32) != 0)
					c.tcp_flags |=
					    TCP_CWR | TCP_PSH | (count % 2 != 0 ? TCP_FIN : 0);
				if (most > 65000)
					continue;
				c.payload_len = (uint16_t)most;
				round_trip(&c, sizes[i]);
				c.payload_len = (uint16_t)(most - sizes[i] / 2);
				round_trip(&c, sizes[i]);
			}
}

/* The expected number of frames for a packet and a second that follows it, but for one change. */
static void follow(const struct craft *first, const struct craft *second, unsigned expected)
{
	const size_t head_lens[] = {SMALL, craft_head_len(second), craft_head_len(second) + 7};

	for (size_t i = 0; i < ARRAY_LEN(head_lens); i++) {
		begin(true);
		put(0, first, SMALL);
		put(1, second, head_lens[i]);
		merge_all(packets, 2);
		CHECK_INT(frame_count, expected);
		CHECK_INT(split_frames(), 2);
		CHECK(is_same_packet(&packets[0], &again[0]));
		CHECK(is_same_packet(&packets[1], &again[1]));
	}
}

#define FOLLOW(first, expected, change)           \
	do {                                      \
		struct craft c = next(first);     \
		change;                           \
		follow(&(first), &c, (expected)); \
	} while (0)

static void test_which_packets_join(void)
{
	struct craft v6 = base, udp = base, cwr = base;

	v6.v6 = true;
	udp.udp = true;
	cwr.tcp_flags |= TCP_CWR;
	FOLLOW(base, 1, (void)c);
	FOLLOW(base, 1, c.tcp_flags |= TCP_PSH);
	FOLLOW(base, 1, c.tcp_flags |= TCP_FIN);
	FOLLOW(base, 1, c.payload_len = 1);
	FOLLOW(cwr, 1, c.tcp_flags = base.tcp_flags);
	FOLLOW(v6, 1, (void)c);
	FOLLOW(udp, 1, (void)c);
	FOLLOW(udp, 1, c.payload_len = 1);

	FOLLOW(base, 2, c.seq++);
	FOLLOW(base, 2, c.seq--);
	FOLLOW(base, 2, c.ack++);
	FOLLOW(base, 2, c.window++);
	FOLLOW(base, 2, c.tcp_flags |= TCP_SYN);
	FOLLOW(base, 2, c.tcp_flags |= TCP_RST);
	FOLLOW(base, 2, c.tcp_flags |= TCP_URG);
	FOLLOW(base, 2, c.tcp_flags |= TCP_CWR);
	FOLLOW(cwr, 2, (void)c);
	FOLLOW(base, 2, c.tcp_flags |= 0x40); /* ECE */
	FOLLOW(base, 2, c.tcp_flags = 0);
	FOLLOW(base, 2, c.tcp_extra = 16);
	FOLLOW(base, 2, c.payload_len++);
	FOLLOW(base, 2, c.payload_len = 0);
	FOLLOW(base, 2, c.partial = false);
	FOLLOW(base, 2, c.ttl--);
	FOLLOW(base, 2, c.tos++);
	FOLLOW(base, 2, c.id++);
	FOLLOW(base, 2, c.dont_fragment = true);
	FOLLOW(base, 2, c.ip_extra = 8);
	FOLLOW(base, 2, c.flow++);
	FOLLOW(base, 2, c.udp = true);
	FOLLOW(v6, 2, c.ttl--);
	FOLLOW(v6, 2, c.tos++);
	FOLLOW(v6, 2, c.tos += 16);
	FOLLOW(v6, 2, c.ip_extra = 8);
	FOLLOW(udp, 2, c.payload_len++);
	FOLLOW(udp, 2, c.partial = false);
	FOLLOW(udp, 2, c.id--);
}

/* With DF set the id has no meaning, so any two join (and get consecutive ones when cut again). */
static void test_ids_do_not_matter_with_dont_fragment(void)
{
	struct craft a = base, b;

	a.dont_fragment = true;
	b = next(a);
	b.id = 0x1234;
	begin(true);
	put(0, &a, SMALL);
	put(1, &b, SMALL);
	merge_all(packets, 2);
	CHECK_INT(frame_count, 1);
}

static void test_starters_that_stay_alone(void)
{
	static const uint8_t flags[] = {TCP_PSH, TCP_FIN, TCP_SYN, TCP_RST, TCP_URG};

	for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
		struct craft first = base;

		first.tcp_flags |= flags[i];
		FOLLOW(first, 2, c.tcp_flags = base.tcp_flags);
	}
}

static void test_options_must_be_equal(void)
{
	const struct craft second = next(base);

	begin(true);
	put(0, &base, SMALL);
	put(1, &second, SMALL);
	memory[1][20 + 20 + 3] ^= 1;
	merge_all(packets, 2);
	CHECK_INT(frame_count, 2);
}

static void test_short_packet_ends_the_run(void)
{
	struct craft c = base;

	begin(true);
	for (unsigned i = 0; i < 6; i++) {
		c.payload_len = i == 2 ? 999 : 1000;
		put(i, &c, SMALL);
		c = next(c);
	}
	merge_all(packets, 6);
	CHECK_INT(frame_count, 2);
	CHECK_INT(split_frames(), 6);
}

static void test_run_limits(void)
{
	struct craft c = base;

	c.payload_len = 10;
	begin(true);
	for (unsigned i = 0; i < 200; i++, c = next(c))
		put(i, &c, SMALL);
	merge_all(packets, 200); /* by number: 64, 64, 64, 8 */
	CHECK_INT(frame_count, 4);
	CHECK_INT(split_frames(), 200);

	c.payload_len = 1900;
	begin(true);
	for (unsigned i = 0; i < 40; i++, c = next(c))
		put(i, &c, SMALL);
	merge_all(packets, 40); /* by length: 34 of 1900 fit into 65535 */
	CHECK_INT(frame_count, 2);
	CHECK_INT(frames[0].len, VNET_LEN + 52 + 34 * 1900);
}

static void test_udp_is_left_alone_without_uso(void)
{
	struct craft a = base, b;

	a.udp = true;
	b = next(a);
	begin(false);
	put(0, &a, SMALL);
	put(1, &b, SMALL);
	merge_all(packets, 2);
	CHECK_INT(frame_count, 2);
}

static void test_interleaved_flows_join(void)
{
	enum {
		FLOWS = TUN_RUNS,
		EACH = 10
	};

	begin(true);
	for (unsigned i = 0; i < FLOWS * EACH; i++) {
		struct craft c = base;

		c.flow = (uint8_t)(i % FLOWS);
		c.v6 = c.flow % 2 != 0;
		c.udp = c.flow % 4 > 1;
		c.seq += i / FLOWS * 1000;
		c.id = (uint16_t)(c.id + i / FLOWS);
		put(i, &c, SMALL);
	}
	merge_all(packets, FLOWS * EACH);
	CHECK_INT(frame_count, FLOWS);
	CHECK_INT(split_frames(), FLOWS * EACH);
	for (unsigned i = 0; i < FLOWS * EACH; i++)
		CHECK(is_same_packet(&again[i], &packets[i % EACH * FLOWS + i / EACH]));
}

static void test_what_is_not_understood_passes(void)
{
	static uint8_t odd[100];

	begin(true);
	for (unsigned i = 0; i < sizeof(odd); i++) {
		const struct packet k = {
		    .head = odd, .head_len = (uint16_t)(i + 1), .flags = i % 2};

		odd[0] = (uint8_t)(i * 16);
		tun_merge_add(&merge, &k);
		CHECK_INT(frame_count, i + 1);
		CHECK_INT(frames[i].len, VNET_LEN + i + 1);
		CHECK_INT(frames[i].data[0], 0); /* nothing asked of the kernel */
	}
}

static unsigned flow_of(const struct packet *k)
{
	const uint8_t *p = k->head;

	return p[0] >> 4 == 4 ? p[15] * 2u : p[23] * 2u + 1;
}

/* A random packet that mostly continues its flow's stream. */
static struct craft random_packet(struct craft *stream, const struct rng *rng)
{
	struct craft c = *stream;

	switch (rng_below(rng, 12)) {
	case 0:
		c.seq += 5;
		break;
	case 1:
		c.tcp_flags |= TCP_PSH;
		break;
	case 2:
		c.partial = false;
		break;
	case 3:
		c.payload_len = (uint16_t)rng_below(rng, 1200);
		break;
	case 4:
		c.ack++;
		break;
	default:
		break;
	}
	*stream = next(c);
	stream->partial = true;
	stream->tcp_flags = base.tcp_flags;
	stream->payload_len = 1000;
	return c;
}

/* However packets come, each flow's arrive the same and in order. */
static void test_flows_survive_any_mix(void)
{
	struct rng rng = rng_seeded(3);

	for (unsigned round = 0; round < 300; round++) {
		const unsigned flows = 1 + (unsigned)rng_below(&rng, 40);
		struct craft streams[40];
		unsigned at[80] = {0};

		for (unsigned f = 0; f < flows; f++) {
			streams[f] = base;
			streams[f].flow = (uint8_t)f;
			streams[f].v6 = f % 2 != 0;
			streams[f].udp = f % 4 > 1;
		}
		begin(true);
		for (unsigned i = 0; i < 200; i++) {
			const struct craft c =
			    random_packet(&streams[rng_below(&rng, flows)], &rng);

			put(i, &c, rng_below(&rng, 2) != 0 ? SMALL : craft_head_len(&c));
		}
		merge_all(packets, 200);
		CHECK_INT(split_frames(), 200);
		for (unsigned i = 0; i < 200; i++) {
			unsigned *j = &at[flow_of(&again[i])];

			while (*j < 200 && flow_of(&packets[*j]) != flow_of(&again[i]))
				++*j;
			NEED(*j < 200);
			CHECK(is_same_packet(&packets[(*j)++], &again[i]));
		}
	}
	rng_seeded_free(&rng);
}

static void test_random_changes_never_break_it(void)
{
	struct rng rng = rng_seeded(4);

	for (unsigned round = 0; round < 3000; round++) {
		struct craft c = base;

		c.v6 = round % 2 != 0;
		c.udp = round % 4 > 1;
		c.payload_len = 60;
		begin(true);
		for (unsigned i = 0; i < 40; i++, c = next(c)) {
			struct packet *k = put(i, &c, rng_below(&rng, 2) != 0 ? SMALL : 44);

			if (rng_below(&rng, 2) != 0)
				memory[i][rng_below(&rng, 64)] = (uint8_t)rng_u32(&rng);
			if (rng_below(&rng, 8) == 0)
				k->body_len = (uint16_t)rng_below(&rng, k->body_len + 1u);
		}
		merge_all(packets, 40);
		CHECK(frame_count > 0 && frame_count <= 40);
	}
	rng_seeded_free(&rng);
}

int main(void)
{
	RUN(test_merge_undoes_split);
	RUN(test_which_packets_join);
	RUN(test_ids_do_not_matter_with_dont_fragment);
	RUN(test_starters_that_stay_alone);
	RUN(test_options_must_be_equal);
	RUN(test_short_packet_ends_the_run);
	RUN(test_run_limits);
	RUN(test_udp_is_left_alone_without_uso);
	RUN(test_interleaved_flows_join);
	RUN(test_what_is_not_understood_passes);
	RUN(test_flows_survive_any_mix);
	RUN(test_random_changes_never_break_it);
	return test_done();
}
