/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dns/message.h"

#include "tests/lib/test.h"

#define HEAD(answers)   "\0\7\x81\x80\0\1\0" answers "\0\0\0\0"
#define QUESTION        "\3Www\4test\0\0\1\0\1"
#define RECORD(type, n) "\xc0\x0c\0" type "\0\1\0\0\0\x3c\0" n
#define LEN(text)       (sizeof(text) - 1)

#define ADDRESSES(text) dns_addresses((const uint8_t *)(text), LEN(text))

static void test_question(void)
{
	static const char good[] = HEAD("\0") QUESTION;
	char name[DNS_NAME_MAX + 1];

	CHECK_INT(dns_question((const uint8_t *)good, LEN(good), name), LEN(good));
	CHECK(strcmp(name, "www.test") == 0);
	for (size_t len = 0; len < LEN(good); len++)
		CHECK_INT(dns_question((const uint8_t *)good, len, name), 0);
	CHECK_INT(dns_question((const uint8_t *)HEAD("\0") "\0\0\1\0\1", 17, name), 17);
	CHECK(strcmp(name, "") == 0);
	CHECK_INT(dns_question((const uint8_t *)HEAD("\0") "\xc0\x0c\0\1\0\1", 18, name), 0);
	CHECK_INT(dns_question((const uint8_t *)"\0\7\x81\x80\0\2\0\0\0\0\0\0" QUESTION,
			       12 + LEN(QUESTION), name),
		  0);
}

struct seen {
	unsigned count;
	uint8_t ip[4][16];
	uint32_t ttl_s[4];
};

static void note(void *ctx, const uint8_t ip[static 16], uint32_t ttl_s)
{
	struct seen *s = ctx;

	if (s->count < ARRAY_LEN(s->ip)) {
		memcpy(s->ip[s->count], ip, 16);
		s->ttl_s[s->count] = ttl_s;
	}
	s->count++;
}

/* Of the answers; what else comes along says nothing of the name. */
static void test_each_address(void)
{
	static const char msg[] =
	    "\0\7\x81\x80\0\1\0\3\0\0\0\1" QUESTION
	    "\xc0\x0c\0\5\0\1\0\0\0\x3c\0\2\xc0\x0c"                                  /* CNAME */
	    "\xc0\x0c\0\1\0\1\0\1\0\x05\0\4\xc6\x33\x64\x09"                          /* A */
	    "\xc0\x0c\0\x1c\0\1\0\0\0\x3c\0\x10\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\1" /* AAAA */
	    "\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\x7f\0\0\1"; /* in the additional section */
	static const char wrong[] = HEAD("\1") QUESTION RECORD("\1", "\3") "\1\2\3";
	struct seen s = {.count = 0};

	dns_each_address((const uint8_t *)msg, LEN(msg), note, &s);
	NEED(s.count == 2);
	CHECK_MEM(s.ip[0], "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc6\x33\x64\x09", 16);
	CHECK_INT(s.ttl_s[0], 65541);
	CHECK_MEM(s.ip[1], "\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\1", 16);
	CHECK_INT(s.ttl_s[1], 60);
	for (size_t len = 0; len < LEN(msg); len++) {
		s.count = 0;
		dns_each_address((const uint8_t *)msg, len, note, &s);
		CHECK(s.count <= 2);
	}
	s.count = 0;
	dns_each_address((const uint8_t *)wrong, LEN(wrong), note, &s);
	CHECK_INT(s.count, 0);
}

static void test_below(void)
{
	CHECK(dns_is_below("www.test", "test") && dns_is_below("TEST", "test"));
	CHECK(dns_is_below("a.b.test", "b.test"));
	CHECK(!dns_is_below("wwwtest", "test") && !dns_is_below("test", "www.test"));
	CHECK(!dns_is_below("test.org", "test") && !dns_is_below("", "test"));
}

static void test_longest_name(void)
{
	uint8_t msg[400] = {[5] = 1};
	char name[DNS_NAME_MAX + 1];
	size_t at = 12;

	for (int i = 0; i < 3; i++, at += 64)
		msg[at] = 63;
	msg[at] = 61;
	CHECK_INT(dns_question(msg, sizeof(msg), name), 12 + 255 + 4);
	CHECK_INT(strlen(name), 253);
	msg[at] = 62;
	CHECK_INT(dns_question(msg, sizeof(msg), name), 0);
}

static void test_public_addresses(void)
{
	CHECK_INT(ADDRESSES(HEAD("\0") QUESTION), DNS_PUBLIC);
	CHECK_INT(ADDRESSES(HEAD("\1") QUESTION RECORD("\1", "\4") "\5\1\0\2"), DNS_PUBLIC);
	CHECK_INT(ADDRESSES(HEAD("\1") QUESTION RECORD(
		      "\x1c", "\x10") "\x2a\0\0\1\0\0\0\0\0\0\0\0\0\0\0\1"),
		  DNS_PUBLIC);
	CHECK_INT(ADDRESSES(HEAD("\1") QUESTION RECORD("\x10", "\4") "\3abc"), DNS_PUBLIC);
}

static void test_private_addresses(void)
{
	CHECK_INT(ADDRESSES(HEAD("\1") QUESTION RECORD("\1", "\4") "\xc0\xa8\1\1"), DNS_PRIVATE);
	CHECK_INT(ADDRESSES(HEAD("\1") QUESTION RECORD("\1", "\4") "\x7f\0\0\1"), DNS_PRIVATE);
	CHECK_INT(ADDRESSES(HEAD("\1") QUESTION RECORD("\1", "\4") "\0\0\0\0"), DNS_PRIVATE);
	CHECK_INT(ADDRESSES(HEAD("\2") QUESTION RECORD("\1", "\4") "\5\1\0\2" RECORD(
		      "\1", "\4") "\n\0\0\1"),
		  DNS_PRIVATE);
	CHECK_INT(ADDRESSES(HEAD("\1") QUESTION RECORD(
		      "\x1c", "\x10") "\xfd\0\0\1\0\0\0\0\0\0\0\0\0\0\0\1"),
		  DNS_PRIVATE);
	CHECK_INT(ADDRESSES(HEAD("\1") QUESTION RECORD(
		      "\x1c", "\x10") "\0\0\0\0\0\0\0\0\0\0\xff\xff\n\0\0\1"),
		  DNS_PRIVATE);
	/* HTTPS 1 . alpn=h2 ipv4hint=5.1.0.2,10.0.0.1 */
	CHECK_INT(ADDRESSES(HEAD("\1")
				QUESTION RECORD("\x41", "\x16") "\0\1\0"
								"\0\1\0\3\2h2"
								"\0\4\0\x08\5\1\0\2\n\0\0\1"),
		  DNS_PRIVATE);
	CHECK_INT(ADDRESSES(HEAD("\1") QUESTION RECORD("\x41", "\x12") "\0\1\0"
								       "\0\1\0\3\2h2"
								       "\0\4\0\x04\5\1\0\2"),
		  DNS_PUBLIC);
}

static void test_broken(void)
{
	static const char answer[] = HEAD("\1") QUESTION RECORD("\1", "\4") "\5\1\0\2";

	for (size_t len = 0; len < LEN(answer); len++)
		CHECK_INT(dns_addresses((const uint8_t *)answer, len), DNS_BROKEN);
	CHECK_INT(ADDRESSES(HEAD("\1") QUESTION RECORD("\1", "\5") "\5\1\0\2\0"), DNS_BROKEN);
	CHECK_INT(ADDRESSES(HEAD("\1") QUESTION RECORD("\x1c", "\4") "\5\1\0\2"), DNS_BROKEN);
	CHECK_INT(ADDRESSES(HEAD("\1") QUESTION RECORD("\x41", "\1") "\0"), DNS_BROKEN);
	CHECK_INT(ADDRESSES(HEAD("\1") QUESTION RECORD("\x41", "\7") "\0\1\0\0\4\0\4"), DNS_BROKEN);
	CHECK_INT(ADDRESSES(HEAD("\1") QUESTION "\x80\0\1\0\1\0\0\0\0\0\0\0"), DNS_BROKEN);
}

static void test_refuse(void)
{
	uint8_t msg[] = "\0\7\1\x10\0\1\0\1\0\2\0\3" QUESTION "more";
	const size_t len = dns_question(msg, LEN(msg), NULL);

	CHECK_INT(dns_refuse(msg, len, 2), len);
	CHECK_MEM(msg, "\0\7\x81\x82\0\1\0\0\0\0\0\0" QUESTION, len);
}

int main(void)
{
	RUN(test_question);
	RUN(test_each_address);
	RUN(test_below);
	RUN(test_longest_name);
	RUN(test_public_addresses);
	RUN(test_private_addresses);
	RUN(test_broken);
	RUN(test_refuse);
	return test_done();
}
