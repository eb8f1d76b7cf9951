/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Two sessions at two exits behind one inner address. */
#include "core/group.h"

#include "tests/lib/test.h"
#include "tests/sim/sim.h"

enum {
	NODES = 6,
	CLIENT = NODES,
	HOPS = 3,
	EXIT_A = 2,
	EXIT_B = 4,
	FLOWS = 12,
	HELD_MAX = 32,
};

static const unsigned route_a[HOPS] = {0, 1, EXIT_A}, route_b[HOPS] = {0, 3, EXIT_B};

struct scene {
	struct sim *s;
	struct sim_node *c;
	uint32_t group;
	struct engine_event a, b; /* EVENT_SESSION_OPEN of each */
	unsigned asked;
	unsigned odd_slot; /* of destinations with an odd last byte; others have 0 */
};

static unsigned choose(void *ctx, const uint8_t remote[static 16])
{
	struct scene *x = ctx;

	x->asked++;
	return remote[15] % 2 != 0 ? x->odd_slot : 0;
}

static struct now now_of(const struct scene *x)
{
	return sim_now(x->s);
}

static void serve(struct scene *x, unsigned slot, const struct engine_event *opened)
{
	const struct now now = now_of(x);

	engine_group_serve(x->c->engine, x->group, slot, opened != NULL ? opened->session : 0,
			   &now);
	sim_pump(x->s, x->c);
}

/* Both sessions stand; the group has the first one's address, and nobody serves its slots yet. */
static bool begin(struct scene *x, uint64_t seed)
{
	struct group_params p = {.choose = choose, .ctx = x};
	uint32_t path;

	*x = (struct scene){.odd_slot = 1};
	x->s = sim_create(&(struct sim_params){.nodes = NODES,
					       .clients = 1,
					       .seed = seed,
					       .batches = 64,
					       .wire = {.delay_ns = 5 * NS_PER_MS}});
	x->c = sim_node(x->s, CLIENT);
	if (!sim_connect(x->s, x->c, route_a, HOPS, &path))
		return false;
	x->a = x->c->last[EVENT_SESSION_OPEN];
	if (!sim_connect(x->s, x->c, route_b, HOPS, &path))
		return false;
	x->b = x->c->last[EVENT_SESSION_OPEN];
	x->c->last[EVENT_SESSION_OPEN] = x->a; /* where sim_send takes the source from */
	memcpy(p.v4, x->a.grant.v4, sizeof(p.v4));
	memcpy(p.v6, x->a.grant.v6, sizeof(p.v6));
	x->group = engine_group_create(x->c->engine, &p);
	return memcmp(x->a.grant.v4, x->b.grant.v4, 4) != 0;
}

static void end(struct scene *x)
{
	sim_free(x->s);
}

/* Each flow goes to an address of its own: 9.9.9.9 and up. */
static void send_flows(struct scene *x, unsigned first, unsigned n)
{
	for (unsigned i = first; i < first + n; i++)
		sim_send_flow(x->s, x->c, i, 200 + i, i);
	sim_run(x->s, NS_PER_S / 2);
}

static uint64_t left_at(const struct scene *x, unsigned exit)
{
	return sim_stats(x->s, exit).exit_tx_packets;
}

static void test_each_destination_has_its_exit(void)
{
	struct scene x;

	NEED(begin(&x, 1));
	serve(&x, 0, &x.a);
	serve(&x, 1, &x.b);
	for (unsigned round = 1; round <= 3; round++) {
		send_flows(&x, 0, FLOWS);
		CHECK_INT(left_at(&x, EXIT_A), round * FLOWS / 2);
		CHECK_INT(left_at(&x, EXIT_B), round * FLOWS / 2);
		CHECK_INT(x.c->packets, round * FLOWS);
	}
	CHECK_INT(x.c->bad_packets, 0);
	CHECK_INT(x.asked, FLOWS);
	send_flows(&x, 0, 1); /* 9.9.9.9: by the other exit, and yet for the same address */
	CHECK_MEM(x.c->last_to, x.a.grant.v4, 4);
	CHECK_INT(sim_drops(x.s, SIM_ALL, DROP_SOURCE), 0);
	end(&x);
}

static void test_a_destination_stays(void)
{
	struct group_slot_stats st;
	struct now now;
	struct scene x;

	NEED(begin(&x, 2));
	serve(&x, 0, &x.a);
	serve(&x, 1, &x.b);
	send_flows(&x, 0, 2);
	x.odd_slot = 0;
	send_flows(&x, 0, 2);
	CHECK_INT(left_at(&x, EXIT_B), 2); /* as before */
	now = now_of(&x);
	st = engine_group_stats(x.c->engine, x.group, 1, &now);
	CHECK_INT(st.destinations, 1);
	CHECK(st.used_ns > 0);
	sim_run(x.s, GROUP_IDLE_NS + NS_PER_S); /* silent for long: anew */
	now = now_of(&x);
	st = engine_group_stats(x.c->engine, x.group, 1, &now);
	CHECK_INT(st.destinations, 0);
	end(&x);
}

static void test_leaving_a_slot(void)
{
	struct scene x;
	struct now now;

	NEED(begin(&x, 3));
	serve(&x, 0, &x.a);
	serve(&x, 1, &x.b);
	send_flows(&x, 0, 2);
	CHECK_INT(left_at(&x, EXIT_B), 1);
	x.odd_slot = 0;
	now = now_of(&x);
	engine_group_leave(x.c->engine, x.group, 1, &now);
	send_flows(&x, 0, 2);
	CHECK_INT(left_at(&x, EXIT_B), 1);
	CHECK_INT(left_at(&x, EXIT_A), 3);
	CHECK_INT(x.asked, 3);
	CHECK_INT(x.c->packets, 4);
	end(&x);
}

static void test_packets_wait_for_a_session(void)
{
	struct scene x;

	NEED(begin(&x, 4));
	serve(&x, 0, &x.a);
	send_flows(&x, 0, FLOWS);
	CHECK_INT(left_at(&x, EXIT_A), FLOWS / 2);
	CHECK_INT(x.c->packets, FLOWS / 2);
	serve(&x, 1, &x.b);
	sim_run(x.s, NS_PER_S / 2);
	CHECK_INT(left_at(&x, EXIT_B), FLOWS / 2);
	CHECK_INT(x.c->packets, FLOWS);
	CHECK_INT(x.c->bad_packets, 0);
	CHECK_INT(sim_drops(x.s, CLIENT, DROP_NO_ROUTE), 0);
	end(&x);
}

/* Nor too many of them, nor too long. */
static void test_not_all_packets_wait(void)
{
	struct scene x;

	NEED(begin(&x, 5));
	for (unsigned i = 0; i < HELD_MAX + 10; i++)
		sim_send_flow(x.s, x.c, 0, 100, i);
	CHECK_INT(sim_drops(x.s, CLIENT, DROP_NO_ROUTE), 10);
	sim_run(x.s, 6 * NS_PER_S);
	sim_send_flow(x.s, x.c, 0, 100, 99); /* in the place of an old one */
	CHECK_INT(sim_drops(x.s, CLIENT, DROP_NO_ROUTE), 10);
	serve(&x, 1, &x.b);
	sim_run(x.s, NS_PER_S / 2);
	CHECK_INT(left_at(&x, EXIT_B), 1);
	CHECK_INT(sim_drops(x.s, CLIENT, DROP_NO_ROUTE), 10 + HELD_MAX - 1);
	end(&x);
}

/* What waits chooses again when its slot is given up. */
static void test_waiting_in_vain(void)
{
	struct scene x;
	struct now now;

	NEED(begin(&x, 6));
	serve(&x, 0, &x.a);
	send_flows(&x, 0, 2);
	x.odd_slot = 0;
	now = now_of(&x);
	engine_group_leave(x.c->engine, x.group, 1, &now);
	sim_pump(x.s, x.c);
	sim_run(x.s, NS_PER_S / 2);
	CHECK_INT(left_at(&x, EXIT_A), 2);
	CHECK_INT(x.c->packets, 2);
	end(&x);
}

static void test_a_closed_session_leaves_its_slot(void)
{
	struct scene x;
	struct now now;
	uint32_t path;

	NEED(begin(&x, 7));
	serve(&x, 0, &x.a);
	serve(&x, 1, &x.b);
	now = now_of(&x);
	engine_session_close(x.c->engine, x.b.session, &now);
	send_flows(&x, 0, 2); /* the first one waits */
	CHECK_INT(x.c->packets, 1);
	NEED(sim_connect(x.s, x.c, route_b, HOPS, &path));
	serve(&x, 1, &x.c->last[EVENT_SESSION_OPEN]);
	x.c->last[EVENT_SESSION_OPEN] = x.a;
	sim_run(x.s, NS_PER_S / 2);
	CHECK_INT(x.c->packets, 2);
	end(&x);
}

/* Names are asked for at the first slot's exit, whatever the address of the server. */
static void test_dns_goes_to_the_first(void)
{
	uint8_t query[60] = {0x45, 0, 0, sizeof(query)};
	const struct packet p = {.head = query, .head_len = sizeof(query)};
	struct scene x;
	struct now now;

	NEED(begin(&x, 8));
	serve(&x, 0, &x.a);
	serve(&x, 1, &x.b);
	query[9] = 17;
	memcpy(query + 12, x.a.grant.v4, 4);
	memcpy(query + 16, (const uint8_t[]){9, 9, 9, 9}, 4); /* odd: of the second slot */
	put_be16(query + 20, 5353);
	put_be16(query + 22, 53);
	put_be16(query + 24, 40);
	now = now_of(&x);
	engine_recv_client(x.c->engine, &p, 1, &now);
	sim_pump(x.s, x.c);
	sim_run(x.s, NS_PER_S / 10);
	CHECK_INT(left_at(&x, EXIT_A), 1);
	engine_group_first(x.c->engine, x.group, 1);
	now = now_of(&x);
	engine_recv_client(x.c->engine, &p, 1, &now);
	sim_pump(x.s, x.c);
	sim_run(x.s, NS_PER_S / 10);
	CHECK_INT(left_at(&x, EXIT_B), 1);
	CHECK_INT(x.asked, 0);
	end(&x);
}

/* A source that is nobody's is dropped with a group as without; what comes for the session's own
 * address, too, when it is not the group's. */
static void test_other_sources(void)
{
	struct scene x;

	NEED(begin(&x, 9));
	serve(&x, 0, &x.a);
	serve(&x, 1, &x.b);
	x.c->last[EVENT_SESSION_OPEN] = x.b;
	send_flows(&x, 0, 2); /* the address of a session that is in a group is not the machine's */
	CHECK_INT(x.c->packets, 0);
	CHECK_INT(sim_drops(x.s, CLIENT, DROP_SOURCE), 2);
	engine_group_free(x.c->engine, x.group);
	send_flows(&x, 0, 2); /* and without a group it is */
	CHECK_INT(x.c->packets, 2);
	end(&x);
}

int main(void)
{
	RUN(test_each_destination_has_its_exit);
	RUN(test_a_destination_stays);
	RUN(test_leaving_a_slot);
	RUN(test_packets_wait_for_a_session);
	RUN(test_not_all_packets_wait);
	RUN(test_waiting_in_vain);
	RUN(test_a_closed_session_leaves_its_slot);
	RUN(test_dns_goes_to_the_first);
	RUN(test_other_sources);
	return test_done();
}
