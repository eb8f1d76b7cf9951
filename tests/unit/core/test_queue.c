/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/queue.h"
#include "core/unpacker.h"
#include "tests/lib/test.h"

static struct queue *q;

static void put(uint32_t link_id, uint32_t circ_id, uint64_t seq, uint64_t now_ns)
{
	struct queued *c = queue_get(q);

	queue_put(q, c, NULL, link_id,
		  (struct cell_header){.circ_id = circ_id, .seq = seq, .kind = CELL_DATA_FWD},
		  now_ns);
}

static struct cell_header next(uint64_t now_ns)
{
	struct queued *c = queue_next(q, now_ns);
	struct cell_header h = {.kind = CELL_KIND_COUNT};

	if (c != NULL) {
		h = c->header;
		queue_give_back(q, c);
	}
	return h;
}

static void test_order_within_a_circuit(void)
{
	q = queue_create(100, 0x9e3779b97f4a7c15);
	for (uint64_t i = 0; i < 100; i++)
		put(1, 7, i, 0);
	for (uint64_t i = 0; i < 100; i++)
		CHECK_INT(next(0).seq, i);
	CHECK_INT(next(0).kind, CELL_KIND_COUNT);
	CHECK_INT(q->count, 0);
	queue_free(q);
}

/* One circuit with a long backlog, another with a cell now and then: that one does not wait. */
static void test_sparse_goes_first(void)
{
	unsigned behind = 0;

	q = queue_create(1000, 0x9e3779b97f4a7c15);
	for (uint64_t i = 0; i < 500; i++)
		put(1, 7, i, 0);
	for (unsigned round = 0; round < 50; round++) {
		put(1, 8, round, 0);
		while (next(0).circ_id != 8)
			behind++;
	}
	CHECK(behind <= 2 * 50); /* not the 500 that came before it */
	queue_free(q);
}

static void test_fair_between_backlogs(void)
{
	unsigned got[4] = {0};

	q = queue_create(4000, 0x9e3779b97f4a7c15);
	for (uint64_t i = 0; i < 1000; i++)
		for (uint32_t c = 0; c < 4; c++)
			put(1, 100 + c, i, 0);
	for (unsigned i = 0; i < 400; i++)
		got[next(0).circ_id - 100]++;
	for (unsigned c = 0; c < 4; c++)
		CHECK(got[c] >= 99 && got[c] <= 101);
	queue_free(q);
}

static void put_interactive(uint32_t circ_id, uint64_t seq)
{
	queue_put(
	    q, queue_get(q), NULL, 1,
	    (struct cell_header){
		.circ_id = circ_id, .seq = seq, .kind = CELL_DATA_FWD, .is_interactive = true},
	    0);
}

/* A call of two circuits beside a hundred backlogs: none of its cells waits for more than a turn.
 */
static void test_interactive_goes_first(void)
{
	q = queue_create(4000, 0x9e3779b97f4a7c15);
	for (uint64_t i = 0; i < 1000; i++)
		put(1, (uint32_t)(100 + i % 100), i, 0);
	for (unsigned round = 0; round < 60; round++) {
		put_interactive(7, 2 * round);
		put_interactive(7, 2 * round + 1);
		CHECK_INT(next(0).seq, 2 * round);
		CHECK_INT(next(0).seq, 2 * round + 1);
		for (unsigned i = 0; i < 6; i++)
			CHECK(next(0).circ_id >= 100);
	}
	queue_free(q);
}

/* The class is no way to more than its share, nor does anybody starve. */
static void test_interactive_keeps_to_its_share(void)
{
	unsigned interactive = 0;

	q = queue_create(4000, 0x9e3779b97f4a7c15);
	for (uint64_t i = 0; i < 2000; i++) {
		put(1, 8, i, 0);
		put_interactive(7, i);
	}
	for (unsigned i = 0; i < 1200; i++)
		interactive += next(0).is_interactive;
	CHECK(interactive >= 1200 / QUEUE_INTERACTIVE_SHARE - 2);
	CHECK(interactive <= 1200 / QUEUE_INTERACTIVE_SHARE + QUEUE_INTERACTIVE_BURST + 2);
	for (unsigned i = 1200; i < 4000; i++)
		CHECK_INT(next(0).kind, CELL_DATA_FWD);
	CHECK_INT(q->count, 0);
	queue_free(q);
}

static void test_control_before_all(void)
{
	q = queue_create(10, 0x9e3779b97f4a7c15);
	put(1, 7, 1, 0);
	queue_put(q, queue_get(q), NULL, 1, (struct cell_header){.kind = CELL_LINKCTL}, 0);
	CHECK_INT(next(0).kind, CELL_LINKCTL);
	CHECK_INT(next(0).kind, CELL_DATA_FWD);
	queue_free(q);
}

/* A standing queue is marked, more and more often; a short burst is not. */
static void test_codel_marks_standing_queues(void)
{
	uint64_t now = NS_PER_S, seq = 0;
	unsigned first_second = 0, third_second = 0;

	q = queue_create(2000, 0x9e3779b97f4a7c15);
	for (unsigned i = 0; i < 200; i++)
		put(1, 7, seq++, now);
	for (unsigned i = 0; i < 200; i++, now += 50 * NS_PER_US) /* drained in 10 ms */
		CHECK_INT(next(now).flags & CELL_FLAG_CE, 0);
	for (unsigned i = 0; i < 100; i++)
		put(1, 7, seq++, now);
	for (unsigned i = 0; i < 3000; i++, now += NS_PER_MS) { /* 100 ms of backlog all the time */
		const bool marked = next(now).flags & CELL_FLAG_CE;

		first_second += marked && i < 1000;
		third_second += marked && i >= 2000;
		put(1, 7, seq++, now);
	}
	printf("# %u marks in the first second, %u in the third\n", first_second, third_second);
	CHECK(first_second >= 5 && first_second < 60);
	CHECK(third_second > first_second);
	CHECK_INT(q->dropped, 0);
	queue_free(q);
}

static void test_full_pool_drops_from_the_longest(void)
{
	q = queue_create(100, 0x9e3779b97f4a7c15);
	for (uint64_t i = 0; i < 90; i++)
		put(1, 7, i, 0);
	for (uint64_t i = 0; i < 30; i++)
		put(1, 8, i, 0);
	CHECK_INT(q->dropped, 20);
	CHECK_INT(q->count, 100);
	queue_forget(q, NULL); /* all of them are for that link */
	CHECK_INT(q->count, 0);
	for (uint64_t i = 0; i < 100; i++)
		put(1, 9, i, 0);
	CHECK_INT(q->dropped, 20); /* nothing leaked */
	for (uint64_t i = 0; i < 100; i++)
		CHECK_INT(next(0).seq, i);
	queue_free(q);
}

static uint16_t sum16(const uint8_t *p, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < len; i += 2)
		sum += get_be16(p + i);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static void test_inner_mark(void)
{
	uint8_t v4[20] = {0x45, 2, 0, 20, 1, 2, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2};
	uint8_t v6[40] = {0x60, 0x10};
	struct inner_addrs a;

	put_be16(v4 + 10, (uint16_t)~sum16(v4, 20));
	NEED(inner_parse(v4, sizeof(v4), &a));
	CHECK(inner_mark(v4, &a));
	CHECK_INT(v4[1], 3);
	CHECK_INT(sum16(v4, 20), 0xffff);
	v4[1] = 0;
	CHECK(!inner_mark(v4, &a));
	NEED(inner_parse(v6, sizeof(v6), &a));
	CHECK(inner_mark(v6, &a));
	CHECK_INT(v6[1], 0x30);
	v6[1] = 0x0f; /* no ECT, a flow label */
	CHECK(!inner_mark(v6, &a));
}

int main(void)
{
	RUN(test_order_within_a_circuit);
	RUN(test_sparse_goes_first);
	RUN(test_fair_between_backlogs);
	RUN(test_interactive_goes_first);
	RUN(test_interactive_keeps_to_its_share);
	RUN(test_control_before_all);
	RUN(test_codel_marks_standing_queues);
	RUN(test_full_pool_drops_from_the_longest);
	RUN(test_inner_mark);
	return test_done();
}
