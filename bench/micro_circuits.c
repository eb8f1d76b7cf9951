/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A relay with very many circuits: what making one costs, the memory of an idle one, and whether
 * cells get dearer.  The relay is a whole engine.  Its neighbours are links alone: those before it
 * send what clients would have made, the one behind it answers CREATE with noise, which a relay
 * cannot tell from an answer.
 */
#include <malloc.h>
#include <stdio.h>
#include <unistd.h>

#include "bench/micro.h"
#include "core/engine_int.h"
#include "util/xalloc.h"

enum {
	PREVS = 8, /* before the relay; more than one, because each may CREATE only so often */
	NEXT = PREVS,
	NEIGHBOURS,
	BURST = 64,  /* CREATEs that arrive together */
	CELLS = 176, /* DATA cells that arrive together */
	SAMPLE_BURSTS = 150,
	PORT_FIRST = 4600,
};

struct neighbour_end {
	struct links *links;
	struct link *link; /* to the relay */
	struct endpoint endpoint;
	struct dh_keypair key;
	uint8_t id[NODE_ID_LEN];
};

/* What a client would know of its circuit: the relay's own state must come to it cold. */
struct made {
	struct hop_keys keys;
	uint64_t seq;
	uint32_t circ_id;
	unsigned prev;
};

struct stage {
	struct engine *relay;
	struct dh_keypair relay_key, onion_key;
	uint8_t relay_id[NODE_ID_LEN];
	struct endpoint relay_endpoint;
	struct aead *aead;
	struct seen *creates;
	struct neighbour_end ends[NEIGHBOURS];
	struct now now;
	uint64_t cpu_ns; /* the relay's */
	uint64_t cells_out;
	struct made *made;
	unsigned made_count;
};

/* ---- the relay's world ---- */

static bool describe(const struct neighbour_end *n, struct node_peer *out)
{
	memcpy(out->id, n->id, sizeof(out->id));
	memcpy(out->link_key, n->key.public, sizeof(out->link_key));
	out->addrs[0] = n->endpoint;
	out->addr_count = 1;
	return true;
}

static bool by_id(void *ctx, const uint8_t id[static NODE_ID_LEN], struct node_peer *out)
{
	const struct stage *s = ctx;

	return memcmp(id, s->ends[NEXT].id, NODE_ID_LEN) == 0 && describe(&s->ends[NEXT], out);
}

static bool by_link_key(void *ctx, const uint8_t key[static DH_LEN], struct node_peer *out)
{
	const struct stage *s = ctx;

	for (unsigned i = 0; i < NEIGHBOURS; i++)
		if (memcmp(key, s->ends[i].key.public, DH_LEN) == 0)
			return describe(&s->ends[i], out);
	return false;
}

static bool onion_key(void *ctx, unsigned i, struct dh_keypair *key, uint32_t *key_id)
{
	const struct stage *s = ctx;

	*key = s->onion_key;
	*key_id = 1;
	return i == 0;
}

/* ---- datagrams between the relay and its neighbours ---- */

static void to_relay(struct stage *s, struct rx_dgram *d, size_t n)
{
	const uint64_t start = bench_cpu_ns();

	engine_recv(s->relay, d, n, &s->now);
	s->cpu_ns += bench_cpu_ns() - start;
}

static void cell_to_relay(struct stage *s, struct neighbour_end *n, uint8_t *cell,
			  struct cell_header h)
{
	if (n->link->state != LINK_UP)
		bench_die("a link to the relay is down");
	link_seal(n->links, n->link, cell, &h, 1, &s->now);
}

/* CREATEs that the relay sends on come back as CREATED. */
static void answer_creates(struct stage *s, struct neighbour_end *n, struct link_rx *rx,
			   size_t count)
{
	static uint8_t cells[EGRESS_CELLS][CELL_LEN];
	struct rx_dgram d[EGRESS_CELLS];
	size_t answers = 0;

	links_open(n->links, rx, count, &s->now);
	for (size_t i = 0; i < count; i++) {
		if (rx[i].drop != DROP_NONE || rx[i].header.kind != CELL_CREATE)
			continue;
		n->link = rx[i].link;
		rng_fill(&rng_system, cells[answers] + CELL_BODY_OFF, CELL_BODY_LEN);
		cell_to_relay(
		    s, n, cells[answers],
		    (struct cell_header){.circ_id = rx[i].header.circ_id, .kind = CELL_CREATED});
		d[answers] = (struct rx_dgram){
		    .data = cells[answers], .len = CELL_LEN, .from = &n->endpoint};
		answers++;
	}
	if (answers > 0)
		to_relay(s, d, answers);
}

static void from_relay(struct stage *s, struct neighbour_end *n, const struct tx_batch *b)
{
	struct link_rx rx[EGRESS_CELLS];
	struct link_out out;
	struct rx_dgram d;

	if (b->seg_len == CELL_LEN && b->data[0] == MSG_CELL) {
		for (size_t i = 0; i < b->count; i++)
			rx[i] = (struct link_rx){.cell = b->data + i * CELL_LEN,
						 .from = &s->relay_endpoint};
		answer_creates(s, n, rx, b->count);
		return;
	}
	links_recv_handshake(n->links, b->data, b->seg_len, &s->relay_endpoint, &s->now);
	while (links_next_out(n->links, &out)) {
		d = (struct rx_dgram){.data = out.data, .len = out.len, .from = &n->endpoint};
		to_relay(s, &d, 1);
	}
}

/* Until the relay has nothing more to say. */
static void settle(struct stage *s)
{
	struct tx_batch *list, *next;

	while ((list = engine_take_batches(s->relay)) != NULL) {
		for (struct tx_batch *b = list; b != NULL; b = next) {
			next = b->next;
			from_relay(s, &s->ends[b->to.port - PORT_FIRST], b);
			engine_return_batch(s->relay, b);
		}
	}
}

/* ---- set-up ---- */

static void end_start(struct stage *s, unsigned i)
{
	struct neighbour_end *n = &s->ends[i];

	dh_keypair_generate(&n->key, &rng_system);
	rng_fill(&rng_system, n->id, sizeof(n->id));
	n->endpoint = s->relay_endpoint;
	n->endpoint.port = (uint16_t)(PORT_FIRST + i);
	n->links = links_create(&(struct links_params){
	    .identity = &n->key,
	    .rng = &rng_system,
	    .aead = s->aead,
	    .is_node = true,
	    .max_links = 4,
	    .init_burst = 100,
	});
}

static void link_up(struct stage *s, struct neighbour_end *n)
{
	struct link_out out;
	struct rx_dgram d;

	n->link = links_get(n->links, s->relay_key.public, &s->relay_endpoint);
	link_connect(n->links, n->link, &s->now);
	while (links_next_out(n->links, &out)) {
		d = (struct rx_dgram){.data = out.data, .len = out.len, .from = &n->endpoint};
		to_relay(s, &d, 1);
	}
	settle(s);
	if (n->link->state != LINK_UP)
		bench_die("no link to the relay");
}

static struct stage *stage_create(void)
{
	struct stage *s = xcalloc(1, sizeof(*s));

	s->now = (struct now){.mono_ns = 1000 * NS_PER_S, .wall_ns = 1790000000 * NS_PER_S};
	s->aead = aead_open(NULL);
	s->creates = seen_create(CREATES_SEEN_MAX, CREATES_SEEN_NS, &rng_system);
	for (unsigned i = 0; i < CREATES_SEEN_MAX / 16; i++) /* its pages are no circuit's */
		if (!seen_add(s->creates, rng_u64(&rng_system), s->now.mono_ns))
			bench_die("seen_add");
	dh_keypair_generate(&s->relay_key, &rng_system);
	dh_keypair_generate(&s->onion_key, &rng_system);
	rng_fill(&rng_system, s->relay_id, sizeof(s->relay_id));
	memcpy(s->relay_endpoint.ip,
	       (const uint8_t[16]){[10] = 0xff, [11] = 0xff, [12] = 192, [14] = 2}, 16);
	s->relay_endpoint.port = PORT_FIRST - 1;
	s->relay = engine_create(&(struct engine_params){
	    .link_key = &s->relay_key,
	    .node_id = s->relay_id,
	    .roles = ROLE_RELAY,
	    .max_circuits = bench_circuits_max,
	    .max_links = 64,
	    .batches = 64,
	    .creates = s->creates,
	    .rng = &rng_system,
	    .world = {.ctx = s,
		      .node_by_id = by_id,
		      .node_by_link_key = by_link_key,
		      .onion_key = onion_key},
	});
	if (s->aead == NULL || s->relay == NULL)
		bench_die("no AEAD back-end");
	s->made = xcalloc(bench_circuits_max, sizeof(*s->made));
	memset(s->made, 1, bench_circuits_max * sizeof(*s->made)); /* now, not while we measure */
	for (unsigned i = 0; i < NEIGHBOURS; i++)
		end_start(s, i);
	for (unsigned i = 0; i < PREVS; i++)
		link_up(s, &s->ends[i]);
	return s;
}

static void stage_free(struct stage *s)
{
	engine_free(s->relay);
	seen_free(s->creates);
	for (unsigned i = 0; i < NEIGHBOURS; i++)
		links_free(s->ends[i].links);
	aead_close(s->aead);
	free(s->made);
	free(s);
}

/* ---- circuits ---- */

static void make_create(struct stage *s, unsigned index, uint8_t cell[static CELL_LEN])
{
	struct neighbour_end *n = &s->ends[index % PREVS];
	const uint32_t half = n->link->circ_id_high ? 1u << 31 : 0;
	struct create_hop hops[2] = {{.onion_key_id = 1}, {.onion_key_id = 1}};
	struct create_client client;

	memcpy(hops[0].id, s->relay_id, NODE_ID_LEN);
	memcpy(hops[0].onion_key, s->onion_key.public, DH_LEN);
	memcpy(hops[1].id, s->ends[NEXT].id, NODE_ID_LEN);
	memcpy(hops[1].onion_key, s->onion_key.public, DH_LEN);
	hops[1].addr = s->ends[NEXT].endpoint;
	if (create_build(&client, hops, 2, &s->now, 700, &rng_system, cell + CELL_BODY_OFF) != 0)
		bench_die("create_build");
	cell_to_relay(s, n, cell,
		      (struct cell_header){.circ_id = half | (index + 1), .kind = CELL_CREATE});
}

static void create_burst(struct stage *s, unsigned first, unsigned count)
{
	static uint8_t cells[BURST][CELL_LEN];
	struct rx_dgram d[BURST];

	for (unsigned i = 0; i < count; i++) {
		make_create(s, first + i, cells[i]);
		d[i] = (struct rx_dgram){.data = cells[i],
					 .len = CELL_LEN,
					 .from = &s->ends[(first + i) % PREVS].endpoint};
	}
	to_relay(s, d, count);
	settle(s);
}

static struct made made_of(const struct circuit *c, unsigned prev)
{
	struct made m = {.circ_id = c->prev.circ_id, .prev = prev};

	memcpy(m.keys.kf, c->kf, KEY_LEN);
	memcpy(m.keys.kfill, c->kfill, KEY_LEN);
	return m;
}

/* The relay lists its circuits in the order in which they came. */
static void take_made(struct stage *s)
{
	const struct circuit *c;
	unsigned i = 0;

	for (size_t at = 0; (c = slab_next(&s->relay->circuits, &at)) != NULL;) {
		if (c->state != CIRCUIT_OPEN)
			bench_die("circuit %u is not open", i);
		if (i >= s->made_count)
			s->made[i] = made_of(c, i % PREVS);
		i++;
	}
	s->made_count = i;
}

/* What the kernel has given us and we use. */
static size_t resident_bytes(void)
{
	unsigned long pages = 0;
	FILE *f;

	malloc_trim(0);
	f = fopen("/proc/self/statm", "re");
	if (f == NULL || fscanf(f, "%*u %lu", &pages) != 1)
		bench_die("cannot read /proc/self/statm");
	fclose(f);
	return pages * (size_t)sysconf(_SC_PAGESIZE);
}

/* More circuits, up to count in all.  Each neighbour's share keeps within its rate limit. */
static void create_up_to(struct stage *s, unsigned count)
{
	const unsigned before = s->made_count;
	const size_t resident = resident_bytes();

	s->cpu_ns = 0;
	for (unsigned i = before; i < count; i += BURST) {
		create_burst(s, i, MIN((unsigned)BURST, count - i));
		s->now.mono_ns += BURST * NS_PER_S / PREVS / CREATE_RATE_NODE_PER_S;
	}
	take_made(s);
	if (s->made_count != count)
		bench_die("%u of %u circuits were made", s->made_count, count);
	if (count < bench_circuits_max)
		return;
	bench_figure((double)s->cpu_ns / (count - before), "ns", "circuits.create");
	bench_figure((double)(resident_bytes() - resident) / (count - before), "bytes",
		     "circuits.memory_each_at_%u", count);
}

/* ---- cells ---- */

static void make_data(struct stage *s, struct made *m, uint8_t *cell)
{
	static const struct hop_keys beyond;
	struct neighbour_end *n = &s->ends[m->prev];
	const struct hop_keys keys[2] = {m->keys, beyond};
	const uint64_t seq = m->seq++;

	onion_seal(s->aead, keys, 2, &cell, &seq, 1);
	cell_to_relay(
	    s, n, cell,
	    (struct cell_header){.circ_id = m->circ_id, .seq = seq, .kind = CELL_DATA_FWD});
}

static void forward_burst(struct stage *s)
{
	static uint8_t cells[CELLS * CELL_LEN + ONION_OVERHANG_MAX];
	struct rx_dgram d[CELLS];

	for (size_t i = 0; i < CELLS; i++) {
		struct made *m = &s->made[rng_below(&rng_system, s->made_count)];
		uint8_t *cell = cells + i * CELL_LEN;

		make_data(s, m, cell);
		d[i] = (struct rx_dgram){
		    .data = cell, .len = CELL_LEN, .from = &s->ends[m->prev].endpoint};
	}
	to_relay(s, d, CELLS);
	settle(s);
	s->now.mono_ns += NS_PER_MS / 2;
}

static void forward(struct stage *s)
{
	struct engine_stats before, after;

	engine_stats(s->relay, &before);
	s->cpu_ns = 0;
	for (unsigned i = 0; i < SAMPLE_BURSTS; i++)
		forward_burst(s);
	engine_stats(s->relay, &after);
	if (after.fwd_cells - before.fwd_cells != SAMPLE_BURSTS * CELLS)
		bench_die("the relay forwarded %llu of %u cells",
			  (unsigned long long)(after.fwd_cells - before.fwd_cells),
			  SAMPLE_BURSTS * CELLS);
	bench_figure((double)s->cpu_ns / (SAMPLE_BURSTS * CELLS), "ns", "circuits.cell_at_%u",
		     s->made_count);
}

/* A relay for each, and all of them in each round: other load on the machine touches all alike. */
void bench_circuits(unsigned rounds)
{
	const unsigned counts[] = {10, 1000, bench_circuits_max};
	struct stage *s[ARRAY_LEN(counts)];

	for (size_t i = 0; i < ARRAY_LEN(counts); i++) {
		s[i] = stage_create();
		create_up_to(s[i], counts[i]);
		for (unsigned cells = 0; cells < 2 * counts[i]; cells += CELLS)
			forward_burst(s[i]); /* a circuit's first cell is not like the others */
	}
	for (unsigned round = 0; round < rounds; round++)
		for (size_t i = 0; i < ARRAY_LEN(counts); i++)
			forward(s[i]);
	for (size_t i = 0; i < ARRAY_LEN(counts); i++)
		stage_free(s[i]);
}
