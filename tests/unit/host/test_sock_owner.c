/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/lib/test.h"

#include "host/sock_owner.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

static struct endpoint endpoint_of(const struct sockaddr_in6 *a)
{
	struct endpoint e = {.port = ntohs(a->sin6_port)};

	memcpy(e.ip, &a->sin6_addr, sizeof(e.ip));
	return e;
}

/* Loopback of either family, as one sees it on a socket of both. */
static struct sockaddr_in6 loopback(bool is_v4)
{
	struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};

	if (is_v4)
		memcpy(&a.sin6_addr, (const uint8_t[16]){[10] = 255, 255, 127, 0, 0, 1}, 16);
	return a;
}

static struct sockaddr_in6 name_of(int fd)
{
	struct sockaddr_in6 a = {0};
	socklen_t len = sizeof(a);

	CHECK_INT(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	return a;
}

static void test_socket(int type, uint8_t proto, bool is_v4, bool is_connected)
{
	const int server = socket(AF_INET6, type, 0), client = socket(AF_INET6, type, 0);
	struct sockaddr_in6 to = loopback(is_v4);
	struct endpoint local, remote, other;
	struct sock_owner owner = {0};
	struct sock_owner_query *q;

	NEED(bind(server, (struct sockaddr *)&to, sizeof(to)) == 0);
	if (type == SOCK_STREAM)
		NEED(listen(server, 1) == 0);
	to = name_of(server);
	if (is_connected) {
		NEED(connect(client, (struct sockaddr *)&to, sizeof(to)) == 0);
	} else {
		NEED(sendto(client, "x", 1, 0, (struct sockaddr *)&to, sizeof(to)) == 1);
	}
	local = endpoint_of(&(struct sockaddr_in6){.sin6_addr = loopback(is_v4).sin6_addr,
						   .sin6_port = name_of(client).sin6_port});
	remote = endpoint_of(&to);
	NEED(sock_owner_open(&q) == 0);
	CHECK_INT(sock_owner_find(q, proto, &local, &remote, &owner), 0);
	CHECK_INT(owner.uid, getuid());
	other = local;
	other.port = 1; /* nobody's */
	owner.uid = 12345;
	CHECK_INT(sock_owner_find(q, proto, &other, &remote, &owner), -ENOENT);
	CHECK_INT(owner.uid, 12345); /* untouched */
	CHECK_INT(sock_owner_find(q, proto, &local, &remote, &owner), 0);
	sock_owner_close(q);
	close(client);
	close(server);
}

static void test_tcp(void)
{
	test_socket(SOCK_STREAM, IPPROTO_TCP, true, true);
	test_socket(SOCK_STREAM, IPPROTO_TCP, false, true);
}

static void test_udp(void)
{
	for (unsigned is_v4 = 0; is_v4 < 2; is_v4++)
		for (unsigned is_connected = 0; is_connected < 2; is_connected++)
			test_socket(SOCK_DGRAM, IPPROTO_UDP, is_v4, is_connected);
}

static void test_unknown_protocol(void)
{
	const struct endpoint e = {.ip = {[10] = 255, 255, 127, 0, 0, 1}, .port = 1};
	struct sock_owner owner;
	struct sock_owner_query *q;

	NEED(sock_owner_open(&q) == 0);
	CHECK(sock_owner_find(q, IPPROTO_ICMP, &e, &e, &owner) < 0);
	sock_owner_close(q);
	sock_owner_close(NULL);
}

int main(void)
{
	RUN(test_tcp);
	RUN(test_udp);
	RUN(test_unknown_protocol);
	return test_done();
}
