/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a network is known by: the hardware address of its gateway and the subnet behind it.  Names
 * of radio networks can be had by anybody; these too, by who has seen them, but not by chance.
 */
#ifndef UTIL_NETID_H
#define UTIL_NETID_H

#include "util/bytes.h"

#define NETID_TEXT_MAX 72 /* "02:00:5e:00:53:01@192.168.1.0/24" with its final zero */

struct netid {
	uint8_t mac[6];
	uint8_t len_bits; /* of subnet's 16 bytes: an IPv4 /24 has 120 */
	uint8_t subnet[16];
};

static inline bool netid_equal(const struct netid *a, const struct netid *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

/* netid_of(id, mac, ip, len_bits): ip without the bits of the host. */
void netid_of(struct netid *id, const uint8_t mac[static 6], const uint8_t ip[static 16],
	      uint8_t len_bits);

/* netid_parse(id, text): "MAC@ADDRESS/BITS".  0, or -EINVAL with *id unchanged. */
MUST_USE int netid_parse(struct netid *id, const char *text);
const char *netid_format(const struct netid *id, char out[static NETID_TEXT_MAX]);

#endif
