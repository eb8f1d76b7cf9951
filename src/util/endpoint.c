/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "util/endpoint.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static const uint8_t v4_prefix[12] = {[10] = 0xff, [11] = 0xff};

void endpoint_ip_from_v4(uint8_t ip[static 16], const uint8_t v4[static 4])
{
	memset(ip, 0, 16);
	ip[10] = ip[11] = 0xff;
	memcpy(ip + 12, v4, 4);
}

bool endpoint_is_v4(const struct endpoint *e)
{
	return memcmp(e->ip, v4_prefix, sizeof(v4_prefix)) == 0;
}

int endpoint_ip_parse(uint8_t ip[static 16], const char *text)
{
	uint8_t v4[4], v6[16];

	if (inet_pton(AF_INET, text, v4) == 1) {
		memcpy(ip, v4_prefix, sizeof(v4_prefix));
		memcpy(ip + 12, v4, sizeof(v4));
		return 0;
	}
	if (inet_pton(AF_INET6, text, v6) == 1) {
		memcpy(ip, v6, sizeof(v6));
		return 0;
	}
	return -EINVAL;
}

static int port_parse(uint16_t *port, const char *text)
{
	char *end;
	unsigned long v;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	v = strtoul(text, &end, 10);
	if (*end != '\0' || v == 0 || v > UINT16_MAX)
		return -EINVAL;
	*port = (uint16_t)v;
	return 0;
}

int endpoint_parse(struct endpoint *e, const char *text)
{
	char host[ENDPOINT_TEXT_MAX];
	const bool bracket = text[0] == '[';
	const char *start = text + bracket;
	const char *end = strrchr(text, bracket ? ']' : ':');
	struct endpoint out;

	if (end == NULL || end < start || (size_t)(end - start) >= sizeof(host))
		return -EINVAL;
	memcpy(host, start, (size_t)(end - start));
	host[end - start] = '\0';
	end += bracket;
	if (*end != ':' || bracket != (strchr(host, ':') != NULL))
		return -EINVAL;
	if (endpoint_ip_parse(out.ip, host) != 0 || port_parse(&out.port, end + 1) != 0)
		return -EINVAL;
	*e = out;
	return 0;
}

const char *endpoint_ip_format(const uint8_t ip[static 16], char out[static ENDPOINT_TEXT_MAX])
{
	if (memcmp(ip, v4_prefix, sizeof(v4_prefix)) == 0)
		inet_ntop(AF_INET, ip + 12, out, ENDPOINT_TEXT_MAX);
	else
		inet_ntop(AF_INET6, ip, out, ENDPOINT_TEXT_MAX);
	return out;
}

const char *endpoint_format(const struct endpoint *e, char out[static ENDPOINT_TEXT_MAX])
{
	char ip[ENDPOINT_TEXT_MAX];

	endpoint_ip_format(e->ip, ip);
	snprintf(out, ENDPOINT_TEXT_MAX, endpoint_is_v4(e) ? "%.45s:%u" : "[%.45s]:%u", ip,
		 (unsigned)e->port);
	return out;
}

struct prefix {
	uint8_t len_bits;
	uint8_t bytes[4];
};

static bool prefix_has(const struct prefix *p, const uint8_t *addr)
{
	const uint32_t mask = p->len_bits == 0 ? 0 : UINT32_MAX << (32 - p->len_bits);

	return ((get_be32(p->bytes) ^ get_be32(addr)) & mask) == 0;
}

/* RFC 6890 and its registries, IPv4: everything that is not global unicast. */
static const struct prefix special_v4[] = {
    {8, {0}},
    {8, {10}},
    {10, {100, 64}},
    {8, {127}},
    {16, {169, 254}},
    {12, {172, 16}},
    {24, {192, 0, 0}},
    {24, {192, 0, 2}},
    {24, {192, 88, 99}},
    {16, {192, 168}},
    {15, {198, 18}},
    {24, {198, 51, 100}},
    {24, {203, 0, 113}},
    {4, {224}},
    {4, {240}},
};

/* IPv6: inside 2000::/3, what is documentation, benchmarking, Teredo, ORCHID or 6to4. */
static const struct prefix special_v6[] = {
    {32, {0x20, 0x01, 0x0d, 0xb8}},
    {32, {0x20, 0x01, 0, 0}},
    {28, {0x20, 0x01, 0, 0x10}},
    {28, {0x20, 0x01, 0, 0x20}},
    {32, {0x20, 0x01, 0, 2}},
    {16, {0x20, 0x02}},
    {20, {0x3f, 0xff}},
};

bool endpoint_is_public(const uint8_t ip[static 16])
{
	if (memcmp(ip, v4_prefix, sizeof(v4_prefix)) == 0) {
		for (size_t i = 0; i < ARRAY_LEN(special_v4); i++)
			if (prefix_has(&special_v4[i], ip + 12))
				return false;
		return true;
	}
	if ((ip[0] & 0xe0) != 0x20)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(special_v6); i++)
		if (prefix_has(&special_v6[i], ip))
			return false;
	return true;
}
