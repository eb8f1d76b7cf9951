/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * DNS over TCP, for answers that are too long for a datagram: a question of a program goes to the
 * first name server over a connection of its own, and the answer is checked like any other.
 *
 *   READING (from the program) -> ASKING (the server) -> HEARING (from it) -> ANSWERING -> READING
 */
#include <arpa/inet.h>
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "app/dns_app.h"
#include "util/xalloc.h"

#define IDLE_NS (10 * NS_PER_S)

enum {
	LENGTH_LEN = 2, /* before each message */
	MESSAGE_MAX = 65535,
};

enum tcp_state {
	TCP_READING,
	TCP_ASKING,
	TCP_HEARING,
	TCP_ANSWERING,
};

struct dns_tcp {
	struct dns_app *app;
	size_t slot;
	struct loop_fd program, server; /* server.fd -1: none */
	enum tcp_state state;
	uint64_t end_ns;
	size_t done, len; /* of buf; len 0: not known yet */
	uint8_t buf[LENGTH_LEN + MESSAGE_MAX];
};

static void drop_server(struct dns_tcp *t)
{
	if (t->server.fd < 0)
		return;
	loop_del(t->app->loop, &t->server);
	close(t->server.fd);
	t->server.fd = -1;
}

void dns_tcp_close(struct dns_app *d, size_t slot)
{
	struct dns_tcp *t = d->streams[slot];

	if (t == NULL)
		return;
	drop_server(t);
	loop_del(d->loop, &t->program);
	close(t->program.fd);
	free(t);
	d->streams[slot] = NULL;
}

uint64_t dns_tcp_deadline(const struct dns_tcp *t)
{
	return t->end_ns;
}

/* 1: a whole message is there, 0: not yet, negative: the stream has ended or is spoilt. */
static int read_message(struct dns_tcp *t, int fd)
{
	for (;;) {
		const size_t want = t->done < LENGTH_LEN ? LENGTH_LEN : t->len;
		ssize_t n;

		if (t->done == want && want > LENGTH_LEN)
			return 1;
		n = read(fd, t->buf + t->done, want - t->done);
		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n <= 0)
			return -ECONNRESET;
		t->done += (size_t)n;
		if (t->done == LENGTH_LEN) {
			t->len = LENGTH_LEN + ((size_t)t->buf[0] << 8 | t->buf[1]);
			if (t->len < LENGTH_LEN + DNS_HEADER_LEN)
				return -EBADMSG;
		}
	}
}

/* 1: all is written, 0: not yet, or a negative errno. */
static int write_message(struct dns_tcp *t, int fd)
{
	while (t->done < t->len) {
		const ssize_t n = send(fd, t->buf + t->done, t->len - t->done, MSG_NOSIGNAL);

		if (n < 0)
			return errno == EAGAIN || errno == EINPROGRESS || errno == ENOTCONN
				   ? 0
				   : -errno;
		t->done += (size_t)n;
	}
	return 1;
}

static int watch(struct dns_tcp *t, struct loop_fd *f, uint32_t events)
{
	return loop_change(t->app->loop, f, events);
}

static int begin_connect(int fd, const uint8_t ip[static 16], bool is_v4)
{
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(STUB_PORT)};
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(STUB_PORT)};
	int rc;

	memcpy(&v6.sin6_addr, ip, 16);
	memcpy(&v4.sin_addr, ip + 12, 4);
	rc = is_v4 ? connect(fd, (const struct sockaddr *)&v4, sizeof(v4))
		   : connect(fd, (const struct sockaddr *)&v6, sizeof(v6));
	return rc == 0 || errno == EINPROGRESS ? 0 : -errno;
}

static void server_ready(struct loop_fd *f, uint32_t events);

static int ask(struct dns_tcp *t)
{
	const struct endpoint server = {.port = STUB_PORT};
	struct endpoint e = server;
	bool is_v4;
	int fd, rc;

	if (t->app->servers.count == 0)
		return -ENETDOWN;
	memcpy(e.ip, t->app->servers.ip[0], 16);
	is_v4 = endpoint_is_v4(&e);
	fd = dns_app_socket(t->app, SOCK_STREAM, is_v4);
	if (fd < 0)
		return fd;
	rc = begin_connect(fd, e.ip, is_v4);
	t->server = (struct loop_fd){.fd = fd, .ready = server_ready};
	if (rc == 0)
		rc = loop_add(t->app->loop, &t->server, EPOLLOUT);
	if (rc != 0) {
		close(fd);
		t->server.fd = -1;
		return rc;
	}
	t->state = TCP_ASKING;
	t->done = 0;
	return watch(t, &t->program, 0);
}

static int answer(struct dns_tcp *t)
{
	const size_t len = stub_check(t->app->stub, t->buf + LENGTH_LEN, t->len - LENGTH_LEN);

	drop_server(t);
	if (len == 0)
		return -EBADMSG;
	t->buf[0] = (uint8_t)(len >> 8);
	t->buf[1] = (uint8_t)len;
	t->len = LENGTH_LEN + len;
	t->done = 0;
	t->state = TCP_ANSWERING;
	return watch(t, &t->program, EPOLLOUT);
}

/* One step of the state that the socket was waited for in; negative: the end. */
static int go_on(struct dns_tcp *t)
{
	int rc;

	switch (t->state) {
	case TCP_READING:
		rc = read_message(t, t->program.fd);
		return rc == 1 ? ask(t) : rc;
	case TCP_ASKING:
		rc = write_message(t, t->server.fd);
		if (rc != 1)
			return rc;
		t->state = TCP_HEARING;
		t->done = t->len = 0;
		return watch(t, &t->server, EPOLLIN);
	case TCP_HEARING:
		rc = read_message(t, t->server.fd);
		return rc == 1 ? answer(t) : rc;
	case TCP_ANSWERING:
		rc = write_message(t, t->program.fd);
		if (rc != 1)
			return rc;
		t->state = TCP_READING;
		t->done = t->len = 0;
		return watch(t, &t->program, EPOLLIN);
	}
	return -EINVAL;
}

static void step(struct dns_tcp *t)
{
	t->end_ns = now_read().mono_ns + IDLE_NS;
	if (go_on(t) < 0)
		dns_tcp_close(t->app, t->slot);
}

static void server_ready(struct loop_fd *f, uint32_t events)
{
	(void)events;
	step(container_of(f, struct dns_tcp, server));
}

static void program_ready(struct loop_fd *f, uint32_t events)
{
	struct dns_tcp *t = container_of(f, struct dns_tcp, program);

	(void)events;
	if (t->state == TCP_ASKING || t->state == TCP_HEARING)
		dns_tcp_close(t->app, t->slot); /* it does not wait any more */
	else
		step(t);
}

void dns_tcp_open(struct dns_app *d, size_t slot, int fd, const struct now *now)
{
	struct dns_tcp *t = xcalloc(1, sizeof(*t));

	*t = (struct dns_tcp){.app = d,
			      .slot = slot,
			      .program = {.fd = fd, .ready = program_ready},
			      .server.fd = -1,
			      .end_ns = now->mono_ns + IDLE_NS};
	if (loop_add(d->loop, &t->program, EPOLLIN) != 0) {
		close(fd);
		free(t);
		return;
	}
	d->streams[slot] = t;
}
