/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * mesh: one row, its name and the head.  events: each by its number.  A write is
 * one transaction that first takes in what others have written.
 */
#include "registry/store.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>

#include "util/xalloc.h"

#define APPLICATION_ID 0x6d6d7267 /* "mmrg" */
#define FORMAT_VERSION 2

struct registry_store {
	sqlite3 *db;
	char *path;
	uint8_t mesh[REGISTRY_MESH_LEN];
	int64_t seen_version; /* of the data, at the last load or save */
};

static int complain(const struct registry_store *s, char *error, int err, const char *wrong,
		    const char *advice)
{
	snprintf(error, REGISTRY_STORE_ERROR_MAX, "registry %s: %s; %s", s->path, wrong, advice);
	return err;
}

#define ADVICE_RESTORE "restore it from a backup or from macro registry export"

/* After a call into SQLite that failed. */
static int complain_db(const struct registry_store *s, char *error, const char *doing)
{
	const int code = sqlite3_errcode(s->db) & 0xff;

	snprintf(error, REGISTRY_STORE_ERROR_MAX, "registry %s: cannot %s it: %s", s->path, doing,
		 sqlite3_errmsg(s->db));
	if (code == SQLITE_BUSY || code == SQLITE_LOCKED)
		return -EBUSY;
	return code == SQLITE_NOTADB || code == SQLITE_CORRUPT ? -EBADMSG : -EIO;
}

/* One integer that a statement answers, or -1. */
static int64_t ask_int(const struct registry_store *s, const char *sql)
{
	sqlite3_stmt *st;
	int64_t out = -1;

	if (sqlite3_prepare_v2(s->db, sql, -1, &st, NULL) != SQLITE_OK)
		return -1;
	if (sqlite3_step(st) == SQLITE_ROW)
		out = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return out;
}

static int run(const struct registry_store *s, const char *sql)
{
	return sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : -1;
}

/* The blob in the first column of the first row; its length, 0 when there is none that fits. */
static size_t ask_blob(const struct registry_store *s, const char *sql, uint8_t *out, size_t room)
{
	sqlite3_stmt *st;
	size_t len = 0;

	if (sqlite3_prepare_v2(s->db, sql, -1, &st, NULL) != SQLITE_OK)
		return 0;
	if (sqlite3_step(st) == SQLITE_ROW && (size_t)sqlite3_column_bytes(st, 0) <= room) {
		len = (size_t)sqlite3_column_bytes(st, 0);
		if (len > 0)
			memcpy(out, sqlite3_column_blob(st, 0), len);
	}
	sqlite3_finalize(st);
	return len;
}

/* ---- opening ---- */

static int make_tables(const struct registry_store *s, const uint8_t *mesh)
{
	sqlite3_stmt *st;
	char sql[512];
	bool is_done;

	snprintf(sql, sizeof(sql),
		 "PRAGMA application_id = %d; PRAGMA user_version = %d;"
		 "CREATE TABLE mesh (one INTEGER PRIMARY KEY CHECK (one = 1),"
		 " name BLOB NOT NULL, head BLOB) STRICT;"
		 "CREATE TABLE events (number INTEGER PRIMARY KEY, bytes BLOB NOT NULL) STRICT;",
		 APPLICATION_ID, FORMAT_VERSION);
	if (run(s, sql) != 0 || sqlite3_prepare_v2(s->db, "INSERT INTO mesh VALUES (1, ?, NULL)",
						   -1, &st, NULL) != SQLITE_OK)
		return -1;
	sqlite3_bind_blob(st, 1, mesh, REGISTRY_MESH_LEN, SQLITE_STATIC);
	is_done = sqlite3_step(st) == SQLITE_DONE;
	sqlite3_finalize(st);
	return is_done ? 0 : -1;
}

/* An empty file, perhaps one that was just made, becomes a registry; once, whoever comes first. */
static int fill_new_file(const struct registry_store *s, const uint8_t *mesh, char *error)
{
	if (run(s, "BEGIN IMMEDIATE") != 0)
		return complain_db(s, error, "write");
	if ((ask_int(s, "SELECT count(*) FROM sqlite_schema") == 0 && make_tables(s, mesh) != 0) ||
	    run(s, "COMMIT") != 0) {
		const int err = complain_db(s, error, "write");

		(void)run(s, "ROLLBACK");
		return err;
	}
	return 0;
}

static int check_file(struct registry_store *s, const uint8_t *mesh, char *error)
{
	const int64_t application = ask_int(s, "PRAGMA application_id");

	if (application < 0)
		return complain_db(s, error, "read");
	if (application != APPLICATION_ID)
		return complain(s, error, -EBADMSG, "it is not a registry", ADVICE_RESTORE);
	if (ask_int(s, "PRAGMA user_version") != FORMAT_VERSION)
		return complain(s, error, -EBADMSG, "it was written by another version",
				"use the version of MacroMesh that wrote it");
	if (ask_blob(s, "SELECT name FROM mesh", s->mesh, sizeof(s->mesh)) != sizeof(s->mesh))
		return complain(s, error, -EBADMSG, "it does not name its mesh", ADVICE_RESTORE);
	if (mesh != NULL && memcmp(mesh, s->mesh, sizeof(s->mesh)) != 0)
		return complain(s, error, -EBADMSG, "it is of another mesh",
				"see [mesh] in the configuration, or remove the file");
	return 0;
}

int registry_store_open(struct registry_store **out, const struct registry_store_params *p,
			char error[REGISTRY_STORE_ERROR_MAX])
{
	const int flags =
	    SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | (p->creates ? SQLITE_OPEN_CREATE : 0);
	struct registry_store *s = xcalloc(1, sizeof(*s));
	int err = 0;

	s->path = xstrdup(p->path);
	s->seen_version = -1;
	if (sqlite3_open_v2(p->path, &s->db, flags, NULL) != SQLITE_OK) {
		snprintf(error, REGISTRY_STORE_ERROR_MAX, "registry %s: cannot open it: %s",
			 p->path, strerror(sqlite3_system_errno(s->db)));
		err = sqlite3_system_errno(s->db) == ENOENT ? -ENOENT : -EIO;
		goto err_close;
	}
	sqlite3_extended_result_codes(s->db, 1);
	sqlite3_busy_timeout(s->db, (int)p->wait_ms);
	(void)run(s, "PRAGMA cache_size = -256"); /* KiB: it is read once, from end to end */
	if (p->creates)
		err = fill_new_file(s, p->mesh, error);
	if (err == 0)
		err = check_file(s, p->mesh, error);
	if (err != 0)
		goto err_close;
	*out = s;
	return 0;

err_close:
	registry_store_close(s);
	return err;
}

void registry_store_close(struct registry_store *s)
{
	if (s == NULL)
		return;
	sqlite3_close(s->db);
	free(s->path);
	free(s);
}

const uint8_t *registry_store_mesh(const struct registry_store *s)
{
	return s->mesh;
}

/* ---- reading ---- */

bool registry_store_has_changed(struct registry_store *s)
{
	return ask_int(s, "PRAGMA data_version") != s->seen_version;
}

/* The events from first on, back to back; *len bytes for the caller to free. */
static int read_events(const struct registry_store *s, uint64_t first, uint8_t **bytes, size_t *len)
{
	size_t room = 0, used = 0;
	uint8_t *out = NULL;
	sqlite3_stmt *st;
	int step;

	if (sqlite3_prepare_v2(s->db, "SELECT bytes FROM events WHERE number >= ? ORDER BY number",
			       -1, &st, NULL) != SQLITE_OK)
		return -1;
	sqlite3_bind_int64(st, 1, (int64_t)first);
	while ((step = sqlite3_step(st)) == SQLITE_ROW) {
		const size_t n = (size_t)sqlite3_column_bytes(st, 0);

		if (used + n > room) {
			room = MAX(used + n, MAX(4096, 2 * room));
			out = xrealloc(out, room, 1);
		}
		if (n > 0)
			memcpy(out + used, sqlite3_column_blob(st, 0), n);
		used += n;
	}
	sqlite3_finalize(st);
	if (step != SQLITE_DONE) {
		free(out);
		return -1;
	}
	*bytes = out;
	*len = used;
	return 0;
}

static int complain_content(const struct registry_store *s, char *error, uint64_t event,
			    enum registry_result r)
{
	snprintf(error, REGISTRY_STORE_ERROR_MAX, "registry %s: event %llu: %s (%s); %s", s->path,
		 (unsigned long long)event, registry_result_text(r), registry_result_name(r),
		 ADVICE_RESTORE);
	return -EBADMSG;
}

/* Inside a transaction. */
static int load(struct registry_store *s, struct registry *reg, uint64_t wall_s, char *error)
{
	uint8_t head[REGISTRY_HEAD_MAX], *events;
	struct registry_update u = {.head = head, .first = registry_head(reg)->events};
	enum registry_result r;
	uint64_t event;

	u.head_len = ask_blob(s, "SELECT head FROM mesh", head, sizeof(head));
	if (u.head_len == 0) {
		if (ask_int(s, "SELECT head IS NULL FROM mesh") == 1)
			return 0; /* nothing in it yet */
		return complain(s, error, -EBADMSG, "its head is damaged", ADVICE_RESTORE);
	}
	if (read_events(s, u.first, &events, &u.events_len) != 0)
		return complain_db(s, error, "read");
	u.events = events;
	r = registry_apply(reg, &u, wall_s, &event);
	free(events);
	if (r == REGISTRY_OK || r == REGISTRY_KNOWN || r == REGISTRY_STALE)
		return 0;
	return complain_content(s, error, event, r);
}

int registry_store_load(struct registry_store *s, struct registry *reg, uint64_t wall_s,
			char error[REGISTRY_STORE_ERROR_MAX])
{
	int err;

	if (run(s, "BEGIN") != 0)
		return complain_db(s, error, "read");
	s->seen_version = ask_int(s, "PRAGMA data_version");
	err = load(s, reg, wall_s, error);
	(void)run(s, "ROLLBACK"); /* read only */
	return err;
}

/* ---- writing ---- */

static int write_head(const struct registry_store *s, const struct registry *reg)
{
	size_t len;
	const uint8_t *head = registry_head_bytes(reg, &len);
	sqlite3_stmt *st;
	bool is_done;

	if (head == NULL)
		return 0;
	if (sqlite3_prepare_v2(s->db, "UPDATE mesh SET head = ?", -1, &st, NULL) != SQLITE_OK)
		return -1;
	sqlite3_bind_blob(st, 1, head, (int)len, SQLITE_STATIC);
	is_done = sqlite3_step(st) == SQLITE_DONE;
	sqlite3_finalize(st);
	return is_done ? 0 : -1;
}

static int write_events(const struct registry_store *s, const struct registry *reg)
{
	sqlite3_stmt *st;
	int64_t number = ask_int(s, "SELECT ifnull(max(number) + 1, 0) FROM events");
	int step = SQLITE_DONE;

	if (number < 0 || sqlite3_prepare_v2(s->db, "INSERT INTO events VALUES (?, ?)", -1, &st,
					     NULL) != SQLITE_OK)
		return -1;
	for (; (uint64_t)number < registry_head(reg)->events && step == SQLITE_DONE; number++) {
		size_t len;
		const uint8_t *bytes = registry_event_bytes(reg, (uint64_t)number, &len);

		sqlite3_bind_int64(st, 1, number);
		sqlite3_bind_blob(st, 2, bytes, (int)len, SQLITE_STATIC);
		step = sqlite3_step(st);
		sqlite3_reset(st);
	}
	sqlite3_finalize(st);
	return step == SQLITE_DONE ? 0 : -1;
}

int registry_store_change(struct registry_store *s, struct registry *reg,
			  int (*change)(void *ctx, struct registry *reg), void *ctx,
			  uint64_t wall_s, char error[REGISTRY_STORE_ERROR_MAX])
{
	int err;

	if (run(s, "BEGIN IMMEDIATE") != 0)
		return complain_db(s, error, "write");
	err = load(s, reg, wall_s, error);
	if (err == 0 && change != NULL)
		err = change(ctx, reg);
	if (err == 0 && (write_events(s, reg) != 0 || write_head(s, reg) != 0))
		err = complain_db(s, error, "write");
	if (err == 0 && run(s, "COMMIT") != 0)
		err = complain_db(s, error, "write");
	if (err != 0)
		(void)run(s, "ROLLBACK");
	s->seen_version = ask_int(s, "PRAGMA data_version");
	return err;
}
