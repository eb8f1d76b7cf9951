/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Cells through the link layer: batches, replays, tampering, roaming, worn-out keys. */
#include "link_pair.h"

enum {
	BATCH = 150
};

/* Cells of all kinds in one call, opened in another: rounds of 64, 64, 22. */
static void test_batch(void)
{
	static uint8_t cells[BATCH * CELL_LEN], sent[BATCH * CELL_LEN];
	static struct cell_header headers[BATCH];
	static struct link_rx rx[BATCH];
	struct pair t;

	pair_init(&t, 40);
	bring_up(&t);
	rng_fill(&t.rng, cells, sizeof(cells));
	memcpy(sent, cells, sizeof(cells));
	for (size_t i = 0; i < BATCH; i++) {
		headers[i] = (struct cell_header){
		    .circ_id = (uint32_t)i,
		    .seq = SEQ_MASK - i,
		    .kind = (uint8_t)(i % CELL_KIND_COUNT),
		    .flags = i & 1,
		};
		rx[i] = (struct link_rx){.cell = cells + i * CELL_LEN, .from = &t.a.endpoint};
	}
	link_seal(t.a.ls, t.a.link, cells, headers, BATCH, &t.now);
	for (size_t i = 0; i < BATCH; i++) {
		const uint8_t *cell = cells + i * CELL_LEN, *was = sent + i * CELL_LEN;
		const bool is_same =
		    memcmp(cell + CELL_TAG_OFF, was + CELL_TAG_OFF, CELL_LEN - CELL_TAG_OFF) == 0;

		CHECK_INT(is_same, cell_kind_is_data(headers[i].kind));
		CHECK_INT(cell_counter(cell), i + 1); /* 0 was COVER */
		CHECK_INT(cell[0], MSG_CELL);
	}
	links_open(t.b.ls, rx, BATCH, &t.now);
	for (size_t i = 0; i < BATCH; i++) {
		CHECK_INT(rx[i].drop, DROP_NONE);
		CHECK(rx[i].link == t.b.link);
		CHECK_MEM(&rx[i].header, &headers[i], sizeof(headers[i]));
		CHECK_MEM(rx[i].cell + CELL_BODY_OFF, sent + i * CELL_LEN + CELL_BODY_OFF,
			  CELL_BODY_LEN);
	}
	pair_fini(&t);
}

static void test_every_bit_of_the_front_counts(void)
{
	struct pair t;
	uint8_t cell[CELL_LEN];

	pair_init(&t, 41);
	bring_up(&t);
	make_cell(&t, &t.a, CELL_DATA_FWD, 3, cell);
	for (size_t bit = 0; bit < CELL_BODY_OFF * 8; bit++) {
		struct link_rx rx;

		cell[bit / 8] ^= (uint8_t)(1 << bit % 8);
		rx = open_cell(&t, &t.b, cell);
		CHECK(rx.drop != DROP_NONE && rx.link == NULL);
		cell[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	CHECK_INT(open_cell(&t, &t.b, cell).drop, DROP_NONE);
	pair_fini(&t);
}

static void test_body(void)
{
	struct pair t;
	uint8_t cell[CELL_LEN];

	pair_init(&t, 42);
	bring_up(&t);
	for (uint8_t kind = CELL_CREATE; kind < CELL_KIND_COUNT; kind++) {
		for (size_t i = CELL_BODY_OFF; i < CELL_LEN; i += 97) {
			struct link_rx rx;

			make_cell(&t, &t.a, kind, 3, cell);
			cell[i] ^= 0x10;
			rx = open_cell(&t, &t.b, cell);
			CHECK(rx.drop == DROP_LINK_BODY && rx.link == NULL);
			cell[i] ^= 0x10; /* its one chance is gone */
			CHECK_INT(open_cell(&t, &t.b, cell).drop, DROP_LINK_REPLAY);
		}
	}
	make_cell(&t, &t.a, CELL_DATA_FWD, 3, cell);
	cell[CELL_LEN - 1] ^= 0x10; /* not the link's business */
	CHECK_INT(open_cell(&t, &t.b, cell).drop, DROP_NONE);
	make_cell(&t, &t.a, CELL_KIND_COUNT, 3, cell);
	CHECK_INT(open_cell(&t, &t.b, cell).drop, DROP_TYPE);
	pair_fini(&t);
}

/* Taken shuffled, each once; a second time none, be it in the same batch or later. */
static void test_replayed_and_reordered(void)
{
	static uint8_t cells[BATCH][CELL_LEN], twice[2 * BATCH][CELL_LEN];
	static struct link_rx rx[2 * BATCH];
	size_t order[2 * BATCH];
	unsigned taken[BATCH] = {0};
	struct pair t;

	pair_init(&t, 43);
	bring_up(&t);
	for (size_t i = 0; i < BATCH; i++)
		make_cell(&t, &t.a, CELL_DATA_FWD, 3, cells[i]);
	for (size_t i = 0; i < 2 * BATCH; i++) {
		const size_t j = (size_t)rng_below(&t.rng, i + 1);

		order[i] = order[j];
		order[j] = i / 2;
	}
	for (size_t i = 0; i < 2 * BATCH; i++) {
		memcpy(twice[i], cells[order[i]], CELL_LEN);
		rx[i] = (struct link_rx){.cell = twice[i], .from = &t.a.endpoint};
	}
	links_open(t.b.ls, rx, 2 * BATCH, &t.now);
	for (size_t i = 0; i < 2 * BATCH; i++) {
		CHECK(rx[i].drop == DROP_NONE || rx[i].drop == DROP_LINK_REPLAY);
		taken[order[i]] += rx[i].drop == DROP_NONE;
	}
	for (size_t i = 0; i < BATCH; i++) {
		CHECK_INT(taken[i], 1);
		CHECK_INT(open_cell(&t, &t.b, cells[i]).drop, DROP_LINK_REPLAY);
	}
	pair_fini(&t);
}

static void test_below_the_window(void)
{
	struct pair t;
	uint8_t late[CELL_LEN], just[CELL_LEN];
	const uint64_t width = (LINK_WINDOW_WORDS - 1) * 64;

	pair_init(&t, 44);
	bring_up(&t);
	make_cell(&t, &t.a, CELL_DATA_FWD, 3, late); /* counter 1 */
	make_cell(&t, &t.a, CELL_DATA_FWD, 3, just); /* counter 2 */
	t.a.link->send_key->tx_counter = width + 1;
	CHECK_INT(send_cell(&t, &t.a, CELL_DATA_FWD), DROP_NONE);
	CHECK_INT(open_cell(&t, &t.b, late).drop, DROP_LINK_REPLAY);
	CHECK_INT(open_cell(&t, &t.b, just).drop, DROP_NONE);
	pair_fini(&t);
}

static void test_unknown_index(void)
{
	struct pair t;
	uint8_t cell[CELL_LEN] = {0};

	pair_init(&t, 45);
	cell_put_outer(cell, 5, 0);
	CHECK_INT(open_cell(&t, &t.b, cell).drop, DROP_NO_LINK);
	call(&t, &t.a); /* its index is reserved, but there is no key */
	cell_put_outer(cell, peer_of(t.a.link)->attempt.key->index, 0);
	CHECK_INT(open_cell(&t, &t.a, cell).drop, DROP_NO_LINK);
	pair_fini(&t);
}

static enum drop open_from(struct pair *t, uint8_t *cell, const struct endpoint *from)
{
	struct link_rx rx = {.cell = cell, .from = from};

	links_open(t->b.ls, &rx, 1, &t->now);
	return rx.drop;
}

static void test_roaming(void)
{
	const struct endpoint here = endpoint_number(1), there = endpoint_number(50);
	struct pair t;
	uint8_t cell[3][CELL_LEN];

	pair_init(&t, 46);
	bring_up(&t);
	CHECK(endpoint_equal(&t.b.link->endpoint, &here));
	for (size_t i = 0; i < 3; i++)
		make_cell(&t, &t.a, CELL_DATA_FWD, 3, cell[i]);
	cell[2][30] ^= 1;
	CHECK_INT(open_from(&t, cell[2], &there), DROP_LINK_TAG);
	CHECK(endpoint_equal(&t.b.link->endpoint, &here));
	cell[2][30] ^= 1;
	CHECK_INT(open_from(&t, cell[1], &there), DROP_NONE);
	CHECK(endpoint_equal(&t.b.link->endpoint, &there));
	CHECK_INT(open_from(&t, cell[0], &here), DROP_NONE); /* older: took long, says nothing */
	CHECK(endpoint_equal(&t.b.link->endpoint, &there));
	CHECK_INT(open_from(&t, cell[2], &here), DROP_NONE);
	CHECK(endpoint_equal(&t.b.link->endpoint, &here));
	pair_fini(&t);
}

/* A verified INIT alone does not move a link: whoever relays one is not the peer. */
static void test_init_does_not_roam(void)
{
	const struct endpoint here = endpoint_number(1), there = endpoint_number(50);
	struct pair t;
	struct link_out init, resp;

	pair_init(&t, 47);
	bring_up(&t);
	pass_time(&t, 60 * NS_PER_S);
	peer_want_rekey(t.a.ls, peer_of(t.a.link));
	tick(&t);
	NEED(take_out(&t.a, &init));
	CHECK_INT(links_recv_handshake(t.b.ls, init.data, init.len, &there, &t.now), DROP_NONE);
	NEED(take_out(&t.b, &resp));
	CHECK(endpoint_equal(&resp.to, &there));
	CHECK(endpoint_equal(&t.b.link->endpoint, &here));
	pair_fini(&t);
}

/* Around a rekey: late cells under the old key, in one batch with the first under the new one. */
static void test_keys_overlap(void)
{
	static uint8_t cells[4][CELL_LEN];
	struct link_rx rx[4];
	struct pair t;

	pair_init(&t, 48);
	bring_up(&t);
	for (unsigned round = 0; round < 3; round++) {
		const struct link_key *old = t.b.link->send_key;

		make_cell(&t, &t.a, CELL_DATA_FWD, 3, cells[1]);
		make_cell(&t, &t.a, CELL_LINKCTL, 4, cells[3]);
		pass_time(&t, NS_PER_S);
		peer_want_rekey(t.a.ls, peer_of(t.a.link));
		tick(&t);
		deliver(&t, &t.a);
		deliver(&t, &t.b);
		CHECK(t.b.link->send_key == old); /* no first cell yet */
		CHECK_INT(send_cell(&t, &t.b, CELL_DATA_BWD), DROP_NONE);
		make_cell(&t, &t.a, CELL_LINKCTL, 5, cells[0]);
		make_cell(&t, &t.a, CELL_DATA_FWD, 6, cells[2]);
		for (size_t i = 0; i < 4; i++)
			rx[i] = (struct link_rx){.cell = cells[i], .from = &t.a.endpoint};
		links_open(t.b.ls, rx, 4, &t.now);
		for (size_t i = 0; i < 4; i++)
			CHECK(rx[i].drop == DROP_NONE && rx[i].link == t.b.link);
		CHECK(t.b.link->send_key != old && peer_of(t.b.link)->previous == old);
		CHECK_INT(send_cell(&t, &t.b, CELL_DATA_BWD), DROP_NONE);
	}
	pair_fini(&t);
}

/* Whatever comes late under an old key, it tells nothing new of where the peer is. */
static void test_old_key_says_nothing(void)
{
	const struct endpoint here = endpoint_number(1), there = endpoint_number(50);
	struct pair t;
	uint8_t cell[2][CELL_LEN];

	pair_init(&t, 52);
	bring_up(&t);
	make_cell(&t, &t.a, CELL_DATA_FWD, 3, cell[0]);
	make_cell(&t, &t.b, CELL_DATA_BWD, 3, cell[1]);
	pass_time(&t, 130 * NS_PER_S);
	peer_want_rekey(t.a.ls, peer_of(t.a.link));
	tick(&t);
	pump(&t);
	pass_time(&t, 40 * NS_PER_S);
	CHECK_INT(open_from(&t, cell[0], &there), DROP_NONE);
	CHECK(endpoint_equal(&t.b.link->endpoint, &here));
	CHECK_INT(open_cell(&t, &t.a, cell[1]).drop, DROP_NONE);
	CHECK(links_deadline(t.a.ls) > t.now.mono_ns); /* no rekey for the old key's age */
	pair_fini(&t);
}

/* In the batch that confirms a new key there are cells of the key that it pushes out. */
static void test_key_falls_out_within_a_batch(void)
{
	static uint8_t cells[3][CELL_LEN];
	struct link_rx rx[3];
	struct pair t;

	pair_init(&t, 49);
	bring_up(&t);
	make_cell(&t, &t.a, CELL_DATA_FWD, 1, cells[1]);
	make_cell(&t, &t.a, CELL_COVER, 1, cells[2]);
	pass_time(&t, NS_PER_S);
	peer_want_rekey(t.a.ls, peer_of(t.a.link));
	tick(&t);
	pump(&t); /* that key is the previous one now */
	pass_time(&t, NS_PER_S);
	peer_want_rekey(t.a.ls, peer_of(t.a.link));
	tick(&t);
	deliver(&t, &t.a);
	deliver(&t, &t.b);
	make_cell(&t, &t.a, CELL_COVER, 1, cells[0]);
	for (size_t i = 0; i < 3; i++)
		rx[i] = (struct link_rx){.cell = cells[i], .from = &t.a.endpoint};
	links_open(t.b.ls, rx, 3, &t.now);
	for (size_t i = 0; i < 3; i++)
		CHECK_INT(rx[i].drop, DROP_NONE);
	CHECK(list_is_empty(&t.b.ls->dead_keys));
	CHECK_INT(t.b.ls->by_index.count, 2);
	CHECK_INT(open_cell(&t, &t.b, cells[1]).drop, DROP_NO_LINK);
	pair_fini(&t);
}

/* Three quarters of the counter: either side asks for a new key. */
static void test_rekey_by_counter(void)
{
	struct pair t;

	pair_init(&t, 50);
	bring_up(&t);
	for (unsigned i = 0; i < 2; i++) {
		struct side *s = i == 0 ? &t.a : &t.b;
		const unsigned ups = s->ups;

		pass_time(&t, NS_PER_S);
		s->link->send_key->tx_counter = REKEY_CELLS - 1;
		CHECK_INT(send_cell(&t, s, CELL_DATA_FWD), DROP_NONE);
		CHECK(links_deadline(s->ls) <= t.now.mono_ns);
		tick(&t);
		pump(&t);
		CHECK_INT(s->ups, ups + 1);
		CHECK(s->link->send_key->tx_counter < 10);
		check_works(&t);
	}
	pair_fini(&t);
}

/* Used up before a new key was there: the link stops sending, and goes on with the new key. */
static void test_counter_limit(void)
{
	static uint8_t cells[100 * CELL_LEN];
	static const struct cell_header headers[100];
	struct pair t;
	uint8_t cell[CELL_LEN];

	pair_init(&t, 51);
	bring_up(&t);
	pass_time(&t, NS_PER_S);
	t.a.link->send_key->tx_counter = LINK_COUNTER_MAX - 10;
	for (unsigned i = 0; i < 9; i++)
		CHECK_INT(send_cell(&t, &t.a, CELL_DATA_FWD), DROP_NONE);
	CHECK(is_up(&t.a));
	link_seal(t.a.ls, t.a.link, cells, headers, 100, &t.now);
	CHECK_INT(t.a.link->state, LINK_CONNECTING);
	CHECK(t.a.link->send_key == NULL);
	memcpy(cell, cells, CELL_LEN);
	CHECK_INT(open_cell(&t, &t.b, cell).drop, DROP_NONE); /* the last good one */
	memcpy(cell, cells + CELL_LEN, CELL_LEN);
	CHECK_INT(cell_counter(cell), LINK_COUNTER_MAX);
	CHECK_INT(open_cell(&t, &t.b, cell).drop, DROP_LINK_EXPIRED);
	CHECK_INT(send_cell(&t, &t.b, CELL_DATA_BWD), DROP_NONE); /* still received on */
	tick(&t);
	pump(&t);
	check_works(&t);
	CHECK_INT(t.a.downs, 0);
	pair_fini(&t);
}

int main(void)
{
	if (sodium_init() < 0)
		return EXIT_FAILURE;
	RUN(test_batch);
	RUN(test_every_bit_of_the_front_counts);
	RUN(test_body);
	RUN(test_replayed_and_reordered);
	RUN(test_below_the_window);
	RUN(test_unknown_index);
	RUN(test_roaming);
	RUN(test_init_does_not_roam);
	RUN(test_keys_overlap);
	RUN(test_old_key_says_nothing);
	RUN(test_key_falls_out_within_a_batch);
	RUN(test_rekey_by_counter);
	RUN(test_counter_limit);
	return test_done();
}
