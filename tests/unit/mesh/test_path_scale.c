/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Path choice out of 100,000 nodes.  The directory here is a fake, an array behind the same
 * functions: signing and verifying so many descriptors would take longer than all other tests.
 */
#include <time.h>

#include "mesh/path_choice.h"
#include "mesh/places.h"
#include "tests/lib/test.h"
#include "tests/unit/mesh/fixture.h"
#include "util/xalloc.h"

enum {
	NODES = 100000,
	PICKS = 2000,
};

struct directory {
	struct descriptor *nodes;
};

const struct descriptor *directory_since(const struct directory *dir, uint64_t change)
{
	return change < NODES ? &dir->nodes[change] : NULL;
}

const struct descriptor *directory_later(const struct directory *dir, const struct descriptor *d)
{
	return d + 1 < dir->nodes + NODES ? d + 1 : NULL;
}

uint64_t directory_last_change(const struct directory *dir)
{
	return directory_count(dir);
}

uint64_t directory_view(const struct directory *dir)
{
	(void)dir;
	return 0;
}

bool directory_in_view(const struct directory *dir, const struct descriptor *d)
{
	return d >= dir->nodes;
}

const struct descriptor *directory_by_id(const struct directory *dir,
					 const uint8_t id[static NODE_ID_LEN])
{
	return &dir->nodes[get_le32(id)];
}

size_t directory_count(const struct directory *dir)
{
	return dir->nodes != NULL ? NODES : 0;
}

uint64_t directory_version(const struct directory *dir)
{
	return directory_count(dir);
}

const struct descriptor *directory_next(const struct directory *dir, const struct descriptor *d)
{
	return directory_later(dir, d);
}

const struct descriptor *directory_part_next(const struct directory *dir, struct tree_part part,
					     const uint8_t *after)
{
	(void)part;
	return after == NULL ? dir->nodes : directory_later(dir, &dir->nodes[get_le32(after)]);
}

static uint64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static void fill(struct directory *dir)
{
	dir->nodes = xcalloc(NODES, sizeof(*dir->nodes));
	for (unsigned n = 0; n < NODES; n++) {
		struct descriptor *d = &dir->nodes[n];
		char name[16];

		*d = fixture_descriptor(n % 4096);
		put_le32(d->id, n);
		snprintf(name, sizeof(name), "%u", n % 5000);
		operator_tag(d->operator_tag, name);
		d->roles = (uint8_t)(1 + n % 7);
		memcpy(d->country, n % 50 == 0 ? "DE" : "NL", 3);
	}
}

static void time_picks(struct path_chooser *pc, const struct path_wish *wish, struct rng *rng)
{
	const struct now now = fixture_now();
	char why[PATH_WHY_MAX];
	uint64_t total = 0, worst = 0;

	for (unsigned i = 0; i < PICKS; i++) {
		const uint64_t start = cpu_ns();
		struct path_route route;

		NEED(path_choose(pc, wish, &now, rng, &route, why) == PATH_OK);
		const uint64_t took = cpu_ns() - start;

		total += took;
		worst = MAX(worst, took);
	}
	printf("# 5 hops out of %d nodes: %llu ns on average, %llu us at worst\n", NODES,
	       (unsigned long long)total / PICKS, (unsigned long long)worst / 1000);
	CHECK(total / PICKS < NS_PER_MS);
}

static void test_hundred_thousand(void)
{
	const struct now now = fixture_now();
	struct path_wish wish = {.hops = 5, .exit = PATH_EXIT_COUNTRY, .exit_country = "DE"};
	struct rng rng = rng_seeded(9);
	struct directory dir = {0};
	struct path_chooser *pc = path_chooser_create(&dir);
	struct path_route route;
	char why[PATH_WHY_MAX];

	fill(&dir);
	uint64_t start = cpu_ns();
	CHECK_INT(path_choose(pc, &wish, &now, &rng, &route, why), PATH_OK);
	printf("# first choice, with the tables built: %llu us\n",
	       (unsigned long long)(cpu_ns() - start) / 1000);
	time_picks(pc, &wish, &rng);

	wish.exit = PATH_EXIT_ANY;
	wish.reach = PATH_V6; /* none: the longest search */
	start = cpu_ns();
	CHECK_INT(path_choose(pc, &wish, &now, &rng, &route, why), PATH_NO_ENTRY);
	printf("# a refusal: %llu us (%s)\n", (unsigned long long)(cpu_ns() - start) / 1000, why);
	CHECK(cpu_ns() - start < 2 * NS_PER_S);
	path_chooser_free(pc);
	free(dir.nodes);
	rng_seeded_free(&rng);
}

/* Each tells of eight others, at random; none of the steps holds packets up for long. */
static void test_places_of_a_hundred_thousand(void)
{
	uint8_t *rtts = xcalloc(NODES, DESCRIPTOR_RTTS_MAX * LINK_RTT_LEN);
	struct now now = fixture_now();
	struct rng rng = rng_seeded(10);
	struct directory dir = {0};
	struct places *p;
	uint64_t total = 0, worst = 0;
	unsigned steps = 0;

	fill(&dir);
	for (size_t n = 0; n < NODES; n++) {
		uint8_t *own = rtts + n * DESCRIPTOR_RTTS_MAX * LINK_RTT_LEN;

		for (unsigned i = 0; i < DESCRIPTOR_RTTS_MAX; i++) {
			struct link_rtt rtt = {.rtt_ns = rng_below(&rng, 200) * NS_PER_MS};

			put_le32(rtt.id, (uint32_t)rng_below(&rng, NODES));
			link_rtt_put(own + (size_t)i * LINK_RTT_LEN, &rtt);
		}
		dir.nodes[n].rtts = own;
		dir.nodes[n].rtt_count = DESCRIPTOR_RTTS_MAX;
		if (n % 100 == 0)
			memcpy(dir.nodes[n].country, "JP", 3); /* most of them liars */
	}
	p = places_create(&(struct places_params){
	    .dir = &dir, .witnesses = PLACES_WITNESSES, .rng = &rng_system});
	while (places_deadline(p) != NEVER) {
		const uint64_t start = cpu_ns();
		uint64_t took;

		now.mono_ns = MAX(now.mono_ns, places_deadline(p));
		places_tick(p, &now);
		took = cpu_ns() - start;
		total += took;
		worst = MAX(worst, took);
		steps++;
	}
	printf("# places of %d nodes: %llu ms in %u steps, %llu us the longest\n", NODES,
	       (unsigned long long)total / NS_PER_MS, steps, (unsigned long long)worst / 1000);
	CHECK(places_version(p) > 0);
	CHECK(worst < 50 * NS_PER_MS);
	places_free(p);
	free(dir.nodes);
	free(rtts);
	rng_seeded_free(&rng);
}

int main(void)
{
	RUN(test_hundred_thousand);
	RUN(test_places_of_a_hundred_thousand);
	return test_done();
}
