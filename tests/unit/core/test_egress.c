/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Batches on their way out: order, gaps, a full pool, links that go down. */
#include "tests/unit/link/link_pair.h"

#include "core/egress.h"

static struct pair t;
static struct egress eg;

static void begin(size_t batches)
{
	pair_init(&t, 1);
	bring_up(&t);
	egress_init(&eg, batches, 0, NULL, 0);
}

static void end(void)
{
	egress_fini(&eg);
	pair_fini(&t);
}

static struct egress_slot put(unsigned hop, uint64_t seq)
{
	const struct egress_slot s = egress_reserve(&eg, t.a.link, hop);

	if (s.cell == NULL)
		return s;
	memset(s.cell + CELL_TAG_OFF, (uint8_t)seq, TAG_LEN + CELL_BODY_LEN);
	egress_commit(&eg, &s,
		      (struct cell_header){.circ_id = 7, .seq = seq, .kind = CELL_DATA_FWD});
	return s;
}

/* B opens the batch: its counters, in order, as to[]; returns how many. */
static unsigned open_batch(const struct tx_batch *b, uint64_t *to)
{
	for (unsigned i = 0; i < b->count; i++) {
		const struct link_rx rx = open_cell(&t, &t.b, b->data + i * b->seg_len);

		CHECK_INT(rx.drop, DROP_NONE);
		CHECK_INT(rx.cell[CELL_BODY_OFF], (uint8_t)rx.header.seq);
		CHECK_INT(rx.cell[CELL_LEN - 1], (uint8_t)rx.header.seq);
		to[i] = rx.header.seq;
	}
	return b->count;
}

static unsigned count_free(void)
{
	unsigned n = 0;

	for (const struct tx_batch *b = eg.free != NULL ? &eg.free->tx : NULL; b != NULL;
	     b = b->next)
		n++;
	return n;
}

static void return_all(struct tx_batch *b)
{
	struct tx_batch *next;

	for (; b != NULL; b = next) {
		next = b->next;
		egress_return(&eg, b);
	}
}

static void test_one_batch_for_one_link(void)
{
	uint64_t seq[EGRESS_CELLS];
	struct tx_batch *b;

	begin(3);
	for (unsigned i = 0; i < EGRESS_CELLS + 1; i++)
		CHECK(put(1, 100 + i).cell != NULL);
	CHECK(egress_take(&eg) == NULL); /* nothing before the flush */
	egress_flush(&eg, t.a.ls, &t.now);
	b = egress_take(&eg);
	NEED(b != NULL && b->next != NULL && b->next->next == NULL);
	CHECK_INT(b->count, EGRESS_CELLS);
	CHECK_INT(b->seg_len, CELL_LEN);
	CHECK(endpoint_equal(&b->to, &t.b.endpoint));
	CHECK_INT(open_batch(b, seq), EGRESS_CELLS);
	for (unsigned i = 0; i < EGRESS_CELLS; i++)
		CHECK_INT(seq[i], 100 + i);
	CHECK_INT(open_batch(b->next, seq), 1);
	CHECK_INT(seq[0], 100 + EGRESS_CELLS);
	CHECK(egress_take(&eg) == NULL);
	return_all(b);
	CHECK_INT(count_free(), 3);
	end();
}

/* Cells that hang over by different lengths must not lie next to each other. */
static void test_overhang_classes_are_apart(void)
{
	struct egress_slot a, b, c;

	begin(4);
	a = put(3, 1);
	b = put(3, 2);
	c = put(1, 3);
	CHECK(a.batch == b.batch && b.batch != c.batch);
	CHECK(b.cell == a.cell + CELL_LEN);
	CHECK(put(3, 4).batch != a.batch); /* order on the link is kept */
	egress_flush(&eg, t.a.ls, &t.now);
	struct tx_batch *out = egress_take(&eg);
	uint64_t seq[EGRESS_CELLS];
	unsigned n = 0;

	for (const struct tx_batch *x = out; x != NULL; x = x->next)
		n += open_batch(x, seq + n);
	CHECK_INT(n, 4);
	for (unsigned i = 0; i < n; i++)
		CHECK_INT(seq[i], i + 1);
	return_all(out);
	end();
}

/* Every pattern of cancelled slots among six. */
static void test_cancelled_slots_leave_no_gap(void)
{
	for (unsigned dead = 0; dead < 64; dead++) {
		uint64_t seq[EGRESS_CELLS];
		struct tx_batch *out;
		unsigned n = 0;

		begin(2);
		for (unsigned i = 0; i < 6; i++) {
			const struct egress_slot s = put(1, i);

			if (dead >> i & 1)
				egress_cancel(&eg, &s);
		}
		egress_flush(&eg, t.a.ls, &t.now);
		out = egress_take(&eg);
		CHECK_INT(out == NULL, dead == 63);
		if (out != NULL)
			CHECK_INT(open_batch(out, seq), 6 - __builtin_popcount(dead));
		for (unsigned i = 0; i < 6 && out != NULL; i++)
			if (!(dead >> i & 1))
				CHECK_INT(seq[n++], i);
		return_all(out);
		CHECK_INT(count_free(), 2);
		end();
	}
}

static void test_full_pool(void)
{
	struct tx_batch *out;

	begin(1);
	for (unsigned i = 0; i < EGRESS_CELLS; i++)
		CHECK(put(1, i).cell != NULL);
	CHECK(put(1, 99).cell == NULL);
	CHECK(!egress_datagram(&eg, &t.b.endpoint, "x", 1));
	egress_flush(&eg, t.a.ls, &t.now);
	CHECK(put(1, 99).cell == NULL); /* the caller has it all */
	out = egress_take(&eg);
	return_all(out);
	CHECK(put(1, 99).cell != NULL);
	end();
}

static void test_datagram(void)
{
	struct tx_batch *out;

	begin(2);
	CHECK(egress_datagram(&eg, &t.b.endpoint, "hello", 5));
	out = egress_take(&eg); /* needs no flush */
	NEED(out != NULL);
	CHECK(out->count == 1 && out->seg_len == 5 && memcmp(out->data, "hello", 5) == 0);
	CHECK(endpoint_equal(&out->to, &t.b.endpoint));
	return_all(out);
	CHECK_INT(count_free(), 2);
	end();
}

static void test_link_that_is_not_up(void)
{
	begin(2);
	put(1, 1);
	pass_time(&t, LINK_REJECT_AFTER_NS); /* its key dies before the flush */
	links_tick(t.a.ls, &t.now);
	CHECK(t.a.link->state != LINK_UP);
	CHECK(put(1, 2).cell == NULL);
	egress_flush(&eg, t.a.ls, &t.now);
	CHECK(egress_take(&eg) == NULL);
	CHECK_INT(count_free(), 2);
	end();
}

static void test_forgotten_link(void)
{
	begin(3);
	put(1, 1);
	put(3, 2); /* two batches, the first one closed */
	egress_forget(&eg, t.a.link);
	link_close(t.a.ls, t.a.link);
	egress_flush(&eg, t.a.ls, &t.now); /* must not look at the link */
	CHECK(egress_take(&eg) == NULL);
	CHECK_INT(count_free(), 3);
	end();
}

/* The endpoint is the one that the link has when the batch leaves. */
static void test_roaming_between_reserve_and_flush(void)
{
	const struct endpoint moved = endpoint_number(77);
	struct tx_batch *out;

	begin(1);
	put(1, 1);
	t.a.link->endpoint = moved;
	egress_flush(&eg, t.a.ls, &t.now);
	out = egress_take(&eg);
	NEED(out != NULL);
	CHECK(endpoint_equal(&out->to, &moved));
	return_all(out);
	end();
}

/* What is beyond a turn waits in the queue, and comes in the next ones, in order. */
static void test_turns(void)
{
	static const unsigned turns[] = {4, 4, 2, 0};
	uint64_t seq[EGRESS_CELLS], expected = 0;

	pair_init(&t, 1);
	bring_up(&t);
	egress_init(&eg, 3, 16, NULL, 1);
	egress_set_turn(&eg, 4);
	for (unsigned i = 0; i < 10; i++)
		CHECK(put(1, i).cell != NULL);
	for (unsigned i = 0; i < ARRAY_LEN(turns); i++) {
		struct tx_batch *out;

		egress_flush(&eg, t.a.ls, &t.now);
		out = egress_take(&eg);
		CHECK_INT(out != NULL ? out->count : 0, turns[i]);
		for (unsigned k = 0, n = out != NULL ? open_batch(out, seq) : 0; k < n; k++)
			CHECK_INT(seq[k], expected++);
		return_all(out);
	}
	egress_set_turn(&eg, 0); /* one is the least */
	CHECK(put(1, 1).queued == NULL);
	CHECK(put(1, 2).queued != NULL);
	end();
}

int main(void)
{
	RUN(test_turns);
	RUN(test_one_batch_for_one_link);
	RUN(test_overhang_classes_are_apart);
	RUN(test_cancelled_slots_leave_no_gap);
	RUN(test_full_pool);
	RUN(test_datagram);
	RUN(test_link_that_is_not_up);
	RUN(test_forgotten_link);
	RUN(test_roaming_between_reserve_and_flush);
	return test_done();
}
