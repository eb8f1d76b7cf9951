/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "util/netid.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "util/endpoint.h"

_Static_assert(sizeof(struct netid) == 23, "no padding: they are compared as bytes");

static bool is_v4(const uint8_t ip[static 16])
{
	static const uint8_t prefix[12] = {[10] = 0xff, [11] = 0xff};

	return memcmp(ip, prefix, sizeof(prefix)) == 0;
}

void netid_of(struct netid *id, const uint8_t mac[static 6], const uint8_t ip[static 16],
	      uint8_t len_bits)
{
	memcpy(id->mac, mac, sizeof(id->mac));
	id->len_bits = len_bits;
	memset(id->subnet, 0, sizeof(id->subnet));
	for (unsigned i = 0; i < len_bits; i++)
		id->subnet[i / 8] = (uint8_t)(id->subnet[i / 8] | (ip[i / 8] & 0x80 >> i % 8));
}

static int hex_digit(char c)
{
	return isdigit((unsigned char)c)    ? c - '0'
	       : isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10
					    : -1;
}

/* Six pairs of digits with colons between them; where they end, or NULL. */
static const char *parse_mac(uint8_t mac[static 6], const char *text)
{
	for (unsigned i = 0; i < 6; i++) {
		const int high = hex_digit(text[0]), low = high < 0 ? -1 : hex_digit(text[1]);

		if (low < 0 || (i < 5 && text[2] != ':'))
			return NULL;
		mac[i] = (uint8_t)(high << 4 | low);
		text += i < 5 ? 3 : 2;
	}
	return text;
}

static int parse_subnet(struct netid *id, const char *text)
{
	const char *slash = strchr(text, '/');
	char address[ENDPOINT_TEXT_MAX], *end;
	uint8_t ip[16];
	unsigned long bits;

	if (slash == NULL || (size_t)(slash - text) >= sizeof(address) ||
	    !isdigit((unsigned char)slash[1]))
		return -EINVAL;
	memcpy(address, text, (size_t)(slash - text));
	address[slash - text] = '\0';
	if (endpoint_ip_parse(ip, address) != 0)
		return -EINVAL;
	bits = strtoul(slash + 1, &end, 10);
	if (*end != '\0' || bits == 0 || bits > (is_v4(ip) ? 32 : 128))
		return -EINVAL;
	netid_of(id, id->mac, ip, (uint8_t)(bits + (is_v4(ip) ? 96 : 0)));
	return memcmp(id->subnet, ip, sizeof(ip)) == 0 ? 0 : -EINVAL; /* bits of a host */
}

int netid_parse(struct netid *id, const char *text)
{
	struct netid out;
	const char *at = parse_mac(out.mac, text);

	if (at == NULL || *at != '@' || parse_subnet(&out, at + 1) != 0)
		return -EINVAL;
	*id = out;
	return 0;
}

const char *netid_format(const struct netid *id, char out[static NETID_TEXT_MAX])
{
	char ip[ENDPOINT_TEXT_MAX];

	snprintf(out, NETID_TEXT_MAX, "%02x:%02x:%02x:%02x:%02x:%02x@%.45s/%u", id->mac[0],
		 id->mac[1], id->mac[2], id->mac[3], id->mac[4], id->mac[5],
		 endpoint_ip_format(id->subnet, ip),
		 (unsigned)id->len_bits - (is_v4(id->subnet) ? 96u : 0u));
	return out;
}
