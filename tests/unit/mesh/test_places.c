/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mesh/places.h"

#include "mesh/rtts.h"
#include "tests/lib/test.h"
#include "tests/unit/mesh/fixture.h"

enum {
	NODES_MAX = 24
};

/* A mesh on paper: who claims to be where, and who measured what. */
struct world {
	struct descriptor d[NODES_MAX];
	uint8_t id[NODES_MAX][NODE_ID_LEN];
	uint8_t rtts[NODES_MAX][DESCRIPTOR_RTTS_MAX * LINK_RTT_LEN];
	char origin[NODES_MAX][3]; /* the database's word */
	uint32_t asn[NODES_MAX];
	unsigned n;
	bool has_database;
	struct directory *dir;
	struct places *places;
	struct now now;
};

static bool find(void *ctx, const uint8_t ip[static 16], struct place_origin *out)
{
	const struct world *w = ctx;
	const unsigned n = ip[13];

	if (w->origin[n][0] == '\0' && w->asn[n] == 0)
		return false;
	snprintf(out->country, sizeof(out->country), "%s", w->origin[n]);
	out->asn = w->asn[n];
	return true;
}

static void begin(struct world *w)
{
	*w = (struct world){.now = fixture_now()};
}

static unsigned add(struct world *w, const char *country)
{
	const unsigned n = w->n++;
	struct identity id;

	fixture_identity(&id, n);
	memcpy(w->id[n], id.id, NODE_ID_LEN);
	w->d[n] = fixture_descriptor(n);
	memcpy(w->d[n].country, country, 3);
	w->d[n].rtts = w->rtts[n];
	return n;
}

/* from tells how far it is to to. */
static void measure(struct world *w, unsigned from, unsigned to, unsigned ms)
{
	struct link_rtt rtt = {.rtt_ns = ms * NS_PER_MS};

	memcpy(rtt.id, w->id[to], sizeof(rtt.id));
	if (w->d[from].rtt_count < DESCRIPTOR_RTTS_MAX)
		link_rtt_put(w->rtts[from] + (size_t)w->d[from].rtt_count++ * LINK_RTT_LEN, &rtt);
}

/* Each of a to b, the last one not included, measures to. */
static void all_measure(struct world *w, unsigned a, unsigned b, unsigned to, unsigned ms)
{
	for (unsigned n = a; n < b; n++)
		if (n != to)
			measure(w, n, to, ms);
}

static void settle(struct world *w)
{
	uint64_t due;

	while ((due = places_deadline(w->places)) != NEVER) {
		if (due > w->now.mono_ns)
			w->now.mono_ns = due;
		places_tick(w->places, &w->now);
	}
}

static void judge(struct world *w, unsigned witnesses)
{
	w->dir = fixture_directory(0);
	for (unsigned n = 0; n < w->n; n++)
		CHECK_INT(fixture_add(w->dir, &w->d[n], n), DIRECTORY_ADDED);
	w->places = places_create(
	    &(struct places_params){.dir = w->dir,
				    .locator = {.ctx = w, .find = w->has_database ? find : NULL},
				    .witnesses = witnesses,
				    .rng = &rng_system});
	settle(w);
}

static void end(struct world *w)
{
	places_free(w->places);
	directory_free(w->dir);
}

static enum place_verdict verdict(const struct world *w, unsigned n)
{
	struct place_report r;

	places_report(w->places, w->id[n], &r);
	CHECK_INT(places_is_refuted(w->places, w->id[n]), r.verdict == PLACE_REFUTED);
	return r.verdict;
}

/* Four in Germany and four in Japan, which all know each other. */
static void add_honest(struct world *w)
{
	for (unsigned i = 0; i < 8; i++)
		add(w, i < 4 ? "DE" : "JP");
	for (unsigned i = 0; i < 8; i++)
		for (unsigned k = 0; k < 8; k++)
			if (i != k)
				measure(w, i, k, (i < 4) == (k < 4) ? 6 : 230);
}

static void test_honest_are_consistent(void)
{
	struct place_report r;
	struct world w;

	begin(&w);
	add_honest(&w);
	add(&w, "FR"); /* nobody has measured it */
	judge(&w, PLACES_WITNESSES);
	for (unsigned n = 0; n < 8; n++)
		CHECK_INT(verdict(&w, n), PLACE_CONSISTENT);
	CHECK_INT(verdict(&w, 8), PLACE_UNVERIFIED);
	places_report(w.places, w.id[5], &r);
	CHECK_INT(r.witnesses, 7);
	CHECK_INT(r.against, 0);
	CHECK_INT(r.nearest_ns, 6 * NS_PER_MS);
	CHECK(strcmp(r.nearest_country, "JP") == 0);
	end(&w);
}

static void test_a_lie_is_refuted(void)
{
	struct place_report r;
	struct world w;
	unsigned liar;

	begin(&w);
	add_honest(&w);
	liar = add(&w, "JP");
	w.d[0].rtt_count = w.d[1].rtt_count = w.d[2].rtt_count = 0; /* room */
	all_measure(&w, 0, 3, liar, 5);
	judge(&w, PLACES_WITNESSES);
	CHECK_INT(verdict(&w, liar), PLACE_REFUTED);
	for (unsigned n = 0; n < 8; n++)
		CHECK(verdict(&w, n) != PLACE_REFUTED);
	places_report(w.places, w.id[liar], &r);
	CHECK_INT(r.against, 3);
	end(&w);
}

static void test_two_are_not_enough(void)
{
	struct world w;
	unsigned liar;

	begin(&w);
	for (unsigned i = 0; i < 2; i++)
		add(&w, "DE");
	liar = add(&w, "JP");
	all_measure(&w, 0, 2, liar, 5);
	judge(&w, PLACES_WITNESSES);
	CHECK(verdict(&w, liar) != PLACE_REFUTED);
	end(&w);

	begin(&w);
	for (unsigned i = 0; i < 2; i++)
		add(&w, "DE");
	liar = add(&w, "JP");
	all_measure(&w, 0, 2, liar, 5);
	judge(&w, 2);
	CHECK_INT(verdict(&w, liar), PLACE_REFUTED);
	end(&w);
}

/* Of one operator, or in one network: one witness. */
static void test_witnesses_are_independent(void)
{
	struct world w;
	unsigned liar;

	for (unsigned way = 0; way < 2; way++) {
		begin(&w);
		for (unsigned i = 0; i < 4; i++)
			add(&w, "DE");
		liar = add(&w, "JP");
		all_measure(&w, 0, 4, liar, 5);
		for (unsigned i = 1; i < 3; i++) {
			if (way == 0)
				memcpy(w.d[i].operator_tag, w.d[0].operator_tag, OPERATOR_LEN);
			else
				w.d[i].addrs[0].ip[13] = w.d[0].addrs[0].ip[13];
		}
		judge(&w, PLACES_WITNESSES);
		CHECK(verdict(&w, liar) != PLACE_REFUTED);
		end(&w);
	}
}

/* An operator's nodes do not vouch for each other. */
static void test_own_nodes_are_no_witnesses(void)
{
	struct world w;

	begin(&w);
	for (unsigned i = 0; i < 5; i++) {
		add(&w, "DE");
		memcpy(w.d[i].operator_tag, w.d[0].operator_tag, OPERATOR_LEN);
	}
	for (unsigned i = 0; i < 5; i++)
		all_measure(&w, 0, 5, i, 3);
	judge(&w, PLACES_WITNESSES);
	CHECK_INT(verdict(&w, 0), PLACE_UNVERIFIED);
	end(&w);
}

/* Three say falsely that they are next to an honest one. */
static void test_slander(void)
{
	struct world w;

	begin(&w);
	add_honest(&w);
	for (unsigned i = 0; i < 3; i++)
		measure(&w, add(&w, "DE"), 4, 2);
	judge(&w, PLACES_WITNESSES);
	/* It has as many supporters nearby; theirs are all that they themselves have. */
	CHECK_INT(verdict(&w, 4), PLACE_CONSISTENT);
	end(&w);
}

/* Liars that are together contradict the honest around them, who are more. */
static void test_liars_among_themselves(void)
{
	struct world w;

	begin(&w);
	for (unsigned i = 0; i < 8; i++)
		add(&w, "DE");
	for (unsigned i = 8; i < 12; i++)
		add(&w, "SG");
	for (unsigned i = 0; i < 12; i++)
		for (unsigned k = 0; k < 8; k++)
			measure(&w, i, (i + 1 + k) % 12, 4);
	judge(&w, PLACES_WITNESSES);
	for (unsigned n = 0; n < 8; n++)
		CHECK_INT(verdict(&w, n), PLACE_CONSISTENT);
	for (unsigned n = 8; n < 12; n++)
		CHECK_INT(verdict(&w, n), PLACE_REFUTED);
	end(&w);
}

/* Whose address belongs elsewhere, by the database, is no witness. */
static void test_doubtful_witnesses(void)
{
	struct place_report r;
	struct world w;
	unsigned liar;

	begin(&w);
	for (unsigned i = 0; i < 3; i++)
		memcpy(w.origin[add(&w, "DE")], i < 2 ? "DE" : "US", 3);
	liar = add(&w, "JP");
	memcpy(w.origin[liar], "DE", 3);
	w.has_database = true;
	all_measure(&w, 0, 3, liar, 5);
	judge(&w, PLACES_WITNESSES);
	CHECK(verdict(&w, liar) != PLACE_REFUTED);
	places_report(w.places, w.id[liar], &r);
	CHECK(strcmp(r.origin.country, "DE") == 0);
	end(&w);
}

static void test_own_measurements_tell_on_it(void)
{
	struct world w;
	unsigned liar;

	begin(&w);
	add_honest(&w);
	liar = add(&w, "BR");
	for (unsigned i = 0; i < 4; i++)
		measure(&w, liar, i, 9);
	judge(&w, PLACES_WITNESSES);
	CHECK_INT(verdict(&w, liar), PLACE_REFUTED);
	end(&w);
}

/* But it cannot praise itself. */
static void test_own_measurements_are_no_support(void)
{
	struct world w;
	unsigned n;

	begin(&w);
	add_honest(&w);
	n = add(&w, "JP");
	for (unsigned i = 4; i < 8; i++)
		measure(&w, n, i, 3);
	judge(&w, PLACES_WITNESSES);
	CHECK_INT(verdict(&w, n), PLACE_UNVERIFIED);
	end(&w);
}

static void test_a_corrected_claim(void)
{
	struct world w;
	unsigned liar;

	begin(&w);
	for (unsigned i = 0; i < 4; i++)
		add(&w, "DE");
	liar = add(&w, "JP");
	all_measure(&w, 0, 4, liar, 5);
	judge(&w, PLACES_WITNESSES);
	CHECK_INT(verdict(&w, liar), PLACE_REFUTED);
	memcpy(w.d[liar].country, "DE", 3);
	w.d[liar].sequence++;
	CHECK_INT(fixture_add(w.dir, &w.d[liar], liar), DIRECTORY_NEWER);
	settle(&w);
	CHECK_INT(verdict(&w, liar), PLACE_CONSISTENT);
	end(&w);
}

static void test_switched_off(void)
{
	struct world w;
	unsigned liar;

	begin(&w);
	for (unsigned i = 0; i < 4; i++)
		add(&w, "DE");
	liar = add(&w, "JP");
	all_measure(&w, 0, 4, liar, 5);
	judge(&w, 0);
	CHECK_INT(verdict(&w, liar), PLACE_UNVERIFIED);
	end(&w);
}

static void test_autonomous_systems(void)
{
	struct world w;

	begin(&w);
	for (unsigned i = 0; i < 3; i++)
		w.asn[add(&w, "DE")] = i < 2 ? 64496 : 0;
	w.has_database = true;
	judge(&w, PLACES_WITNESSES);
	CHECK(places_share_as(w.places, w.id[0], w.id[1]));
	CHECK(!places_share_as(w.places, w.id[0], w.id[2]));
	CHECK(!places_share_as(w.places, w.id[2], w.id[2]));
	CHECK(!places_share_as(NULL, w.id[0], w.id[1]));
	end(&w);
}

/* ---- what a node tells ---- */

static void test_news(void)
{
	uint8_t out[DESCRIPTOR_RTTS_MAX * LINK_RTT_LEN];
	struct rtts r = {0};
	struct identity liar, friend;
	struct world w;

	begin(&w);
	add(&w, "DE");
	add(&w, "JP");
	judge(&w, PLACES_WITNESSES);
	fixture_identity(&friend, 0);
	fixture_identity(&liar, 1);
	rtts_note(&r, w.dir, friend.link.public, 4 * NS_PER_MS, &w.now);
	CHECK(!rtts_has_news(&r, w.dir, "DE", &w.now));
	rtts_note(&r, w.dir, liar.link.public, 5 * NS_PER_MS, &w.now);
	rtts_note(&r, w.dir, liar.link.public, 500 * NS_PER_MS, &w.now); /* the shortest counts */
	CHECK(rtts_has_news(&r, w.dir, "DE", &w.now));
	CHECK(!rtts_has_news(&r, w.dir, "", &w.now)); /* it does not know where it is itself */
	CHECK(rtts_has_news(&r, w.dir, "DE", &w.now));
	CHECK_INT(rtts_tell(&r, w.dir, out), 2);
	CHECK(!rtts_has_news(&r, w.dir, "DE", &w.now));
	CHECK_MEM(out + LINK_RTT_LEN, liar.id, 8);
	CHECK_INT(get_le16(out + LINK_RTT_LEN + 8), 50);
	end(&w);
}

/* Its descriptor may come after the link; and others do not crowd out what matters. */
static void test_news_of_a_stranger(void)
{
	uint8_t out[DESCRIPTOR_RTTS_MAX * LINK_RTT_LEN];
	struct rtts r = {0};
	struct identity other;
	struct descriptor d;
	struct world w;
	unsigned found = 0, n;

	begin(&w);
	add(&w, "DE");
	judge(&w, PLACES_WITNESSES);
	fixture_identity(&other, 20);
	rtts_note(&r, w.dir, other.link.public, 5 * NS_PER_MS, &w.now);
	CHECK(!rtts_has_news(&r, w.dir, "DE", &w.now));
	CHECK_INT(rtts_tell(&r, w.dir, out), 0);
	d = fixture_descriptor(20);
	memcpy(d.country, "JP", 3);
	fixture_add(w.dir, &d, 20);
	CHECK(rtts_has_news(&r, w.dir, "DE", &w.now));
	for (unsigned i = 1; i < 16; i++) {
		d = fixture_descriptor(i);
		fixture_add(w.dir, &d, i);
		fixture_identity(&other, i);
		w.now.mono_ns += NS_PER_S;
		rtts_note(&r, w.dir, other.link.public, 5 * NS_PER_MS, &w.now);
	}
	fixture_identity(&other, 20);
	n = rtts_tell(&r, w.dir, out);
	CHECK_INT(n, DESCRIPTOR_RTTS_MAX);
	for (unsigned i = 0; i < n; i++)
		found += memcmp(out + (size_t)i * LINK_RTT_LEN, other.id, 8) == 0;
	CHECK_INT(found, 1);
	end(&w);
}

int main(void)
{
	RUN(test_honest_are_consistent);
	RUN(test_a_lie_is_refuted);
	RUN(test_two_are_not_enough);
	RUN(test_witnesses_are_independent);
	RUN(test_own_nodes_are_no_witnesses);
	RUN(test_slander);
	RUN(test_liars_among_themselves);
	RUN(test_doubtful_witnesses);
	RUN(test_own_measurements_tell_on_it);
	RUN(test_own_measurements_are_no_support);
	RUN(test_a_corrected_claim);
	RUN(test_switched_off);
	RUN(test_autonomous_systems);
	RUN(test_news);
	RUN(test_news_of_a_stranger);
	return test_done();
}
