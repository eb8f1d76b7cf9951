/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "host/ip_prefix.h"

#include <errno.h>
#include <sys/socket.h>

#include "tests/lib/test.h"
#include "util/endpoint.h"

static void test_texts_come_back(void)
{
	static const char *const texts[][2] = {
	    {"10.88.0.1/16", "10.88.0.1/16"},
	    {"10.88.0.1", "10.88.0.1/32"},
	    {"0.0.0.0/0", "0.0.0.0/0"},
	    {"255.255.255.255/32", "255.255.255.255/32"},
	    {"::/0", "::/0"},
	    {"fd00::1", "fd00::1/128"},
	    {"fd00::1/64", "fd00::1/64"},
	    {"2001:db8::/127", "2001:db8::/127"},
	};
	char out[IP_PREFIX_TEXT_MAX];
	struct ip_prefix p;

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		CHECK_INT(ip_prefix_parse(&p, texts[i][0]), 0);
		CHECK(strcmp(ip_prefix_format(&p, out), texts[i][1]) == 0);
		CHECK_INT(ip_prefix_family(&p), strchr(texts[i][0], ':') ? AF_INET6 : AF_INET);
		const struct ip_prefix again = ip_prefix_from(
		    ip_prefix_family(&p), ip_prefix_bytes(&p), ip_prefix_family_len(&p));
		CHECK(ip_prefix_equal(&p, &again));
	}
}

static void test_bad_texts(void)
{
	static const char *const texts[] = {
	    "",
	    "/",
	    "10.0.0.0/",
	    "10.0.0.0/33",
	    "10.0.0.0/-1",
	    "10.0.0.0/+8",
	    "10.0.0.0/8x",
	    "10.0.0/8",
	    "10.0.0.0/ 8",
	    "::/129",
	    "::/1000",
	    "fd00::/64/3",
	    "x/8",
	    "10.0.0.0 /8",
	    "10.0.0.0/99999999999999999999",
	    "1111:2222:3333:4444:5555:6666:7777:8888:9999:1111:2222:3333:4444/64",
	};
	struct ip_prefix p = {.len_bits = 77};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		CHECK_INT(ip_prefix_parse(&p, texts[i]), -EINVAL);
	CHECK_INT(p.len_bits, 77);
}

static void test_containment(void)
{
	static const struct {
		const char *prefix, *ip;
		bool has;
	} cases[] = {
	    {"10.88.0.1/16", "10.88.255.255", true}, {"10.88.0.0/16", "10.89.0.0", false},
	    {"10.88.0.0/15", "10.89.0.0", true},     {"10.88.0.1/32", "10.88.0.1", true},
	    {"10.88.0.1/32", "10.88.0.0", false},    {"0.0.0.0/0", "255.1.2.3", true},
	    {"0.0.0.0/0", "2001:db8::1", false},     {"::/0", "2001:db8::1", true},
	    {"fd00::/7", "fe00::", false},           {"fd00::/7", "fc00::", true},
	    {"fd00::1/127", "fd00::", true},         {"fd00::2/127", "fd00::1", false},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct ip_prefix p;
		uint8_t ip[16];

		CHECK(ip_prefix_parse(&p, cases[i].prefix) == 0);
		CHECK(endpoint_ip_parse(ip, cases[i].ip) == 0);
		CHECK(ip_prefix_has(&p, ip) == cases[i].has);
	}
}

static void test_network(void)
{
	struct ip_prefix p, net;
	char out[IP_PREFIX_TEXT_MAX];

	CHECK(ip_prefix_parse(&p, "10.88.201.77/18") == 0);
	net = ip_prefix_network(&p);
	CHECK(strcmp(ip_prefix_format(&net, out), "10.88.192.0/18") == 0);
	CHECK(ip_prefix_parse(&p, "fd6d:6dff::1/20") == 0);
	net = ip_prefix_network(&p);
	CHECK(strcmp(ip_prefix_format(&net, out), "fd6d:6000::/20") == 0);
	CHECK(ip_prefix_is_v4(&ip_prefix_all_v4) && !ip_prefix_is_v4(&ip_prefix_all_v6));
}

int main(void)
{
	RUN(test_texts_come_back);
	RUN(test_bad_texts);
	RUN(test_containment);
	RUN(test_network);
	return test_done();
}
