/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A UDP endpoint: IPv6 or v4-mapped address and port, as plain bytes that compare with memcmp. */
#ifndef UTIL_ENDPOINT_H
#define UTIL_ENDPOINT_H

#include "util/bytes.h"

#define ENDPOINT_TEXT_MAX 56 /* "[v6]:port" with its final zero */

struct endpoint {
	uint8_t ip[16]; /* network order; IPv4 as ::ffff:a.b.c.d */
	uint16_t port;  /* host order */
};

static inline bool endpoint_equal(const struct endpoint *a, const struct endpoint *b)
{
	return a->port == b->port && memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
}

/* endpoint_ip_from_v4(ip, v4): mapped. */
void endpoint_ip_from_v4(uint8_t ip[static 16], const uint8_t v4[static 4]);
bool endpoint_is_v4(const struct endpoint *e);

/*
 * endpoint_parse(e, text): "192.0.2.1:4600" or "[2001:db8::1]:4600".
 * 0, or -EINVAL with *e unchanged.  Names are not resolved.
 */
MUST_USE int endpoint_parse(struct endpoint *e, const char *text);

/* endpoint_ip_parse(ip, text): an address alone, v4 (mapped) or v6.  0 or -EINVAL. */
MUST_USE int endpoint_ip_parse(uint8_t ip[static 16], const char *text);

/* Text of an endpoint or of an address alone; out is always terminated. */
const char *endpoint_format(const struct endpoint *e, char out[static ENDPOINT_TEXT_MAX]);
const char *endpoint_ip_format(const uint8_t ip[static 16], char out[static ENDPOINT_TEXT_MAX]);

/* endpoint_is_public(ip): globally routable unicast by the IANA special-purpose registries. */
bool endpoint_is_public(const uint8_t ip[static 16]);

#endif
