/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "host/ip_prefix.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "util/endpoint.h"

#define MAPPED_BITS 96

static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

const struct ip_prefix ip_prefix_all_v4 = {.ip = {[10] = 0xff, [11] = 0xff},
					   .len_bits = MAPPED_BITS};
const struct ip_prefix ip_prefix_all_v6 = {.len_bits = 0};

bool ip_prefix_is_v4(const struct ip_prefix *p)
{
	return p->len_bits >= MAPPED_BITS && memcmp(p->ip, mapped, sizeof(mapped)) == 0;
}

struct ip_prefix ip_prefix_host(const uint8_t ip[static 16])
{
	struct ip_prefix p = {.len_bits = 128};

	memcpy(p.ip, ip, sizeof(p.ip));
	return p;
}

struct ip_prefix ip_prefix_network(const struct ip_prefix *p)
{
	struct ip_prefix net = *p;

	for (unsigned bit = p->len_bits; bit < 128; bit++)
		net.ip[bit / 8] &= (uint8_t) ~(0x80 >> bit % 8);
	return net;
}

bool ip_prefix_equal(const struct ip_prefix *a, const struct ip_prefix *b)
{
	return a->len_bits == b->len_bits && memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
}

bool ip_prefix_has(const struct ip_prefix *p, const uint8_t ip[static 16])
{
	struct ip_prefix other = {.len_bits = p->len_bits}, net = ip_prefix_network(p);

	memcpy(other.ip, ip, sizeof(other.ip));
	other = ip_prefix_network(&other);
	return ip_prefix_equal(&net, &other);
}

bool ip_is_set(const uint8_t ip[static 16])
{
	static const uint8_t none[16];

	return memcmp(ip, none, sizeof(none)) != 0;
}

bool ip_is_loopback(const uint8_t ip[static 16])
{
	static const struct ip_prefix v4 = {{[10] = 0xff, [11] = 0xff, [12] = 127}, 104};
	static const struct ip_prefix v6 = {{[15] = 1}, 128};

	return ip_prefix_has(&v4, ip) || ip_prefix_has(&v6, ip);
}

const uint8_t *ip_prefix_bytes(const struct ip_prefix *p)
{
	return ip_prefix_is_v4(p) ? p->ip + sizeof(mapped) : p->ip;
}

size_t ip_prefix_bytes_len(const struct ip_prefix *p)
{
	return ip_prefix_is_v4(p) ? 4 : 16;
}

uint8_t ip_prefix_family_len(const struct ip_prefix *p)
{
	return (uint8_t)(ip_prefix_is_v4(p) ? p->len_bits - MAPPED_BITS : p->len_bits);
}

int ip_prefix_family(const struct ip_prefix *p)
{
	return ip_prefix_is_v4(p) ? AF_INET : AF_INET6;
}

struct ip_prefix ip_prefix_from(int family, const void *bytes, uint8_t len_bits)
{
	struct ip_prefix p = {.len_bits = len_bits};

	if (family == AF_INET) {
		memcpy(p.ip, mapped, sizeof(mapped));
		memcpy(p.ip + sizeof(mapped), bytes, 4);
		p.len_bits = (uint8_t)(len_bits + MAPPED_BITS);
	} else {
		memcpy(p.ip, bytes, 16);
	}
	return p;
}

int ip_prefix_parse(struct ip_prefix *p, const char *text)
{
	char addr[ENDPOINT_TEXT_MAX];
	const char *slash = strchrnul(text, '/');
	const size_t addr_len = (size_t)(slash - text);
	struct ip_prefix out = {.len_bits = 128};
	unsigned long len, skipped;
	char *end;

	if (addr_len >= sizeof(addr))
		return -EINVAL;
	memcpy(addr, text, addr_len);
	addr[addr_len] = '\0';
	if (endpoint_ip_parse(out.ip, addr) != 0)
		return -EINVAL;
	if (*slash == '/') {
		/* Counted as written: ::ffff:a.b.c.d/120 is IPv6 text with its own 120. */
		skipped = strchr(addr, ':') == NULL ? MAPPED_BITS : 0;
		if (slash[1] < '0' || slash[1] > '9' || strlen(slash + 1) > 3)
			return -EINVAL;
		len = strtoul(slash + 1, &end, 10);
		if (*end != '\0' || len + skipped > 128)
			return -EINVAL;
		out.len_bits = (uint8_t)(len + skipped);
	}
	*p = out;
	return 0;
}

const char *ip_prefix_format(const struct ip_prefix *p, char out[static IP_PREFIX_TEXT_MAX])
{
	char ip[INET6_ADDRSTRLEN];

	inet_ntop(ip_prefix_family(p), ip_prefix_bytes(p), ip, sizeof(ip));
	snprintf(out, IP_PREFIX_TEXT_MAX, "%s/%u", ip, (unsigned)ip_prefix_family_len(p));
	return out;
}
