/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "history/history.h"

#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/lib/test.h"
#include "tests/unit/health/clock.h"

static struct rng rng;
static char dir[] = "/tmp/history.XXXXXX";
static char path[64], why[HISTORY_WHY_MAX];

static void fresh(void)
{
	static const char *const tails[] = {"", "-wal", "-shm", ".damaged"};

	snprintf(path, sizeof(path), "%s/h.db", dir);
	for (size_t i = 0; i < ARRAY_LEN(tails); i++) {
		char name[80];

		snprintf(name, sizeof(name), "%s%s", path, tails[i]);
		(void)unlink(name);
	}
}

static void name_node(uint8_t id[static NODE_ID_LEN], unsigned n)
{
	memset(id, 0, NODE_ID_LEN);
	put_le32(id, n + 1);
}

static struct book *filled_book(unsigned nodes, const struct now *now)
{
	struct book *b = book_create(BOOK_NODES, BOOK_LINKS, &rng);

	for (unsigned n = 0; n < nodes; n++) {
		struct route_nodes route = {.hops = 1};
		struct route_health r;

		name_node(route.id[0], n);
		route_health_init(&r, 1);
		route_health_echo(&r, 1, (n + 1) * NS_PER_MS, now);
		book_note_route(b, &r, &route, now);
		if (n % 3 == 0)
			book_note_dead(b, route.id[0], now);
	}
	return b;
}

static void save(struct book *b, struct guard_set *g, const struct now *now)
{
	struct history *h = history_open(path, why);

	NEED(h != NULL);
	CHECK(history_save(h, b, g, now));
	history_close(h); /* waits */
}

static size_t load(struct book **b, struct guard_set *g, const struct now *now)
{
	struct history *h = history_open(path, why);
	size_t refused;

	*b = book_create(BOOK_NODES, BOOK_LINKS, &rng);
	*g = (struct guard_set){0};
	if (h == NULL)
		return SIZE_MAX;
	refused = history_load(h, *b, g, now);
	history_close(h);
	return refused;
}

static size_t count_nodes(struct book *b)
{
	size_t n = 0;

	for (size_t i = 0; book_next_node(b, &i) != NULL;)
		n++;
	return n;
}

static void sql(const char *text)
{
	sqlite3 *db;

	NEED(sqlite3_open(path, &db) == SQLITE_OK);
	CHECK_INT(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

static void test_survives(void)
{
	static const uint8_t ourselves[NODE_ID_LEN];
	const struct now now = clock_start();
	struct guard_set guards = {0}, loaded;
	struct book *b = filled_book(50, &now), *again;
	uint8_t id[NODE_ID_LEN];
	struct stat st;

	fresh();
	name_node(id, 4);
	guard_add(&guards, id, &now);
	guard_note(&guards, id, false, &now);
	save(b, &guards, &now);
	CHECK_INT(load(&again, &loaded, &now), 0);
	CHECK_INT(count_nodes(again), 50);
	CHECK_INT(book_link_rtt_ns(again, ourselves, id), 5 * NS_PER_MS);
	name_node(id, 3);
	NEED(book_node(again, id) != NULL);
	CHECK_INT(book_node(again, id)->level, HEALTH_RED);
	CHECK_INT(book_node(again, id)->failures, 1);
	CHECK_INT(loaded.count, 1);
	CHECK_INT(loaded.guard[0].failing_s, CLOCK_WALL_S);
	CHECK(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600);
	book_free(b);
	book_free(again);
}

static void test_expires(void)
{
	struct now now = clock_start();
	struct guard_set guards = {0}, loaded;
	struct book *b = filled_book(5, &now), *again;

	fresh();
	save(b, &guards, &now);
	book_free(b);
	clock_pass(&now, (BOOK_LIFETIME_S + 60ull) * NS_PER_S);
	b = book_create(8, 8, &rng);
	save(b, &guards, &now);
	book_free(b);
	now = clock_start();
	CHECK_INT(load(&again, &loaded, &now), 0);
	CHECK_INT(count_nodes(again), 0);
	book_free(again);
}

/* More rows than the book has room for do not pile up. */
static void test_bounded(void)
{
	struct now now = clock_start();
	struct guard_set guards = {0}, loaded;
	struct book *again;

	fresh();
	for (unsigned round = 0; round < 3; round++) {
		struct book *b = book_create(BOOK_NODES, BOOK_LINKS, &rng);

		for (unsigned n = 0; n < 2000; n++) {
			uint8_t id[NODE_ID_LEN];

			name_node(id, round * 2000 + n);
			book_note_dead(b, id, &now);
			clock_pass(&now, NS_PER_S);
		}
		save(b, &guards, &now);
		book_free(b);
	}
	CHECK_INT(load(&again, &loaded, &now), 0);
	CHECK(count_nodes(again) <= BOOK_NODES);
	sql("CREATE TABLE big AS SELECT 1 FROM node LIMIT 1 OFFSET 4096;"
	    "CREATE TABLE proof (n INTEGER CHECK (n = 0)) STRICT;"
	    "INSERT INTO proof SELECT count(*) FROM big");
	book_free(again);
}

static void test_nonsense_in_rows(void)
{
	const struct now now = clock_start();
	struct guard_set guards;
	struct book *b;

	fresh();
	CHECK_INT(load(&b, &guards, &now), 0); /* makes the tables */
	book_free(b);
	sql("INSERT INTO node VALUES (zeroblob(32), 1799999999, -1, 0, 0, 0, 0, 0);"
	    "INSERT INTO node VALUES (x'01', 1799999999, 0, 0, 0, 0, 0, 0);"
	    "INSERT INTO node VALUES (randomblob(32), 1799999999, 0, 0, 0, 1000001, 0, 0);"
	    "INSERT INTO node VALUES (randomblob(32), 1799999999, 0, 0, 0, 0, 0, 3);"
	    "INSERT INTO node VALUES (randomblob(32), 1800000001, 0, 0, 0, 0, 0, 0);"
	    "INSERT INTO node VALUES (randomblob(32), NULL, 0, 0, 0, 0, 0, 0);"
	    "INSERT INTO link VALUES (zeroblob(32), randomblob(32), 1799999999, 0);"
	    "INSERT INTO link VALUES (zeroblob(32), zeroblob(31), 1799999999, 1);"
	    "INSERT INTO guard VALUES (randomblob(32), 0, 0);"
	    "INSERT INTO node VALUES (randomblob(32), 1799999999, 0, 0, 0, 0, 0, 0);");
	CHECK_INT(load(&b, &guards, &now), 9);
	CHECK_INT(count_nodes(b), 1);
	CHECK_INT(guards.count, 0);
	book_free(b);
	sql("DROP TABLE node; CREATE TABLE node (id, seen_s, up_ns, c, d, e, f, g);"
	    "INSERT INTO node VALUES (randomblob(32), 1.5, 9e999, 'x', 0, 0, 0, 0)");
	CHECK_INT(load(&b, &guards, &now), 4);
	CHECK_INT(count_nodes(b), 0);
	book_free(b);
}

/* Every page damaged in turn, and no database at all: begun anew, or left out, never a crash. */
static void test_damaged(void)
{
	const struct now now = clock_start();
	struct guard_set guards = {0}, loaded;
	struct book *b = filled_book(200, &now), *again;
	unsigned anew = 0;
	long size;

	fresh();
	save(b, &guards, &now);
	FILE *f = fopen(path, "rb");

	NEED(f != NULL && fseek(f, 0, SEEK_END) == 0);
	size = ftell(f);
	fclose(f);
	for (long at = 0; at < size; at += 1024) {
		fresh();
		for (size_t i = 0; i < 1; i++) {
			struct book *all = filled_book(200, &now);

			save(all, &guards, &now);
			book_free(all);
		}
		f = fopen(path, "rb+");
		NEED(f != NULL && fseek(f, at, SEEK_SET) == 0);
		for (unsigned i = 0; i < 64; i++)
			fputc((int)rng_below(&rng, 256), f);
		fclose(f);
		NEED(load(&again, &loaded, &now) != SIZE_MAX);
		anew += why[0] != '\0';
		book_free(again);
	}
	printf("# %ld places damaged, %u files begun anew\n", size / 1024, anew);
	CHECK(anew > 0);
	fresh();
	f = fopen(path, "wb");
	NEED(f != NULL);
	fputs("this has never been a database, whoever wrote it", f);
	fclose(f);
	CHECK_INT(load(&again, &loaded, &now), 0);
	CHECK(strstr(why, "was damaged") != NULL);
	book_free(again);
	book_free(b);
}

static void test_refusals(void)
{
	const struct now now = clock_start();
	struct guard_set guards;
	struct book *b;

	fresh();
	CHECK_INT(load(&b, &guards, &now), 0);
	book_free(b);
	sql("PRAGMA user_version = 2");
	CHECK(load(&b, &guards, &now) == SIZE_MAX);
	CHECK(strstr(why, "of a later version") != NULL);
	book_free(b);
	snprintf(path, sizeof(path), "%s/none/h.db", dir);
	CHECK(history_open(path, why) == NULL);
	CHECK(strstr(why, "not kept") != NULL);
}

/* A full disk: said once, and what is there stays readable. */
static void test_full_disk(void)
{
	const struct now now = clock_start();
	struct guard_set guards = {0}, loaded;
	struct book *b = filled_book(10, &now), *more = filled_book(4000, &now), *again;
	const struct rlimit small = {.rlim_cur = 65536, .rlim_max = RLIM_INFINITY},
			    any = {.rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY};
	struct history *h;

	fresh();
	save(b, &guards, &now);
	signal(SIGXFSZ, SIG_IGN);
	h = history_open(path, why);
	NEED(h != NULL && setrlimit(RLIMIT_FSIZE, &small) == 0);
	CHECK(history_save(h, more, &guards, &now));
	while (!history_save(h, b, &guards, &now)) /* until the thread is done with the first */
		usleep(1000);
	CHECK(history_error(h, why));
	CHECK(strstr(why, "cannot be saved") != NULL);
	history_close(h);
	CHECK(setrlimit(RLIMIT_FSIZE, &any) == 0);
	CHECK_INT(load(&again, &loaded, &now), 0);
	CHECK_INT(count_nodes(again), 10);
	book_free(b);
	book_free(more);
	book_free(again);
}

int main(void)
{
	if (mkdtemp(dir) == NULL)
		return EXIT_FAILURE;
	rng = rng_seeded(5);
	RUN(test_survives);
	RUN(test_expires);
	RUN(test_bounded);
	RUN(test_nonsense_in_rows);
	RUN(test_damaged);
	RUN(test_refusals);
	RUN(test_full_disk);
	fresh();
	rmdir(dir);
	rng_seeded_free(&rng);
	return test_done();
}
