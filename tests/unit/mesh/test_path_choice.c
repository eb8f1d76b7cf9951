/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mesh/path_choice.h"

#include "mesh/path_table.h"
#include "tests/lib/test.h"
#include "tests/unit/mesh/fixture.h"

static struct rng rng;
static char why[PATH_WHY_MAX];

struct mesh {
	struct directory *dir;
	struct path_chooser *pc;
};

static struct mesh mesh_create(void)
{
	struct mesh m = {.dir = fixture_directory(200000)};

	m.pc = path_chooser_create(m.dir);
	return m;
}

static void mesh_free(struct mesh *m)
{
	path_chooser_free(m->pc);
	directory_free(m->dir);
}

static void add(struct mesh *m, const struct descriptor *d, unsigned n)
{
	if (fixture_add(m->dir, d, n) != DIRECTORY_ADDED)
		abort();
}

static void set_roles(struct descriptor *d, uint8_t roles)
{
	d->roles = roles;
	if ((roles & ROLE_EXIT) != 0)
		return;
	d->exit_flags = 0;
	memset(d->session_key, 0, sizeof(d->session_key));
}

static void add_role(struct mesh *m, unsigned n, uint8_t roles, const char *country)
{
	struct descriptor d = fixture_descriptor(n);

	set_roles(&d, roles);
	memcpy(d.country, country, 3);
	add(m, &d, n);
}

static enum path_error choose(struct mesh *m, const struct path_wish *wish,
			      struct path_route *route)
{
	const struct now now = fixture_now();

	why[0] = '\0';
	return path_choose(m->pc, wish, &now, &rng, route, why);
}

static const struct descriptor *hop(const struct mesh *m, const struct path_route *route,
				    unsigned i)
{
	return directory_by_id(m->dir, route->hop[i].id);
}

static bool in_same_network(const struct endpoint *a, const struct endpoint *b)
{
	return endpoint_is_v4(a) == endpoint_is_v4(b) &&
	       memcmp(a->ip, b->ip, endpoint_is_v4(a) ? 14 : 4) == 0;
}

static bool are_apart(const struct descriptor *a, const struct descriptor *b)
{
	if (memcmp(a->id, b->id, NODE_ID_LEN) == 0 ||
	    memcmp(a->operator_tag, b->operator_tag, OPERATOR_LEN) == 0)
		return false;
	for (unsigned i = 0; i < a->addr_count; i++)
		for (unsigned j = 0; j < b->addr_count; j++)
			if (in_same_network(&a->addrs[i], &b->addrs[j]))
				return false;
	return true;
}

static bool has_addr(const struct descriptor *d, const struct endpoint *e)
{
	for (unsigned i = 0; i < d->addr_count; i++)
		if (endpoint_equal(&d->addrs[i], e))
			return true;
	return false;
}

/* The rules, written once more and independently of path_choice.c. */
static void check_route(const struct mesh *m, const struct path_wish *wish,
			const struct path_route *route)
{
	const struct descriptor *d[HOPS_MAX];

	NEED(route->hops == wish->hops);
	for (unsigned i = 0; i < route->hops; i++) {
		const struct create_hop *h = &route->hop[i];
		const struct onion_public *key;

		d[i] = hop(m, route, i);
		NEED(d[i] != NULL);
		for (unsigned j = 0; j < i; j++)
			CHECK(are_apart(d[i], d[j]));
		key = descriptor_onion_key(d[i], FIXTURE_WALL_S);
		NEED(key != NULL);
		CHECK(h->onion_key_id == key->id);
		CHECK_MEM(h->onion_key, key->key, DH_LEN);
		CHECK(has_addr(d[i], &h->addr));
		if (i > 0) { /* the hop before has that address family, too */
			bool shared = false;

			for (unsigned j = 0; j < d[i - 1]->addr_count; j++)
				shared |=
				    endpoint_is_v4(&d[i - 1]->addrs[j]) == endpoint_is_v4(&h->addr);
			CHECK(shared);
		}
		for (size_t j = 0; j < wish->exclude_count; j++)
			CHECK(memcmp(wish->exclude + j * NODE_ID_LEN, h->id, NODE_ID_LEN) != 0);
		for (size_t j = 0; j < wish->avoid_count; j++)
			CHECK(memcmp(wish->avoid + j * NODE_ID_LEN, h->id, NODE_ID_LEN) != 0);
		if (i > 0 && i + 1 < route->hops)
			CHECK((d[i]->roles & ROLE_RELAY) != 0);
	}
	const struct descriptor *exit = d[route->hops - 1];

	CHECK((d[0]->roles & ROLE_ENTRY) != 0);
	CHECK((exit->roles & ROLE_EXIT) != 0);
	CHECK((exit->exit_flags & wish->exit_reach) == wish->exit_reach);
	if (wish->exit == PATH_EXIT_COUNTRY)
		CHECK(strcmp(exit->country, wish->exit_country) == 0);
	if (wish->exit == PATH_EXIT_NODE)
		CHECK(memcmp(exit->id, wish->exit_id, NODE_ID_LEN) == 0);
	if (wish->reach == PATH_V4)
		CHECK(endpoint_is_v4(&route->hop[0].addr));
	if (wish->reach == PATH_V6)
		CHECK(!endpoint_is_v4(&route->hop[0].addr));
	CHECK_MEM(route->entry_link_key, d[0]->link_key, DH_LEN);
	CHECK_MEM(route->exit_session_key, exit->session_key, DH_LEN);
}

/* A random node: few operators and networks, so that rules bite. */
static struct descriptor random_descriptor(unsigned n)
{
	static const char countries[][3] = {"NL", "DE", "JP", "US", "AU"};
	struct descriptor d = fixture_descriptor(n);
	char operator_name[32];

	snprintf(operator_name, sizeof(operator_name), "op %u", (unsigned)rng_below(&rng, 12));
	operator_tag(d.operator_tag, operator_name);
	memcpy(d.country, countries[rng_below(&rng, 5)], 3);
	set_roles(&d, (uint8_t)(1 + rng_below(&rng, 7)));
	if ((d.roles & ROLE_EXIT) != 0)
		d.exit_flags = (uint8_t)(1 + rng_below(&rng, 3));
	d.capacity_kbit = 1 + (uint32_t)rng_below(&rng, 1000000);
	d.load_percent = (uint8_t)rng_below(&rng, 101);
	d.addr_count = (uint8_t)(1 + rng_below(&rng, 3));
	for (unsigned i = 0; i < d.addr_count; i++) {
		char ip[64];

		if (rng_below(&rng, 2) == 0)
			snprintf(ip, sizeof(ip), "10.%u.%u.%u", (unsigned)rng_below(&rng, 24), n,
				 i + 1);
		else
			snprintf(ip, sizeof(ip), "2001:%x::%x:%x", (unsigned)rng_below(&rng, 24), n,
				 i + 1);
		if (endpoint_ip_parse(d.addrs[i].ip, ip) != 0)
			abort();
		d.addrs[i].port = 4600;
	}
	if (rng_below(&rng, 8) == 0) { /* its keys have run out */
		for (unsigned i = 0; i < 2; i++) {
			d.onion_keys[i].valid_from_s -= 20000;
			d.onion_keys[i].valid_until_s -= 20000;
		}
	}
	return d;
}

static struct path_wish random_wish(const struct mesh *m)
{
	static const char countries[][3] = {"NL", "DE", "JP", "US", "AU"};
	static const unsigned reaches[] = {0, PATH_V4, PATH_V6, PATH_V4 | PATH_V6};
	struct path_wish w = {
	    .hops = 1 + (unsigned)rng_below(&rng, HOPS_MAX),
	    .exit = (enum path_exit)rng_below(&rng, 3),
	    .exit_reach = (unsigned)rng_below(&rng, 4),
	    .reach = reaches[rng_below(&rng, 4)],
	};

	memcpy(w.exit_country, countries[rng_below(&rng, 5)], 3);
	memcpy(w.exit_id, directory_random(m->dir, &rng)->id, NODE_ID_LEN);
	return w;
}

static void test_rules_always_hold(void)
{
	unsigned found = 0, refused = 0;

	for (unsigned round = 0; round < 100; round++) {
		struct mesh m = mesh_create();
		const unsigned nodes = 2 + (unsigned)rng_below(&rng, 60);
		uint8_t listed[2][NODE_ID_LEN];

		for (unsigned n = 0; n < nodes; n++) {
			const struct descriptor d = random_descriptor(n);

			add(&m, &d, n);
		}
		for (unsigned i = 0; i < 200; i++) {
			struct path_wish wish = random_wish(&m);
			struct path_route route;

			memcpy(listed[0], directory_random(m.dir, &rng)->id, NODE_ID_LEN);
			memcpy(listed[1], directory_random(m.dir, &rng)->id, NODE_ID_LEN);
			wish.exclude = listed[0];
			wish.avoid = listed[1];
			wish.exclude_count = wish.avoid_count = rng_below(&rng, 2);
			if (choose(&m, &wish, &route) != PATH_OK) {
				CHECK(strlen(why) > 5);
				refused++;
				continue;
			}
			found++;
			check_route(&m, &wish, &route);
		}
		mesh_free(&m);
	}
	printf("# %u paths checked, %u wishes impossible\n", found, refused);
	CHECK(found >= 9000);
	CHECK(refused > 1000);
}

/* Whether any path of two hops exists, by trying all pairs. */
static bool exists_two_hops(const struct mesh *m, const struct path_wish *wish)
{
	const struct descriptor *a = NULL, *b = NULL;

	while ((a = directory_next(m->dir, a)) != NULL) {
		if ((a->roles & ROLE_ENTRY) == 0)
			continue;
		while ((b = directory_next(m->dir, b)) != NULL)
			if ((b->roles & ROLE_EXIT) != 0 && are_apart(a, b) &&
			    strcmp(b->country, wish->exit_country) == 0)
				return true;
	}
	return false;
}

/* What is possible is found, however narrow; what is refused is impossible. */
static void test_complete(void)
{
	unsigned possible = 0, impossible = 0;

	for (unsigned round = 0; round < 1500; round++) {
		struct mesh m = mesh_create();
		const struct path_wish wish = {
		    .hops = 2, .exit = PATH_EXIT_COUNTRY, .exit_country = "NL"};
		struct path_route route;

		for (unsigned n = 0; n < 6; n++) {
			struct descriptor d = random_descriptor(n);
			char name[8];

			snprintf(name, sizeof(name), "%u", (unsigned)rng_below(&rng, 2));
			operator_tag(d.operator_tag, name);
			d.addr_count = 1;
			d.addrs[0] = fixture_descriptor((unsigned)rng_below(&rng, 3)).addrs[0];
			d.addrs[0].port = (uint16_t)(5000 + n);
			memcpy(d.onion_keys, fixture_descriptor(n).onion_keys,
			       sizeof(d.onion_keys));
			add(&m, &d, n);
		}
		if (exists_two_hops(&m, &wish)) {
			possible++;
			CHECK_INT(choose(&m, &wish, &route), PATH_OK);
		} else {
			impossible++;
			CHECK(choose(&m, &wish, &route) != PATH_OK);
		}
		mesh_free(&m);
	}
	printf("# %u possible, %u impossible\n", possible, impossible);
	CHECK(possible > 100 && impossible > 100);
}

/* Taking back a choice: nearly every exit leaves no entry, one does. */
static void test_backtracks(void)
{
	struct mesh m = mesh_create();
	const struct path_wish wish = {.hops = 2};
	struct path_route route;

	add_role(&m, 0, ROLE_ENTRY, "NL");
	for (unsigned n = 1; n <= 12; n++) {
		struct descriptor d = fixture_descriptor(n);

		set_roles(&d, ROLE_EXIT);
		d.capacity_kbit =
		    n == 12 ? 1 : 10000000; /* the possible one is hardly ever drawn */
		operator_tag(d.operator_tag, n == 12 ? "another" : "operator 0");
		add(&m, &d, n);
	}
	for (unsigned i = 0; i < 50; i++) {
		NEED(choose(&m, &wish, &route) == PATH_OK);
		CHECK(strcmp(hop(&m, &route, 1)->name, "node-12") == 0);
	}
	mesh_free(&m);
}

static void draw_exits(struct mesh *m, const struct path_wish *wish, unsigned picks,
		       unsigned *count)
{
	for (unsigned i = 0; i < picks; i++) {
		struct path_route route;

		NEED(choose(m, wish, &route) == PATH_OK);
		count[atoi(hop(m, &route, 2)->name + 5)]++;
	}
}

/* Exits of equal load are drawn by capacity: chi-square against the weights. */
static void test_distribution(void)
{
	enum {
		EXITS = 20,
		PICKS = 20000
	};
	const struct path_wish wish = {.hops = 3};
	struct mesh m = mesh_create();
	unsigned count[EXITS] = {0};
	uint64_t weight[EXITS], sum = 0;
	double chi2 = 0;

	for (unsigned n = 0; n < EXITS; n++) {
		struct descriptor d = fixture_descriptor(n);

		set_roles(&d, ROLE_EXIT);
		d.capacity_kbit = 10000 * (n + 1);
		weight[n] = path_weight(&d);
		sum += weight[n];
		add(&m, &d, n);
	}
	for (unsigned n = EXITS; n < EXITS + 3; n++)
		add_role(&m, n, ROLE_ENTRY | ROLE_RELAY, "DE");
	draw_exits(&m, &wish, PICKS, count);
	for (unsigned n = 0; n < EXITS; n++) {
		const double expected = (double)PICKS * (double)weight[n] / (double)sum;

		chi2 += ((double)count[n] - expected) * ((double)count[n] - expected) / expected;
	}
	printf("# chi-square %.1f with %d degrees of freedom\n", chi2, EXITS - 1);
	CHECK(chi2 < 43.8); /* 0.1 % point for 19; the seed is fixed */
	mesh_free(&m);
}

/* Of equal exits the least loaded of all gets two shares at most, the most loaded still some. */
static void test_load_spreads(void)
{
	enum {
		EXITS = 10,
		PICKS = 10000
	};
	const struct path_wish wish = {.hops = 3};
	struct mesh m = mesh_create();
	unsigned count[EXITS] = {0};

	for (unsigned n = 0; n < EXITS; n++) {
		struct descriptor d = fixture_descriptor(n);

		set_roles(&d, ROLE_EXIT);
		d.load_percent = (uint8_t)(n * 5);
		add(&m, &d, n);
	}
	for (unsigned n = EXITS; n < EXITS + 3; n++)
		add_role(&m, n, ROLE_ENTRY | ROLE_RELAY, "DE");
	draw_exits(&m, &wish, PICKS, count);
	for (unsigned n = 1; n < EXITS; n++)
		CHECK(count[n] < count[n - 1]);
	CHECK(count[0] < 2 * PICKS / EXITS * 105 / 100);
	CHECK(count[EXITS - 1] > 0);
	mesh_free(&m);
}

/* The exact draw, used when fit ones are rare, has the same distribution. */
static void test_distribution_of_the_rare(void)
{
	enum {
		NODES = 3000,
		PICKS = 3000
	};
	struct path_wish wish = {.hops = 1, .exit_reach = EXIT_V6};
	struct mesh m = mesh_create();
	unsigned count[4] = {0};
	double chi2 = 0;

	for (unsigned n = 0; n < NODES; n++) {
		struct descriptor d = fixture_descriptor(n);

		d.exit_flags = n % (NODES / 4) == 17 ? EXIT_ALL : EXIT_V4;
		d.capacity_kbit = n % (NODES / 4) == 17 ? 1000 * (1 + n / (NODES / 4)) : 1000000;
		d.load_percent = 0;
		add(&m, &d, n);
	}
	for (unsigned i = 0; i < PICKS; i++) {
		struct path_route route;

		NEED(choose(&m, &wish, &route) == PATH_OK);
		count[(unsigned)atoi(hop(&m, &route, 0)->name + 5) / (NODES / 4)]++;
	}
	for (unsigned i = 0; i < 4; i++) {
		const double expected = PICKS * (double)(i + 1) / 10;

		chi2 += ((double)count[i] - expected) * ((double)count[i] - expected) / expected;
	}
	printf("# chi-square %.1f with 3 degrees of freedom\n", chi2);
	CHECK(chi2 < 16.3);
	mesh_free(&m);
}

static void refused(struct mesh *m, const struct path_wish *wish, enum path_error error,
		    const char *text)
{
	struct path_route route, before;

	memset(&route, 0x33, sizeof(route));
	memcpy(&before, &route, sizeof(route));
	CHECK_INT(choose(m, wish, &route), error);
	CHECK_MEM(&route, &before, sizeof(route));
	if (strcmp(why, text) != 0) {
		printf("# '%s'\n# expected '%s'\n", why, text);
		test_current_failed = 1;
	}
}

static void test_reasons(void)
{
	struct mesh m = mesh_create();
	struct path_wish w = {.hops = 3};
	struct identity id;

	refused(&m, &w, PATH_NO_NODES, "no node is known yet");
	add_role(&m, 1, ROLE_RELAY, "NL");
	refused(&m, &w, PATH_NO_EXIT, "no exit: no node has that role");
	add_role(&m, 2, ROLE_EXIT, "DE");
	refused(&m, &w, PATH_NO_ENTRY, "no entry: no node has that role");
	w.hops = 1;
	refused(&m, &w, PATH_NO_EXIT, "no exit left: of 1 exit 1 not also an entry");
	w.hops = 5;
	add_role(&m, 3, ROLE_ENTRY, "DE");
	refused(&m, &w, PATH_NO_RELAY, "no relay left: of 1 relay 1 already on the path");
	w.hops = 3;
	w.exit = PATH_EXIT_COUNTRY;
	memcpy(w.exit_country, "JP", 3);
	refused(&m, &w, PATH_NO_EXIT, "no exit in country JP: 0 of 1 exits");
	w.exit = PATH_EXIT_NODE;
	fixture_identity(&id, 1);
	memcpy(w.exit_id, id.id, NODE_ID_LEN);
	CHECK_INT(choose(&m, &w, &(struct path_route){0}), PATH_NO_EXIT);
	CHECK(strstr(why, "is not an exit") != NULL);
	memset(w.exit_id, 0xee, NODE_ID_LEN);
	refused(&m, &w, PATH_UNKNOWN_EXIT, "no node eeeeeeee is known");
	w.exit = PATH_EXIT_ANY;
	w.hops = 0;
	refused(&m, &w, PATH_BAD_WISH, "a path has 1 to 5 hops, not 0");
	w.hops = 6;
	refused(&m, &w, PATH_BAD_WISH, "a path has 1 to 5 hops, not 6");
	mesh_free(&m);
}

static void test_reasons_of_constraints(void)
{
	struct mesh m = mesh_create();
	struct path_wish w = {.hops = 3};
	struct path_route route;
	struct descriptor d;
	struct identity id;
	uint8_t client_ip[16];

	add_role(&m, 1, ROLE_ENTRY, "NL");
	add_role(&m, 2, ROLE_EXIT, "NL");
	d = fixture_descriptor(3);
	set_roles(&d, ROLE_RELAY);
	operator_tag(d.operator_tag, "operator 1");
	add(&m, &d, 3);
	refused(&m, &w, PATH_NO_RELAY,
		"no relay left: of 1 relay 1 of an operator already on the path");
	d = fixture_descriptor(4);
	set_roles(&d, ROLE_RELAY);
	d.addrs[0] = fixture_descriptor(2).addrs[0];
	d.addrs[0].ip[15] = 99;
	add(&m, &d, 4);
	refused(&m, &w, PATH_NO_RELAY,
		"no relay left: of 2 relays 1 of an operator already on the path, 1 in a network "
		"already on the path");
	add_role(&m, 5, ROLE_RELAY, "NL");
	CHECK_INT(choose(&m, &w, &route), PATH_OK);

	memcpy(client_ip, fixture_descriptor(1).addrs[0].ip, 16);
	client_ip[15] = 200;
	w.client_ip = client_ip;
	refused(&m, &w, PATH_NO_ENTRY, "no entry left: of 1 entry 1 in the client's own network");
	w.client_ip = NULL;
	w.reach = PATH_V6;
	refused(&m, &w, PATH_NO_ENTRY,
		"no entry left: of 1 entry 1 without a common address family");
	w.reach = 0;
	fixture_identity(&id, 2);
	w.avoid = id.id;
	w.avoid_count = 1;
	refused(&m, &w, PATH_NO_EXIT, "no exit left: of 1 exit 1 excluded or to be avoided");
	mesh_free(&m);
}

/* Nodes that are no use now: keys run out, another protocol, expired since. */
static void test_useless_nodes(void)
{
	struct mesh m = mesh_create();
	const struct path_wish w = {.hops = 1};
	struct path_route route;
	struct now later = fixture_later(fixture_now(), 3600 * NS_PER_S);
	struct descriptor d = fixture_descriptor(1);

	d.onion_key_count = 1;
	d.onion_keys[0].valid_until_s = FIXTURE_WALL_S;
	add(&m, &d, 1);
	refused(&m, &w, PATH_NO_EXIT, "no exit left: of 1 exit 1 without a valid onion key");
	d = fixture_descriptor(2);
	d.circuit_versions = (struct version_range){2, 3};
	add(&m, &d, 2);
	refused(&m, &w, PATH_NO_EXIT,
		"no exit left: of 2 exits 1 without a valid onion key, 1 of another protocol "
		"version");
	d = fixture_descriptor(3);
	add(&m, &d, 3);
	CHECK_INT(choose(&m, &w, &route), PATH_OK);
	CHECK_INT(path_choose(m.pc, &w, &later, &rng, &route, why), PATH_NO_EXIT);
	CHECK(strstr(why, "3 expired") != NULL);
	mesh_free(&m);
}

/* A change of the directory is noticed without being told. */
static void test_follows_directory(void)
{
	struct mesh m = mesh_create();
	const struct path_wish w = {.hops = 1};
	struct path_route route;
	struct now later = fixture_later(fixture_now(), 1000 * NS_PER_S);
	struct descriptor d = fixture_descriptor(1);

	d.valid_until_s = FIXTURE_WALL_S + 900;
	add(&m, &d, 1);
	NEED(choose(&m, &w, &route) == PATH_OK);
	CHECK(strcmp(hop(&m, &route, 0)->name, "node-1") == 0);
	add_role(&m, 2, ROLE_ALL, "NL");
	CHECK_INT(directory_expire(m.dir, &later), 1);
	NEED(choose(&m, &w, &route) == PATH_OK);
	CHECK(strcmp(hop(&m, &route, 0)->name, "node-2") == 0);
	mesh_free(&m);
}

/* A boast does not draw more than 10 Gbit/s would. */
static void test_weights(void)
{
	struct descriptor d = fixture_descriptor(1);

	d.capacity_kbit = 10000000;
	const uint64_t ten_gbit = path_weight(&d);
	d.capacity_kbit = UINT32_MAX;
	CHECK_INT(path_weight(&d), ten_gbit);
	d.capacity_kbit = 5000000;
	CHECK_INT(path_weight(&d), ten_gbit / 2);
}

int main(void)
{
	rng = rng_seeded(20240229);
	RUN(test_rules_always_hold);
	RUN(test_complete);
	RUN(test_backtracks);
	RUN(test_distribution);
	RUN(test_load_spreads);
	RUN(test_distribution_of_the_rare);
	RUN(test_reasons);
	RUN(test_reasons_of_constraints);
	RUN(test_useless_nodes);
	RUN(test_follows_directory);
	RUN(test_weights);
	rng_seeded_free(&rng);
	return test_done();
}
