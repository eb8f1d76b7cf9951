/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "proxy/http_connect.h"

#include "crypto/hash.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <strings.h>

enum {
	CREDENTIAL_MAX = 512,
};

/* Text within the head; not terminated. */
struct span {
	const char *p;
	size_t len;
};

static bool span_is(struct span s, const char *text)
{
	return s.len == strlen(text) && strncasecmp(s.p, text, s.len) == 0;
}

/* take(s, end, out): what comes before the first `end`, which is skipped. */
static bool take(struct span *s, const char *end, struct span *out)
{
	const char *at = memmem(s->p, s->len, end, strlen(end));

	if (at == NULL)
		return false;
	*out = (struct span){s->p, (size_t)(at - s->p)};
	s->len -= out->len + strlen(end);
	s->p = at + strlen(end);
	return true;
}

static struct span trim(struct span s)
{
	while (s.len > 0 && (s.p[0] == ' ' || s.p[0] == '\t'))
		s = (struct span){s.p + 1, s.len - 1};
	while (s.len > 0 && (s.p[s.len - 1] == ' ' || s.p[s.len - 1] == '\t'))
		s.len--;
	return s;
}

static bool is_printable(struct span s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.p[i] < ' ' ? s.p[i] != '\t' : s.p[i] == 0x7f)
			return false;
	return true;
}

static bool port_parse(struct span s, uint16_t *port)
{
	unsigned v = 0;

	if (s.len == 0 || s.len > 5)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		v = v * 10 + (unsigned)(s.p[i] - '0');
	}
	*port = (uint16_t)v;
	return v > 0 && v <= UINT16_MAX;
}

/* "host:port" or "[v6]:port". */
static bool authority(struct span s, struct target *t)
{
	const char *colon = memrchr(s.p, ':', s.len);
	struct span host = {s.p, 0};
	struct target out;
	uint16_t port;

	if (colon == NULL)
		return false;
	host.len = (size_t)(colon - s.p);
	if (!port_parse((struct span){colon + 1, s.len - host.len - 1}, &port))
		return false;
	if (host.len >= 2 && host.p[0] == '[' && host.p[host.len - 1] == ']') {
		if (target_parse(&out, host.p + 1, host.len - 2, port) != 0 ||
		    out.name[0] != '\0' || endpoint_is_v4(&out.at))
			return false;
	} else if (memchr(host.p, ':', host.len) != NULL ||
		   target_parse(&out, host.p, host.len, port) != 0) {
		return false;
	}
	*t = out;
	return true;
}

/* "Basic <base64 of user:password>"; other schemes tell us nothing. */
static bool authorization(struct span value, struct proxy_user *u)
{
	char text[CREDENTIAL_MAX];
	struct span scheme, name, word;
	size_t len;
	bool ok = true;

	if (!take(&value, " ", &scheme) || !span_is(scheme, "Basic"))
		return true;
	value = trim(value);
	if (sodium_base642bin((unsigned char *)text, sizeof(text), value.p, value.len, NULL, &len,
			      NULL, sodium_base64_VARIANT_ORIGINAL) != 0)
		return false;
	word = (struct span){text, len};
	if (take(&word, ":", &name))
		proxy_user_set(u, name.p, name.len, word.p, word.len);
	else
		ok = false;
	secret_wipe(text, sizeof(text));
	return ok;
}

static bool header(struct span line, struct proxy_request *rq)
{
	struct span name;

	if (!is_printable(line) || !take(&line, ":", &name) || name.len == 0 ||
	    trim(name).len != name.len)
		return false;
	return !span_is(name, "Proxy-Authorization") || authorization(trim(line), &rq->user);
}

static enum http_status request_line(struct span line, struct proxy_request *rq)
{
	struct span method, where;

	if (!is_printable(line) || !take(&line, " ", &method) || !take(&line, " ", &where) ||
	    method.len == 0)
		return HTTP_BAD_REQUEST;
	if (line.len != 8 || memcmp(line.p, "HTTP/", 5) != 0)
		return HTTP_BAD_REQUEST;
	if (line.p[5] != '1' || line.p[6] != '.')
		return HTTP_BAD_VERSION;
	if (method.len != 7 || memcmp(method.p, "CONNECT", 7) != 0)
		return HTTP_METHOD_NOT_ALLOWED;
	return authority(where, &rq->target) ? HTTP_OK : HTTP_BAD_REQUEST;
}

static enum http_status head(struct span all, struct proxy_request *rq)
{
	enum http_status status;
	struct span line;

	if (!take(&all, "\r\n", &line))
		return HTTP_BAD_REQUEST;
	status = request_line(line, rq);
	while (status == HTTP_OK && take(&all, "\r\n", &line))
		if (line.len > 0 && !header(line, rq))
			status = HTTP_BAD_REQUEST;
	return status;
}

int http_connect_read(const uint8_t *in, size_t len, struct proxy_request *rq,
		      enum http_status *wrong)
{
	struct proxy_request out = {.command = PROXY_CONNECT};
	struct span all = {(const char *)in, len}, first = {0};
	enum http_status status;

	if (!take(&all, "\r\n\r\n", &first)) {
		*wrong = HTTP_HEAD_TOO_LARGE;
		return len < HTTP_HEAD_MAX ? 0 : -EPROTO;
	}
	first.len += 4;
	status = first.len > HTTP_HEAD_MAX ? HTTP_HEAD_TOO_LARGE : head(first, &out);
	if (status != HTTP_OK) {
		*wrong = status;
		return -EPROTO;
	}
	*rq = out;
	return (int)first.len;
}

static const char *reason(enum http_status status)
{
	switch (status) {
	case HTTP_OK:
		return "Connection established";
	case HTTP_BAD_REQUEST:
		return "Bad Request";
	case HTTP_METHOD_NOT_ALLOWED:
		return "Method Not Allowed";
	case HTTP_HEAD_TOO_LARGE:
		return "Request Header Fields Too Large";
	case HTTP_BAD_GATEWAY:
		return "Bad Gateway";
	case HTTP_UNAVAILABLE:
		return "Service Unavailable";
	case HTTP_GATEWAY_TIMEOUT:
		return "Gateway Timeout";
	case HTTP_BAD_VERSION:
		return "HTTP Version Not Supported";
	}
	return "";
}

size_t http_connect_answer(enum http_status status, char out[static HTTP_ANSWER_MAX])
{
	static const char only[] =
	    "This proxy knows CONNECT only; use its SOCKS port for the rest.\n";
	int n;

	if (status == HTTP_METHOD_NOT_ALLOWED)
		n = snprintf(out, HTTP_ANSWER_MAX,
			     "HTTP/1.1 %d %s\r\nAllow: CONNECT\r\nContent-Length: %zu\r\n"
			     "Connection: close\r\n\r\n%s",
			     (int)status, reason(status), sizeof(only) - 1, only);
	else if (status == HTTP_OK)
		n = snprintf(out, HTTP_ANSWER_MAX, "HTTP/1.1 200 %s\r\n\r\n", reason(status));
	else
		n = snprintf(out, HTTP_ANSWER_MAX,
			     "HTTP/1.1 %d %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
			     (int)status, reason(status));
	return (size_t)n;
}
