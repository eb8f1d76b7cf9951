/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mesh/directory.h"

#include "tests/lib/test.h"
#include "tests/unit/mesh/fixture.h"

static void test_results(void)
{
	struct directory *dir = fixture_directory(2);
	struct descriptor d = fixture_descriptor(1), other = fixture_descriptor(2);
	const struct now now = fixture_now();
	enum descriptor_error error = DESCRIPTOR_NAME;
	uint8_t bytes[DESCRIPTOR_MAX], later[DESCRIPTOR_MAX];
	size_t len, later_len;

	len = fixture_sign(&d, 1, bytes);
	CHECK_INT(directory_add(dir, bytes, len, &now, &error), DIRECTORY_ADDED);
	CHECK_INT(error, DESCRIPTOR_OK);
	CHECK_INT(directory_add(dir, bytes, len, &now, &error), DIRECTORY_KNOWN);
	d.sequence++;
	later_len = fixture_sign(&d, 1, later);
	CHECK_INT(directory_add(dir, later, later_len, &now, &error), DIRECTORY_NEWER);
	CHECK_INT(directory_add(dir, bytes, len, &now, &error), DIRECTORY_STALE);
	CHECK_INT(directory_count(dir), 1);
	CHECK_INT(fixture_add(dir, &other, 2), DIRECTORY_ADDED);
	other = fixture_descriptor(3);
	CHECK_INT(fixture_add(dir, &other, 3), DIRECTORY_FULL);
	CHECK_INT(directory_count(dir), 2);
	d.sequence++;
	CHECK_INT(fixture_add(dir, &d, 1), DIRECTORY_NEWER); /* full, but no more than before */
	for (unsigned r = 0; r < DIRECTORY_RESULT_COUNT; r++)
		CHECK(strlen(directory_result_name((enum directory_result)r)) > 2);
	CHECK_INT(directory_stats(dir)->results[DIRECTORY_NEWER], 2);
	CHECK_INT(directory_stats(dir)->results[DIRECTORY_FULL], 1);
	directory_free(dir);
	directory_free(NULL);
}

static void test_equivocation(void)
{
	struct directory *dir = fixture_directory(0);
	struct descriptor d = fixture_descriptor(1);
	const struct descriptor *kept;

	CHECK_INT(fixture_add(dir, &d, 1), DIRECTORY_ADDED);
	d.capacity_kbit++;
	CHECK_INT(fixture_add(dir, &d, 1), DIRECTORY_EQUIVOCATION);
	CHECK_INT(directory_stats(dir)->results[DIRECTORY_EQUIVOCATION], 1);
	uint64_t change = 0;
	kept = directory_next(dir, &change);
	NEED(kept != NULL);
	CHECK_INT(kept->capacity_kbit, 100000); /* the first */
	directory_free(dir);
}

/* A forged "other version" must not count as the node's own equivocation, nor a forged newer one.
 */
static void test_forgeries(void)
{
	struct directory *dir = fixture_directory(0);
	const struct descriptor d = fixture_descriptor(1);
	const struct now now = fixture_now();
	enum descriptor_error error;
	uint8_t bytes[DESCRIPTOR_MAX];
	const size_t len = fixture_sign(&d, 1, bytes);
	uint64_t version;

	CHECK_INT(directory_add(dir, bytes, len, &now, NULL), DIRECTORY_ADDED);
	version = directory_version(dir);
	bytes[len - 1] ^= 1;
	CHECK_INT(directory_add(dir, bytes, len, &now, &error), DIRECTORY_INVALID);
	CHECK_INT(error, DESCRIPTOR_SIGNATURE);
	bytes[4]++; /* sequence */
	CHECK_INT(directory_add(dir, bytes, len, &now, &error), DIRECTORY_INVALID);
	CHECK_INT(error, DESCRIPTOR_SIGNATURE);
	CHECK_INT(directory_add(dir, bytes, 10, &now, &error), DIRECTORY_INVALID);
	CHECK_INT(error, DESCRIPTOR_MALFORMED);
	CHECK_INT(directory_stats(dir)->invalid[DESCRIPTOR_SIGNATURE], 2);
	CHECK_INT(directory_version(dir), version);
	directory_free(dir);
}

static void test_lookups_and_raw(void)
{
	struct directory *dir = fixture_directory(0);
	struct identity id;

	for (unsigned n = 0; n < 300; n++) {
		const struct descriptor d = fixture_descriptor(n);

		NEED(fixture_add(dir, &d, n) == DIRECTORY_ADDED);
	}
	CHECK_INT(directory_count(dir), 300);
	for (unsigned n = 0; n < 300; n++) {
		const struct descriptor d = fixture_descriptor(n), *found;
		uint8_t bytes[DESCRIPTOR_MAX];
		const size_t len = fixture_sign(&d, n, bytes);
		const uint8_t *raw;
		size_t raw_len;

		fixture_identity(&id, n);
		found = directory_by_id(dir, id.id);
		NEED(found != NULL);
		CHECK(strcmp(found->name, d.name) == 0);
		CHECK(directory_by_link(dir, id.link.public) == found);
		raw = directory_raw(found, &raw_len);
		CHECK_INT(raw_len, len);
		CHECK_MEM(raw, bytes, len);
	}
	fixture_identity(&id, 1000);
	CHECK(directory_by_id(dir, id.id) == NULL);
	CHECK(directory_by_link(dir, id.link.public) == NULL);
	directory_free(dir);
}

/* Several nodes that claim one link key: it is found as long as one of them is known. */
static void test_shared_link_key(void)
{
	struct directory *dir = fixture_directory(0);
	struct identity ids[3];
	struct now now = fixture_now();

	for (unsigned n = 0; n < 3; n++) {
		struct descriptor d = fixture_descriptor(n);
		uint8_t bytes[DESCRIPTOR_MAX];
		size_t len;

		fixture_identity(&ids[n], n);
		ids[n].link = ids[0].link;
		d.valid_until_s = FIXTURE_WALL_S + 100 * (n + 1);
		NEED(descriptor_sign(&d, &ids[n], FIXTURE_WALL_S, bytes, &len) == DESCRIPTOR_OK);
		CHECK_INT(directory_add(dir, bytes, len, &now, NULL), DIRECTORY_ADDED);
	}
	for (unsigned n = 0; n < 3; n++) {
		CHECK(directory_by_link(dir, ids[0].link.public) != NULL);
		now = fixture_later(now, 100 * NS_PER_S);
		CHECK_INT(directory_expire(dir, &now), 1);
		CHECK(directory_by_id(dir, ids[n].id) == NULL);
	}
	CHECK(directory_by_link(dir, ids[0].link.public) == NULL);
	directory_free(dir);
}

static void test_expiry(void)
{
	struct directory *dir = fixture_directory(0);
	struct now now = fixture_now();
	uint64_t version;

	CHECK_INT(directory_deadline(dir, &now), NEVER);
	for (unsigned n = 0; n < 10; n++) {
		struct descriptor d = fixture_descriptor(n);

		d.valid_until_s = FIXTURE_WALL_S + 10 * (n + 1);
		NEED(fixture_add(dir, &d, n) == DIRECTORY_ADDED);
	}
	CHECK_INT(directory_deadline(dir, &now), now.mono_ns + 10 * NS_PER_S);
	version = directory_version(dir);
	now = fixture_later(now, 10 * NS_PER_S - 1);
	CHECK_INT(directory_expire(dir, &now), 0);
	CHECK_INT(directory_version(dir), version);
	now = fixture_later(now, 1);
	CHECK_INT(directory_deadline(dir, &now), now.mono_ns);
	CHECK_INT(directory_expire(dir, &now), 1);
	CHECK(directory_version(dir) != version);
	CHECK_INT(directory_deadline(dir, &now), now.mono_ns + 10 * NS_PER_S);
	now = fixture_later(now, 45 * NS_PER_S);
	CHECK_INT(directory_expire(dir, &now), 4);
	CHECK_INT(directory_count(dir), 5);
	now = fixture_later(now, 1000 * NS_PER_S);
	CHECK_INT(directory_expire(dir, &now), 5);
	CHECK_INT(directory_deadline(dir, &now), NEVER);
	CHECK_INT(directory_stats(dir)->expired, 10);
	directory_free(dir);
}

/* After random additions, replacements and expiries: iteration shows each node once, in order of
 * change, and "since" shows just what came after. */
static void test_changes(void)
{
	enum {
		NODES = 40,
		STEPS = 3000
	};
	struct directory *dir = fixture_directory(0);
	struct rng rng = rng_seeded(5);
	struct now now = fixture_now();
	uint64_t sequence[NODES] = {0};

	for (unsigned step = 0; step < STEPS; step++) {
		const unsigned n = (unsigned)rng_below(&rng, NODES);
		struct descriptor d = fixture_descriptor(n);
		const uint64_t since = directory_last_change(dir);
		const uint64_t version = directory_version(dir);
		const struct descriptor *found;
		uint64_t change = since;

		d.sequence = 100 + ++sequence[n];
		NEED(fixture_add(dir, &d, n) <= DIRECTORY_NEWER);
		CHECK(directory_version(dir) != version);
		found = directory_next(dir, &change);
		NEED(found != NULL);
		CHECK(found->sequence == d.sequence && strcmp(found->name, d.name) == 0);
		CHECK_INT(change, directory_last_change(dir));
		CHECK(directory_next(dir, &change) == NULL);
	}
	uint64_t change = 0, before = 0;
	unsigned seen = 0;
	const struct descriptor *d;

	while ((d = directory_next(dir, &change)) != NULL) {
		CHECK(change > before);
		before = change;
		CHECK_INT(d->sequence, 100 + sequence[atoi(d->name + 5)]);
		seen++;
	}
	CHECK_INT(seen, NODES);
	CHECK_INT(directory_count(dir), NODES);
	now = fixture_later(now, 100000 * NS_PER_S);
	CHECK_INT(directory_expire(dir, &now), NODES);
	change = 0;
	CHECK(directory_next(dir, &change) == NULL);
	CHECK_INT(directory_last_change(dir), STEPS);
	rng_seeded_free(&rng);
	directory_free(dir);
}

static void test_epochs_differ(void)
{
	struct directory *a = fixture_directory(0), *b = fixture_directory(0);

	CHECK(directory_epoch(a) != directory_epoch(b));
	CHECK(directory_epoch(a) != 0);
	directory_free(a);
	directory_free(b);
}

/* An extension's bytes are kept with the entry, not borrowed from the caller. */
static void test_tail_is_kept(void)
{
	static const uint8_t tail[] = {2, 3, 0, 'a', 'b', 'c'};
	struct directory *dir = fixture_directory(0);
	struct descriptor d = fixture_descriptor(1);
	const struct descriptor *found;
	uint64_t change = 0;

	d.tail = tail;
	d.tail_len = sizeof(tail);
	NEED(fixture_add(dir, &d, 1) == DIRECTORY_ADDED);
	found = directory_next(dir, &change);
	NEED(found != NULL && found->tail_len == sizeof(tail));
	CHECK_MEM(found->tail, tail, sizeof(tail));
	directory_free(dir);
}

int main(void)
{
	RUN(test_results);
	RUN(test_equivocation);
	RUN(test_forgeries);
	RUN(test_lookups_and_raw);
	RUN(test_shared_link_key);
	RUN(test_expiry);
	RUN(test_changes);
	RUN(test_epochs_differ);
	RUN(test_tail_is_kept);
	return test_done();
}
