/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 *   client namespace        exit namespace (ours)                   origin namespace
 *   10.88.0.2, fd6d::2      10.88.0.1, fd6d::1     45.9.1.1         45.9.1.2, 2600:9:1::2
 *   c0 [TUN] ---- pump ---- [TUN] macroexit0 ---- out0 [veth] ---- in0   and 192.168.9.2, private
 *
 * The pump stands for the mesh: it carries packets between the two TUN file descriptors.
 */
#ifndef TESTS_HOST_EXIT_BENCH_H
#define TESTS_HOST_EXIT_BENCH_H

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "sandbox.h"
#include "util/bytes.h"
#include "util/now.h"

struct bench {
	int exit_ns, client_ns, origin_ns;
	int client_tun, exit_tun;
	int icmp_error; /* type and code of the last ICMP error to the client, as type << 8 | code
			 */
};

static inline bool bench_enter(int ns)
{
	return setns(ns, CLONE_NEWNET) == 0;
}

/* A new network namespace, entered. */
static inline int bench_new_ns(void)
{
	return sandbox_fresh() ? open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC) : -1;
}

static inline bool bench_open(struct bench *b)
{
	const int pid = getpid();

	b->icmp_error = 0;
	b->origin_ns = bench_new_ns();
	b->client_ns = bench_new_ns();
	b->client_tun = sandbox_open_tun("c0");
	if (b->origin_ns < 0 || b->client_ns < 0 || b->client_tun < 0 ||
	    !run("echo 1 >/proc/sys/net/ipv6/conf/c0/addr_gen_mode; "
		 "ip addr add 10.88.0.2/32 dev c0; ip addr add fd6d:6d00::2/128 dev c0 nodad; "
		 "ip link set c0 up; ip route add default dev c0; ip -6 route add default dev c0"))
		return false;
	b->exit_ns = bench_new_ns();
	b->exit_tun = sandbox_open_tun("macroexit0");
	if (b->exit_ns < 0 || b->exit_tun < 0 ||
	    !run("cd /proc/sys/net; echo 0 >ipv4/icmp_ratelimit; echo 0 >ipv6/icmp/ratelimit; "
		 "ip link set macroexit0 up; ip link set macroexit0 down; "
		 "ip link add out0 type veth peer name in0; "
		 "echo 1 >/proc/sys/net/ipv6/conf/out0/addr_gen_mode; "
		 "ip link set in0 netns /proc/%d/fd/%d; ip link set out0 up; "
		 "ip addr add 45.9.1.1/24 dev out0; ip addr add 192.168.9.1/24 dev out0; "
		 "ip addr add 2600:9:1::1/64 dev out0 nodad",
		 pid, b->origin_ns))
		return false;
	return bench_enter(b->origin_ns) &&
	       run("echo 1 >/proc/sys/net/ipv6/conf/in0/addr_gen_mode; ip link set in0 up; "
		   "ip addr add 45.9.1.2/24 dev in0; ip addr add 192.168.9.2/24 dev in0; "
		   "ip addr add 2600:9:1::2/64 dev in0 nodad; ip route add default via 45.9.1.1; "
		   "ip -6 route add default via 2600:9:1::1") &&
	       bench_enter(b->exit_ns);
}

static inline void bench_close(struct bench *b)
{
	close(b->client_tun);
	close(b->exit_tun);
	close(b->client_ns);
	close(b->exit_ns);
	close(b->origin_ns);
}

static inline void bench_note_icmp(struct bench *b, const uint8_t *p, size_t len)
{
	const bool v4 = p[0] >> 4 == 4;
	const uint8_t *icmp = p + (v4 ? 4 * (p[0] & 15) : 40);

	if (len < 48 || (v4 ? p[9] != IPPROTO_ICMP : p[6] != IPPROTO_ICMPV6))
		return;
	if (v4 ? icmp[0] == 3 : icmp[0] < 128)
		b->icmp_error = icmp[0] << 8 | icmp[1];
}

/* Moves what is waiting; waits a moment if there is nothing. */
static inline void bench_pump(struct bench *b)
{
	struct pollfd fds[2] = {{b->client_tun, POLLIN, 0}, {b->exit_tun, POLLIN, 0}};
	uint8_t buf[65536];
	ssize_t n;

	if (poll(fds, 2, 20) <= 0)
		return;
	while ((n = read(b->client_tun, buf, sizeof(buf))) > 0)
		if (write(b->exit_tun, buf, (size_t)n) != n)
			printf("# the exit's TUN refused a packet\n");
	while ((n = read(b->exit_tun, buf, sizeof(buf))) > 0) {
		bench_note_icmp(b, buf, (size_t)n);
		if (write(b->client_tun, buf, (size_t)n) != n)
			printf("# the client's TUN refused a packet\n");
	}
}

static inline struct sockaddr_storage bench_addr(const char *ip, uint16_t port)
{
	struct sockaddr_storage out = {.ss_family = AF_INET};
	struct sockaddr_in *in = (struct sockaddr_in *)(void *)&out;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)(void *)&out;

	if (inet_pton(AF_INET, ip, &in->sin_addr) == 1) {
		in->sin_port = htons(port);
	} else {
		out.ss_family = AF_INET6;
		CHECK(inet_pton(AF_INET6, ip, &in6->sin6_addr) == 1);
		in6->sin6_port = htons(port);
	}
	return out;
}

static inline socklen_t bench_addr_len(const struct sockaddr_storage *a)
{
	return a->ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
}

/* The text of an address without its port. */
static inline bool bench_is_from(const struct sockaddr_storage *a, const char *ip)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)a;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)a;
	char text[INET6_ADDRSTRLEN];

	inet_ntop(a->ss_family,
		  a->ss_family == AF_INET ? (const void *)&in->sin_addr
					  : (const void *)&in6->sin6_addr,
		  text, sizeof(text));
	if (strcmp(text, ip) != 0)
		printf("# came from %s\n", text);
	return strcmp(text, ip) == 0;
}

/* A non-blocking socket in a namespace: listening or bound at ip:port, or with a connect begun. */
static inline int bench_socket(struct bench *b, int ns, int type, const char *ip, uint16_t port,
			       bool is_server)
{
	const struct sockaddr_storage a = bench_addr(ip, port);
	const struct sockaddr *addr = (const struct sockaddr *)(const void *)&a;
	const int on = 1;
	int fd, rc;

	if (!bench_enter(ns))
		return -1;
	fd = socket(a.ss_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	rc = is_server ? bind(fd, addr, bench_addr_len(&a)) : connect(fd, addr, bench_addr_len(&a));
	if (rc == 0 && is_server && type == SOCK_STREAM)
		rc = listen(fd, 4);
	if (!bench_enter(b->exit_ns) || (rc != 0 && errno != EINPROGRESS)) {
		printf("# socket at %s port %u: %s\n", ip, port, strerror(errno));
		close(fd);
		return -1;
	}
	return fd;
}

/* Pumps until the socket is ready; false after five seconds without. */
static inline bool bench_wait(struct bench *b, int fd, short events)
{
	const uint64_t end_ns = now_read().mono_ns + 5 * NS_PER_S;
	struct pollfd p = {fd, events, 0};

	while (poll(&p, 1, 0) == 0) {
		if (now_read().mono_ns > end_ns)
			return false;
		bench_pump(b);
	}
	return true;
}

/* The error that a client's socket ends with, or 0. */
static inline int bench_error(struct bench *b, int type, const char *ip, uint16_t port)
{
	const int fd = bench_socket(b, b->client_ns, type, ip, port, false);
	int err = -1;
	socklen_t len = sizeof(err);

	b->icmp_error = 0;
	if (fd < 0)
		return -1;
	if (type == SOCK_DGRAM && send(fd, "x", 1, 0) != 1)
		printf("# send: %s\n", strerror(errno));
	if (bench_wait(b, fd, type == SOCK_STREAM ? POLLOUT : POLLIN))
		getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len);
	close(fd);
	return err;
}

#endif
