/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Sessions at awkward moments: ends within a batch, answers that cross, restarts, no buffers. */
#include "tests/lib/test.h"
#include "tests/sim/sim.h"

#include "core/path_int.h"

enum {
	NODES = 4,
	CLIENT_A = NODES,
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

/* A packet that leaves together with what the caller asks for next. */
static void send_unpumped(struct sim *s, struct sim_node *c)
{
	const struct session_grant *g = &c->last[EVENT_SESSION_OPEN].grant;
	const struct now now = sim_now(s);
	uint8_t bytes[100] = {0x45, 0, 0, sizeof(bytes)};
	const struct packet p = {.head = bytes, .head_len = sizeof(bytes)};

	memcpy(bytes + 12, g->v4, 4);
	memcpy(bytes + 16, (const uint8_t[]){9, 9, 9, 9}, 4);
	engine_recv_client(c->engine, &p, 1, &now);
}

/* ---- acknowledgements that share cells ---- */

static void send_acks(struct sim *s, struct sim_node *c, unsigned n)
{
	enum {
		LEN = 52,
		MANY = 100,
	};
	const struct session_grant *g = &c->last[EVENT_SESSION_OPEN].grant;
	const struct now now = sim_now(s);
	uint8_t bytes[MANY][LEN];
	struct packet p[MANY];

	memset(bytes, 0, sizeof(bytes));
	for (unsigned i = 0; i < n; i++) {
		uint8_t *b = bytes[i];

		b[0] = 0x45;
		b[3] = LEN;
		b[9] = 6; /* TCP */
		memcpy(b + 12, g->v4, 4);
		memcpy(b + 16, (const uint8_t[]){9, 9, 9, 9}, 4);
		b[32] = 8 << 4;
		b[33] = 0x10; /* ACK */
		p[i] = (struct packet){.head = b, .head_len = LEN};
	}
	engine_recv_client(c->engine, p, n, &now);
	sim_pump(s, c);
}

static void test_acknowledgements_share_cells(void)
{
	struct sim *s = make(14);
	struct sim_node *c = sim_node(s, CLIENT_A);
	uint64_t cells;
	uint32_t path;

	NEED(sim_connect(s, c, route, HOPS, &path));
	sim_run(s, NS_PER_S);
	send_acks(s, c, 1); /* the first one does not wait: three links of 5 ms */
	sim_run(s, 16 * NS_PER_MS);
	CHECK_INT(sim_stats(s, EXIT).exit_rx_packets, 1);
	sim_run(s, NS_PER_S);

	cells = sim_stats(s, 1).fwd_cells;
	for (unsigned i = 0; i < 10; i++) {
		send_acks(s, c, 1);
		sim_run(s, NS_PER_MS / 10);
	}
	sim_run(s, NS_PER_S);
	CHECK_INT(sim_stats(s, EXIT).exit_rx_packets, 11);
	CHECK(sim_stats(s, 1).fwd_cells - cells <= 3); /* one acknowledges the answers */

	cells = sim_stats(s, 1).fwd_cells;
	send_acks(s, c, 1);
	send_acks(s, c, 100); /* more than a cell holds */
	send_unpumped(s, c);  /* and another packet, which takes the last along */
	sim_pump(s, c);
	sim_run(s, NS_PER_S);
	CHECK_INT(sim_stats(s, EXIT).exit_rx_packets, 113);
	CHECK(sim_stats(s, 1).fwd_cells - cells <= 7);
	sim_free(s);
}

/* ---- one batch that both uses a session's path and ends it ---- */

static void test_data_and_close_in_one_batch(void)
{
	struct sim *s = make(1);
	struct sim_node *c = sim_node(s, CLIENT_A);
	uint32_t path;
	struct now now;

	NEED(sim_connect(s, c, route, HOPS, &path));
	now = sim_now(s);
	send_unpumped(s, c);
	engine_session_close(c->engine, c->last[EVENT_SESSION_OPEN].session, &now);
	sim_pump(s, c);
	sim_run(s, NS_PER_S);
	CHECK_INT(sim_stats(s, EXIT).exit_rx_packets, 1);
	CHECK_INT(sim_stats(s, EXIT).sessions, 0);
	CHECK_INT(sim_drops(s, EXIT, DROP_SESSION_TAG), 0);
	sim_free(s);
}

static void test_data_and_attach_in_one_batch(void)
{
	struct sim *s = make(2);
	struct sim_node *c = sim_node(s, CLIENT_A);
	uint32_t path;
	struct now now;

	NEED(sim_connect(s, c, route, HOPS, &path));
	now = sim_now(s);
	send_unpumped(s, c);
	engine_session_attach(c->engine, c->last[EVENT_SESSION_OPEN].session, path, &now);
	sim_pump(s, c);
	sim_run(s, NS_PER_S);
	CHECK_INT(sim_stats(s, EXIT).exit_rx_packets, 1);
	CHECK_INT(sim_drops(s, EXIT, DROP_SESSION_TAG), 0);
	CHECK_INT(c->seen[EVENT_PATH_ATTACHED], 2);
	sim_free(s);
}

static void spoil_all_but_first(void *ctx, unsigned from, unsigned to, uint8_t *data, size_t *len)
{
	unsigned *count = ctx;

	if (from == 1 && to == EXIT && *len == CELL_LEN && (*count)++ > 0)
		data[CELL_LEN - 1] ^= 1;
}

static void test_data_and_too_many_bad_tags_in_one_batch(void)
{
	struct sim *s = make(3);
	struct sim_node *c = sim_node(s, CLIENT_A);
	unsigned count = 0;
	uint32_t path;

	NEED(sim_connect(s, c, route, HOPS, &path));
	sim_run(s, NS_PER_S);
	sim_tap(s, spoil_all_but_first, &count);
	for (unsigned i = 0; i < 20; i++)
		send_unpumped(s, c);
	sim_pump(s, c);
	sim_run(s, NS_PER_S);
	sim_tap(s, NULL, NULL);
	CHECK_INT(sim_stats(s, EXIT).exit_rx_packets, 1);
	CHECK_INT(sim_drops(s, EXIT, DROP_ONION_TAG), 19); /* the batch was opened as a whole */
	CHECK_INT(c->seen[EVENT_PATH_CLOSED], 1);
	CHECK_INT(sim_drops(s, EXIT, DROP_SESSION_TAG), 0);
	sim_free(s);
}

/* ---- questions asked twice ---- */

static void test_questions_may_be_repeated(void)
{
	struct sim *s = make(4);
	struct sim_node *c = sim_node(s, CLIENT_A);
	const struct path_spec spec = sim_spec(s, route, HOPS);
	struct now now = sim_now(s);
	uint32_t path = engine_path_build(c->engine, &spec, &now);

	sim_pump(s, c);
	sim_run(s, NS_PER_S);
	NEED(c->seen[EVENT_PATH_OPEN] == 1);
	for (unsigned i = 0; i < 3; i++) { /* an impatient client: the answers are on their way */
		now = sim_now(s);
		engine_session_open(c->engine, path, &now);
		sim_pump(s, c);
		sim_run(s, NS_PER_MS);
	}
	sim_run(s, NS_PER_S);
	CHECK_INT(c->seen[EVENT_SESSION_FAILED], 0);
	CHECK_INT(c->seen[EVENT_SESSION_OPEN], 3); /* each is another one */
	for (unsigned i = 0; i < 3; i++) {
		now = sim_now(s);
		engine_session_attach(c->engine, c->last[EVENT_SESSION_OPEN].session, path, &now);
		sim_pump(s, c);
		sim_run(s, NS_PER_MS);
	}
	sim_run(s, NS_PER_S);
	CHECK_INT(c->seen[EVENT_PATH_ATTACH_FAILED], 0);
	CHECK_INT(c->seen[EVENT_PATH_ATTACHED], 1);
	sim_use(s, c, path);
	send_many(s, c, 10, 500);
	CHECK_INT(c->packets, 10);
	sim_free(s);
}

/* ---- nodes that restart ---- */

static bool is_closed(void *ctx)
{
	return ((const struct sim_node *)ctx)->seen[EVENT_PATH_CLOSED] > 0;
}

static void keep_asking(struct sim *s, struct sim_node *c, unsigned seconds)
{
	for (unsigned i = 0; i < seconds * 10 && !is_closed(c); i++) {
		sim_send(s, c, 200, i);
		sim_run_until(s, NS_PER_S / 10, is_closed, c);
	}
}

/* The exit has forgotten links, circuits and sessions.  The client learns each, in this order. */
static void test_exit_restart(void)
{
	struct sim *s = make(20);
	struct sim_node *c = sim_node(s, CLIENT_A);
	const struct path_spec spec = sim_spec(s, route, HOPS);
	uint32_t path;
	struct now now;

	NEED(sim_connect(s, c, route, HOPS, &path));
	send_many(s, c, 10, 500);
	sim_restart(s, EXIT);
	keep_asking(s, c, 15);
	NEED(is_closed(c));
	sim_run(s, NS_PER_S); /* for the hop before it to find its feet */
	now = sim_now(s);
	path = engine_path_build(c->engine, &spec, &now);
	sim_pump(s, c);
	sim_run(s, 2 * NS_PER_S);
	NEED(c->seen[EVENT_PATH_OPEN] == 2);
	now = sim_now(s);
	engine_session_attach(c->engine, c->last[EVENT_SESSION_OPEN].session, path, &now);
	sim_pump(s, c);
	sim_run(s, NS_PER_S);
	CHECK_INT(c->seen[EVENT_PATH_ATTACH_FAILED], 1);
	CHECK_INT(c->last[EVENT_PATH_ATTACH_FAILED].control, CONTROL_UNKNOWN);
	c->packets = 0;
	NEED(sim_connect(s, c, route, HOPS, &path));
	send_many(s, c, 10, 500);
	CHECK_INT(c->packets, 10);
	sim_free(s);
}

static void test_entry_restart(void)
{
	struct sim *s = make(21);
	struct sim_node *c = sim_node(s, CLIENT_A);
	uint32_t path;

	NEED(sim_connect(s, c, route, HOPS, &path));
	send_many(s, c, 10, 500);
	sim_restart(s, 0);
	keep_asking(s, c, 15);
	NEED(is_closed(c));
	sim_run(s, NS_PER_S);
	c->packets = 0;
	NEED(sim_attach(s, c, route, HOPS, &path)); /* same session: the exit did not restart */
	sim_use(s, c, path);
	send_many(s, c, 10, 500);
	CHECK_INT(c->packets, 10);
	sim_free(s);
}

/* The path in use ends, and the client has not spoken on its other one yet: packets find it. */
static void test_packets_find_the_other_path(void)
{
	static const unsigned other[] = {0, 3, EXIT};
	struct sim *s = make(22);
	struct sim_node *c = sim_node(s, CLIENT_A), *x = sim_node(s, EXIT);
	uint8_t bytes[100] = {0x45, 0, 0, sizeof(bytes)};
	const struct packet p = {.head = bytes, .head_len = sizeof(bytes)};
	uint32_t path, second;
	struct now now;

	NEED(sim_connect(s, c, route, HOPS, &path));
	NEED(sim_attach(s, c, other, HOPS, &second));
	send_many(s, c, 10, 500);
	now = sim_now(s);
	engine_path_close(c->engine, path, &now);
	sim_pump(s, c);
	sim_run(s, NS_PER_S);
	memcpy(bytes + 12, (const uint8_t[]){9, 9, 9, 9}, 4);
	memcpy(bytes + 16, c->last[EVENT_SESSION_OPEN].grant.v4, 4);
	now = sim_now(s);
	engine_recv_exit(x->engine, &p, 1, &now);
	sim_pump(s, x);
	sim_run(s, NS_PER_S);
	CHECK_INT(c->packets, 11);
	sim_free(s);
}

/* ---- small things ---- */

static void test_congestion_marks_reach_the_sender(void)
{
	struct sim *s = make(70);
	struct sim_node *c = sim_node(s, CLIENT_A);
	struct path *p;
	uint32_t path;

	NEED(sim_connect(s, c, route, HOPS, &path));
	sim_wire(s, 0, 1)->ce_per_1000 = 1000;
	send_many(s, c, 50, 500);
	sim_wire(s, 0, 1)->ce_per_1000 = 0;
	p = path_by_id(c->engine, path);
	CHECK_INT(c->packets, 50);
	CHECK(p->session.acked_ce >= 50); /* the exit says so in its acknowledgements */
	CHECK_INT(p->session.total_ce, 0);
	sim_wire(s, 1, 0)->ce_per_1000 = 1000;
	send_many(s, c, 50, 500);
	CHECK(p->session.total_ce >= 50);
	sim_free(s);
}

/* No buffers, and an acknowledgement due: the engine waits instead of asking again at once. */
static void test_no_buffers_is_no_spin(void)
{
	struct sim *s = sim_create(&(struct sim_params){.nodes = NODES,
							.clients = 2,
							.seed = 71,
							.batches = 4,
							.wire = {.delay_ns = NS_PER_MS}});
	struct sim_node *c = sim_node(s, CLIENT_A);
	struct tx_batch *held[8];
	unsigned n = 0;
	uint32_t path;
	struct now now;

	NEED(sim_connect(s, c, route, HOPS, &path));
	sim_send(s, c, 500, 1);
	sim_run(s, 5 * NS_PER_MS); /* its way there */
	now = sim_now(s);
	while (n < ARRAY_LEN(held)) { /* the sockets take nothing */
		engine_path_echo(c->engine, path, 1, &now);
		held[n] = engine_take_batches(c->engine);
		if (held[n] == NULL)
			break;
		n++;
	}
	CHECK_INT(n, 4);
	sim_run(s, NS_PER_S); /* ends the program if the engine spins */
	CHECK_INT(c->packets, 1);
	while (n-- > 0)
		engine_return_batch(c->engine, held[n]);
	send_many(s, c, 10, 500);
	CHECK_INT(c->packets, 11);
	sim_free(s);
}

static bool open_session(struct sim *s, struct sim_node *c, uint32_t path)
{
	const struct now now = sim_now(s);
	const unsigned before = c->seen[EVENT_SESSION_OPEN];

	engine_session_open(c->engine, path, &now);
	sim_pump(s, c);
	sim_run(s, NS_PER_S);
	return c->seen[EVENT_SESSION_OPEN] > before;
}

/* Sessions without a path wait for their clients as long as there is room; with one they stay. */
static void test_full_exit(void)
{
	struct sim *s = sim_create(&(struct sim_params){
	    .nodes = NODES, .clients = 2, .seed = 11, .batches = 64, .exit_sessions = 2});
	struct sim_node *a = sim_node(s, CLIENT_A), *b = sim_node(s, CLIENT_A + 1);
	uint32_t path_a, path_b, other;

	NEED(sim_connect(s, a, route, HOPS, &path_a));
	NEED(sim_connect(s, b, route, HOPS, &path_b));
	send_many(s, a, 10, 100);
	CHECK_INT(a->packets, 10);
	CHECK(!open_session(s, a, path_a)); /* both have a path */
	b->is_dead = true;
	sim_run(s, 300 * NS_PER_S); /* its circuits end, its session waits */
	CHECK_INT(sim_stats(s, EXIT).sessions, 2);
	NEED(sim_connect(s, a, route, HOPS, &other));
	CHECK_INT(sim_stats(s, EXIT).sessions, 2);
	sim_free(s);
}

static void test_exit_without_ipv4(void)
{
	static const uint8_t zero[16];
	struct sim *s = sim_create(&(struct sim_params){.nodes = NODES,
							.clients = 2,
							.seed = 72,
							.is_v6_only = true,
							.wire = {.delay_ns = NS_PER_MS}});
	struct sim_node *c = sim_node(s, CLIENT_A);
	const struct session_grant *g = &c->last[EVENT_SESSION_OPEN].grant;
	uint32_t path;

	NEED(sim_connect(s, c, route, HOPS, &path));
	CHECK_MEM(g->v4, zero, 4);
	CHECK_MEM(g->dns_v4, zero, 4);
	CHECK(memcmp(g->v6, zero, 16) != 0);
	CHECK(memcmp(g->dns_v6, zero, 16) != 0);
	send_many(s, c, 10, 500); /* IPv4, from 0.0.0.0 */
	CHECK_INT(sim_drops(s, CLIENT_A, DROP_SOURCE), 10);
	CHECK_INT(c->packets, 0);
	sim_free(s);
}

int main(void)
{
	RUN(test_acknowledgements_share_cells);
	RUN(test_data_and_close_in_one_batch);
	RUN(test_data_and_attach_in_one_batch);
	RUN(test_data_and_too_many_bad_tags_in_one_batch);
	RUN(test_questions_may_be_repeated);
	RUN(test_exit_restart);
	RUN(test_entry_restart);
	RUN(test_packets_find_the_other_path);
	RUN(test_congestion_marks_reach_the_sender);
	RUN(test_no_buffers_is_no_spin);
	RUN(test_full_exit);
	RUN(test_exit_without_ipv4);
	return test_done();
}
