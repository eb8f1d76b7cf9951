/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The text of a policy; that it does what it says is in test_exit_traffic.c. */
#include "host/exit_policy.c"

#include "tests/lib/test.h"
#include "util/endpoint.h"
#include "util/rng.h"

static struct ip_prefix prefix(const char *text)
{
	struct ip_prefix p = {.len_bits = 0};

	CHECK(ip_prefix_parse(&p, text) == 0);
	return p;
}

static bool is_listed(const uint8_t ip[static 16])
{
	const struct ip_prefix host = ip_prefix_host(ip);

	return lies_in_special(&host);
}

/* The next address, or the one before. */
static void step(uint8_t ip[static 16], int by)
{
	for (int i = 15; i >= 0; i--) {
		ip[i] = (uint8_t)(ip[i] + by);
		if (ip[i] != (by > 0 ? 0 : 0xff))
			return;
	}
}

static void compare(const uint8_t ip[static 16])
{
	char text[ENDPOINT_TEXT_MAX];

	if (is_listed(ip) != endpoint_is_public(ip))
		return;
	printf("# %s\n", endpoint_ip_format(ip, text));
	CHECK(false);
}

/* The first and the last of an entry, and the ones just outside. */
static void compare_borders(const char *text)
{
	const struct ip_prefix p = prefix(text);
	uint8_t ip[16];

	memcpy(ip, p.ip, sizeof(ip));
	compare(ip);
	step(ip, -1);
	compare(ip);
	memcpy(ip, p.ip, sizeof(ip));
	for (unsigned bit = p.len_bits; bit < 128; bit++)
		ip[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
	compare(ip);
	step(ip, 1);
	compare(ip);
}

static void test_special_is_what_is_not_public(void)
{
	for (size_t i = 0; i < ARRAY_LEN(special_v4); i++)
		compare_borders(special_v4[i]);
	for (size_t i = 0; i < ARRAY_LEN(special_v6); i++)
		compare_borders(special_v6[i]);
}

/* And what the other list may have more. */
static void test_random_addresses(void)
{
	struct rng rng = rng_seeded(1);
	uint8_t ip[16];

	for (int i = 0; i < 200000; i++) {
		const struct ip_prefix v4 = ip_prefix_all_v4;

		rng_fill(&rng, ip, sizeof(ip));
		if (i % 2 == 0)
			memcpy(ip, v4.ip, 12);
		else
			ip[0] = (uint8_t)(ip[0] % 0x21 + 0x1f); /* mostly 2000::/3 */
		if (i % 4 == 1)
			memcpy(ip, (const uint8_t[]){0x20, 0x01, 0}, 3);
		compare(ip);
	}
	rng_seeded_free(&rng);
}

static void says(struct policy_rule r, const char *line)
{
	char *text = exit_policy_text(&r, 1);

	if (strstr(text, line) == NULL) {
		printf("# no '%s' in %s\n", line, text);
		CHECK(false);
	}
	free(text);
}

static void test_only_what_is_named_opens_private_destinations(void)
{
	struct policy_rule r = {.action = POLICY_ACCEPT, .port_min = 80, .port_max = 80};

	says(r, "meta nfproto ipv4 ip daddr != @special4 meta l4proto { tcp, udp } th dport 80-80 "
		"accept\n");
	says(r, "meta nfproto ipv6 ip6 daddr != @special6 meta l4proto { tcp, udp } th dport 80-80 "
		"accept\n");
	r.net = POLICY_NET_PREFIX;
	r.prefix = prefix("10.1.2.3/16");
	says(r, "\tmeta nfproto ipv4 ip daddr 10.1.0.0/16 meta l4proto");
	r.prefix = prefix("10.0.0.0/8");
	says(r, "ip daddr 10.0.0.0/8 meta l4proto");
	r.prefix = prefix("10.0.0.0/7"); /* more than is private */
	says(r, "ip daddr 10.0.0.0/7 ip daddr != @special4 meta");
	r.prefix = prefix("0.0.0.0/0");
	says(r, "meta nfproto ipv4 ip daddr != @special4 meta");
	r.prefix = prefix("::/0");
	says(r, "meta nfproto ipv6 ip6 daddr != @special6 meta");
	r.prefix = prefix("fd12::/16");
	says(r, "ip6 daddr fd12::/16 meta l4proto");
	r.action = POLICY_REJECT;
	r.prefix = prefix("0.0.0.0/0");
	says(r, "\tmeta nfproto ipv4 meta l4proto { tcp, udp } th dport 80-80 counter name "
		"\"by_policy\" reject");
}

static void test_ports_and_protocols(void)
{
	struct policy_rule r = {.action = POLICY_REJECT, .port_min = 1, .port_max = 65535};

	says(r, "\tmeta nfproto ipv4 counter name");
	r.port_min = 0;
	says(r, "\tmeta nfproto ipv6 counter name");
	r.port_min = 2;
	says(r, "meta l4proto { tcp, udp } th dport 2-65535 counter");
	r.port_min = 0;
	r.proto = POLICY_PROTO_UDP;
	says(r, "meta l4proto udp counter");
	r.proto = POLICY_PROTO_TCP;
	r.port_max = 7;
	says(r, "meta l4proto tcp th dport 0-7 counter");
}

int main(void)
{
	RUN(test_special_is_what_is_not_public);
	RUN(test_random_addresses);
	RUN(test_only_what_is_named_opens_private_destinations);
	RUN(test_ports_and_protocols);
	return test_done();
}
