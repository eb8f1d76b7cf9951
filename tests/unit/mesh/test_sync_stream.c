/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mesh/sync_stream.h"

#include "tests/lib/test.h"

enum {
	RECORDS = 200,
	CELLS_MAX = 400,
};

/* Records of random lengths, each filled with its number. */
static struct {
	struct rng rng;
	uint16_t len[RECORDS];
	unsigned sent;
	unsigned got[RECORDS], wrong;
	struct sync_msg msg[CELLS_MAX];
	uint8_t cell[CELLS_MAX][SYNC_STREAM_LEN];
	unsigned cells;
} t;

static size_t next_record(void *ctx, uint8_t out[static STREAM_RECORD_MAX])
{
	(void)ctx;
	if (t.sent == RECORDS)
		return 0;
	memset(out, (int)t.sent, t.len[t.sent]);
	put_le16(out, (uint16_t)t.sent);
	return t.len[t.sent++];
}

static void take_record(void *ctx, const uint8_t *bytes, size_t len)
{
	const unsigned n = get_le16(bytes);

	(void)ctx;
	if (n >= RECORDS || len != t.len[n] || (len > 2 && bytes[len - 1] != (uint8_t)n))
		t.wrong++;
	else
		t.got[n]++;
}

static void write_all(unsigned longest)
{
	struct stream_writer w = {0};
	unsigned seed = longest;

	memset(&t, 0, sizeof(t));
	t.rng = rng_seeded(seed);
	for (unsigned i = 0; i < RECORDS; i++)
		t.len[i] = (uint16_t)(2 + rng_below(&t.rng, longest - 1));
	do {
		struct sync_msg *m = &t.msg[t.cells];

		stream_write(&w, m, t.cell[t.cells], next_record, NULL);
		CHECK_INT(m->index, t.cells);
		t.cells++;
	} while ((t.msg[t.cells - 1].flags & SYNC_LAST) == 0 && t.cells < CELLS_MAX);
	CHECK_INT(t.sent, RECORDS);
	CHECK_INT(t.msg[t.cells - 1].flags, SYNC_LAST | SYNC_WHOLE);
	rng_seeded_free(&t.rng);
}

static unsigned count_got(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < RECORDS; i++) {
		CHECK(t.got[i] <= 1);
		n += t.got[i];
	}
	return n;
}

static void test_whole(void)
{
	static const unsigned longest[] = {2, 3, 20, 500, 1024};

	for (size_t k = 0; k < ARRAY_LEN(longest); k++) {
		struct stream_reader r = {0};

		write_all(longest[k]);
		for (unsigned i = 0; i < t.cells; i++)
			CHECK(stream_read(&r, &t.msg[i], take_record, NULL));
		CHECK(!r.has_gaps);
		CHECK_INT(count_got(), RECORDS);
		CHECK_INT(t.wrong, 0);
	}
}

/* Each cell lost once: the records it has a part of are missing, no others, and that is noticed. */
static void test_one_lost(void)
{
	write_all(700);
	for (unsigned lost = 0; lost + 1 < t.cells; lost++) {
		struct stream_reader r = {0};

		memset(t.got, 0, sizeof(t.got));
		for (unsigned i = 0; i < t.cells; i++)
			if (i != lost)
				CHECK(stream_read(&r, &t.msg[i], take_record, NULL));
		CHECK(r.has_gaps);
		CHECK_INT(t.wrong, 0);
		CHECK(count_got() < RECORDS);
		CHECK(count_got() >= RECORDS * (t.cells - 3) / t.cells - 8);
	}
}

static void test_doubled_and_late(void)
{
	struct stream_reader r = {0};

	write_all(300);
	NEED(t.cells > 5);
	CHECK(stream_read(&r, &t.msg[0], take_record, NULL));
	CHECK(!stream_read(&r, &t.msg[0], take_record, NULL));
	CHECK(stream_read(&r, &t.msg[2], take_record, NULL));
	CHECK(!stream_read(&r, &t.msg[1], take_record, NULL));
	CHECK(r.has_gaps);
	CHECK_INT(t.wrong, 0);
}

/* Any cells at all: no more than their bytes are read, and nothing longer than a record is told. */
static size_t longest_told;

static void measure_record(void *ctx, const uint8_t *bytes, size_t len)
{
	(void)ctx;
	(void)bytes;
	longest_told = MAX(longest_told, len);
}

static void test_junk(void)
{
	struct rng rng = rng_seeded(4);
	struct stream_reader r = {0};
	uint8_t cell[SYNC_STREAM_LEN];

	for (unsigned i = 0; i < 20000; i++) {
		struct sync_msg m = {.index = (uint16_t)(i % 60000), .stream = cell};

		rng_fill(&rng, cell, sizeof(cell));
		for (size_t k = 0; k < sizeof(cell); k += 2) /* lengths that are possible */
			if (i % 3 != 0)
				cell[k + 1] &= 7;
		m.start = (uint16_t)rng_below(&rng, SYNC_STREAM_LEN);
		m.index = (uint16_t)(m.index + (i % 7 == 0));
		stream_read(&r, &m, measure_record, NULL);
	}
	CHECK(longest_told > 0 && longest_told <= STREAM_RECORD_MAX);
	rng_seeded_free(&rng);
}

int main(void)
{
	RUN(test_whole);
	RUN(test_one_lost);
	RUN(test_doubled_and_late);
	RUN(test_junk);
	return test_done();
}
