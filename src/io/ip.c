/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "io/ip.h"

static bool parse_v4(struct ip_layout *l, const uint8_t *p, size_t have, size_t len)
{
	const size_t head = (p[0] & 0xf) * 4u;

	if (have < IPV4_HEAD_LEN || head < IPV4_HEAD_LEN || head > have)
		return false;
	if (get_be16(p + 2) != len || (get_be16(p + IPV4_FRAG_OFF) & 0x3fff) != 0)
		return false;
	l->v6 = false;
	l->proto = p[9];
	l->l4_off = (uint16_t)head;
	return true;
}

static bool parse_v6(struct ip_layout *l, const uint8_t *p, size_t have, size_t len)
{
	size_t off = IPV6_HEAD_LEN;
	uint8_t next;

	if (have < IPV6_HEAD_LEN || get_be16(p + 4) != len - IPV6_HEAD_LEN)
		return false;
	next = p[6];
	while (next == IPPROTO_HOPOPTS || next == IPPROTO_DSTOPTS) {
		if (have - off < 8 || have - off < p[off + 1] * 8u + 8)
			return false;
		next = p[off];
		off += p[off + 1] * 8u + 8;
	}
	l->v6 = true;
	l->proto = next;
	l->l4_off = (uint16_t)off;
	return true;
}

static bool parse_transport(struct ip_layout *l, const uint8_t *p, size_t have, size_t len)
{
	const uint8_t *t = p + l->l4_off;
	const size_t left = have - l->l4_off;
	size_t head;

	if (l->proto == IPPROTO_TCP) {
		if (left < TCP_HEAD_LEN)
			return false;
		head = (t[12] >> 4) * 4u;
		if (head < TCP_HEAD_LEN || head > left)
			return false;
	} else if (l->proto == IPPROTO_UDP) {
		head = UDP_HEAD_LEN;
		if (left < head || get_be16(t + 4) != len - l->l4_off)
			return false;
	} else {
		return false;
	}
	l->head_len = (uint16_t)(l->l4_off + head);
	return true;
}

bool ip_parse(struct ip_layout *l, const uint8_t *p, size_t have, size_t len)
{
	bool ok;

	if (have < 1 || have > len || len > UINT16_MAX)
		return false;
	ok = p[0] >> 4 == 4   ? parse_v4(l, p, have, len)
	     : p[0] >> 4 == 6 ? parse_v6(l, p, have, len)
			      : false;
	return ok && parse_transport(l, p, have, len);
}

uint64_t ip_sum(const uint8_t *p, size_t n)
{
	uint64_t sum = 0;
	uint16_t folded;

	/* Sums in host order fold to the swapped result (RFC 1071): swap once at the end. */
	for (; n >= 8; n -= 8, p += 8) {
		const uint64_t v = get_le64(p);

		sum += (v >> 32) + (v & 0xffffffff);
	}
	for (; n >= 2; n -= 2, p += 2)
		sum += get_le16(p);
	if (n > 0)
		sum += *p;
	folded = ip_fold(sum);
	return (uint16_t)(folded << 8 | folded >> 8);
}

uint64_t ip_pseudo_sum(const struct ip_layout *l, const uint8_t *p)
{
	return l->proto + (l->v6 ? ip_sum(p + 8, 32) : ip_sum(p + 12, 8));
}

void ip_resize(const struct ip_layout *l, uint8_t *p, size_t len)
{
	if (l->v6)
		put_be16(p + 4, (uint16_t)(len - IPV6_HEAD_LEN));
	else
		put_be16(p + 2, (uint16_t)len);
	if (l->proto == IPPROTO_UDP)
		put_be16(p + l->l4_off + 4, (uint16_t)(len - l->l4_off));
}

void ip_sum_head(uint8_t *p)
{
	put_be16(p + IPV4_CSUM_OFF, 0);
	put_be16(p + IPV4_CSUM_OFF, (uint16_t)~ip_fold(ip_sum(p, (p[0] & 0xf) * 4u)));
}
