/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Hostile clients, hops, exits and neighbours: they have keys, and no scruples. */
#include "tests/lib/test.h"
#include "tests/sim/forge.h"
#include "tests/sim/sim.h"

enum {
	NODES = 4,
	CLIENT_A = NODES,
	CLIENT_B,
	HOPS = 3,
	EXIT = HOPS - 1,
};

static const unsigned route[HOPS] = {0, 1, 2};

static struct sim *make(uint64_t seed)
{
	return sim_create(&(struct sim_params){.nodes = NODES,
					       .clients = 2,
					       .seed = seed,
					       .batches = 64,
					       .wire = {.delay_ns = 5 * NS_PER_MS}});
}

static void send_many(struct sim *s, struct sim_node *c, unsigned n, size_t len)
{
	for (unsigned i = 0; i < n; i++) {
		sim_send(s, c, len, i);
		sim_run(s, NS_PER_MS);
	}
	sim_run(s, NS_PER_S / 2);
}

/* ---- other people's sessions ---- */

static void ask_exit(struct sim *s, struct sim_node *c, uint32_t path, enum control_type type,
		     const uint8_t *body, size_t len)
{
	const struct now now = sim_now(s);

	CHECK(path_ask(c->engine, path_by_id(c->engine, path), HOPS, NULL, type, body, len, NULL,
		       &now));
	engine_finish(c->engine, &now);
	sim_pump(s, c);
	sim_run(s, NS_PER_S / 10);
}

static void test_session_of_another(void)
{
	struct sim *s = make(10);
	struct sim_node *a = sim_node(s, CLIENT_A), *b = sim_node(s, CLIENT_B);
	struct attach at = {.path_id = 1000, .weight = 1};
	uint8_t body[64];
	uint32_t path_a, path_b;
	size_t len;

	NEED(sim_connect(s, a, route, HOPS, &path_a));
	NEED(sim_connect(s, b, route, HOPS, &path_b));
	NEED(memcmp(a->last[EVENT_SESSION_OPEN].grant.v4, b->last[EVENT_SESSION_OPEN].grant.v4,
		    4) != 0);
	/* B has learnt A's session id, say from a log. */
	memcpy(at.sid, a->last[EVENT_SESSION_OPEN].grant.sid, sizeof(at.sid));
	for (unsigned i = 0; i < 20; i++) {
		rng_fill(sim_rng(s), at.binder, sizeof(at.binder));
		at.path_id++;
		len = attach_encode(&at, body);
		ask_exit(s, b, path_b, CONTROL_ATTACH, body, len);
	}
	CHECK_INT(sim_drops(s, CLIENT_B, DROP_CONTROL), 20); /* refused: B awaited no answer */
	memcpy(body, at.sid, sizeof(at.sid));
	rng_fill(sim_rng(s), body + SESSION_ID_LEN, MAC_LEN);
	ask_exit(s, b, path_b, CONTROL_SESS_CLOSE, body, SESSION_ID_LEN + MAC_LEN);
	CHECK_INT(sim_drops(s, EXIT, DROP_CONTROL), 1);
	CHECK_INT(sim_stats(s, EXIT).sessions, 2);
	send_many(s, a, 50, 500);
	send_many(s, b, 50, 500);
	CHECK_INT(a->packets, 50);
	CHECK_INT(b->packets, 50);
	sim_free(s);
}

/* B's packets with A's address: the exit drops them, and nothing comes to A. */
static void test_inner_address_of_another(void)
{
	struct sim *s = make(11);
	struct sim_node *a = sim_node(s, CLIENT_A), *b = sim_node(s, CLIENT_B);
	uint32_t path;

	NEED(sim_connect(s, a, route, HOPS, &path));
	NEED(sim_connect(s, b, route, HOPS, &path));
	forge_address(b, b->last[EVENT_SESSION_OPEN].grant.v4[3] ^
			     a->last[EVENT_SESSION_OPEN].grant.v4[3]);
	send_many(s, b, 50, 500);
	CHECK_INT(sim_drops(s, EXIT, DROP_SOURCE), 50);
	CHECK_INT(a->packets + b->packets, 0);
	sim_free(s);
}

static void test_session_flood_on_one_circuit(void)
{
	struct sim *s = make(12);
	struct sim_node *a = sim_node(s, CLIENT_A), *b = sim_node(s, CLIENT_B);
	uint32_t path;

	NEED(sim_connect(s, a, route, HOPS, &path));
	for (unsigned i = 0; i < 200; i++) {
		const struct now now = sim_now(s);

		engine_session_close(a->engine, engine_session_open(a->engine, path, &now), &now);
		sim_pump(s, a);
		sim_run(s, 50 * NS_PER_MS);
	}
	printf("# one circuit asked for 200 sessions and has %u\n", sim_stats(s, EXIT).sessions);
	CHECK(sim_stats(s, EXIT).sessions <= 8);
	NEED(sim_connect(s, b, route, HOPS, &path));
	send_many(s, b, 10, 500);
	CHECK_INT(b->packets, 10);
	sim_free(s);
}

/* ---- hops that misbehave ---- */

static uint64_t bwd_cells(struct sim *s, unsigned node)
{
	return sim_stats(s, node).bwd_cells;
}

/* A next hop repeats and invents counters: never are two bodies sealed under one nonce. */
static void test_next_hop_repeats_backward_counters(void)
{
	struct sim *s = make(30);
	struct sim_node *c = sim_node(s, CLIENT_A);
	struct engine *e;
	struct circuit *circuit;
	struct relay_cell twice[4];
	uint8_t cell[4][CELL_LEN];
	const uint64_t b = 123456;
	struct now now;
	uint32_t path;

	NEED(sim_connect(s, c, route, HOPS, &path));
	e = sim_node(s, 1)->engine;
	circuit = forge_first_circuit(e);
	NEED(circuit != NULL);
	now = sim_now(s);
	memset(&circuit->bwd_window, 0, sizeof(circuit->bwd_window)); /* as before the first cell */
	for (unsigned i = 0; i < 4; i++) {
		rng_fill(sim_rng(s), cell[i], CELL_LEN);
		twice[i] = (struct relay_cell){
		    circuit, cell[i], {.seq = b + i / 2, .kind = CELL_DATA_BWD}};
	}
	const uint64_t before = bwd_cells(s, 1);

	relay_backward(e, twice, 4, &now); /* in one batch: b, b, b + 1, b + 1 */
	CHECK_INT(bwd_cells(s, 1) - before, 2);
	CHECK_INT(sim_drops(s, 1, DROP_REPLAY), 2);
	relay_backward(e, twice, 4, &now); /* and again */
	CHECK_INT(bwd_cells(s, 1) - before, 2);
	CHECK_INT(sim_drops(s, 1, DROP_REPLAY), 6);
	twice[0].header.seq = b + 64 * CIRCUIT_WINDOW_WORDS; /* the window moves on ... */
	relay_backward(e, twice, 1, &now);
	twice[0].header.seq = b - 1; /* ... and below it nothing is taken */
	relay_backward(e, twice, 1, &now);
	CHECK_INT(bwd_cells(s, 1) - before, 3);
	CHECK_INT(sim_drops(s, 1, DROP_REPLAY), 7);
	/* An answer to a question that this hop itself has answered: one window for both. */
	const uint64_t reply = SEQ_CONTROL_BIT + 3 * (1ull << 45) + 7;
	uint8_t text[2] = {CONTROL_ECHO, CONTROL_OK};

	relay_answer(e, circuit, reply, text, sizeof(text));
	twice[0].header.seq = (reply - circuit->epsilon) & SEQ_MASK;
	relay_backward(e, twice, 1, &now);
	CHECK_INT(bwd_cells(s, 1) - before, 4);
	CHECK_INT(sim_drops(s, 1, DROP_REPLAY), 8);
	engine_finish(e, &now);
	sim_pump(s, sim_node(s, 1));
	sim_run(s, NS_PER_S);
	CHECK(sim_drops(s, CLIENT_A, DROP_PROOF) >= 3); /* and the client believes none of it */
	CHECK_INT(c->packets, 0);
	sim_free(s);
}

/* ---- hostile session cells ---- */

static void send_text(struct sim *s, struct sim_node *c, uint32_t path, const uint8_t *bytes,
		      size_t len)
{
	const struct now now = sim_now(s);

	CHECK(forge_client_text(c->engine, path, bytes, len, &now));
	sim_pump(s, c);
	sim_run(s, NS_PER_S / 10);
}

static void answer_text(struct sim *s, const uint8_t *bytes, size_t len)
{
	const struct now now = sim_now(s);

	CHECK(forge_exit_text(sim_node(s, EXIT)->engine, bytes, len, &now));
	sim_pump(s, sim_node(s, EXIT));
	sim_run(s, NS_PER_S / 10);
}

struct hostile_text {
	const char *what;
	size_t len;
	enum drop want;
	uint8_t bytes[80];
};

#define HEAD(type, len) ((type) << 11 | (len)) & 0xff, ((type) << 11 | (len)) >> 8

static const struct hostile_text hostile_texts[] = {
    {"frame longer than the cell", 2, DROP_FRAME, {0xff, 0x0f}},
    {"unknown frame, then the end", 6, DROP_FRAME, {HEAD(31, 2), 0, 0, 0, 0}},
    {"empty packet", 2, DROP_PACKET, {HEAD(FRAME_PACKET, 0)}},
    {"one byte of a packet", 3, DROP_PACKET, {HEAD(FRAME_PACKET, 1), 0x45}},
    {"packet of IP version 5", 22, DROP_PACKET, {HEAD(FRAME_PACKET, 20), 0x55, 0, 0, 20}},
    {"packet longer than its frame", 22, DROP_PACKET, {HEAD(FRAME_PACKET, 20), 0x45, 0, 0, 21}},
    {"packet shorter than its frame", 22, DROP_PACKET, {HEAD(FRAME_PACKET, 20), 0x45, 0, 0, 19}},
    {"header longer than the packet", 22, DROP_PACKET, {HEAD(FRAME_PACKET, 20), 0x46, 0, 0, 20}},
    {"IPv6 without its header", 24, DROP_PACKET, {HEAD(FRAME_PACKET, 22), 0x60}},
    {"somebody's source", 22, DROP_SOURCE, {HEAD(FRAME_PACKET, 20), 0x45, 0, 0, 20}},
    {"PACK of no length", 2, DROP_FRAME, {HEAD(FRAME_PACK, 0)}},
    {"PACK without ranges", 29, DROP_FRAME, {HEAD(FRAME_PACK, 27)}},
    {"PACK with an empty range", 33, DROP_FRAME, {HEAD(FRAME_PACK, 31), [20] = 1}},
    {"PACK of more than was sent",
     33,
     DROP_FRAME,
     {HEAD(FRAME_PACK, 31), [9] = 1, [20] = 1, [23] = 1}},
};

static void test_hostile_client_cells(void)
{
	struct sim *s = make(40);
	struct sim_node *c = sim_node(s, CLIENT_A);
	uint32_t path;

	NEED(sim_connect(s, c, route, HOPS, &path));
	for (size_t i = 0; i < ARRAY_LEN(hostile_texts); i++) {
		const struct hostile_text *t = &hostile_texts[i];
		const uint64_t before = sim_drops(s, EXIT, t->want);

		send_text(s, c, path, t->bytes, t->len);
		if (sim_drops(s, EXIT, t->want) != before + 1)
			printf("# %s\n", t->what);
		CHECK_INT(sim_drops(s, EXIT, t->want), before + 1);
	}
	CHECK_INT(sim_stats(s, EXIT).exit_rx_packets, 0);
	send_many(s, c, 10, 500);
	CHECK_INT(c->packets, 10);
	sim_free(s);
}

static void test_hostile_exit_cells(void)
{
	struct sim *s = make(41);
	struct sim_node *c = sim_node(s, CLIENT_A);
	uint32_t path;

	NEED(sim_connect(s, c, route, HOPS, &path));
	for (size_t i = 0; i < ARRAY_LEN(hostile_texts); i++) {
		const struct hostile_text *t = &hostile_texts[i];
		const uint64_t before = sim_drops(s, CLIENT_A, t->want);

		answer_text(s, t->bytes, t->len);
		if (sim_drops(s, CLIENT_A, t->want) != before + 1)
			printf("# %s\n", t->what);
		CHECK_INT(sim_drops(s, CLIENT_A, t->want), before + 1);
	}
	CHECK_INT(sim_stats(s, CLIENT_A).client_rx_packets, 0);
	send_many(s, c, 10, 500);
	CHECK_INT(c->packets, 10);
	sim_free(s);
}

/* An exit that acknowledges cells it did not open: the client cannot be told otherwise. */
static void test_exit_invents_acknowledgements(void)
{
	struct sim *s = make(42);
	struct sim_node *c = sim_node(s, CLIENT_A);
	struct path_stats ps;
	struct path *p;
	struct pack pack = {.total = 1, .count = 1, .range = {{.run = 1}}};
	uint8_t text[2 + PACK_LEN(1)];
	uint32_t path;

	NEED(sim_connect(s, c, route, HOPS, &path));
	p = path_by_id(c->engine, path);
	sim_wire(s, 1, EXIT)->is_down = true; /* what it did not get it cannot prove */
	sim_send(s, c, 500, 1);
	pack.first = path_seq_at(p, HOPS, p->seq_next - 1);
	frame_put_head(text, FRAME_PACK, PACK_LEN(1));
	pack_encode(&pack, text + 2);
	answer_text(s, text, sizeof(text));
	NEED(engine_path_stats(c->engine, path, &ps));
	CHECK_INT(ps.proofs_failed, 1);
	CHECK_INT(ps.proofs_ok, 0);
	CHECK_INT(sim_drops(s, CLIENT_A, DROP_PROOF), 1);
	sim_free(s);
}

/* ---- hostile neighbours and clients, outside of circuits ---- */

/* Anybody may send messages between neighbours; they must not push other events out. */
static void test_message_flood_loses_no_events(void)
{
	struct sim *s = make(50);
	struct sim_node *a = sim_node(s, CLIENT_A), *b = sim_node(s, CLIENT_B);
	const struct path_spec spec = sim_spec(s, route, 1);
	uint8_t body[CELL_BODY_LEN] = {1};
	struct now now = sim_now(s);
	uint32_t link = engine_link(a->engine, sim_node(s, 0)->link_key.public,
				    &sim_node(s, 0)->endpoint, &now);

	NEED(link != 0);
	sim_pump(s, a);
	sim_run(s, NS_PER_S);
	for (unsigned round = 0; round < 10; round++) {
		/* What the flooder sends in one instant arrives before what B does. */
		for (unsigned i = 0; i < 40; i++)
			engine_link_send(a->engine, link, body, &now);
		sim_pump(s, a);
		for (unsigned i = 0; i < 40; i++)
			engine_link_send(a->engine, link, body, &now);
		sim_pump(s, a);
		for (unsigned i = 0; i < 40; i++)
			engine_link_send(a->engine, link, body, &now);
		sim_pump(s, a);
		now = sim_now(s);
		engine_path_build(b->engine, &spec, &now);
		sim_pump(s, b);
		sim_run(s, NS_PER_S);
	}
	for (unsigned i = 0; i < NODES; i++)
		CHECK_INT(sim_stats(s, i).events_lost, 0);
	CHECK(sim_node(s, 0)->seen[EVENT_LINK_MESSAGE] > 600);
	CHECK_INT(b->seen[EVENT_PATH_OPEN], 10);
	sim_free(s);
}

/* The event ring itself, without anybody who empties it. */
static void test_messages_leave_room_for_events(void)
{
	struct sim *s = make(51);
	struct engine *e = sim_node(s, 0)->engine;
	struct sim_node *b = sim_node(s, CLIENT_B);
	const struct now now = sim_now(s);
	const uint8_t body[CELL_BODY_LEN] = {1};
	unsigned ups = 0, messages = 0;
	struct engine_event ev;
	struct link *l;

	engine_link(b->engine, sim_node(s, 0)->link_key.public, &sim_node(s, 0)->endpoint, &now);
	sim_pump(s, b);
	sim_run(s, NS_PER_S);
	l = links_get(e->links, b->link_key.public, NULL);
	engine_event(e, EVENT_LINK_UP);
	for (unsigned i = 0; i < 4 * EVENT_RING; i++)
		neighbour_message(e, neighbour_of(e, l), body, &now);
	while (engine_next_event(e, &ev)) {
		ups += ev.type == EVENT_LINK_UP;
		messages += ev.type == EVENT_LINK_MESSAGE;
	}
	CHECK_INT(ups, 1);
	CHECK_INT(messages, EVENT_RING / 2 - 1);
	CHECK_INT(sim_drops(s, 0, DROP_NO_BUFFER), 4 * EVENT_RING - messages);
	sim_free(s);
}

struct victim {
	unsigned index;
	uint64_t datagrams;
};

static void count_to_victim(void *ctx, unsigned from, unsigned to, uint8_t *data, size_t *len)
{
	struct victim *v = ctx;

	(void)from;
	(void)data;
	(void)len;
	v->datagrams += to == v->index;
}

/* A client must not make nodes call an address of its choice, nor spoil their links with it. */
static void test_next_hop_is_called_where_it_says(void)
{
	struct sim *s = make(60);
	struct sim_node *a = sim_node(s, CLIENT_A), *b = sim_node(s, CLIENT_B);
	struct path_spec spec = sim_spec(s, route, HOPS);
	struct victim v = {.index = 3};
	struct now now = sim_now(s);
	uint32_t path;

	spec.hop[1].addr = sim_node(s, 3)->endpoint; /* the victim's, not node 1's */
	sim_tap(s, count_to_victim, &v);
	NEED(engine_path_build(a->engine, &spec, &now) != 0);
	sim_pump(s, a);
	sim_run(s, 2 * NS_PER_S);
	CHECK_INT(v.datagrams, 0);
	sim_tap(s, NULL, NULL);
	NEED(sim_connect(s, b, route, HOPS, &path));
	send_many(s, b, 10, 500);
	CHECK_INT(b->packets, 10);
	sim_free(s);
}

int main(void)
{
	RUN(test_session_of_another);
	RUN(test_inner_address_of_another);
	RUN(test_session_flood_on_one_circuit);
	RUN(test_next_hop_repeats_backward_counters);
	RUN(test_hostile_client_cells);
	RUN(test_hostile_exit_cells);
	RUN(test_exit_invents_acknowledgements);
	RUN(test_message_flood_loses_no_events);
	RUN(test_messages_leave_room_for_events);
	RUN(test_next_hop_is_called_where_it_says);
	return test_done();
}
