/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Frames of session cells and the PACK frame's body: every length, off by one. */
#include "tests/lib/test.h"

#include "wire/frame.h"

#include <errno.h>

static void test_walk(void)
{
	uint8_t cell[64] = {0};
	const uint8_t *p = cell;
	struct frame f = {0};

	frame_put_head(cell, FRAME_PACKET, 10);
	frame_put_head(cell + 12, FRAME_PACK, 0);
	frame_put_head(cell + 14, FRAME_PACKET_PARTIAL, 20);
	CHECK_INT(frame_next(&p, cell + sizeof(cell), &f), 1);
	CHECK(f.type == FRAME_PACKET && f.len == 10 && f.body == cell + 2);
	CHECK_INT(frame_next(&p, cell + sizeof(cell), &f), 1);
	CHECK(f.type == FRAME_PACK && f.len == 0 && f.body == cell + 14);
	CHECK_INT(frame_next(&p, cell + sizeof(cell), &f), 1);
	CHECK(f.type == FRAME_PACKET_PARTIAL && f.len == 20 && f.body == cell + 16);
	CHECK_INT(frame_next(&p, cell + sizeof(cell), &f), 0); /* zeros end the list ... */
	CHECK(p == cell + 36);
	CHECK_INT(frame_next(&p, cell + sizeof(cell), &f), 0); /* ... for good */
}

/* Every length against every room: taken exactly when it fits. */
static void test_every_length_and_room(void)
{
	static uint8_t cell[FRAME_HEAD_LEN + FRAME_LEN_MAX + 2];

	for (size_t len = 0; len <= FRAME_LEN_MAX; len++) {
		for (int d = -1; d <= 1; d++) {
			const size_t room = FRAME_HEAD_LEN + len + (size_t)(d + 1) - 1;
			const uint8_t *p = cell;
			struct frame f = {0};
			int want = d >= 0 ? 1 : room < FRAME_HEAD_LEN ? 0 : -1;

			frame_put_head(cell, FRAME_PACKET, len);
			CHECK_INT(frame_next(&p, cell + room, &f), want);
			if (want == 1)
				CHECK(f.len == len && p == cell + FRAME_HEAD_LEN + len);
			else
				CHECK(p == cell);
		}
	}
}

static void test_every_type(void)
{
	uint8_t cell[8];

	for (unsigned type = 0; type < 32; type++) {
		const uint8_t *p = cell;
		struct frame f = {0};

		frame_put_head(cell, (enum frame_type)type, 3);
		CHECK_INT(frame_next(&p, cell + sizeof(cell), &f), 1);
		CHECK(f.type == type && f.len == 3); /* type 0 with a length is no end */
	}
}

static void test_no_room_for_a_head(void)
{
	const uint8_t cell[2] = {0xff, 0xff};

	for (size_t room = 0; room < FRAME_HEAD_LEN; room++) {
		const uint8_t *p = cell;
		struct frame f = {0};

		CHECK_INT(frame_next(&p, cell + room, &f), 0);
	}
}

static struct pack full_pack(unsigned count)
{
	struct pack p = {.first = 0xabcdef012345,
			 .total = 0x123456789abc,
			 .ce = 0xdeadbeef,
			 .delay_16us = 0x1234,
			 .count = (uint8_t)count};

	for (unsigned i = 0; i < count; i++)
		p.range[i] = (struct pack_range){.gap = (uint16_t)(i * 4001),
						 .run = (uint16_t)(i * 3000 + 1)};
	memset(p.digest, 0x5a, sizeof(p.digest));
	return p;
}

static void test_pack_round_trip_and_lengths(void)
{
	for (unsigned count = 1; count <= PACK_RANGES_MAX; count++) {
		const struct pack p = full_pack(count);
		uint8_t bytes[PACK_LEN(PACK_RANGES_MAX) + 1] = {0};
		struct pack back;

		CHECK_INT(pack_encode(&p, bytes), PACK_LEN(count));
		memset(&back, 0, sizeof(back));
		CHECK_INT(pack_decode(&back, bytes, (size_t)PACK_LEN(count)), 0);
		CHECK(back.first == p.first && back.total == p.total && back.ce == p.ce &&
		      back.delay_16us == p.delay_16us && back.count == p.count);
		CHECK_MEM(back.range, p.range, count * sizeof(p.range[0]));
		CHECK_MEM(back.digest, p.digest, sizeof(p.digest));
		for (size_t len = 0; len <= sizeof(bytes); len++)
			if (len != (size_t)PACK_LEN(count))
				CHECK_INT(pack_decode(&back, bytes, len), -EINVAL);
	}
}

static void test_pack_refuses(void)
{
	const struct pack p = full_pack(2);
	uint8_t bytes[PACK_LEN(PACK_RANGES_MAX) + 8];
	struct pack back = {.total = 77};

	pack_encode(&p, bytes);
	for (unsigned count = 0; count < 256; count++) { /* the count at offset 18 */
		bytes[18] = (uint8_t)count;
		CHECK_INT(pack_decode(&back, bytes, (size_t)PACK_LEN(2)), count == 2 ? 0 : -EINVAL);
	}
	bytes[18] = PACK_RANGES_MAX + 1; /* with the length that goes with it */
	memset(bytes + 19, 1, sizeof(bytes) - 19);
	CHECK_INT(pack_decode(&back, bytes, (size_t)PACK_LEN(PACK_RANGES_MAX + 1)), -EINVAL);
	for (unsigned i = 0; i < 2; i++) { /* an empty run */
		struct pack zero = p;

		zero.range[i].run = 0;
		back.total = 77;
		pack_encode(&zero, bytes);
		CHECK_INT(pack_decode(&back, bytes, (size_t)PACK_LEN(2)), -EINVAL);
		CHECK_INT(back.total, 77); /* untouched */
	}
}

static void test_numbered(void)
{
	uint8_t in[NUMBERED_HEAD_LEN + 20] = {0};
	struct numbered n = {.number = 77};

	numbered_put_head(in, 0x060504030201, NUMBERED_PARTIAL);
	CHECK_INT(in[0], 1); /* little-endian */
	CHECK_INT(in[5], 6);
	CHECK_INT(numbered_decode(&n, in, sizeof(in)), 0);
	CHECK_INT(n.number, 0x060504030201);
	CHECK_INT(n.flags, NUMBERED_PARTIAL);
	CHECK(n.packet == in + NUMBERED_HEAD_LEN && n.len == 20);
	for (size_t len = 0; len <= NUMBERED_HEAD_LEN; len++)
		CHECK_INT(numbered_decode(&n, in, len), -EINVAL);
	for (unsigned flags = 0; flags < 256; flags++) {
		in[6] = (uint8_t)flags;
		CHECK_INT(numbered_decode(&n, in, sizeof(in)), flags < 2 ? 0 : -EINVAL);
	}
}

static void test_resent(void)
{
	uint8_t in[RESENT_HEAD_LEN + 20] = {0};
	struct resent r = {.seq = 77};

	resent_put_head(in, 0x0a090807, 0x060504030201, NUMBERED_PARTIAL);
	CHECK_INT(in[0], 7); /* little-endian */
	CHECK_INT(in[4], 1);
	CHECK_INT(in[9], 6);
	CHECK_INT(resent_decode(&r, in, sizeof(in)), 0);
	CHECK_INT(r.path_id, 0x0a090807);
	CHECK_INT(r.seq, 0x060504030201);
	CHECK_INT(r.flags, NUMBERED_PARTIAL);
	CHECK(r.packet == in + RESENT_HEAD_LEN && r.len == 20);
	for (size_t len = 0; len <= RESENT_HEAD_LEN; len++)
		CHECK_INT(resent_decode(&r, in, len), -EINVAL);
	for (unsigned flags = 0; flags < 256; flags++) {
		in[10] = (uint8_t)flags;
		CHECK_INT(resent_decode(&r, in, sizeof(in)), flags < 2 ? 0 : -EINVAL);
	}
	resent_put_head(in, 0, 1, 0);
	CHECK_INT(resent_decode(&r, in, sizeof(in)), -EINVAL);
}

static struct paths some_paths(unsigned count)
{
	struct paths p = {.version = 0x04030201, .flags = PATHS_DUPLICATE};

	for (; p.count < count; p.count++)
		p.path[p.count] = (struct paths_entry){
		    .path_id = 0x100 + p.count, .weight = p.count, .flags = p.count % 2};
	return p;
}

static void test_paths(void)
{
	uint8_t bytes[PATHS_LEN(ATTACH_PATHS_MAX) + 8], again[PATHS_LEN(ATTACH_PATHS_MAX)];
	struct paths back;

	for (unsigned count = 0; count <= ATTACH_PATHS_MAX; count++) {
		const struct paths p = some_paths(count);

		memset(bytes, 0, sizeof(bytes));
		CHECK_INT(paths_encode(&p, bytes), PATHS_LEN(count));
		CHECK_INT(bytes[0], 1);
		CHECK_INT(paths_decode(&back, bytes, (size_t)PATHS_LEN(count)), 0);
		CHECK_INT(back.count, count);
		paths_encode(&back, again);
		CHECK_MEM(again, bytes, (size_t)PATHS_LEN(count));
		for (size_t len = 0; len <= sizeof(bytes); len++)
			if (len != (size_t)PATHS_LEN(count))
				CHECK_INT(paths_decode(&back, bytes, len), -EINVAL);
	}
}

static void test_paths_refuses(void)
{
	uint8_t bytes[PATHS_LEN(ATTACH_PATHS_MAX) + 6] = {0};
	struct paths p = some_paths(3), back = {.version = 77};

	paths_encode(&p, bytes);
	for (unsigned v = 0; v < 256; v++) { /* flags, count, an entry's flags */
		static const uint8_t good_below[] = {2, 0, 2}, at[] = {4, 5, 11};

		for (unsigned k = 0; k < ARRAY_LEN(at); k++) {
			uint8_t copy[sizeof(bytes)];
			const bool good = k == 1 ? v == 3 : v < good_below[k];

			memcpy(copy, bytes, sizeof(copy));
			copy[at[k]] = (uint8_t)v;
			CHECK_INT(paths_decode(&back, copy, (size_t)PATHS_LEN(3)),
				  good ? 0 : -EINVAL);
		}
	}
	back.version = 77;
	p.path[2].path_id = p.path[0].path_id; /* named twice */
	paths_encode(&p, bytes);
	CHECK_INT(paths_decode(&back, bytes, (size_t)PATHS_LEN(3)), -EINVAL);
	p.path[2].path_id = 0;
	paths_encode(&p, bytes);
	CHECK_INT(paths_decode(&back, bytes, (size_t)PATHS_LEN(3)), -EINVAL);
	bytes[5] = ATTACH_PATHS_MAX + 1; /* with the length that goes with it */
	CHECK_INT(paths_decode(&back, bytes, sizeof(bytes)), -EINVAL);
	CHECK_INT(back.version, 77); /* untouched */
}

static void test_areas_and_inner_mtu(void)
{
	static const int mtu[] = {1360, 1342, 1324, 1306, 1288};

	for (int n = 1; n <= HOPS_MAX; n++) {
		CHECK_INT(INNER_MTU(n), mtu[n - 1]);
		CHECK_INT(FORWARD_AREA(n) + SESSION_TAG_LEN + ONION_OP_LEN +
			      ONION_HOP_LEN * (n - 1),
			  CELL_BODY_LEN);
		CHECK(FORWARD_AREA(n) <= FRAME_LEN_MAX + FRAME_HEAD_LEN);
	}
	CHECK(BACKWARD_AREA >= FORWARD_AREA(1)); /* what goes out can come back */
}

int main(void)
{
	RUN(test_walk);
	RUN(test_every_length_and_room);
	RUN(test_every_type);
	RUN(test_no_room_for_a_head);
	RUN(test_pack_round_trip_and_lengths);
	RUN(test_pack_refuses);
	RUN(test_numbered);
	RUN(test_resent);
	RUN(test_paths);
	RUN(test_paths_refuses);
	RUN(test_areas_and_inner_mtu);
	return test_done();
}
