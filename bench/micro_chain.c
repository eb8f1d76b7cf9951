/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Whole engines in a row, client to exit, in this process and without I/O: what each role spends on
 * a packet on its way out and back, acknowledgements included.
 */
#include "bench/micro.h"
#include "core/engine.h"
#include "util/xalloc.h"

enum {
	PARTIES_MAX = HOPS_MAX + 1, /* 0: the client; i: hop i */
	BATCH = 176,                /* what a busy socket or TUN gives at once */
	BATCHES = 120,              /* of one sample */
	PORT_FIRST = 4600,
};

#define PACKET_NS 4000 /* virtual time that a packet takes: near 2.5 Gbit/s */

struct chain;

struct party {
	struct chain *chain;
	struct engine *engine;
	struct endpoint endpoint;
	uint8_t id[NODE_ID_LEN];
	struct dh_keypair link_key, onion_key, session_key;
	uint64_t cpu_ns;
};

struct chain {
	unsigned hops;
	struct party party[PARTIES_MAX];
	struct now now;
	struct exit_params exit;
	struct session_grant grant;
	uint64_t delivered;
};

/* ---- what engines ask of the world ---- */

static bool answer(const struct party *p, struct node_peer *out)
{
	memcpy(out->id, p->id, sizeof(out->id));
	memcpy(out->link_key, p->link_key.public, sizeof(out->link_key));
	out->addrs[0] = p->endpoint;
	out->addr_count = 1;
	return true;
}

static bool by_id(void *ctx, const uint8_t id[static NODE_ID_LEN], struct node_peer *out)
{
	const struct chain *ch = ctx;

	for (unsigned i = 1; i <= ch->hops; i++)
		if (memcmp(ch->party[i].id, id, NODE_ID_LEN) == 0)
			return answer(&ch->party[i], out);
	return false;
}

static bool by_link_key(void *ctx, const uint8_t key[static DH_LEN], struct node_peer *out)
{
	const struct chain *ch = ctx;

	for (unsigned i = 1; i <= ch->hops; i++)
		if (memcmp(ch->party[i].link_key.public, key, DH_LEN) == 0)
			return answer(&ch->party[i], out);
	return false;
}

/* Every hop has the same onion key: the engines do not tell which of them asks. */
static bool onion_key(void *ctx, unsigned i, struct dh_keypair *key, uint32_t *key_id)
{
	const struct chain *ch = ctx;

	*key = ch->party[0].onion_key;
	*key_id = 1;
	return i == 0;
}

static void party_start(struct chain *ch, unsigned i)
{
	struct party *p = &ch->party[i];

	p->chain = ch;
	rng_fill(&rng_system, p->id, sizeof(p->id));
	dh_keypair_generate(&p->link_key, &rng_system);
	dh_keypair_generate(&p->session_key, &rng_system);
	memcpy(p->endpoint.ip, (const uint8_t[16]){[10] = 0xff, [11] = 0xff, [12] = 192, [14] = 2},
	       16);
	p->endpoint.port = (uint16_t)(PORT_FIRST + i);
	ch->exit = (struct exit_params){
	    .session_key = &ch->party[ch->hops].session_key,
	    .pool_v4 = {10, 88, 0, 0},
	    .pool_v4_bits = 16,
	    .max_sessions = 16,
	    .packets_per_s = 100000000,
	};
	p->engine = engine_create(&(struct engine_params){
	    .link_key = &p->link_key,
	    .node_id = i == 0 ? NULL : p->id,
	    .roles = i == 0 ? 0 : ROLE_ENTRY | ROLE_RELAY | ROLE_EXIT,
	    .max_circuits = 1000,
	    .max_links = 64,
	    .batches = 64,
	    .rng = &rng_system,
	    .world = {.ctx = ch,
		      .node_by_id = by_id,
		      .node_by_link_key = by_link_key,
		      .onion_key = onion_key},
	    .exit = i == ch->hops ? &ch->exit : NULL,
	});
	if (p->engine == NULL)
		bench_die("engine_create");
}

/* ---- moving datagrams ---- */

static bool move(struct chain *ch, struct party *from);

static void receive(struct chain *ch, struct party *to, struct rx_dgram *d, size_t n)
{
	const uint64_t start = bench_cpu_ns();
	size_t packets;

	engine_recv(to->engine, d, n, &ch->now);
	to->cpu_ns += bench_cpu_ns() - start;
	engine_take_packets(to->engine, SINK_EXIT, &packets);
	ch->delivered += packets;
	engine_take_packets(to->engine, SINK_CLIENT, &packets);
	ch->delivered += packets;
}

/* All that a party has to send, to each receiver as one batch; whether there was anything. */
static bool move(struct chain *ch, struct party *from)
{
	struct rx_dgram d[2 * BATCH + 64];
	struct tx_batch *const list = engine_take_batches(from->engine);
	struct tx_batch *next;

	for (unsigned i = 0; i <= ch->hops; i++) {
		size_t n = 0;

		for (const struct tx_batch *b = list; b != NULL; b = b->next)
			for (size_t k = 0; b->to.port == PORT_FIRST + i && k < b->count; k++)
				if (n < ARRAY_LEN(d))
					d[n++] = (struct rx_dgram){.data = b->data + k * b->seg_len,
								   .len = b->seg_len,
								   .from = &from->endpoint};
		if (n > 0)
			receive(ch, &ch->party[i], d, n);
	}
	for (struct tx_batch *b = list; b != NULL; b = next) {
		next = b->next;
		engine_return_batch(from->engine, b);
	}
	return list != NULL;
}

static void settle(struct chain *ch)
{
	bool moved;

	do {
		moved = false;
		for (unsigned i = 0; i <= ch->hops; i++)
			moved |= move(ch, &ch->party[i]);
	} while (moved);
}

static void pass_time(struct chain *ch, uint64_t ns)
{
	ch->now.mono_ns += ns;
	ch->now.wall_ns += ns;
	for (unsigned i = 0; i <= ch->hops; i++) {
		struct party *p = &ch->party[i];
		const uint64_t start = bench_cpu_ns();

		if (engine_deadline(p->engine) <= ch->now.mono_ns)
			engine_tick(p->engine, &ch->now);
		p->cpu_ns += bench_cpu_ns() - start;
	}
	settle(ch);
}

/* ---- set-up ---- */

static struct engine_event expect(struct chain *ch, enum engine_event_type type)
{
	struct engine_event ev;

	settle(ch);
	while (engine_next_event(ch->party[0].engine, &ev))
		if (ev.type == type)
			return ev;
	bench_die("a chain of %u hops: event %d did not come", ch->hops, (int)type);
}

static struct path_spec spec_of(const struct chain *ch)
{
	struct path_spec spec = {.n = ch->hops, .lifetime_s = 700};

	for (unsigned i = 0; i < ch->hops; i++) {
		struct create_hop *h = &spec.hop[i];

		memcpy(h->id, ch->party[i + 1].id, sizeof(h->id));
		memcpy(h->onion_key, ch->party[0].onion_key.public, sizeof(h->onion_key));
		h->onion_key_id = 1;
		h->addr = ch->party[i + 1].endpoint;
	}
	memcpy(spec.entry_link_key, ch->party[1].link_key.public, DH_LEN);
	memcpy(spec.exit_session_key, ch->party[ch->hops].session_key.public, DH_LEN);
	return spec;
}

static struct chain *chain_create(unsigned hops)
{
	struct chain *ch = xcalloc(1, sizeof(*ch));
	struct path_spec spec;
	uint32_t path, session;

	ch->hops = hops;
	ch->now = (struct now){.mono_ns = 1000 * NS_PER_S, .wall_ns = 1790000000 * NS_PER_S};
	dh_keypair_generate(&ch->party[0].onion_key, &rng_system);
	for (unsigned i = 0; i <= hops; i++)
		party_start(ch, i);
	spec = spec_of(ch);
	path = engine_path_build(ch->party[0].engine, &spec, &ch->now);
	expect(ch, EVENT_PATH_OPEN);
	session = engine_session_open(ch->party[0].engine, path, &ch->now);
	ch->grant = expect(ch, EVENT_SESSION_OPEN).grant;
	engine_session_attach(ch->party[0].engine, session, path, &ch->now);
	expect(ch, EVENT_PATH_ATTACHED);
	engine_session_use(ch->party[0].engine, session,
			   &(struct path_use){.path = path, .weight = 1}, 1, &ch->now);
	settle(ch);
	return ch;
}

static void chain_free(struct chain *ch)
{
	for (unsigned i = 0; i <= ch->hops; i++)
		engine_free(ch->party[i].engine);
	free(ch);
}

/* ---- measuring ---- */

/* Equal IPv4 packets, headers and payload apart as a TUN with offload gives them. */
static void make_packets(const struct chain *ch, bool is_forward, size_t len, struct packet *p)
{
	static uint8_t head[28], body[CELL_LEN];

	memset(head, 0, sizeof(head));
	head[0] = 0x45;
	put_be16(head + 2, (uint16_t)len);
	head[8] = 64;
	head[9] = 17;
	memcpy(head + (is_forward ? 12 : 16), ch->grant.v4, 4);
	memcpy(head + (is_forward ? 16 : 12), (const uint8_t[]){9, 9, 9, 9}, 4);
	for (size_t i = 0; i < BATCH; i++)
		p[i] = (struct packet){.head = head,
				       .head_len = sizeof(head),
				       .body = body,
				       .body_len = (uint16_t)(len - sizeof(head)),
				       .flags = PACKET_CSUM_PARTIAL};
}

static void run(struct chain *ch, bool is_forward, const struct packet *packets, unsigned batches)
{
	struct party *from = &ch->party[is_forward ? 0 : ch->hops];

	for (unsigned k = 0; k < batches; k++) {
		const uint64_t start = bench_cpu_ns();

		if (is_forward)
			engine_recv_client(from->engine, packets, BATCH, &ch->now);
		else
			engine_recv_exit(from->engine, packets, BATCH, &ch->now);
		from->cpu_ns += bench_cpu_ns() - start;
		settle(ch);
		pass_time(ch, BATCH * PACKET_NS);
	}
}

static void figures(const struct chain *ch, const char *what, const char *direction)
{
	const double packets = (double)BATCH * BATCHES;
	double relays = 0;

	if (ch->delivered != (uint64_t)BATCH * BATCHES)
		bench_die("a chain of %u hops delivered %llu of %u packets", ch->hops,
			  (unsigned long long)ch->delivered, BATCH * BATCHES);
	bench_figure((double)ch->party[0].cpu_ns / packets, "ns", "chain%u.%s.client_%s", ch->hops,
		     what, direction);
	bench_figure((double)ch->party[ch->hops].cpu_ns / packets, "ns", "chain%u.%s.exit_%s",
		     ch->hops, what, direction);
	for (unsigned i = 1; i < ch->hops; i++)
		relays += (double)ch->party[i].cpu_ns / packets / (ch->hops - 1);
	if (ch->hops > 1)
		bench_figure(relays, "ns", "chain%u.%s.relay_%s", ch->hops, what, direction);
}

static void sample(struct chain *ch, const char *what, size_t len)
{
	struct packet packets[BATCH];

	for (int is_forward = 1; is_forward >= 0; is_forward--) {
		make_packets(ch, is_forward, len, packets);
		run(ch, is_forward, packets, 4); /* warms caches and tables */
		for (unsigned i = 0; i <= ch->hops; i++)
			ch->party[i].cpu_ns = 0;
		ch->delivered = 0;
		run(ch, is_forward, packets, BATCHES);
		figures(ch, what, is_forward ? "out" : "back");
	}
}

void bench_chain(unsigned rounds)
{
	static const unsigned hop_counts[] = {1, 2, 3, 5};
	struct chain *chains[ARRAY_LEN(hop_counts)];

	for (size_t i = 0; i < ARRAY_LEN(chains); i++)
		chains[i] = chain_create(hop_counts[i]);
	for (unsigned round = 0; round < rounds; round++) {
		for (size_t i = 0; i < ARRAY_LEN(chains); i++)
			sample(chains[i], "full", (size_t)INNER_MTU(hop_counts[i]));
		sample(chains[2], "small", 64);
	}
	for (size_t i = 0; i < ARRAY_LEN(chains); i++)
		chain_free(chains[i]);
}
