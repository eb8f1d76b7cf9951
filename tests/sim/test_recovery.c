/* SPDX-License-Identifier: GPL-3.0-or-later */
/* In a mesh that has just enough nodes: after each blow there are soon as many paths as before, and
 * each has another that shares nothing with it but the exit. */
#include "tests/lib/test.h"
#include "tests/sim/mesh.h"

enum {
	ENTRIES = 6,
	RELAYS = 8,
	EXITS = 3,
	NODES = ENTRIES + RELAYS + EXITS,
	SEEDS = 8, /* of the random numbers */
	PATHS = 2,
	BACKUPS = 2,
};

#define DELAY_NS (20 * NS_PER_MS) /* up to twice that */
#define WHOLE_NS (30 * NS_PER_S)
#define CALL_NS  (7 * NS_PER_S)

static uint8_t role(unsigned i)
{
	return i < ENTRIES ? ROLE_ENTRY : i < ENTRIES + RELAYS ? ROLE_RELAY : ROLE_EXIT;
}

static const char *country(unsigned i)
{
	static const char *const names[] = {"DE", "NL", "FR", "GB"};

	if (role(i) == ROLE_EXIT)
		return i < NODES - 1 ? "NL" : "FR";
	return names[i % ARRAY_LEN(names)];
}

static struct mesh *make(uint64_t seed, const struct sim_wire *wire)
{
	struct mesh *m = mesh_create(&(struct mesh_params){
	    .nodes = NODES,
	    .clients = 1,
	    .seeds = 3,
	    .seed = seed,
	    .wire = *wire,
	    .role_of = role,
	    .country_of = country,
	    .improve_ns = 120 * NS_PER_S,
	    .keeps_book = true,
	});

	for (unsigned a = 0; a <= NODES; a++)
		for (unsigned b = 0; b < a; b++)
			sim_wire(m->sim, a, b)->delay_ns = sim_wire(m->sim, b, a)->delay_ns =
			    DELAY_NS + rng_below(sim_rng(m->sim), DELAY_NS);
	sim_run(m->sim, 8 * NS_PER_S); /* the nodes find each other */
	return m;
}

static void call(struct mesh *m, struct member *c, uint64_t ns)
{
	for (uint64_t t = 0; t < ns; t += 20 * NS_PER_MS) {
		sim_send(m->sim, c->sim, 200, t / NS_PER_MS);
		sim_run(m->sim, 20 * NS_PER_MS);
	}
}

static bool is_up(const struct client_path *p)
{
	return p->role == CLIENT_PATH_IN_USE || p->role == CLIENT_PATH_BACKUP;
}

static bool are_apart(const struct client_path *a, const struct client_path *b)
{
	for (unsigned i = 0; i + 1 < a->hops; i++)
		for (unsigned k = 0; k + 1 < b->hops; k++)
			if (memcmp(a->hop[i].id, b->hop[k].id, NODE_ID_LEN) == 0)
				return false;
	return true;
}

static bool has_another(const struct client_view *v, const struct client_path *p)
{
	for (unsigned i = 0; i < v->paths; i++)
		if (is_up(&v->path[i]) && are_apart(&v->path[i], p))
			return true;
	return false;
}

static bool is_whole(void *ctx)
{
	const struct client_view *v = mesh_view(ctx);

	if (v->in_use < PATHS || v->backups < BACKUPS)
		return false;
	for (unsigned i = 0; i < v->paths; i++)
		if (is_up(&v->path[i]) && !has_another(v, &v->path[i]))
			return false;
	return true;
}

static void show(const struct client_view *v)
{
	for (unsigned i = 0; i < v->paths; i++) {
		printf("#   role %d:", (int)v->path[i].role);
		for (unsigned k = 0; k < v->path[i].hops; k++)
			printf(" %s", v->path[i].hop[k].name);
		printf("\n");
	}
}

static uint64_t until_whole(struct mesh *m, struct member *c)
{
	const uint64_t start_ns = sim_now(m->sim).mono_ns;

	if (!sim_run_until(m->sim, WHOLE_NS, is_whole, c)) {
		CHECK(false);
		show(&c->view);
		printf("#   %s\n#   %s\n", c->last[CLIENT_NOTE_PATH], c->last[CLIENT_NOTE_ERROR]);
	}
	return sim_now(m->sim).mono_ns - start_ns;
}

enum blow {
	EXIT_DEAD,
	ALL_CHANGED,
	ENTRY_HUNG,
	RELAY_DEAD,
	BLOWS
};

static struct sim_node *hop(struct mesh *m, struct member *c, unsigned n)
{
	mesh_view(c);
	return mesh_hop(m, c, n)->sim;
}

static void strike(struct mesh *m, struct member *c, enum blow blow)
{
	const struct now now = sim_now(m->sim);
	struct sim_node *victim;

	if (blow == ALL_CHANGED) {
		client_reconnect(c->client, false, &now);
		sim_pump(m->sim, c->sim);
		call(m, c, CALL_NS);
		return;
	}
	victim = hop(m, c, blow == EXIT_DEAD ? 3 : blow == ENTRY_HUNG ? 1 : 2);
	victim->is_dead = true;
	call(m, c, CALL_NS);
	victim->is_dead = false;
	sim_pump(m->sim, victim);
}

static void go_on_blows(const struct sim_wire *wire)
{
	static const char *const names[BLOWS] = {"exit dead", "all changed", "entry hung",
						 "relay dead"};
	static const struct client_wish wish = {
	    .exit = "nl", .hops = 3, .paths = PATHS, .backups = BACKUPS};
	uint64_t worst_ns[BLOWS] = {0};

	for (uint64_t seed = 1; seed <= SEEDS; seed++) {
		struct mesh *m = make(seed, wire);
		struct member *c = mesh_client(m, 0);

		NEED(mesh_connect_as(m, c, &wish, 20 * NS_PER_S));
		until_whole(m, c);
		for (unsigned i = 0; i < 2 * BLOWS; i++) {
			const enum blow blow = i % BLOWS;
			uint64_t ns;

			strike(m, c, blow);
			ns = until_whole(m, c);
			worst_ns[blow] = MAX(worst_ns[blow], ns);
		}
		mesh_free(m);
	}
	for (unsigned i = 0; i < BLOWS; i++)
		printf("# %s: whole again %llu s and %llu ms later, at most\n", names[i],
		       (unsigned long long)(CALL_NS / NS_PER_S),
		       (unsigned long long)(worst_ns[i] / NS_PER_MS));
}

static void test_whole_again(void)
{
	go_on_blows(&(struct sim_wire){.delay_ns = DELAY_NS});
}

/* Much looks bad here that is not, and many circuits are lost while they are made. */
static void test_whole_again_over_bad_wires(void)
{
	go_on_blows(&(struct sim_wire){
	    .delay_ns = DELAY_NS, .jitter_ns = 3 * DELAY_NS, .loss_per_1000 = 10});
}

int main(void)
{
	RUN(test_whole_again);
	RUN(test_whole_again_over_bad_wires);
	return test_done();
}
