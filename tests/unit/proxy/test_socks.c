/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The messages of RFC 1928 and 1929, byte for byte. */
#include <errno.h>

#include "proxy/socks.h"
#include "tests/lib/test.h"

static uint8_t answer[64];
static struct writer out;

static int say(struct socks *s, const void *in, size_t len)
{
	out = wr_init(answer, sizeof(answer));
	return socks_read(s, in, len, &out);
}

#define SAY(s, text) say(s, text, sizeof(text) - 1)
#define ANSWERED(text)                                 \
	do {                                           \
		CHECK_INT(out.done, sizeof(text) - 1); \
		CHECK_MEM(answer, text, out.done);     \
	} while (0)

static void test_connect_v4(void)
{
	struct socks s = {0};
	char text[ENDPOINT_TEXT_MAX];

	CHECK_INT(SAY(&s, "\5\1\0"), 3);
	ANSWERED("\5\0");
	CHECK_INT(SAY(&s, "\5\1\0\1\300\0\2\1\0\120early"), 10);
	CHECK_INT(out.done, 0);
	CHECK_INT(s.state, SOCKS_DONE);
	CHECK_INT(s.request.command, PROXY_CONNECT);
	CHECK(s.request.target.name[0] == '\0');
	CHECK(strcmp(endpoint_format(&s.request.target.at, text), "192.0.2.1:80") == 0);
}

static void test_connect_v6_and_name(void)
{
	static const char v6[] = "\5\1\0\4\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1\1\xbb";
	char text[ENDPOINT_TEXT_MAX];
	struct socks s = {.state = SOCKS_REQUEST};

	CHECK_INT(SAY(&s, v6), 22);
	CHECK(strcmp(endpoint_format(&s.request.target.at, text), "[2001:db8::1]:443") == 0);

	s = (struct socks){.state = SOCKS_REQUEST};
	CHECK_INT(SAY(&s, "\5\1\0\3\013example.org\0\120"), 18);
	CHECK(strcmp(s.request.target.name, "example.org") == 0);
	CHECK_INT(s.request.target.at.port, 80);

	s = (struct socks){.state = SOCKS_REQUEST};
	CHECK_INT(SAY(&s, "\5\1\0\3\011192.0.2.1\0\120"), 16); /* an address as a name */
	CHECK(s.request.target.name[0] == '\0');
}

static void test_password(void)
{
	struct socks s = {0}, other = {0};

	CHECK_INT(SAY(&s, "\5\2\0\2"), 4);
	ANSWERED("\5\2");
	CHECK_INT(SAY(&s, "\1\5alice\1x"), 9);
	ANSWERED("\1\0");
	CHECK_INT(SAY(&s, "\5\3\0\1\0\0\0\0\0\0"), 10);
	CHECK_INT(s.request.command, PROXY_UDP);
	CHECK_INT(SAY(&other, "\5\1\2"), 3);
	CHECK_INT(SAY(&other, "\1\5alice\1y"), 9);
	CHECK(memcmp(&s.request.user, &other.request.user, sizeof(s.request.user)) != 0);
}

static void test_every_prefix_waits(void)
{
	static const char greeting[] = "\5\2\0\2", login[] = "\1\5alice\1x",
			  ask[] = "\5\1\0\3\013example.org\0\120";
	struct socks s = {0};

	for (size_t i = 0; i < 4; i++)
		CHECK_INT(say(&s, greeting, i), 0);
	CHECK_INT(SAY(&s, greeting), 4);
	for (size_t i = 0; i < 9; i++) {
		CHECK_INT(say(&s, login, i), 0);
		CHECK_INT(out.done, 0);
	}
	CHECK_INT(SAY(&s, login), 9);
	for (size_t i = 0; i < 18; i++) {
		CHECK_INT(say(&s, ask, i), 0);
		CHECK_INT(out.done, 0);
	}
	CHECK_INT(SAY(&s, ask), 18);
}

static void refused(enum socks_state state, const char *in, size_t len, enum socks_reply code)
{
	struct socks s = {.state = state};

	CHECK_INT(say(&s, in, len), -EPROTO);
	CHECK_INT(out.done, 10);
	CHECK_INT(answer[0], 5);
	CHECK_INT(answer[1], code);
	CHECK_INT(s.state, state);
}

#define REFUSED(text, code) refused(SOCKS_REQUEST, text, sizeof(text) - 1, code)

static void test_bad_requests(void)
{
	REFUSED("\5\2\0\1\1\2\3\4\0\120", SOCKS_BAD_COMMAND); /* BIND */
	REFUSED("\5\0\0\1", SOCKS_BAD_COMMAND);
	REFUSED("\5\1\0\2", SOCKS_BAD_ADDRESS_TYPE);
	REFUSED("\5\1\0\0", SOCKS_BAD_ADDRESS_TYPE);
	REFUSED("\4\1\0\1", SOCKS_FAILED);
	REFUSED("\5\1\1\1", SOCKS_FAILED);
	REFUSED("\5\1\0\1\1\2\3\4\0\0", SOCKS_FAILED); /* port 0 */
	REFUSED("\5\1\0\3\0\0\120", SOCKS_HOST_UNREACHABLE);
	REFUSED("\5\1\0\3\3a b\0\120", SOCKS_HOST_UNREACHABLE);
	REFUSED("\5\1\0\3\3a\0b\0\120", SOCKS_HOST_UNREACHABLE);
}

static void test_bad_greetings(void)
{
	struct socks s = {0};

	CHECK_INT(SAY(&s, "\5\1\1"), -EPROTO); /* GSSAPI only */
	ANSWERED("\5\377");
	CHECK_INT(SAY(&s, "\5\0"), -EPROTO);
	ANSWERED("\5\377");
	CHECK_INT(SAY(&s, "\4\1\0\120"), -EPROTO); /* SOCKS 4 */
	CHECK_INT(out.done, 0);
	CHECK_INT(SAY(&s, "GET / HTTP/1.1\r\n"), -EPROTO);
	s.state = SOCKS_PASSWORD;
	CHECK_INT(SAY(&s, "\5\1a\1b"), -EPROTO);
	ANSWERED("\1\1");
}

static void test_replies(void)
{
	struct endpoint e;
	uint8_t text[SOCKS_ANSWER_MAX];
	struct writer w = wr_init(text, sizeof(text));

	CHECK_INT(endpoint_parse(&e, "[2001:db8::1]:443"), 0);
	socks_put_reply(&w, SOCKS_OK, &e);
	CHECK(wr_ok(&w));
	CHECK_INT(w.done, 22);
	CHECK_MEM(text, "\5\0\0\4\x20\1\x0d\xb8", 8);
	CHECK_MEM(text + 20, "\1\xbb", 2);
	w = wr_init(text, sizeof(text));
	socks_put_reply(&w, SOCKS_CONNECTION_REFUSED, &(struct endpoint){0});
	CHECK_INT(w.done, 10);
	CHECK_MEM(text, "\5\5\0\1\0\0\0\0\0\0", 10);
}

static int datagram(const char *in, size_t len, struct target *t)
{
	return socks_udp_read((const uint8_t *)in, len, t);
}

#define DATAGRAM(in, t) datagram(in, sizeof(in) - 1, t)

static void test_datagrams(void)
{
	static const char v4[] = "\0\0\0\1\300\0\2\1\0\65", name[] = "\0\0\0\3\10www.test\0\65";
	struct target t = {0};
	uint8_t head[SOCKS_UDP_HEAD_MAX];
	struct writer w = wr_init(head, sizeof(head));

	CHECK_INT(DATAGRAM("\0\0\0\1\300\0\2\1\0\65data", &t), 10);
	CHECK_INT(t.at.port, 53);
	socks_udp_put(&w, &t.at);
	CHECK_INT(w.done, 10);
	CHECK_MEM(head, v4, 10);
	CHECK_INT(DATAGRAM("\0\0\0\3\10www.test\0\65", &t), 15);
	CHECK(strcmp(t.name, "www.test") == 0);
	for (size_t i = 0; i < sizeof(v4) - 1; i++)
		CHECK_INT(datagram(v4, i, &t), -EPROTO);
	for (size_t i = 0; i < sizeof(name) - 1; i++)
		CHECK_INT(datagram(name, i, &t), -EPROTO);
	CHECK_INT(DATAGRAM("\0\0\1\1\1\2\3\4\0\65", &t), -EPROTO); /* a fragment */
	CHECK_INT(DATAGRAM("\1\0\0\1\1\2\3\4\0\65", &t), -EPROTO);
	CHECK_INT(DATAGRAM("\0\0\0\1\1\2\3\4\0\0", &t), -EPROTO);
	CHECK_INT(DATAGRAM("\0\0\0\5\1\2\3\4\0\65", &t), -EPROTO);
}

int main(void)
{
	RUN(test_connect_v4);
	RUN(test_connect_v6_and_name);
	RUN(test_password);
	RUN(test_every_prefix_waits);
	RUN(test_bad_requests);
	RUN(test_bad_greetings);
	RUN(test_replies);
	RUN(test_datagrams);
	return test_done();
}
