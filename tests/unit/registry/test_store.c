/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "registry/store.h"

#include <errno.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include "registry/registrar.h"
#include "tests/lib/test.h"
#include "tests/unit/registry/fixture.h"

static char folder[] = "/tmp/test-registry-XXXXXX";
static char path[128], key_path[128], error[REGISTRY_STORE_ERROR_MAX];
static struct registrar registrar;

static struct registry_store *store(bool creates)
{
	struct registry_store *s = NULL;
	const struct registry_store_params p = {
	    .path = path, .mesh = registrar.key, .creates = creates, .wait_ms = 100};

	if (registry_store_open(&s, &p, error) != 0) {
		printf("# %s\n", error);
		abort();
	}
	return s;
}

static struct registry *fresh(void)
{
	const struct registry_backend b = local_backend(registrar.key);

	return registry_create(&b, &rng_system);
}

struct wanted {
	struct registry_event ev;
	enum registry_result result;
};

static int append(void *ctx, struct registry *reg)
{
	struct wanted *w = ctx;

	w->result = registrar_append(&registrar, reg, &w->ev, FIXTURE_WALL_S);
	return w->result == REGISTRY_OK ? 0 : -EINVAL;
}

static int add(struct registry_store *s, struct registry *reg, uint32_t slot, uint8_t key)
{
	struct wanted w = {.ev = fixture_event(REGISTRY_ADD, slot, key)};

	return registry_store_change(s, reg, append, &w, FIXTURE_WALL_S, error);
}

static void start(void)
{
	unlink(path);
	registrar_generate(&registrar, &rng_system);
}

static void sql(const char *text)
{
	sqlite3 *db;

	CHECK_INT(sqlite3_open(path, &db), SQLITE_OK);
	CHECK_INT(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

static void test_what_is_written_is_read(void)
{
	struct registry_store *s;
	struct registry *reg, *again;
	size_t len;

	start();
	s = store(true);
	reg = fresh();
	CHECK_INT(registry_store_load(s, reg, FIXTURE_WALL_S, error), 0);
	CHECK(registry_head_bytes(reg, &len) == NULL);
	CHECK_INT(add(s, reg, 0, 1), 0);
	CHECK_INT(add(s, reg, 1, 2), 0);
	registry_store_close(s);
	s = store(false);
	again = fresh();
	CHECK_INT(registry_store_load(s, again, FIXTURE_WALL_S, error), 0);
	CHECK_INT(registry_members(again), 2);
	CHECK_MEM(registry_head(again), registry_head(reg), sizeof(struct registry_head));
	CHECK_MEM(registry_store_mesh(s), registrar.key, REGISTRY_MESH_LEN);
	registry_free(reg);
	registry_free(again);
	registry_store_close(s);
}

static void test_refused_change_leaves_the_file(void)
{
	struct registry_store *s;
	struct registry *reg, *again;

	start();
	s = store(true);
	reg = fresh();
	again = fresh();
	CHECK_INT(add(s, reg, 0, 1), 0);
	CHECK_INT(add(s, reg, 0, 2), -EINVAL);
	CHECK_INT(add(s, reg, 1, 1), -EINVAL);
	CHECK_INT(registry_store_load(s, again, FIXTURE_WALL_S, error), 0);
	CHECK_INT(registry_members(again), 1);
	CHECK_INT(registry_head(again)->events, 1);
	registry_free(reg);
	registry_free(again);
	registry_store_close(s);
}

/* The registrar's command and the daemon beside it. */
static void test_two_writers(void)
{
	struct registry_store *a, *b;
	struct registry *at_a = NULL, *at_b = NULL;

	start();
	a = store(true);
	b = store(true);
	at_a = fresh();
	at_b = fresh();
	CHECK_INT(registry_store_load(b, at_b, FIXTURE_WALL_S, error), 0);
	CHECK(!registry_store_has_changed(b));
	CHECK_INT(add(a, at_a, 0, 1), 0);
	CHECK(registry_store_has_changed(b));
	CHECK_INT(registry_store_load(b, at_b, FIXTURE_WALL_S, error), 0);
	CHECK(!registry_store_has_changed(b));
	CHECK_INT(registry_members(at_b), 1);
	CHECK_INT(add(a, at_a, 1, 2), 0);
	CHECK_INT(add(b, at_b, 2, 3), 0); /* takes in the other's first */
	CHECK_INT(registry_members(at_b), 3);
	CHECK_INT(registry_store_load(a, at_a, FIXTURE_WALL_S, error), 0);
	CHECK_INT(registry_members(at_a), 3);
	registry_free(at_a);
	registry_free(at_b);
	registry_store_close(a);
	registry_store_close(b);
}

static void test_locked(void)
{
	struct registry_store *s;
	struct registry *reg;
	sqlite3 *other;

	start();
	s = store(true);
	reg = fresh();
	NEED(sqlite3_open(path, &other) == SQLITE_OK);
	NEED(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL) == SQLITE_OK);
	CHECK_INT(add(s, reg, 0, 1), -EBUSY);
	CHECK(strstr(error, "locked") != NULL);
	sqlite3_close(other);
	CHECK_INT(add(s, reg, 0, 1), 0);
	registry_free(reg);
	registry_store_close(s);
}

static void spoil(const char *statement, const char *expected)
{
	struct registry_store *s;
	struct registry *reg;

	start();
	s = store(true);
	reg = fresh();
	CHECK_INT(add(s, reg, 0, 1), 0);
	CHECK_INT(add(s, reg, 1, 2), 0);
	registry_free(reg);
	sql(statement);
	reg = fresh();
	CHECK_INT(registry_store_load(s, reg, FIXTURE_WALL_S, error), -EBADMSG);
	CHECK_INT(registry_slots(reg), 0);
	if (strstr(error, expected) == NULL || strstr(error, path) == NULL) {
		printf("# %s: %s lacks %s\n", statement, error, expected);
		test_current_failed = 1;
	}
	registry_free(reg);
	registry_store_close(s);
}

static void test_damage_is_named(void)
{
	spoil("UPDATE events SET bytes = x'00' WHERE number = 1", "event 1");
	spoil("UPDATE events SET bytes = x'' WHERE number = 1", "truncated");
	spoil("DELETE FROM events WHERE number = 1", "truncated");
	spoil("DELETE FROM events WHERE number = 0", "truncated");
	spoil("UPDATE events SET bytes = CAST(bytes || x'00' AS BLOB) WHERE number = 1",
	      "malformed");
	spoil("UPDATE events SET number = 7 WHERE number = 0", "broken_chain");
	spoil("UPDATE mesh SET head = zeroblob(113)", "unknown_version");
	spoil("UPDATE mesh SET head = CAST(x'01' || zeroblob(112) AS BLOB)", "bad_signature");
	spoil("UPDATE mesh SET head = x'01'", "malformed");
	spoil("UPDATE mesh SET head = x''", "its head is damaged");
	spoil("UPDATE mesh SET head = zeroblob(129)", "its head is damaged");
}

static void refuse(bool creates, int err, const char *expected)
{
	struct registry_store *s = NULL;
	const struct registry_store_params p = {
	    .path = path, .mesh = registrar.key, .creates = creates};

	CHECK_INT(registry_store_open(&s, &p, error), err);
	CHECK(s == NULL);
	if (strstr(error, expected) == NULL) {
		printf("# %s lacks %s\n", error, expected);
		test_current_failed = 1;
	}
}

static void test_other_files(void)
{
	FILE *f;

	start();
	refuse(false, -ENOENT, "No such file");
	sql("CREATE TABLE t (x)");
	refuse(false, -EBADMSG, "not a registry");
	refuse(true, -EBADMSG, "not a registry");
	start();
	f = fopen(path, "w");
	NEED(f != NULL);
	for (int i = 0; i < 1000; i++)
		fputs("text ", f);
	fclose(f);
	refuse(true, -EBADMSG, "not a database");
	start();
	registry_store_close(store(true));
	registrar.key[0] ^= 1;
	refuse(true, -EBADMSG, "another mesh");
	registrar.key[0] ^= 1;
	sql("PRAGMA user_version = 1");
	refuse(true, -EBADMSG, "another version");
}

static void test_registrar_file(void)
{
	struct registrar back;
	struct stat st;

	start();
	unlink(key_path);
	CHECK_INT(registrar_load(&back, key_path, error), -ENOENT);
	CHECK_INT(registrar_save(&registrar, key_path, error), 0);
	NEED(stat(key_path, &st) == 0);
	CHECK_INT(st.st_mode & 0777, 0600);
	CHECK_INT(registrar_load(&back, key_path, error), 0);
	CHECK_MEM(&back, &registrar, sizeof(back));
	CHECK_INT(registrar_save(&registrar, key_path, error), -EEXIST);
	NEED(chmod(key_path, 0640) == 0);
	CHECK_INT(registrar_load(&back, key_path, error), -EPERM);
	CHECK(strstr(error, "registrar key") != NULL && strstr(error, "chmod 600") != NULL);
}

/* A head is renewed without an event, also by a clock that went back. */
static void test_renewal(void)
{
	struct registry *reg;

	start();
	reg = fresh();
	CHECK_INT(registrar_append(&registrar, reg, NULL, FIXTURE_WALL_S), REGISTRY_OK);
	CHECK_INT(registrar_append(&registrar, reg, NULL, FIXTURE_WALL_S + 50), REGISTRY_OK);
	CHECK_INT(registrar_append(&registrar, reg, NULL, FIXTURE_WALL_S), REGISTRY_KNOWN);
	CHECK_INT(registry_head(reg)->time_s, FIXTURE_WALL_S + 50);
	CHECK_INT(registry_head(reg)->events, 0);
	registry_free(reg);
}

int main(void)
{
	if (sodium_init() < 0 || mkdtemp(folder) == NULL)
		return EXIT_FAILURE;
	snprintf(path, sizeof(path), "%s/registry.db", folder);
	snprintf(key_path, sizeof(key_path), "%s/registrar.key", folder);
	RUN(test_what_is_written_is_read);
	RUN(test_refused_change_leaves_the_file);
	RUN(test_two_writers);
	RUN(test_locked);
	RUN(test_damage_is_named);
	RUN(test_other_files);
	RUN(test_registrar_file);
	RUN(test_renewal);
	unlink(path);
	unlink(key_path);
	rmdir(folder);
	return test_done();
}
