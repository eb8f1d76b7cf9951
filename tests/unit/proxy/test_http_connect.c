/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <errno.h>

#include "proxy/http_connect.h"
#include "tests/lib/test.h"

static struct proxy_request rq;
static enum http_status wrong;

static int ask(const char *text)
{
	wrong = HTTP_OK;
	return http_connect_read((const uint8_t *)text, strlen(text), &rq, &wrong);
}

static void test_good(void)
{
	static const char simple[] =
	    "CONNECT server.example.com:80 HTTP/1.1\r\nHost: server.example.com:80\r\n\r\n";
	char text[ENDPOINT_TEXT_MAX];
	char longer[sizeof(simple) + 5];

	CHECK_INT(ask(simple), sizeof(simple) - 1);
	CHECK(strcmp(rq.target.name, "server.example.com") == 0);
	CHECK_INT(rq.target.at.port, 80);
	snprintf(longer, sizeof(longer), "%searly", simple);
	CHECK_INT(ask(longer), sizeof(simple) - 1);
	CHECK(ask("CONNECT [2001:db8::1]:443 HTTP/1.0\r\n\r\n") > 0);
	CHECK(strcmp(endpoint_format(&rq.target.at, text), "[2001:db8::1]:443") == 0);
	CHECK(ask("CONNECT 192.0.2.1:443 HTTP/1.1\r\n\r\n") > 0);
	CHECK(strcmp(endpoint_format(&rq.target.at, text), "192.0.2.1:443") == 0);
}

static void test_users(void)
{
	struct proxy_user alice, none = {0};

	/* alice:x */
	CHECK(ask("CONNECT a:1 HTTP/1.1\r\nproxy-authorization: bAsIc  YWxpY2U6eA==\r\n\r\n") > 0);
	proxy_user_set(&alice, "alice", 5, "x", 1);
	CHECK_MEM(&rq.user, &alice, sizeof(alice));
	CHECK(ask("CONNECT a:1 HTTP/1.1\r\nProxy-Authorization: Digest abc\r\n\r\n") > 0);
	CHECK_MEM(&rq.user, &none, sizeof(none));
	CHECK_INT(ask("CONNECT a:1 HTTP/1.1\r\nProxy-Authorization: Basic !!\r\n\r\n"), -EPROTO);
	CHECK_INT(ask("CONNECT a:1 HTTP/1.1\r\nProxy-Authorization: Basic YWxpY2U=\r\n\r\n"),
		  -EPROTO); /* no colon */
}

static void test_every_prefix_waits(void)
{
	static const char text[] = "CONNECT a.example:443 HTTP/1.1\r\nUser-Agent: x\r\n\r\n";

	for (size_t i = 0; i < sizeof(text) - 1; i++)
		CHECK_INT(http_connect_read((const uint8_t *)text, i, &rq, &wrong), 0);
}

static void refused(const char *text, enum http_status status)
{
	CHECK_INT(ask(text), -EPROTO);
	CHECK_INT(wrong, status);
}

static void test_bad(void)
{
	refused("GET http://a/ HTTP/1.1\r\n\r\n", HTTP_METHOD_NOT_ALLOWED);
	refused("connect a:1 HTTP/1.1\r\n\r\n", HTTP_METHOD_NOT_ALLOWED);
	refused("CONNECT a:1 HTTP/2.0\r\n\r\n", HTTP_BAD_VERSION);
	refused("CONNECT a:1\r\n\r\n", HTTP_BAD_REQUEST);
	refused("CONNECT a:1 HTTP/1.1 x\r\n\r\n", HTTP_BAD_REQUEST);
	refused("CONNECT a HTTP/1.1\r\n\r\n", HTTP_BAD_REQUEST);
	refused("CONNECT :1 HTTP/1.1\r\n\r\n", HTTP_BAD_REQUEST);
	refused("CONNECT a:0 HTTP/1.1\r\n\r\n", HTTP_BAD_REQUEST);
	refused("CONNECT a:65536 HTTP/1.1\r\n\r\n", HTTP_BAD_REQUEST);
	refused("CONNECT a:-1 HTTP/1.1\r\n\r\n", HTTP_BAD_REQUEST);
	refused("CONNECT 2001:db8::1:443 HTTP/1.1\r\n\r\n", HTTP_BAD_REQUEST);
	refused("CONNECT [192.0.2.1]:443 HTTP/1.1\r\n\r\n", HTTP_BAD_REQUEST);
	refused("CONNECT [a]:443 HTTP/1.1\r\n\r\n", HTTP_BAD_REQUEST);
	refused("CONNECT http://a:1/ HTTP/1.1\r\n\r\n", HTTP_BAD_REQUEST);
	refused("CONNECT a:1 HTTP/1.1\r\nno colon\r\n\r\n", HTTP_BAD_REQUEST);
	refused("CONNECT a:1 HTTP/1.1\r\nHost : a\r\n\r\n", HTTP_BAD_REQUEST);
	refused("CONNECT a:1 HTTP/1.1\r\nX: a\nY: b\r\n\r\n", HTTP_BAD_REQUEST);
	refused("\r\n\r\n", HTTP_BAD_REQUEST);
}

static void test_too_long(void)
{
	static uint8_t text[HTTP_HEAD_MAX + 1];

	memset(text, 'a', sizeof(text));
	CHECK_INT(http_connect_read(text, HTTP_HEAD_MAX - 1, &rq, &wrong), 0);
	CHECK_INT(http_connect_read(text, HTTP_HEAD_MAX, &rq, &wrong), -EPROTO);
	CHECK_INT(wrong, HTTP_HEAD_TOO_LARGE);
}

static void test_answers(void)
{
	char text[HTTP_ANSWER_MAX];

	http_connect_answer(HTTP_OK, text);
	CHECK(strcmp(text, "HTTP/1.1 200 Connection established\r\n\r\n") == 0);
	http_connect_answer(HTTP_METHOD_NOT_ALLOWED, text);
	CHECK(strstr(text, "\r\nAllow: CONNECT\r\n") != NULL);
}

int main(void)
{
	RUN(test_good);
	RUN(test_users);
	RUN(test_every_prefix_waits);
	RUN(test_bad);
	RUN(test_too_long);
	RUN(test_answers);
	return test_done();
}
