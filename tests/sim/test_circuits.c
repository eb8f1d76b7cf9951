/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Circuits and sessions of real engines over simulated wires: building, data, failure, rotation. */
#include "tests/lib/test.h"
#include "tests/sim/forge.h"

static const unsigned route[HOPS_MAX] = {0, 1, 2, 3, 4};

static struct sim *make(uint64_t seed, struct sim_wire wire)
{
	return sim_create(
	    &(struct sim_params){.nodes = 8, .clients = 1, .seed = seed, .wire = wire});
}

static struct sim_node *client_of(struct sim *s)
{
	return sim_node(s, 8);
}

static uint64_t drops_all(struct sim *s, enum drop why)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i <= 8; i++) {
		struct engine_stats st;

		engine_stats(sim_node(s, i)->engine, &st);
		sum += st.drops[why];
	}
	return sum;
}

static void print_drops(struct sim *s)
{
	for (unsigned d = 1; d < DROP_COUNT; d++)
		if (drops_all(s, (enum drop)d) > 0)
			printf("# drop %s %llu\n", drop_name((enum drop)d),
			       (unsigned long long)drops_all(s, (enum drop)d));
}

static void send_many(struct sim *s, struct sim_node *c, unsigned n, size_t len)
{
	for (unsigned i = 0; i < n; i++) {
		sim_send(s, c, len, i);
		sim_run(s, NS_PER_MS);
	}
	sim_run(s, NS_PER_S);
}

static void test_data_over_1_to_5_hops(void)
{
	for (unsigned n = 1; n <= HOPS_MAX; n++) {
		struct sim *s = make(n, (struct sim_wire){.delay_ns = 20 * NS_PER_MS});
		struct sim_node *c = client_of(s);
		struct path_stats ps;
		uint32_t path;

		NEED(sim_connect(s, c, route, n, &path));
		send_many(s, c, 200, (size_t)INNER_MTU(n));
		send_many(s, c, 200, 60);
		CHECK_INT(c->packets, 400);
		CHECK_INT(c->bad_packets, 0);
		NEED(engine_path_stats(c->engine, path, &ps));
		CHECK_INT(ps.proofs_failed, 0);
		CHECK(ps.proofs_ok > 0);
		CHECK(ps.acked_cells >= 220 && ps.acked_cells <= ps.tx_cells);
		CHECK(ps.srtt_ns / NS_PER_MS >= 40 * n && ps.srtt_ns / NS_PER_MS <= 40 * n + 2);
		for (unsigned i = 0; i <= 8; i++)
			CHECK(!sim_node(s, i)->sent_sizes_wrong);
		sim_free(s);
	}
}

/* One round trip over the whole path once links are warm; the first link costs one of its own. */
static void test_creation_is_one_round_trip(void)
{
	for (unsigned n = 3; n <= HOPS_MAX; n += 2) {
		struct sim *s = make(10 + n, (struct sim_wire){.delay_ns = 20 * NS_PER_MS});
		struct sim_node *c = client_of(s);
		uint32_t path;

		NEED(sim_connect(s, c, route, n, &path)); /* warms the links */
		NEED(sim_attach(s, c, route, n, &path));
		CHECK_INT(c->last[EVENT_PATH_OPEN].rtt_ns, n * 40 * NS_PER_MS);
		printf("# %u hops, 20 ms each way: open after %llu ms\n", n,
		       (unsigned long long)(c->last[EVENT_PATH_OPEN].rtt_ns / NS_PER_MS));
		sim_free(s);
	}
}

static void test_echo_reaches_each_hop(void)
{
	struct sim *s = make(20, (struct sim_wire){.delay_ns = 10 * NS_PER_MS});
	struct sim_node *c = client_of(s);
	uint32_t path;

	NEED(sim_connect(s, c, route, 5, &path));
	for (unsigned round = 0; round < 20; round++)
		for (unsigned hop = 5; hop >= 1; hop--) {
			struct now now = sim_now(s);

			engine_path_echo(c->engine, path, hop, &now);
			sim_pump(s, c);
			sim_run(s, 200 * NS_PER_MS);
			CHECK_INT(c->last[EVENT_ECHO].hop, hop);
			CHECK_INT(c->last[EVENT_ECHO].rtt_ns, hop * 20 * NS_PER_MS);
		}
	CHECK_INT(c->seen[EVENT_ECHO], 100);
	sim_free(s);
}

static void test_hops_tell_their_counters(void)
{
	struct sim *s = make(21, (struct sim_wire){.delay_ns = NS_PER_MS});
	struct sim_node *c = client_of(s);
	const struct engine_event *ev = &c->last[EVENT_COUNTERS];
	uint32_t path;

	NEED(sim_connect(s, c, route, 3, &path));
	for (unsigned hop = 1; hop <= 3; hop++) {
		struct now now;

		send_many(s, c, 100, 1200);
		now = sim_now(s);
		engine_path_counters(c->engine, path, hop, &now);
		sim_pump(s, c);
		sim_run(s, NS_PER_S);
		CHECK_INT(c->seen[EVENT_COUNTERS], hop);
		CHECK_INT(ev->hop, hop);
		CHECK_INT(ev->path, path);
		CHECK(ev->fwd_cells >= 100 * hop && ev->fwd_cells < 120 * hop);
		CHECK(ev->bwd_cells >= 100 * hop && ev->bwd_cells < 120 * hop);
		CHECK_INT(ev->sent_cells, ev->fwd_cells); /* nothing was lost */
		CHECK_INT(ev->got_cells, ev->bwd_cells);
	}
	sim_free(s);
}

/* Which link loses, and in which direction, is seen from the counters of the hops around it. */
static void test_counters_tell_losses_apart(void)
{
	for (unsigned bad = 0; bad < 6; bad++) {
		struct sim *s = make(210 + bad, (struct sim_wire){.delay_ns = NS_PER_MS});
		struct sim_node *c = client_of(s);
		const struct engine_event *ev = &c->last[EVENT_COUNTERS];
		const unsigned near = bad < 2 ? c->index : route[bad / 2 - 1], far = route[bad / 2];
		uint32_t path;

		NEED(sim_connect(s, c, route, 3, &path));
		sim_wire(s, bad % 2 ? far : near, bad % 2 ? near : far)->loss_per_1000 = 200;
		send_many(s, c, 1000, 1200);
		sim_wire(s, bad % 2 ? far : near, bad % 2 ? near : far)->loss_per_1000 = 0;
		for (unsigned hop = 1; hop <= 3; hop++) {
			const struct now now = sim_now(s);
			const bool is_behind = hop > bad / 2;

			engine_path_counters(c->engine, path, hop, &now);
			sim_pump(s, c);
			sim_run(s, NS_PER_S);
			NEED(ev->hop == hop);
			if (is_behind && bad % 2 == 0)
				CHECK(ev->fwd_cells + 150 < ev->sent_cells);
			else
				CHECK_INT(ev->fwd_cells, ev->sent_cells);
			if (is_behind && bad % 2 == 1)
				CHECK(ev->got_cells + 150 < ev->bwd_cells);
			else
				CHECK_INT(ev->got_cells, ev->bwd_cells);
		}
		sim_free(s);
	}
}

/* Two exits at once: a packet's source says which. */
static void test_two_sessions(void)
{
	static const unsigned other[] = {0, 1, 3};
	struct sim *s = make(22, (struct sim_wire){.delay_ns = NS_PER_MS});
	struct sim_node *c = client_of(s);
	struct engine_event first, second;
	struct path_stats ps;
	uint32_t path_a, path_b;
	struct now now;

	NEED(sim_connect(s, c, route, 3, &path_a));
	first = c->last[EVENT_SESSION_OPEN];
	NEED(sim_connect(s, c, other, 3, &path_b));
	second = c->last[EVENT_SESSION_OPEN];
	NEED(memcmp(first.grant.v4, second.grant.v4, 4) != 0);
	CHECK(first.session != second.session);
	send_many(s, c, 10, 500);
	CHECK_INT(sim_stats(s, other[2]).exit_rx_packets, 10);
	c->last[EVENT_SESSION_OPEN] = first;
	send_many(s, c, 20, 500);
	CHECK_INT(sim_stats(s, route[2]).exit_rx_packets, 20);
	CHECK_INT(c->packets, 30);
	NEED(engine_path_stats(c->engine, path_a, &ps));
	CHECK_INT(ps.session, first.session);
	now = sim_now(s);
	engine_session_close(c->engine, second.session, &now);
	sim_pump(s, c);
	send_many(s, c, 20, 500);
	CHECK_INT(c->packets, 50);
	c->last[EVENT_SESSION_OPEN] = second;
	send_many(s, c, 20, 500);
	CHECK_INT(c->packets, 50);
	CHECK_INT(sim_drops(s, c->index, DROP_SOURCE), 20);
	CHECK_INT(sim_stats(s, other[2]).sessions, 0);
	sim_free(s);
}

static void test_loss_reordering_duplication(void)
{
	struct sim *s = make(30, (struct sim_wire){.delay_ns = 5 * NS_PER_MS});
	struct sim_node *c = client_of(s);
	struct path_stats ps;
	uint32_t path;

	NEED(sim_connect(s, c, route, 3, &path));
	for (unsigned i = 0; i <= 8; i++)
		for (unsigned k = 0; k <= 8; k++)
			*sim_wire(s, i, k) = (struct sim_wire){.delay_ns = 5 * NS_PER_MS,
							       .jitter_ns = 20 * NS_PER_MS,
							       .loss_per_1000 = 20,
							       .dup_per_1000 = 50};
	send_many(s, c, 2000, 500);
	printf("# %llu of 2000 packets came back over six lossy wires\n",
	       (unsigned long long)c->packets);
	CHECK(c->packets > 1650 && c->packets < 2000);
	CHECK_INT(c->bad_packets, 0);
	CHECK(drops_all(s, DROP_LINK_REPLAY) > 0);
	NEED(engine_path_stats(c->engine, path, &ps));
	CHECK_INT(ps.proofs_failed, 0);
	sim_free(s);
}

/* On-path tampering: nothing wrong is ever delivered, and each drop has a name. */
static void test_flipped_bits_deliver_nothing_wrong(void)
{
	struct sim *s = make(40, (struct sim_wire){.delay_ns = NS_PER_MS});
	struct sim_node *c = client_of(s);
	uint32_t path;

	NEED(sim_connect(s, c, route, 4, &path));
	for (unsigned i = 0; i <= 8; i++)
		for (unsigned k = 0; k <= 8; k++)
			sim_wire(s, i, k)->flip_per_1000 = 2;
	send_many(s, c, 3000, 1000);
	print_drops(s);
	CHECK(c->packets > 2500);
	CHECK_INT(c->bad_packets, 0);
	CHECK(drops_all(s, DROP_ONION_TAG) > 0);
	CHECK(drops_all(s, DROP_PROOF) > 0);
	CHECK_INT(drops_all(s, DROP_SESSION_TAG), 0); /* the hop before would have seen it */
	CHECK_INT(drops_all(s, DROP_PACKET), 0);
	sim_free(s);
}

static void test_failure_names_the_hop(void)
{
	for (unsigned dead = 1; dead < 5; dead++) {
		struct sim *s = make(50 + dead, (struct sim_wire){.delay_ns = 10 * NS_PER_MS});
		struct sim_node *c = client_of(s);
		struct path_spec spec;
		struct now now;
		uint32_t path;

		NEED(sim_connect(s, c, route, 5, &path)); /* links are warm, as in life */
		sim_node(s, dead)->is_dead = true;
		spec = sim_spec(s, route, 5);
		now = sim_now(s);
		NEED(engine_path_build(c->engine, &spec, &now) != 0);
		sim_pump(s, c);
		sim_run(s, 8 * NS_PER_S);
		CHECK_INT(c->seen[EVENT_PATH_FAILED], 1);
		CHECK_INT(c->last[EVENT_PATH_FAILED].hop, dead); /* the one before it says so */
		CHECK_INT(c->last[EVENT_PATH_FAILED].status, HOP_NO_NEXT);
		sim_free(s);
	}
}

/* The first cell from the relay to the exit does not arrive. */
static void swallow_one(void *ctx, unsigned from, unsigned to, uint8_t *data, size_t *len)
{
	bool *done = ctx;

	(void)data;
	if (from == 1 && to == 2 && !*done) {
		*done = true;
		*len = 0;
	}
}

/* A hop that swallows CREATEs is named when the wait is over, not at the next round. */
static void test_waiting_ends_in_time(void)
{
	struct sim *s = make(51, (struct sim_wire){.delay_ns = 10 * NS_PER_MS});
	struct sim_node *c = client_of(s);
	const struct path_spec spec = sim_spec(s, route, 3);
	bool swallowed = false;
	uint64_t waited_ns;
	struct now now;
	uint32_t path;

	NEED(sim_connect(s, c, route, 3, &path)); /* all links are up */
	sim_run(s, NS_PER_S);
	sim_tap(s, swallow_one, &swallowed); /* the CREATE; pings are answered */
	now = sim_now(s);
	engine_path_build(c->engine, &spec, &now);
	sim_pump(s, c);
	sim_run(s, 20 * NS_PER_S);
	NEED(c->seen[EVENT_PATH_FAILED] == 1);
	waited_ns = c->last_at_ns[EVENT_PATH_FAILED] - now.mono_ns;
	CHECK_INT(c->last[EVENT_PATH_FAILED].status, HOP_NO_NEXT);
	printf("# the relay gave up after %llu ms\n", (unsigned long long)(waited_ns / NS_PER_MS));
	CHECK(waited_ns < 10 * NS_PER_S + 150 * NS_PER_MS);
	sim_free(s);
}

/* A node that has forgotten a circuit says so to whoever uses it. */
static void test_unknown_circuits_are_ended(void)
{
	struct sim *s = make(52, (struct sim_wire){.delay_ns = 10 * NS_PER_MS});
	struct sim_node *c = client_of(s);
	struct circuit *relay;
	uint64_t sent_ns;
	uint32_t path;

	NEED(sim_connect(s, c, route, 3, &path));
	sim_run(s, NS_PER_S);
	relay = forge_first_circuit(sim_node(s, 1)->engine);
	NEED(relay != NULL);
	forge_forget(sim_node(s, 1)->engine, relay);
	sent_ns = sim_now(s).mono_ns;
	for (unsigned i = 0; i < 10; i++)
		sim_send(s, c, 500, i);
	sim_run(s, NS_PER_S);
	CHECK_INT(c->seen[EVENT_PATH_CLOSED], 1);
	CHECK(c->last_at_ns[EVENT_PATH_CLOSED] - sent_ns < 50 * NS_PER_MS);
	CHECK_INT(sim_drops(s, 1, DROP_NO_CIRCUIT), 10);
	sim_free(s);
}

/* A CREATE for keys that the hop has no more, as after a restart, is refused within a round trip.
 */
static void test_outdated_keys_are_named(void)
{
	for (unsigned hop = 0; hop < 3; hop++) {
		struct sim *s = make(53 + hop, (struct sim_wire){.delay_ns = 10 * NS_PER_MS});
		struct sim_node *c = client_of(s);
		struct path_spec spec = sim_spec(s, route, 3);
		struct now now;
		uint32_t path;

		NEED(sim_connect(s, c, route, 3, &path)); /* all links are up */
		sim_run(s, NS_PER_S);
		spec.hop[hop].onion_key[0] ^= 1;
		now = sim_now(s);
		NEED(engine_path_build(c->engine, &spec, &now) != 0);
		sim_pump(s, c);
		sim_run(s, 2 * NS_PER_S);
		CHECK_INT(c->seen[EVENT_PATH_FAILED], 1);
		CHECK_INT(c->last[EVENT_PATH_FAILED].hop, hop);
		CHECK_INT(c->last[EVENT_PATH_FAILED].status, HOP_NO_NEXT);
		CHECK_INT(c->last_at_ns[EVENT_PATH_FAILED] - now.mono_ns,
			  (hop + 1) * 20 * NS_PER_MS);
		CHECK_INT(c->seen[EVENT_PATH_CLOSED], 0);
		sim_run(s, 20 * NS_PER_S);
		for (unsigned i = 0; i <= 2; i++) /* only the first path is left */
			CHECK_INT(sim_stats(s, route[i]).circuits, 1);
		sim_free(s);
	}
}

/* A node that stops says so: nobody waits for what it does not answer. */
static void test_leaving_is_told(void)
{
	for (unsigned hop = 0; hop < 3; hop++) {
		struct sim *s = make(56 + hop, (struct sim_wire){.delay_ns = 10 * NS_PER_MS});
		struct sim_node *c = client_of(s);
		struct path_spec spec = sim_spec(s, route, 3);
		struct now now;
		uint32_t path;

		NEED(sim_connect(s, c, route, 3, &path));
		sim_run(s, NS_PER_S);
		now = sim_now(s);
		engine_leave(sim_node(s, route[hop])->engine, &now);
		sim_pump(s, sim_node(s, route[hop]));
		sim_run(s, NS_PER_S);
		CHECK_INT(c->seen[EVENT_PATH_CLOSED], 1);
		CHECK_INT(c->last_at_ns[EVENT_PATH_CLOSED] - now.mono_ns,
			  (hop + 1) * 10 * NS_PER_MS);
		sim_run(s, 5 * NS_PER_S);
		for (unsigned i = 0; i < 3; i++)
			CHECK_INT(sim_stats(s, route[i]).circuits, 0);
		now = sim_now(s); /* and takes no new ones */
		NEED(engine_path_build(c->engine, &spec, &now) != 0);
		sim_pump(s, c);
		sim_run(s, NS_PER_S);
		CHECK_INT(c->seen[EVENT_PATH_OPEN], 1);
		sim_free(s);
	}
}

/* What each hop says of its load when a circuit is made. */
static void test_hops_tell_their_load(void)
{
	static const uint8_t loads[] = {0, 55, 100};
	struct sim *s = make(59, (struct sim_wire){.delay_ns = NS_PER_MS});
	struct sim_node *c = client_of(s);
	uint32_t path;

	NEED(sim_connect(s, c, route, 4, &path));
	for (unsigned hop = 0; hop < HOPS_MAX; hop++)
		CHECK_INT(c->last[EVENT_PATH_OPEN].load[hop], LOAD_UNKNOWN);
	for (unsigned hop = 0; hop < 3; hop++)
		engine_set_load(sim_node(s, route[hop])->engine, loads[hop]);
	NEED(sim_attach(s, c, route, 4, &path));
	for (unsigned hop = 0; hop < 3; hop++)
		CHECK_INT(c->last[EVENT_PATH_OPEN].load[hop], loads[hop]);
	CHECK_INT(c->last[EVENT_PATH_OPEN].load[3], LOAD_UNKNOWN);
	CHECK_INT(c->last[EVENT_PATH_OPEN].load[4], LOAD_UNKNOWN);
	sim_free(s);
}

static void test_clock_skew_is_named(void)
{
	struct sim *s = make(60, (struct sim_wire){.delay_ns = 10 * NS_PER_MS});
	struct sim_node *c = client_of(s);
	struct path_spec spec = sim_spec(s, route, 3);
	struct now now = sim_now(s);

	sim_node(s, 1)->wall_skew_s = 300;
	NEED(engine_path_build(c->engine, &spec, &now) != 0);
	sim_pump(s, c);
	sim_run(s, 2 * NS_PER_S);
	CHECK_INT(c->last[EVENT_PATH_FAILED].hop, 2);
	CHECK_INT(c->last[EVENT_PATH_FAILED].status, HOP_TIME);
	sim_free(s);
}

/* Circuits come and go under one session: addresses stay and nothing is lost. */
static void test_rotation_loses_nothing(void)
{
	static const unsigned other[] = {5, 6, 2};
	struct sim *s = make(70, (struct sim_wire){.delay_ns = 10 * NS_PER_MS});
	struct sim_node *c = client_of(s);
	uint32_t path, next;
	struct now now;

	NEED(sim_connect(s, c, route, 3, &path));
	for (unsigned round = 0; round < 10; round++) {
		for (unsigned i = 0; i < 50; i++) {
			sim_send(s, c, 900, i);
			sim_run(s, NS_PER_MS);
		}
		NEED(sim_attach(s, c, round % 2 == 0 ? other : route, 3, &next));
		sim_use(s, c, next);
		for (unsigned i = 0; i < 50; i++) {
			sim_send(s, c, 900, i);
			sim_run(s, NS_PER_MS);
		}
		sim_run(s, NS_PER_S);
		now = sim_now(s);
		engine_path_close(c->engine, path, &now);
		sim_pump(s, c);
		path = next;
	}
	sim_run(s, NS_PER_S);
	CHECK_INT(c->packets, 1000);
	CHECK_INT(c->bad_packets, 0);
	CHECK_INT(c->seen[EVENT_SESSION_OPEN], 1);
	sim_free(s);
}

static void test_relay_death_then_new_path_same_session(void)
{
	static const unsigned other[] = {0, 6, 2};
	struct sim *s = make(80, (struct sim_wire){.delay_ns = 10 * NS_PER_MS});
	struct sim_node *c = client_of(s);
	uint32_t path, next;

	NEED(sim_connect(s, c, route, 3, &path));
	send_many(s, c, 10, 900);
	sim_node(s, 1)->is_dead = true;
	for (unsigned i = 0; i < 3000 && c->seen[EVENT_PATH_CLOSED] == 0; i++) {
		sim_send(s, c, 900, i);
		sim_run(s, 10 * NS_PER_MS);
	}
	CHECK_INT(c->seen[EVENT_PATH_CLOSED],
		  1); /* the entry found its neighbour dead and said so */
	NEED(sim_attach(s, c, other, 3, &next));
	sim_use(s, c, next);
	c->packets = 0;
	send_many(s, c, 100, 900);
	CHECK_INT(c->packets, 100);
	sim_free(s);
}

/* Ten minutes with an idle minute: links rekey, idle circuits end, state goes to zero. */
static void test_time_frees_everything(void)
{
	struct sim *s = make(90, (struct sim_wire){.delay_ns = 10 * NS_PER_MS});
	struct sim_node *c = client_of(s);
	struct engine_stats st;
	uint32_t path;
	struct now now;

	NEED(sim_connect(s, c, route, 3, &path));
	for (unsigned i = 0; i < 400; i++) { /* past the links' rekeying and expiry */
		sim_send(s, c, 200, i);
		sim_run(s, NS_PER_S);
	}
	CHECK_INT(c->packets, 400);
	now = sim_now(s);
	engine_session_close(c->engine, c->last[EVENT_SESSION_OPEN].session, &now);
	engine_path_close(c->engine, path, &now);
	sim_pump(s, c);
	sim_run(s, 600 * NS_PER_S);
	for (unsigned i = 0; i <= 8; i++) {
		engine_stats(sim_node(s, i)->engine, &st);
		CHECK_INT(st.circuits, 0);
		CHECK_INT(st.sessions, 0);
		CHECK_INT(st.paths, 0);
	}
	sim_free(s);
}

static void test_exit_checks_source_and_rate(void)
{
	struct sim *s = sim_create(&(struct sim_params){.nodes = 8,
							.clients = 1,
							.seed = 95,
							.wire = {.delay_ns = NS_PER_MS},
							.exit_packets_per_s = 1000});
	struct sim_node *c = client_of(s);
	uint32_t path;

	NEED(sim_connect(s, c, route, 3, &path));
	forge_address(c, 1); /* the sender's address: not ours */
	send_many(s, c, 10, 200);
	CHECK_INT(c->packets, 0);
	CHECK_INT(drops_all(s, DROP_SOURCE), 10);
	forge_address(c, 1);
	for (unsigned i = 0; i < 5000; i++)
		sim_send(s, c, 60, i);
	sim_run(s, NS_PER_S);
	CHECK(drops_all(s, DROP_SESSION_RATE) > 4000);
	CHECK(c->packets >= 100 && c->packets < 1000);
	sim_free(s);
}

int main(void)
{
	RUN(test_data_over_1_to_5_hops);
	RUN(test_creation_is_one_round_trip);
	RUN(test_echo_reaches_each_hop);
	RUN(test_hops_tell_their_counters);
	RUN(test_counters_tell_losses_apart);
	RUN(test_two_sessions);
	RUN(test_loss_reordering_duplication);
	RUN(test_flipped_bits_deliver_nothing_wrong);
	RUN(test_failure_names_the_hop);
	RUN(test_waiting_ends_in_time);
	RUN(test_unknown_circuits_are_ended);
	RUN(test_outdated_keys_are_named);
	RUN(test_leaving_is_told);
	RUN(test_hops_tell_their_load);
	RUN(test_clock_skew_is_named);
	RUN(test_rotation_loses_nothing);
	RUN(test_relay_death_then_new_path_same_session);
	RUN(test_time_frees_everything);
	RUN(test_exit_checks_source_and_rate);
	return test_done();
}
