/* SPDX-License-Identifier: GPL-3.0-or-later */
/* An address with a prefix length; 16 bytes and 0-128 bits for both families, IPv4 mapped. */
#ifndef HOST_IP_PREFIX_H
#define HOST_IP_PREFIX_H

#include "util/bytes.h"

#define IP_PREFIX_TEXT_MAX 50

struct ip_prefix {
	uint8_t ip[16];   /* network order; IPv4 as ::ffff:a.b.c.d; may have host bits */
	uint8_t len_bits; /* of the 16 bytes: an IPv4 /16 has 112 */
};

/* The default routes. */
extern const struct ip_prefix ip_prefix_all_v4, ip_prefix_all_v6;

/* ip_prefix_host(ip): the address alone, /32 or /128. */
struct ip_prefix ip_prefix_host(const uint8_t ip[static 16]);

/* ip_prefix_network(p): p without its host bits. */
struct ip_prefix ip_prefix_network(const struct ip_prefix *p);

bool ip_prefix_is_v4(const struct ip_prefix *p);
bool ip_prefix_equal(const struct ip_prefix *a, const struct ip_prefix *b);

/* ip_prefix_has(p, ip): ip lies in p. */
bool ip_prefix_has(const struct ip_prefix *p, const uint8_t ip[static 16]);

/* ip_is_set(ip): not all zero, which stands for "none" in configurations. */
bool ip_is_set(const uint8_t ip[static 16]);

/* ip_is_loopback(ip): in 127.0.0.0/8 or ::1. */
bool ip_is_loopback(const uint8_t ip[static 16]);

/*
 * The address in the family's own form: 4 or 16 bytes (ip_prefix_bytes_len) and a length that
 * counts in them.
 */
const uint8_t *ip_prefix_bytes(const struct ip_prefix *p);
size_t ip_prefix_bytes_len(const struct ip_prefix *p);
uint8_t ip_prefix_family_len(const struct ip_prefix *p);
int ip_prefix_family(const struct ip_prefix *p); /* AF_INET or AF_INET6 */

/* ip_prefix_from(family, bytes, len_bits): from the family's own form. */
struct ip_prefix ip_prefix_from(int family, const void *bytes, uint8_t len_bits);

/* ip_prefix_parse(p, text): "10.88.0.1/16", "fd00::/8" or an address alone.  0 or -EINVAL. */
MUST_USE int ip_prefix_parse(struct ip_prefix *p, const char *text);
const char *ip_prefix_format(const struct ip_prefix *p, char out[static IP_PREFIX_TEXT_MAX]);

#endif
