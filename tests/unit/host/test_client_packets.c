/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 *   near namespace (the client)                 far namespace
 *   10.88.3.4 [TUN]   192.168.7.2 lan0 [veth] ---- far0  192.168.7.1, 198.51.100.9
 *
 * Packets between a client whose tunnel is up and its LAN.  On the far end 198.51.100.9 stands for
 * a node of the mesh, outside of the LAN.
 */
#include <arpa/inet.h>
#include <sys/socket.h>

#include "host/client_net.h"
#include "host/shield.h"
#include "sandbox.h"
#include "util/endpoint.h"

#define MARK 0x6d6d

static struct host_error err;
static struct client_net net;
static struct shield *shield;
static int near_ns, far_ns, tun;

static bool start(void)
{
	static char state_dir[64], resolv_path[64];
	struct client_net_config cfg = {.state_dir = state_dir,
					.tun = "macro0",
					.mtu_bytes = 1324,
					.fwmark = MARK,
					.table = 27757,
					.resolv_path = resolv_path};
	struct shield_rules rules = {.fwmark = MARK, .tun = "macro0"};

	snprintf(state_dir, sizeof(state_dir), "%s/state", sandbox_dir);
	snprintf(resolv_path, sizeof(resolv_path), "%s/resolv.conf", sandbox_dir);
	if (!sandbox_fresh() || (far_ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC)) < 0 ||
	    !sandbox_fresh() || (near_ns = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC)) < 0 ||
	    (tun = sandbox_open_tun("macro0")) < 0 ||
	    !run(
		"ip link add lan0 type veth peer name far0; ip link set far0 netns /proc/%d/fd/%d; "
		"ip link set lan0 up; ip addr add 192.168.7.2/24 dev lan0; "
		"ip route add default via 192.168.7.1; "
		"echo 1 >/proc/sys/net/ipv4/conf/all/rp_filter",
		getpid(), far_ns) ||
	    setns(far_ns, CLONE_NEWNET) != 0 ||
	    !run("ip addr add 192.168.7.1/24 dev far0; ip addr add 198.51.100.9/32 dev far0; "
		 "ip link set far0 up; ip route add 10.88.0.0/16 via 192.168.7.2") ||
	    setns(near_ns, CLONE_NEWNET) != 0 || endpoint_ip_parse(cfg.v4, "10.88.3.4") != 0)
		return false;
	memcpy(rules.v4, cfg.v4, sizeof(rules.v4));
	return shield_open(&shield, &err) == 0 && shield_set(shield, &rules, &err) == 0 &&
	       client_net_up(&net, &cfg, &err) == 0;
}

static void stop(void)
{
	CHECK_INT(client_net_down(&net, &err), 0);
	CHECK_INT(shield_clear(shield, &err), 0);
	shield_close(shield);
	close(tun);
	close(near_ns);
	close(far_ns);
}

static struct sockaddr_in port_7000(const char *ip)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(7000)};

	CHECK(inet_pton(AF_INET, ip, &a.sin_addr) == 1);
	return a;
}

static int udp_socket(int ns, const char *ip)
{
	const struct sockaddr_in a = port_7000(ip);
	const struct timeval limit = {.tv_sec = 5};
	int fd;

	CHECK(setns(ns, CLONE_NEWNET) == 0);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	CHECK(bind(fd, (const struct sockaddr *)(const void *)&a, sizeof(a)) == 0);
	CHECK(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) == 0);
	CHECK(setns(near_ns, CLONE_NEWNET) == 0);
	return fd;
}

static void send_text(int fd, const char *ip, const char *text)
{
	const struct sockaddr_in to = port_7000(ip);

	CHECK_INT(sendto(fd, text, strlen(text), 0, (const struct sockaddr *)(const void *)&to,
			 sizeof(to)),
		  strlen(text));
}

static bool receives(int fd, const char *text)
{
	char buf[32];
	const ssize_t n = recv(fd, buf, sizeof(buf), 0);

	return n == (ssize_t)strlen(text) && memcmp(buf, text, (size_t)n) == 0;
}

/*
 * The way back to a node leads into the tunnel for all but marked packets, so a strict reverse path
 * filter would drop the answers to ours.
 */
static void test_own_packets_pass_a_strict_reverse_path_filter(void)
{
	const int mark = MARK;
	int near, far;

	NEED(start());
	near = udp_socket(near_ns, "0.0.0.0");
	far = udp_socket(far_ns, "198.51.100.9");
	CHECK(setsockopt(near, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) == 0);
	send_text(near, "198.51.100.9", "out");
	CHECK(receives(far, "out"));
	send_text(far, "192.168.7.2", "and back");
	CHECK(receives(near, "and back"));
	close(near);
	close(far);
	stop();
}

/* What is not marked goes into the tunnel, and to the LAN as before. */
static void test_other_packets_enter_the_tunnel(void)
{
	uint8_t packet[64] = {0};
	int near, far;

	NEED(start());
	near = udp_socket(near_ns, "0.0.0.0");
	far = udp_socket(far_ns, "192.168.7.1");
	send_text(near, "198.51.100.9", "inside");
	CHECK_INT(read(tun, packet, sizeof(packet)), 20 + 8 + 6);
	CHECK_MEM(packet + 12, "\x0a\x58\x03\x04\xc6\x33\x64\x09", 8);
	CHECK_MEM(packet + 28, "inside", 6);
	send_text(near, "192.168.7.1", "on the LAN");
	CHECK(receives(far, "on the LAN"));
	CHECK(read(tun, packet, sizeof(packet)) < 0); /* that one only */
	close(near);
	close(far);
	stop();
}

/* Nobody on the LAN can reach the inner address, or learn that it is here. */
static void test_inner_address_is_closed_to_the_lan(void)
{
	int near, far;

	NEED(start());
	near = udp_socket(near_ns, "0.0.0.0");
	far = udp_socket(far_ns, "192.168.7.1");
	send_text(far, "10.88.3.4", "probe");
	send_text(far, "192.168.7.2", "hello");
	CHECK(receives(near, "hello"));
	/* The host itself can. */
	send_text(near, "10.88.3.4", "self");
	CHECK(receives(near, "self"));
	close(near);
	close(far);
	stop();
}

int main(void)
{
	if (!sandbox_enter())
		return sandbox_skip();
	RUN(test_own_packets_pass_a_strict_reverse_path_filter);
	RUN(test_other_packets_enter_the_tunnel);
	RUN(test_inner_address_is_closed_to_the_lan);
	return sandbox_leave();
}
