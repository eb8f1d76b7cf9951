/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Attackers on the wires between real engines: replay, swap, injection, floods, capture. */
#include "tests/lib/test.h"
#include "tests/sim/sim.h"

#include "core/engine_int.h"
#include "util/xalloc.h"

enum {
	NODES = 4,
	CLIENT_A = NODES,
	CLIENT_B,
	HOPS = 3,
	SWAPS = 12,
};

static const unsigned route[HOPS] = {0, 1, 2};

static struct sim *make(uint64_t seed)
{
	return sim_create(&(struct sim_params){
	    .nodes = NODES, .clients = 2, .seed = seed, .wire = {.delay_ns = 5 * NS_PER_MS}});
}

static void send_many(struct sim *s, struct sim_node *c, unsigned n, size_t len)
{
	for (unsigned i = 0; i < n; i++) {
		sim_send(s, c, len, i);
		sim_run(s, NS_PER_MS);
	}
	sim_run(s, NS_PER_S / 2);
}

/* ---- a tap that writes down, and may keep, what passes ---- */

struct seen {
	unsigned from, to;
	size_t len;
	uint8_t data[CELL_LEN];
};

struct capture {
	struct seen *seen;
	size_t n, max;
	bool keeps;        /* what is captured does not arrive */
	unsigned from, to; /* only from here to there; SIM_ALL: any */
};

static void capture_tap(void *ctx, unsigned from, unsigned to, uint8_t *data, size_t *len)
{
	struct capture *cap = ctx;

	if (cap->n == cap->max || (cap->from != SIM_ALL && cap->from != from) ||
	    (cap->to != SIM_ALL && cap->to != to))
		return;
	cap->seen[cap->n] = (struct seen){.from = from, .to = to, .len = *len};
	memcpy(cap->seen[cap->n++].data, data, *len);
	if (cap->keeps)
		*len = 0;
}

static struct capture capture_new(struct sim *s, size_t max)
{
	struct capture cap = {
	    .seen = xcalloc(max, sizeof(*cap.seen)), .max = max, .from = SIM_ALL, .to = SIM_ALL};

	(void)s;
	return cap;
}

/* ---- replay ---- */

static void test_replay_on_every_link(void)
{
	struct sim *s = make(1);
	struct sim_node *c = sim_node(s, CLIENT_A);
	struct capture cap = capture_new(s, 4000);
	uint64_t packets, at_exit, drops = 0;
	uint32_t path;

	sim_tap(s, capture_tap, &cap);
	NEED(sim_connect(s, c, route, HOPS, &path));
	send_many(s, c, 100, 1000);
	sim_tap(s, NULL, NULL);
	NEED(cap.n > 600 && cap.n < cap.max);
	packets = c->packets;
	at_exit = sim_stats(s, 2).exit_rx_packets;
	CHECK_INT(packets, 100);
	for (size_t i = 0; i < cap.n; i++)
		sim_inject(s, cap.seen[i].from, cap.seen[i].to, cap.seen[i].data, cap.seen[i].len);
	sim_run(s, NS_PER_S);
	CHECK_INT(c->packets, packets);
	CHECK_INT(sim_stats(s, 2).exit_rx_packets, at_exit);
	for (unsigned d = 0; d < DROP_COUNT; d++)
		if (d != DROP_COVER)
			drops += sim_drops(s, SIM_ALL, (enum drop)d);
	CHECK_INT(drops, cap.n); /* every single one, by its name */
	CHECK(sim_drops(s, SIM_ALL, DROP_LINK_REPLAY) > 600);
	CHECK_INT(sim_drops(s, SIM_ALL, DROP_HANDSHAKE), HOPS); /* the INITs */
	CHECK_INT(sim_drops(s, SIM_ALL, DROP_NO_LINK), HOPS);   /* the RESPs: no attempt waits */
	send_many(s, c, 10, 1000);
	CHECK_INT(c->packets, packets + 10);
	free(cap.seen);
	sim_free(s);
}

/* ---- swapping ---- */

/* A genuine cell, kept from its link, arrives anywhere else instead. */
static void test_cells_are_bound_to_their_link(void)
{
	struct sim *s = make(2);
	struct sim_node *a = sim_node(s, CLIENT_A), *b = sim_node(s, CLIENT_B);
	struct capture cap = capture_new(s, 64);
	uint32_t path_a, path_b;

	NEED(sim_connect(s, a, route, HOPS, &path_a));
	NEED(sim_connect(s, b, route, HOPS, &path_b));
	sim_run(s, NS_PER_S);
	cap.keeps = true;
	cap.from = CLIENT_A;
	sim_tap(s, capture_tap, &cap);
	send_many(s, a, 20, 1000);
	sim_tap(s, NULL, NULL);
	CHECK(cap.n >= 20 && cap.n < 40); /* and probes of the silent path */
	CHECK_INT(a->packets, 0);
	for (unsigned to = 1; to <= CLIENT_B; to++) /* everywhere but where they belong */
		for (size_t i = 0; i < cap.n; i++)
			sim_inject(s, CLIENT_A, to, cap.seen[i].data, cap.seen[i].len);
	for (size_t i = 0; i < cap.n; i++) { /* and as if they were of B's link */
		struct seen x = cap.seen[i];

		put_le32(x.data, get_le32(x.data) ^ 1u << 20);
		sim_inject(s, CLIENT_B, 0, x.data, x.len);
	}
	sim_run(s, NS_PER_S);
	CHECK_INT(a->packets + b->packets, 0);
	CHECK_INT(sim_drops(s, SIM_ALL, DROP_NO_LINK) + sim_drops(s, SIM_ALL, DROP_LINK_TAG),
		  cap.n * (CLIENT_B + 1));
	for (size_t i = 0; i < cap.n; i++) /* where they belong, from another address: roaming */
		sim_inject(s, CLIENT_B, 0, cap.seen[i].data, cap.seen[i].len);
	sim_run(s, NS_PER_S);
	CHECK_INT(sim_stats(s, 2).exit_rx_packets, 20);
	free(cap.seen);
	sim_free(s);
}

struct swapper {
	unsigned from, to;
	size_t off; /* bytes from here on change places between two cells */
	uint8_t held[CELL_LEN];
	bool holds;
	unsigned swapped;
	struct sim *s;
};

static void swap_tap(void *ctx, unsigned from, unsigned to, uint8_t *data, size_t *len)
{
	struct swapper *w = ctx;
	uint8_t other[CELL_LEN];

	if (from != w->from || to != w->to || *len != CELL_LEN || data[0] != MSG_CELL)
		return;
	if (!w->holds) {
		memcpy(w->held, data, CELL_LEN);
		w->holds = true;
		*len = 0;
		return;
	}
	memcpy(other, data, CELL_LEN);
	memcpy(data + w->off, w->held + w->off, CELL_LEN - w->off);
	memcpy(w->held + w->off, other + w->off, CELL_LEN - w->off);
	sim_inject(w->s, from, to, w->held, CELL_LEN);
	w->holds = false;
	w->swapped++;
}

/* Two cells of different circuits on one link change bodies, with and without their tags. */
static void swap_on(unsigned from, unsigned to, size_t off, enum drop want)
{
	struct sim *s = make(3 + from * 10 + to);
	struct sim_node *a = sim_node(s, CLIENT_A), *b = sim_node(s, CLIENT_B);
	struct swapper w = {.from = from, .to = to, .off = off, .s = s};
	uint32_t path;

	NEED(sim_connect(s, a, route, HOPS, &path));
	NEED(sim_connect(s, b, route, HOPS, &path));
	sim_run(s, NS_PER_S); /* for what is said of the paths */
	sim_tap(s, swap_tap, &w);
	for (unsigned i = 0; i < SWAPS; i++) { /* fewer per circuit than end it */
		sim_send(s, a, 1000, i);
		sim_send(s, b, 1000, i + 100);
		sim_run(s, NS_PER_MS);
	}
	sim_run(s, NS_PER_S / 4);
	sim_tap(s, NULL, NULL);
	sim_run(s, NS_PER_S / 4);
	CHECK(w.swapped >= SWAPS - 2);
	CHECK_INT(sim_drops(s, SIM_ALL, want), 2 * w.swapped);
	CHECK_INT(a->bad_packets + b->bad_packets, 0);
	CHECK(a->packets + b->packets <= 2 * SWAPS - 2 * w.swapped + 1);
	sim_free(s);
}

static void test_swapped_bodies(void)
{
	swap_on(0, 1, CELL_TAG_OFF, DROP_LINK_TAG);
	swap_on(0, 1, CELL_BODY_OFF, DROP_ONION_TAG);
	swap_on(1, 2, CELL_BODY_OFF, DROP_ONION_TAG);
	swap_on(2, 1, CELL_TAG_OFF, DROP_LINK_TAG);
}

/* Backward, no hop can tell: the layers go on, and the client's recomputation refuses them. */
static void test_swapped_backward_bodies_fail_the_proof(void)
{
	swap_on(2, 1, CELL_BODY_OFF, DROP_PROOF);
	swap_on(1, 0, CELL_BODY_OFF, DROP_PROOF);
}

/* ---- injection ---- */

static void test_random_datagrams_change_nothing(void)
{
	struct sim *s = make(40);
	struct sim_node *c = sim_node(s, CLIENT_A);
	uint64_t sent = 0, drops = 0;
	uint32_t path, links[NODES + 2];

	NEED(sim_connect(s, c, route, HOPS, &path));
	for (unsigned i = 0; i < NODES + 2; i++)
		links[i] = sim_stats(s, i).links;
	for (unsigned round = 0; round < 200; round++) {
		for (unsigned to = 0; to < NODES + 1; to++) {
			static const size_t lens[] = {1,
						      LINK_COOKIE_LEN - 1,
						      LINK_COOKIE_LEN,
						      LINK_COOKIE_LEN + 1,
						      CELL_LEN - 1,
						      CELL_LEN,
						      CELL_LEN + 1,
						      1500};
			uint8_t junk[1500];
			const size_t len = lens[rng_below(sim_rng(s), ARRAY_LEN(lens))];

			rng_fill(sim_rng(s), junk, len);
			junk[0] = (uint8_t)rng_below(sim_rng(s), 6);
			sim_inject(s, CLIENT_B, to, junk, len);
			sent++;
		}
		sim_send(s, c, 800, round);
		sim_run(s, NS_PER_MS);
	}
	sim_run(s, NS_PER_S);
	CHECK_INT(c->packets, 200);
	for (unsigned d = 0; d < DROP_COUNT; d++)
		if (d != DROP_COVER)
			drops += sim_drops(s, SIM_ALL, (enum drop)d);
	CHECK_INT(drops, sent);
	CHECK(sim_drops(s, SIM_ALL, DROP_SHORT) > 0 && sim_drops(s, SIM_ALL, DROP_TYPE) > 0 &&
	      sim_drops(s, SIM_ALL, DROP_MAC1) > 0 && sim_drops(s, SIM_ALL, DROP_NO_LINK) > 0);
	for (unsigned i = 0; i < NODES + 2; i++)
		CHECK_INT(sim_stats(s, i).links, links[i]);
	CHECK_INT(sim_node(s, CLIENT_B)->datagrams, 0);
	sim_free(s);
}

/* Random bits in everything behind a genuine receiver index: the headers' tags hold. */
static void test_injected_cells_with_known_indexes(void)
{
	struct sim *s = make(41);
	struct sim_node *c = sim_node(s, CLIENT_A);
	struct capture cap = capture_new(s, 200);
	uint64_t sent = 0;
	uint32_t path;

	NEED(sim_connect(s, c, route, HOPS, &path));
	sim_tap(s, capture_tap, &cap);
	send_many(s, c, 20, 1000);
	sim_tap(s, NULL, NULL);
	for (size_t i = 0; i < cap.n; i++) {
		struct seen x = cap.seen[i];

		rng_fill(sim_rng(s), x.data + 8, x.len - 8);
		put_le32(x.data + 4, get_le32(x.data + 4) + 1000); /* ahead: not a replay */
		sim_inject(s, x.from, x.to, x.data, x.len);
		sent++;
	}
	sim_run(s, NS_PER_S);
	CHECK_INT(sim_drops(s, SIM_ALL, DROP_LINK_TAG), sent);
	send_many(s, c, 10, 1000);
	CHECK_INT(c->packets, 30);
	free(cap.seen);
	sim_free(s);
}

/* ---- floods ---- */

/* One INIT to the node by somebody new, with everything right. */
static void stranger_init(struct sim *s, struct aead *aead, unsigned to, struct link_out *out)
{
	const struct sim_node *n = sim_node(s, to);
	const struct now now = sim_now(s);
	struct dh_keypair id;
	struct links *ls;

	dh_keypair_generate(&id, sim_rng(s));
	ls = links_create(&(struct links_params){
	    .identity = &id, .rng = sim_rng(s), .aead = aead, .max_links = 1, .init_burst = 1});
	link_connect(ls, links_get(ls, n->link_key.public, &n->endpoint), &now);
	if (!links_next_out(ls, out))
		abort();
	links_free(ls);
}

static void test_link_init_flood(void)
{
	struct sim *s = make(50);
	struct sim_node *c = sim_node(s, CLIENT_A);
	struct aead *aead = aead_open("sodium");
	const struct path_spec spec = sim_spec(s, route, HOPS);
	struct now now;

	for (unsigned ms = 0; ms < 3000; ms++) { /* 1000 a second, ten times what is answered */
		struct link_out out;

		if (ms == 1500) {
			now = sim_now(s);
			NEED(engine_path_build(c->engine, &spec, &now) != 0);
			sim_pump(s, c);
		}
		stranger_init(s, aead, 0, &out);
		sim_inject(s, CLIENT_B, 0, out.data, out.len);
		sim_run(s, NS_PER_MS);
	}
	CHECK_INT(c->seen[EVENT_PATH_OPEN], 1);
	CHECK(c->last_at_ns[EVENT_PATH_OPEN] < sim_now(s).mono_ns - NS_PER_S / 2);
	CHECK(sim_drops(s, 0, DROP_COOKIE) > 2500);
	CHECK(sim_stats(s, 0).links <= 2); /* strangers who never sent a cell are none */
	CHECK(sim_node(s, 0)->datagrams <= 3000 + 100); /* never more out than in */
	aead_close(aead);
	sim_free(s);
}

static void flood_creates(struct sim *s, struct sim_node *c, const struct path_spec *spec)
{
	uint32_t path[PATHS_MAX];
	struct now now = sim_now(s);

	for (unsigned i = 0; i < PATHS_MAX; i++)
		path[i] = engine_path_build(c->engine, spec, &now);
	sim_pump(s, c);
	sim_run(s, 100 * NS_PER_MS);
	now = sim_now(s);
	for (unsigned i = 0; i < PATHS_MAX; i++)
		engine_path_close(c->engine, path[i], &now);
	sim_pump(s, c);
}

static void test_create_flood_starves_only_itself(void)
{
	struct sim *s = sim_create(&(struct sim_params){.nodes = NODES,
							.clients = 2,
							.seed = 60,
							.batches = 2 * PATHS_MAX,
							.wire = {.delay_ns = 5 * NS_PER_MS}});
	struct sim_node *a = sim_node(s, CLIENT_A), *b = sim_node(s, CLIENT_B);
	const struct path_spec spec = sim_spec(s, route, HOPS);
	uint32_t path;

	for (unsigned i = 0; i < 50; i++) { /* five seconds, 640 a second */
		flood_creates(s, a, &spec);
		CHECK(sim_stats(s, 0).circuits <= CIRCUITS_PER_CLIENT_MAX + 1);
		if (i == 25) {
			NEED(sim_connect(s, b, route, HOPS, &path));
			send_many(s, b, 20, 500);
		}
	}
	CHECK_INT(b->packets, 20);
	CHECK(sim_drops(s, 0, DROP_RATE) > 2500);
	CHECK(sim_stats(s, 0).creates_ok <= 40 + 20 * 8 + 1);
	sim_run(s, 60 * NS_PER_S);
	CHECK(sim_stats(s, 0).circuits <= 1); /* B's, if it is still there */
	CHECK(sim_stats(s, 1).circuits <= 1);
	sim_free(s);
}

/* ---- capture ---- */

struct spy {
	struct sim *s;
	struct capture cap;
	uint8_t payload[16], inner[4], origin[4];
	uint64_t payload_seen, client_seen, inner_seen, cells;
};

static void spy_tap(void *ctx, unsigned from, unsigned to, uint8_t *data, size_t *len)
{
	struct spy *spy = ctx;
	const struct sim_node *client = sim_node(spy->s, CLIENT_A);

	spy->cells++;
	spy->payload_seen += memmem(data, *len, spy->payload, sizeof(spy->payload)) != NULL;
	spy->inner_seen +=
	    memmem(data, *len, spy->inner, 4) != NULL || memmem(data, *len, spy->origin, 4) != NULL;
	if (from == CLIENT_A || to == CLIENT_A)
		return;
	spy->client_seen += memmem(data, *len, client->endpoint.ip + 12, 4) != NULL ||
			    memmem(data, *len, client->link_key.public, DH_LEN) != NULL;
}

static void test_wire_shows_nothing(void)
{
	struct sim *s = make(70);
	struct sim_node *c = sim_node(s, CLIENT_A);
	struct spy spy = {.s = s, .origin = {9, 9, 9, 9}};
	uint32_t path;

	for (unsigned i = 0; i < sizeof(spy.payload); i++)
		spy.payload[i] = (uint8_t)(77 * 31 + i * 7); /* how sim_send fills from tag 77 */
	memcpy(spy.inner, (const uint8_t[]){10, 88, 0, 2}, 4);
	sim_tap(s, spy_tap, &spy);
	NEED(sim_connect(s, c, route, HOPS, &path));
	memcpy(spy.inner, c->last[EVENT_SESSION_OPEN].grant.v4, 4);
	for (unsigned i = 0; i < 100; i++) {
		sim_send(s, c, 600, 77);
		sim_run(s, 5 * NS_PER_MS);
	}
	sim_run(s, NS_PER_S);
	CHECK_INT(c->packets, 100);
	CHECK(spy.cells > 600);
	CHECK_INT(spy.payload_seen, 0);
	CHECK_INT(spy.inner_seen, 0);
	CHECK_INT(spy.client_seen, 0);
	for (unsigned i = 0; i <= CLIENT_A; i++)
		CHECK(!sim_node(s, i)->sent_sizes_wrong);
	sim_free(s);
}

static bool knows(struct sim *s, unsigned who, unsigned whom)
{
	const struct sim_node *n = sim_node(s, whom);
	struct engine *e = sim_node(s, who)->engine;
	const struct circuit *c;

	list_for_each (it, &e->neighbours) {
		const struct link *l = container_of(it, struct neighbour, in_engine)->link;

		if (endpoint_equal(&l->endpoint, &n->endpoint) ||
		    memcmp(l->peer, n->link_key.public, DH_LEN) == 0)
			return true;
	}
	for (size_t at = 0; (c = slab_next(&e->circuits, &at)) != NULL;)
		if (memmem(c, sizeof(*c), n->endpoint.ip + 12, 4) != NULL ||
		    memmem(c, sizeof(*c), n->link_key.public, DH_LEN) != NULL ||
		    memmem(c, sizeof(*c), n->id, NODE_ID_LEN) != NULL)
			return true;
	return false;
}

/* The engines' own state: each hop of five has its two neighbours and nobody else. */
static void test_hops_know_only_their_neighbours(void)
{
	static const unsigned five[] = {0, 1, 2, 3, 4};
	struct sim *s = sim_create(&(struct sim_params){
	    .nodes = 6, .clients = 1, .seed = 71, .wire = {.delay_ns = NS_PER_MS}});
	struct sim_node *c = sim_node(s, 6);
	uint32_t path;

	NEED(sim_connect(s, c, five, 5, &path));
	send_many(s, c, 20, 500);
	CHECK_INT(c->packets, 20);
	for (unsigned i = 0; i < 6; i++)
		for (unsigned k = 0; k < 6; k++)
			if (i != k)
				CHECK_INT(knows(s, i, k),
					  i < 5 && k < 5 && (k == i + 1 || i == k + 1));
	CHECK(knows(s, 0, 6));
	for (unsigned i = 1; i < 6; i++)
		CHECK(!knows(s, i, 6));
	sim_free(s);
}

int main(void)
{
	RUN(test_replay_on_every_link);
	RUN(test_cells_are_bound_to_their_link);
	RUN(test_swapped_bodies);
	RUN(test_swapped_backward_bodies_fail_the_proof);
	RUN(test_random_datagrams_change_nothing);
	RUN(test_injected_cells_with_known_indexes);
	RUN(test_link_init_flood);
	RUN(test_create_flood_starves_only_itself);
	RUN(test_wire_shows_nothing);
	RUN(test_hops_know_only_their_neighbours);
	return test_done();
}
