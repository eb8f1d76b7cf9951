/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Many: circuits over one relay; nodes and clients on lossy wires. */
#include "tests/lib/test.h"
#include "tests/sim/sim.h"

#include "core/engine_int.h"

/* ---- a thousand circuits over one relay ---- */

enum {
	CLIENTS = 32,
	PATHS_EACH = 32,
	ENTRIES = 2,
	RELAY = ENTRIES,
	EXIT,
};

static void test_thousand_circuits_over_one_relay(void)
{
	struct sim *s = sim_create(&(struct sim_params){.nodes = EXIT + 1,
							.clients = CLIENTS,
							.seed = 1,
							.batches = 64,
							.wire = {.delay_ns = 5 * NS_PER_MS}});
	uint32_t path[CLIENTS][PATHS_EACH];
	unsigned open = 0, echoes = 0;
	struct now now;

	for (unsigned k = 0; k < PATHS_EACH; k++) { /* ten a second and client: within limits */
		for (unsigned i = 0; i < CLIENTS; i++) {
			struct sim_node *c = sim_node(s, EXIT + 1 + i);
			const unsigned route[] = {i % ENTRIES, RELAY, EXIT};
			const struct path_spec spec = sim_spec(s, route, 3);

			now = sim_now(s);
			path[i][k] = engine_path_build(c->engine, &spec, &now);
			NEED(path[i][k] != 0);
			sim_pump(s, c);
		}
		sim_run(s, NS_PER_S / 10);
	}
	sim_run(s, NS_PER_S);
	for (unsigned i = 0; i < CLIENTS; i++)
		open += sim_node(s, EXIT + 1 + i)->seen[EVENT_PATH_OPEN];
	CHECK_INT(open, CLIENTS * PATHS_EACH);
	CHECK_INT(sim_stats(s, RELAY).circuits, CLIENTS * PATHS_EACH);
	for (unsigned k = 0; k < PATHS_EACH; k++) { /* each answers to its own client */
		for (unsigned i = 0; i < CLIENTS; i++) {
			struct sim_node *c = sim_node(s, EXIT + 1 + i);

			now = sim_now(s);
			engine_path_echo(c->engine, path[i][k], 3, &now);
			sim_pump(s, c);
		}
		sim_run(s, NS_PER_S / 10);
		for (unsigned i = 0; i < CLIENTS; i++)
			echoes += sim_node(s, EXIT + 1 + i)->last[EVENT_ECHO].path == path[i][k];
	}
	CHECK_INT(echoes, CLIENTS * PATHS_EACH);
	for (unsigned i = 0; i < CLIENTS; i++) {
		struct sim_node *c = sim_node(s, EXIT + 1 + i);

		now = sim_now(s);
		for (unsigned k = 0; k < PATHS_EACH; k++)
			engine_path_close(c->engine, path[i][k], &now);
		sim_pump(s, c);
	}
	sim_run(s, 20 * NS_PER_S);
	for (unsigned i = 0; i <= EXIT; i++)
		CHECK_INT(sim_stats(s, i).circuits, 0);
	sim_free(s);
}

/* ---- a mesh ---- */

enum {
	MESH_NODES = 300,
	MESH_CLIENTS = 200,
	PACKETS_EACH = 20,
};

/* One client on its way to a session, as patient as a real one. */
struct user {
	struct sim_node *node;
	uint32_t path, session;
	enum {
		USER_BUILDING,
		USER_OPENING,
		USER_ATTACHING,
		USER_READY,
	} state;
	unsigned builds;
	uint64_t asked_ns;
};

static void build(struct sim *s, struct user *u)
{
	unsigned route[3];
	struct path_spec spec;
	struct now now = sim_now(s);

	for (unsigned i = 0; i < 3;) {
		route[i] = (unsigned)rng_below(sim_rng(s), MESH_NODES);
		i += i == 0 || (route[i] != route[0] && (i == 1 || route[i] != route[1]));
	}
	spec = sim_spec(s, route, 3);
	if (u->path != 0)
		engine_path_close(u->node->engine, u->path, &now);
	u->path = engine_path_build(u->node->engine, &spec, &now);
	u->state = USER_BUILDING;
	u->asked_ns = now.mono_ns;
	u->builds++;
}

static void ask(struct sim *s, struct user *u)
{
	const struct now now = sim_now(s);

	u->asked_ns = now.mono_ns;
	if (u->state == USER_OPENING) {
		engine_session_close(u->node->engine, u->session, &now);
		u->session = engine_session_open(u->node->engine, u->path, &now);
	} else {
		engine_session_attach(u->node->engine, u->session, u->path, &now);
	}
}

static void on_event(struct sim_node *n, const struct engine_event *ev, void *ctx)
{
	const struct now now = sim_now(n->sim);
	struct user *u = ctx;

	if (ev->path != u->path || ev->path == 0)
		return;
	if (ev->type == EVENT_PATH_OPEN && u->state == USER_BUILDING) {
		u->state = USER_OPENING;
		ask(n->sim, u);
	} else if (ev->type == EVENT_SESSION_OPEN && u->state == USER_OPENING) {
		u->state = USER_ATTACHING;
		ask(n->sim, u);
	} else if (ev->type == EVENT_PATH_ATTACHED && u->state == USER_ATTACHING) {
		u->state = USER_READY;
		engine_session_use(n->engine, u->session,
				   &(struct path_use){.path = u->path, .weight = 1}, 1, &now);
	} else if (ev->type == EVENT_PATH_FAILED || ev->type == EVENT_PATH_CLOSED) {
		u->path = 0;
		build(n->sim, u);
	}
}

/* What was asked and not answered is asked again; what was lost for long is built anew. */
static void look_after(struct sim *s, struct user *u)
{
	const uint64_t waited_ns = sim_now(s).mono_ns - u->asked_ns;

	if (u->state == USER_READY)
		return;
	if (u->state == USER_BUILDING && waited_ns > 3 * NS_PER_S)
		build(s, u);
	else if (u->state != USER_BUILDING && waited_ns > NS_PER_S)
		ask(s, u);
	sim_pump(s, u->node);
}

static unsigned count_ready(const struct user *users)
{
	unsigned ready = 0;

	for (unsigned i = 0; i < MESH_CLIENTS; i++)
		ready += users[i].state == USER_READY;
	return ready;
}

static void test_mesh_of_300_nodes_and_200_clients(void)
{
	static struct user users[MESH_CLIENTS];
	struct sim *s = sim_create(&(struct sim_params){.nodes = MESH_NODES,
							.clients = MESH_CLIENTS,
							.seed = 2,
							.batches = 8,
							.wire = {.delay_ns = 20 * NS_PER_MS,
								 .jitter_ns = 20 * NS_PER_MS,
								 .loss_per_1000 = 20,
								 .dup_per_1000 = 5}});
	uint64_t packets = 0, bad = 0, seconds = 0, builds = 0, sizes_wrong = 0;

	for (unsigned i = 0; i < MESH_CLIENTS; i++) {
		users[i] = (struct user){.node = sim_node(s, MESH_NODES + i)};
		users[i].node->on_event = on_event;
		users[i].node->ctx = &users[i];
		build(s, &users[i]);
		sim_pump(s, users[i].node);
		sim_run(s, 10 * NS_PER_MS);
	}
	for (; count_ready(users) < MESH_CLIENTS && seconds < 60; seconds++) {
		sim_run(s, NS_PER_S);
		for (unsigned i = 0; i < MESH_CLIENTS; i++)
			look_after(s, &users[i]);
	}
	CHECK_INT(count_ready(users), MESH_CLIENTS);
	for (unsigned k = 0; k < PACKETS_EACH; k++)
		for (unsigned i = 0; i < MESH_CLIENTS; i++) {
			sim_send(s, users[i].node, 600, k);
			sim_run(s, NS_PER_MS / 2);
		}
	sim_run(s, NS_PER_S);
	for (unsigned i = 0; i < MESH_CLIENTS; i++) {
		struct path_stats ps;

		packets += users[i].node->packets;
		bad += users[i].node->bad_packets;
		builds += users[i].builds;
		NEED(engine_path_stats(users[i].node->engine, users[i].path, &ps));
		CHECK_INT(ps.proofs_failed + ps.bwd_failed, 0);
	}
	for (unsigned i = 0; i < MESH_NODES + MESH_CLIENTS; i++)
		sizes_wrong += sim_node(s, i)->sent_sizes_wrong;
	printf("# all connected after %llu s and %llu builds; %llu of %u packets came back\n",
	       (unsigned long long)seconds + 2, (unsigned long long)builds,
	       (unsigned long long)packets, MESH_CLIENTS * PACKETS_EACH);
	CHECK(packets > MESH_CLIENTS * PACKETS_EACH * 80 / 100); /* 0.98 to the 6th is 0.886 */
	CHECK_INT(bad, 0);
	CHECK_INT(sizes_wrong, 0);
	CHECK_INT(sim_drops(s, SIM_ALL, DROP_PROOF) + sim_drops(s, SIM_ALL, DROP_ONION_TAG) +
		      sim_drops(s, SIM_ALL, DROP_SESSION_TAG) +
		      sim_drops(s, SIM_ALL, DROP_LINK_TAG),
		  0);
	sim_free(s);
}

int main(void)
{
	RUN(test_thousand_circuits_over_one_relay);
	RUN(test_mesh_of_300_nodes_and_200_clients);
	return test_done();
}
