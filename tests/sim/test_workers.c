/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Nodes whose links are shared out among several engines. */
#include "tests/lib/test.h"
#include "tests/sim/sim.h"

#include "core/engine_int.h"

enum {
	WORKERS = 2,
	NODES = 4 * WORKERS, /* engines */
	ENTRY = 0,
	RELAY_A = WORKERS,
	RELAY_B = 2 * WORKERS,
	EXIT = 3 * WORKERS,
	CLIENTS = 12,
	HOPS = 3,
	PACKETS = 20,
};

static const unsigned route_a[HOPS] = {ENTRY, RELAY_A, EXIT};
static const unsigned route_b[HOPS] = {ENTRY, RELAY_B, EXIT};
static const unsigned exit_only[] = {EXIT};

static struct sim *make(uint64_t seed)
{
	return sim_create(&(struct sim_params){.nodes = NODES,
					       .clients = CLIENTS,
					       .workers = WORKERS,
					       .seed = seed,
					       .batches = 64,
					       .wire = {.delay_ns = 5 * NS_PER_MS}});
}

static void exchange(struct sim *s, struct sim_node *c)
{
	c->packets = 0;
	for (unsigned i = 0; i < PACKETS; i++) {
		sim_send(s, c, 800, i);
		sim_run(s, NS_PER_MS);
	}
	sim_run(s, NS_PER_S / 2);
	CHECK_INT(c->packets, PACKETS);
	CHECK_INT(c->bad_packets, 0);
}

static uint64_t work_of(struct sim *s, unsigned i)
{
	const struct engine_stats st = sim_stats(s, i);

	return st.fwd_cells + st.exit_rx_packets;
}

static void test_all_workers_carry(void)
{
	struct sim *s = make(1);
	uint32_t path;

	for (unsigned i = 0; i < CLIENTS; i++) {
		struct sim_node *c = sim_node(s, NODES + i);

		NEED(sim_connect(s, c, i % 2 == 0 ? route_a : route_b, HOPS, &path));
		exchange(s, c);
	}
	for (unsigned i = 0; i < NODES; i++)
		CHECK(work_of(s, i) >= PACKETS);
	CHECK_INT(sim_drops(s, SIM_ALL, DROP_NO_LINK) + sim_drops(s, SIM_ALL, DROP_HANDSHAKE), 0);
	sim_free(s);
}

/* A session's circuits come through different relays, and yet meet in one engine of the exit. */
static void test_paths_of_a_session_meet(void)
{
	struct sim *s = make(2);

	for (unsigned i = 0; i < CLIENTS; i++) {
		struct sim_node *c = sim_node(s, NODES + i);
		uint32_t a, b, direct;

		NEED(sim_connect(s, c, route_a, HOPS, &a));
		exchange(s, c);
		CHECK(sim_attach(s, c, route_b, HOPS, &b));
		sim_use(s, c, b);
		exchange(s, c);
		CHECK(sim_attach(s, c, exit_only, 1, &direct));
		sim_use(s, c, direct);
		exchange(s, c);
	}
	CHECK_INT(sim_stats(s, EXIT).sessions + sim_stats(s, EXIT + 1).sessions, CLIENTS);
	CHECK(sim_stats(s, EXIT).sessions > 0 && sim_stats(s, EXIT + 1).sessions > 0);
	sim_free(s);
}

/* Links to all workers of a restarted peer come back by themselves. */
static void test_restart_of_a_peer(void)
{
	struct sim *s = make(3);
	uint32_t path;

	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < CLIENTS; i++) {
			NEED(sim_connect(s, sim_node(s, NODES + i), route_a, HOPS, &path));
			exchange(s, sim_node(s, NODES + i));
		}
		for (unsigned w = 0; w < WORKERS; w++)
			sim_restart(s, RELAY_A + w);
		sim_run(s, 20 * NS_PER_S);
	}
	sim_free(s);
}

/* ---- a CREATE that was seen by one engine is refused by the others ---- */

static void make_create(struct sim *s, uint8_t body[static CELL_BODY_LEN])
{
	const struct path_spec spec = sim_spec(s, route_a, HOPS);
	struct create_client cc;
	const struct now now = sim_now(s);

	CHECK_INT(create_build(&cc, spec.hop, spec.n, &now, 700, sim_rng(s), body), 0);
	create_wipe(&cc);
}

static void send_create(struct sim *s, struct sim_node *c, uint8_t wish, uint32_t circ_id,
			const uint8_t *body)
{
	const struct sim_node *entry = sim_node(s, ENTRY);
	struct now now = sim_now(s);
	struct link *l =
	    links_get_shard(c->engine->links, entry->link_key.public, wish, &entry->endpoint);
	struct neighbour *nb = neighbour_of(c->engine, l);

	link_connect(c->engine->links, l, &now);
	engine_finish(c->engine, &now);
	sim_pump(s, c);
	sim_run(s, NS_PER_S / 10);
	now = sim_now(s);
	circ_id |= l->circ_id_high ? 1u << 31 : 0;
	CHECK(neighbour_send(c->engine, nb,
			     (struct cell_header){.circ_id = circ_id, .kind = CELL_CREATE}, body,
			     CELL_BODY_LEN));
	engine_finish(c->engine, &now);
	sim_pump(s, c);
	sim_run(s, NS_PER_S);
}

static void test_replayed_create_at_another_worker(void)
{
	struct sim *s = make(4);
	struct sim_node *c = sim_node(s, NODES);
	uint8_t body[CELL_BODY_LEN];

	make_create(s, body);
	send_create(s, c, SHARD_WISH | 0, 7, body);
	CHECK_INT(sim_stats(s, ENTRY).creates_ok, 1);
	send_create(s, c, SHARD_WISH | 1, 7, body);
	CHECK_INT(sim_stats(s, ENTRY + 1).creates_ok, 0);
	CHECK_INT(sim_drops(s, ENTRY + 1, DROP_CREATE), 1);
	sim_free(s);
}

/* ---- messages of the mesh on links of other engines ---- */

struct passed {
	uint64_t to;
	uint8_t first;
	unsigned count;
};

static struct passed passed;

static void note_passed(void *ctx, const struct engine_message *m)
{
	(void)ctx;
	passed = (struct passed){m->to, m->body[0], passed.count + 1};
}

static void with_pass(struct sim_node *n, struct engine_params *p, struct exit_params *exit,
		      void *ctx)
{
	(void)n, (void)exit, (void)ctx;
	p->world.pass_message = note_passed;
}

static void test_messages_find_the_engine(void)
{
	struct sim *s = sim_create(&(struct sim_params){.nodes = NODES,
							.workers = WORKERS,
							.seed = 5,
							.wire = {.delay_ns = NS_PER_MS},
							.setup = with_pass});
	const uint8_t body[CELL_BODY_LEN] = {1};
	struct sim_node *a = sim_node(s, ENTRY + 1), *b = sim_node(s, RELAY_A);
	struct now now = sim_now(s);
	const uint32_t link = engine_link(a->engine, b->link_key.public, &b->endpoint, &now);

	sim_pump(s, a);
	sim_run(s, NS_PER_S);
	now = sim_now(s);
	CHECK_INT(link % WORKERS_MAX, 1);
	engine_link_send(a->engine, link, body, &now);
	CHECK_INT(passed.count, 0); /* it is its own */
	engine_link_send(sim_node(s, ENTRY)->engine, link, body, &now);
	CHECK_INT(passed.count, 1);
	CHECK(passed.to == link && passed.first == 1);
	/* to a circuit of that link */
	engine_message_send(sim_node(s, ENTRY)->engine,
			    &(struct engine_message){.to = (uint64_t)link << 32 | 7}, &now);
	CHECK_INT(passed.count, 2);
	CHECK(passed.to == ((uint64_t)link << 32 | 7));
	sim_free(s);
}

int main(void)
{
	RUN(test_all_workers_carry);
	RUN(test_paths_of_a_session_meet);
	RUN(test_restart_of_a_peer);
	RUN(test_replayed_create_at_another_worker);
	RUN(test_messages_find_the_engine);
	return test_done();
}
