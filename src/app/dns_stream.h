/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A connection to a name server, through the tunnel and nowhere else; over TLS where the profile
 * names a server's certificate.  It does not wait. */
#ifndef APP_DNS_STREAM_H
#define APP_DNS_STREAM_H

#include <openssl/ssl.h>
#include <sys/types.h>

#include "io/loop.h"

struct dns_app;

struct dns_stream {
	struct loop_fd fd; /* -1: closed */
	const struct dns_app *app;
	SSL *ssl;      /* NULL: plain */
	uint32_t want; /* the event that the last call would have to wait for */
};

/* dns_stream_open(s, app, ready): to the first server; what is called once it can be written to. */
MUST_USE int dns_stream_open(struct dns_stream *s, const struct dns_app *app,
			     void (*ready)(struct loop_fd *f, uint32_t events));
void dns_stream_close(struct dns_stream *s);

/* As read and send: bytes, -EAGAIN with s->want, or another negative errno, also at the end. */
ssize_t dns_stream_read(struct dns_stream *s, void *buf, size_t len);
ssize_t dns_stream_write(struct dns_stream *s, const void *buf, size_t len);

#endif
