/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A session over several paths: who carries what, and what the loss of a path costs. */
#include "tests/lib/test.h"
#include "tests/sim/forge.h"

enum {
	NODES = 7,
	EXIT = 6,
	CLIENT = 7,
	HOPS = 3,
	PATHS = 3,
	FLOWS = 30,
};

/* Disjoint but for the exit. */
static const unsigned routes[PATHS][HOPS] = {{0, 1, EXIT}, {2, 3, EXIT}, {4, 5, EXIT}};

/* What came back of each flow. */
struct seen {
	uint64_t next, packets, reordered, last_ns, gap_ns;
};

struct scene {
	struct sim *s;
	struct sim_node *c;
	uint32_t path[PATHS];
	uint64_t rtt_ns;
	struct seen seen[FLOWS];
};

static void on_packet(struct sim_node *n, unsigned flow, uint64_t tag, void *ctx)
{
	struct scene *sc = ctx;
	const uint64_t now_ns = sim_now(n->sim).mono_ns;
	struct seen *f = &sc->seen[flow % FLOWS];

	f->packets++;
	f->reordered += tag < f->next;
	f->next = MAX(f->next, tag + 1);
	if (f->last_ns != 0)
		f->gap_ns = MAX(f->gap_ns, now_ns - f->last_ns);
	f->last_ns = now_ns;
}

/* Weights of the paths in use; one of 0 is a backup. */
static void use(struct scene *sc, const uint8_t *weights, unsigned n)
{
	const struct now now = sim_now(sc->s);
	struct path_use u[PATHS];

	for (unsigned i = 0; i < n; i++)
		u[i] = (struct path_use){.path = sc->path[i], .weight = weights[i]};
	engine_session_use(sc->c->engine, sc->c->last[EVENT_SESSION_OPEN].session, u, n, &now);
	sim_pump(sc->s, sc->c);
	sim_run(sc->s, NS_PER_S);
}

/* A bad wire may lose what builds a path: again, as a client would. */
static bool attach(struct scene *sc, unsigned path)
{
	for (unsigned tries = 0; tries < 4; tries++)
		if (sim_attach(sc->s, sc->c, routes[path], HOPS, &sc->path[path]))
			return true;
	return false;
}

/* On wires that lose, some of what this takes may be lost. */
static bool connect_first(struct scene *sc)
{
	for (unsigned tries = 0; tries < 4; tries++)
		if (sim_connect(sc->s, sc->c, routes[0], HOPS, &sc->path[0]))
			return true;
	return false;
}

static void begin(struct scene *sc, uint64_t seed, struct sim_wire wire, const uint8_t *weights)
{
	*sc = (struct scene){0};
	sc->s = sim_create(
	    &(struct sim_params){.nodes = NODES, .clients = 1, .seed = seed, .wire = wire});
	sc->c = sim_node(sc->s, CLIENT);
	sc->rtt_ns = 2 * HOPS * (wire.delay_ns + wire.jitter_ns / 2);
	NEED(connect_first(sc));
	NEED(attach(sc, 1));
	NEED(attach(sc, 2));
	use(sc, weights, PATHS);
	sc->c->ctx = sc;
	sc->c->on_packet = on_packet;
}

static struct path_stats stats_of(const struct scene *sc, unsigned path)
{
	struct path_stats st = {0};

	CHECK(engine_path_stats(sc->c->engine, sc->path[path], &st));
	return st;
}

/* A packet each way on the flow, and the one path that carried both. */
static int path_of(struct scene *sc, unsigned flow, uint64_t tag)
{
	struct path_stats before[PATHS];
	int carrier = -1;

	for (unsigned i = 0; i < PATHS; i++)
		before[i] = stats_of(sc, i);
	sim_send_flow(sc->s, sc->c, flow, 500, tag);
	sim_run(sc->s, 2 * sc->rtt_ns);
	for (unsigned i = 0; i < PATHS; i++) {
		const struct path_stats st = stats_of(sc, i);

		CHECK_INT(st.tx_bytes - before[i].tx_bytes, st.rx_bytes - before[i].rx_bytes);
		if (st.tx_bytes != before[i].tx_bytes) {
			CHECK_INT(carrier, -1);
			carrier = (int)i;
		}
	}
	return carrier;
}

/* Some time of all flows together, a packet each 20 ms. */
static void run_flows(struct scene *sc, unsigned rounds, uint64_t tag)
{
	for (unsigned r = 0; r < rounds; r++) {
		for (unsigned f = 0; f < FLOWS; f++)
			sim_send_flow(sc->s, sc->c, f, 200, tag + r);
		sim_run(sc->s, 20 * NS_PER_MS);
	}
	sim_run(sc->s, 2 * sc->rtt_ns);
}

static void test_flows_use_all_paths_each_flow_one(void)
{
	static const uint8_t weights[] = {1, 1, 1};
	unsigned flows[PATHS] = {0};
	int carrier[FLOWS];
	struct scene sc;

	begin(&sc, 1, (struct sim_wire){.delay_ns = 5 * NS_PER_MS}, weights);
	for (unsigned f = 0; f < FLOWS; f++) {
		carrier[f] = path_of(&sc, f, 0);
		NEED(carrier[f] >= 0);
		flows[carrier[f]]++;
	}
	printf("# 30 flows: %u, %u and %u\n", flows[0], flows[1], flows[2]);
	for (unsigned i = 0; i < PATHS; i++) {
		CHECK(flows[i] >= 4);
		CHECK_INT(stats_of(&sc, i).flows, flows[i]);
	}
	run_flows(&sc, 100, 1);
	for (unsigned f = 0; f < FLOWS; f++) {
		CHECK_INT(path_of(&sc, f, 101), carrier[f]);
		CHECK_INT(sc.seen[f].packets, 102);
		CHECK_INT(sc.seen[f].reordered, 0);
	}
	sim_free(sc.s);
}

static void test_weights(void)
{
	static const uint8_t weights[] = {60, 30, 10};
	struct scene sc;

	begin(&sc, 2, (struct sim_wire){.delay_ns = NS_PER_MS}, weights);
	for (unsigned f = 0; f < 1000; f++)
		sim_send_flow(sc.s, sc.c, f, 100, 0);
	sim_run(sc.s, NS_PER_S);
	for (unsigned i = 0; i < PATHS; i++) {
		const unsigned flows = stats_of(&sc, i).flows;

		CHECK(flows > weights[i] * 8u && flows < weights[i] * 12u);
	}
	sim_free(sc.s);
}

static void test_loss_of_a_path_moves_only_its_flows(void)
{
	static const uint8_t weights[] = {1, 1, 1};
	int before[FLOWS];
	unsigned moved = 0;
	struct scene sc;

	begin(&sc, 3, (struct sim_wire){.delay_ns = 5 * NS_PER_MS}, weights);
	for (unsigned f = 0; f < FLOWS; f++)
		before[f] = path_of(&sc, f, 0);
	sim_node(sc.s, routes[1][1])->is_dead = true;
	run_flows(&sc, 100, 1);
	CHECK_INT(sc.c->seen[EVENT_PATH_SUSPECT], 1);
	CHECK_INT(sc.c->last[EVENT_PATH_SUSPECT].path, sc.path[1]);
	CHECK(stats_of(&sc, 1).is_suspect);
	for (unsigned f = 0; f < FLOWS; f++) {
		const int after = path_of(&sc, f, 101);

		CHECK(after != 1);
		moved += before[f] == 1;
		if (before[f] == 1)
			continue;
		CHECK_INT(after, before[f]);
		CHECK_INT(sc.seen[f].packets, 102);
		CHECK_INT(sc.seen[f].reordered, 0);
	}
	CHECK_INT(sc.c->last[EVENT_PATH_SUSPECT].flows, moved);
	sim_free(sc.s);
}

static void test_backups_stand_in_in_order(void)
{
	static const uint8_t weights[] = {1, 0, 0};
	struct scene sc;

	begin(&sc, 4, (struct sim_wire){.delay_ns = 5 * NS_PER_MS}, weights);
	for (unsigned f = 0; f < FLOWS; f++)
		CHECK_INT(path_of(&sc, f, 0), 0);
	sim_node(sc.s, routes[0][0])->is_dead = true;
	run_flows(&sc, 50, 1);
	for (unsigned f = 0; f < FLOWS; f++)
		CHECK_INT(path_of(&sc, f, 51), 1);
	sim_node(sc.s, routes[1][0])->is_dead = true;
	run_flows(&sc, 50, 52);
	for (unsigned f = 0; f < FLOWS; f++)
		CHECK_INT(path_of(&sc, f, 102), 2);
	/* The first is back: its flows stay where they are until they are told otherwise. */
	sim_node(sc.s, routes[0][0])->is_dead = false;
	sim_run(sc.s, 5 * NS_PER_S);
	CHECK_INT(sc.c->seen[EVENT_PATH_RECOVERED], 1);
	CHECK_INT(sc.c->last[EVENT_PATH_RECOVERED].path, sc.path[0]);
	CHECK_INT(path_of(&sc, 0, 103), 2);
	CHECK_INT(path_of(&sc, FLOWS, 103), 0); /* a new one */
	use(&sc, (const uint8_t[]){1, 1, 0}, 3);
	for (unsigned f = 0; f < FLOWS; f++)
		CHECK_INT(path_of(&sc, f, 104), 0);
	sim_free(sc.s);
}

/* Packets of a flow on their way while its path changes: none is lost. */
static void test_change_of_use_loses_nothing(void)
{
	struct scene sc;

	begin(&sc, 5, (struct sim_wire){.delay_ns = 20 * NS_PER_MS}, (const uint8_t[]){1, 0, 0});
	for (unsigned i = 0; i < 300; i++) {
		const struct now now = sim_now(sc.s);
		const struct path_use u = {.path = sc.path[i / 100], .weight = 1};

		if (i % 100 == 0)
			engine_session_use(sc.c->engine, sc.c->last[EVENT_SESSION_OPEN].session, &u,
					   1, &now);
		sim_send_flow(sc.s, sc.c, 0, 300, i);
		sim_run(sc.s, 5 * NS_PER_MS);
	}
	sim_run(sc.s, NS_PER_S);
	CHECK_INT(sc.seen[0].packets, 300);
	CHECK_INT(sc.seen[0].reordered, 0);
	CHECK_INT(sc.c->seen[EVENT_PATH_SUSPECT], 0);
	sim_free(sc.s);
}

/* ---- how long the loss of a path lasts ---- */

enum traffic {
	CALL,            /* 50 packets a second each way */
	DOWNLOAD,        /* 500 down, and 100 up that acknowledge */
	SILENT_DOWNLOAD, /* nothing up */
};

static const char *const traffic_name[] = {"call", "download", "download without answers"};

static void run_traffic(struct scene *sc, enum traffic t, unsigned ms, uint64_t *tag)
{
	for (unsigned i = 0; i < ms; i += 2) {
		if (t != CALL)
			sim_send_down(sc->s, EXIT, sc->c, 1, 1200, (*tag)++);
		if ((t == CALL && i % 20 == 0) || (t == DOWNLOAD && i % 10 == 0))
			sim_send_flow(sc->s, sc->c, t == CALL ? 1 : 2, 200, (*tag)++);
		sim_run(sc->s, 2 * NS_PER_MS);
	}
}

/* The stall of one death, in RTTs x 100. */
static unsigned stall(uint64_t seed, struct sim_wire wire, enum traffic t, unsigned dead_hop)
{
	struct scene sc;
	uint64_t tag = 0;
	unsigned per_100;

	begin(&sc, seed, wire, (const uint8_t[]){1, 0, 0});
	run_traffic(&sc, t, 2000, &tag);
	CHECK_INT(sc.c->seen[EVENT_PATH_SUSPECT], 0);
	sim_node(sc.s, routes[0][dead_hop])->is_dead = true;
	sc.seen[1].gap_ns = 0;
	run_traffic(&sc, t, 3000, &tag);
	CHECK(sc.seen[1].last_ns + NS_PER_S > sim_now(sc.s).mono_ns);
	per_100 = (unsigned)(sc.seen[1].gap_ns * 100 / sc.rtt_ns);
	sim_free(sc.s);
	return per_100;
}

static int compare(const void *a, const void *b)
{
	return (int)*(const unsigned *)a - (int)*(const unsigned *)b;
}

static void test_stall_is_three_round_trips(void)
{
	static const unsigned delays_ms[] = {10, 20, 40};

	for (enum traffic t = CALL; t <= SILENT_DOWNLOAD; t++)
		for (unsigned hop = 0; hop < 2; hop++)
			for (unsigned d = 0; d < ARRAY_LEN(delays_ms); d++) {
				const struct sim_wire wire = {.delay_ns = delays_ms[d] * NS_PER_MS,
							      .jitter_ns =
								  delays_ms[d] * NS_PER_MS / 10};
				unsigned all[5];

				for (unsigned i = 0; i < ARRAY_LEN(all); i++)
					all[i] = stall(100 + i, wire, t, hop);
				qsort(all, ARRAY_LEN(all), sizeof(all[0]), compare);
				printf("# %s, %s dies, %u ms links: stall %u.%02u RTT, worst "
				       "%u.%02u\n",
				       traffic_name[t], hop == 0 ? "entry" : "relay", delays_ms[d],
				       all[2] / 100, all[2] % 100, all[4] / 100, all[4] % 100);
				CHECK(all[2] <= 300);
				CHECK(all[4] <= 400);
			}
}

/* ---- what a dead path has swallowed ---- */

static uint8_t times_seen[8192]; /* each tag */

static void count_tags(struct sim_node *n, unsigned flow, uint64_t tag, void *ctx)
{
	on_packet(n, flow, tag, ctx);
	if (tag < ARRAY_LEN(times_seen) && times_seen[tag] < UINT8_MAX)
		times_seen[tag]++;
}

/* What was on its way through the node that dies comes over another path, once. */
static void test_death_loses_nothing(void)
{
	for (unsigned i = 0; i < 12; i++) {
		const enum traffic t = i % 2 == 0 ? CALL : DOWNLOAD;
		struct scene sc;
		uint64_t tag = 0;

		memset(times_seen, 0, sizeof(times_seen));
		begin(&sc, 300 + i,
		      (struct sim_wire){.delay_ns = 30 * NS_PER_MS, .jitter_ns = 3 * NS_PER_MS},
		      (const uint8_t[]){1, 0, 0});
		sc.c->on_packet = count_tags;
		run_traffic(&sc, t, 1000, &tag);
		sim_node(sc.s, routes[0][i / 2 % 2])->is_dead = true;
		run_traffic(&sc, t, 2000, &tag);
		sim_run(sc.s, NS_PER_S);
		CHECK(sim_stats(sc.s, EXIT).resent_packets > 0);
		CHECK(sim_stats(sc.s, CLIENT).resent_packets > 0);
		for (uint64_t k = 0; k < tag; k++)
			CHECK_INT(times_seen[k], 1);
		CHECK_INT(sc.c->bad_packets, 0);
		sim_free(sc.s);
	}
}

/* A path that only lost its acknowledgements is suspected too: nothing comes twice. */
static void test_resent_but_arrived(void)
{
	struct scene sc;
	uint64_t tag = 0;

	memset(times_seen, 0, sizeof(times_seen));
	begin(&sc, 400, (struct sim_wire){.delay_ns = 10 * NS_PER_MS}, (const uint8_t[]){1, 0, 0});
	sc.c->on_packet = count_tags;
	run_traffic(&sc, CALL, 1000, &tag);
	sim_wire(sc.s, CLIENT, routes[0][0])->is_down = true; /* and all else of what we send */
	for (unsigned i = 0; i < 100; i++) {
		sim_send_down(sc.s, EXIT, sc.c, 1, 200, tag++);
		sim_run(sc.s, 10 * NS_PER_MS);
	}
	sim_run(sc.s, NS_PER_S);
	CHECK(sim_stats(sc.s, EXIT).resent_packets > 0);
	CHECK(sim_drops(sc.s, CLIENT, DROP_DUPLICATE) > 0);
	for (uint64_t k = 50; k < tag; k++)
		CHECK_INT(times_seen[k], 1);
	sim_free(sc.s);
}

/* ---- what must not be suspected ---- */

static bool exit_suspects(struct scene *sc)
{
	const struct circuit *c;

	for (size_t at = 0; (c = slab_next(&sim_node(sc->s, EXIT)->engine->circuits, &at)) != NULL;)
		if (c->last != NULL && c->last->attached != NULL &&
		    c->last->attached->sp.live.is_suspect)
			return true;
	return false;
}

static void test_loss_and_jitter_convict_nobody(void)
{
	static const struct sim_wire bad = {.delay_ns = 15 * NS_PER_MS,
					    .jitter_ns = 20 * NS_PER_MS,
					    .loss_per_1000 = 2}; /* 1.2 % both ways */
	unsigned suspicions = 0;

	for (enum traffic t = CALL; t <= SILENT_DOWNLOAD; t++) {
		struct scene sc;
		uint64_t tag = 0;

		begin(&sc, 20 + t, bad, (const uint8_t[]){1, 1, 1});
		for (unsigned i = 0; i < 300; i++) {
			run_traffic(&sc, t, 100, &tag);
			suspicions += exit_suspects(&sc);
		}
		suspicions += sc.c->seen[EVENT_PATH_SUSPECT];
		sim_free(sc.s);
	}
	CHECK_INT(suspicions, 0);
}

/* One packet now and then, on a wire that loses one in twenty each way. */
static void test_sparse_traffic_convicts_nobody(void)
{
	struct scene sc;

	begin(&sc, 25, (struct sim_wire){.delay_ns = 20 * NS_PER_MS, .loss_per_1000 = 8},
	      (const uint8_t[]){1, 1, 1});
	for (unsigned i = 0; i < 500; i++) {
		sim_send_flow(sc.s, sc.c, i % FLOWS, 200, i);
		sim_run(sc.s, 700 * NS_PER_MS);
	}
	CHECK_INT(sc.c->seen[EVENT_PATH_SUSPECT], 0);
	CHECK(!exit_suspects(&sc));
	sim_free(sc.s);
}

static void test_idle_paths_are_not_suspected(void)
{
	struct scene sc;

	begin(&sc, 26, (struct sim_wire){.delay_ns = 20 * NS_PER_MS}, (const uint8_t[]){1, 0, 0});
	sim_node(sc.s, routes[1][1])->is_dead = true; /* a backup */
	for (unsigned i = 0; i < 100; i++) {
		sim_send_flow(sc.s, sc.c, 0, 200, i);
		sim_run(sc.s, 100 * NS_PER_MS);
	}
	CHECK_INT(sc.c->seen[EVENT_PATH_SUSPECT], 0);
	sim_free(sc.s);
}

/* The network is gone for a while: all paths are suspect, and then they are not. */
static void test_outage_of_everything(void)
{
	struct scene sc;
	uint64_t tag = 0;
	struct now now;

	begin(&sc, 27, (struct sim_wire){.delay_ns = 20 * NS_PER_MS}, (const uint8_t[]){1, 1, 0});
	run_traffic(&sc, CALL, 1000, &tag);
	for (unsigned i = 0; i < PATHS; i++)
		sim_wire(sc.s, CLIENT, routes[i][0])->is_down =
		    sim_wire(sc.s, routes[i][0], CLIENT)->is_down = true;
	run_traffic(&sc, CALL, 8000, &tag);
	CHECK(sc.c->seen[EVENT_PATH_SUSPECT] >= 2);
	for (unsigned i = 0; i < PATHS; i++)
		sim_wire(sc.s, CLIENT, routes[i][0])->is_down =
		    sim_wire(sc.s, routes[i][0], CLIENT)->is_down = false;
	sc.seen[1].packets = 0;
	now = sim_now(sc.s);
	engine_hurry(sc.c->engine, &now); /* the machine has noticed */
	sim_pump(sc.s, sc.c);
	run_traffic(&sc, CALL, 3000, &tag);
	CHECK(sc.seen[1].packets > 140);
	for (unsigned i = 0; i < PATHS; i++)
		CHECK(!stats_of(&sc, i).is_suspect);
	CHECK(sc.c->last_at_ns[EVENT_PATH_RECOVERED] - now.mono_ns < 2 * sc.rtt_ns);
	CHECK_INT(sc.c->seen[EVENT_PATH_SUSPECT], sc.c->seen[EVENT_PATH_RECOVERED]);
	sim_free(sc.s);
}

/* ---- packets sent twice ---- */

static void duplicate(struct scene *sc)
{
	const struct session_options o = {.isolate = ISOLATE_DESTINATION, .duplicate = true};
	const struct now now = sim_now(sc->s);

	engine_session_options(sc->c->engine, sc->c->last[EVENT_SESSION_OPEN].session, &o, &now);
	sim_pump(sc->s, sc->c);
	sim_run(sc->s, NS_PER_S);
}

static void test_duplicates_survive_a_death(void)
{
	for (unsigned hop = 0; hop < 2; hop++) {
		struct scene sc;
		uint64_t tag = 0;

		begin(&sc, 30 + hop, (struct sim_wire){.delay_ns = 20 * NS_PER_MS},
		      (const uint8_t[]){1, 0, 0});
		duplicate(&sc);
		run_traffic(&sc, CALL, 2000, &tag);
		sim_node(sc.s, routes[0][hop])->is_dead = true;
		run_traffic(&sc, CALL, 3000, &tag);
		sim_run(sc.s, NS_PER_S);
		printf("# %llu of %llu packets of a call came back\n",
		       (unsigned long long)sc.seen[1].packets, (unsigned long long)tag);
		CHECK(sc.seen[1].packets + 2 >= tag);
		CHECK(sc.seen[1].packets <= tag); /* each once */
		CHECK_INT(sc.c->seen[EVENT_PATH_SUSPECT], 1);
		CHECK(sim_drops(sc.s, CLIENT, DROP_DUPLICATE) > 80);
		CHECK(sim_drops(sc.s, EXIT, DROP_DUPLICATE) > 80);
		sim_free(sc.s);
	}
}

static void test_duplicates_survive_loss(void)
{
	struct scene sc;
	uint64_t tag = 0;

	begin(&sc, 33, (struct sim_wire){.delay_ns = 10 * NS_PER_MS, .loss_per_1000 = 10},
	      (const uint8_t[]){1, 0, 0});
	duplicate(&sc);
	run_traffic(&sc, CALL, 40000, &tag);
	sim_run(sc.s, NS_PER_S);
	printf("# 3 %% lost each way: %llu of %llu packets of a call came back\n",
	       (unsigned long long)sc.seen[1].packets, (unsigned long long)tag);
	CHECK(sc.seen[1].packets * 1000 >= tag * 995);
	CHECK(sc.seen[1].packets <= tag);
	sim_free(sc.s);
}

/* Large packets and fast flows go once. */
static void test_bulk_is_not_duplicated(void)
{
	struct scene sc;
	uint64_t tag = 0, twice;

	begin(&sc, 34, (struct sim_wire){.delay_ns = 10 * NS_PER_MS}, (const uint8_t[]){1, 1, 1});
	duplicate(&sc);
	run_traffic(&sc, DOWNLOAD, 2000, &tag); /* the flow up is interactive, as it happens */
	twice = sim_drops(sc.s, CLIENT, DROP_DUPLICATE);
	CHECK(twice < 300);
	for (unsigned i = 0; i < 2000; i++) {
		sim_send_flow(sc.s, sc.c, 3, 100, tag++);
		sim_run(sc.s, NS_PER_MS);
	}
	sim_run(sc.s, NS_PER_S);
	CHECK(sim_drops(sc.s, EXIT, DROP_DUPLICATE) < 500);
	CHECK_INT(sc.seen[3].packets, 2000);
	sim_free(sc.s);
}

/* ---- lies ---- */

/* Whatever a client says of its paths, its own packets find a way, and nobody else's suffer. */
static void test_absurd_paths(void)
{
	static const uint8_t numbered[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0};
	uint8_t frame[FRAME_HEAD_LEN + PATHS_LEN(ATTACH_PATHS_MAX)], packet[60];
	struct paths p = {.version = 1000, .count = 3};
	struct scene sc;
	struct now now;
	size_t len;

	begin(&sc, 40, (struct sim_wire){.delay_ns = 5 * NS_PER_MS}, (const uint8_t[]){1, 1, 1});
	for (unsigned i = 0; i < 3; i++) /* all suspect, unknown ones, weights of nobody */
		p.path[i] = (struct paths_entry){.path_id = i == 2 ? 77777 : i + 1,
						 .weight = (uint8_t)(i * 100),
						 .flags = PATHS_SUSPECT};
	for (unsigned round = 0; round < 3; round++) {
		len = paths_encode(&p, frame + FRAME_HEAD_LEN);
		frame_put_head(frame, FRAME_PATHS, len);
		now = sim_now(sc.s);
		CHECK(
		    forge_client_text(sc.c->engine, sc.path[0], frame, FRAME_HEAD_LEN + len, &now));
		sim_pump(sc.s, sc.c);
		sim_run(sc.s, NS_PER_S);
		for (unsigned f = 0; f < FLOWS; f++)
			sim_send_flow(sc.s, sc.c, f, 200, round);
		sim_run(sc.s, NS_PER_S);
		for (unsigned f = 0; f < FLOWS; f++)
			CHECK_INT(sc.seen[f].packets, round + 1);
		p.count = round == 0 ? 0 : 1; /* none at all; then an old version: no effect */
		p.version = round == 0 ? UINT32_MAX : 1;
	}
	/* A number that leaves no room above it spoils only its own session's duplicates. */
	memset(packet, 0, sizeof(packet));
	frame_put_head(packet, FRAME_NUMBERED, sizeof(packet) - FRAME_HEAD_LEN);
	memcpy(packet + FRAME_HEAD_LEN, numbered, sizeof(numbered));
	now = sim_now(sc.s);
	for (unsigned i = 0; i < 3; i++)
		CHECK(forge_client_text(sc.c->engine, sc.path[0], packet, sizeof(packet), &now));
	sim_pump(sc.s, sc.c);
	sim_run(sc.s, NS_PER_S);
	CHECK_INT(sim_drops(sc.s, EXIT, DROP_DUPLICATE), 2);
	CHECK_INT(sim_drops(sc.s, EXIT, DROP_PACKET), 1);
	sim_send_flow(sc.s, sc.c, 0, 200, 3);
	sim_run(sc.s, NS_PER_S);
	CHECK_INT(sc.seen[0].packets, 4);
	sim_free(sc.s);
}

/* An exit that slanders paths makes the client ask them, no more. */
static void test_slander(void)
{
	uint8_t frame[FRAME_HEAD_LEN + PATHS_LEN(ATTACH_PATHS_MAX)];
	struct paths p = {.version = 5, .count = 4};
	struct scene sc;
	size_t len;

	begin(&sc, 41, (struct sim_wire){.delay_ns = 5 * NS_PER_MS}, (const uint8_t[]){1, 1, 1});
	for (unsigned i = 0; i < 4; i++)
		p.path[i] = (struct paths_entry){.path_id = i + 1, .flags = PATHS_SUSPECT};
	len = paths_encode(&p, frame + FRAME_HEAD_LEN);
	frame_put_head(frame, FRAME_PATHS, len);
	for (unsigned i = 0; i < 20; i++) {
		const struct now now = sim_now(sc.s);

		CHECK(forge_exit_text(sim_node(sc.s, EXIT)->engine, frame, FRAME_HEAD_LEN + len,
				      &now));
		sim_pump(sc.s, sim_node(sc.s, EXIT));
		sim_run(sc.s, 100 * NS_PER_MS);
	}
	CHECK_INT(sc.c->seen[EVENT_PATH_SUSPECT], 0);
	run_flows(&sc, 10, 0);
	for (unsigned f = 0; f < FLOWS; f++)
		CHECK_INT(sc.seen[f].packets, 10);
	sim_free(sc.s);
}

int main(void)
{
	RUN(test_flows_use_all_paths_each_flow_one);
	RUN(test_weights);
	RUN(test_loss_of_a_path_moves_only_its_flows);
	RUN(test_backups_stand_in_in_order);
	RUN(test_change_of_use_loses_nothing);
	RUN(test_stall_is_three_round_trips);
	RUN(test_death_loses_nothing);
	RUN(test_resent_but_arrived);
	RUN(test_loss_and_jitter_convict_nobody);
	RUN(test_sparse_traffic_convicts_nobody);
	RUN(test_idle_paths_are_not_suspected);
	RUN(test_outage_of_everything);
	RUN(test_duplicates_survive_a_death);
	RUN(test_duplicates_survive_loss);
	RUN(test_bulk_is_not_duplicated);
	RUN(test_absurd_paths);
	RUN(test_slander);
	return test_done();
}
