/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What an exit does with its clients' packets: real sockets on both ends of exit_bench.h. */
#include <linux/tcp.h>
#include <netinet/in.h>

#include "exit_bench.h"
#include "host/exit_net.h"
#include "host/firewall.h"
#include "util/endpoint.h"

#define ICMP4_PROHIBITED (3 << 8 | 13)
#define ICMP6_PROHIBITED (1 << 8 | 1)
#define EXIT_MTU         1324

static struct bench bench;
static struct exit_net net;
static struct exit_net_config cfg;
static char state_dir[64];
static struct host_error err;

static struct policy_rule rule(enum policy_action action, const char *prefix, uint16_t port_min,
			       uint16_t port_max)
{
	struct policy_rule r = {.action = action, .port_min = port_min, .port_max = port_max};

	if (strcmp(prefix, "private") == 0) {
		r.net = POLICY_NET_PRIVATE;
	} else if (strcmp(prefix, "*") != 0) {
		r.net = POLICY_NET_PREFIX;
		CHECK(ip_prefix_parse(&r.prefix, prefix) == 0);
	}
	return r;
}

static bool start(const struct policy_rule *policy, size_t count)
{
	cfg = (struct exit_net_config){.state_dir = state_dir,
				       .dev[0].tun = "macroexit0",
				       .dev_count = 1,
				       .mtu_bytes = EXIT_MTU,
				       .policy = policy,
				       .policy_count = count};
	if (!bench_open(&bench) || ip_prefix_parse(&cfg.dev[0].gateway4, "10.88.0.1/16") != 0 ||
	    ip_prefix_parse(&cfg.dev[0].gateway6, "fd6d:6d00::1/64") != 0 ||
	    endpoint_ip_parse(cfg.dns4, "45.9.1.2") != 0 ||
	    endpoint_ip_parse(cfg.dns6, "2600:9:1::2") != 0)
		return false;
	if (exit_net_up(&net, &cfg, &err) == 0)
		return true;
	printf("# %s\n", err.text);
	return false;
}

static void stop(void)
{
	CHECK_INT(exit_net_down(&net, &err), 0);
	bench_close(&bench);
}

/* A datagram there and back; the origin must see it from an address of the exit. */
static void check_udp(const char *to, uint16_t port, const char *server_ip, const char *seen_from)
{
	const int server = bench_socket(&bench, bench.origin_ns, SOCK_DGRAM, server_ip, port, true);
	const int client = bench_socket(&bench, bench.client_ns, SOCK_DGRAM, to, port, false);
	struct sockaddr_storage from;
	socklen_t len = sizeof(from);
	char buf[16];

	CHECK(server >= 0 && client >= 0 && send(client, "ask", 3, 0) == 3);
	CHECK(bench_wait(&bench, server, POLLIN));
	CHECK_INT(recvfrom(server, buf, sizeof(buf), 0, (struct sockaddr *)(void *)&from, &len), 3);
	CHECK(bench_is_from(&from, seen_from));
	CHECK_INT(sendto(server, "answer", 6, 0, (struct sockaddr *)(void *)&from, len), 6);
	/* A connected socket: the answer counts only if it comes from where the question went. */
	CHECK(bench_wait(&bench, client, POLLIN));
	CHECK_INT(recv(client, buf, sizeof(buf), 0), 6);
	CHECK_MEM(buf, "answer", 6);
	close(client);
	close(server);
}

/* Sends a pattern through, and counts what arrives as it should. */
static size_t transfer(int from, int to, size_t total)
{
	uint8_t out[4096], in[4096];
	size_t sent = 0, got = 0;
	ssize_t n;

	while (got < total) {
		for (size_t i = 0; i < sizeof(out); i++)
			out[i] = (uint8_t)((sent + i) * 7 >> 3);
		n = sent < total ? send(from, out, MIN(sizeof(out), total - sent), MSG_NOSIGNAL)
				 : 0;
		sent += n > 0 ? (size_t)n : 0;
		n = recv(to, in, sizeof(in), 0);
		if (n > 0) {
			for (ssize_t i = 0; i < n; i++, got++)
				if (in[i] != (uint8_t)(got * 7 >> 3))
					return got;
		} else if (!bench_wait(&bench, to, POLLIN)) {
			return got;
		}
	}
	return got;
}

static unsigned sending_mss(int fd)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);

	memset(&info, 0, sizeof(info));
	CHECK(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0);
	return info.tcpi_snd_mss;
}

static void check_tcp(const char *to, uint16_t port, const char *server_ip, const char *seen_from)
{
	const size_t total = 300000;
	const int listener =
	    bench_socket(&bench, bench.origin_ns, SOCK_STREAM, server_ip, port, true);
	const int client = bench_socket(&bench, bench.client_ns, SOCK_STREAM, to, port, false);
	const unsigned headers = strchr(to, ':') != NULL ? 60 : 40;
	struct sockaddr_storage from;
	socklen_t len = sizeof(from);
	int server;

	CHECK(listener >= 0 && client >= 0 && bench_wait(&bench, listener, POLLIN));
	server = accept4(listener, (struct sockaddr *)(void *)&from, &len, SOCK_NONBLOCK);
	NEED(server >= 0);
	CHECK(bench_is_from(&from, seen_from));
	CHECK(bench_wait(&bench, client, POLLOUT));
	/* Both devices at the ends have an MTU of 1500; only the exit's TUN has not. */
	CHECK(sending_mss(server) <= EXIT_MTU - headers);
	CHECK(sending_mss(client) <= EXIT_MTU - headers);
	CHECK_INT(transfer(client, server, total), total);
	CHECK_INT(transfer(server, client, total), total);
	close(client);
	close(server);
	close(listener);
}

static void test_traffic_leaves_under_the_exits_address(void)
{
	NEED(start(NULL, 0));
	check_udp("45.9.1.2", 9000, "45.9.1.2", "45.9.1.1");
	check_udp("2600:9:1::2", 9000, "2600:9:1::2", "2600:9:1::1");
	check_tcp("45.9.1.2", 8080, "45.9.1.2", "45.9.1.1");
	check_tcp("2600:9:1::2", 8080, "2600:9:1::2", "2600:9:1::1");
	for (int why = 0; why < EXIT_REFUSALS; why++)
		CHECK_INT(exit_net_refused((enum exit_refusal)why), 0);
	stop();
}

static void test_dns_goes_to_the_exits_resolver(void)
{
	NEED(start(NULL, 0));
	check_udp("10.88.0.1", 53, "45.9.1.2", "45.9.1.1");
	check_udp("fd6d:6d00::1", 53, "2600:9:1::2", "2600:9:1::1");
	check_tcp("10.88.0.1", 53, "45.9.1.2", "45.9.1.1");
	check_tcp("fd6d:6d00::1", 53, "2600:9:1::2", "2600:9:1::1");
	/* A resolver on a LAN serves too, though clients could not reach it otherwise. */
	CHECK(endpoint_ip_parse(cfg.dns4, "192.168.9.2") == 0);
	CHECK_INT(exit_net_reload(&net, &cfg, &err), 0);
	check_udp("10.88.0.1", 53, "192.168.9.2", "192.168.9.1");
	CHECK_INT(bench_error(&bench, SOCK_DGRAM, "192.168.9.2", 53), EHOSTUNREACH);
	/* Nobody answers where no resolver is configured. */
	memset(cfg.dns4, 0, sizeof(cfg.dns4));
	CHECK_INT(exit_net_reload(&net, &cfg, &err), 0);
	CHECK_INT(bench_error(&bench, SOCK_DGRAM, "10.88.0.1", 53), EHOSTUNREACH);
	stop();
}

static uint16_t checksum(const uint8_t *p, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i + 1 < len; i += 2)
		sum += get_be16(p + i);
	while (sum > UINT16_MAX)
		sum = (sum & UINT16_MAX) + (sum >> 16);
	return (uint16_t)~sum;
}

static void test_ping(void)
{
	static const char *const targets[] = {"45.9.1.2", "10.88.0.1"};

	NEED(start(NULL, 0));
	for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
		uint8_t echo[16] = {8, 0, 0, 0, 0x12, 0x34, 0, 1}, buf[64];
		int fd;

		NEED(bench_enter(bench.client_ns));
		fd = socket(AF_INET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_ICMP);
		NEED(fd >= 0 && bench_enter(bench.exit_ns));
		const struct sockaddr_storage to = bench_addr(targets[i], 0);

		put_be16(echo + 2, checksum(echo, sizeof(echo)));
		CHECK_INT(sendto(fd, echo, sizeof(echo), 0,
				 (const struct sockaddr *)(const void *)&to, bench_addr_len(&to)),
			  sizeof(echo));
		CHECK(bench_wait(&bench, fd, POLLIN));
		CHECK_INT(recv(fd, buf, sizeof(buf), 0), 36);
		CHECK_INT(buf[20], 0); /* echo reply */
		close(fd);
	}
	stop();
}

struct refusal {
	int type;
	const char *ip;
	uint16_t port;
	enum exit_refusal why;
};

static void check_refused(const struct refusal *r, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const bool v6 = strchr(r[i].ip, ':') != NULL;
		const uint64_t before = exit_net_refused(r[i].why);

		printf("# %s port %u\n", r[i].ip, r[i].port);
		CHECK_INT(bench_error(&bench, r[i].type, r[i].ip, r[i].port),
			  v6 ? EACCES : EHOSTUNREACH);
		CHECK_INT(bench.icmp_error, v6 ? ICMP6_PROHIBITED : ICMP4_PROHIBITED);
		CHECK(exit_net_refused(r[i].why) > before);
	}
}

static void test_what_is_not_for_clients_is_rejected(void)
{
	static const struct refusal refusals[] = {
	    {SOCK_DGRAM, "192.168.9.2", 80, EXIT_PRIVATE}, /* there, behind the exit */
	    {SOCK_STREAM, "192.168.9.2", 80, EXIT_PRIVATE},
	    {SOCK_DGRAM, "169.254.169.254", 80, EXIT_PRIVATE},
	    {SOCK_DGRAM, "100.64.0.1", 80, EXIT_PRIVATE},
	    {SOCK_DGRAM, "240.0.0.1", 80, EXIT_PRIVATE},
	    {SOCK_DGRAM, "fd00::1", 80, EXIT_PRIVATE},
	    {SOCK_DGRAM, "64:ff9b::c0a8:901", 80, EXIT_PRIVATE},
	    {SOCK_DGRAM, "2002:c0a8:901::1", 80, EXIT_PRIVATE},
	    {SOCK_STREAM, "2001:db8::1", 80, EXIT_PRIVATE},
	    {SOCK_STREAM, "45.9.1.2", 25, EXIT_SMTP},
	    {SOCK_STREAM, "2600:9:1::2", 25, EXIT_SMTP},
	    {SOCK_DGRAM, "45.9.1.1", 22, EXIT_OWN},
	    {SOCK_STREAM, "45.9.1.1", 22, EXIT_OWN},
	    {SOCK_DGRAM, "192.168.9.1", 53, EXIT_OWN},
	    {SOCK_DGRAM, "45.9.1.255", 22, EXIT_OWN},
	    {SOCK_STREAM, "2600:9:1::1", 22, EXIT_OWN},
	    {SOCK_STREAM, "10.88.0.1", 22, EXIT_PEER},
	    {SOCK_DGRAM, "10.88.0.1", 54, EXIT_PEER},
	    {SOCK_DGRAM, "fd6d:6d00::1", 54, EXIT_PEER},
	    {SOCK_DGRAM, "10.88.200.3", 80, EXIT_PEER},
	    {SOCK_STREAM, "fd6d:6d00::77", 80, EXIT_PEER},
	};

	NEED(start(NULL, 0));
	CHECK(bench_enter(bench.client_ns) && /* or the client itself refuses to send there */
	      run("ip route add 45.9.1.255/32 dev c0") && bench_enter(bench.exit_ns));
	check_refused(refusals, ARRAY_LEN(refusals));
	/* Port 25 of UDP is nothing special. */
	check_udp("45.9.1.2", 25, "45.9.1.2", "45.9.1.1");
	stop();
}

/* A UDP datagram with that source, straight out of the TUN. */
static void inject(const char *source, const char *to, uint16_t port, const char *data)
{
	uint8_t p[64] = {0x45, 0, 0, 0, 0, 0, 0, 0, 64, IPPROTO_UDP};
	const size_t len = 28 + strlen(data);

	put_be16(p + 2, (uint16_t)len);
	CHECK(inet_pton(AF_INET, source, p + 12) == 1 && inet_pton(AF_INET, to, p + 16) == 1);
	put_be16(p + 10, checksum(p, 20));
	put_be16(p + 20, 5000);
	put_be16(p + 22, port);
	put_be16(p + 24, (uint16_t)(len - 20));
	memcpy(p + 28, data, strlen(data));
	CHECK_INT(write(bench.exit_tun, p, len), len);
}

static void test_spoofed_sources_are_dropped(void)
{
	static const char *const sources[] = {"10.99.0.2",   "45.9.1.1", "45.9.1.2",
					      "192.168.9.2", "8.8.8.8",  "10.88.0.1"};
	struct sockaddr_storage from;
	socklen_t len = sizeof(from);
	uint8_t v6[40] = {0x60, [6] = 59, [7] = 64};
	char buf[16];
	int server;

	NEED(start(NULL, 0));
	server = bench_socket(&bench, bench.origin_ns, SOCK_DGRAM, "45.9.1.2", 9000, true);
	for (size_t i = 0; i < ARRAY_LEN(sources); i++)
		inject(sources[i], "45.9.1.2", 9000, "forged");
	CHECK_INT(exit_net_refused(EXIT_SPOOFED), ARRAY_LEN(sources));
	CHECK(inet_pton(AF_INET6, "fd6d:6d01::2", v6 + 8) == 1);
	CHECK(inet_pton(AF_INET6, "2600:9:1::2", v6 + 24) == 1);
	CHECK_INT(write(bench.exit_tun, v6, sizeof(v6)), sizeof(v6));
	CHECK_INT(exit_net_refused(EXIT_SPOOFED), ARRAY_LEN(sources) + 1);
	/* What the origin gets first, and last, is the honest one. */
	inject("10.88.7.7", "45.9.1.2", 9000, "honest");
	CHECK(bench_wait(&bench, server, POLLIN));
	CHECK_INT(recvfrom(server, buf, sizeof(buf), 0, (struct sockaddr *)(void *)&from, &len), 6);
	CHECK_MEM(buf, "honest", 6);
	CHECK(bench_is_from(&from, "45.9.1.1"));
	CHECK(recv(server, buf, sizeof(buf), 0) == -1 && errno == EAGAIN);
	close(server);
	stop();
}

/* The outside has no way in, even with a route to the pool. */
static void test_unsolicited_packets_do_not_reach_clients(void)
{
	int outside, client;

	NEED(start(NULL, 0));
	client = bench_socket(&bench, bench.client_ns, SOCK_DGRAM, "10.88.0.2", 7000, true);
	outside = bench_socket(&bench, bench.origin_ns, SOCK_DGRAM, "10.88.0.2", 7000, false);
	NEED(client >= 0 && outside >= 0);
	CHECK_INT(send(outside, "knock", 5, 0), 5);
	/* Through the same devices: when this is back, the other would have arrived. */
	check_udp("45.9.1.2", 9000, "45.9.1.2", "45.9.1.1");
	CHECK_INT(exit_net_refused(EXIT_UNSOLICITED), 1);
	CHECK(recv(client, (char[8]){0}, 8, 0) == -1 && errno == EAGAIN);
	close(client);
	close(outside);
	stop();
}

static void test_the_first_rule_that_matches_decides(void)
{
	struct policy_rule policy[] = {
	    rule(POLICY_ACCEPT, "45.9.1.2/32", 25, 25),
	    rule(POLICY_REJECT, "45.9.1.0/24", 9000, 9010),
	    rule(POLICY_ACCEPT, "45.9.0.0/16", 9005, 9005), /* too late */
	    rule(POLICY_ACCEPT, "192.168.9.0/24", 443, 443),
	    rule(POLICY_REJECT, "2600:9:1::/64", 0, 65535),
	    rule(POLICY_ACCEPT, "*", 1, 65535), /* of the Internet */
	};
	static const struct refusal refusals[] = {
	    {SOCK_DGRAM, "45.9.1.2", 9000, EXIT_POLICY},
	    {SOCK_DGRAM, "45.9.1.2", 9005, EXIT_POLICY},
	    {SOCK_STREAM, "45.9.1.2", 9010, EXIT_POLICY},
	    {SOCK_STREAM, "2600:9:1::2", 443, EXIT_POLICY},
	    {SOCK_DGRAM, "192.168.9.2", 444, EXIT_PRIVATE},
	    {SOCK_DGRAM, "10.1.1.1", 443, EXIT_PRIVATE},
	    {SOCK_DGRAM, "fd00::1", 443, EXIT_PRIVATE},
	    {SOCK_DGRAM, "192.168.9.1", 443, EXIT_OWN}, /* which no rule opens */
	};

	NEED(start(policy, ARRAY_LEN(policy)));
	check_refused(refusals, ARRAY_LEN(refusals));
	check_tcp("45.9.1.2", 25, "45.9.1.2", "45.9.1.1");
	check_udp("45.9.1.2", 8999, "45.9.1.2", "45.9.1.1");
	check_udp("45.9.1.2", 9011, "45.9.1.2", "45.9.1.1");
	check_udp("192.168.9.2", 443, "192.168.9.2", "192.168.9.1");
	stop();
}

static void test_protocols_of_a_rule(void)
{
	struct policy_rule policy[] = {
	    rule(POLICY_REJECT, "*", 443, 443),
	    rule(POLICY_REJECT, "0.0.0.0/0", 444, 444),
	    rule(POLICY_REJECT, "::/0", 445, 445),
	};
	static const struct refusal refusals[] = {
	    {SOCK_DGRAM, "45.9.1.2", 443, EXIT_POLICY},
	    {SOCK_STREAM, "45.9.1.2", 444, EXIT_POLICY},
	    {SOCK_DGRAM, "2600:9:1::2", 445, EXIT_POLICY},
	};

	policy[0].proto = POLICY_PROTO_UDP;
	policy[1].proto = POLICY_PROTO_TCP;
	NEED(start(policy, ARRAY_LEN(policy)));
	check_refused(refusals, ARRAY_LEN(refusals));
	check_tcp("45.9.1.2", 443, "45.9.1.2", "45.9.1.1");
	check_udp("45.9.1.2", 444, "45.9.1.2", "45.9.1.1");
	check_udp("2600:9:1::2", 444, "2600:9:1::2", "2600:9:1::1");
	check_udp("45.9.1.2", 445, "45.9.1.2", "45.9.1.1");
	stop();
}

static void test_private_as_a_word(void)
{
	struct policy_rule policy[] = {
	    rule(POLICY_ACCEPT, "private", 443, 443),
	    rule(POLICY_REJECT, "private", 0, 65535),
	};
	static const struct refusal refusal = {SOCK_DGRAM, "192.168.9.2", 80, EXIT_PRIVATE};

	NEED(start(policy, ARRAY_LEN(policy)));
	check_udp("192.168.9.2", 443, "192.168.9.2", "192.168.9.1");
	check_refused(&refusal, 1);
	stop();
}

static void test_reload(void)
{
	struct policy_rule policy[] = {rule(POLICY_REJECT, "45.9.1.2/32", 9000, 9000)};
	struct exit_net_config bad;

	NEED(start(NULL, 0));
	check_udp("45.9.1.2", 9000, "45.9.1.2", "45.9.1.1");
	cfg.policy = policy;
	cfg.policy_count = 1;
	CHECK_INT(exit_net_reload(&net, &cfg, &err), 0);
	CHECK_INT(bench_error(&bench, SOCK_DGRAM, "45.9.1.2", 9000), EHOSTUNREACH);
	CHECK_INT(exit_net_refused(EXIT_POLICY), 1);
	bad = cfg;
	CHECK(endpoint_ip_parse(bad.dns4, "127.0.0.53") == 0);
	CHECK_INT(exit_net_reload(&net, &bad, &err), -EINVAL);
	CHECK_INT(bench_error(&bench, SOCK_DGRAM, "45.9.1.2", 9000), EHOSTUNREACH);
	CHECK_INT(exit_net_refused(EXIT_POLICY), 2);
	stop();
}

/* An exit that is a client too: others' traffic does not enter its own tunnel. */
static void test_forwarding_goes_past_a_clients_rules(void)
{
	NEED(start(NULL, 0));
	CHECK(run("ip link add away type veth peer name far && ip link set far up && "
		  "ip link set away up && "
		  "ip route add default dev away table 27757 && "
		  "ip rule add pref 91 lookup main suppress_prefixlength 0 && "
		  "ip rule add pref 92 not fwmark 1 lookup 27757"));
	CHECK(shows("ip route get 45.9.7.7 from 45.9.1.1", "dev away"));
	check_udp("45.9.1.2", 9000, "45.9.1.2", "45.9.1.1");
	stop();
}

int main(void)
{
	if (!sandbox_enter())
		return sandbox_skip();
	snprintf(state_dir, sizeof(state_dir), "%s/state", sandbox_dir);
	RUN(test_traffic_leaves_under_the_exits_address);
	RUN(test_dns_goes_to_the_exits_resolver);
	RUN(test_ping);
	RUN(test_what_is_not_for_clients_is_rejected);
	RUN(test_spoofed_sources_are_dropped);
	RUN(test_unsolicited_packets_do_not_reach_clients);
	RUN(test_the_first_rule_that_matches_decides);
	RUN(test_protocols_of_a_rule);
	RUN(test_private_as_a_word);
	RUN(test_reload);
	RUN(test_forwarding_goes_past_a_clients_rules);
	return sandbox_leave();
}
