/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Nodes of several workers: whose a datagram is, and that links of different workers keep apart. */
#include "link/link_int.h"

#include "link_pair.h"

/* A node as its workers' links; datagrams find theirs as they do in the kernel. */
struct node {
	struct dh_keypair identity;
	struct endpoint endpoint;
	struct links *worker[WORKERS_MAX];
	unsigned workers;
};

struct two {
	struct node a, b;
	struct rng rng;
	struct aead *aead;
	struct now now;
};

static void node_init(struct two *t, struct node *n, unsigned workers, unsigned number)
{
	*n = (struct node){.workers = workers, .endpoint = endpoint_number(number)};
	dh_keypair_generate(&n->identity, &t->rng);
	for (unsigned i = 0; i < workers; i++)
		n->worker[i] = links_create(&(struct links_params){
		    .identity = &n->identity,
		    .rng = &t->rng,
		    .aead = t->aead,
		    .is_node = true,
		    .worker = (uint8_t)i,
		    .workers = (uint8_t)workers,
		    .max_links = 64,
		    .init_burst = 1000,
		});
}

static void two_init(struct two *t, unsigned a_workers, unsigned b_workers)
{
	*t = (struct two){.rng = rng_seeded(a_workers * 100 + b_workers),
			  .aead = aead_open("sodium"),
			  .now = {.mono_ns = 5 * NS_PER_S, .wall_ns = 1800000000 * NS_PER_S}};
	node_init(t, &t->a, a_workers, 1);
	node_init(t, &t->b, b_workers, 2);
}

static void two_fini(struct two *t)
{
	for (unsigned i = 0; i < t->a.workers; i++)
		links_free(t->a.worker[i]);
	for (unsigned i = 0; i < t->b.workers; i++)
		links_free(t->b.worker[i]);
	aead_close(t->aead);
	rng_seeded_free(&t->rng);
}

static struct node *peer_node(struct two *t, const struct node *n)
{
	return n == &t->a ? &t->b : &t->a;
}

static struct links *worker_for(const struct node *n, const uint8_t *data, size_t len)
{
	return n->worker[shard_of_datagram(data, len) % n->workers];
}

static enum drop pass_cell(struct two *t, struct node *from, struct links *ls, struct link *l)
{
	const struct cell_header h = {.kind = CELL_COVER};
	struct node *to = peer_node(t, from);
	uint8_t cell[CELL_LEN] = {0};
	struct link_rx rx = {.cell = cell, .from = &from->endpoint};

	link_seal(ls, l, cell, &h, 1, &t->now);
	links_open(worker_for(to, cell, CELL_LEN), &rx, 1, &t->now);
	return rx.drop;
}

static bool pump_node(struct two *t, struct node *from)
{
	struct node *to = peer_node(t, from);
	struct link_out out;
	struct link_event ev;
	bool any = false;

	for (unsigned i = 0; i < from->workers; i++) {
		while (links_next_out(from->worker[i], &out)) {
			any = true;
			CHECK_INT(links_recv_handshake(worker_for(to, out.data, out.len), out.data,
						       out.len, &from->endpoint, &t->now),
				  DROP_NONE);
		}
		while (links_next_event(from->worker[i], &ev)) {
			any = true;
			CHECK_INT(ev.type, LINK_EVENT_UP);
			CHECK_INT(pass_cell(t, from, from->worker[i], ev.link), DROP_NONE);
		}
	}
	return any;
}

static void pump_both(struct two *t)
{
	while (pump_node(t, &t->a) | pump_node(t, &t->b))
		;
	t->now.mono_ns += 50 * NS_PER_MS;
	t->now.wall_ns += 50 * NS_PER_MS;
}

static struct link *connect(struct two *t, struct node *from, unsigned worker, uint8_t wish)
{
	struct node *to = peer_node(t, from);
	struct links *ls = from->worker[worker];
	struct link *l = links_get_shard(ls, to->identity.public, wish, &to->endpoint);

	link_connect(ls, l, &t->now);
	return l;
}

/* Every worker of one calls every shard of the other: all of these links live side by side. */
static void all_pairs(unsigned a_workers, unsigned b_workers)
{
	struct link *l[WORKERS_MAX][SHARDS];
	struct two t;

	two_init(&t, a_workers, b_workers);
	for (unsigned i = 0; i < a_workers; i++)
		for (unsigned s = 0; s < SHARDS; s++) {
			l[i][s] = connect(&t, &t.a, i, (uint8_t)(SHARD_WISH | s));
			pump_both(&t);
		}
	for (unsigned i = 0; i < a_workers; i++)
		for (unsigned s = 0; s < SHARDS; s++) {
			CHECK_INT(l[i][s]->state, LINK_UP);
			CHECK_INT(l[i][s]->peer_shard, s);
			CHECK_INT(l[i][s]->shard % a_workers, i);
			CHECK_INT(l[i][s]->id % WORKERS_MAX, i);
			CHECK_INT(l[i][s]->send_key->peer_index & SHARD_MASK, s);
			CHECK_INT(pass_cell(&t, &t.a, t.a.worker[i], l[i][s]), DROP_NONE);
		}
	for (unsigned i = 0; i < b_workers; i++)
		CHECK(t.b.worker[i]->by_name.count > 0);
	two_fini(&t);
}

static void test_every_pair_of_workers_has_its_link(void)
{
	all_pairs(1, 1);
	all_pairs(1, 2);
	all_pairs(2, 3);
	all_pairs(8, 8);
}

/* Both sides begin at once, without a wish: equal numbers of workers need as many links. */
static void test_crossing(void)
{
	for (unsigned workers = 1; workers <= WORKERS_MAX; workers++) {
		struct two t;

		two_init(&t, workers, workers);
		for (unsigned i = 0; i < workers; i++) {
			connect(&t, &t.a, i, SHARD_ANY);
			connect(&t, &t.b, i, SHARD_ANY);
		}
		pump_both(&t);
		for (unsigned i = 0; i < workers; i++) {
			CHECK_INT(t.a.worker[i]->by_name.count, 1);
			CHECK_INT(t.b.worker[i]->by_name.count, 1);
		}
		two_fini(&t);
	}
}

static void test_wrong_worker(void)
{
	struct two t;
	struct link_out init;
	struct links *wrong;

	two_init(&t, 1, 2);
	connect(&t, &t.a, 0, SHARD_WISH | 5);
	NEED(links_next_out(t.a.worker[0], &init));
	CHECK_INT(shard_of_datagram(init.data, init.len), 5);
	wrong = t.b.worker[0];
	CHECK_INT(links_recv_handshake(wrong, init.data, init.len, &t.a.endpoint, &t.now),
		  DROP_HANDSHAKE);
	CHECK_INT(wrong->by_name.count + wrong->by_index.count, 0);
	two_fini(&t);
}

/* What was recorded opens nothing at another worker, whatever of the clear bytes is changed. */
static void test_replay_elsewhere(void)
{
	struct two t;
	struct link_out init;

	two_init(&t, 1, 2);
	connect(&t, &t.a, 0, SHARD_WISH | 0);
	NEED(links_next_out(t.a.worker[0], &init));
	for (unsigned shard = 0; shard < SHARDS; shard++)
		for (unsigned own = 0; own < SHARDS; own++) {
			struct link_out again = init;
			struct links *at;

			again.data[INIT_SHARD_OFF] = (uint8_t)shard;
			again.data[INIT_INDEX_OFF] ^= (uint8_t)own;
			if (shard == 0 && own == 0)
				continue;
			msg_put_mac1(again.data, t.b.identity.public);
			at = worker_for(&t.b, again.data, again.len);
			CHECK_INT(
			    links_recv_handshake(at, again.data, again.len, &t.a.endpoint, &t.now),
			    DROP_HANDSHAKE);
			CHECK_INT(at->by_name.count, 0);
		}
	two_fini(&t);
}

/* An answer of another shard than was asked for: its worker would never see our cells. */
static void test_answer_of_another_shard(void)
{
	struct two t;
	struct link_out out;

	two_init(&t, 1, 2);
	connect(&t, &t.a, 0, SHARD_WISH | 1);
	NEED(links_next_out(t.a.worker[0], &out));
	CHECK_INT(links_recv_handshake(t.b.worker[1], out.data, out.len, &t.a.endpoint, &t.now),
		  DROP_NONE);
	NEED(links_next_out(t.b.worker[1], &out));
	out.data[RESP_INDEX_OFF] ^= 1;
	msg_put_mac1(out.data, t.a.identity.public);
	CHECK_INT(links_recv_handshake(t.a.worker[0], out.data, out.len, &t.b.endpoint, &t.now),
		  DROP_HANDSHAKE);
	two_fini(&t);
}

static void test_neighbours_spread(void)
{
	unsigned seen[SHARDS] = {0};
	struct two t;

	two_init(&t, 1, 1);
	for (unsigned i = 0; i < 60; i++) {
		struct dh_keypair id;

		dh_keypair_generate(&id, &t.rng);
		seen[links_get(t.a.worker[0], id.public, NULL)->peer_shard]++;
	}
	for (unsigned s = 0; s < SHARDS; s++)
		CHECK(seen[s] > 0);
	two_fini(&t);
}

static void test_shard_of_junk(void)
{
	static const uint8_t types[] = {0, 5, 0xff};
	uint8_t data[16];

	memset(data, 0xff, sizeof(data));
	for (size_t i = 0; i < ARRAY_LEN(types); i++) {
		data[0] = types[i];
		CHECK_INT(shard_of_datagram(data, sizeof(data)), 0);
	}
	CHECK_INT(shard_of_datagram(data, 0), 0);
	for (uint8_t type = MSG_LINK_INIT; type <= MSG_CELL; type++) {
		data[0] = type;
		CHECK_INT(shard_of_datagram(data, 1), 0); /* too short to say */
		CHECK_INT(shard_of_datagram(data, sizeof(data)), 7);
	}
}

int main(void)
{
	RUN(test_every_pair_of_workers_has_its_link);
	RUN(test_crossing);
	RUN(test_wrong_worker);
	RUN(test_replay_elsewhere);
	RUN(test_answer_of_another_shard);
	RUN(test_neighbours_spread);
	RUN(test_shard_of_junk);
	return test_done();
}
