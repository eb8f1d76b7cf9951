/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Namespaces of our own, without privileges, in which the tests change what they like; and the
 * programs ip and nft as independent witnesses.
 */
#ifndef TESTS_HOST_SANDBOX_H
#define TESTS_HOST_SANDBOX_H

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/test.h"
#include "util/xalloc.h"

static char sandbox_dir[] = "/tmp/macro-host-XXXXXX";

static inline bool write_file(const char *path, const char *text)
{
	const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	const bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return ok;
}

/* True if the shell says so; what it prints is a diagnostic of the test. */
__attribute__((format(printf, 1, 2))) static inline bool run(const char *fmt, ...)
{
	char command[2048];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(command, sizeof(command), fmt, ap);
	va_end(ap);
	if (system(command) == 0)
		return true;
	printf("# failed: %s\n", command);
	return false;
}

/* What a command prints on both outputs, for free(). */
__attribute__((format(printf, 1, 2))) static inline char *capture(const char *fmt, ...)
{
	char command[2048], *text;
	size_t len = 0, n;
	va_list ap;
	FILE *p;

	va_start(ap, fmt);
	vsnprintf(command, sizeof(command) - 8, fmt, ap);
	va_end(ap);
	p = popen(command, "r");
	text = xcalloc(1 << 18, 1);
	while (p != NULL && (n = fread(text + len, 1, (1 << 18) - 1 - len, p)) > 0)
		len += n;
	if (p != NULL)
		pclose(p);
	return text;
}

/* A command's output contains all of the words; shown if not. */
static inline bool shows(const char *command, const char *word)
{
	char *text = capture("%s 2>&1", command);
	const bool found = strstr(text, word) != NULL;

	if (!found)
		printf("# '%s' says: %s\n", command, text);
	free(text);
	return found;
}

/* A fresh network for each test. */
static inline bool sandbox_fresh(void)
{
	return unshare(CLONE_NEWNET) == 0 && run("ip link set lo up");
}

static inline int sandbox_open_tun(const char *name)
{
	struct ifreq req = {.ifr_flags = IFF_TUN | IFF_NO_PI};
	const int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);

	snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", name);
	if (fd >= 0 && ioctl(fd, TUNSETIFF, &req) == 0)
		return fd;
	if (fd >= 0)
		close(fd);
	return -1;
}

/* User, network and mount namespaces and a directory; false if the kernel forbids it. */
static inline bool sandbox_enter(void)
{
	const unsigned uid = getuid(), gid = getgid();
	char map[32];
	int fd;

	if (unshare(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS) != 0)
		return false;
	snprintf(map, sizeof(map), "0 %u 1", uid);
	if (!write_file("/proc/self/uid_map", map) || !write_file("/proc/self/setgroups", "deny"))
		return false;
	snprintf(map, sizeof(map), "0 %u 1", gid);
	if (!write_file("/proc/self/gid_map", map) ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
		return false;
	fd = sandbox_open_tun("probe");
	if (fd < 0)
		return false;
	close(fd);
	return mkdtemp(sandbox_dir) != NULL;
}

static inline int sandbox_skip(void)
{
	printf("1..0 # SKIP no user namespaces or no /dev/net/tun for this user\n");
	return EXIT_SUCCESS;
}

static inline int sandbox_leave(void)
{
	run("rm -rf %s", sandbox_dir);
	return test_done();
}

/*
 * All that host code may change, as text: rules, routes, addresses, nftables, forwarding and other
 * settings of all devices, and the resolv.conf of the sandbox with its mode and owner.
 */
static inline char *snapshot(void)
{
	return capture(
	    "exec 2>&1; ip rule; ip -6 rule; ip route show table all; "
	    "ip -6 route show table all; ip -d addr; nft list ruleset; "
	    "cd /proc/sys/net; grep -s . ipv4/conf/*/* ipv6/conf/*/*; "
	    "cd %s; stat -c '%%A %%u %%g %%N' resolv.conf; cat resolv.conf; ls -R | grep -v lock",
	    sandbox_dir);
}

/* Compares with an earlier snapshot and frees both; what differs is shown. */
static inline bool is_unchanged(const char *before)
{
	char *after = snapshot();
	const bool same = strcmp(before, after) == 0;
	char path[2][64];

	if (!same) {
		for (int i = 0; i < 2; i++) {
			snprintf(path[i], sizeof(path[i]), "%s/snapshot.%d", sandbox_dir, i);
			write_file(path[i], i == 0 ? before : after);
		}
		run("diff %s %s | sed 's/^/# /'; rm -f %s %s", path[0], path[1], path[0], path[1]);
	}
	free(after);
	return same;
}

#endif
