/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/lib/test.h"
#include "util/endpoint.h"

static void test_round_trip(void)
{
	static const char *const good[] = {"192.0.2.1:4600", "[2001:db8::1]:1", "[::]:65535",
					   "0.0.0.0:4600"};
	char text[ENDPOINT_TEXT_MAX];
	struct endpoint e;

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		CHECK_INT(endpoint_parse(&e, good[i]), 0);
		CHECK(strcmp(endpoint_format(&e, text), good[i]) == 0);
	}
}

static void test_refused(void)
{
	static const char *const bad[] = {"",
					  "192.0.2.1",
					  "192.0.2.1:",
					  "192.0.2.1:0",
					  "192.0.2.1:65536",
					  "192.0.2.1:1x",
					  "192.0.2.1:-1",
					  "2001:db8::1:1",
					  "[192.0.2.1]:1",
					  "[2001:db8::1]",
					  "[2001:db8::1]1",
					  "a.example:1",
					  "[]:1",
					  ":1",
					  "[2001:db8::1:1"};
	struct endpoint e = {.port = 77}, before = e;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		CHECK(endpoint_parse(&e, bad[i]) != 0);
		CHECK(endpoint_equal(&e, &before));
	}
}

static void test_public(void)
{
	static const struct {
		const char *ip;
		bool is_public;
	} cases[] = {
	    {"8.8.8.8", true},
	    {"10.1.2.3", false},
	    {"100.64.0.1", false},
	    {"100.128.0.1", true},
	    {"127.0.0.1", false},
	    {"169.254.1.1", false},
	    {"172.15.0.1", true},
	    {"172.31.0.1", false},
	    {"192.168.0.1", false},
	    {"224.0.0.1", false},
	    {"255.255.255.255", false},
	    {"0.0.0.0", false},
	    {"203.0.113.9", false},
	    {"198.18.0.1", false},
	    {"2001:db8::1", false},
	    {"2a00:1450::1", true},
	    {"fd00::1", false},
	    {"fe80::1", false},
	    {"::1", false},
	    {"ff02::1", false},
	    {"2002:a00::1", false},
	    {"64:ff9b::a00:1", false},
	};
	uint8_t ip[16];

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		NEED(endpoint_ip_parse(ip, cases[i].ip) == 0);
		if (endpoint_is_public(ip) != cases[i].is_public)
			printf("# %s\n", cases[i].ip);
		CHECK(endpoint_is_public(ip) == cases[i].is_public);
	}
}

int main(void)
{
	RUN(test_round_trip);
	RUN(test_refused);
	RUN(test_public);
	return test_done();
}
