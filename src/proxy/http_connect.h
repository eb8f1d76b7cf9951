/* SPDX-License-Identifier: GPL-3.0-or-later */
/* HTTP CONNECT (RFC 9110, 9.3.6), the proxy's side; bytes in, bytes out. */
#ifndef PROXY_HTTP_CONNECT_H
#define PROXY_HTTP_CONNECT_H

#include "proxy/target.h"

enum {
	HTTP_HEAD_MAX = 8192,
	HTTP_ANSWER_MAX = 256,
};

enum http_status {
	HTTP_OK = 200,
	HTTP_BAD_REQUEST = 400,
	HTTP_METHOD_NOT_ALLOWED = 405,
	HTTP_HEAD_TOO_LARGE = 431,
	HTTP_BAD_GATEWAY = 502,
	HTTP_UNAVAILABLE = 503,
	HTTP_GATEWAY_TIMEOUT = 504,
	HTTP_BAD_VERSION = 505,
};

/*
 * http_connect_read(in, len, rq, wrong): a request's head.  Its length; 0 when it is not whole yet;
 * -EPROTO with *wrong set: answer that, then hang up.  The user of Proxy-Authorization: Basic is
 * the request's.
 */
MUST_USE int http_connect_read(const uint8_t *in, size_t len, struct proxy_request *rq,
			       enum http_status *wrong);

/* http_connect_answer(status, out): its length. */
size_t http_connect_answer(enum http_status status, char out[static HTTP_ANSWER_MAX]);

#endif
