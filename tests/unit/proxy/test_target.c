/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "proxy/target.h"
#include "tests/lib/test.h"

static int parse(struct target *t, const char *host)
{
	return target_parse(t, host, strlen(host), 443);
}

static void test_names(void)
{
	struct target t;

	CHECK_INT(parse(&t, "example.org"), 0);
	CHECK(strcmp(t.name, "example.org") == 0);
	CHECK_INT(t.at.port, 443);
	CHECK_INT(parse(&t, "example.org."), 0);
	CHECK(strcmp(t.name, "example.org") == 0);
	CHECK_INT(parse(&t, "_dmarc.xn--bcher-kva.example"), 0);
	CHECK_INT(parse(&t, "localhost"), 0);
}

static void test_addresses(void)
{
	struct target t;
	char text[ENDPOINT_TEXT_MAX];

	CHECK_INT(parse(&t, "192.0.2.1"), 0);
	CHECK(t.name[0] == '\0');
	CHECK(strcmp(endpoint_format(&t.at, text), "192.0.2.1:443") == 0);
	CHECK_INT(parse(&t, "2001:db8::1"), 0);
	CHECK(t.name[0] == '\0');
	CHECK(strcmp(endpoint_format(&t.at, text), "[2001:db8::1]:443") == 0);
}

static void test_hostile(void)
{
	static const char *const bad[] = {
	    "",    ".",    "..",    "a..b",        ".a",   "a b",  "a/b",         "a@b",
	    "a:b", "a\nb", "a%00b", "\xc3\xbc.de", "[::1", "::1]", "2001:db8::g", "a\x7f"};
	char name[300];
	struct target t = {.at.port = 7};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		CHECK(parse(&t, bad[i]) != 0);
	CHECK(target_parse(&t, "a\0b", 3, 1) != 0);
	CHECK_INT(t.at.port, 7);

	memset(name, 'a', sizeof(name));
	CHECK_INT(target_parse(&t, name, 63, 1), 0);
	CHECK(target_parse(&t, name, 64, 1) != 0);
	for (size_t i = 49; i < sizeof(name); i += 50)
		name[i] = '.';
	CHECK_INT(target_parse(&t, name, 253, 1), 0);
	CHECK(target_parse(&t, name, 255, 1) != 0);
}

static void test_users(void)
{
	struct proxy_user a, b;

	proxy_user_set(&a, "alice", 5, "x", 1);
	proxy_user_set(&b, "alice", 5, "x", 1);
	CHECK_MEM(&a, &b, sizeof(a));
	proxy_user_set(&b, "alice", 5, "y", 1);
	CHECK(memcmp(&a, &b, sizeof(a)) != 0);
	proxy_user_set(&b, "alicex", 6, "", 0);
	CHECK(memcmp(&a, &b, sizeof(a)) != 0);
}

int main(void)
{
	RUN(test_names);
	RUN(test_addresses);
	RUN(test_hostile);
	RUN(test_users);
	return test_done();
}
