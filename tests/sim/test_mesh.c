/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Whole meshes: joining through seeds, choosing, connecting, losing hops, rotating. */
#include "tests/lib/test.h"
#include "tests/sim/mesh.h"

static const char *country(unsigned i)
{
	static const char *const names[] = {"DE", "NL", "FR", "GB", "US"};

	return names[i % 5];
}

static struct mesh *make(uint64_t seed, unsigned nodes, unsigned clients)
{
	struct mesh *m = mesh_create(&(struct mesh_params){.nodes = nodes,
							   .clients = clients,
							   .seeds = 3,
							   .seed = seed,
							   .wire = {.delay_ns = 10 * NS_PER_MS},
							   .country_of = country});

	sim_run(m->sim, 8 * NS_PER_S); /* the nodes find each other */
	return m;
}

/* Sends for so long, a packet every 5 ms; how many came back. */
static uint64_t traffic(struct mesh *m, struct member *c, unsigned n)
{
	const uint64_t before = c->sim->packets;

	for (unsigned i = 0; i < n; i++) {
		sim_send(m->sim, c->sim, 800, i);
		sim_run(m->sim, 5 * NS_PER_MS);
	}
	sim_run(m->sim, NS_PER_S);
	return c->sim->packets - before;
}

static void test_all_learn_all(void)
{
	struct mesh *m = make(1, 30, 0);

	for (unsigned i = 0; i < 30; i++)
		CHECK_INT(directory_count(mesh_node(m, i)->dir), 30);
	mesh_free(m);
}

static void test_connect_and_talk(void)
{
	for (unsigned hops = 1; hops <= HOPS_MAX; hops++) {
		struct mesh *m = make(10 + hops, 20, 1);
		struct member *c = mesh_client(m, 0);

		NEED(mesh_connect(m, c, "nl", hops, 3 * NS_PER_S));
		CHECK_INT(mesh_view(c)->hops, hops);
		CHECK(strcmp(c->view.hop[hops - 1].country, "NL") == 0);
		CHECK_INT(traffic(m, c, 200), 200);
		sim_run(m->sim, 15 * NS_PER_S);
		for (unsigned h = 1; h <= hops; h++)
			CHECK_INT((mesh_view(c)->hop[h - 1].rtt_ns + NS_PER_MS / 2) / NS_PER_MS,
				  h * 20);
		mesh_free(m);
	}
}

static void test_impossible_wishes_say_why(void)
{
	struct mesh *m = make(20, 10, 1);
	struct member *c = mesh_client(m, 0);

	CHECK(!mesh_connect(m, c, "jp", 3, 2 * NS_PER_S));
	printf("# %s\n", mesh_view(c)->reason);
	CHECK(strstr(c->view.reason, "JP") != NULL);
	CHECK(!mesh_connect(m, c, "no-such-node", 3, 2 * NS_PER_S));
	printf("# %s\n", mesh_view(c)->reason);
	CHECK(strstr(c->view.reason, "no-such-node") != NULL);
	CHECK(mesh_connect(m, c, "node-4", 3, 2 * NS_PER_S));
	CHECK(strcmp(c->view.hop[2].name, "node-4") == 0);
	mesh_free(m);
}

/* A relay dies in use: the client finds out by itself, the session and its addresses stay. */
static void test_relay_death(void)
{
	for (unsigned hop = 1; hop <= 2; hop++) {
		struct mesh *m = make(30 + hop, 20, 1);
		struct member *c = mesh_client(m, 0), *victim;
		uint8_t v4[4];
		unsigned before;

		NEED(mesh_connect(m, c, "auto", 3, 3 * NS_PER_S));
		memcpy(v4, c->view.grant.v4, 4);
		CHECK_INT(traffic(m, c, 100), 100);
		victim = mesh_hop(m, c, hop);
		NEED(victim != NULL);
		before = c->notes[CLIENT_NOTE_ROUTE];
		victim->sim->is_dead = true;
		for (unsigned i = 0; i < 2000 && c->notes[CLIENT_NOTE_ROUTE] == before; i++) {
			sim_send(m->sim, c->sim, 800, i);
			sim_run(m->sim, 10 * NS_PER_MS);
		}
		printf("# %s\n", c->last[CLIENT_NOTE_ROUTE]);
		NEED(c->notes[CLIENT_NOTE_ROUTE] > before);
		CHECK(mesh_wait(m, c, CLIENT_CONNECTED, NS_PER_S));
		CHECK(mesh_hop(m, c, hop) != victim);
		CHECK_INT(c->notes[CLIENT_NOTE_SESSION], 1);
		CHECK_MEM(c->view.grant.v4, v4, 4);
		sim_run(m->sim, NS_PER_S); /* what is still under way */
		CHECK_INT(traffic(m, c, 100), 100);
		mesh_free(m);
	}
}

/* The exit dies: its session is lost, said so, and another exit of the same wish takes over. */
static void test_exit_death(void)
{
	struct mesh *m = make(40, 20, 1);
	struct member *c = mesh_client(m, 0), *victim;

	NEED(mesh_connect(m, c, "us", 3, 3 * NS_PER_S));
	victim = mesh_hop(m, c, 3);
	victim->sim->is_dead = true;
	for (unsigned i = 0; i < 6000 && c->notes[CLIENT_NOTE_SESSION] == 1; i++) {
		sim_send(m->sim, c->sim, 800, i);
		sim_run(m->sim, 10 * NS_PER_MS);
	}
	NEED(mesh_wait(m, c, CLIENT_CONNECTED, 5 * NS_PER_S));
	CHECK_INT(c->notes[CLIENT_NOTE_SESSION], 2);
	CHECK(mesh_hop(m, c, 3) != victim);
	CHECK(strcmp(mesh_view(c)->hop[2].country, "US") == 0);
	CHECK_INT(traffic(m, c, 100), 100);
	mesh_free(m);
}

/* An hour: circuits are rotated several times, nothing is lost, addresses stay. */
static void test_rotation_by_itself(void)
{
	struct mesh *m = make(50, 20, 1);
	struct member *c = mesh_client(m, 0);
	const uint64_t n = 3600 * 2;

	NEED(mesh_connect(m, c, "auto", 3, 3 * NS_PER_S));
	for (uint64_t i = 0; i < n; i++) {
		sim_send(m->sim, c->sim, 400, i);
		sim_run(m->sim, NS_PER_S / 2);
	}
	sim_run(m->sim, NS_PER_S);
	printf("# %u routes in an hour\n", c->notes[CLIENT_NOTE_ROUTE]);
	CHECK(c->notes[CLIENT_NOTE_ROUTE] >= 4 && c->notes[CLIENT_NOTE_ROUTE] <= 7);
	CHECK_INT(c->notes[CLIENT_NOTE_SESSION], 1);
	CHECK_INT(c->sim->packets, n);
	mesh_free(m);
}

static void test_reconnect_keeps_the_exit(void)
{
	struct mesh *m = make(60, 20, 1);
	struct member *c = mesh_client(m, 0), *entry, *relay, *exit;
	struct now now;

	NEED(mesh_connect(m, c, "auto", 3, 3 * NS_PER_S));
	for (unsigned round = 0; round < 5; round++) {
		entry = mesh_hop(m, c, 1);
		relay = mesh_hop(m, c, 2);
		exit = mesh_hop(m, c, 3);
		now = sim_now(m->sim);
		client_reconnect(c->client, false, &now);
		sim_pump(m->sim, c->sim);
		CHECK_INT(traffic(m, c, 200), 200); /* nothing lost on the way over */
		CHECK(mesh_hop(m, c, 1) != entry || mesh_hop(m, c, 2) != relay);
		CHECK(mesh_hop(m, c, 3) == exit);
	}
	now = sim_now(m->sim);
	client_reconnect(c->client, true, &now);
	sim_pump(m->sim, c->sim);
	NEED(mesh_wait(m, c, CLIENT_CONNECTED, 3 * NS_PER_S));
	CHECK(mesh_hop(m, c, 3) != exit);
	CHECK_INT(traffic(m, c, 100), 100);
	now = sim_now(m->sim);
	client_disconnect(c->client, &now);
	sim_pump(m->sim, c->sim);
	sim_run(m->sim, 10 * NS_PER_S);
	for (unsigned i = 0; i < 20; i++)
		CHECK_INT(sim_stats(m->sim, i).sessions, 0);
	mesh_free(m);
}

/* Sixty clients at once over bad wires, with hops dying: all of them talk in the end. */
static void test_many_clients(void)
{
	enum {
		CLIENTS = 60
	};
	struct mesh *m = make(70, 40, CLIENTS);
	unsigned connected = 0;
	uint64_t got = 0;

	for (unsigned i = 0; i < 40 + CLIENTS; i++)
		for (unsigned k = 0; k < 40 + CLIENTS; k++)
			*sim_wire(m->sim, i, k) =
			    (struct sim_wire){.delay_ns = (5 + (i * 7 + k * 13) % 40) * NS_PER_MS,
					      .jitter_ns = 3 * NS_PER_MS,
					      .loss_per_1000 = 5};
	for (unsigned i = 0; i < CLIENTS; i++)
		mesh_connect(m, mesh_client(m, i), "auto", 3, 0);
	sim_run(m->sim, 10 * NS_PER_S);
	for (unsigned i = 0; i < 4; i++)
		mesh_node(m, 10 + 5 * i)->sim->is_dead = true;
	for (unsigned round = 0; round < 200; round++) {
		for (unsigned i = 0; i < CLIENTS; i++)
			sim_send(m->sim, mesh_client(m, i)->sim, 300, round);
		sim_run(m->sim, 200 * NS_PER_MS);
	}
	for (unsigned i = 0; i < CLIENTS; i++) {
		/* Whoever sat on a dead exit may still be looking for another. */
		connected += mesh_wait(m, mesh_client(m, i), CLIENT_CONNECTED, 150 * NS_PER_S);
		mesh_client(m, i)->sim->packets = 0;
	}
	for (unsigned round = 0; round < 50; round++) {
		for (unsigned i = 0; i < CLIENTS; i++)
			sim_send(m->sim, mesh_client(m, i)->sim, 300, round);
		sim_run(m->sim, 100 * NS_PER_MS);
	}
	sim_run(m->sim, NS_PER_S);
	for (unsigned i = 0; i < CLIENTS; i++)
		got += mesh_client(m, i)->sim->packets;
	printf("# %u of %u connected, %llu of %u packets came back over lossy wires\n", connected,
	       CLIENTS, (unsigned long long)got, 50 * CLIENTS);
	CHECK_INT(connected, CLIENTS);
	CHECK(got > 50 * CLIENTS * 93 / 100);
	mesh_free(m);
}

int main(void)
{
	RUN(test_all_learn_all);
	RUN(test_connect_and_talk);
	RUN(test_impossible_wishes_say_why);
	RUN(test_relay_death);
	RUN(test_exit_death);
	RUN(test_rotation_by_itself);
	RUN(test_reconnect_keeps_the_exit);
	RUN(test_many_clients);
	return test_done();
}
