/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The loop's thread collects rows into a job; the history's own thread writes it in one
 * transaction.  Between load and close nobody else touches the database.
 */
#include "history/history.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <unistd.h>

#include "util/xalloc.h"

#define SCHEMA_VERSION 1

static const char schema[] =
    "PRAGMA user_version = 1;"
    "CREATE TABLE node (id BLOB PRIMARY KEY, seen_s INTEGER, up_ns INTEGER, down_ns INTEGER,"
    " excess_ns INTEGER, lost_ppm INTEGER, failures INTEGER, level INTEGER)"
    " STRICT, WITHOUT ROWID;"
    "CREATE TABLE link (hop BLOB, next BLOB, seen_s INTEGER, rtt_ns INTEGER,"
    " PRIMARY KEY (hop, next)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE guard (id BLOB PRIMARY KEY, added_s INTEGER, failing_s INTEGER)"
    " STRICT, WITHOUT ROWID;";

static const char save_node[] = "INSERT OR REPLACE INTO node VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
static const char save_link[] = "INSERT OR REPLACE INTO link VALUES (?, ?, ?, ?)";
static const char save_guard[] = "INSERT OR REPLACE INTO guard VALUES (?, ?, ?)";

/* What to write. */
struct job {
	struct book_node *nodes;
	struct book_link *links;
	size_t node_count, link_count;
	struct guard_set guards;
	uint64_t wall_s;
};

struct history {
	sqlite3 *db;
	pthread_t thread;
	pthread_mutex_t lock; /* of all below */
	pthread_cond_t changed;
	bool has_job, is_closing;
	struct job job;
	int error; /* of SQLite, the last; SQLITE_OK: none */
	bool is_error_new;
};

/* ---- statements; columns and parameters are ids and whole numbers ---- */

struct query {
	sqlite3_stmt *stmt;
	int column;
	bool is_bad; /* a value of the row is not what it should be */
};

static int query_begin(struct query *q, sqlite3 *db, const char *sql)
{
	*q = (struct query){0};
	return sqlite3_prepare_v2(db, sql, -1, &q->stmt, NULL);
}

static void put_id(struct query *q, const uint8_t *id)
{
	sqlite3_bind_blob(q->stmt, ++q->column, id, NODE_ID_LEN, SQLITE_STATIC);
}

static void put_number(struct query *q, uint64_t n)
{
	sqlite3_bind_int64(q->stmt, ++q->column, (sqlite3_int64)MIN(n, INT64_MAX));
}

/* Write the row that was put. */
static int query_write(struct query *q)
{
	const int rc = sqlite3_step(q->stmt);

	sqlite3_reset(q->stmt);
	q->column = 0;
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static bool query_read(struct query *q)
{
	q->column = 0;
	q->is_bad = false;
	return sqlite3_step(q->stmt) == SQLITE_ROW;
}

static void get_id(struct query *q, uint8_t id[static NODE_ID_LEN])
{
	const int c = q->column++;

	if (sqlite3_column_type(q->stmt, c) != SQLITE_BLOB ||
	    sqlite3_column_bytes(q->stmt, c) != NODE_ID_LEN)
		q->is_bad = true;
	else
		memcpy(id, sqlite3_column_blob(q->stmt, c), NODE_ID_LEN);
}

/* A negative number, a fraction, text: none of them is a measurement. */
static uint64_t get_number(struct query *q, uint64_t max)
{
	const int c = q->column++;
	sqlite3_int64 n;

	if (sqlite3_column_type(q->stmt, c) != SQLITE_INTEGER) {
		q->is_bad = true;
		return 0;
	}
	n = sqlite3_column_int64(q->stmt, c);
	if (n < 0 || (uint64_t)n > max) {
		q->is_bad = true;
		return 0;
	}
	return (uint64_t)n;
}

/* ---- loading ---- */

static size_t load_nodes(sqlite3 *db, struct book *book, const struct now *now)
{
	size_t refused = 0;
	struct query q;

	if (query_begin(&q, db, "SELECT * FROM node ORDER BY seen_s") != SQLITE_OK)
		return 0;
	while (query_read(&q)) {
		struct book_node n = {0};

		get_id(&q, n.id);
		n.seen_s = get_number(&q, INT64_MAX);
		n.up_ns = get_number(&q, INT64_MAX);
		n.down_ns = get_number(&q, INT64_MAX);
		n.excess_ns = get_number(&q, INT64_MAX);
		n.lost_ppm = (uint32_t)get_number(&q, PPM);
		n.failures = (uint32_t)get_number(&q, UINT32_MAX);
		n.level = (enum health_level)get_number(&q, HEALTH_LEVEL_COUNT - 1);
		refused += q.is_bad || !book_put_node(book, &n, now);
	}
	sqlite3_finalize(q.stmt);
	return refused;
}

static size_t load_links(sqlite3 *db, struct book *book, const struct now *now)
{
	size_t refused = 0;
	struct query q;

	if (query_begin(&q, db, "SELECT * FROM link ORDER BY seen_s") != SQLITE_OK)
		return 0;
	while (query_read(&q)) {
		struct book_link l = {0};

		get_id(&q, l.from);
		get_id(&q, l.to);
		l.seen_s = get_number(&q, INT64_MAX);
		l.rtt_ns = get_number(&q, INT64_MAX);
		refused += q.is_bad || !book_put_link(book, &l, now);
	}
	sqlite3_finalize(q.stmt);
	return refused;
}

static size_t load_guards(sqlite3 *db, struct guard_set *guards, const struct now *now)
{
	size_t refused = 0;
	struct query q;

	if (query_begin(&q, db, "SELECT * FROM guard ORDER BY added_s") != SQLITE_OK)
		return 0;
	while (query_read(&q)) {
		struct guard g = {0};

		get_id(&q, g.id);
		g.added_s = get_number(&q, INT64_MAX);
		g.failing_s = get_number(&q, INT64_MAX);
		refused += q.is_bad || !guard_put(guards, &g, now);
	}
	sqlite3_finalize(q.stmt);
	return refused;
}

size_t history_load(struct history *h, struct book *book, struct guard_set *guards,
		    const struct now *now)
{
	return load_nodes(h->db, book, now) + load_links(h->db, book, now) +
	       load_guards(h->db, guards, now);
}

/* ---- saving: the thread's side ---- */

static int write_nodes(sqlite3 *db, const struct job *j)
{
	struct query q;
	int rc = query_begin(&q, db, save_node);

	for (size_t i = 0; rc == SQLITE_OK && i < j->node_count; i++) {
		const struct book_node *n = &j->nodes[i];

		put_id(&q, n->id);
		put_number(&q, n->seen_s);
		put_number(&q, n->up_ns);
		put_number(&q, n->down_ns);
		put_number(&q, n->excess_ns);
		put_number(&q, n->lost_ppm);
		put_number(&q, n->failures);
		put_number(&q, n->level);
		rc = query_write(&q);
	}
	sqlite3_finalize(q.stmt);
	return rc;
}

static int write_links(sqlite3 *db, const struct job *j)
{
	struct query q;
	int rc = query_begin(&q, db, save_link);

	for (size_t i = 0; rc == SQLITE_OK && i < j->link_count; i++) {
		const struct book_link *l = &j->links[i];

		put_id(&q, l->from);
		put_id(&q, l->to);
		put_number(&q, l->seen_s);
		put_number(&q, l->rtt_ns);
		rc = query_write(&q);
	}
	sqlite3_finalize(q.stmt);
	return rc;
}

static int write_guards(sqlite3 *db, const struct job *j)
{
	struct query q;
	int rc = sqlite3_exec(db, "DELETE FROM guard", NULL, NULL, NULL);

	if (rc != SQLITE_OK)
		return rc;
	rc = query_begin(&q, db, save_guard);
	for (unsigned i = 0; rc == SQLITE_OK && i < j->guards.count; i++) {
		const struct guard *g = &j->guards.guard[i];

		put_id(&q, g->id);
		put_number(&q, g->added_s);
		put_number(&q, g->failing_s);
		rc = query_write(&q);
	}
	sqlite3_finalize(q.stmt);
	return rc;
}

/* What is too old, and all but the newest that the book has room for. */
static int forget(sqlite3 *db, uint64_t wall_s)
{
	char sql[512];
	const unsigned long long oldest_s = wall_s > BOOK_LIFETIME_S ? wall_s - BOOK_LIFETIME_S : 0;

	snprintf(sql, sizeof(sql),
		 "DELETE FROM node WHERE seen_s < %llu OR seen_s <"
		 " (SELECT seen_s FROM node ORDER BY seen_s DESC LIMIT 1 OFFSET %d);"
		 "DELETE FROM link WHERE seen_s < %llu OR seen_s <"
		 " (SELECT seen_s FROM link ORDER BY seen_s DESC LIMIT 1 OFFSET %d);",
		 oldest_s, BOOK_NODES - 1, oldest_s, BOOK_LINKS - 1);
	return sqlite3_exec(db, sql, NULL, NULL, NULL);
}

static int write_job(sqlite3 *db, const struct job *j)
{
	int rc = sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL);

	if (rc == SQLITE_OK)
		rc = write_nodes(db, j);
	if (rc == SQLITE_OK)
		rc = write_links(db, j);
	if (rc == SQLITE_OK)
		rc = write_guards(db, j);
	if (rc == SQLITE_OK)
		rc = forget(db, j->wall_s);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
	if (rc != SQLITE_OK && sqlite3_get_autocommit(db) == 0)
		sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
	return rc;
}

static void *write_jobs(void *arg)
{
	struct history *h = arg;

	pthread_mutex_lock(&h->lock);
	for (;;) {
		int rc;

		while (!h->has_job && !h->is_closing)
			pthread_cond_wait(&h->changed, &h->lock);
		if (!h->has_job)
			break;
		pthread_mutex_unlock(&h->lock); /* has_job: the job is ours alone */
		rc = write_job(h->db, &h->job);
		free(h->job.nodes);
		free(h->job.links);
		h->job = (struct job){0};
		pthread_mutex_lock(&h->lock);
		h->is_error_new |= rc != SQLITE_OK && rc != h->error;
		h->error = rc;
		h->has_job = false;
	}
	pthread_mutex_unlock(&h->lock);
	return NULL;
}

/* ---- saving: the loop's side ---- */

static void collect_nodes(struct job *j, struct book *book)
{
	struct book_node *n;
	size_t dirty = 0;

	for (size_t i = 0; (n = book_next_node(book, &i)) != NULL;)
		dirty += n->is_dirty;
	j->nodes = xcalloc(dirty + 1, sizeof(*j->nodes));
	for (size_t i = 0; (n = book_next_node(book, &i)) != NULL;)
		if (n->is_dirty) {
			n->is_dirty = false;
			j->nodes[j->node_count++] = *n;
		}
}

static void collect_links(struct job *j, struct book *book)
{
	struct book_link *l;
	size_t dirty = 0;

	for (size_t i = 0; (l = book_next_link(book, &i)) != NULL;)
		dirty += l->is_dirty;
	j->links = xcalloc(dirty + 1, sizeof(*j->links));
	for (size_t i = 0; (l = book_next_link(book, &i)) != NULL;)
		if (l->is_dirty) {
			l->is_dirty = false;
			j->links[j->link_count++] = *l;
		}
}

bool history_save(struct history *h, struct book *book, struct guard_set *guards,
		  const struct now *now)
{
	struct job j = {.guards = *guards, .wall_s = now->wall_ns / NS_PER_S};

	pthread_mutex_lock(&h->lock);
	if (h->has_job) {
		pthread_mutex_unlock(&h->lock);
		return false;
	}
	collect_nodes(&j, book);
	collect_links(&j, book);
	guards->is_dirty = false;
	h->job = j;
	h->has_job = true;
	pthread_cond_signal(&h->changed);
	pthread_mutex_unlock(&h->lock);
	return true;
}

bool history_error(struct history *h, char why[static HISTORY_WHY_MAX])
{
	bool is_new;

	pthread_mutex_lock(&h->lock);
	is_new = h->is_error_new;
	h->is_error_new = false;
	if (is_new)
		snprintf(why, HISTORY_WHY_MAX,
			 "what is known of nodes cannot be saved: %s; check the disk of state_dir",
			 sqlite3_errstr(h->error));
	pthread_mutex_unlock(&h->lock);
	return is_new;
}

/* ---- opening ---- */

static int is_sound(void *sound, int columns, char **values, char **names)
{
	(void)names;
	*(bool *)sound = columns == 1 && values[0] != NULL && strcmp(values[0], "ok") == 0;
	return 0;
}

static int keep_version(void *version, int columns, char **values, char **names)
{
	(void)names;
	*(long *)version = columns == 1 && values[0] != NULL ? strtol(values[0], NULL, 10) : -1;
	return 0;
}

/* SQLITE_OK, SQLITE_CORRUPT and its kin (set it aside), or what else keeps us from using it. */
static int open_db(sqlite3 **out, const char *path)
{
	bool sound = false;
	long version = -1;
	sqlite3 *db = NULL;
	int rc = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);

	/* Losing the last minutes in a power cut is nothing; waiting for the disk would be. */
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF", NULL,
				  NULL, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(db, "PRAGMA quick_check(1)", is_sound, &sound, NULL);
	if (rc == SQLITE_OK && !sound)
		rc = SQLITE_CORRUPT;
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(db, "PRAGMA user_version", keep_version, &version, NULL);
	if (rc == SQLITE_OK && version == 0)
		rc = sqlite3_exec(db, schema, NULL, NULL, NULL);
	else if (rc == SQLITE_OK && version != SCHEMA_VERSION)
		rc = SQLITE_MISMATCH; /* a later program's: leave it alone */
	if (rc != SQLITE_OK) {
		sqlite3_close(db);
		return rc;
	}
	*out = db;
	return SQLITE_OK;
}

static int touch(const char *path)
{
	const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

/* A damaged file makes room, with the journals that belong to it. */
static int set_aside(const char *path)
{
	static const char *const journals[] = {"-wal", "-shm"};
	char *to = xasprintf("%s.damaged", path);
	const int rc = rename(path, to) == 0 ? 0 : -errno;

	free(to);
	for (size_t i = 0; i < ARRAY_LEN(journals); i++) {
		char *name = xasprintf("%s%s", path, journals[i]);

		(void)unlink(name);
		free(name);
	}
	return rc;
}

static int open_file(sqlite3 **db, const char *path, char why[static HISTORY_WHY_MAX])
{
	int err = touch(path), rc;

	if (err != 0) {
		snprintf(why, HISTORY_WHY_MAX, "%s: %s; what is learnt of nodes is not kept", path,
			 strerror(-err));
		return err;
	}
	rc = open_db(db, path);
	if (rc == SQLITE_CORRUPT || rc == SQLITE_NOTADB) {
		err = set_aside(path);
		if (err == 0)
			err = touch(path);
		if (err == 0)
			rc = open_db(db, path);
		snprintf(why, HISTORY_WHY_MAX, "%s: was damaged; renamed to %s.damaged, begun anew",
			 path, path);
	}
	if (err == 0 && rc == SQLITE_OK)
		return 0;
	snprintf(why, HISTORY_WHY_MAX, "%s: %s; what is learnt of nodes is not kept", path,
		 rc == SQLITE_MISMATCH ? "of a later version of macrod" : sqlite3_errstr(rc));
	return -EIO;
}

struct history *history_open(const char *path, char why[static HISTORY_WHY_MAX])
{
	struct history *h = xcalloc(1, sizeof(*h));

	why[0] = '\0';
	if (open_file(&h->db, path, why) != 0)
		goto err_free;
	pthread_mutex_init(&h->lock, NULL);
	pthread_cond_init(&h->changed, NULL);
	if (pthread_create(&h->thread, NULL, write_jobs, h) != 0) {
		snprintf(why, HISTORY_WHY_MAX, "no thread for %s; what is learnt is not kept",
			 path);
		goto err_close;
	}
	return h;
err_close:
	sqlite3_close(h->db);
err_free:
	free(h);
	return NULL;
}

void history_close(struct history *h)
{
	if (h == NULL)
		return;
	pthread_mutex_lock(&h->lock);
	h->is_closing = true;
	pthread_cond_signal(&h->changed);
	pthread_mutex_unlock(&h->lock);
	pthread_join(h->thread, NULL);
	sqlite3_close(h->db);
	pthread_cond_destroy(&h->changed);
	pthread_mutex_destroy(&h->lock);
	free(h);
}
