/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A program's own network, looked at from inside with ip and cat, and from outside. */
#include "host/netspace.h"

#include <errno.h>

#include "tests/unit/host/sandbox.h"
#include "util/endpoint.h"

#define TUN "macro9"

static struct host_error err;

/* In a child: who is in there does not come back. */
static void inside(void (*test)(void))
{
	const pid_t pid = fork();
	int status = -1;

	if (pid == 0) {
		CHECK_INT(netspace_enter(&err), 0);
		test();
		fflush(stdout);
		_exit(test_current_failed);
	}
	CHECK(waitpid(pid, &status, 0) == pid);
	CHECK_INT(WEXITSTATUS(status), 0);
}

static struct netspace_tunnel tunnel(const char *v4, const char *v6, uint32_t mtu_bytes)
{
	struct netspace_tunnel t = {.tun = TUN, .mtu_bytes = mtu_bytes};

	CHECK(v4 == NULL || endpoint_ip_parse(t.v4, v4) == 0);
	CHECK(v6 == NULL || endpoint_ip_parse(t.v6, v6) == 0);
	return t;
}

static bool lacks(const char *command, const char *word)
{
	char *text = capture("%s", command);
	const bool found = strstr(text, word) != NULL;

	if (found)
		printf("# '%s' says: %s\n", command, text);
	free(text);
	return !found;
}

static void look_at_network(void)
{
	struct netspace_tunnel t = tunnel("10.88.0.2", "fd6d:6d00::2", 1324);
	struct netspace n;

	CHECK(lacks("ip -o link", "eth0"));
	CHECK(lacks("ip route; ip -6 route", "default"));
	CHECK_INT(netspace_open(&n, &err), 0);
	CHECK(shows("ip addr show dev lo", "127.0.0.1/8"));

	CHECK(netspace_use(&n, &t, &err) < 0); /* there is no device yet */
	CHECK(strstr(err.text, "bringing up device " TUN ": ") != NULL);
	CHECK(sandbox_open_tun(TUN) >= 0);
	CHECK_INT(netspace_use(&n, &t, &err), 0);
	CHECK(shows("ip link show dev " TUN, "mtu 1324"));
	CHECK(shows("ip addr show dev " TUN, "10.88.0.2/32"));
	CHECK(shows("ip addr show dev " TUN, "fd6d:6d00::2/128"));
	CHECK(lacks("ip addr show dev " TUN, "fe80"));
	CHECK(shows("ip route get 192.0.2.1", "dev " TUN " src 10.88.0.2"));
	CHECK(shows("ip route get 2001:db8::1", "dev " TUN));

	/* The same again, other addresses, and one family alone. */
	CHECK_INT(netspace_use(&n, &t, &err), 0);
	t = tunnel("10.88.0.3", NULL, 1300);
	CHECK_INT(netspace_use(&n, &t, &err), 0);
	CHECK(shows("ip link show dev " TUN, "mtu 1300"));
	CHECK(shows("ip route get 192.0.2.1", "dev " TUN " src 10.88.0.3"));
	CHECK(lacks("ip addr show dev " TUN, "10.88.0.2"));
	CHECK(lacks("ip addr show dev " TUN, "fd6d"));
	CHECK(shows("ip route get 2001:db8::1", "unreachable"));
	t = tunnel("10.88.0.3", "fd6d:6d00::3", 1324);
	CHECK_INT(netspace_use(&n, &t, &err), 0);
	CHECK(shows("ip route get 2001:db8::1", "src fd6d:6d00::3"));
	netspace_close(&n);
}

static void test_network(void)
{
	CHECK(sandbox_open_tun("eth0") >= 0);
	CHECK(run("ip addr add 192.0.2.9/24 dev eth0 && ip link set eth0 up && "
		  "ip route add default dev eth0"));
	inside(look_at_network);
	CHECK(lacks("ip -o link", TUN));
	CHECK(shows("ip route", "default dev eth0"));
}

static char *resolv_path;

static void look_at_names(void)
{
	char *command = xasprintf("cat %s", resolv_path);

	CHECK_INT(netspace_names("127.0.0.1", resolv_path, &err), 0);
	CHECK(shows(command, "nameserver 127.0.0.1\n") && lacks(command, "192.0.2.53"));
	CHECK(lacks("ls /run/systemd/resolve /run/nscd", "socket"));
	free(command);
}

static void test_names(void)
{
	resolv_path = xasprintf("%s/resolv.conf", sandbox_dir);
	CHECK(run("mount -t tmpfs run /run && mkdir -p /run/systemd/resolve /run/nscd && "
		  "touch /run/systemd/resolve/io.socket /run/nscd/socket"));
	CHECK(write_file(resolv_path, "nameserver 192.0.2.53\n"));
	inside(look_at_names);
	CHECK(run("grep -q 192.0.2.53 %s && ls /run/nscd/socket >/dev/null", resolv_path));

	/* Into one of the folders that are hidden. */
	CHECK(run("mv %s /run/systemd/resolve/stub.conf && ln -s /run/systemd/resolve/stub.conf %s",
		  resolv_path, resolv_path));
	inside(look_at_names);
	CHECK(run("grep -q 192.0.2.53 %s", resolv_path));
	free(resolv_path);
}

static void look_for_none(void)
{
	CHECK_INT(netspace_names("127.0.0.1", "/nowhere/resolv.conf", &err), -ENOENT);
	CHECK(strstr(err.text, "/nowhere/resolv.conf, which is to name") != NULL);
}

static void test_no_resolv_conf(void)
{
	inside(look_for_none);
}

int main(void)
{
	if (!sandbox_enter())
		return sandbox_skip();
	RUN(test_network);
	RUN(test_names);
	RUN(test_no_resolv_conf);
	return sandbox_leave();
}
