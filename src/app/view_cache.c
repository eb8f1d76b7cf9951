/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "app/view_cache.h"

#include "util/log.h"
#include "util/xalloc.h"

#include <pthread.h>
#include <sodium.h>
#include <sqlite3.h>
#include <stdio.h>
#include <unistd.h>

#define SAVE_GAP_NS (60 * NS_PER_S)

/* A copy of a directory: {length u16, bytes} back to back; and what evidence it has. */
struct snapshot {
	uint8_t *bytes;
	size_t len;
	struct directory_evidence *evidence;
	size_t evidence_count;
};

struct view_cache {
	char *path;
	bool is_usable;
	uint64_t saved_version, saved_evidence, save_due_ns; /* worker's */
	pthread_t thread;
	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t changed;
	struct snapshot waiting;
	bool has_waiting, should_stop;
};

static const char schema[] =
    "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
    "CREATE TABLE IF NOT EXISTS nodes (id BLOB PRIMARY KEY, bytes BLOB NOT "
    "NULL) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS meta (hash BLOB NOT NULL);"
    "CREATE TABLE IF NOT EXISTS equivocations (id BLOB NOT NULL, sequence INTEGER NOT NULL,"
    " seen INTEGER NOT NULL, first BLOB NOT NULL, second BLOB NOT NULL,"
    " PRIMARY KEY (id, sequence));";

/* ---- the file ---- */

static sqlite3 *open_file(const char *path)
{
	sqlite3 *db = NULL;

	if (sqlite3_open(path, &db) == SQLITE_OK &&
	    sqlite3_exec(db, schema, NULL, NULL, NULL) == SQLITE_OK)
		return db;
	log_warn("%s: %s; it begins anew, without the nodes it had", path,
		 db != NULL ? sqlite3_errmsg(db) : "no memory");
	sqlite3_close(db);
	return NULL;
}

static void remove_file(const char *path)
{
	static const char *const ends[] = {"", "-wal", "-shm"};

	for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
		char *name = xasprintf("%s%s", path, ends[i]);

		unlink(name);
		free(name);
	}
}

static sqlite3 *open_or_renew(const char *path)
{
	sqlite3 *db = open_file(path);

	if (db != NULL)
		return db;
	remove_file(path);
	return open_file(path);
}

static void hash_row(crypto_generichash_state *state, const void *bytes, size_t len)
{
	uint8_t prefix[2];

	put_le16(prefix, (uint16_t)len);
	crypto_generichash_update(state, prefix, sizeof(prefix));
	crypto_generichash_update(state, bytes, len);
}

static bool write_row(sqlite3_stmt *insert, const uint8_t *bytes, size_t len)
{
	struct descriptor d;

	if (descriptor_decode(&d, bytes, len) != DESCRIPTOR_OK)
		return false;
	sqlite3_reset(insert);
	sqlite3_bind_blob(insert, 1, d.id, NODE_ID_LEN, SQLITE_TRANSIENT);
	sqlite3_bind_blob(insert, 2, bytes, (int)len, SQLITE_STATIC);
	return sqlite3_step(insert) == SQLITE_DONE;
}

/* What there was stays, also what the directory has no room for any more. */
static bool write_evidence(sqlite3 *db, const struct snapshot *s)
{
	sqlite3_stmt *insert = NULL;
	bool is_good =
	    sqlite3_prepare_v2(db, "INSERT OR IGNORE INTO equivocations VALUES (?, ?, ?, ?, ?)", -1,
			       &insert, NULL) == SQLITE_OK;

	for (size_t i = 0; is_good && i < s->evidence_count; i++) {
		const struct directory_evidence *e = &s->evidence[i];

		sqlite3_reset(insert);
		sqlite3_bind_blob(insert, 1, e->id, NODE_ID_LEN, SQLITE_STATIC);
		sqlite3_bind_int64(insert, 2, (int64_t)e->sequence);
		sqlite3_bind_int64(insert, 3, (int64_t)e->seen_s);
		sqlite3_bind_blob(insert, 4, e->bytes[0], e->len[0], SQLITE_STATIC);
		sqlite3_bind_blob(insert, 5, e->bytes[1], e->len[1], SQLITE_STATIC);
		is_good = sqlite3_step(insert) == SQLITE_DONE;
	}
	sqlite3_finalize(insert);
	return is_good;
}

/* The snapshot is in the order of ids, as the table will be. */
static bool write_all(sqlite3 *db, const struct snapshot *s)
{
	sqlite3_stmt *insert = NULL, *meta = NULL;
	crypto_generichash_state state;
	uint8_t hash[TREE_DIGEST_LEN];
	bool is_good;

	crypto_generichash_init(&state, NULL, 0, sizeof(hash));
	is_good =
	    sqlite3_exec(db, "BEGIN IMMEDIATE; DELETE FROM nodes; DELETE FROM meta;", NULL, NULL,
			 NULL) == SQLITE_OK &&
	    sqlite3_prepare_v2(db, "INSERT INTO nodes VALUES (?, ?)", -1, &insert, NULL) ==
		SQLITE_OK &&
	    sqlite3_prepare_v2(db, "INSERT INTO meta VALUES (?)", -1, &meta, NULL) == SQLITE_OK;
	for (size_t at = 0; is_good && at < s->len;) {
		const size_t len = get_le16(s->bytes + at);

		is_good = write_row(insert, s->bytes + at + 2, len);
		hash_row(&state, s->bytes + at + 2, len);
		at += 2 + len;
	}
	crypto_generichash_final(&state, hash, sizeof(hash));
	is_good = is_good &&
		  sqlite3_bind_blob(meta, 1, hash, sizeof(hash), SQLITE_STATIC) == SQLITE_OK &&
		  sqlite3_step(meta) == SQLITE_DONE && write_evidence(db, s);
	sqlite3_finalize(insert);
	sqlite3_finalize(meta);
	return sqlite3_exec(db, is_good ? "COMMIT" : "ROLLBACK", NULL, NULL, NULL) == SQLITE_OK &&
	       is_good;
}

static void save(const struct view_cache *vc, const struct snapshot *s)
{
	sqlite3 *db = open_or_renew(vc->path);

	if (db != NULL && !write_all(db, s))
		log_warn("%s: %s; the nodes known now will have to be learnt again", vc->path,
			 sqlite3_errmsg(db));
	sqlite3_close(db);
}

static void snapshot_free(struct snapshot *s)
{
	free(s->bytes);
	free(s->evidence);
}

/* ---- the thread ---- */

static void *run(void *arg)
{
	struct view_cache *vc = arg;

	pthread_mutex_lock(&vc->lock);
	while (vc->has_waiting || !vc->should_stop) {
		struct snapshot s = vc->waiting;

		if (!vc->has_waiting) {
			pthread_cond_wait(&vc->changed, &vc->lock);
			continue;
		}
		vc->has_waiting = false;
		pthread_mutex_unlock(&vc->lock);
		save(vc, &s);
		snapshot_free(&s);
		pthread_mutex_lock(&vc->lock);
	}
	pthread_mutex_unlock(&vc->lock);
	return NULL;
}

struct view_cache *view_cache_open(const char *path)
{
	struct view_cache *vc = xcalloc(1, sizeof(*vc));

	vc->path = xstrdup(path);
	pthread_mutex_init(&vc->lock, NULL);
	pthread_cond_init(&vc->changed, NULL);
	vc->is_usable = pthread_create(&vc->thread, NULL, run, vc) == 0;
	if (!vc->is_usable)
		log_warn("%s: no thread to write it; the nodes known are not kept", path);
	return vc;
}

static void copy_evidence(struct snapshot *s, const struct directory *dir)
{
	const struct directory_evidence *e;

	s->evidence = xcalloc(DIRECTORY_EVIDENCE_MAX, sizeof(*s->evidence));
	while ((e = directory_evidence(dir, (unsigned)s->evidence_count)) != NULL)
		s->evidence[s->evidence_count++] = *e;
}

/* Copies what dir has, for the thread; one that was not written yet is out of date. */
static void hand_over(struct view_cache *vc, const struct directory *dir)
{
	struct snapshot s = {.bytes = xcalloc(directory_count(dir) + 1, 2 + DESCRIPTOR_MAX)};

	copy_evidence(&s, dir);

	for (const struct descriptor *d = directory_next(dir, NULL); d != NULL;
	     d = directory_next(dir, d)) {
		const size_t len = directory_bytes(d, s.bytes + s.len + 2);

		put_le16(s.bytes + s.len, (uint16_t)len);
		s.len += 2 + len;
	}
	pthread_mutex_lock(&vc->lock);
	if (vc->has_waiting)
		snapshot_free(&vc->waiting);
	vc->waiting = s;
	vc->has_waiting = true;
	pthread_cond_signal(&vc->changed);
	pthread_mutex_unlock(&vc->lock);
	vc->saved_version = directory_version(dir);
	vc->saved_evidence = directory_evidence_count(dir);
}

static bool has_news(const struct view_cache *vc, const struct directory *dir)
{
	return vc->is_usable && directory_count(dir) > 0 &&
	       (vc->saved_version != directory_version(dir) ||
		vc->saved_evidence != directory_evidence_count(dir));
}

void view_cache_tick(struct view_cache *vc, const struct directory *dir, const struct now *now)
{
	if (!has_news(vc, dir) || vc->save_due_ns > now->mono_ns)
		return;
	vc->save_due_ns = now->mono_ns + SAVE_GAP_NS;
	hand_over(vc, dir);
}

uint64_t view_cache_deadline(const struct view_cache *vc, const struct directory *dir)
{
	return has_news(vc, dir) ? vc->save_due_ns : NEVER;
}

void view_cache_close(struct view_cache *vc, const struct directory *dir)
{
	if (vc == NULL)
		return;
	if (has_news(vc, dir))
		hand_over(vc, dir);
	if (vc->is_usable) {
		pthread_mutex_lock(&vc->lock);
		vc->should_stop = true;
		pthread_cond_signal(&vc->changed);
		pthread_mutex_unlock(&vc->lock);
		pthread_join(vc->thread, NULL);
	}
	pthread_mutex_destroy(&vc->lock);
	pthread_cond_destroy(&vc->changed);
	free(vc->path);
	free(vc);
}

/* ---- reading ---- */

/* Calls use for each row, in order; false when the file does not hold what was written. */
static bool read_rows(sqlite3 *db, void (*use)(void *ctx, const uint8_t *bytes, size_t len),
		      void *ctx)
{
	sqlite3_stmt *rows = NULL;
	int rc = sqlite3_prepare_v2(db, "SELECT bytes FROM nodes ORDER BY id", -1, &rows, NULL);

	while (rc == SQLITE_OK || rc == SQLITE_ROW) {
		rc = sqlite3_step(rows);
		if (rc == SQLITE_ROW)
			use(ctx, sqlite3_column_blob(rows, 0),
			    (size_t)sqlite3_column_bytes(rows, 0));
	}
	sqlite3_finalize(rows);
	return rc == SQLITE_DONE;
}

static void hash_one(void *ctx, const uint8_t *bytes, size_t len)
{
	hash_row(ctx, bytes, len);
}

static bool is_whole(sqlite3 *db)
{
	sqlite3_stmt *meta = NULL;
	crypto_generichash_state state;
	uint8_t hash[TREE_DIGEST_LEN];
	bool is_same = false;

	crypto_generichash_init(&state, NULL, 0, sizeof(hash));
	if (!read_rows(db, hash_one, &state))
		return false;
	crypto_generichash_final(&state, hash, sizeof(hash));
	if (sqlite3_prepare_v2(db, "SELECT hash FROM meta", -1, &meta, NULL) == SQLITE_OK &&
	    sqlite3_step(meta) == SQLITE_ROW)
		is_same = sqlite3_column_bytes(meta, 0) == sizeof(hash) &&
			  memcmp(sqlite3_column_blob(meta, 0), hash, sizeof(hash)) == 0;
	sqlite3_finalize(meta);
	return is_same;
}

struct loading {
	struct directory *dir;
	struct now now;
};

static void load_one(void *ctx, const uint8_t *bytes, size_t len)
{
	const struct loading *l = ctx;

	(void)directory_restore(l->dir, bytes, len, &l->now);
}

/* The newest, and the last of them first: the directory keeps so many, and shows them so. */
static void load_evidence(sqlite3 *db, struct directory *dir)
{
	static const char query[] =
	    "SELECT * FROM (SELECT id, sequence, seen, first, second FROM equivocations"
	    " ORDER BY seen DESC LIMIT ?) ORDER BY seen";
	sqlite3_stmt *rows = NULL;

	if (sqlite3_prepare_v2(db, query, -1, &rows, NULL) != SQLITE_OK)
		return;
	sqlite3_bind_int(rows, 1, DIRECTORY_EVIDENCE_MAX);
	while (sqlite3_step(rows) == SQLITE_ROW) {
		struct directory_evidence e = {.sequence = (uint64_t)sqlite3_column_int64(rows, 1),
					       .seen_s = (uint64_t)sqlite3_column_int64(rows, 2)};
		bool is_good = sqlite3_column_bytes(rows, 0) == NODE_ID_LEN;

		if (is_good)
			memcpy(e.id, sqlite3_column_blob(rows, 0), NODE_ID_LEN);
		for (int i = 0; is_good && i < 2; i++) {
			const int len = sqlite3_column_bytes(rows, 3 + i);

			is_good = len > 0 && len <= DESCRIPTOR_MAX;
			if (!is_good)
				break;
			memcpy(e.bytes[i], sqlite3_column_blob(rows, 3 + i), (size_t)len);
			e.len[i] = (uint16_t)len;
		}
		if (is_good)
			(void)directory_restore_evidence(dir, &e);
	}
	sqlite3_finalize(rows);
}

size_t view_cache_load(struct view_cache *vc, struct directory *dir, const struct now *now)
{
	const size_t before = directory_count(dir);
	struct loading l = {dir, *now};
	sqlite3 *db;

	if (!vc->is_usable || access(vc->path, F_OK) != 0)
		return 0;
	db = open_or_renew(vc->path);
	if (db == NULL)
		return 0;
	if (is_whole(db))
		read_rows(db, load_one, &l);
	else if (sqlite3_total_changes(db) == 0)
		log_warn("%s is damaged; the nodes it had are not used and will be learnt again",
			 vc->path);
	load_evidence(db, dir);
	sqlite3_close(db);
	vc->saved_version = directory_version(dir);
	vc->saved_evidence = directory_evidence_count(dir);
	return directory_count(dir) - before;
}
