/* SPDX-License-Identifier: GPL-3.0-or-later */
/* rtnetlink, the monitor and settings, with the program ip as a witness. */
#include "host/netlink.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "host/netmon.h"
#include "host/sysctl.h"
#include "sandbox.h"

static struct netlink *nl;

static bool start(void)
{
	netlink_close(nl);
	nl = NULL;
	return sandbox_fresh() && netlink_open(&nl) == 0 &&
	       run("ip link add va type veth peer name vb");
}

static struct ip_prefix prefix(const char *text)
{
	struct ip_prefix p = {.len_bits = 0};

	CHECK(ip_prefix_parse(&p, text) == 0);
	return p;
}

static void test_link(void)
{
	struct netlink_link link, again;

	NEED(start());
	CHECK_INT(netlink_link_get(nl, "va", &link), 0);
	CHECK_INT(link.index, if_nametoindex("va"));
	CHECK_INT(link.mtu_bytes, 1500);
	CHECK_INT(link.addr_gen_mode, 0);
	CHECK(!link.is_up);
	link.mtu_bytes = 1400;
	link.is_up = true;
	link.addr_gen_mode = 1;
	CHECK_INT(netlink_link_set(nl, &link), 0);
	CHECK(shows("ip link show va", "mtu 1400"));
	CHECK(shows("ip link show va", ",UP"));
	CHECK(shows("ip -d link show va", "addrgenmode none"));
	CHECK_INT(netlink_link_get(nl, "va", &again), 0);
	CHECK_MEM(&link, &again, sizeof(link));
	link.mtu_bytes = 7;
	CHECK_INT(netlink_link_set(nl, &link), -EINVAL);
	CHECK_INT(netlink_link_delete(nl, link.index), 0);
	CHECK_INT(netlink_link_delete(nl, link.index), -ENODEV);
	again.index = 99;
	CHECK_INT(netlink_link_get(nl, "va", &again), -ENODEV);
	CHECK_INT(netlink_link_get(nl, "", &again), -ENODEV);
	CHECK_INT(netlink_link_get(nl, "abcdefghijklmnop", &again), -ENODEV);
	CHECK_INT(again.index, 99);
}

static void test_address(void)
{
	struct netlink_address v4 = {.dev = "va", .addr = prefix("10.1.2.3/24")};
	struct netlink_address v6 = {.dev = "va", .addr = prefix("fd01::3/64")};
	struct netlink_address none = {.dev = "nothere", .addr = prefix("10.1.2.3/24")};

	NEED(start());
	CHECK_INT(netlink_address_add(nl, &v4), 0);
	CHECK_INT(netlink_address_add(nl, &v6), 0);
	CHECK(shows("ip addr show va", "inet 10.1.2.3/24"));
	CHECK(shows("ip addr show va", "inet6 fd01::3/64"));
	CHECK_INT(netlink_address_add(nl, &v4), -EEXIST);
	CHECK_INT(netlink_address_delete(nl, &v4), 0);
	CHECK_INT(netlink_address_delete(nl, &v6), 0);
	CHECK_INT(netlink_address_delete(nl, &v4), -EADDRNOTAVAIL);
	CHECK_INT(netlink_address_delete(nl, &v6), -EADDRNOTAVAIL);
	CHECK_INT(netlink_address_add(nl, &none), -ENODEV);
	CHECK(run("! ip addr show va | grep inet"));
}

static int count_route(void *ctx, const struct netlink_route *r)
{
	struct netlink_route *found = ctx;

	if (r->table == found->table && ip_prefix_equal(&r->dst, &found->dst))
		*found = *r;
	return 0;
}

static int break_off(void *ctx, const struct netlink_route *r)
{
	(void)r;
	++*(int *)ctx;
	return -ECANCELED;
}

static void test_route(void)
{
	static const char *const words[][3] = {
	    {"10.5.0.0/16", "va", "10.5.0.0/16 dev va proto 109 scope link"},
	    {"0.0.0.0/0", "", "unreachable default proto 109"},
	    {"fd05::/48", "va", "fd05::/48 dev va proto 109"},
	    {"::/0", "", "unreachable default dev lo proto 109"},
	};
	int calls = 0;

	NEED(start() && run("ip link set va up; ip link set vb up"));
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		struct netlink_route r = {.dst = prefix(words[i][0]), .table = 70000};
		struct netlink_route found = {.dst = r.dst, .table = r.table};
		const int family = ip_prefix_family(&r.dst);

		strcpy(r.dev, words[i][1]);
		CHECK_INT(netlink_route_add(nl, &r), 0);
		CHECK_INT(netlink_route_add(nl, &r), -EEXIST);
		CHECK(shows(family == AF_INET ? "ip route show table 70000"
					      : "ip -6 route show table 70000",
			    words[i][2]));
		CHECK_INT(netlink_route_dump(nl, family, count_route, &found), 0);
		CHECK_INT(found.protocol, NETLINK_PROTOCOL);
		CHECK(strcmp(found.dev, r.dev) == 0);
		/* A broken-off dump does not disturb what comes after it. */
		CHECK_INT(netlink_route_dump(nl, family, break_off, &calls), -ECANCELED);
		CHECK_INT(calls, (int)i + 1);
		CHECK_INT(netlink_route_delete(nl, &r), 0);
		CHECK_INT(netlink_route_delete(nl, &r), -ESRCH);
	}
	CHECK(run("test -z \"$(ip route show table 70000)$(ip -6 route show table 70000)\""));
}

static void test_dump_of_many(void)
{
	struct netlink_route last = {.table = 70000, .dst = prefix("10.99.255.0/24")};

	NEED(start() && run("ip link set va up; i=0; while [ $i -lt 3000 ]; do "
			    "echo route add 10.$((i / 256)).$((i %% 256)).0/24 dev va table 70000; "
			    "i=$((i + 1)); done >%s/batch; "
			    "echo route add 10.99.255.0/24 dev va table 70000 >>%s/batch; "
			    "ip -batch %s/batch",
			    sandbox_dir, sandbox_dir, sandbox_dir));
	CHECK_INT(netlink_route_dump(nl, AF_INET, count_route, &last), 0);
	CHECK(strcmp(last.dev, "va") == 0);
}

static int find_rule(void *ctx, const struct netlink_rule *r)
{
	struct netlink_rule *found = ctx;

	if (r->priority == found->priority)
		*found = *r;
	return 0;
}

static void test_rule(void)
{
	static const struct {
		struct netlink_rule rule;
		const char *to, *words;
	} cases[] = {
	    {{.family = AF_INET,
	      .priority = 92,
	      .table = 70000,
	      .fwmark = 0x6d6d,
	      .is_inverted = true},
	     NULL,
	     "92:\tnot from all fwmark 0x6d6d lookup 70000 proto 109"},
	    {{.family = AF_INET6,
	      .priority = 92,
	      .table = 70000,
	      .fwmark = 0xffffffff,
	      .is_inverted = true},
	     NULL,
	     "92:\tnot from all fwmark 0xffffffff lookup 70000 proto 109"},
	    {{.family = AF_INET, .priority = 91, .table = 254, .is_specific_only = true},
	     NULL,
	     "91:\tfrom all lookup main suppress_prefixlength 0 proto 109"},
	    {{.family = AF_INET, .priority = 90, .table = 70000},
	     "10.88.0.1/32",
	     "90:\tfrom all to 10.88.0.1 lookup 70000 proto 109"},
	    {{.family = AF_INET6, .priority = 90, .table = 70000},
	     "fd00::/8",
	     "90:\tfrom all to fd00::/8 lookup 70000 proto 109"},
	    {{.family = AF_INET, .priority = 80, .table = 254, .iif = "va"},
	     NULL,
	     "80:\tfrom all iif va lookup main proto 109"},
	    {{.family = AF_INET,
	      .priority = 92,
	      .table = 70000,
	      .fwmark = 0x6d6d,
	      .fwmask = 0x7fffffff,
	      .is_inverted = true},
	     NULL,
	     "92:\tnot from all fwmark 0x6d6d/0x7fffffff lookup 70000 proto 109"},
	    {{.family = AF_INET6, .priority = 90, .table = 70000, .fwmask = 0x80000000},
	     "fd00::/8",
	     "90:\tfrom all to fd00::/8 fwmark 0/0x80000000 lookup 70000 proto 109"},
	    {{.family = AF_INET6, .priority = 89, .fwmark = 1, .is_inverted = true},
	     NULL,
	     "89:\tnot from all fwmark 0x1 unreachable proto 109"},
	};

	NEED(start());
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct netlink_rule r = cases[i].rule, found = {.priority = r.priority};

		r.has_to = cases[i].to != NULL;
		if (r.has_to)
			r.to = prefix(cases[i].to);
		CHECK_INT(netlink_rule_add(nl, &r), 0);
		CHECK_INT(netlink_rule_add(nl, &r), -EEXIST);
		CHECK(shows(r.family == AF_INET ? "ip rule" : "ip -6 rule", cases[i].words));
		CHECK_INT(netlink_rule_dump(nl, r.family, find_rule, &found), 0);
		CHECK_INT(found.protocol, NETLINK_PROTOCOL);
		found.protocol = 0;
		CHECK_MEM(&found, &r, sizeof(r));
		CHECK_INT(netlink_rule_delete(nl, &r), 0);
		CHECK_INT(netlink_rule_delete(nl, &r), -ENOENT);
	}
	CHECK(run("! ip rule | grep 109 && ! ip -6 rule | grep 109"));
}

static bool is_readable(const struct netmon *m)
{
	struct pollfd p = {m->fd, POLLIN, 0};

	return poll(&p, 1, 5000) == 1;
}

static void test_monitor(void)
{
	static const char *const changes[] = {
	    "ip link set va up",
	    "ip link set vb up",
	    "ip addr add 10.1.2.3/24 dev va",
	    "ip addr add fd01::3/64 dev va nodad",
	    "ip route add 10.7.0.0/16 dev va",
	    "ip -6 route add fd07::/48 dev va",
	    "ip link del va",
	};
	struct netmon m;

	NEED(start());
	NEED(run("echo 1 >/proc/sys/net/ipv6/conf/va/addr_gen_mode; "
		 "echo 1 >/proc/sys/net/ipv6/conf/vb/addr_gen_mode"));
	CHECK_INT(netmon_open(&m), 0);
	CHECK_INT(netmon_read(&m), 0);
	for (size_t i = 0; i < ARRAY_LEN(changes); i++) {
		CHECK(run("%s", changes[i]));
		CHECK(is_readable(&m));
		CHECK((netmon_read(&m) & NETMON_NETWORK) != 0);
	}
	netmon_close(&m);
}

/* More than the socket holds: some is lost, that there was something is not. */
static void test_monitor_overflow(void)
{
	const int small = 1;
	struct netmon m;

	NEED(start());
	CHECK_INT(netmon_open(&m), 0);
	CHECK(setsockopt(m.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)) == 0);
	CHECK(
	    run("ip link set va up; for i in 1 2 3 4 5 6 7 8; do ip addr add 10.1.$i.3/24 dev va; "
		"done"));
	CHECK((netmon_read(&m) & NETMON_NETWORK) != 0);
	netmon_close(&m);
}

static void test_sysctl(void)
{
	char value[SYSCTL_VALUE_MAX] = "untouched";

	NEED(start());
	CHECK_INT(sysctl_read("net/ipv4/nothing", value), -ENOENT);
	CHECK_INT(sysctl_read("kernel/hostname", value), -EINVAL);
	CHECK_INT(sysctl_read("net/../kernel/hostname", value), -EINVAL);
	CHECK_INT(sysctl_write("kernel/hostname", "x"), -EINVAL);
	CHECK(strcmp(value, "untouched") == 0);
	CHECK_INT(sysctl_read("net/ipv4/ip_forward", value), 0);
	CHECK(strcmp(value, "0") == 0);
	CHECK_INT(sysctl_write("net/ipv4/ip_forward", "1"), 0);
	CHECK_INT(sysctl_read("net/ipv4/conf/va/forwarding", value), 0);
	CHECK(strcmp(value, "1") == 0);
	CHECK_INT(sysctl_write("net/ipv4/ip_forward", "x"), -EINVAL);
}

int main(void)
{
	if (!sandbox_enter())
		return sandbox_skip();
	RUN(test_link);
	RUN(test_address);
	RUN(test_route);
	RUN(test_dump_of_many);
	RUN(test_rule);
	RUN(test_monitor);
	RUN(test_monitor_overflow);
	RUN(test_sysctl);
	netlink_close(nl);
	return sandbox_leave();
}
