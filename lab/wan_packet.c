/* SPDX-License-Identifier: GPL-3.0-or-later */
/* IPv4 and IPv6 packets with UDP, TCP or ICMP in them; fragments and extension headers are left
 * alone. */
#include "wan_packet.h"

#include "util/bytes.h"

#include <netinet/in.h>

enum {
	IPV4_HEADER = 20,
	IPV6_HEADER = 40,
	UDP_HEADER = 8,
	TCP_HEADER = 20,
	ICMP_HEADER = 8,
};

struct transport {
	size_t at;          /* of the transport header */
	size_t payload_at;  /* and of what it carries */
	size_t checksum_at; /* of its checksum field */
	uint8_t protocol;
};

static bool is_v4(const uint8_t *ip)
{
	return ip[0] >> 4 == 4;
}

uint64_t packet_pair(const uint8_t *ip, size_t len)
{
	if (len >= IPV4_HEADER && is_v4(ip))
		return (uint64_t)get_be16(ip + 12) << 32 | get_be16(ip + 16);
	if (len >= IPV6_HEADER && ip[0] >> 4 == 6)
		return (uint64_t)get_be32(ip + 8) << 32 | get_be32(ip + 24);
	return 0;
}

/* The length that the IP header states. */
static size_t stated_length(const uint8_t *ip)
{
	return is_v4(ip) ? get_be16(ip + 2) : (size_t)IPV6_HEADER + get_be16(ip + 4);
}

static bool find_network_payload(const uint8_t *ip, size_t len, struct transport *t)
{
	if (packet_pair(ip, len) == 0 || stated_length(ip) != len)
		return false;
	if (is_v4(ip)) {
		t->at = (size_t)(ip[0] & 0x0f) * 4;
		t->protocol = ip[9];
		return t->at >= IPV4_HEADER && (get_be16(ip + 6) & 0x3fff) == 0;
	}
	t->at = IPV6_HEADER;
	t->protocol = ip[6];
	return true;
}

static bool find_transport(const uint8_t *ip, size_t len, struct transport *t)
{
	if (!find_network_payload(ip, len, t))
		return false;
	switch (t->protocol) {
	case IPPROTO_UDP:
		t->payload_at = t->at + UDP_HEADER;
		t->checksum_at = t->at + 6;
		break;
	case IPPROTO_TCP:
		if (len < t->at + TCP_HEADER)
			return false;
		t->payload_at = t->at + (size_t)(ip[t->at + 12] >> 4) * 4;
		t->checksum_at = t->at + 16;
		break;
	case IPPROTO_ICMP:
	case IPPROTO_ICMPV6:
		t->payload_at = t->at + ICMP_HEADER;
		t->checksum_at = t->at + 2;
		break;
	default:
		return false;
	}
	return t->payload_at < len;
}

bool packet_is_udp(const uint8_t *ip, size_t len)
{
	struct transport t;

	return find_transport(ip, len, &t) && t.protocol == IPPROTO_UDP;
}

static uint64_t sum_words(const uint8_t *p, size_t len)
{
	uint64_t sum = 0;

	for (; len >= 2; p += 2, len -= 2)
		sum += get_be16(p);
	return len > 0 ? sum + (uint64_t)(p[0] << 8) : sum;
}

static uint16_t fold_checksum(uint64_t sum)
{
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static void fix_transport_checksum(uint8_t *ip, size_t len, const struct transport *t)
{
	const size_t addresses_at = is_v4(ip) ? 12 : 8;
	uint64_t sum = 0;
	uint16_t checksum;

	put_be16(ip + t->checksum_at, 0);
	if (t->protocol != IPPROTO_ICMP)
		sum = sum_words(ip + addresses_at, is_v4(ip) ? 8 : 32) + t->protocol + len - t->at;
	checksum = fold_checksum(sum + sum_words(ip + t->at, len - t->at));
	if (checksum == 0 && t->protocol == IPPROTO_UDP)
		checksum = 0xffff;
	put_be16(ip + t->checksum_at, checksum);
}

bool packet_flip_bit(uint8_t *ip, size_t len, const struct rng *rng)
{
	struct transport t;
	uint64_t bit;

	if (!find_transport(ip, len, &t))
		return false;
	bit = rng_below(rng, (len - t.payload_at) * 8);
	ip[t.payload_at + bit / 8] ^= (uint8_t)(1u << bit % 8);
	fix_transport_checksum(ip, len, &t);
	return true;
}

/* A UDP packet's end is moved to len. */
static void set_udp_length(uint8_t *ip, size_t len, const struct transport *t)
{
	put_be16(ip + t->at + 4, (uint16_t)(len - t->at));
	if (is_v4(ip)) {
		put_be16(ip + 2, (uint16_t)len);
		put_be16(ip + 10, 0);
		put_be16(ip + 10, fold_checksum(sum_words(ip, t->at)));
	} else {
		put_be16(ip + 4, (uint16_t)(len - IPV6_HEADER));
	}
	fix_transport_checksum(ip, len, t);
}

bool packet_truncate(uint8_t *ip, size_t *len, const struct rng *rng)
{
	struct transport t;

	if (!find_transport(ip, *len, &t) || t.protocol != IPPROTO_UDP)
		return false;
	*len = t.payload_at + rng_below(rng, *len - t.payload_at);
	set_udp_length(ip, *len, &t);
	return true;
}

bool packet_forge(uint8_t *ip, size_t *len, const struct rng *rng)
{
	struct transport t;

	if (!find_transport(ip, *len, &t) || t.protocol != IPPROTO_UDP)
		return false;
	if (rng_below(rng, 2) == 0)
		*len = t.payload_at + rng_below(rng, *len - t.payload_at);
	rng_fill(rng, ip + t.payload_at, *len - t.payload_at);
	set_udp_length(ip, *len, &t);
	return true;
}
