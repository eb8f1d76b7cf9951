/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which exits are taken: countries and regions, all alike, places that are lies, load, systems. */
#include "mesh/exit_wish.h"

#include "tests/lib/test.h"
#include "tests/unit/mesh/fixture.h"

enum {
	ENTRIES = 3,
	RELAYS = 3,
	EXITS_MAX = 16,
	FIRST_EXIT = ENTRIES + RELAYS,
};

static struct rng rng;
static char why[PATH_WHY_MAX];

struct mesh {
	struct directory *dir;
	struct path_chooser *pc;
	struct places *places;
	struct descriptor exit[EXITS_MAX];
	uint8_t id[EXITS_MAX][NODE_ID_LEN];
	unsigned exits;
	uint32_t asn[256]; /* by the second byte of the address */
};

static bool find(void *ctx, const uint8_t ip[static 16], struct place_origin *out)
{
	const struct mesh *m = ctx;

	*out = (struct place_origin){.asn = m->asn[ip[13]]};
	return true;
}

static void add_node(struct mesh *m, unsigned n, uint8_t roles)
{
	struct descriptor d = fixture_descriptor(n);

	d.roles = roles;
	d.exit_flags = 0;
	memset(d.session_key, 0, sizeof(d.session_key));
	CHECK_INT(fixture_add(m->dir, &d, n), DIRECTORY_ADDED);
}

static struct mesh *mesh_create(void)
{
	struct mesh *m = calloc(1, sizeof(*m));

	m->dir = fixture_directory(1000);
	m->pc = path_chooser_create(m->dir);
	for (unsigned n = 0; n < ENTRIES; n++)
		add_node(m, n, ROLE_ENTRY);
	for (unsigned n = 0; n < RELAYS; n++)
		add_node(m, ENTRIES + n, ROLE_RELAY);
	return m;
}

static void mesh_free(struct mesh *m)
{
	places_free(m->places);
	path_chooser_free(m->pc);
	directory_free(m->dir);
	free(m);
}

static unsigned add_exit(struct mesh *m, const char *country, uint32_t capacity_kbit)
{
	const unsigned i = m->exits++, n = FIRST_EXIT + i;
	struct identity id;

	fixture_identity(&id, n);
	memcpy(m->id[i], id.id, NODE_ID_LEN);
	m->exit[i] = fixture_descriptor(n);
	m->exit[i].roles = ROLE_EXIT;
	m->exit[i].capacity_kbit = capacity_kbit;
	memcpy(m->exit[i].country, country, 3);
	CHECK_INT(fixture_add(m->dir, &m->exit[i], n), DIRECTORY_ADDED);
	return i;
}

static void judge_places(struct mesh *m)
{
	struct now now = fixture_now();

	m->places = places_create(&(struct places_params){.dir = m->dir,
							  .locator = {.ctx = m, .find = find},
							  .witnesses = PLACES_WITNESSES,
							  .rng = &rng_system});
	while (places_deadline(m->places) != NEVER) {
		now.mono_ns = MAX(now.mono_ns, places_deadline(m->places));
		places_tick(m->places, &now);
	}
}

/* The exit of a route by this text, or -1. */
static int choose(struct mesh *m, const char *text)
{
	const struct now now = fixture_now();
	struct path_wish w = {.hops = 3, .places = m->places};
	struct path_route route;
	struct exit_wish wish;

	why[0] = '\0';
	if (!exit_wish_parse(&wish, text) || !exit_wish_apply(&wish, m->dir, &w, why) ||
	    path_choose(m->pc, &w, &now, &rng, &route, why) != PATH_OK)
		return -1;
	for (unsigned i = 0; i < m->exits; i++)
		if (memcmp(route.hop[2].id, m->id[i], NODE_ID_LEN) == 0)
			return (int)i;
	return -1;
}

/* ---- words ---- */

static void test_words(void)
{
	struct exit_wish w;
	char longest[EXIT_TEXT_MAX + 1];

	CHECK(exit_wish_parse(&w, "") && w.mode == EXIT_AUTO);
	CHECK(exit_wish_parse(&w, "Auto") && w.mode == EXIT_AUTO);
	CHECK(exit_wish_parse(&w, "nearest") && w.mode == EXIT_NEAREST);
	CHECK(exit_wish_parse(&w, "RANDOM") && w.mode == EXIT_RANDOM);
	CHECK(exit_wish_parse(&w, "south-america") && w.mode == EXIT_REGION);
	CHECK_INT(w.region, REGION_SOUTH_AMERICA);
	CHECK(exit_wish_parse(&w, "de") && w.mode == EXIT_COUNTRY);
	CHECK(strcmp(w.country, "DE") == 0);
	CHECK(exit_wish_parse(&w, "uk") && strcmp(w.country, "GB") == 0);
	CHECK(exit_wish_parse(&w, "de-exit-1") && w.mode == EXIT_NODE);
	CHECK(strcmp(w.node, "de-exit-1") == 0);
	memset(longest, 'a', sizeof(longest));
	longest[EXIT_TEXT_MAX - 1] = '\0';
	CHECK(exit_wish_parse(&w, longest) && w.mode == EXIT_NODE);
	longest[EXIT_TEXT_MAX - 1] = 'a';
	longest[EXIT_TEXT_MAX] = '\0';
	CHECK(!exit_wish_parse(&w, longest));
}

static void test_places_are_kept_to(void)
{
	static const char *const countries[] = {"DE", "NL", "US", "CA", "JP", "SG", "BR", "AU"};
	struct mesh *m = mesh_create();

	for (unsigned i = 0; i < ARRAY_LEN(countries); i++)
		add_exit(m, countries[i], 100000);
	for (unsigned i = 0; i < 100; i++) {
		const int us = choose(m, "us"), na = choose(m, "north-america"),
			  asia = choose(m, "asia");

		CHECK_INT(us, 2);
		CHECK(na == 2 || na == 3);
		CHECK(asia == 4 || asia == 5);
		CHECK_INT(choose(m, "oceania"), 7);
		CHECK_INT(choose(m, "node-9"), 3);
	}
	CHECK_INT(choose(m, "africa"), -1);
	CHECK(strcmp(why, "no exit in africa: 0 of 8 exits") == 0);
	CHECK_INT(choose(m, "FR"), -1);
	CHECK(strcmp(why, "no exit in country FR: 0 of 8 exits") == 0);
	CHECK_INT(choose(m, "node-99"), -1);
	CHECK(strstr(why, "no single node is called \"node-99\"") != NULL);
	mesh_free(m);
}

/* ---- random ---- */

/* Chi-square of 9 degrees of freedom: beyond 27.9 one time in a thousand. */
static void test_random_is_uniform(void)
{
	enum {
		EXITS = 10,
		DRAWS = 2000
	};
	static const char *const countries[] = {"DE", "DE", "DE", "DE", "NL",
						"US", "JP", "AU", "BR", "ZA"};
	struct mesh *m = mesh_create();
	unsigned count[EXITS] = {0};
	uint64_t chi_milli = 0;

	for (unsigned i = 0; i < EXITS; i++) /* neither capacity nor distance counts */
		add_exit(m, countries[i], i % 2 == 0 ? 10000 : 1000000);
	for (unsigned i = 0; i < DRAWS; i++) {
		const int e = choose(m, "random");

		NEED(e >= 0);
		count[e]++;
	}
	for (unsigned i = 0; i < EXITS; i++) {
		const int64_t off = (int64_t)count[i] - DRAWS / EXITS;

		chi_milli += (uint64_t)(off * off * 1000 / (DRAWS / EXITS));
	}
	printf(
	    "# random: chi-square %llu.%03llu of %d draws over %d exits; 27.9 is the limit of one "
	    "in a thousand\n",
	    (unsigned long long)chi_milli / 1000, (unsigned long long)chi_milli % 1000, DRAWS,
	    EXITS);
	CHECK(chi_milli < 27900);
	mesh_free(m);
}

/* Those that cannot be taken do not skew it: an exit of an operator that has an entry too. */
static void test_random_skips_what_does_not_fit(void)
{
	struct mesh *m = mesh_create();
	unsigned count[3] = {0};

	for (unsigned i = 0; i < 3; i++)
		add_exit(m, "DE", 100000);
	m->exit[1].valid_until_s = FIXTURE_WALL_S + 3600;
	m->exit[1].exit_flags = EXIT_V4;
	m->exit[1].session_versions = (struct version_range){9, 9}; /* of a time to come */
	m->exit[1].sequence++;
	CHECK_INT(fixture_add(m->dir, &m->exit[1], FIRST_EXIT + 1), DIRECTORY_NEWER);
	for (unsigned i = 0; i < 600; i++) {
		const int e = choose(m, "random");

		NEED(e >= 0);
		count[e]++;
	}
	CHECK_INT(count[1], 0);
	CHECK(count[0] > 240 && count[0] < 360);
	mesh_free(m);
}

/* ---- load ---- */

/*
 * 200 sessions come one after the other, each of two percent of an exit's capacity; exits tell
 * their load in steps of five percent, and others hear of it ten sessions later.  The most loaded,
 * in percent of the mean.
 */
static unsigned spread(uint64_t seed, bool with_hints)
{
	enum {
		EXITS = 5,
		SESSIONS = 200,
		LATE = 10
	};
	struct mesh *m = mesh_create();
	unsigned sessions[EXITS] = {0}, most = 0;

	rng_seeded_free(&rng);
	rng = rng_seeded(seed);
	for (unsigned i = 0; i < EXITS; i++)
		add_exit(m, "NL", 100000);
	for (unsigned n = 0; n < SESSIONS; n++) {
		const int e = choose(m, "nl");

		if (e < 0)
			abort();
		sessions[e]++;
		for (unsigned i = 0; with_hints && n % LATE == LATE - 1 && i < EXITS; i++) {
			struct now now = fixture_later(fixture_now(), n * 1000 * NS_PER_S);
			uint8_t bytes[DESCRIPTOR_MAX];
			size_t len;

			m->exit[i].load_percent = (uint8_t)(MIN(sessions[i] * 2, 100u) / 5 * 5);
			m->exit[i].sequence++;
			len = fixture_sign(&m->exit[i], FIRST_EXIT + i, bytes);
			now.wall_ns = fixture_now().wall_ns;
			if (directory_add(m->dir, bytes, len, &now, NULL) != DIRECTORY_NEWER)
				abort();
		}
	}
	for (unsigned i = 0; i < EXITS; i++)
		most = MAX(most, sessions[i]);
	mesh_free(m);
	rng_seeded_free(&rng);
	return most * 100 * EXITS / SESSIONS;
}

static void test_load_spreads(void)
{
	unsigned worst = 0, sum = 0, worst_blind = 0;

	for (uint64_t seed = 1; seed <= 20; seed++) {
		const unsigned one = spread(seed, true);

		worst = MAX(worst, one);
		sum += one;
		worst_blind = MAX(worst_blind, spread(seed, false));
	}
	rng = rng_seeded(1);
	printf(
	    "# 200 sessions over 5 equal exits: the most loaded has %u.%02u of the mean, at worst "
	    "of 20 times %u.%02u; without hints %u.%02u\n",
	    sum / 20 / 100, sum / 20 % 100, worst / 100, worst % 100, worst_blind / 100,
	    worst_blind % 100);
	CHECK(worst <= 130);
	CHECK(worst <= worst_blind);
}

/* ---- lies and systems ---- */

static void test_refuted_are_avoided(void)
{
	struct mesh *m = mesh_create();
	uint8_t rtts[LINK_RTT_LEN];
	struct link_rtt rtt = {.rtt_ns = 4 * NS_PER_MS};
	unsigned taken = 0;

	add_exit(m, "JP", 100000);
	add_exit(m, "JP", 100000);
	add_exit(m, "NL", 100000);
	memcpy(rtt.id, m->id[0], sizeof(rtt.id));
	link_rtt_put(rtts, &rtt);
	for (unsigned n = 0; n < ENTRIES; n++) { /* all in NL */
		struct descriptor d = fixture_descriptor(n);

		d.roles = ROLE_ENTRY;
		d.exit_flags = 0;
		memset(d.session_key, 0, sizeof(d.session_key));
		d.sequence++;
		d.rtts = rtts;
		d.rtt_count = 1;
		CHECK_INT(fixture_add(m->dir, &d, n), DIRECTORY_NEWER);
	}
	judge_places(m);
	CHECK(places_is_refuted(m->places, m->id[0]));
	for (unsigned i = 0; i < 200; i++) {
		CHECK_INT(choose(m, "jp"), 1);
		CHECK_INT(choose(m, "asia"), 1);
		taken += choose(m, "auto") == 0;
	}
	CHECK(taken < 20);
	CHECK_INT(choose(m, "node-6"), 0); /* by its name */
	mesh_free(m);
}

static void test_systems_are_apart(void)
{
	struct mesh *m = mesh_create();
	const unsigned a = add_exit(m, "NL", 100000), b = add_exit(m, "NL", 100000);

	/* The first exit is with all relays; the other with nobody. */
	for (unsigned n = ENTRIES; n < FIRST_EXIT; n++)
		m->asn[n] = 64500;
	m->asn[FIRST_EXIT + a] = 64500;
	m->asn[FIRST_EXIT + b] = 64501;
	judge_places(m);
	for (unsigned i = 0; i < 100; i++)
		CHECK_INT(choose(m, "nl"), b);
	/* Where there is no other way, it is taken all the same. */
	CHECK_INT(choose(m, "node-6"), a);
	mesh_free(m);
}

int main(void)
{
	rng = rng_seeded(3);
	RUN(test_words);
	RUN(test_places_are_kept_to);
	RUN(test_random_is_uniform);
	RUN(test_random_skips_what_does_not_fit);
	RUN(test_load_spreads);
	RUN(test_refuted_are_avoided);
	RUN(test_systems_are_apart);
	rng_seeded_free(&rng);
	return test_done();
}
