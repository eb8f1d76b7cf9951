/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The network that a machine is on, with a gateway in a namespace of its own. */
#include "host/network.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>

#include "host/netmon.h"
#include "sandbox.h"

static struct netlink *nl;
static pid_t gateway; /* sleeps in the gateway's namespace */

static void start_gateway(void)
{
	int ready[2];
	char byte;

	if (pipe(ready) != 0)
		return;
	gateway = fork();
	if (gateway == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		_exit(unshare(CLONE_NEWNET) == 0 && run("ip link set lo up") &&
			      write(ready[1], "r", 1) == 1 && pause()
			  ? 0
			  : 1);
	}
	close(ready[1]);
	CHECK(read(ready[0], &byte, 1) == 1);
	close(ready[0]);
}

static void stop_gateway(void)
{
	if (gateway <= 0)
		return;
	kill(gateway, SIGKILL);
	waitpid(gateway, NULL, 0);
	gateway = 0;
}

#define THERE "nsenter --target %d --net "

/* A cable to a gateway with two addresses of each family. */
static bool start(void)
{
	stop_gateway();
	netlink_close(nl);
	nl = NULL;
	if (!sandbox_fresh() || netlink_open(&nl) != 0)
		return false;
	start_gateway();
	return run("ip link add eth7 address 02:00:5e:00:53:99 type veth peer name gw netns %d",
		   gateway) &&
	       run("ip link set eth7 up") &&
	       run(THERE "ip link set gw address 02:00:5e:00:53:01", gateway) &&
	       run(THERE "ip link set gw up", gateway) &&
	       run(THERE "ip addr add 192.168.7.1/24 dev gw", gateway) &&
	       run(THERE "ip addr add 10.9.0.1/16 dev gw", gateway) &&
	       run(THERE "ip addr add fe80::7/64 dev gw nodad", gateway);
}

/* Until the gateway has answered. */
static int read_network(struct network *out)
{
	struct netmon m;
	int err;

	if (netmon_open(&m) != 0)
		return -EIO;
	for (int i = 0; (err = network_read(nl, out)) == -EAGAIN && i < 50; i++) {
		struct pollfd p = {m.fd, POLLIN, 0};

		if (poll(&p, 1, 5000) != 1 || netmon_read(&m) < 0)
			break;
	}
	netmon_close(&m);
	return err;
}

static void check_id(const char *expected)
{
	struct network n;
	char text[NETID_TEXT_MAX] = "none";

	CHECK_INT(read_network(&n), 0);
	CHECK(n.is_online && strcmp(n.dev, "eth7") == 0);
	if (n.has_id)
		netid_format(&n.id, text);
	if (strcmp(text, expected) != 0) {
		printf("# %s, expected %s\n", text, expected);
		CHECK(!"the right id");
	}
}

static void test_v4(void)
{
	NEED(start());
	CHECK(run("ip addr add 192.168.7.2/24 dev eth7; ip addr add 10.9.0.2/16 dev eth7"));
	CHECK(run("ip route add default via 192.168.7.1"));
	check_id("02:00:5e:00:53:01@192.168.7.0/24");
	CHECK(run("ip route add default via 10.9.0.1 metric 5"));
	check_id("02:00:5e:00:53:01@192.168.7.0/24");
	CHECK(run("ip route del default via 192.168.7.1"));
	check_id("02:00:5e:00:53:01@10.9.0.0/16");
	CHECK(
	    run("ip route del default; ip route add default nexthop via 10.9.0.1 dev eth7 weight 1 "
		"nexthop via 192.168.7.1 dev eth7 weight 1"));
	check_id("02:00:5e:00:53:01@10.9.0.0/16");
}

/* Another gateway with the same subnet is another network. */
static void test_other_gateway(void)
{
	NEED(start());
	CHECK(run("ip addr add 192.168.7.2/24 dev eth7; ip route add default via 192.168.7.1"));
	check_id("02:00:5e:00:53:01@192.168.7.0/24");
	CHECK(run(THERE "ip link set gw address 02:00:5e:00:53:02", gateway));
	CHECK(run("ip neigh flush all"));
	check_id("02:00:5e:00:53:02@192.168.7.0/24");
}

static void test_v6(void)
{
	NEED(start());
	CHECK(run(
	    "ip addr add 2001:db8:7::5/64 dev eth7 nodad; ip addr add fd07::5/64 dev eth7 nodad"));
	CHECK(run("ip route add default via fe80::7 dev eth7"));
	check_id("02:00:5e:00:53:01@2001:db8:7::/64");
	CHECK(run("ip addr del 2001:db8:7::5/64 dev eth7"));
	check_id("02:00:5e:00:53:01@fd07::/64");
}

static void test_without(void)
{
	struct network n;

	NEED(start());
	CHECK_INT(network_read(nl, &n), 0);
	CHECK(!n.is_online && !n.has_id && strstr(network_lacks(&n), "no default route") != NULL);
	CHECK(run("ip addr add 192.168.7.2/24 dev eth7; ip route add default dev eth7"));
	CHECK_INT(network_read(nl, &n), 0);
	CHECK(n.is_online && !n.has_id && strstr(network_lacks(&n), "no gateway") != NULL);
	/* Nobody answers: asked for, and then without. */
	CHECK(run("ip route replace default via 192.168.7.9"));
	CHECK_INT(network_read(nl, &n), -EAGAIN);
	CHECK(n.is_online && !n.has_id && strcmp(n.dev, "eth7") == 0);
}

/* What others' tables or our own lead to is not the network. */
static void test_other_tables(void)
{
	struct network n;

	NEED(start());
	CHECK(run("ip addr add 192.168.7.2/24 dev eth7"));
	CHECK(run("ip route add default via 192.168.7.1 table 77"));
	CHECK(run("ip route add default via 192.168.7.1 proto 109"));
	CHECK_INT(network_read(nl, &n), 0);
	CHECK(!n.is_online);
}

int main(void)
{
	if (!sandbox_enter())
		return sandbox_skip();
	RUN(test_v4);
	RUN(test_other_gateway);
	RUN(test_v6);
	RUN(test_without);
	RUN(test_other_tables);
	stop_gateway();
	netlink_close(nl);
	return sandbox_leave();
}
