/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "host/journal.h"

#include <errno.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/test.h"
#include "util/xalloc.h"

static char dir[] = "/tmp/macro-journal-XXXXXX";
static struct host_error err;

/* One of each kind, with what is awkward in it; each must come out of the parser as it went in. */
static const char *const good[] = {
    "tun macro0 7",
    "link macro0 7 1500 0 0",
    "link macro%250 2147483647 4294967295 1 255",
    "address macro0 10.88.3.4/32",
    "address macro0 fd6d:6d00::1/64",
    "route 27757 0.0.0.0/0 macro0",
    "route 4294967295 ::/0 -",
    "rule 4 92 27757 28013 0 1 0 - -",
    "rule 4 92 27757 28013 2147483647 1 0 - -",
    "rule 4 90 27757 0 0 0 0 10.88.0.1/32 -",
    "rule 6 91 254 0 0 0 1 - macroexit0",
    "sysctl net/ipv4/conf/all/src_valid_mark 0",
    "nft macromesh",
    "nft macromesh_exit",
    "resolv /etc/resolv.conf 0 1 420 0 0 nameserver%20192.0.2.1%0A nameserver%2010.88.0.1%0A",
    "resolv /etc/with%20space 1 1 4095 4294967295 65534 a%00%FF%25b %2D",
    "resolv /etc/resolv.conf 0 0 420 0 0 - x",
    "resolv /etc/resolv.conf 0 2 420 0 0 ../run/stub x",
    "resolved macro0 12",
};

static const char *const bad[] = {
    "",
    "tun",
    "tun ",
    "tun macro0",
    "tun macro0 ",
    "tun macro0 7 ",
    "tun macro0 7 8",
    "tun  macro0 7",
    "tun macro0 -7",
    "tun macro0 +7",
    "tun macro0 7x",
    "tun macro0 2147483648",
    "tun macro0 99999999999999999999999999",
    "tun ../../x 7",
    "tun - 7",
    "tun abcdefghijklmnop 7",
    "tun macro%0 7",
    "tun macro%0g 7",
    "tun macro%0",
    "tun mac\tro 7",
    "tun m%00x 7",
    "Tun macro0 7",
    "tunnel macro0 7",
    "link macro0 7 1500 2 0",
    "link macro0 7 1500 0",
    "link macro0 7 1500 0 256",
    "address macro0 10.88.3.4/33",
    "address macro0 10.88.3/24",
    "address macro0 fd00::1/129",
    "address - 10.88.3.4/32",
    "route 27757 default macro0",
    "route -1 ::/0 -",
    "route 4294967296 ::/0 -",
    "rule 5 92 27757 0 0 0 0 - -",
    "rule 4 92 27757 0 0 0 0 fd00::/8 -",
    "rule 6 92 27757 0 0 0 0 10.0.0.0/8 -",
    "rule 4 92 27757 0 0 2 0 - -",
    "rule 4 92 27757 0 0 0 0 -",
    "rule 4 92 27757 0 0 0 0 - a/b",
    "sysctl kernel/core_pattern 0",
    "sysctl net/../kernel/core_pattern 0",
    "sysctl net/ipv4/ip_forward 00000000000000000000000000000000",
    "sysctl net/ipv4/ip_forward",
    "nft filter",
    "nft macromesh;%20flush%20ruleset",
    "nft macromesh%20",
    "resolv etc/resolv.conf 0 1 420 0 0 x y",
    "resolved - 12",
    "resolved a/b 12",
    "resolved macro0 -1",
    "resolved macro0 12 13",
    "resolved macro0",
    "resolv - 0 1 420 0 0 x y",
    "resolv /etc/resolv.conf 2 1 420 0 0 x y",
    "resolv /etc/resolv.conf 0 3 420 0 0 x y",
    "resolv /etc/resolv.conf 0 1 4096 0 0 x y",
    "resolv /etc/resolv.conf 0 2 420 0 0 a%00b y",
    "resolv /etc/resolv.conf 0 1 420 0 0 x a%00b",
    "resolv /etc%00/resolv.conf 0 1 420 0 0 x y",
    "resolv /etc/resolv.conf 0 1 420 0 0 x",
};

static char *text_of(const struct change *c)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	change_write(c, f);
	fclose(f);
	return text;
}

static void test_lines_come_back(void)
{
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		struct change c;
		char *line, *text;

		if (change_parse(&c, good[i]) != 0) {
			printf("# refused: %s\n", good[i]);
			CHECK(false);
			continue;
		}
		line = xasprintf("%s\n", good[i]);
		text = text_of(&c);
		CHECK(strchr(good[i], '%') != NULL || strcmp(text, line) == 0);
		free(line);
		change_fini(&c);
		/* And once more, where there were several ways to write it. */
		text[strlen(text) - 1] = '\0';
		CHECK_INT(change_parse(&c, text), 0);
		line = text_of(&c);
		line[strlen(line) - 1] = '\0';
		CHECK(strcmp(text, line) == 0);
		free(line);
		free(text);
		change_fini(&c);
	}
}

static void test_bytes_survive(void)
{
	struct change c = {.kind = CHANGE_RESOLV}, back;
	char all[256], *text;

	for (int i = 0; i < 256; i++)
		all[i] = (char)i;
	c.resolv = (struct resolv){.path = xstrdup("/tmp/%20 -\n\xff"),
				   .was = RESOLV_WAS_FILE,
				   .original = xcalloc(257, 1),
				   .original_len = 256,
				   .ours = xstrdup("-")};
	memcpy(c.resolv.original, all, sizeof(all));
	text = text_of(&c);
	CHECK(strchr(text, '\n') == text + strlen(text) - 1);
	text[strlen(text) - 1] = '\0';
	NEED(change_parse(&back, text) == 0);
	CHECK(strcmp(back.resolv.path, c.resolv.path) == 0);
	CHECK(strcmp(back.resolv.ours, "-") == 0);
	CHECK(back.resolv.original_len == 256);
	CHECK_MEM(back.resolv.original, all, sizeof(all));
	free(text);
	change_fini(&c);
	change_fini(&back);
}

static void test_bad_lines_are_refused(void)
{
	struct change c;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		if (change_parse(&c, bad[i]) == 0) {
			printf("# accepted: %s\n", bad[i]);
			CHECK(false);
			change_fini(&c);
		}
	}
}

/* No part of a line is the line, but for shorter numbers and words at its end. */
static void test_cut_lines(void)
{
	struct change c;

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		const size_t last = (size_t)(strrchr(good[i], ' ') - good[i]);

		for (size_t len = 0; len <= last + 1; len++) {
			char *part = strndup(good[i], len);

			CHECK(change_parse(&c, part) != 0);
			free(part);
		}
	}
}

static void parse(const char *text, size_t count, unsigned fault_line)
{
	struct change_list list;
	struct journal_fault fault;

	journal_parse(text, strlen(text), &list, &fault);
	CHECK_INT(list.count, count);
	CHECK_INT(fault.line, fault_line);
	CHECK((fault.what != NULL) == (fault_line != 0));
	change_list_fini(&list);
}

static void test_faults_are_named(void)
{
	parse("macromesh-journal 2\n", 0, 0);
	parse("macromesh-journal 2\nnft macromesh\ntun t 1\n", 2, 0);
	parse("", 0, 1);
	parse("\n", 0, 1);
	parse("macromesh-journal 2", 0, 1);
	parse("macromesh-journal 20\nnft macromesh\n", 1, 1);
	parse("macromesh-journal 3\n", 0, 1);
	parse("nft macromesh\n", 0, 1);
	parse("macromesh-journal 2\nnft macromesh\n\ntun t 1\n", 2, 3);
	parse("macromesh-journal 2\nx\nnft macromesh\ny\n", 1, 2);
	parse("macromesh-journal 2\nnft macromesh\ntun t 1", 1, 3);
	parse("macromesh-journal 1\r\nnft macromesh\n", 1, 1);
}

static void test_zero_bytes_do_not_hide_lines(void)
{
	static const char text[] = "macromesh-journal 2\nnft macro\0mesh\nnft macromesh\n";
	struct change_list list;
	struct journal_fault fault;

	journal_parse(text, sizeof(text) - 1, &list, &fault);
	CHECK_INT(list.count, 1);
	CHECK_INT(fault.line, 2);
	change_list_fini(&list);
}

static void test_store_and_load(void)
{
	struct change_list list = {.items = NULL}, back;
	struct journal_fault fault;
	struct journal j;
	struct stat st;

	NEED(journal_open(&j, dir, "client", &err) == 0);
	CHECK_INT(journal_load(&j, &back, &fault, &err), 0);
	CHECK(back.count == 0 && fault.line == 0);
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		struct change c;

		NEED(change_parse(&c, good[i]) == 0);
		*change_list_add(&list, c.kind) = c;
	}
	CHECK_INT(journal_store(&j, &list, &err), 0);
	CHECK(stat(j.path, &st) == 0 && (st.st_mode & 077) == 0);
	CHECK_INT(journal_load(&j, &back, &fault, &err), 0);
	CHECK_INT(back.count, ARRAY_LEN(good));
	CHECK_INT(fault.line, 0);
	change_list_fini(&back);
	change_list_remove(&list, 1);
	CHECK_INT(journal_store(&j, &list, &err), 0);
	CHECK_INT(journal_load(&j, &back, &fault, &err), 0);
	CHECK_INT(back.count, ARRAY_LEN(good) - 1);
	CHECK_INT(back.items[1].kind, CHANGE_LINK);
	CHECK_INT(back.items[2].kind, CHANGE_ADDRESS);
	change_list_fini(&back);
	change_list_fini(&list);
	CHECK_INT(journal_store(&j, &list, &err), 0);
	CHECK(stat(j.path, &st) != 0 && errno == ENOENT);
	CHECK_INT(journal_store(&j, &list, &err), 0);
	journal_close(&j);
}

static void test_one_holder(void)
{
	struct journal j, other;
	pid_t child;
	int status;

	NEED(journal_open(&j, dir, "client", &err) == 0);
	CHECK_INT(journal_open(&other, dir, "client", &err), -EBUSY);
	CHECK(strstr(err.text, dir) != NULL);
	NEED(journal_open(&other, dir, "exit", &err) == 0); /* another role */
	journal_close(&other);
	journal_close(&j);
	/* A dead holder does not count. */
	child = fork();
	if (child == 0)
		_exit(journal_open(&j, dir, "client", &err) == 0 ? 0 : 1);
	CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0);
	CHECK_INT(journal_open(&j, dir, "client", &err), 0);
	journal_close(&j);
}

static void test_what_cannot_be_written(void)
{
	struct journal j;
	char *path = xasprintf("%s/file", dir), *below = xasprintf("%s/no/such", dir);
	const struct change c = {.kind = CHANGE_TUN, .tun.name = "t"};
	struct change_list list = {.items = NULL};

	CHECK_INT(journal_open(&j, below, "client", &err), -ENOENT);
	CHECK(strstr(err.text, below) != NULL);
	fclose(fopen(path, "w"));
	CHECK_INT(journal_open(&j, path, "client", &err), -ENOTDIR);
	CHECK(strstr(err.text, path) != NULL);
	unlink(path);
	/* The directory of the new file is there, but the name is taken by a directory. */
	NEED(journal_open(&j, dir, "client", &err) == 0);
	*change_list_add(&list, c.kind) = c;
	NEED(mkdir(j.path, 0700) == 0);
	CHECK(journal_store(&j, &list, &err) != 0);
	CHECK(strstr(err.text, j.path) != NULL);
	CHECK(rmdir(j.path) == 0);
	journal_close(&j);
	change_list_fini(&list);
	free(path);
	free(below);
}

int main(void)
{
	char *locks[2];
	int done;

	if (mkdtemp(dir) == NULL)
		return EXIT_FAILURE;
	RUN(test_lines_come_back);
	RUN(test_bytes_survive);
	RUN(test_bad_lines_are_refused);
	RUN(test_cut_lines);
	RUN(test_faults_are_named);
	RUN(test_zero_bytes_do_not_hide_lines);
	RUN(test_store_and_load);
	RUN(test_one_holder);
	RUN(test_what_cannot_be_written);
	locks[0] = xasprintf("%s/client.lock", dir);
	locks[1] = xasprintf("%s/exit.lock", dir);
	for (int i = 0; i < 2; i++) {
		unlink(locks[i]);
		free(locks[i]);
	}
	done = test_done();
	return rmdir(dir) == 0 ? done : EXIT_FAILURE; /* nothing else was left */
}
