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

/* Of two descriptors with one sequence everybody keeps the same, in whatever order they came. */
/* Evidence that was written down is taken again, and only if it still is evidence. */
static void check_restored(const struct directory_evidence *e)
{
	struct directory *dir = fixture_directory(0);
	struct directory_evidence spoilt = *e;

	spoilt.bytes[1][spoilt.len[1] - 1] ^= 1;
	CHECK(!directory_restore_evidence(dir, &spoilt));
	spoilt = *e;
	spoilt.sequence++;
	CHECK(!directory_restore_evidence(dir, &spoilt));
	spoilt = *e;
	spoilt.id[0] ^= 1;
	CHECK(!directory_restore_evidence(dir, &spoilt));
	spoilt = *e;
	spoilt.len[0]--;
	CHECK(!directory_restore_evidence(dir, &spoilt));
	spoilt = *e; /* twice the same is no contradiction */
	memcpy(spoilt.bytes[1], spoilt.bytes[0], spoilt.len[0]);
	spoilt.len[1] = spoilt.len[0];
	CHECK(!directory_restore_evidence(dir, &spoilt));
	CHECK(directory_evidence(dir, 0) == NULL);
	CHECK(directory_restore_evidence(dir, e));
	CHECK(directory_restore_evidence(dir, e)); /* known, and not kept twice */
	CHECK_MEM(directory_evidence(dir, 0), e, sizeof(*e));
	CHECK(directory_evidence(dir, 1) == NULL);
	directory_free(dir);
}

static void test_equivocation(void)
{
	struct directory *dir[2] = {fixture_directory(0), fixture_directory(0)};
	struct descriptor d[2] = {fixture_descriptor(1), fixture_descriptor(1)};
	const struct directory_evidence *e;
	const struct descriptor *kept[2];

	d[1].capacity_kbit++;
	for (unsigned i = 0; i < 2; i++) {
		CHECK_INT(fixture_add(dir[i], &d[i], 1), DIRECTORY_ADDED);
		CHECK_INT(fixture_add(dir[i], &d[1 - i], 1), DIRECTORY_EQUIVOCATION);
		CHECK_INT(directory_stats(dir[i])->results[DIRECTORY_EQUIVOCATION], 1);
		CHECK_INT(directory_count(dir[i]), 1);
		kept[i] = directory_next(dir[i], NULL);
		NEED(kept[i] != NULL);
		e = directory_evidence(dir[i], 0);
		NEED(e != NULL);
		CHECK_INT(e->sequence, d[0].sequence);
		CHECK_MEM(e->id, kept[i]->id, NODE_ID_LEN);
		CHECK(e->len[0] > 0 && e->len[0] == e->len[1]);
		CHECK(memcmp(e->bytes[0], e->bytes[1], e->len[0]) != 0);
		CHECK(directory_evidence(dir[i], 1) == NULL);
	}
	CHECK_INT(kept[0]->capacity_kbit, kept[1]->capacity_kbit);
	CHECK_MEM(directory_part_digest(dir[0], (struct tree_part){0}),
		  directory_part_digest(dir[1], (struct tree_part){0}), TREE_DIGEST_LEN);
	/* the loser again and again: refused, and no more evidence */
	for (unsigned i = 0; i < 10; i++)
		CHECK_INT(fixture_add(dir[0], &d[kept[0]->capacity_kbit == d[0].capacity_kbit], 1),
			  DIRECTORY_EQUIVOCATION);
	CHECK(directory_evidence(dir[0], 1) == NULL);
	CHECK_INT(directory_evidence_count(dir[0]), 1);
	check_restored(directory_evidence(dir[0], 0));
	directory_free(dir[0]);
	directory_free(dir[1]);
}

/* A node that changes too often: a few at once, then one each gap. */
static void test_changes_are_rationed(void)
{
	struct directory *dir = fixture_directory(0);
	struct descriptor d = fixture_descriptor(1);
	struct now now = fixture_now();
	uint8_t bytes[DESCRIPTOR_MAX];
	unsigned taken = 0;
	size_t len;

	for (unsigned i = 0; i < 20; i++) {
		d.sequence++;
		taken += fixture_add(dir, &d, 1) == DIRECTORY_NEWER;
	}
	CHECK_INT(taken, DIRECTORY_CHANGES_BURST); /* after the first, an addition */
	CHECK_INT(directory_stats(dir)->results[DIRECTORY_TOO_SOON], 15);
	len = fixture_sign(&d, 1, bytes);
	now = fixture_later(now, 299 * NS_PER_S);
	CHECK_INT(directory_add(dir, bytes, len, &now, NULL), DIRECTORY_TOO_SOON);
	now = fixture_later(now, NS_PER_S);
	CHECK_INT(directory_add(dir, bytes, len, &now, NULL), DIRECTORY_NEWER);
	directory_free(dir);
}

/* A registry in which node n has slot 10 + n, but for those above last. */
struct registry_fake {
	unsigned last;
	uint8_t roles;               /* of each */
	const uint8_t *operator_tag; /* or NULL */
};

static bool find(void *ctx, const uint8_t id[static NODE_ID_LEN], struct directory_member *out)
{
	const struct registry_fake *r = ctx;
	struct identity member;

	for (unsigned n = 0; n <= r->last; n++) {
		fixture_identity(&member, n);
		if (memcmp(member.id, id, NODE_ID_LEN) == 0) {
			*out = (struct directory_member){
			    .slot = 10 + n,
			    .added_s = FIXTURE_WALL_S - 100 * n,
			    .has_operator = r->operator_tag != NULL,
			    .roles = r->roles,
			};
			if (r->operator_tag != NULL)
				memcpy(out->operator_tag, r->operator_tag, OPERATOR_LEN);
			return true;
		}
	}
	return false;
}

static void test_members_only(void)
{
	struct registry_fake registry = {.last = 5, .roles = ROLE_ALL};
	struct directory *dir = directory_create(&(struct directory_params){
	    .rng = &rng_system, .members = {.ctx = &registry, .find = find}});
	uint8_t digest[TREE_DIGEST_LEN];
	struct descriptor d;

	for (unsigned n = 0; n < 10; n++) {
		d = fixture_descriptor(n);
		d.slot = 10 + n;
		CHECK_INT(fixture_add(dir, &d, n), n <= 5 ? DIRECTORY_ADDED : DIRECTORY_STRANGER);
	}
	d = fixture_descriptor(1);
	d.sequence++;
	CHECK_INT(fixture_add(dir, &d, 1), DIRECTORY_WRONG_SLOT); /* none */
	d.slot = 12;
	CHECK_INT(fixture_add(dir, &d, 1), DIRECTORY_WRONG_SLOT);
	CHECK_INT(directory_count(dir), 6);
	directory_set_view(dir, FIXTURE_WALL_S - 150); /* those who were members by then */
	CHECK_INT(directory_view_digest(dir, digest), 4);
	CHECK_INT(directory_recheck(dir), 0);
	registry.last = 3;
	CHECK_INT(directory_recheck(dir), 2);
	CHECK_INT(directory_count(dir), 4);
	directory_free(dir);
}

/* What a member says of itself must be what it was registered as, also after that has changed. */
static void test_as_registered(void)
{
	struct registry_fake registry = {.last = 5, .roles = ROLE_ENTRY | ROLE_RELAY};
	struct directory *dir = directory_create(&(struct directory_params){
	    .rng = &rng_system, .members = {.ctx = &registry, .find = find}});
	struct descriptor d = fixture_descriptor(1);
	uint8_t other[OPERATOR_LEN];
	struct identity id;

	d.slot = 11;
	CHECK_INT(d.roles, ROLE_ALL);
	CHECK_INT(fixture_add(dir, &d, 1), DIRECTORY_WRONG_ROLES);
	registry.roles = ROLE_ALL;
	operator_tag(other, "somebody else");
	registry.operator_tag = other;
	CHECK_INT(fixture_add(dir, &d, 1), DIRECTORY_WRONG_OPERATOR);
	registry.operator_tag = d.operator_tag;
	CHECK_INT(fixture_add(dir, &d, 1), DIRECTORY_ADDED);
	CHECK_INT(directory_recheck(dir), 0);
	registry.operator_tag = other;
	CHECK_INT(directory_recheck(dir), 1);
	registry.operator_tag = NULL;
	CHECK_INT(fixture_add(dir, &d, 1), DIRECTORY_ADDED);
	fixture_identity(&id, 1);
	CHECK(!directory_recheck_one(dir, id.id));
	registry.roles = ROLE_RELAY;
	CHECK(directory_recheck_one(dir, id.id));
	CHECK(!directory_recheck_one(dir, id.id));
	CHECK_INT(directory_count(dir), 0);
	directory_free(dir);
}

/* The view of an epoch is of those that were up before it, whatever else is known. */
static void test_view(void)
{
	struct directory *dir[2] = {fixture_directory(0), fixture_directory(0)};
	uint8_t digest[2][TREE_DIGEST_LEN], all[TREE_DIGEST_LEN];

	for (unsigned n = 0; n < 20; n++) {
		struct descriptor d = fixture_descriptor(n);

		d.since_s = FIXTURE_WALL_S - 1000 + n;
		for (unsigned i = 0; i < 2; i++) {
			d.sequence += n % 3; /* news of a node do not change who is in view */
			if (i == 0 || n < 15)
				NEED(fixture_add(dir[i], &d, n) == DIRECTORY_ADDED);
		}
	}
	CHECK_INT(directory_view_digest(dir[0], all), 20);
	for (unsigned i = 0; i < 2; i++) {
		const uint64_t version = directory_version(dir[i]);

		directory_set_view(dir[i], FIXTURE_WALL_S - 1000 + 10);
		CHECK(directory_version(dir[i]) != version);
		CHECK_INT(directory_view_digest(dir[i], digest[i]), 10);
	}
	CHECK_MEM(digest[0], digest[1], TREE_DIGEST_LEN);
	CHECK(memcmp(digest[0], all, TREE_DIGEST_LEN) != 0);
	directory_free(dir[0]);
	directory_free(dir[1]);
}

/* Signed bytes from our own cache are checked, but for the signature. */
static void test_restore(void)
{
	struct directory *dir = fixture_directory(0);
	const struct descriptor d = fixture_descriptor(1);
	const struct now now = fixture_now(), later = fixture_later(now, 7200 * NS_PER_S);
	uint8_t bytes[DESCRIPTOR_MAX];
	const size_t len = fixture_sign(&d, 1, bytes);

	CHECK_INT(directory_restore(dir, bytes, len, &later), DIRECTORY_INVALID);
	CHECK_INT(directory_restore(dir, bytes, len - 1, &now), DIRECTORY_INVALID);
	CHECK_INT(directory_restore(dir, bytes, len, &now), DIRECTORY_ADDED);
	CHECK_INT(directory_count(dir), 1);
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
		uint8_t kept[DESCRIPTOR_MAX];

		fixture_identity(&id, n);
		found = directory_by_id(dir, id.id);
		NEED(found != NULL);
		CHECK(strcmp(found->name, d.name) == 0);
		CHECK(directory_by_link(dir, id.link.public) == found);
		CHECK_INT(directory_bytes(found, kept), len);
		CHECK_MEM(kept, bytes, len);
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

static int by_id(const void *a, const void *b)
{
	return memcmp(a, b, NODE_ID_LEN);
}

/* After random additions and replacements: iteration shows each node once, in the order of ids, and
 * parts add up. */
static void test_order(void)
{
	enum {
		NODES = 40,
		STEPS = 500
	};
	struct directory *dir =
	    directory_create(&(struct directory_params){.rng = &rng_system, .change_gap_ns = 1});
	struct rng rng = rng_seeded(5);
	struct now now = fixture_now();
	uint8_t ids[NODES][NODE_ID_LEN];
	uint64_t sequence[NODES] = {0};
	const struct descriptor *d = NULL;
	unsigned seen = 0, sum = 0;

	for (unsigned step = 0; step < STEPS; step++) {
		const unsigned n = step < NODES ? step : (unsigned)rng_below(&rng, NODES);
		struct descriptor made = fixture_descriptor(n);
		const uint64_t version = directory_version(dir);
		uint8_t bytes[DESCRIPTOR_MAX];
		size_t len;

		made.sequence = 100 + ++sequence[n];
		len = fixture_sign(&made, n, bytes);
		now.mono_ns += 10;
		NEED(directory_add(dir, bytes, len, &now, NULL) <= DIRECTORY_NEWER);
		CHECK(directory_version(dir) != version);
	}
	for (unsigned n = 0; n < NODES; n++) {
		struct identity id;

		fixture_identity(&id, n);
		memcpy(ids[n], id.id, NODE_ID_LEN);
	}
	CHECK_INT(directory_last_change(dir), STEPS);
	CHECK(directory_since(dir, STEPS) == NULL);
	NEED(directory_since(dir, STEPS - 1) != NULL);
	CHECK(directory_later(dir, directory_since(dir, STEPS - 1)) == NULL);
	for (d = directory_since(dir, 0); d != NULL; d = directory_later(dir, d))
		seen++;
	CHECK_INT(seen, NODES); /* each once, where it changed last */
	seen = 0;
	qsort(ids, NODES, NODE_ID_LEN, by_id);
	while ((d = directory_next(dir, d)) != NULL) {
		NEED(seen < NODES);
		CHECK_MEM(d->id, ids[seen], NODE_ID_LEN);
		CHECK_INT(d->sequence, 100 + sequence[atoi(d->name + 5)]);
		CHECK(directory_random(dir, &rng) != NULL);
		seen++;
	}
	CHECK_INT(seen, NODES);
	for (uint16_t i = 0; i < 8; i++)
		sum += directory_part_count(dir, (struct tree_part){3, i});
	CHECK_INT(sum, NODES);
	now = fixture_later(now, 100000 * NS_PER_S);
	CHECK_INT(directory_expire(dir, &now), NODES);
	CHECK(directory_next(dir, NULL) == NULL);
	CHECK(directory_random(dir, &rng) == NULL);
	rng_seeded_free(&rng);
	directory_free(dir);
}

/* An extension's bytes are kept with the entry, not borrowed from the caller. */
static void test_tail_is_kept(void)
{
	static const uint8_t tail[] = {2, 3, 0, 'a', 'b', 'c'};
	struct directory *dir = fixture_directory(0);
	struct descriptor d = fixture_descriptor(1);
	const struct descriptor *found;
	const uint8_t rtt[LINK_RTT_LEN] = {7, [8] = 1};

	d.rtts = rtt;
	d.rtt_count = 1;
	d.tail = tail;
	d.tail_len = sizeof(tail);
	NEED(fixture_add(dir, &d, 1) == DIRECTORY_ADDED);
	found = directory_next(dir, NULL);
	NEED(found != NULL && found->tail_len == sizeof(tail));
	CHECK(found->rtts != rtt && descriptor_rtt(found, 0).id[0] == 7);
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
	RUN(test_order);
	RUN(test_changes_are_rationed);
	RUN(test_members_only);
	RUN(test_as_registered);
	RUN(test_view);
	RUN(test_restore);
	RUN(test_tail_is_kept);
	return test_done();
}
