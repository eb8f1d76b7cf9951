/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "host/resolv.h"

#include <errno.h>
#include <sys/stat.h>

#include "sandbox.h"
#include "util/endpoint.h"

static const char before[] = "# theirs\nnameserver 127.0.0.53\noptions edns0\n";
static char path[64];
static struct host_error err;
static struct resolv_servers servers = {.count = 2};

/* An empty sandbox. */
static bool start(void)
{
	return run("umount %s %s/target 2>/dev/null; rm -rf %s/*", path, sandbox_dir, sandbox_dir);
}

static bool has(const char *file, const char *text)
{
	char *now = capture("cat %s/%s", sandbox_dir, file);
	const bool same = strcmp(now, text) == 0;

	if (!same)
		printf("# %s: %s\n", file, now);
	free(now);
	return same;
}

static bool has_ours(void)
{
	char *now = capture("cat %s", path);
	const bool ours = strstr(now, "nameserver 10.88.0.1\nnameserver fd6d:6d00::1\n") != NULL;

	free(now);
	return ours && resolv_is_ours(path);
}

static char *listing(void)
{
	return capture("cd %s; ls -ln --time-style=+ ; cat * 2>/dev/null", sandbox_dir);
}

/* There and back, and nothing else in the folder. */
static void round_trip(void)
{
	char *was = listing(), *is;
	struct resolv r;

	NEED(resolv_read(&r, path, &servers, &err) == 0);
	CHECK_INT(resolv_undo(&r, &err), 0); /* not applied: harmless */
	CHECK_INT(resolv_apply(&r, &err), 0);
	CHECK(has_ours());
	CHECK_INT(resolv_undo(&r, &err), 0);
	is = listing();
	CHECK(strcmp(was, is) == 0);
	free(is);
	CHECK_INT(resolv_undo(&r, &err), 0); /* again: harmless */
	is = listing();
	CHECK(strcmp(was, is) == 0);
	free(is);
	free(was);
	resolv_fini(&r);
}

static void test_file(void)
{
	NEED(start() && write_file(path, before) && chmod(path, 0640) == 0);
	round_trip();
	CHECK(has("resolv.conf", before));
}

static void test_empty_file(void)
{
	NEED(start() && write_file(path, ""));
	round_trip();
}

static void test_absent(void)
{
	NEED(start());
	round_trip();
	CHECK(access(path, F_OK) != 0);
}

static void test_link(void)
{
	NEED(start() && run("cd %s; printf hello >target; ln -s target resolv.conf", sandbox_dir));
	round_trip();
	CHECK(has("target", "hello")); /* not written through: its owner would overwrite us */
}

static void test_dangling_link(void)
{
	NEED(start() && symlink("/nowhere/resolv.conf", path) == 0);
	round_trip();
}

/* Containers mount the file; it cannot be renamed over. */
static void test_mount(void)
{
	NEED(start() && write_file(path, "under\n"));
	NEED(run("cd %s; printf 'a mount\\n' >source; mount --bind source resolv.conf",
		 sandbox_dir));
	CHECK_INT(rename(path, "/tmp/nothing"), -1);
	round_trip();
	CHECK(has("resolv.conf", "a mount\n"));
	CHECK(run("umount %s", path));
	CHECK(has("resolv.conf", "under\n"));
}

/* "ip netns exec" mounts on the link's target; the link itself belongs to all namespaces. */
static void test_link_to_mount(void)
{
	struct resolv r;
	struct stat st;

	NEED(start() &&
	     run("cd %s; printf x >target; ln -s target resolv.conf; printf mount >source;"
		 "mount --bind source target",
		 sandbox_dir));
	round_trip();
	NEED(resolv_read(&r, path, &servers, &err) == 0);
	CHECK_INT(resolv_apply(&r, &err), 0);
	CHECK(lstat(path, &st) == 0 && S_ISLNK(st.st_mode));
	CHECK_INT(resolv_undo(&r, &err), 0);
	resolv_fini(&r);
	CHECK(run("umount %s/target", sandbox_dir));
	CHECK(has("target", "x"));
}

/* Writing in place is not atomic: whatever a crash left of it, the original comes back. */
static void test_crash_while_writing_in_place(void)
{
	const char original[] = "nameserver 192.0.2.1\n";
	struct resolv r;
	char part[512];

	NEED(start() && write_file(path, original));
	NEED(run("cd %s; cp resolv.conf source; mount --bind source resolv.conf", sandbox_dir));
	NEED(resolv_read(&r, path, &servers, &err) == 0);
	for (size_t len = 0; len < strlen(r.ours); len++) {
		snprintf(part, sizeof(part), "%.*s", (int)len, r.ours);
		CHECK(write_file(path, part));
		CHECK_INT(resolv_undo(&r, &err), 0);
		CHECK(has("resolv.conf", original));
	}
	for (size_t len = 0; len < strlen(original); len++) {
		snprintf(part, sizeof(part), "%.*s", (int)len, original);
		CHECK(write_file(path, part));
		CHECK_INT(resolv_undo(&r, &err), 0);
		CHECK(has("resolv.conf", original));
	}
	CHECK(write_file(path, "nameserver 192.0.2.2\n"));
	CHECK_INT(resolv_undo(&r, &err), 0);
	CHECK(has("resolv.conf", "nameserver 192.0.2.2\n"));
	resolv_fini(&r);
	CHECK(run("umount %s", path));
}

/* Whatever someone else made of it stays. */
static void test_foreign_changes_win(void)
{
	static const char *const changes[] = {
	    "echo nameserver 192.0.2.9 >resolv.conf",
	    "echo '# more' >>resolv.conf",
	    "rm resolv.conf",
	    "rm resolv.conf; ln -s other resolv.conf",
	    "head -c 100000 /dev/zero >resolv.conf",
	};

	for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
		struct resolv r;
		char *was, *is;

		NEED(start() && write_file(path, before));
		NEED(resolv_read(&r, path, &servers, &err) == 0);
		CHECK_INT(resolv_apply(&r, &err), 0);
		CHECK(run("cd %s; %s", sandbox_dir, changes[i]));
		was = listing();
		CHECK_INT(resolv_undo(&r, &err), 0);
		is = listing();
		CHECK(strcmp(was, is) == 0);
		free(was);
		free(is);
		resolv_fini(&r);
	}
}

/* A half-written temporary file of a daemon that died is in nobody's way. */
static void test_stale_temporary(void)
{
	NEED(start() && write_file(path, before));
	CHECK(run("echo half >%s.macrod", path));
	struct resolv r;

	NEED(resolv_read(&r, path, &servers, &err) == 0);
	CHECK_INT(resolv_undo(&r, &err), 0);
	CHECK(run("! test -e %s.macrod", path));
	CHECK(run("echo half >%s.macrod", path));
	CHECK_INT(resolv_apply(&r, &err), 0);
	CHECK(has_ours());
	CHECK_INT(resolv_undo(&r, &err), 0);
	CHECK(has("resolv.conf", before));
	resolv_fini(&r);
}

static void test_what_is_not_a_file_is_refused(void)
{
	struct resolv r;

	NEED(start() && mkdir(path, 0700) == 0);
	CHECK_INT(resolv_read(&r, path, &servers, &err), -EINVAL);
	CHECK(strstr(err.text, path) != NULL);
	NEED(rmdir(path) == 0 && run("head -c 65537 /dev/zero >%s", path));
	CHECK_INT(resolv_read(&r, path, &servers, &err), -EFBIG);
	CHECK(run("truncate -s 65536 %s", path));
	CHECK_INT(resolv_read(&r, path, &servers, &err), 0);
	resolv_fini(&r);
}

static void test_servers(void)
{
	struct resolv_servers out;
	uint8_t ip[16];

	NEED(start() &&
	     write_file(path, "# nameserver 192.0.2.1\nnameserver 127.0.0.53\n"
			      "nameserver ::1\n nameserver 192.0.2.2 \nnameserver x\n"
			      "nameserver\nnameserver 2001:db8::3\nnameserver 192.0.2.4\n"
			      "nameserver 192.0.2.5"));
	out = resolv_list(path);
	CHECK_INT(out.count, 3);
	CHECK(endpoint_ip_parse(ip, "192.0.2.2") == 0 && memcmp(ip, out.ip[0], 16) == 0);
	CHECK(endpoint_ip_parse(ip, "2001:db8::3") == 0 && memcmp(ip, out.ip[1], 16) == 0);
	CHECK(endpoint_ip_parse(ip, "192.0.2.4") == 0 && memcmp(ip, out.ip[2], 16) == 0);
	NEED(start());
	CHECK_INT(resolv_list(path).count, 0);
}

/* While the file is ours: those from before, wherever they stood. */
static void test_network(void)
{
	static const char *const makings[] = {
	    "echo nameserver 192.0.2.7 >resolv.conf",
	    "echo nameserver 192.0.2.7 >target; ln -s target resolv.conf",
	    "echo nameserver 192.0.2.7 >target; ln -s $PWD/target resolv.conf",
	};
	struct resolv_servers out;
	struct resolv r;
	uint8_t ip[16];

	CHECK_INT(endpoint_ip_parse(ip, "192.0.2.7"), 0);
	for (size_t i = 0; i < ARRAY_LEN(makings); i++) {
		NEED(start());
		CHECK(run("cd %s; %s", sandbox_dir, makings[i]));
		out = resolv_network(path, NULL);
		CHECK_INT(out.count, 1);
		NEED(resolv_read(&r, path, &servers, &err) == 0);
		CHECK_INT(resolv_apply(&r, &err), 0);
		CHECK(has_ours());
		out = resolv_network(path, &r);
		NEED(out.count == 1);
		CHECK_MEM(out.ip[0], ip, 16);
		CHECK_INT(resolv_undo(&r, &err), 0);
		resolv_fini(&r);
	}
}

int main(void)
{
	if (!sandbox_enter())
		return sandbox_skip();
	snprintf(path, sizeof(path), "%s/resolv.conf", sandbox_dir);
	if (endpoint_ip_parse(servers.ip[0], "10.88.0.1") != 0 ||
	    endpoint_ip_parse(servers.ip[1], "fd6d:6d00::1") != 0)
		return EXIT_FAILURE;
	RUN(test_file);
	RUN(test_empty_file);
	RUN(test_absent);
	RUN(test_link);
	RUN(test_dangling_link);
	RUN(test_mount);
	RUN(test_link_to_mount);
	RUN(test_crash_while_writing_in_place);
	RUN(test_foreign_changes_win);
	RUN(test_stale_temporary);
	RUN(test_what_is_not_a_file_is_refused);
	RUN(test_servers);
	RUN(test_network);
	return sandbox_leave();
}
