/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "app/dns_tls.h"

#include <errno.h>

#include "app/dns_app.h"
#include "util/xalloc.h"

#define SILENCE_NS (3 * NS_PER_S) /* with a question open: then another connection is tried */
#define IDLE_NS    (20 * NS_PER_S)

enum {
	LENGTH_LEN = 2, /* before each message */
	MESSAGE_MAX = 65535,
	QUEUE_LEN = 16384,
};

struct dns_tls {
	struct dns_app *app;
	struct dns_stream stream;
	uint64_t end_ns; /* of the connection, unless something comes first */
	size_t out_done, out_len, in_done;
	uint8_t out[QUEUE_LEN];
	uint8_t in[LENGTH_LEN + MESSAGE_MAX];
};

struct dns_tls *dns_tls_create(struct dns_app *app)
{
	struct dns_tls *t = xcalloc(1, sizeof(*t));

	t->app = app;
	t->stream.fd.fd = -1;
	return t;
}

static void drop(struct dns_tls *t)
{
	dns_stream_close(&t->stream);
	t->out_done = t->out_len = t->in_done = 0;
}

void dns_tls_free(struct dns_tls *t)
{
	if (t == NULL)
		return;
	drop(t);
	free(t);
}

/* ---- both directions, until they would wait ---- */

static int write_out(struct dns_tls *t, uint32_t *want)
{
	while (t->out_done < t->out_len) {
		const ssize_t n =
		    dns_stream_write(&t->stream, t->out + t->out_done, t->out_len - t->out_done);

		if (n == -EAGAIN) {
			*want |= t->stream.want;
			return 0;
		}
		if (n < 0)
			return (int)n;
		t->out_done += (size_t)n;
	}
	t->out_done = t->out_len = 0;
	return 0;
}

/* A whole message: where datagrams could not carry it, the program hears that and asks by TCP. */
static void take_message(struct dns_tls *t, size_t len, const struct now *now)
{
	struct endpoint server = {.port = STUB_PORT};
	uint8_t *msg = t->in + LENGTH_LEN;

	memcpy(server.ip, t->app->servers.ip[0], sizeof(server.ip));
	if (len < DNS_HEADER_LEN)
		return;
	if (len > DNS_UDP_MAX) {
		dns_truncate(msg);
		len = DNS_UDP_MAX;
	}
	stub_answer(t->app->stub, msg, len, &server, now);
	dns_app_flush(t->app, now);
}

/* Bytes still missing of what is being read: its length, then the rest. */
static size_t missing(const struct dns_tls *t)
{
	if (t->in_done < LENGTH_LEN)
		return LENGTH_LEN - t->in_done;
	return LENGTH_LEN + ((size_t)t->in[0] << 8 | t->in[1]) - t->in_done;
}

static int read_in(struct dns_tls *t, uint32_t *want, const struct now *now)
{
	for (;;) {
		const ssize_t n = dns_stream_read(&t->stream, t->in + t->in_done, missing(t));

		if (n == -EAGAIN) {
			*want |= t->stream.want;
			return 0;
		}
		if (n < 0)
			return (int)n;
		t->in_done += (size_t)n;
		t->end_ns = now->mono_ns + IDLE_NS;
		if (t->in_done < LENGTH_LEN || missing(t) > 0)
			continue;
		take_message(t, t->in_done - LENGTH_LEN, now);
		if (t->stream.fd.fd < 0)
			return 0; /* the answer led to other servers */
		t->in_done = 0;
	}
}

static void go_on(struct dns_tls *t, const struct now *now)
{
	uint32_t want = 0;
	int rc = write_out(t, &want);

	if (rc == 0)
		rc = read_in(t, &want, now);
	if (rc == 0 && t->stream.fd.fd >= 0)
		rc = loop_change(t->app->loop, &t->stream.fd, want);
	if (rc != 0)
		drop(t);
}

static void ready(struct loop_fd *f, uint32_t events)
{
	const struct now now = now_read();

	(void)events;
	go_on(container_of(f, struct dns_tls, stream.fd), &now);
}

void dns_tls_ask(struct dns_tls *t, const uint8_t *msg, size_t len, const struct now *now)
{
	if (t->stream.fd.fd < 0) {
		if (dns_stream_open(&t->stream, t->app, ready) != 0)
			return;
		t->end_ns = now->mono_ns + IDLE_NS;
	}
	if (t->out_len + LENGTH_LEN + len > sizeof(t->out))
		return;
	t->out[t->out_len++] = (uint8_t)(len >> 8);
	t->out[t->out_len++] = (uint8_t)len;
	memcpy(t->out + t->out_len, msg, len);
	t->out_len += len;
	t->end_ns = MIN(t->end_ns, now->mono_ns + SILENCE_NS);
	if (loop_change(t->app->loop, &t->stream.fd, EPOLLIN | EPOLLOUT) != 0)
		drop(t);
}

void dns_tls_tick(struct dns_tls *t, const struct now *now)
{
	if (t->stream.fd.fd >= 0 && t->end_ns <= now->mono_ns)
		drop(t);
}

uint64_t dns_tls_deadline(const struct dns_tls *t)
{
	return t->stream.fd.fd >= 0 ? t->end_ns : NEVER;
}
