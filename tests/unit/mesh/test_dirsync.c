/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The exchange of descriptors between honest parties, over a network that loses, doubles, reorders.
 */
#include "mesh/dirsync.h"

#include "tests/lib/test.h"
#include "tests/unit/mesh/fixture.h"
#include "util/xalloc.h"

enum {
	HOSTS_MAX = 32,
	FLIGHT_MAX = 8192,
	SEEDS = 3,
};

#define PERIOD_NS (5 * NS_PER_S)

struct host {
	struct directory *dir;
	struct dirsync *ds;
	bool is_dead;
};

struct letter { /* on its way */
	uint64_t due_ns;
	unsigned from, to;
	uint8_t body[CELL_BODY_LEN];
};

static struct {
	struct rng rng;
	struct now now;
	struct host hosts[HOSTS_MAX];
	unsigned count;
	struct letter *flight[FLIGHT_MAX];
	unsigned flight_len;
	/* the network */
	unsigned loss_percent, double_percent;
	uint64_t delay_ns, jitter_ns;
	uint8_t ids[HOSTS_MAX][NODE_ID_LEN];
	uint64_t letters, bytes_in[HOSTS_MAX], bytes_out[HOSTS_MAX];
} net;

static uint32_t link_to(unsigned host)
{
	return host + 1;
}

static void host_start(unsigned i, bool is_node)
{
	const struct directory_params dp = {.rng = &net.rng};
	struct host *h = &net.hosts[i];

	h->dir = directory_create(&dp);
	const struct dirsync_params sp = {
	    .dir = h->dir, .rng = &net.rng, .is_node = is_node, .period_ns = PERIOD_NS};
	h->ds = dirsync_create(&sp);
	h->is_dead = false;
}

static void host_stop(unsigned i)
{
	dirsync_free(net.hosts[i].ds);
	directory_free(net.hosts[i].dir);
	net.hosts[i] = (struct host){.is_dead = true};
}

static void net_start(unsigned hosts, uint64_t seed)
{
	memset(&net, 0, sizeof(net));
	net.rng = rng_seeded(seed);
	net.now = fixture_now();
	net.count = hosts;
	net.delay_ns = 20 * NS_PER_MS;
	for (unsigned i = 0; i < hosts; i++) {
		struct identity id;

		fixture_identity(&id, i);
		memcpy(net.ids[i], id.id, NODE_ID_LEN);
		host_start(i, true);
	}
}

static void net_stop(void)
{
	for (unsigned i = 0; i < net.count; i++)
		host_stop(i);
	while (net.flight_len > 0)
		free(net.flight[--net.flight_len]);
	rng_seeded_free(&net.rng);
}

/* a pulls from b. */
static void net_source(unsigned a, unsigned b)
{
	if (dirsync_peer_up(net.hosts[a].ds, link_to(b), DIRSYNC_SOURCE, &net.now) != 0 ||
	    dirsync_peer_up(net.hosts[b].ds, link_to(a), DIRSYNC_NEIGHBOUR, &net.now) != 0)
		abort();
}

static void publish(unsigned i, uint64_t sequence)
{
	struct descriptor d = fixture_descriptor(i);
	uint8_t bytes[DESCRIPTOR_MAX];
	size_t len;

	d.sequence = sequence;
	len = fixture_sign(&d, i, bytes);
	if (dirsync_publish(net.hosts[i].ds, bytes, len, &net.now) > DIRECTORY_NEWER)
		abort();
}

static void post_one(unsigned from, unsigned to, const uint8_t *body)
{
	struct letter *l;

	if (rng_below(&net.rng, 100) < net.loss_percent || net.flight_len == FLIGHT_MAX)
		return;
	l = xcalloc(1, sizeof(*l));
	l->from = from;
	l->to = to;
	l->due_ns = net.now.mono_ns + net.delay_ns +
		    (net.jitter_ns != 0 ? rng_below(&net.rng, net.jitter_ns) : 0);
	memcpy(l->body, body, CELL_BODY_LEN);
	net.flight[net.flight_len++] = l;
}

static void drain(unsigned i)
{
	uint8_t body[CELL_BODY_LEN];
	uint32_t link_id;

	while (!net.hosts[i].is_dead &&
	       dirsync_next_out(net.hosts[i].ds, &link_id, body, &net.now)) {
		net.letters++;
		net.bytes_out[i] += CELL_LEN;
		post_one(i, link_id - 1, body);
		if (rng_below(&net.rng, 100) < net.double_percent)
			post_one(i, link_id - 1, body);
	}
}

static void deliver(struct letter *l)
{
	const struct host *h = &net.hosts[l->to];

	if (!h->is_dead) {
		net.bytes_in[l->to] += CELL_LEN;
		dirsync_recv(h->ds, link_to(l->from), l->body, &net.now);
		drain(l->to);
	}
	free(l);
}

/* Next thing that happens: a letter (its index) or somebody's timer. */
static uint64_t next_time(unsigned *letter)
{
	uint64_t when = NEVER;

	*letter = net.flight_len;
	for (unsigned i = 0; i < net.flight_len; i++) {
		if (net.flight[i]->due_ns < when) {
			when = net.flight[i]->due_ns;
			*letter = i;
		}
	}
	for (unsigned i = 0; i < net.count; i++) {
		uint64_t deadline;

		if (net.hosts[i].is_dead)
			continue;
		deadline = dirsync_deadline(net.hosts[i].ds, &net.now);
		if (deadline < when) {
			when = deadline;
			*letter = net.flight_len;
		}
	}
	return when;
}

/* The next thing that happens, if it does before end. */
static void step(uint64_t end_ns)
{
	unsigned letter;
	const uint64_t when = next_time(&letter);

	if (when > end_ns) {
		net.now = fixture_later(net.now, end_ns - net.now.mono_ns);
		return;
	}
	if (when > net.now.mono_ns)
		net.now = fixture_later(net.now, when - net.now.mono_ns);
	if (letter < net.flight_len) {
		struct letter *l = net.flight[letter];

		net.flight[letter] = net.flight[--net.flight_len];
		deliver(l);
		return;
	}
	for (unsigned i = 0; i < net.count; i++) {
		if (net.hosts[i].is_dead ||
		    dirsync_deadline(net.hosts[i].ds, &net.now) > net.now.mono_ns)
			continue;
		dirsync_tick(net.hosts[i].ds, &net.now);
		drain(i);
	}
}

static void run_for(uint64_t ns)
{
	const uint64_t end = net.now.mono_ns + ns;

	while (net.now.mono_ns < end)
		step(end);
}

/* Whether every living host knows just the descriptors with these sequences (0: must be unknown).
 */
static bool all_know(const uint64_t *sequence, unsigned n)
{
	for (unsigned i = 0; i < net.count; i++) {
		size_t expected = 0;

		if (net.hosts[i].is_dead)
			continue;
		for (unsigned j = 0; j < n; j++) {
			const struct descriptor *d = directory_by_id(net.hosts[i].dir, net.ids[j]);

			if ((d != NULL ? d->sequence : 0) != sequence[j])
				return false;
			expected += d != NULL;
		}
		if (directory_count(net.hosts[i].dir) != expected)
			return false;
	}
	return true;
}

/* Run until all know; how long it took, or NEVER after limit. */
static uint64_t converge(const uint64_t *sequence, unsigned n, uint64_t limit_ns)
{
	const uint64_t start = net.now.mono_ns;

	while (net.now.mono_ns - start < limit_ns) {
		if (all_know(sequence, n))
			return net.now.mono_ns - start;
		run_for(20 * NS_PER_MS);
	}
	return NEVER;
}

/* Three seeds that pull from each other, and nodes that use all three. */
static void start_mesh(unsigned nodes, uint64_t seed)
{
	net_start(SEEDS + nodes, seed);
	for (unsigned i = 0; i < net.count; i++) {
		publish(i, 1);
		for (unsigned s = 0; s < SEEDS; s++)
			if (s != i)
				net_source(i, s);
	}
}

static void print_ms(const char *what, uint64_t ns)
{
	printf("# %s: %lld ms, %llu messages\n", what,
	       ns == NEVER ? -1ll : (long long)(ns / NS_PER_MS), (unsigned long long)net.letters);
}

static void converges(unsigned loss, unsigned doubled, uint64_t jitter_ns, uint64_t limit_ns)
{
	for (uint64_t seed = 1; seed <= 5; seed++) {
		uint64_t sequence[SEEDS + 20], took;

		start_mesh(20, seed);
		net.loss_percent = loss;
		net.double_percent = doubled;
		net.jitter_ns = jitter_ns;
		for (unsigned i = 0; i < ARRAY_LEN(sequence); i++)
			sequence[i] = 1;
		took = converge(sequence, ARRAY_LEN(sequence), limit_ns);
		print_ms("all know all", took);
		CHECK(took != NEVER);
		for (unsigned i = 0; i < net.count; i++) {
			CHECK(dirsync_is_complete(net.hosts[i].ds));
			CHECK_INT(dirsync_stats(net.hosts[i].ds)->sources_dropped, 0);
		}
		/* an update of one reaches everybody within two periods more */
		publish(7, 2);
		sequence[7] = 2;
		took = converge(sequence, ARRAY_LEN(sequence), limit_ns);
		print_ms("all know the update", took);
		CHECK(took != NEVER);
		net_stop();
	}
}

static void test_clean_network(void)
{
	converges(0, 0, 0, 2 * PERIOD_NS);
}

static void test_bad_network(void)
{
	converges(20, 15, 150 * NS_PER_MS, 4 * PERIOD_NS);
}

static void test_awful_network(void)
{
	converges(50, 30, 400 * NS_PER_MS, 12 * PERIOD_NS);
}

/* A node that only knows seed 0, and one that only knows seed 2, find each other. */
static void test_transitive(void)
{
	const uint64_t sequence[] = {1, 1, 1, 1, 1};

	net_start(5, 3);
	for (unsigned i = 0; i < 5; i++)
		publish(i, 1);
	net_source(0, 1);
	net_source(1, 2);
	net_source(2, 0);
	net_source(3, 0);
	net_source(4, 2);
	CHECK(converge(sequence, 5, 6 * PERIOD_NS) != NEVER);
	net_stop();
}

/* A seed that restarts with nothing knows all again after a period, and numbers anew unharmed. */
static void test_seed_restarts(void)
{
	uint64_t sequence[SEEDS + 6];

	start_mesh(6, 4);
	for (unsigned i = 0; i < ARRAY_LEN(sequence); i++)
		sequence[i] = 1;
	NEED(converge(sequence, ARRAY_LEN(sequence), 2 * PERIOD_NS) != NEVER);
	host_stop(0);
	run_for(2 * PERIOD_NS);
	host_start(0, true);
	publish(0, 2);
	sequence[0] = 2;
	for (unsigned i = 1; i < net.count; i++) /* links were never seen down by the others */
		CHECK_INT(dirsync_peer_up(net.hosts[0].ds, link_to(i),
					  i < SEEDS ? DIRSYNC_SOURCE : DIRSYNC_NEIGHBOUR, &net.now),
			  0);
	CHECK(converge(sequence, ARRAY_LEN(sequence), 8 * PERIOD_NS) != NEVER);
	for (unsigned i = 0; i < net.count; i++)
		CHECK_INT(dirsync_stats(net.hosts[i].ds)->sources_dropped, 0);
	net_stop();
}

/* Who does not renew is forgotten when the time is up, by everybody. */
static void test_expiry(void)
{
	uint64_t sequence[SEEDS + 4];

	start_mesh(4, 5);
	for (unsigned i = 0; i < ARRAY_LEN(sequence); i++)
		sequence[i] = 1;
	NEED(converge(sequence, ARRAY_LEN(sequence), 2 * PERIOD_NS) != NEVER);
	run_for((FIXTURE_WALL_S + 3600) * NS_PER_S - net.now.wall_ns - NS_PER_MS);
	CHECK(all_know(sequence, ARRAY_LEN(sequence)));
	run_for(2 * NS_PER_MS);
	memset(sequence, 0, sizeof(sequence));
	CHECK(all_know(sequence, ARRAY_LEN(sequence)));
	net_stop();
}

/* Down and up again: only what changed in between is asked for. */
static void test_resumes(void)
{
	uint64_t before;

	net_start(2, 6);
	publish(0, 1);
	publish(1, 1);
	for (unsigned n = 10; n < 310; n++) {
		const struct descriptor d = fixture_descriptor(n);

		NEED(fixture_add(net.hosts[0].dir, &d, n) == DIRECTORY_ADDED);
	}
	net_source(1, 0);
	run_for(2 * NS_PER_S);
	CHECK_INT(directory_count(net.hosts[1].dir), 302);
	dirsync_peer_down(net.hosts[1].ds, link_to(0));
	run_for(PERIOD_NS);
	before = dirsync_stats(net.hosts[1].ds)->requests_sent;
	net_source(1, 0);
	run_for(NS_PER_S);
	CHECK_INT(dirsync_stats(net.hosts[1].ds)->requests_sent - before, 1);
	net_stop();
}

/* A client that asks one seed for thousands of nodes over a 40 ms link. */
static void test_first_pull(void)
{
	enum {
		NODES = 3000
	};
	uint64_t start, bytes = 0;
	size_t len;

	net_start(1, 7);
	net.count = 2;
	host_start(1, false);
	for (unsigned n = 0; n < NODES; n++) {
		const struct descriptor d = fixture_descriptor(n);

		NEED(fixture_add(net.hosts[0].dir, &d, n) == DIRECTORY_ADDED);
	}
	uint64_t change = 0;
	for (const struct descriptor *d; (d = directory_next(net.hosts[0].dir, &change)) != NULL;) {
		directory_raw(d, &len);
		bytes += len;
	}
	start = net.now.mono_ns;
	net_source(1, 0);
	while (!dirsync_is_complete(net.hosts[1].ds) && net.now.mono_ns - start < 60 * NS_PER_S)
		step(start + 60 * NS_PER_S);
	CHECK_INT(directory_count(net.hosts[1].dir), NODES);
	printf("# %d descriptors of %llu bytes: %llu ms, %llu bytes of cells\n", NODES,
	       (unsigned long long)bytes / NODES,
	       (unsigned long long)(net.now.mono_ns - start) / NS_PER_MS,
	       (unsigned long long)net.bytes_in[1]);
	CHECK(net.now.mono_ns - start < 3 * NS_PER_S);
	CHECK(net.bytes_in[1] < bytes * 3 / 2);
	CHECK(net.bytes_in[0] == net.bytes_out[0]); /* a reply per request, no more */
	CHECK_INT(dirsync_stats(net.hosts[0].ds)->rate_limited, 0);
	net_stop();
}

static void test_events(void)
{
	net_start(2, 8);
	publish(0, 1);
	CHECK_INT(dirsync_next_event(net.hosts[0].ds), DIRSYNC_EVENT_CHANGED);
	CHECK_INT(dirsync_next_event(net.hosts[0].ds), DIRSYNC_EVENT_NONE);
	CHECK(!dirsync_is_complete(net.hosts[1].ds));
	net_source(1, 0);
	run_for(NS_PER_S);
	CHECK_INT(dirsync_next_event(net.hosts[1].ds), DIRSYNC_EVENT_CHANGED);
	CHECK_INT(dirsync_next_event(net.hosts[1].ds), DIRSYNC_EVENT_COMPLETE);
	CHECK_INT(dirsync_next_event(net.hosts[1].ds), DIRSYNC_EVENT_NONE);
	CHECK(dirsync_is_complete(net.hosts[1].ds));
	CHECK_INT(dirsync_stats(net.hosts[1].ds)->last_total, 1);
	net_stop();
}

/* A source that does not answer is asked less and less often, and again after a while. */
static void test_silent_source(void)
{
	uint64_t sent;

	net_start(2, 9);
	net_source(1, 0);
	host_stop(0);
	run_for(60 * NS_PER_S);
	sent = dirsync_stats(net.hosts[1].ds)->requests_sent;
	CHECK(sent > 5 && sent < 40);
	CHECK(!dirsync_is_complete(net.hosts[1].ds));
	host_start(0, true);
	NEED(dirsync_peer_up(net.hosts[0].ds, link_to(1), DIRSYNC_NEIGHBOUR, &net.now) == 0);
	run_for(20 * NS_PER_S);
	CHECK(dirsync_is_complete(net.hosts[1].ds));
	net_stop();
}

int main(void)
{
	RUN(test_clean_network);
	RUN(test_bad_network);
	RUN(test_awful_network);
	RUN(test_transitive);
	RUN(test_seed_restarts);
	RUN(test_expiry);
	RUN(test_resumes);
	RUN(test_first_pull);
	RUN(test_events);
	RUN(test_silent_source);
	return test_done();
}
