/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Copying directories between honest parties, over a network that loses, doubles and reorders. */
#include "mesh/dirsync.h"

#include "tests/lib/test.h"
#include "tests/unit/mesh/fixture.h"
#include "util/xalloc.h"

enum {
	HOSTS_MAX = 24,
	FLIGHT_MAX = 8192,
};

#define PERIOD_NS NS_PER_S

struct host {
	struct directory *dir;
	struct dirsync *ds;
	bool is_dead, is_node;
	uint64_t next_pull_ns;
	unsigned ended[5]; /* pulls, by verdict */
	struct pull_result last;
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
	uint64_t cell_ns;            /* a link's time for a cell; 0: none */
	uint64_t busy_ns[HOSTS_MAX]; /* until when the link to each host is taken */
	uint64_t queue_ns;           /* what waits longer is lost */
	bool gossips;                /* each node pulls from another each period */
	uint8_t ids[HOSTS_MAX][NODE_ID_LEN];
	uint64_t unpulled, letters, bytes_in[HOSTS_MAX], bytes_out[HOSTS_MAX];
} net;

static uint32_t link_to(unsigned host)
{
	return host + 1;
}

static void host_start(unsigned i, bool is_node)
{
	const struct directory_params dp = {.rng = &net.rng};
	struct host *h = &net.hosts[i];

	*h = (struct host){.dir = directory_create(&dp), .is_node = is_node};
	h->ds = dirsync_create(
	    &(struct dirsync_params){.dir = h->dir, .rng = &net.rng, .is_node = is_node});
	h->next_pull_ns = net.now.mono_ns + rng_below(&net.rng, PERIOD_NS);
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

static void pull(unsigned from, unsigned to)
{
	/* Not when one from there is under way, or too many are. */
	if (dirsync_pull(net.hosts[from].ds, link_to(to), &net.now) != 0)
		net.unpulled++;
}

static void drain(unsigned i);

static void publish(unsigned i, uint64_t sequence)
{
	struct descriptor d = fixture_descriptor(i);
	uint8_t bytes[DESCRIPTOR_MAX];
	size_t len;

	d.sequence = sequence;
	len = fixture_sign(&d, i, bytes);
	if (dirsync_publish(net.hosts[i].ds, bytes, len, &net.now) > DIRECTORY_NEWER)
		abort();
	drain(i);
}

static void post_one(unsigned from, unsigned to, const uint8_t *body)
{
	struct letter *l;

	if (rng_below(&net.rng, 100) < net.loss_percent || net.flight_len == FLIGHT_MAX)
		return;
	l = xcalloc(1, sizeof(*l));
	l->from = from;
	l->to = to;
	if (net.cell_ns != 0) {
		net.busy_ns[to] = MAX(net.busy_ns[to], net.now.mono_ns) + net.cell_ns;
		if (net.busy_ns[to] - net.now.mono_ns > net.queue_ns) {
			net.busy_ns[to] -= net.cell_ns;
			free(l);
			return;
		}
	}
	l->due_ns = MAX(net.busy_ns[to], net.now.mono_ns) + net.delay_ns +
		    (net.jitter_ns != 0 ? rng_below(&net.rng, net.jitter_ns) : 0);
	memcpy(l->body, body, CELL_BODY_LEN);
	net.flight[net.flight_len++] = l;
}

static void drain(unsigned i)
{
	struct host *h = &net.hosts[i];
	struct dirsync_event ev;
	struct sync_out out;

	if (h->is_dead)
		return;
	while (dirsync_next_event(h->ds, &ev)) {
		if (ev.type == DIRSYNC_PULLED) {
			h->ended[ev.verdict]++;
			h->last = ev.result;
		}
		if (ev.type == DIRSYNC_BEHIND)
			pull(i, (unsigned)ev.peer - 1);
	}
	while (dirsync_next_out(h->ds, &out, &net.now)) {
		net.letters++;
		net.bytes_out[i] += CELL_LEN;
		post_one(i, (unsigned)out.peer - 1, out.body);
		if (rng_below(&net.rng, 100) < net.double_percent)
			post_one(i, (unsigned)out.peer - 1, out.body);
	}
}

static void deliver(struct letter *l)
{
	const struct host *h = &net.hosts[l->to];

	if (!h->is_dead) {
		net.bytes_in[l->to] += CELL_LEN;
		dirsync_recv(h->ds, link_to(l->from), net.hosts[l->from].is_node, l->body,
			     &net.now);
		drain(l->to);
	}
	free(l);
}

static uint64_t host_deadline(unsigned i)
{
	const struct host *h = &net.hosts[i];
	const uint64_t due = dirsync_deadline(h->ds, &net.now);

	return net.gossips && h->is_node ? MIN(due, MAX(h->next_pull_ns, net.now.mono_ns)) : due;
}

/* A random other one, as membership would choose from the whole list. */
static void gossip(unsigned i)
{
	struct host *h = &net.hosts[i];
	unsigned other = (unsigned)rng_below(&net.rng, net.count);

	if (!net.gossips || !h->is_node || h->next_pull_ns > net.now.mono_ns)
		return;
	h->next_pull_ns += PERIOD_NS;
	if (other != i && !net.hosts[other].is_dead && net.hosts[other].is_node)
		pull(i, other);
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
		deadline = host_deadline(i);
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

		/* Those that are due at once stay in order: jitter is what reorders. */
		memmove(&net.flight[letter], &net.flight[letter + 1],
			(--net.flight_len - letter) * sizeof(struct letter *));
		deliver(l);
		return;
	}
	for (unsigned i = 0; i < net.count; i++) {
		if (net.hosts[i].is_dead || host_deadline(i) > net.now.mono_ns)
			continue;
		gossip(i);
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

static void print_ms(const char *what, uint64_t ns)
{
	printf("# %s: %lld ms, %llu messages\n", what,
	       ns == NEVER ? -1ll : (long long)(ns / NS_PER_MS), (unsigned long long)net.letters);
}

/* Nodes that know only themselves, then news of one. */
static void converges(unsigned loss, unsigned doubled, uint64_t jitter_ns, uint64_t limit_ns)
{
	for (uint64_t seed = 1; seed <= 5; seed++) {
		uint64_t sequence[20], took;

		net_start(ARRAY_LEN(sequence), seed);
		net.gossips = true;
		net.loss_percent = loss;
		net.double_percent = doubled;
		net.jitter_ns = jitter_ns;
		for (unsigned i = 0; i < ARRAY_LEN(sequence); i++) {
			sequence[i] = 1;
			publish(i, 1);
		}
		took = converge(sequence, ARRAY_LEN(sequence), limit_ns);
		print_ms("all know all", took);
		CHECK(took != NEVER);
		publish(7, 2);
		sequence[7] = 2;
		took = converge(sequence, ARRAY_LEN(sequence), limit_ns);
		print_ms("all know the news", took);
		CHECK(took != NEVER);
		for (unsigned i = 0; i < net.count; i++)
			CHECK_INT(net.hosts[i].ended[PULL_LIED], 0);
		net_stop();
	}
}

static void test_clean_network(void)
{
	converges(0, 0, 0, 8 * PERIOD_NS);
}

static void test_bad_network(void)
{
	converges(20, 15, 150 * NS_PER_MS, 20 * PERIOD_NS);
}

static void test_awful_network(void)
{
	converges(50, 30, 400 * NS_PER_MS, 120 * PERIOD_NS);
}

/* Nodes whose directories are the same say so in one message each. */
static void test_nothing_new(void)
{
	uint64_t before;

	net_start(2, 3);
	for (unsigned n = 0; n < 300; n++) {
		const struct descriptor d = fixture_descriptor(n);

		for (unsigned i = 0; i < 2; i++)
			NEED(fixture_add(net.hosts[i].dir, &d, n) == DIRECTORY_ADDED);
	}
	before = net.letters;
	pull(0, 1);
	drain(0);
	run_for(NS_PER_S);
	CHECK_INT(net.hosts[0].ended[PULL_DONE], 1);
	CHECK_INT(net.letters - before, 2);
	net_stop();
}

/* One differs among hundreds, in either direction: found for a handful of cells. */
static void test_one_differs(void)
{
	uint64_t before;

	net_start(2, 4);
	for (unsigned n = 0; n < 600; n++) {
		struct descriptor d = fixture_descriptor(n);

		NEED(fixture_add(net.hosts[0].dir, &d, n) == DIRECTORY_ADDED);
		d.sequence += n == 77;
		if (n != 500)
			NEED(fixture_add(net.hosts[1].dir, &d, n) == DIRECTORY_ADDED);
	}
	before = net.letters;
	pull(0, 1);
	drain(0);
	run_for(NS_PER_S);
	CHECK_INT(net.hosts[0].ended[PULL_DONE], 1);
	CHECK_INT(net.hosts[0].last.added, 1);
	CHECK_INT(net.hosts[1].ended[PULL_DONE], 1); /* it saw that it was behind */
	CHECK_INT(net.hosts[1].last.added, 1);
	CHECK_MEM(directory_part_digest(net.hosts[0].dir, (struct tree_part){0}),
		  directory_part_digest(net.hosts[1].dir, (struct tree_part){0}), TREE_DIGEST_LEN);
	printf("# %llu messages\n", (unsigned long long)(net.letters - before));
	CHECK(net.letters - before <= 12);
	net_stop();
}

/* Who does not renew is forgotten when the time is up, by everybody. */
static void test_expiry(void)
{
	uint64_t sequence[6];

	net_start(6, 5);
	net.gossips = true;
	for (unsigned i = 0; i < 6; i++) {
		sequence[i] = 1;
		publish(i, 1);
	}
	NEED(converge(sequence, 6, 8 * PERIOD_NS) != NEVER);
	run_for((FIXTURE_WALL_S + 3600) * NS_PER_S - net.now.wall_ns - NS_PER_MS);
	CHECK(all_know(sequence, 6));
	run_for(2 * NS_PER_MS);
	memset(sequence, 0, sizeof(sequence));
	CHECK(all_know(sequence, 6));
	net_stop();
}

/* Client 1 copies thousands of nodes from host 0; the time it took. */
static uint64_t first_pull(unsigned nodes, uint64_t *descriptor_bytes)
{
	uint64_t start;

	net_start(1, 7);
	net.count = 2;
	host_start(1, false);
	*descriptor_bytes = 0;
	for (unsigned n = 0; n < nodes; n++) {
		const struct descriptor d = fixture_descriptor(n);
		uint8_t bytes[DESCRIPTOR_MAX];
		const size_t len = fixture_sign(&d, n, bytes);

		*descriptor_bytes += len;
		if (directory_restore(net.hosts[0].dir, bytes, len, &net.now) != DIRECTORY_ADDED)
			abort();
	}
	start = net.now.mono_ns;
	net.cell_ns = NS_PER_S * 8 * (CELL_LEN + 28) / 20000000; /* 20 Mbit/s */
	net.queue_ns = 100 * NS_PER_MS;
	net.delay_ns = 40 * NS_PER_MS;
	pull(1, 0);
	drain(1);
	while (net.hosts[1].ended[PULL_DONE] == 0 && net.now.mono_ns - start < 60 * NS_PER_S)
		step(start + 60 * NS_PER_S);
	CHECK_INT(directory_count(net.hosts[1].dir), nodes);
	CHECK_INT(net.hosts[1].last.total, nodes);
	return net.now.mono_ns - start;
}

static void test_first_pull(void)
{
	enum {
		NODES = 3000
	};
	uint64_t bytes, took, wire;

	took = first_pull(NODES, &bytes);
	wire = (net.bytes_in[1] + net.bytes_in[0]) / CELL_LEN * (CELL_LEN + 28);
	printf(
	    "# %d descriptors of %llu bytes: %llu ms, %llu.%02llu times their bytes both ways, %llu lost\n",
	    NODES, (unsigned long long)bytes / NODES, (unsigned long long)took / NS_PER_MS,
	    (unsigned long long)(wire / bytes), (unsigned long long)(wire * 100 / bytes % 100),
	    (unsigned long long)net.hosts[1].last.lost);
	CHECK(took < 3 * NS_PER_S);
	CHECK(wire < bytes * 115 / 100);
	CHECK(net.bytes_in[0] < bytes / 20); /* what is asked is little */
	net_stop();
}

/* The mirror dies in the middle: the pull ends, what came is kept. */
static void test_mirror_dies(void)
{
	net_start(2, 8);
	host_stop(1);
	host_start(1, false);
	for (unsigned n = 0; n < 1500; n++) {
		const struct descriptor d = fixture_descriptor(n);

		NEED(fixture_add(net.hosts[0].dir, &d, n) == DIRECTORY_ADDED);
	}
	pull(1, 0);
	drain(1);
	while (directory_count(net.hosts[1].dir) < 100)
		run_for(NS_PER_MS);
	net.hosts[0].is_dead = true;
	run_for(60 * NS_PER_S);
	CHECK_INT(net.hosts[1].ended[PULL_FAILED], 1);
	CHECK(directory_count(net.hosts[1].dir) >= 100);
	net.hosts[0].is_dead = false;
	pull(1, 0);
	drain(1);
	run_for(5 * NS_PER_S);
	CHECK_INT(net.hosts[1].ended[PULL_DONE], 1);
	CHECK_INT(directory_count(net.hosts[1].dir), 1500);
	CHECK(net.hosts[1].last.added <= 1400);
	net_stop();
}

int main(void)
{
	RUN(test_clean_network);
	RUN(test_bad_network);
	RUN(test_awful_network);
	RUN(test_nothing_new);
	RUN(test_one_differs);
	RUN(test_expiry);
	RUN(test_first_pull);
	RUN(test_mirror_dies);
	return test_done();
}
