/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The registry's log as it travels with the directory: from mirrors, honest and others. */
#include "mesh/dirsync.h"

#include <sodium.h>

#include "mesh/membership.h"
#include "registry/registrar.h"
#include "tests/lib/test.h"
#include "tests/unit/mesh/fixture.h"
#include "util/xalloc.h"

enum {
	SIDES_MAX = 3, /* 0 asks, the others are mirrors */
};

struct side {
	struct registry *registry;
	struct directory *dir;
	struct dirsync *ds;
	void (*tampers)(struct sync_msg *m); /* with what it sends */
	struct dirsync_event last;
	unsigned ended;
};

static struct side sides[SIDES_MAX];
static unsigned count;
static struct registrar registrar;
static struct now now;
static struct rng rng;

static void start(unsigned n)
{
	rng = rng_seeded(1);
	now = fixture_now();
	registrar_generate(&registrar, &rng);
	count = n;
	for (unsigned i = 0; i < n; i++) {
		const struct registry_backend b = local_backend(registrar.key);
		struct side *s = &sides[i];

		*s = (struct side){.registry = registry_create(&b, &rng_system)};
		s->dir = directory_create(&(struct directory_params){
		    .rng = &rng, .members = membership_members(s->registry)});
		s->ds = dirsync_create(&(struct dirsync_params){
		    .dir = s->dir, .registry = s->registry, .rng = &rng, .is_node = i > 0});
	}
}

static void stop(void)
{
	for (unsigned i = 0; i < count; i++) {
		dirsync_free(sides[i].ds);
		directory_free(sides[i].dir);
		registry_free(sides[i].registry);
	}
	rng_seeded_free(&rng);
}

/* The registrar's word, at this mirror. */
static void append(unsigned side, enum registry_event_type type, uint32_t slot, unsigned node)
{
	struct registry_event ev = {.type = type, .slot = slot};
	const struct descriptor d = fixture_descriptor(node);
	struct identity id;

	fixture_identity(&id, node);
	memcpy(ev.record.key, id.id, sizeof(ev.record.key));
	if (type == REGISTRY_ADD || type == REGISTRY_ROTATE)
		ev.fields = REGISTRY_HAS_KEY;
	if (type == REGISTRY_ADD)
		ev.fields |= REGISTRY_HAS_OPERATOR | REGISTRY_HAS_ROLES;
	if (type == REGISTRY_CHANGE)
		ev.fields = REGISTRY_HAS_ROLES;
	memcpy(ev.record.operator_tag, d.operator_tag, sizeof(ev.record.operator_tag));
	ev.record.roles = type == REGISTRY_CHANGE ? ROLE_ENTRY : ROLE_ALL;
	CHECK_INT(registrar_append(&registrar, sides[side].registry, &ev, FIXTURE_WALL_S),
		  REGISTRY_OK);
}

static void learn(unsigned side, unsigned node, uint32_t slot)
{
	struct descriptor d = fixture_descriptor(node);
	uint8_t bytes[DESCRIPTOR_MAX];
	size_t len;

	d.slot = slot;
	memcpy(d.operator_tag, fixture_descriptor(slot).operator_tag, sizeof(d.operator_tag));
	len = fixture_sign(&d, node, bytes);
	CHECK_INT(directory_add(sides[side].dir, bytes, len, &now, NULL), DIRECTORY_ADDED);
}

/* Members 0 .. n-1 in as many slots, with their descriptors. */
static void fill(unsigned side, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		append(side, REGISTRY_ADD, i, i);
	for (unsigned i = 0; i < n; i++)
		learn(side, i, i);
}

static void deliver(unsigned from, const struct sync_out *out)
{
	const unsigned to = from == 0 ? (unsigned)out->peer : 0;
	uint8_t body[CELL_BODY_LEN];
	struct sync_msg m;

	memcpy(body, out->body, sizeof(body));
	if (sides[from].tampers != NULL && sync_decode(&m, out->body) == 0) {
		sides[from].tampers(&m);
		sync_encode(&m, body);
	}
	(void)dirsync_recv(sides[to].ds, from == 0 ? 1 : from, true, body, &now);
}

/* A turn each, until nobody has anything to say. */
static void run(void)
{
	for (unsigned turn = 0; turn < 2000; turn++) {
		struct sync_out out;

		for (unsigned i = 0; i < count; i++) {
			struct dirsync_event ev;

			if (dirsync_next_out(sides[i].ds, &out, &now))
				deliver(i, &out);
			while (dirsync_next_event(sides[i].ds, &ev))
				if (ev.type == DIRSYNC_PULLED) {
					sides[i].last = ev;
					sides[i].ended++;
				}
		}
		now = fixture_later(now, NS_PER_MS);
		for (unsigned i = 0; i < count; i++)
			dirsync_tick(sides[i].ds, &now);
	}
}

static void pull(unsigned mirror)
{
	sides[0].ended = 0;
	CHECK_INT(dirsync_pull(sides[0].ds, mirror, &now), 0);
	run();
	CHECK_INT(sides[0].ended, 1);
}

static void check_pulled(enum pull_verdict verdict, enum registry_result result, uint32_t members,
			 size_t known)
{
	CHECK_INT(sides[0].last.verdict, verdict);
	CHECK_INT(sides[0].last.result.registry, result);
	CHECK_INT(registry_members(sides[0].registry), members);
	CHECK_INT(directory_count(sides[0].dir), known);
}

static void test_log_comes_first(void)
{
	start(2);
	fill(1, 100);
	pull(1);
	check_pulled(PULL_DONE, REGISTRY_OK, 100, 100);
	CHECK_INT(sides[0].last.result.events, 100);
	CHECK_INT(sides[0].last.result.refused, 0); /* nobody was taken for a stranger */
	pull(1);
	check_pulled(PULL_DONE, REGISTRY_OK, 100, 100);
	CHECK_INT(sides[0].last.result.events, 0);
	stop();
}

/* Two mirrors at once: the one whose log is not needed any more has not lied. */
static void test_two_at_once(void)
{
	start(3);
	fill(1, 100);
	fill(2, 0);
	dirsync_free(sides[2].ds); /* the same, at another mirror */
	directory_free(sides[2].dir);
	registry_free(sides[2].registry);
	sides[2] = sides[1];
	sides[2].ds = dirsync_create(&(struct dirsync_params){
	    .dir = sides[1].dir, .registry = sides[1].registry, .rng = &rng, .is_node = true});
	CHECK_INT(dirsync_pull(sides[0].ds, 1, &now), 0);
	CHECK_INT(dirsync_pull(sides[0].ds, 2, &now), 0);
	run();
	CHECK_INT(sides[0].ended, 2);
	CHECK_INT(dirsync_stats(sides[0].ds).mirrors_lied, 0);
	CHECK_INT(dirsync_stats(sides[0].ds).pulls_done, 2);
	CHECK_INT(registry_members(sides[0].registry), 100);
	CHECK_INT(directory_count(sides[0].dir), 100);
	dirsync_free(sides[2].ds);
	count = 2;
	stop();
}

/* Whoever is removed, gets another key or may be less than it says is forgotten at once. */
static void test_members_go(void)
{
	struct identity id;

	start(2);
	fill(1, 20);
	pull(1);
	check_pulled(PULL_DONE, REGISTRY_OK, 20, 20);
	append(1, REGISTRY_REMOVE, 3, 3);
	append(1, REGISTRY_ROTATE, 4, 50);
	append(1, REGISTRY_CHANGE, 5, 5);
	pull(1);
	check_pulled(PULL_DONE, REGISTRY_OK, 19, 17);
	for (unsigned n = 3; n <= 5; n++) {
		fixture_identity(&id, n);
		CHECK(directory_by_id(sides[0].dir, id.id) == NULL);
		CHECK(directory_by_id(sides[1].dir, id.id) == NULL); /* by its own subscription */
	}
	learn(1, 50, 4); /* the slot's new key */
	pull(1);
	check_pulled(PULL_DONE, REGISTRY_OK, 19, 18);
	stop();
}

/* ---- mirrors that lie ---- */

static void spoil_events(struct sync_msg *m)
{
	static uint8_t stream[SYNC_STREAM_LEN];

	if (m->type != SYNC_DATA)
		return;
	memcpy(stream, m->stream, sizeof(stream));
	stream[40] ^= 1; /* within a key */
	m->stream = stream;
}

static void spoil_head(struct sync_msg *m)
{
	static uint8_t head[SYNC_HEAD_MAX];

	if (m->type != SYNC_COUNTS || m->head_len == 0)
		return;
	memcpy(head, m->head, m->head_len);
	head[m->head_len - 1] ^= 1;
	m->head = head;
}

static void end_early(struct sync_msg *m)
{
	static const uint8_t nothing[SYNC_STREAM_LEN];

	if (m->type != SYNC_DATA)
		return;
	m->flags = SYNC_LAST | SYNC_WHOLE;
	m->stream = nothing;
}

static void junk_events(struct sync_msg *m)
{
	static uint8_t stream[SYNC_STREAM_LEN];

	if (m->type != SYNC_DATA)
		return;
	memset(stream, 0x5a, sizeof(stream));
	put_le16(stream, 200);
	m->stream = stream;
}

static void test_liars(void)
{
	static const struct {
		void (*tampers)(struct sync_msg *m);
		enum registry_result result;
	} cases[] = {
	    {spoil_events, REGISTRY_BROKEN_CHAIN},
	    {spoil_head, REGISTRY_SIGNATURE},
	    {end_early, REGISTRY_TRUNCATED},
	    {junk_events, REGISTRY_MALFORMED},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		start(2);
		fill(1, 40);
		sides[1].tampers = cases[i].tampers;
		pull(1);
		check_pulled(PULL_LIED, cases[i].result, 0, 0);
		CHECK_INT(dirsync_stats(sides[0].ds).mirrors_lied, 1);
		sides[1].tampers = NULL; /* nothing of it is left: an honest one is believed */
		pull(1);
		check_pulled(PULL_DONE, REGISTRY_OK, 40, 40);
		stop();
	}
}

/* What can be no lie: a mirror of another history, behind us, or with a clock ahead of ours. */
static void test_honest_differences(void)
{
	start(2);
	fill(1, 5);
	append(0, REGISTRY_ADD, 0, 9); /* the registrar signed both */
	append(0, REGISTRY_ADD, 1, 8);
	for (unsigned i = 2; i < 5; i++)
		append(0, REGISTRY_ADD, i, i);
	pull(1);
	check_pulled(PULL_DONE, REGISTRY_FORK, 5, 3);
	stop();
	start(2);
	fill(1, 5);
	for (unsigned i = 0; i < 7; i++)
		append(0, REGISTRY_ADD, i, i);
	pull(1);
	check_pulled(PULL_DONE, REGISTRY_OK, 7, 5); /* stale: nothing wrong with that */
	stop();
	start(2);
	fill(1, 5);
	now.wall_ns -= (REGISTRY_SKEW_S + 1) * NS_PER_S;
	pull(1);
	CHECK_INT(sides[0].last.result.registry, REGISTRY_FUTURE);
	CHECK_INT(registry_members(sides[0].registry), 0);
	stop();
}

/* A back-end that has not seen the mirror's head yet takes no log, and does not call it a liar. */
static enum registry_result not_yet(const struct registry_backend *b, const uint8_t *bytes,
				    size_t len, struct registry_head *head)
{
	(void)b;
	(void)bytes;
	(void)len;
	(void)head;
	return REGISTRY_UNPROVEN;
}

static void test_other_backend(void)
{
	struct registry_backend b;

	start(2);
	fill(1, 5);
	b = local_backend(registrar.key);
	b.open_head = not_yet;
	dirsync_free(sides[0].ds);
	directory_free(sides[0].dir);
	registry_free(sides[0].registry);
	sides[0].registry = registry_create(&b, &rng_system);
	sides[0].dir = directory_create(&(struct directory_params){
	    .rng = &rng, .members = membership_members(sides[0].registry)});
	sides[0].ds = dirsync_create(&(struct dirsync_params){
	    .dir = sides[0].dir, .registry = sides[0].registry, .rng = &rng});
	pull(1);
	check_pulled(PULL_DONE, REGISTRY_UNPROVEN, 0, 0);
	CHECK_INT(dirsync_stats(sides[0].ds).mirrors_lied, 0);
	stop();
}

int main(void)
{
	if (sodium_init() < 0)
		return EXIT_FAILURE;
	RUN(test_log_comes_first);
	RUN(test_two_at_once);
	RUN(test_members_go);
	RUN(test_liars);
	RUN(test_honest_differences);
	RUN(test_other_backend);
	return test_done();
}
