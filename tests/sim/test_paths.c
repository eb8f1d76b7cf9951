/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The client's several paths: kept, apart from each other, replaced; dead exits, dead networks. */
#include "tests/lib/test.h"
#include "tests/sim/mesh.h"

enum {
	NODES = 40,
	COUNTRIES = 4, /* 10 exits in each */
};

#define DELAY_NS (20 * NS_PER_MS)
#define RTT_NS   (6 * DELAY_NS) /* of a path of three hops */

static const char *country(unsigned i)
{
	static const char *const names[COUNTRIES] = {"DE", "NL", "FR", "US"};

	return names[i % COUNTRIES];
}

static struct mesh *make(uint64_t seed, unsigned nodes)
{
	struct mesh *m = mesh_create(&(struct mesh_params){.nodes = nodes,
							   .clients = 1,
							   .seeds = 3,
							   .seed = seed,
							   .wire = {.delay_ns = DELAY_NS},
							   .country_of = country});

	sim_run(m->sim, 8 * NS_PER_S); /* the nodes find each other */
	return m;
}

/* Connected, with so many paths in use and backups, and time to make them. */
static struct member *connect(struct mesh *m, const char *exit, unsigned paths, unsigned backups)
{
	struct member *c = mesh_client(m, 0);
	struct client_wish wish = {.hops = 3, .paths = paths, .backups = backups};

	snprintf(wish.exit, sizeof(wish.exit), "%s", exit);
	if (!mesh_connect_as(m, c, &wish, 3 * NS_PER_S))
		return NULL;
	sim_run(m->sim, 5 * NS_PER_S);
	mesh_view(c);
	return c;
}

/* Sends for so long, a packet every 20 ms; how many came back. */
static uint64_t call(struct mesh *m, struct member *c, uint64_t ns)
{
	const uint64_t before = c->sim->packets, gap_ns = 20 * NS_PER_MS;

	for (uint64_t i = 0; i < ns / gap_ns; i++) {
		sim_send(m->sim, c->sim, 200, i);
		sim_run(m->sim, gap_ns);
	}
	return c->sim->packets - before;
}

/* Sends until a packet comes back; how long that took. */
static uint64_t until_answer(struct mesh *m, struct member *c, uint64_t limit_ns)
{
	const uint64_t start_ns = sim_now(m->sim).mono_ns, before = c->sim->packets;
	uint64_t waited_ns = 0;

	while (c->sim->packets == before && waited_ns < limit_ns) {
		sim_send(m->sim, c->sim, 200, 1);
		sim_run(m->sim, 10 * NS_PER_MS);
		waited_ns = sim_now(m->sim).mono_ns - start_ns;
	}
	return waited_ns;
}

static struct sim_node *node_of(struct mesh *m, const uint8_t id[static NODE_ID_LEN])
{
	for (unsigned i = 0; i < m->nodes; i++)
		if (memcmp(mesh_node(m, i)->identity.id, id, NODE_ID_LEN) == 0)
			return mesh_node(m, i)->sim;
	return NULL;
}

static bool is_up(const struct client_path *p)
{
	return p->role == CLIENT_PATH_IN_USE || p->role == CLIENT_PATH_BACKUP;
}

static void check_apart(const struct client_view *v)
{
	for (unsigned a = 0; a < v->paths; a++)
		for (unsigned b = 0; b < a; b++)
			for (unsigned i = 0; i + 1 < v->path[a].hops; i++)
				for (unsigned k = 0; k + 1 < v->path[b].hops; k++)
					CHECK(memcmp(v->path[a].hop[i].id, v->path[b].hop[k].id,
						     NODE_ID_LEN) != 0);
}

static void test_paths_are_kept_apart(void)
{
	for (unsigned paths = 1; paths <= CLIENT_IN_USE_MAX; paths++) {
		struct mesh *m = make(10 + paths, NODES);
		struct member *c = connect(m, "nl", paths, 2);

		NEED(c != NULL);
		CHECK_INT(c->view.in_use, paths);
		CHECK_INT(c->view.backups, 2);
		CHECK_INT(c->view.paths, paths + 3); /* and a spare to another exit */
		check_apart(&c->view);
		for (unsigned i = 0; i < c->view.paths; i++)
			CHECK_INT(
			    memcmp(c->view.path[i].hop[2].id, c->view.hop[2].id, NODE_ID_LEN) == 0,
			    c->view.path[i].role != CLIENT_PATH_SPARE);
		CHECK(call(m, c, NS_PER_S) >= 40);
		mesh_free(m);
	}
}

/* Few nodes: what can be had, and no noise about the rest. */
static void test_scarce_nodes(void)
{
	struct mesh *m = make(20, 3);
	struct member *c = connect(m, "node-2", 2, 2);

	NEED(c != NULL);
	CHECK_INT(c->view.in_use, 2); /* there are two ways: by node 0 and 1, or 1 and 0 */
	CHECK_INT(c->view.backups, 0);
	sim_run(m->sim, 120 * NS_PER_S);
	CHECK_INT(c->notes[CLIENT_NOTE_ERROR], 0);
	CHECK_INT(c->notes[CLIENT_NOTE_ROUTE], 1);
	CHECK(call(m, c, NS_PER_S) >= 40);
	mesh_free(m);
}

/* Each hop of each path in turn: the session stays, and soon there are as many paths as before. */
static void test_dead_relays(void)
{
	for (unsigned hop = 0; hop < 2; hop++) {
		struct mesh *m = make(30 + hop, NODES);
		struct member *c = connect(m, "us", 2, 2);
		uint8_t v4[4];

		NEED(c != NULL);
		memcpy(v4, c->view.grant.v4, 4);
		for (unsigned round = 0; round < 4; round++) {
			struct sim_node *victim = node_of(m, mesh_view(c)->path[0].hop[hop].id);
			const unsigned routes = c->notes[CLIENT_NOTE_ROUTE];

			NEED(victim != NULL && is_up(&c->view.path[0]));
			victim->is_dead = true;
			call(m, c, 20 * NS_PER_S);
			printf("# hop %u: %s\n", hop + 1, c->last[CLIENT_NOTE_ROUTE]);
			CHECK(c->notes[CLIENT_NOTE_ROUTE] > routes);
			CHECK(strstr(c->last[CLIENT_NOTE_ROUTE], "connections dropped: 0") != NULL);
			CHECK_INT(mesh_view(c)->state, CLIENT_CONNECTED);
			CHECK_INT(c->view.in_use, 2);
			CHECK_INT(c->view.backups, 2);
		}
		CHECK_INT(c->notes[CLIENT_NOTE_SESSION], 1);
		CHECK_MEM(c->view.grant.v4, v4, 4);
		mesh_free(m);
	}
}

/* What carries nothing is replaced without a word about the route. */
static void test_dead_backup(void)
{
	struct mesh *m = make(40, NODES);
	struct member *c = connect(m, "de", 1, 2);
	struct sim_node *victim;

	NEED(c != NULL && c->view.path[1].role == CLIENT_PATH_BACKUP);
	victim = node_of(m, c->view.path[1].hop[1].id);
	victim->is_dead = true;
	CHECK(call(m, c, 40 * NS_PER_S) > 40 * 50 - 10);
	CHECK_INT(c->notes[CLIENT_NOTE_ROUTE], 1);
	CHECK(c->notes[CLIENT_NOTE_PATH] >= 1);
	printf("# %s\n", c->last[CLIENT_NOTE_PATH]);
	CHECK_INT(mesh_view(c)->in_use, 1);
	CHECK_INT(c->view.backups, 2);
	mesh_free(m);
}

static void test_dead_exit(void)
{
	for (unsigned round = 0; round < 5; round++) {
		struct mesh *m = make(50 + round, NODES);
		struct member *c = connect(m, "fr", 2, 2);
		uint64_t waited_ns;
		uint8_t id[NODE_ID_LEN];

		NEED(c != NULL);
		memcpy(id, c->view.hop[2].id, NODE_ID_LEN);
		call(m, c, NS_PER_S);
		node_of(m, id)->is_dead = true;
		sim_run(m->sim, 3 * RTT_NS); /* what was under way */
		waited_ns = until_answer(m, c, 20 * NS_PER_S);
		printf("# another exit's answer after %llu ms\n",
		       (unsigned long long)(waited_ns / NS_PER_MS));
		CHECK(waited_ns < 2 * NS_PER_S);
		CHECK_INT(c->notes[CLIENT_NOTE_SESSION], 2);
		CHECK(memcmp(mesh_view(c)->hop[2].id, id, NODE_ID_LEN) != 0);
		CHECK(strcmp(c->view.hop[2].country, "FR") == 0);
		CHECK(strstr(c->last[CLIENT_NOTE_ERROR], "open connections through it are lost") !=
		      NULL);
		sim_run(m->sim, 5 * NS_PER_S);
		CHECK_INT(mesh_view(c)->in_use, 2);
		CHECK_INT(c->view.backups, 2);
		mesh_free(m);
	}
}

/* It says so itself: nobody has to wait for silence. */
static void test_exit_that_stops(void)
{
	struct mesh *m = make(55, NODES);
	struct member *c = connect(m, "fr", 2, 2);
	struct sim_node *exit;
	struct now now;
	uint64_t waited_ns;

	NEED(c != NULL);
	exit = node_of(m, c->view.hop[2].id);
	call(m, c, NS_PER_S);
	now = sim_now(m->sim);
	engine_leave(exit->engine, &now);
	sim_pump(m->sim, exit);
	exit->is_dead = true;
	sim_run(m->sim, 3 * RTT_NS);
	waited_ns = until_answer(m, c, 20 * NS_PER_S);
	printf("# another exit's answer after %llu ms\n",
	       (unsigned long long)(waited_ns / NS_PER_MS));
	CHECK(waited_ns < 2 * RTT_NS);
	CHECK_INT(c->notes[CLIENT_NOTE_SESSION], 2);
	mesh_free(m);
}

/* The only exit that will do is not given up. */
static void test_dead_exit_without_another(void)
{
	struct mesh *m = make(60, NODES);
	struct member *c = connect(m, "node-7", 2, 2);
	struct sim_node *exit;

	NEED(c != NULL);
	exit = node_of(m, c->view.hop[2].id);
	exit->is_dead = true;
	call(m, c, 10 * NS_PER_S);
	CHECK_INT(mesh_view(c)->state, CLIENT_RECONNECTING);
	printf("# %s\n", c->view.reason);
	exit->is_dead = false;
	CHECK(until_answer(m, c, 10 * NS_PER_S) < 5 * NS_PER_S);
	sim_run(m->sim, RTT_NS); /* for an acknowledgement, too */
	CHECK_INT(mesh_view(c)->state, CLIENT_CONNECTED);
	CHECK_INT(c->notes[CLIENT_NOTE_SESSION], 1);
	mesh_free(m);
}

static void cut(struct mesh *m, bool is_down)
{
	for (unsigned i = 0; i < m->nodes; i++)
		sim_wire(m->sim, i, m->nodes)->is_down = sim_wire(m->sim, m->nodes, i)->is_down =
		    is_down;
}

/* Our own network is away: nobody else is blamed, and soon after it is back all is as before. */
static void test_network_away(void)
{
	static const uint64_t seconds[] = {4, 10, 30, 100, 600};

	for (unsigned i = 0; i < ARRAY_LEN(seconds); i++) {
		struct mesh *m = make(70 + i, NODES);
		struct member *c = connect(m, "auto", 2, 2);
		struct now now;
		uint64_t waited_ns;

		NEED(c != NULL);
		call(m, c, NS_PER_S);
		cut(m, true);
		call(m, c, seconds[i] * NS_PER_S);
		CHECK_INT(mesh_view(c)->state, CLIENT_RECONNECTING);
		printf("# %s\n", c->view.reason);
		cut(m, false);
		now = sim_now(m->sim);
		client_network_changed(c->client, &now);
		sim_pump(m->sim, c->sim);
		waited_ns = until_answer(m, c, 20 * NS_PER_S);
		printf("# %llu s away: an answer after %llu ms\n", (unsigned long long)seconds[i],
		       (unsigned long long)(waited_ns / NS_PER_MS));
		CHECK(waited_ns < 2 * RTT_NS + NS_PER_S);
		CHECK(mesh_wait(m, c, CLIENT_CONNECTED, NS_PER_S));
		CHECK_INT(c->notes[CLIENT_NOTE_SESSION], 1);
		mesh_free(m);
	}
}

/* The client's machine sleeps for ten minutes, and its clocks go on: the session does too. */
static void test_sleep(void)
{
	struct mesh *m = make(77, NODES);
	struct member *c = connect(m, "auto", 2, 2);
	uint64_t waited_ns;

	NEED(c != NULL);
	call(m, c, NS_PER_S);
	c->sim->is_dead = true;
	sim_run(m->sim, 600 * NS_PER_S);
	c->sim->is_dead = false;
	sim_pump(m->sim, c->sim);
	waited_ns = until_answer(m, c, 20 * NS_PER_S);
	printf("# 600 s asleep: an answer after %llu ms\n",
	       (unsigned long long)(waited_ns / NS_PER_MS));
	CHECK(waited_ns < 2 * RTT_NS + NS_PER_S);
	CHECK(mesh_wait(m, c, CLIENT_CONNECTED, NS_PER_S));
	CHECK_INT(c->notes[CLIENT_NOTE_SESSION], 1);
	mesh_free(m);
}

/* It sleeps for longer than its exit waits: a new session, and it is said what that means. */
static void test_long_sleep(void)
{
	struct mesh *m = make(78, NODES);
	struct member *c = connect(m, "auto", 2, 2);

	NEED(c != NULL);
	call(m, c, NS_PER_S);
	c->sim->is_dead = true;
	sim_run(m->sim, 3600 * NS_PER_S);
	c->sim->is_dead = false;
	sim_pump(m->sim, c->sim);
	CHECK(until_answer(m, c, 20 * NS_PER_S) < 5 * NS_PER_S);
	CHECK_INT(c->notes[CLIENT_NOTE_SESSION], 2);
	CHECK(strstr(c->last[CLIENT_NOTE_ERROR], "open connections") != NULL);
	printf("# 3600 s asleep: %s\n", c->last[CLIENT_NOTE_ERROR]);
	mesh_free(m);
}

/* How many of the entries and relays of two routes and their backups are full, when a third is. */
static unsigned full_hops(uint64_t seed)
{
	struct mesh *m = make(seed, NODES);
	struct member *c;
	unsigned full = 0;

	for (unsigned i = 0; i < NODES; i += 3)
		engine_set_load(mesh_node(m, i)->sim->engine, 95);
	c = connect(m, "auto", 2, 2);
	if (c == NULL)
		abort();
	sim_run(m->sim, 10 * NS_PER_S);
	CHECK_INT(mesh_view(c)->in_use, 2);
	CHECK_INT(c->view.backups, 2);
	for (unsigned p = 0; p < c->view.paths; p++)
		for (unsigned hop = 0; hop + 1 < c->view.path[p].hops; hop++)
			full += node_of(m, c->view.path[p].hop[hop].id)->index % 3 == 0;
	mesh_free(m);
	return full;
}

/* Hops say how full they are when a circuit is made: with enough others, hardly any of them stays;
 * it gives up after some in a row. */
static void test_full_nodes_are_turned_down(void)
{
	unsigned full = 0;

	for (uint64_t seed = 75; seed < 79; seed++)
		full += full_hops(seed);
	printf("# %u of 32 entries and relays are full, of all nodes a third\n", full);
	CHECK(full <= 6);
}

/* All are: it takes what there is. */
static void test_all_are_full(void)
{
	struct mesh *m = make(76, NODES);
	struct member *c;

	for (unsigned i = 0; i < NODES; i++)
		engine_set_load(mesh_node(m, i)->sim->engine, 100);
	c = connect(m, "auto", 2, 2);
	NEED(c != NULL);
	sim_run(m->sim, 10 * NS_PER_S);
	CHECK_INT(mesh_view(c)->in_use, 2);
	CHECK_INT(c->view.backups, 2);
	mesh_free(m);
}

/* All routes are changed at once, under traffic: not a packet is lost. */
static void test_changing_routes_costs_nothing(void)
{
	struct mesh *m = make(80, NODES);
	struct member *c = connect(m, "auto", 2, 2);
	uint64_t sent = 0;

	NEED(c != NULL);
	c->sim->packets = 0;
	for (unsigned round = 0; round < 5; round++) {
		const struct now now = sim_now(m->sim);

		client_reconnect(c->client, false, &now);
		sim_pump(m->sim, c->sim);
		call(m, c, 4 * NS_PER_S);
		sent += 200;
	}
	sim_run(m->sim, NS_PER_S);
	CHECK_INT(c->sim->packets, sent);
	CHECK_INT(c->notes[CLIENT_NOTE_SESSION], 1);
	CHECK_INT(mesh_view(c)->in_use, 2);
	CHECK_INT(c->view.backups, 2);
	check_apart(&c->view);
	mesh_free(m);
}

int main(void)
{
	RUN(test_paths_are_kept_apart);
	RUN(test_scarce_nodes);
	RUN(test_dead_relays);
	RUN(test_dead_backup);
	RUN(test_dead_exit);
	RUN(test_exit_that_stops);
	RUN(test_dead_exit_without_another);
	RUN(test_network_away);
	RUN(test_sleep);
	RUN(test_long_sleep);
	RUN(test_full_nodes_are_turned_down);
	RUN(test_all_are_full);
	RUN(test_changing_routes_costs_nothing);
	return test_done();
}
