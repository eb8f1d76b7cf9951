/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * DNS over TCP, for answers that are too long for a datagram: a question of a program goes to the
 * first name server over a connection of its own, and the answer is checked like any other.
 *
 *   READING (from the program) -> ASKING (the server) -> HEARING (from it) -> ANSWERING -> READING
 */
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
	struct dns_app *way; /* who asks for it: app, or the other one */
	size_t slot;
	struct loop_fd program;
	struct dns_stream server;
	enum tcp_state state;
	uint64_t end_ns;
	size_t done, len; /* of buf; len 0: not known yet */
	uint8_t buf[LENGTH_LEN + MESSAGE_MAX];
};

void dns_tcp_close(struct dns_app *d, size_t slot)
{
	struct dns_tcp *t = d->streams[slot];

	if (t == NULL)
		return;
	dns_stream_close(&t->server);
	loop_del(d->loop, &t->program);
	close(t->program.fd);
	free(t);
	d->streams[slot] = NULL;
}

void dns_tcp_forget(struct dns_app *d, size_t slot)
{
	const struct dns_tcp *t = d->streams[slot];

	if (t != NULL && (t->state == TCP_ASKING || t->state == TCP_HEARING))
		dns_tcp_close(d, slot);
}

uint64_t dns_tcp_deadline(const struct dns_tcp *t)
{
	return t->end_ns;
}

/* From the program, or from the server. */
static ssize_t read_some(struct dns_tcp *t, uint8_t *buf, size_t len)
{
	ssize_t n;

	if (t->state != TCP_READING)
		return dns_stream_read(&t->server, buf, len);
	n = read(t->program.fd, buf, len);
	return n > 0 ? n : n == 0 ? -ECONNRESET : -errno;
}

static ssize_t write_some(struct dns_tcp *t, const uint8_t *buf, size_t len)
{
	ssize_t n;

	if (t->state != TCP_ANSWERING)
		return dns_stream_write(&t->server, buf, len);
	n = send(t->program.fd, buf, len, MSG_NOSIGNAL);
	return n < 0 ? -errno : n;
}

/* 1: a whole message is there, 0: not yet, negative: the stream has ended or is spoilt. */
static int read_message(struct dns_tcp *t)
{
	for (;;) {
		const size_t want = t->done < LENGTH_LEN ? LENGTH_LEN : t->len;
		ssize_t n;

		if (t->done == want && want > LENGTH_LEN)
			return 1;
		n = read_some(t, t->buf + t->done, want - t->done);
		if (n < 0)
			return n == -EAGAIN ? 0 : (int)n;
		t->done += (size_t)n;
		if (t->done == LENGTH_LEN) {
			t->len = LENGTH_LEN + ((size_t)t->buf[0] << 8 | t->buf[1]);
			if (t->len < LENGTH_LEN + DNS_HEADER_LEN)
				return -EBADMSG;
		}
	}
}

/* 1: all is written, 0: not yet, or a negative errno. */
static int write_message(struct dns_tcp *t)
{
	while (t->done < t->len) {
		const ssize_t n = write_some(t, t->buf + t->done, t->len - t->done);

		if (n < 0)
			return n == -EAGAIN ? 0 : (int)n;
		t->done += (size_t)n;
	}
	return 1;
}

static int watch(struct dns_tcp *t, struct loop_fd *f, uint32_t events)
{
	return loop_change(t->app->loop, f, events);
}

static void server_ready(struct loop_fd *f, uint32_t events);

static int ask(struct dns_tcp *t)
{
	int rc;

	t->way = dns_app_way(t->app, t->buf + LENGTH_LEN, t->len - LENGTH_LEN);
	rc = dns_stream_open(&t->server, t->way, server_ready);
	if (rc != 0)
		return rc;
	t->state = TCP_ASKING;
	t->done = 0;
	return watch(t, &t->program, 0);
}

static int answer(struct dns_tcp *t)
{
	const size_t len = stub_check(t->way->stub, t->buf + LENGTH_LEN, t->len - LENGTH_LEN);
	const struct now now = now_read();

	dns_stream_close(&t->server);
	if (len == 0)
		return -EBADMSG;
	dns_app_tell(t->way, t->buf + LENGTH_LEN, len, &now);
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
		rc = read_message(t);
		return rc == 1 ? ask(t) : rc;
	case TCP_ASKING:
		rc = write_message(t);
		if (rc < 0)
			return rc;
		if (rc == 1) {
			t->state = TCP_HEARING;
			t->done = t->len = 0;
			t->server.want = EPOLLIN;
		}
		return watch(t, &t->server.fd, t->server.want);
	case TCP_HEARING:
		rc = read_message(t);
		if (rc == 0)
			return watch(t, &t->server.fd, t->server.want);
		return rc == 1 ? answer(t) : rc;
	case TCP_ANSWERING:
		rc = write_message(t);
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
	step(container_of(f, struct dns_tcp, server.fd));
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
			      .server.fd.fd = -1,
			      .end_ns = now->mono_ns + IDLE_NS};
	if (loop_add(d->loop, &t->program, EPOLLIN) != 0) {
		close(fd);
		free(t);
		return;
	}
	d->streams[slot] = t;
}
