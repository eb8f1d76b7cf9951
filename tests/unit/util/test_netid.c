/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/lib/test.h"
#include "util/endpoint.h"
#include "util/netid.h"

static void test_round_trip(void)
{
	static const char *const good[] = {
	    "02:00:5e:00:53:01@192.168.1.0/24", "ff:ff:ff:ff:ff:ff@10.0.0.0/8",
	    "00:00:00:00:00:01@192.0.2.7/32", "02:00:5e:00:53:01@2001:db8:1:2::/64",
	    "02:00:5e:00:53:01@2001:db8:ffff:ffff:ffff:ffff:ffff:fff0/124"};
	char text[NETID_TEXT_MAX];
	struct netid id;

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		CHECK_INT(netid_parse(&id, good[i]), 0);
		CHECK(strcmp(netid_format(&id, text), good[i]) == 0);
	}
	CHECK_INT(netid_parse(&id, "02:00:5E:AA:Bb:cC@10.0.0.0/8"), 0);
	CHECK(strcmp(netid_format(&id, text), "02:00:5e:aa:bb:cc@10.0.0.0/8") == 0);
}

static void test_refused(void)
{
	static const char *const bad[] = {"",
					  "@",
					  "02:00:5e:00:53:01",
					  "02:00:5e:00:53:01@",
					  "02:00:5e:00:53:01@192.168.1.0",
					  "02:00:5e:00:53:01@192.168.1.0/",
					  "02:00:5e:00:53:01@192.168.1.0/33",
					  "02:00:5e:00:53:01@192.168.1.0/0",
					  "02:00:5e:00:53:01@192.168.1.0/-1",
					  "02:00:5e:00:53:01@192.168.1.0/24x",
					  "02:00:5e:00:53:01@192.168.1.1/24",
					  "02:00:5e:00:53:01@::1/129",
					  "02:00:5e:00:53@192.168.1.0/24",
					  "02:00:5e:00:53:0g@192.168.1.0/24",
					  "02:00:5e:00:53:1@192.168.1.0/24",
					  "02-00-5e-00-53-01@192.168.1.0/24",
					  "02:00:5e:00:53:01:07@192.168.1.0/24",
					  "02:00:5e:00:53:01 192.168.1.0/24",
					  "home@192.168.1.0/24",
					  "02:00:5e:00:53:01@home/24"};
	struct netid id = {.mac = {7}}, before = id;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		CHECK(netid_parse(&id, bad[i]) != 0);
		CHECK(netid_equal(&id, &before));
	}
}

static void test_host_bits(void)
{
	static const uint8_t mac[6] = {2, 0, 0x5e, 0, 0x53, 1};
	char text[NETID_TEXT_MAX];
	struct netid a, b;
	uint8_t ip[16];

	CHECK_INT(endpoint_ip_parse(ip, "192.168.1.77"), 0);
	netid_of(&a, mac, ip, 96 + 23);
	CHECK(strcmp(netid_format(&a, text), "02:00:5e:00:53:01@192.168.0.0/23") == 0);
	CHECK_INT(netid_parse(&b, text), 0);
	CHECK(netid_equal(&a, &b));
	CHECK_INT(endpoint_ip_parse(ip, "192.168.2.77"), 0);
	netid_of(&b, mac, ip, 96 + 23);
	CHECK(!netid_equal(&a, &b));
}

int main(void)
{
	RUN(test_round_trip);
	RUN(test_refused);
	RUN(test_host_bits);
	return test_done();
}
