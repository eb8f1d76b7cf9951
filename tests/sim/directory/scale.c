/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * How the mesh's view behaves at scale.  sim_directory MEMBERS CLIENTS runs one mesh through
 * everything that may happen to it, at the periods that daemons have, and prints a table (that of
 * docs/scale.md); the checks are the same for any size.  With "old" the first start is left out,
 * which takes longest: each member takes the descriptor of each.
 */
#include "tests/lib/test.h"

#include <stdarg.h>

#include "tests/sim/directory/world.h"

enum {
	RESIGN_S = 6 * 3600, /* as node/node.c */
	VALID_S = 12 * 3600,
	HEAD_MAX_AGE_S = 1200,
	RENEW_S = 300,       /* the registrar vouches anew */
	CHURN_PER_HOUR = 20, /* one in so many members goes, and one comes */
	LIARS = 5,           /* one in so many */
	LOSS_PER_10000 = 20,
	PERIOD_S = MEMBERSHIP_NODE_PERIOD_NS / NS_PER_S,
	CLIENT_PERIOD_S = MEMBERSHIP_CLIENT_PERIOD_NS / NS_PER_S,
	SAMPLE = 200, /* of members that are asked what they lack */
};

static struct world *world;
static unsigned members = 300, clients = 10;
static bool is_old;    /* all members know each other to begin with */
static double periods; /* that a rumour takes to reach all, about */

static void row(const char *what, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void row(const char *what, const char *format, ...)
{
	char text[160];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	printf("# | %s | %s |\n", what, text);
	fflush(stdout);
}

/* Time passes, with a registrar who does his work. */
static void pass(unsigned seconds)
{
	for (unsigned s = 0; s < seconds; s += RENEW_S) {
		world_renew_head(world);
		world_run(world, MIN(seconds - s, (unsigned)RENEW_S) * NS_PER_S);
	}
}

static bool nodes_know_all(struct world *w, void *ctx)
{
	const unsigned *up = ctx;

	return (up == NULL || world_up(w) == *up) && world_all_know_all(w, false);
}

static bool clients_know_all(struct world *w, void *ctx)
{
	(void)ctx;
	return world_all_know_all(w, true);
}

static bool clients_have_view(struct world *w, void *ctx)
{
	const bool *wanted = ctx;

	for (unsigned i = world_members(w); i < world_hosts(w); i++)
		if (membership_has_view(world_host(w, i)->membership) != *wanted)
			return false;
	return true;
}

static double seconds_until(bool (*done)(struct world *, void *), void *ctx, unsigned most_s,
			    unsigned step_s)
{
	const uint64_t ns = world_run_until(world, most_s * NS_PER_S, step_s * NS_PER_S, done, ctx);

	CHECK(ns != NEVER);
	return ns == NEVER ? -1 : (double)ns / 1e9;
}

static void spread_row(const char *what, struct spread s)
{
	row(what, "half after %.0f s, 99 %% after %.0f s, all after %.0f s", s.p50_s, s.p99_s,
	    s.max_s);
	CHECK(s.followed > 0);
	CHECK(s.p99_s < periods * PERIOD_S);
}

/* ---- what happens ---- */

static void test_cold_start(void)
{
	const double s = seconds_until(nodes_know_all, &members, 3600, 5);

	row("all members start within 10 s, each knows one seed: everyone knows all after",
	    "%.0f s", s);
	CHECK(s < 2 * periods * PERIOD_S);
	CHECK(seconds_until(clients_know_all, NULL, 3 * CLIENT_PERIOD_S, 5) >= 0);
}

static void test_steady(void)
{
	struct meter m;

	pass(300); /* the first rounds follow each other soon */
	world_follow(world, true);
	world_meter(world);
	pass(900);
	m = world_metered(world);
	row("bytes of a node, sent and received", "%.2f MB/h; of the busiest %.2f MB/h",
	    m.node_kb_per_h / 1e3, m.node_max_kb_per_h / 1e3);
	row("... of these for circuits of clients that ask", "%.3f MB/h", m.carried_kb_per_h / 1e3);
	row("bytes of a client", "%.2f MB/h", m.client_kb_per_h / 1e3);
	row("new descriptors", "%.2f/s", m.descriptors_per_s);
	spread_row("a new descriptor has reached", world_spread(world));
	CHECK_INT(world_client_views(world), 1);
}

/* All clients start anew, with nothing but a seed. */
static double newcomers(double *mb_each)
{
	double s;

	for (unsigned i = world_members(world); i < world_hosts(world); i++)
		world_forget(world, i);
	world_meter(world);
	for (unsigned i = world_members(world); i < world_hosts(world); i++)
		world_start(world, i);
	s = seconds_until(clients_know_all, NULL, 3 * CLIENT_PERIOD_S, 1);
	*mb_each = world_metered(world).client_kb_per_h * world_metered(world).seconds / 3.6e6;
	return s;
}

static void test_newcomers(void)
{
	double mb;
	const double s = newcomers(&mb);

	row("all clients start with one seed each: they know all after", "%.0f s, %.2f MB each", s,
	    mb);
	CHECK(s < 60);
}

static void churn(unsigned seconds)
{
	const unsigned each_s = MAX(3600 * CHURN_PER_HOUR / members, 1u);
	const unsigned count = MAX(members * each_s / 3600 / CHURN_PER_HOUR, 1u);

	for (unsigned s = 0; s < seconds; s += each_s) {
		for (unsigned k = 0; k < count; k++) {
			/* The log is on the first host. */
			world_stop(world, 1 + (s * 7919u + k * 104729u) % (members - 1));
			world_start(world, 1 + (s * 6007u + k * 15485u) % (members - 1));
		}
		if (s % RENEW_S < each_s)
			world_renew_head(world);
		world_run(world, each_s * NS_PER_S);
	}
}

static void test_churn(void)
{
	struct meter m;
	double lacked;

	world_follow(world, true);
	world_meter(world);
	churn(1200);
	m = world_metered(world);
	lacked = world_lacked(world, SAMPLE);
	row("churn of 5 % an hour: bytes of a node", "%.2f MB/h", m.node_kb_per_h / 1e3);
	spread_row("... a new descriptor has reached", world_spread(world));
	row("... members that run and of whom a node lacks the descriptor", "%.2f of %u", lacked,
	    world_up(world));
	row("... different views among the clients", "%u", world_client_views(world));
	CHECK(lacked < 1 + members / 200.0);
}

/* How many mirrors the clients have found out. */
static unsigned found_out(void)
{
	unsigned n = 0;

	for (unsigned i = world_members(world); i < world_hosts(world); i++) {
		struct membership_view v;

		membership_view(world_host(world, i)->membership, &v);
		for (size_t k = 0; k < v.mirror_count; k++)
			n += v.mirrors[k].lacked > members / 10;
	}
	return n;
}

static void test_liars(void)
{
	double mb, s;

	for (unsigned i = 1; i < members; i++) {
		world_start(world, i);
		if (i % LIARS == 0)
			world_withhold(world, i);
	}
	world_follow(world, true);
	pass(900);
	spread_row("one member in 5 withholds a fifth: a new descriptor has reached",
		   world_spread(world));
	s = newcomers(&mb);
	row("... all clients start anew: they know all after", "%.0f s, %.2f MB each", s, mb);
	row("... mirrors that lied, found out by the clients", "%u", found_out());
	CHECK(s >= 0);
	CHECK(found_out() > 0);
}

static void test_partition(void)
{
	const unsigned joins = MAX(members / 100, 2u);

	world_part(world, true);
	for (unsigned i = 0; i < joins; i++) {
		CHECK(world_join(world) != UINT32_MAX);
		pass(5);
	}
	pass(300);
	CHECK(!world_all_know_all(world, true)); /* the far half does not know who has joined */
	world_part(world, false);
	row("parted for at least 5 minutes, while 1 % join: once together again, everyone knows all after",
	    "%.0f s", seconds_until(nodes_know_all, NULL, 1800, 5));
}

static void test_outage(void)
{
	bool has = false;
	double s;

	world_renew_head(world);
	world_follow(world, true);
	s = seconds_until(clients_have_view, &has, 2 * HEAD_MAX_AGE_S, 30);
	row("the registrar is away: all clients refuse to make circuits after",
	    "%.0f minutes (head_max_age 20)", s / 60);
	spread_row("... meanwhile a new descriptor has reached", world_spread(world));
	has = true;
	world_renew_head(world);
	s = seconds_until(clients_have_view, &has, 4 * CLIENT_PERIOD_S, 10);
	row("... all clients make circuits again, after it is back", "%.0f s", s);
}

int main(int argc, char **argv)
{
	unsigned doublings = 0;

	if (argc == 3 || (argc == 4 && strcmp(argv[3], "old") == 0)) {
		members = (unsigned)strtoul(argv[1], NULL, 10);
		clients = (unsigned)strtoul(argv[2], NULL, 10);
		is_old = argc == 4;
	}
	if (members < 50 || members > 50000 || clients < 1 || clients > 1000) {
		fprintf(stderr, "usage: %s [MEMBERS CLIENTS [old]]: 50..50000 and 1..1000\n",
			argv[0]);
		return 2;
	}
	while (members >> doublings > 0)
		doublings++;
	periods = doublings;
	world = world_create(&(struct world_params){
	    .members = members,
	    .clients = clients,
	    .spare = MAX(members / 50, 10u),
	    .seed = 1,
	    .resign_s = RESIGN_S,
	    .valid_s = VALID_S,
	    .head_max_age_s = HEAD_MAX_AGE_S,
	    .start_within_ns = 10 * NS_PER_S,
	    .is_old = is_old,
	    .loss_per_10000 = LOSS_PER_10000,
	});
	printf("# | %u members, %u clients | |\n# |---|---|\n", members, clients);
	if (!is_old)
		RUN(test_cold_start);
	RUN(test_steady);
	RUN(test_newcomers);
	RUN(test_churn);
	RUN(test_liars);
	RUN(test_partition);
	RUN(test_outage);
	world_free(world);
	return test_done();
}
