/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A client with a session over three nodes, and an input that is a list of what goes wrong: each
 * step is one byte that says what, and the bytes that this needs.  Everything that crosses the
 * engine's door can be made up, also by ends that have the keys.
 */
#include "tests/sim/sim.c"
#include "tests/sim/steps.c"

#include "tests/sim/forge.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define MUST(cond)               \
	do {                     \
		if (!(cond))     \
			abort(); \
	} while (0)

enum {
	HOPS = 3,
	CLIENT = HOPS,
	ENDS = HOPS + 1,
	KEPT_MAX = 16,
	STEPS_MAX = 64,
};

struct world {
	struct sim *s;
	struct sim_node *client;
	uint32_t path, session;
	bool ends_lie; /* then what arrives may be anything */
	/* the next datagram sent is spoiled */
	bool spoils;
	uint16_t spoil_off;
	uint8_t spoil_xor;
	/* the last datagrams, for replays */
	struct kept {
		unsigned from, to;
		size_t len;
		uint8_t data[CELL_LEN];
	} kept[KEPT_MAX];
	unsigned kept_n;
};

struct input {
	const uint8_t *p;
	size_t left;
};

static uint8_t take(struct input *in)
{
	if (in->left == 0)
		return 0;
	in->left--;
	return *in->p++;
}

static uint16_t take16(struct input *in)
{
	const uint8_t low = take(in);

	return (uint16_t)(low | take(in) << 8);
}

/* A string: its length in one byte, and as much of it as there is. */
static const uint8_t *take_bytes(struct input *in, size_t *len)
{
	const size_t want = take(in);
	const uint8_t *p = in->p;

	*len = MIN(want, in->left);
	in->p += *len;
	in->left -= *len;
	return p;
}

static void tap(void *ctx, unsigned from, unsigned to, uint8_t *data, size_t *len)
{
	struct world *w = ctx;
	struct kept *k = &w->kept[w->kept_n++ % KEPT_MAX];

	*k = (struct kept){.from = from, .to = to, .len = *len};
	memcpy(k->data, data, *len);
	if (w->spoils)
		data[w->spoil_off % *len] ^= w->spoil_xor;
	w->spoils = false;
}

static void inject(struct world *w, struct input *in)
{
	static const uint16_t lens[] = {CELL_LEN, LINK_COOKIE_LEN, 1, CELL_LEN - 1};
	uint8_t bytes[CELL_LEN] = {0};
	const unsigned ends = take(in), len = lens[take(in) % ARRAY_LEN(lens)];
	size_t n;
	const uint8_t *p = take_bytes(in, &n);

	memcpy(bytes, p, n);
	sim_inject(w->s, ends % ENDS, ends / ENDS % ENDS, bytes, len);
}

static void replay(struct world *w, struct input *in)
{
	const struct kept *k = &w->kept[take(in) % KEPT_MAX];
	const unsigned to = take(in);
	struct kept copy = *k;

	if (k->len == 0)
		return;
	copy.data[take16(in) % copy.len] ^= take(in);
	sim_inject(w->s, k->from, to < ENDS ? to : k->to, copy.data, copy.len);
}

static void ask(struct world *w, struct input *in, const struct now *now)
{
	struct path *p = path_by_id(w->client->engine, w->path);
	const unsigned hop = take(in) % (HOPS + 1), type = take(in);
	size_t n;
	const uint8_t *body = take_bytes(in, &n);

	if (p != NULL)
		path_ask(w->client->engine, p, hop, NULL, (enum control_type)type, body, n, NULL,
			 now);
	engine_finish(w->client->engine, now);
}

static void command(struct world *w, struct input *in, const struct now *now)
{
	static const unsigned route[HOPS] = {0, 1, 2};
	struct engine *e = w->client->engine;
	const struct path_spec spec = sim_spec(w->s, route, 1 + take(in) % HOPS);
	const struct path_use use = {.path = w->path, .weight = (uint8_t)w->session};
	struct session_options options;

	switch (take(in) % 8) {
	case 0:
		w->session = engine_session_open(e, w->path, now);
		break;
	case 1:
		engine_session_attach(e, w->session, w->path, now);
		break;
	case 2:
		engine_session_use(e, w->session, &use, 1, now);
		break;
	case 3:
		engine_session_close(e, w->session, now);
		break;
	case 4:
		engine_path_close(e, w->path, now);
		break;
	case 5:
		w->path = engine_path_build(e, &spec, now);
		break;
	case 6:
		options.isolate = take(in) % 3;
		options.duplicate = take(in) & 1;
		engine_session_options(e, w->session, &options, now);
		break;
	case 7:
		engine_path_counters(e, w->path, take(in), now);
		break;
	}
}

static void forge(struct world *w, struct input *in, unsigned what, const struct now *now)
{
	struct engine *exit = sim_node(w->s, HOPS - 1)->engine, *client = w->client->engine;
	const unsigned hop = take(in) % (HOPS + 1);
	size_t n;
	const uint8_t *bytes = take_bytes(in, &n);
	struct packet p = {.head = bytes, .head_len = (uint16_t)n};
	uint8_t body[CELL_BODY_LEN] = {0};

	w->ends_lie = true;
	switch (what) {
	case 0:
		forge_client_text(client, w->path, bytes, n, now);
		break;
	case 1:
		forge_exit_text(exit, bytes, n, now);
		break;
	case 2:
		forge_onion_text(client, w->path, hop, bytes, n, now);
		break;
	case 3:
		engine_recv_exit(exit, &p, 1, now);
		break;
	case 4:
		engine_recv_client(client, &p, 1, now);
		break;
	case 5:
		memcpy(body, bytes, n);
		engine_link_send(client, 1, body, now);
		break;
	}
}

static void step(struct world *w, struct input *in)
{
	const struct now now = sim_now(w->s);
	const unsigned what = take(in) % 14;

	switch (what) {
	case 0:
		sim_send(w->s, w->client, 60 + take(in) * 5u, take(in));
		break;
	case 1:
		inject(w, in);
		break;
	case 2:
		w->spoils = true;
		w->spoil_off = take16(in);
		w->spoil_xor = take(in);
		break;
	case 3:
		replay(w, in);
		break;
	case 4:
		sim_run(w->s, take16(in) * NS_PER_MS);
		break;
	case 5:
		ask(w, in, &now);
		break;
	case 6:
		command(w, in, &now);
		break;
	case 7:
		sim_restart(w->s, take(in) % HOPS);
		break;
	default:
		forge(w, in, what - 8, &now);
	}
	for (unsigned i = 0; i < ENDS; i++)
		sim_pump(w->s, sim_node(w->s, i));
}

static void check(const struct world *w)
{
	for (unsigned i = 0; i < ENDS; i++) {
		const struct sim_node *n = sim_node(w->s, i);

		MUST(!n->sent_sizes_wrong);
		MUST(w->ends_lie || n->bad_packets == 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const unsigned route[HOPS] = {0, 1, 2};
	struct input in = {data, len};
	struct world w = {.s = sim_create(&(struct sim_params){.nodes = HOPS,
							       .clients = 1,
							       .seed = 1,
							       .batches = 8,
							       .wire = {.delay_ns = NS_PER_MS}})};

	w.client = sim_node(w.s, CLIENT);
	sim_tap(w.s, tap, &w);
	MUST(sim_connect(w.s, w.client, route, HOPS, &w.path));
	for (unsigned i = 0; i < STEPS_MAX && in.left > 0; i++)
		step(&w, &in);
	sim_run(w.s, 3 * NS_PER_S);
	check(&w);
	sim_free(w.s);
	return 0;
}
