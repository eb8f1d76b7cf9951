/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "host/lock.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/lib/test.h"

#define HEAD "macromesh-lock 1\n"

static char dir[] = "/tmp/macro-lock-XXXXXX";
static struct host_error err;

static unsigned parse(struct lock *l, const char *text)
{
	return lock_parse(l, text, strlen(text));
}

static void test_store_and_load(void)
{
	struct lock in = {.setting = LOCK_ALWAYS,
			  .table = LOCK_TABLE_BLOCK,
			  .is_proven = true,
			  .is_wanted = true,
			  .is_only = true,
			  .is_pinned = true,
			  .profile = "work",
			  .exit = "DE",
			  .hops = 4,
			  .pass = {.lan = true,
				   .interfaces = {"docker0", "wg-1"},
				   .interface_count = 2,
				   .marks = {{0x80000, 0xff0000}},
				   .mark_count = 1}};
	struct lock out;

	CHECK_INT(lock_load(&out, dir, &err), 0); /* none yet */
	CHECK_INT(out.table, LOCK_TABLE_NONE);
	CHECK(!out.is_proven);
	CHECK_INT(lock_store(&in, dir, &err), 0);
	CHECK_INT(lock_load(&out, dir, &err), 0);
	CHECK_MEM(&in, &out, sizeof(in));
	CHECK_INT(lock_free(dir, &err), 0);
	CHECK_INT(lock_load(&out, dir, &err), 0);
	CHECK_INT(out.setting, LOCK_OFF);
	CHECK_INT(out.table, LOCK_TABLE_NONE);
	CHECK(out.is_proven && !out.is_wanted);
}

static void test_bad_lines(void)
{
	static const struct {
		const char *text;
		unsigned line;
	} bad[] = {
	    {"", 1},
	    {"macromesh-lock 2\n", 1},
	    {"setting on\n", 1},
	    {HEAD "setting maybe\n", 2},
	    {HEAD "setting\n", 2},
	    {HEAD "setting on", 2},
	    {HEAD "\n", 2},
	    {HEAD HEAD, 2},
	    {HEAD "lan no\ntable wall\n", 3},
	    {HEAD "proven 1\n", 2},
	    {HEAD "hops -1\n", 2},
	    {HEAD "hops 4294967296\n", 2},
	    {HEAD "hops 3 \n", 2},
	    {HEAD "profile a b\n", 2},
	    {HEAD "profile \n", 2},
	    {HEAD "exit ../x\n", 2},
	    {HEAD "exit 12345678901234567890123456789012345678901234567890123456789012345\n", 2},
	    {HEAD "interface a/b\n", 2},
	    {HEAD "interface sixteen-letters-\n", 2},
	    {HEAD "interface \"\n", 2},
	    {HEAD "mark 1\n", 2},
	    {HEAD "mark 1/2x\n", 2},
	    {HEAD "colour red\n", 2},
	    {HEAD "interface a\ninterface b\ninterface c\ninterface d\ninterface e\ninterface f\n"
		  "interface g\ninterface h\ninterface i\n",
	     10},
	};
	struct lock l = {.hops = 77};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		CHECK_INT(parse(&l, bad[i].text), bad[i].line);
	CHECK_INT(lock_parse(&l, HEAD "lan \0no\n", sizeof(HEAD "lan \0no\n") - 1), 2);
	CHECK_INT(l.hops, 77);
	CHECK_INT(parse(&l, HEAD), 0);
	CHECK_INT(l.hops, 0);
}

/* Better blocked than open, and a way out. */
static void test_spoilt_file_blocks(void)
{
	char path[64];
	struct lock l;
	FILE *f;

	snprintf(path, sizeof(path), "%s/lock", dir);
	f = fopen(path, "we");
	NEED(f != NULL);
	fputs("spoilt", f);
	fclose(f);
	CHECK_INT(lock_load(&l, dir, &err), -EINVAL);
	CHECK(strstr(err.text, "lock:1:") != NULL && strstr(err.text, "macro unlock") != NULL);
	CHECK_INT(l.table, LOCK_TABLE_BLOCK);
	CHECK(l.is_proven && l.setting == LOCK_ALWAYS);
	CHECK_INT(lock_free(dir, &err), 0);
	CHECK_INT(lock_load(&l, dir, &err), 0);
	CHECK_INT(l.setting, LOCK_OFF);
}

/* Nothing can be written, as on a full disk: then the file goes. */
static void test_free_without_room(void)
{
	struct lock l = {.setting = LOCK_ALWAYS, .table = LOCK_TABLE_BLOCK, .is_proven = true};
	char path[64];

	CHECK_INT(lock_store(&l, dir, &err), 0);
	snprintf(path, sizeof(path), "%s/lock.new", dir);
	NEED(mkdir(path, 0700) == 0); /* in the way of the new file */
	CHECK(lock_store(&l, dir, &err) < 0);
	CHECK(strstr(err.text, dir) != NULL);
	CHECK_INT(lock_free(dir, &err), 0);
	CHECK_INT(lock_load(&l, dir, &err), 0);
	CHECK_INT(l.setting, LOCK_BY_PROFILE);
	CHECK(!l.is_proven);
	rmdir(path);
}

static void test_names(void)
{
	enum lock_setting s;

	CHECK_INT(lock_setting_parse(&s, "always"), 0);
	CHECK_INT(s, LOCK_ALWAYS);
	CHECK(strcmp(lock_setting_name(s), "always") == 0);
	CHECK_INT(lock_setting_parse(&s, "never"), -EINVAL);
	CHECK_INT(s, LOCK_ALWAYS);
}

int main(void)
{
	char command[64];

	if (mkdtemp(dir) == NULL)
		return EXIT_FAILURE;
	RUN(test_store_and_load);
	RUN(test_bad_lines);
	RUN(test_spoilt_file_blocks);
	RUN(test_free_without_room);
	RUN(test_names);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command) == 0 ? test_done() : EXIT_FAILURE;
}
