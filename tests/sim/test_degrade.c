/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A relay that turns slow, lossy or thin is named, left without a loss, and taken back when it is
 * well; and better routes are found. */
#include "tests/lib/test.h"
#include "tests/sim/mesh.h"

enum {
	NODES = 40,
	ROUNDS = 2,
};

#define DELAY_NS   (20 * NS_PER_MS)
#define VERDICT_NS (5 * NS_PER_S)
#define MOVED_NS   (10 * NS_PER_S)
#define HEALED_NS  (60 * NS_PER_S)
#define STEP_NS    (2 * NS_PER_MS)

static const char *country(unsigned i)
{
	static const char *const names[] = {"DE", "NL", "FR", "US"};

	return names[i % ARRAY_LEN(names)];
}

static struct mesh *make(uint64_t seed, uint64_t improve_ns)
{
	struct mesh *m = mesh_create(&(struct mesh_params){.nodes = NODES,
							   .clients = 1,
							   .seeds = 3,
							   .seed = seed,
							   .wire = {.delay_ns = DELAY_NS},
							   .country_of = country,
							   .improve_ns = improve_ns,
							   .keeps_book = true});

	sim_run(m->sim, 8 * NS_PER_S); /* the nodes find each other */
	return m;
}

static struct member *connect(struct mesh *m)
{
	struct member *c = mesh_client(m, 0);
	struct client_wish wish = {.exit = "nl", .hops = 3, .paths = 2, .backups = 2};

	if (!mesh_connect_as(m, c, &wish, 3 * NS_PER_S))
		return NULL;
	sim_run(m->sim, 20 * NS_PER_S);
	mesh_view(c);
	return c->view.in_use == 2 && c->view.backups == 2 ? c : NULL;
}

/* 4 Mbit/s up and down as one flow, or a tenth of it; what comes back is counted by when it was
 * sent. */
struct stream {
	uint64_t step_ns, sent, back_of[200000], at_ns[200000];
};

static struct stream stream;

static void on_packet(struct sim_node *n, unsigned flow, uint64_t tag, void *ctx)
{
	(void)n;
	(void)flow;
	(void)ctx;
	if (tag < ARRAY_LEN(stream.back_of))
		stream.back_of[tag]++;
}

static void run(struct mesh *m, struct member *c, uint64_t ns)
{
	for (uint64_t t = 0; t < ns; t += stream.step_ns) {
		if (stream.sent < ARRAY_LEN(stream.at_ns)) {
			stream.at_ns[stream.sent] = sim_now(m->sim).mono_ns;
			sim_send(m->sim, c->sim, 1000, stream.sent++);
		}
		sim_run(m->sim, stream.step_ns);
	}
}

static void stream_begin(struct member *c, uint64_t step_ns)
{
	memset(&stream, 0, sizeof(stream));
	stream.step_ns = step_ns;
	c->sim->on_packet = on_packet;
}

/* Of those sent from then on, but for the last ones. */
static uint64_t lost_since(const struct mesh *m, uint64_t from_ns)
{
	uint64_t lost = 0;

	for (uint64_t i = 0; i < stream.sent; i++)
		if (stream.at_ns[i] >= from_ns &&
		    stream.at_ns[i] + NS_PER_S < sim_now(m->sim).mono_ns)
			lost += stream.back_of[i] == 0;
	return lost;
}

static const struct client_path *busiest(struct member *c)
{
	const struct client_path *best = NULL;

	for (unsigned i = 0; i < mesh_view(c)->paths; i++)
		if (c->view.path[i].role == CLIENT_PATH_IN_USE &&
		    (best == NULL || c->view.path[i].stats.tx_bytes > best->stats.tx_bytes))
			best = &c->view.path[i];
	return best;
}

static struct member *member_of(struct mesh *m, const uint8_t id[static NODE_ID_LEN])
{
	for (unsigned i = 0; i < m->nodes; i++)
		if (memcmp(mesh_node(m, i)->identity.id, id, NODE_ID_LEN) == 0)
			return mesh_node(m, i);
	return NULL;
}

/* The view's hop of that node, on a path of that role; NULL: none. */
static const struct client_hop *find_hop(const struct client_view *v, const struct member *node,
					 enum client_path_role role)
{
	for (unsigned i = 0; i < v->paths; i++)
		for (unsigned k = 0; k < v->path[i].hops; k++)
			if (v->path[i].role == role &&
			    memcmp(v->path[i].hop[k].id, node->identity.id, NODE_ID_LEN) == 0)
				return &v->path[i].hop[k];
	return NULL;
}

/* On it, or on the link behind it. */
static bool is_bad(const struct client_view *v, const struct member *node)
{
	for (unsigned i = 0; i < v->paths; i++)
		for (unsigned k = 0; k < v->path[i].hops; k++) {
			const struct client_hop *h = v->path[i].hop;

			if (memcmp(h[k].id, node->identity.id, NODE_ID_LEN) == 0 &&
			    (h[k].verdict.level != HEALTH_GREEN ||
			     (k + 1 < v->path[i].hops && h[k + 1].verdict.level != HEALTH_GREEN)))
				return true;
		}
	return false;
}

enum trouble {
	SLOW,
	LOSSY,
	THIN,
	TROUBLES,
};

static const char *const trouble_name[TROUBLES] = {"slow", "lossy", "thin"};

/* All that the node sends: 200 ms later, a tenth less, or through 1 Mbit/s. */
static void make_trouble(struct mesh *m, const struct member *node, enum trouble t, bool is_on)
{
	for (unsigned i = 0; i <= m->nodes; i++) {
		struct sim_wire *w = sim_wire(m->sim, node->sim->index, i);

		w->delay_ns = DELAY_NS + (t == SLOW && is_on ? 200 * NS_PER_MS : 0);
		w->loss_per_1000 = t == LOSSY && is_on ? 100 : 0;
		w->rate_bps = t == THIN && is_on ? 1000000 : 0;
	}
}

static uint64_t until(struct mesh *m, struct member *c, const struct member *node,
		      bool (*is_so)(const struct client_view *v, const struct member *node),
		      uint64_t limit_ns)
{
	const uint64_t start_ns = sim_now(m->sim).mono_ns;

	while (!is_so(mesh_view(c), node) && sim_now(m->sim).mono_ns - start_ns < limit_ns)
		run(m, c, 50 * NS_PER_MS);
	return sim_now(m->sim).mono_ns - start_ns;
}

static bool has_moved(const struct client_view *v, const struct member *node)
{
	return find_hop(v, node, CLIENT_PATH_IN_USE) == NULL;
}

/* In good standing: a backup may have gone over it all the time. */
static bool is_back(const struct client_view *v, const struct member *node)
{
	return !is_bad(v, node) && (find_hop(v, node, CLIENT_PATH_BACKUP) != NULL ||
				    find_hop(v, node, CLIENT_PATH_IN_USE) != NULL);
}

static void one(enum trouble t, unsigned round, unsigned place)
{
	struct mesh *m = make(100 * t + round, 0);
	struct member *c = connect(m), *bad;
	uint64_t verdict_ns, moved_ns, healed_ns, moved_at_ns;
	unsigned routes;
	char name[32];

	NEED(c != NULL);
	stream_begin(c, STEP_NS);
	run(m, c, 3 * NS_PER_S);
	bad = member_of(m, busiest(c)->hop[place].id);
	NEED(bad != NULL);
	routes = c->notes[CLIENT_NOTE_ROUTE];
	make_trouble(m, bad, t, true);
	verdict_ns = until(m, c, bad, is_bad, VERDICT_NS);
	moved_ns = verdict_ns + until(m, c, bad, has_moved, MOVED_NS);
	moved_at_ns = sim_now(m->sim).mono_ns;
	CHECK(verdict_ns < VERDICT_NS);
	CHECK(moved_ns < MOVED_NS);
	snprintf(name, sizeof(name), "hop %u, %s", place + 1, bad->name);
	CHECK(strstr(c->last[CLIENT_NOTE_ROUTE], name) != NULL);
	CHECK(strstr(c->last[CLIENT_NOTE_ROUTE], "connections dropped: 0") != NULL);
	CHECK_INT(c->notes[CLIENT_NOTE_ROUTE], routes + 1);
	run(m, c, 10 * NS_PER_S);
	CHECK_INT(lost_since(m, t == SLOW ? 0 : moved_at_ns), 0);
	printf("# %s: verdict %.1f s, moved %.1f s; %s\n", trouble_name[t],
	       (double)verdict_ns / 1e9, (double)moved_ns / 1e9, c->last[CLIENT_NOTE_ROUTE]);
	if (place == 0) { /* other routes go through it */
		mesh_free(m);
		return;
	}
	/* It is well again. */
	make_trouble(m, bad, t, false);
	healed_ns = until(m, c, bad, is_back, HEALED_NS);
	CHECK(healed_ns < HEALED_NS);
	routes = c->notes[CLIENT_NOTE_ROUTE];
	run(m, c, 60 * NS_PER_S);
	CHECK_INT(c->notes[CLIENT_NOTE_ROUTE], routes); /* nothing flaps */
	CHECK_INT(lost_since(m, moved_at_ns), 0);
	CHECK_INT(mesh_view(c)->in_use, 2);
	CHECK_INT(c->view.backups, 2);
	printf("# %s: back after %.1f s\n", trouble_name[t], (double)healed_ns / 1e9);
	mesh_free(m);
}

static void test_bad_relays(void)
{
	for (enum trouble t = SLOW; t < TROUBLES; t++)
		for (unsigned round = 0; round < ROUNDS; round++)
			one(t, round, 1);
}

static void test_bad_entries(void)
{
	one(SLOW, 50, 0);
	one(LOSSY, 50, 0);
}

/* ---- better ones ---- */

/* On average of those in use. */
static uint64_t usual_ns(const struct client_view *v)
{
	uint64_t sum_ns = 0;

	for (unsigned i = 0; i < v->paths; i++)
		if (v->path[i].role == CLIENT_PATH_IN_USE)
			sum_ns += v->path[i].figures.usual_ns;
	return sum_ns / v->in_use;
}

/* Half of the nodes are far away, which nobody knows before: routes get shorter, without a loss,
 * and then stay. */
static void test_better_routes_are_found(void)
{
	uint64_t before_ns = 0, after_ns = 0;

	for (unsigned round = 0; round < ROUNDS; round++) {
		struct mesh *m = make(900 + round, 20 * NS_PER_S);
		struct member *c;
		unsigned routes;

		c = connect(m);
		NEED(c != NULL);
		before_ns += usual_ns(&c->view);
		for (unsigned i = 0; i <= NODES; i++)
			for (unsigned k = 0; k <= NODES; k++)
				if (i % 8 < 4 && k % 8 < 4)
					sim_wire(m->sim, i, k)->delay_ns = DELAY_NS / 4;
		stream_begin(c, 10 * STEP_NS);
		run(m, c, 300 * NS_PER_S);
		routes = c->notes[CLIENT_NOTE_ROUTE];
		run(m, c, 60 * NS_PER_S);
		CHECK(c->notes[CLIENT_NOTE_ROUTE] <= routes + 1);
		CHECK_INT(lost_since(m, 0), 0);
		CHECK_INT(c->notes[CLIENT_NOTE_SESSION], 1);
		after_ns += usual_ns(mesh_view(c));
		CHECK_INT(c->view.in_use, 2);
		CHECK_INT(c->view.backups, 2);
		printf("# %u changes, the last: %s\n", routes, c->last[CLIENT_NOTE_ROUTE]);
		mesh_free(m);
	}
	printf("# a round trip of %llu ms became one of %llu ms\n",
	       (unsigned long long)(before_ns / ROUNDS / NS_PER_MS),
	       (unsigned long long)(after_ns / ROUNDS / NS_PER_MS));
	CHECK(after_ns < before_ns * 9 / 10);
}

/* Where all are alike, nothing changes. */
static void test_nothing_changes_for_nothing(void)
{
	struct mesh *m = make(950, 20 * NS_PER_S);
	struct member *c = connect(m);
	unsigned routes, paths;

	NEED(c != NULL);
	routes = c->notes[CLIENT_NOTE_ROUTE];
	paths = c->notes[CLIENT_NOTE_PATH];
	stream_begin(c, 10 * STEP_NS);
	run(m, c, 360 * NS_PER_S);
	CHECK_INT(c->notes[CLIENT_NOTE_ROUTE], routes);
	CHECK(c->notes[CLIENT_NOTE_PATH] <= paths + 1);
	CHECK_INT(lost_since(m, 0), 0);
	mesh_free(m);
}

int main(void)
{
	RUN(test_bad_relays);
	RUN(test_bad_entries);
	RUN(test_better_routes_are_found);
	RUN(test_nothing_changes_for_nothing);
	return test_done();
}
