/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 *   near namespace (the client)                              far namespace
 *   10.88.3.4 [TUN]   192.168.7.2 fd07::2 lan0 [veth] ---- far0  192.168.7.1 fd07::1
 *                                                                198.51.100.9 2001:db8::9
 *
 * What passes the firewall of each state, tried with real sockets.
 */
#include "host/shield.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "host/lock.h"
#include "host/recover.h"
#include "sandbox.h"

#define MARK 0x6d6d

static struct host_error err;
static struct shield *shield;
static char state_dir[64];
static int far_ns; /* lives as long as this is open, and with it the cable */

/* It stands once both ends know of each other: what the kernel adds by itself is there then. */
static bool start(void)
{
	int near_ns;

	if (!sandbox_fresh() || (far_ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC)) < 0 ||
	    !sandbox_fresh() || (near_ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC)) < 0 ||
	    !run("ip link add lan0 type veth peer name far0 && "
		 "ip link set far0 netns /proc/%d/fd/%d && "
		 "ip link set lan0 addrgenmode none && ip link set lan0 up && "
		 "ip addr add 192.168.7.2/24 dev lan0 && "
		 "ip addr add fd07::2/64 dev lan0 nodad && ip route add default via 192.168.7.1 && "
		 "ip -6 route add default via fd07::1",
		 getpid(), far_ns) ||
	    setns(far_ns, CLONE_NEWNET) != 0 ||
	    !run("ip addr add 192.168.7.1/24 dev far0 && ip addr add 198.51.100.9/32 dev far0 && "
		 "ip addr add fd07::1/64 dev far0 nodad && "
		 "ip addr add 2001:db8::9/128 dev far0 nodad && ip link set far0 up") ||
	    setns(near_ns, CLONE_NEWNET) != 0 ||
	    !run("until ip link show dev lan0 | grep -q 'state UP'; do sleep 0.01; done"))
		return false;
	close(near_ns);
	return shield_open(&shield, &err) == 0;
}

static void stop(void)
{
	shield_close(shield);
	close(far_ns);
}

/* Whether a datagram leaves: the firewall tells its sender at once. */
static bool passes(const char *ip, uint16_t port, uint32_t mark, const char *device)
{
	struct sockaddr_storage to = {.ss_family = strchr(ip, ':') != NULL ? AF_INET6 : AF_INET};
	const int fd = socket(to.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ssize_t n;

	if (to.ss_family == AF_INET) {
		struct sockaddr_in *a = (void *)&to;

		a->sin_port = htons(port);
		CHECK(inet_pton(AF_INET, ip, &a->sin_addr) == 1);
	} else {
		struct sockaddr_in6 *a = (void *)&to;

		a->sin6_port = htons(port);
		CHECK(inet_pton(AF_INET6, ip, &a->sin6_addr) == 1);
	}
	if (mark != 0)
		CHECK(setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) == 0);
	if (device != NULL)
		CHECK(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, device,
				 (socklen_t)strlen(device)) == 0);
	n = sendto(fd, "x", 1, 0, (struct sockaddr *)&to, sizeof(to));
	close(fd);
	return n == 1;
}

static struct shield_rules locked(void)
{
	struct shield_rules r = {.is_locked = true, .fwmark = MARK};

	CHECK(endpoint_parse(&r.entries[0], "198.51.100.9:4600") == 0);
	CHECK(endpoint_parse(&r.entries[1], "[2001:db8::9]:4600") == 0);
	r.entry_count = 2;
	return r;
}

static void set(const struct shield_rules *r)
{
	if (shield_set(shield, r, &err) != 0) {
		printf("# %s\n", err.text);
		CHECK(!"set");
	}
}

static void test_only_marked_datagrams_to_entries_leave(void)
{
	static const char *const ips[] = {"198.51.100.9", "2001:db8::9"};
	struct shield_rules r = locked();

	NEED(start());
	for (size_t i = 0; i < 2; i++)
		CHECK(passes(ips[i], 4600, 0, "lan0"));
	set(&r);
	for (size_t i = 0; i < 2; i++) {
		CHECK(passes(ips[i], 4600, MARK, NULL));
		CHECK(!passes(ips[i], 4601, MARK, NULL));
		CHECK(!passes(ips[i], 4600, 0, NULL));
		CHECK(!passes(ips[i], 4600, MARK + 1, "lan0"));
		CHECK(!passes(ips[i], 53, 0, "lan0"));
	}
	CHECK(!passes("192.168.7.1", 4600, MARK, NULL));
	CHECK(!passes("192.168.7.1", 9, 0, NULL));
	CHECK(passes("127.0.0.1", 9, 0, NULL));
	CHECK(passes("::1", 9, 0, NULL));
	CHECK(passes("192.168.7.2", 9, 0, NULL)); /* ourselves */
	r.entry_count = 0;
	set(&r);
	CHECK(!passes(ips[0], 4600, MARK, NULL));
	CHECK_INT(shield_clear(shield, &err), 0);
	CHECK(passes(ips[0], 9, 0, NULL));
	stop();
}

static void test_refusals_are_answered_at_once(void)
{
	const struct shield_rules r = locked();

	NEED(start());
	set(&r);
	CHECK(run("! timeout 5 python3 -c 'import socket; socket.create_connection("
		  "(\"198.51.100.9\", 80), 4)' 2>&1 | grep -q timed"));
	CHECK(run(
	    "timeout 5 python3 -c 'import socket; socket.create_connection("
	    "(\"2001:db8::9\", 80), 4)' 2>&1 | grep -Eq 'refused|unreachable|denied|No route'"));
	stop();
}

static void test_what_the_profile_lets_pass(void)
{
	struct shield_rules r = locked();

	NEED(start());
	r.pass.lan = true;
	set(&r);
	CHECK(passes("192.168.7.1", 9, 0, NULL));
	CHECK(passes("fd07::1", 9, 0, NULL));
	CHECK(!passes("192.168.7.1", 53, 0, NULL));
	CHECK(!passes("fd07::1", 853, 0, NULL));
	CHECK(!passes("198.51.100.9", 9, 0, NULL));
	r.pass.lan = false;
	r.pass.marks[r.pass.mark_count++] = (struct shield_mark){0x80000, 0xff0000};
	set(&r);
	CHECK(passes("198.51.100.9", 9, 0x80001, NULL));
	CHECK(!passes("198.51.100.9", 9, 0x40001, NULL));
	r.pass.mark_count = 0;
	snprintf(r.pass.interfaces[r.pass.interface_count++], IFNAMSIZ, "lan0");
	set(&r);
	CHECK(passes("198.51.100.9", 9, 0, NULL));
	stop();
}

static void test_tunnel(void)
{
	struct shield_rules r = locked();
	int tun;

	NEED(start());
	tun = sandbox_open_tun("macro0");
	NEED(tun >= 0 && run("ip link set macro0 up; ip addr add 10.88.3.4/32 dev macro0; "
			     "ip route add 203.0.113.0/24 dev macro0; "
			     "ip route add 203.0.114.0/24 dev macro0 src 192.168.7.2"));
	CHECK(endpoint_ip_parse(r.v4, "10.88.3.4") == 0);
	set(&r);
	CHECK(!passes("203.0.113.1", 9, 0, NULL)); /* not yet said to be the tunnel */
	snprintf(r.tun, sizeof(r.tun), "macro0");
	set(&r);
	CHECK(passes("203.0.113.1", 53, 0, NULL));
	CHECK(!passes("203.0.114.1", 9, 0, NULL)); /* would show the LAN's address to the exit */
	CHECK(!passes("198.51.100.9", 9, 0, NULL));
	r.is_locked = false;
	set(&r);
	CHECK(passes("198.51.100.9", 9, 0, NULL));
	CHECK(!passes("198.51.100.9", 53, 0, NULL)); /* names are asked for inside */
	CHECK(!passes("192.168.7.1", 853, 0, "lan0"));
	CHECK(!passes("203.0.114.1", 9, 0, NULL));
	CHECK(shows("nft list ruleset", "tcp flags syn tcp option maxseg size set rt mtu"));
	CHECK(run("! nft list tables | grep held"));
	close(tun);
	stop();
}

/* The kernel closes it by itself. */
static void test_portal(void)
{
	struct shield_rules r = locked();

	NEED(start());
	r.portal = (struct shield_portal){.uid = 0, .seconds = 1, .dns.count = 1};
	CHECK(endpoint_ip_parse(r.portal.dns.ip[0], "192.168.7.1") == 0);
	set(&r);
	CHECK(passes("192.168.7.1", 53, 0, NULL));
	CHECK(!passes("198.51.100.9", 53, 0, NULL));
	CHECK(!passes("192.168.7.1", 80, 0, NULL)); /* UDP */
	CHECK(shows("nft list table inet macromesh",
		    "meta skuid @portal_users tcp dport { 80, 443 }"));
	for (int i = 0; i < 100 && passes("192.168.7.1", 53, 0, NULL); i++)
		usleep(50000);
	CHECK(!passes("192.168.7.1", 53, 0, NULL));
	stop();
}

static void test_a_flush_by_others_opens_nothing(void)
{
	const struct shield_rules r = locked();

	NEED(start());
	set(&r);
	CHECK(run("nft flush ruleset"));
	CHECK(!passes("198.51.100.9", 9, 0, "lan0"));
	CHECK_INT(shield_stands(&err), 0);
	set(&r);
	CHECK_INT(shield_stands(&err), 1);
	CHECK(run("! nft delete table inet macromesh_held 2>/dev/null"));
	shield_close(shield); /* as when we die: the first table stays */
	CHECK(!passes("198.51.100.9", 9, 0, "lan0"));
	CHECK(run("! nft list tables | grep held"));
	CHECK_INT(shield_open(&shield, &err), 0);
	set(&r); /* and is taken over */
	CHECK_INT(shield_clear(shield, &err), 0);
	CHECK(passes("198.51.100.9", 9, 0, "lan0"));
	stop();
}

static void test_unlock(void)
{
	static const char *const files[] = {
	    "macromesh-lock 1\nsetting always\ntable block\nproven yes\nwanted yes\nhops 3\nlan no\n",
	    "no lock at all\n",
	    "",
	};
	const struct shield_rules r = locked();
	char path[80];
	char *before, *after;

	snprintf(path, sizeof(path), "%s/lock", state_dir);
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		NEED(start());
		before = capture("nft list ruleset; ip rule; ip route show table all");
		CHECK(write_file(path, files[i]));
		set(&r);
		CHECK_INT(host_unlock(state_dir, &err), -EBUSY); /* a daemon holds it */
		CHECK(strstr(err.text, "macro unlock") != NULL);
		CHECK(!passes("198.51.100.9", 9, 0, NULL));
		shield_close(shield);
		CHECK(!passes("198.51.100.9", 9, 0, NULL));
		CHECK_INT(host_cleanup(state_dir, &err), 0); /* undoes the rest, not this */
		CHECK(!passes("198.51.100.9", 9, 0, NULL));
		CHECK(run("nft delete table inet macromesh"));
		CHECK_INT(host_lock(state_dir, &err), 0); /* at boot */
		CHECK(!passes("198.51.100.9", 9, 0, NULL));
		CHECK_INT(host_unlock(state_dir, &err), 0);
		CHECK(passes("198.51.100.9", 9, 0, NULL));
		CHECK_INT(host_lock(state_dir, &err), 0); /* nothing to lock any more */
		CHECK(passes("198.51.100.9", 9, 0, NULL));
		CHECK_INT(host_unlock(state_dir, &err), 0);
		after = capture("nft list ruleset; ip rule; ip route show table all");
		CHECK(strcmp(before, after) == 0);
		free(after);
		free(before);
		close(far_ns);
	}
}

int main(void)
{
	if (!sandbox_enter())
		return sandbox_skip();
	snprintf(state_dir, sizeof(state_dir), "%s/state", sandbox_dir);
	if (mkdir(state_dir, 0700) != 0)
		return EXIT_FAILURE;
	RUN(test_only_marked_datagrams_to_entries_leave);
	RUN(test_refusals_are_answered_at_once);
	RUN(test_what_the_profile_lets_pass);
	RUN(test_tunnel);
	RUN(test_portal);
	RUN(test_a_flush_by_others_opens_nothing);
	RUN(test_unlock);
	return sandbox_leave();
}
