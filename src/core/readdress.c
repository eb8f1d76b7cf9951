/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/readdress.h"

enum {
	PROTO_HOP_BY_HOP = 0,
	PROTO_ICMP = 1,
	PROTO_TCP = 6,
	PROTO_UDP = 17,
	PROTO_DCCP = 33,
	PROTO_ROUTING = 43,
	PROTO_FRAGMENT = 44,
	PROTO_AH = 51,
	PROTO_ICMP6 = 58,
	PROTO_DESTINATION = 60,
	PROTO_UDPLITE = 136,
	V4_OFFSET = 0x1fff, /* of a fragment */
	ICMP_HEAD_LEN = 8,
	EXTENSIONS_MAX = 8,
};

/* One's complement sums of 16 bits. */
static uint16_t fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)((sum & 0xffff) + (sum >> 16));
}

/* By how much a sum changes with an address. */
static uint16_t difference(const uint8_t *from, const uint8_t *to, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < len; i += 2)
		sum += (uint32_t)(uint16_t)~get_be16(from + i) + get_be16(to + i);
	return fold(sum);
}

/* The sum itself, or (a checksum) its complement. */
static void change_sum(uint8_t *at, uint16_t by)
{
	put_be16(at, fold((uint32_t)get_be16(at) + by));
}

static void change_checksum(uint8_t *at, uint16_t by)
{
	put_be16(at, (uint16_t)~fold((uint32_t)(uint16_t)~get_be16(at) + by));
}

/* Where the packet's own protocol begins; 0: not in this packet. */
static size_t find_l4_v6(const uint8_t *p, size_t len, uint8_t *proto)
{
	size_t off = 40;

	*proto = p[6];
	for (unsigned i = 0; i < EXTENSIONS_MAX && off + 8 <= len; i++) {
		const uint8_t *ext = p + off;

		switch (*proto) {
		case PROTO_HOP_BY_HOP:
		case PROTO_ROUTING:
		case PROTO_DESTINATION:
			off += ((size_t)ext[1] + 1) * 8;
			break;
		case PROTO_AH:
			off += ((size_t)ext[1] + 2) * 4;
			break;
		case PROTO_FRAGMENT:
			if (get_be16(ext + 2) >> 3 != 0)
				return 0;
			off += 8;
			break;
		default:
			return off;
		}
		*proto = ext[0];
	}
	return 0;
}

static size_t find_l4(const uint8_t *p, size_t len, uint8_t *proto)
{
	if (p[0] >> 4 == 6)
		return find_l4_v6(p, len, proto);
	*proto = p[9];
	return (get_be16(p + 6) & V4_OFFSET) == 0 ? (size_t)(p[0] & 15) * 4 : 0;
}

static size_t addr_off(bool is_v4, enum readdress_end end)
{
	if (is_v4)
		return end == READDRESS_SOURCE ? 12 : 16;
	return end == READDRESS_SOURCE ? 8 : 24;
}

/* The beginning of a packet, in an error about it. */
static bool change_inside(uint8_t *p, size_t len, bool is_v4, enum readdress_end end,
			  const uint8_t *from, const uint8_t *to)
{
	const size_t addr_len = is_v4 ? 4 : 16;
	uint8_t *addr = p + addr_off(is_v4, end);

	if (len < (is_v4 ? 20u : 40u) || (p[0] >> 4 == 4) != is_v4 ||
	    memcmp(addr, from, addr_len) != 0)
		return false;
	if (is_v4)
		change_checksum(p + 10, difference(from, to, addr_len));
	memcpy(addr, to, addr_len);
	return true;
}

static bool is_error(uint8_t proto, uint8_t type)
{
	return proto == PROTO_ICMP ? type == 3 || type == 4 || type == 5 || type == 11 || type == 12
				   : type < 128;
}

/*
 * An error is about a packet that went the other way.  In IPv4 nothing changes in its own checksum:
 * it does not know the addresses outside, and inside the address and the header's checksum change
 * it by opposite amounts.
 */
static void change_icmp(uint8_t *l4, size_t len, uint8_t proto, enum readdress_end end,
			const uint8_t *from, const uint8_t *to)
{
	const enum readdress_end other =
	    end == READDRESS_SOURCE ? READDRESS_DESTINATION : READDRESS_SOURCE;
	const bool is_v4 = proto == PROTO_ICMP;

	if (len < ICMP_HEAD_LEN)
		return;
	if (!is_v4)
		change_checksum(l4 + 2, difference(from, to, 16));
	if (is_error(proto, l4[0]) &&
	    change_inside(l4 + ICMP_HEAD_LEN, len - ICMP_HEAD_LEN, is_v4, other, from, to) &&
	    !is_v4)
		change_checksum(l4 + 2, difference(from, to, 16));
}

static void change_transport(uint8_t *l4, size_t len, size_t checksum_off, bool is_udp, uint16_t by,
			     uint8_t flags)
{
	uint8_t *at = l4 + checksum_off;

	if (len < checksum_off + 2)
		return;
	if ((flags & PACKET_CSUM_PARTIAL) != 0) {
		change_sum(at, by);
		return;
	}
	if (is_udp && get_be16(at) == 0) /* it has none */
		return;
	change_checksum(at, by);
	if (is_udp && get_be16(at) == 0)
		put_be16(at, 0xffff);
}

void readdress(uint8_t *p, size_t len, enum readdress_end end, const uint8_t *addr, uint8_t flags)
{
	const bool is_v4 = p[0] >> 4 == 4;
	const size_t addr_len = is_v4 ? 4 : 16;
	uint8_t *at = p + addr_off(is_v4, end), from[16], proto;
	const size_t off = find_l4(p, len, &proto);
	uint16_t by;

	memcpy(from, at, addr_len);
	by = difference(from, addr, addr_len);
	if (is_v4)
		change_checksum(p + 10, by);
	memcpy(at, addr, addr_len);
	if (off == 0 || off >= len)
		return;
	switch (proto) {
	case PROTO_TCP:
		change_transport(p + off, len - off, 16, false, by, flags);
		break;
	case PROTO_UDP:
		change_transport(p + off, len - off, 6, true, by, flags);
		break;
	case PROTO_UDPLITE:
	case PROTO_DCCP:
		change_transport(p + off, len - off, 6, false, by, 0);
		break;
	case PROTO_ICMP:
	case PROTO_ICMP6:
		if ((proto == PROTO_ICMP) == is_v4)
			change_icmp(p + off, len - off, proto, end, from, addr);
		break;
	default:
		break;
	}
}
