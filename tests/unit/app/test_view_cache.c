/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The directory on disk: what was known is known again, what is damaged is not believed, and a
 * view of many members takes little memory and little time.  An argument says how many.
 */
#include "app/view_cache.h"

#include <malloc.h>
#include <sodium.h>
#include <sqlite3.h>
#include <time.h>
#include <unistd.h>

#include "mesh/membership.h"
#include "registry/registrar.h"
#include "registry/store.h"
#include "tests/lib/test.h"
#include "tests/unit/mesh/fixture.h"
#include "util/xalloc.h"

static char folder[] = "/tmp/test-view-cache-XXXXXX";
static char path[64], registry_path[64];
static unsigned many = 5000;

static void start(void)
{
	unlink(path);
}

/* A run of the daemon that learns what fill gives it. */
static void run(void (*fill)(struct directory *dir))
{
	struct view_cache *vc = view_cache_open(path);
	struct directory *dir = fixture_directory(0);
	const struct now now = fixture_now();

	view_cache_load(vc, dir, &now);
	fill(dir);
	view_cache_close(vc, dir);
	directory_free(dir);
}

static struct directory *reload(void)
{
	struct view_cache *vc = view_cache_open(path);
	struct directory *dir = fixture_directory(0);
	const struct now now = fixture_now();

	CHECK_INT(view_cache_load(vc, dir, &now), directory_count(dir));
	view_cache_close(vc, dir);
	return dir;
}

static void fill_ten(struct directory *dir)
{
	for (unsigned n = 0; n < 10; n++) {
		struct descriptor d = fixture_descriptor(n);

		d.valid_until_s += 100 * n;
		CHECK_INT(fixture_add(dir, &d, n), DIRECTORY_ADDED);
	}
}

static void test_offline(void)
{
	struct directory *known = fixture_directory(0), *again;

	start();
	fill_ten(known);
	run(fill_ten);
	again = reload();
	CHECK_INT(directory_count(again), 10);
	CHECK_MEM(directory_part_digest(again, (struct tree_part){0}),
		  directory_part_digest(known, (struct tree_part){0}), TREE_DIGEST_LEN);
	directory_free(again);
	directory_free(known);
}

static void test_expired_while_off(void)
{
	struct view_cache *vc;
	struct directory *dir = fixture_directory(0);
	const struct now later = fixture_later(fixture_now(), (3600 + 450) * NS_PER_S);

	start();
	run(fill_ten);
	vc = view_cache_open(path);
	CHECK_INT(view_cache_load(vc, dir, &later), 5);
	view_cache_close(vc, dir);
	directory_free(dir);
}

static void sql(const char *text)
{
	sqlite3 *db;

	NEED(sqlite3_open(path, &db) == SQLITE_OK);
	CHECK_INT(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

/* The signatures were checked before it was written, so that any change has to show. */
static void test_damage(void)
{
	static const char *const damage[] = {
	    "UPDATE nodes SET bytes = CAST(bytes || x'00' AS BLOB)",
	    "DELETE FROM nodes WHERE id = (SELECT max(id) FROM nodes)",
	    "DELETE FROM meta",
	    "UPDATE meta SET hash = zeroblob(16)",
	    "DROP TABLE nodes",
	};

	for (size_t i = 0; i < ARRAY_LEN(damage); i++) {
		struct directory *dir;

		start();
		run(fill_ten);
		sql(damage[i]);
		dir = reload();
		CHECK_INT(directory_count(dir), 0);
		directory_free(dir);
		run(fill_ten); /* and it is written anew */
		dir = reload();
		CHECK_INT(directory_count(dir), 10);
		directory_free(dir);
	}
}

static void test_no_database(void)
{
	struct directory *dir;
	FILE *f;

	start();
	f = fopen(path, "w");
	NEED(f != NULL);
	for (int i = 0; i < 1000; i++)
		fputs("text ", f);
	fclose(f);
	run(fill_ten);
	dir = reload();
	CHECK_INT(directory_count(dir), 10);
	directory_free(dir);
}

/* Node n says two things under each of so many numbers. */
static void equivocate(struct directory *dir, unsigned from, unsigned count)
{
	for (unsigned n = from; n < from + count; n++) {
		struct descriptor d = fixture_descriptor(n);

		CHECK_INT(fixture_add(dir, &d, n), DIRECTORY_ADDED);
		d.load_percent++;
		CHECK_INT(fixture_add(dir, &d, n), DIRECTORY_EQUIVOCATION);
	}
}

static void equivocate_three(struct directory *dir)
{
	equivocate(dir, 20, 3);
}

static void equivocate_many(struct directory *dir)
{
	equivocate(dir, 30, DIRECTORY_EVIDENCE_MAX);
}

static int64_t ask(const char *text)
{
	sqlite3_stmt *st = NULL;
	sqlite3 *db;
	int64_t out = -1;

	if (sqlite3_open(path, &db) == SQLITE_OK &&
	    sqlite3_prepare_v2(db, text, -1, &st, NULL) == SQLITE_OK &&
	    sqlite3_step(st) == SQLITE_ROW)
		out = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	sqlite3_close(db);
	return out;
}

/* Kept for good, shown as far as there is room, and nothing of it believed unverified. */
static void test_evidence(void)
{
	struct directory *dir;
	unsigned shown = 0;

	start();
	run(equivocate_three);
	dir = reload();
	for (; directory_evidence(dir, shown) != NULL; shown++)
		CHECK_INT(directory_evidence(dir, shown)->seen_s, FIXTURE_WALL_S);
	CHECK_INT(shown, 3);
	directory_free(dir);
	run(equivocate_many);
	CHECK_INT(ask("SELECT count(*) FROM equivocations"), 3 + DIRECTORY_EVIDENCE_MAX);
	sql("UPDATE equivocations SET second = first");
	dir = reload();
	CHECK(directory_evidence(dir, 0) == NULL);
	directory_free(dir);
}

/* ---- many ---- */

static struct registrar registrar;

static double cpu_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double heap_mb(void)
{
	const struct mallinfo2 m = mallinfo2();

	return (double)(m.uordblks + m.hblkhd) / 1e6;
}

static void member_identity(struct identity *id, unsigned n)
{
	uint8_t seed[32] = {1};

	put_le32(seed + 1, n);
	crypto_sign_seed_keypair(id->id, id->sign_secret, seed);
	memset(&id->link, 0, sizeof(id->link));
	put_le32(id->link.public, n);
	id->link.public[31] = 1;
}

/* What a member of a large mesh says: an address, eight round trips, onion keys. */
static size_t member_sign(unsigned n, uint8_t out[static DESCRIPTOR_MAX])
{
	static uint8_t rtts[DESCRIPTOR_RTTS_MAX * LINK_RTT_LEN];
	struct descriptor d = fixture_descriptor(n);
	struct identity id;
	size_t len = 0;

	member_identity(&id, n);
	for (unsigned i = 0; i < DESCRIPTOR_RTTS_MAX; i++)
		link_rtt_put(rtts + (size_t)i * LINK_RTT_LEN,
			     &(struct link_rtt){.id = {(uint8_t)(i + 1)}, .rtt_ns = 9 * NS_PER_MS});
	snprintf(d.software, sizeof(d.software), "0.1.0");
	d.addrs[0].ip[12] = (uint8_t)(11 + n / 65536);
	d.addrs[0].ip[13] = (uint8_t)(n / 256);
	d.addrs[0].ip[14] = (uint8_t)n;
	d.slot = n;
	d.rtts = rtts;
	d.rtt_count = DESCRIPTOR_RTTS_MAX;
	if (descriptor_sign(&d, &id, FIXTURE_WALL_S, out, &len) != DESCRIPTOR_OK)
		abort();
	return len;
}

/* The registrar's file, as a daemon would have got it. */
static int add_members(void *ctx, struct registry *reg)
{
	uint8_t *events = xcalloc(many, REGISTRY_EVENT_MAX), head[LOCAL_HEAD_LEN];
	struct registry_head h = *registry_head(reg);
	struct registry_update u = {.head = head, .head_len = sizeof(head), .events = events};
	enum registry_result r;

	(void)ctx;
	for (unsigned n = 0; n < many; n++) {
		struct registry_event ev = {.type = REGISTRY_ADD,
					    .slot = n,
					    .time_s = FIXTURE_WALL_S - 86400,
					    .fields = REGISTRY_HAS_KEY | REGISTRY_HAS_OPERATOR |
						      REGISTRY_HAS_ROLES | REGISTRY_HAS_CONTACT};
		const struct descriptor d = fixture_descriptor(n);
		struct identity id;
		size_t len;

		member_identity(&id, n);
		memcpy(ev.record.key, id.id, sizeof(ev.record.key));
		memcpy(ev.record.operator_tag, d.operator_tag, OPERATOR_LEN);
		memcpy(ev.record.contact.link_key, id.link.public, DH_LEN);
		ev.record.contact.addr = d.addrs[0];
		ev.record.roles = ROLE_ALL;
		len = registry_event_encode(&ev, events + u.events_len);
		registry_hash_add(h.hash, events + u.events_len, len);
		u.events_len += len;
	}
	h.events = many;
	h.time_s = FIXTURE_WALL_S;
	local_head_sign(&h, registrar.secret, head);
	r = registry_apply(reg, &u, FIXTURE_WALL_S, NULL);
	free(events);
	return r == REGISTRY_OK ? 0 : -1;
}

static struct registry_store *registry_file(bool creates)
{
	const struct registry_store_params p = {
	    .path = registry_path, .mesh = registrar.key, .creates = creates};
	char error[REGISTRY_STORE_ERROR_MAX];
	struct registry_store *s = NULL;

	if (registry_store_open(&s, &p, error) != 0)
		abort();
	return s;
}

static struct directory *members_directory(struct registry *reg)
{
	return directory_create(
	    &(struct directory_params){.rng = &rng_system, .members = membership_members(reg)});
}

static void write_many(void)
{
	const struct registry_backend b = local_backend(registrar.key);
	struct registry *reg = registry_create(&b, &rng_system);
	struct registry_store *s = registry_file(true);
	struct directory *dir = members_directory(reg);
	struct view_cache *vc = view_cache_open(path);
	const struct now now = fixture_now();
	char error[REGISTRY_STORE_ERROR_MAX];

	NEED(registry_store_change(s, reg, add_members, NULL, FIXTURE_WALL_S, error) == 0);
	for (unsigned n = 0; n < many; n++) {
		uint8_t bytes[DESCRIPTOR_MAX];
		const size_t len = member_sign(n, bytes);

		if (directory_restore(dir, bytes, len, &now) != DIRECTORY_ADDED)
			abort();
	}
	view_cache_close(vc, dir);
	directory_free(dir);
	registry_store_close(s);
	registry_free(reg);
}

static void test_many(void)
{
	const struct registry_backend b = local_backend(registrar.key);
	const struct now now = fixture_now();
	char error[REGISTRY_STORE_ERROR_MAX];
	double before_mb, registry_mb, view_mb, began_s, load_s;
	struct registry_store *s;
	struct registry *reg;
	struct directory *dir;
	struct view_cache *vc;

	start();
	write_many();
	s = registry_file(false);
	vc = view_cache_open(path);
	before_mb = heap_mb();
	began_s = cpu_s();
	reg = registry_create(&b, &rng_system);
	NEED(registry_store_load(s, reg, FIXTURE_WALL_S, error) == 0);
	registry_mb = heap_mb() - before_mb;
	dir = members_directory(reg);
	CHECK_INT(view_cache_load(vc, dir, &now), many);
	load_s = cpu_s() - began_s;
	view_mb = heap_mb() - before_mb - registry_mb;
	printf("# a view of %u members: %.1f MB of descriptors and %.1f MB of registry; "
	       "from the cache in %.2f s\n",
	       many, view_mb, registry_mb, load_s);
	CHECK(view_mb + registry_mb <= 1 + 99.0 * many / 100000); /* 1: what does not grow */
	CHECK(load_s <= 0.05 + 1.0 * many / 100000);
	view_cache_close(vc, dir);
	directory_free(dir);
	registry_store_close(s);
	registry_free(reg);
}

int main(int argc, char **argv)
{
	if (argc > 1)
		many = (unsigned)atoi(argv[1]);
	if (sodium_init() < 0 || mkdtemp(folder) == NULL)
		return EXIT_FAILURE;
	registrar_generate(&registrar, &rng_system);
	snprintf(path, sizeof(path), "%s/nodes.db", folder);
	snprintf(registry_path, sizeof(registry_path), "%s/registry.db", folder);
	RUN(test_offline);
	RUN(test_expired_while_off);
	RUN(test_damage);
	RUN(test_no_database);
	RUN(test_evidence);
	RUN(test_many);
	unlink(path);
	unlink(registry_path);
	rmdir(folder);
	return test_done();
}
