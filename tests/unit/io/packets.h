/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Crafted TCP and UDP packets, and checksums computed the slow way, apart from src/io/ip.c. */
#ifndef TESTS_IO_PACKETS_H
#define TESTS_IO_PACKETS_H

#include <linux/virtio_net.h>
#include <netinet/in.h>

#include "io/tun_split.h"
#include "util/dgram.h"

enum {
	CRAFT_MAX = 65536
};

struct craft {
	bool v6, udp;
	uint8_t tos, ttl;
	uint16_t id;
	bool dont_fragment;
	uint8_t ip_extra; /* bytes of IPv4 options, or of an IPv6 destination option header */
	uint8_t flow;     /* changes the source port and address */
	uint32_t seq, ack;
	uint16_t window;
	uint8_t tcp_flags;
	uint8_t tcp_extra; /* bytes of options */
	uint16_t payload_len;
	bool partial; /* the checksum is left to offload */
};

/* The payload byte at a place of the stream: tells order and place. */
static inline uint8_t stream_byte(uint32_t seq)
{
	return (uint8_t)(seq * 2654435761u >> 21);
}

static inline uint32_t add_words(uint32_t sum, const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		sum += i % 2 == 0 ? (uint32_t)p[i] << 8 : p[i];
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return sum;
}

/* The pseudo header's sum; l4 is the offset of the transport header, the addresses are v4 or v6. */
static inline uint32_t add_pseudo(const uint8_t *p, size_t l4, size_t len, uint8_t proto)
{
	const bool v6 = p[0] >> 4 == 6;
	const uint8_t tail[8] = {0, 0,    (uint8_t)((len - l4) >> 8), (uint8_t)(len - l4), 0, 0,
				 0, proto};
	const uint32_t sum = v6 ? add_words(0, p + 8, 32) : add_words(0, p + 12, 8);

	return add_words(sum, tail, sizeof(tail));
}

static inline size_t craft_l4(const struct craft *c)
{
	return (c->v6 ? 40u : 20u) + c->ip_extra;
}

static inline size_t craft_head_len(const struct craft *c)
{
	return craft_l4(c) + (c->udp ? 8u : 20u + c->tcp_extra);
}

static inline void craft_ip(const struct craft *c, uint8_t *p, size_t len)
{
	const uint8_t proto = c->udp ? IPPROTO_UDP : IPPROTO_TCP;

	if (c->v6) {
		p[0] = (uint8_t)(0x60 | c->tos >> 4);
		p[1] = (uint8_t)(c->tos << 4);
		p[3] = 0x77; /* flow label */
		put_be16(p + 4, (uint16_t)(len - 40));
		p[6] = c->ip_extra > 0 ? IPPROTO_DSTOPTS : proto;
		p[7] = c->ttl;
		p[8] = 0xfd;
		p[23] = c->flow;
		p[24] = 0xfd;
		p[39] = 9;
		if (c->ip_extra > 0) {
			p[40] = proto;
			p[41] = (uint8_t)(c->ip_extra / 8 - 1);
			p[42] = 1; /* PadN */
			p[43] = (uint8_t)(c->ip_extra - 4);
		}
		return;
	}
	p[0] = (uint8_t)(0x45 + c->ip_extra / 4);
	p[1] = c->tos;
	put_be16(p + 2, (uint16_t)len);
	put_be16(p + 4, c->id);
	p[6] = c->dont_fragment ? 0x40 : 0;
	p[8] = c->ttl;
	p[9] = proto;
	put_be32(p + 12, 0x0a000000u + c->flow);
	put_be32(p + 16, 0x0a090909);
	memset(p + 20, 1, c->ip_extra); /* NOP */
	put_be16(p + 10, (uint16_t)~add_words(0, p, 20u + c->ip_extra));
}

/* Writes the packet to p (CRAFT_MAX bytes of room); returns its length. */
static inline size_t craft(const struct craft *c, uint8_t *p)
{
	const size_t l4 = craft_l4(c), head = craft_head_len(c), len = head + c->payload_len;
	const uint8_t proto = c->udp ? IPPROTO_UDP : IPPROTO_TCP;
	uint8_t *t = p + l4, *csum = t + (c->udp ? 6 : 16);
	uint32_t sum;

	memset(p, 0, head);
	craft_ip(c, p, len);
	put_be16(t, (uint16_t)(40000 + c->flow));
	put_be16(t + 2, 443);
	if (c->udp) {
		put_be16(t + 4, (uint16_t)(len - l4));
	} else {
		put_be32(t + 4, c->seq);
		put_be32(t + 8, c->ack);
		t[12] = (uint8_t)((20 + c->tcp_extra) / 4 << 4);
		t[13] = c->tcp_flags;
		put_be16(t + 14, c->window);
		memset(t + 20, 1, c->tcp_extra);
	}
	for (uint32_t i = 0; i < c->payload_len; i++)
		p[head + i] = stream_byte(c->seq + i);
	sum = add_pseudo(p, l4, len, proto);
	if (!c->partial) {
		sum = (uint16_t)~add_words(sum, t, len - l4);
		sum = sum != 0 ? sum : 0xffff;
	}
	put_be16(csum, (uint16_t)sum);
	return len;
}

/* craft() behind a vnet header; gso_size 0: not to be cut.  Returns the frame's length. */
static inline size_t craft_frame(const struct craft *c, uint16_t gso_size, uint8_t *frame)
{
	struct virtio_net_hdr v = {0};
	const size_t len = craft(c, frame + sizeof(v));

	if (c->partial) {
		v.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
		v.csum_start = (uint16_t)craft_l4(c);
		v.csum_offset = c->udp ? 6 : 16;
	}
	if (gso_size > 0) {
		v.gso_type = c->udp  ? VIRTIO_NET_HDR_GSO_UDP_L4
			     : c->v6 ? VIRTIO_NET_HDR_GSO_TCPV6
				     : VIRTIO_NET_HDR_GSO_TCPV4;
		if (!c->udp && (c->tcp_flags & TCP_CWR) != 0)
			v.gso_type |= VIRTIO_NET_HDR_GSO_ECN;
		v.gso_size = gso_size;
		v.hdr_len = (uint16_t)craft_head_len(c);
	}
	memcpy(frame, &v, sizeof(v));
	return sizeof(v) + len;
}

/* Both checksums of a whole packet with its transport header at l4 are right. */
static inline bool checksums_are_right(const uint8_t *p, size_t len, size_t l4)
{
	const uint8_t proto = p[0] >> 4 == 4 ? p[9] : p[6] == IPPROTO_DSTOPTS ? p[40] : p[6];

	if (p[0] >> 4 == 4 && add_words(0, p, (p[0] & 0xfu) * 4) != 0xffff)
		return false;
	return add_words(add_pseudo(p, l4, len, proto), p + l4, len - l4) == 0xffff;
}

/* What the far end does with a partial checksum: the field holds the pseudo sum, add the rest. */
static inline void finish_checksum(uint8_t *p, size_t len, size_t l4, bool udp)
{
	const uint16_t sum = (uint16_t)~add_words(0, p + l4, len - l4);

	put_be16(p + l4 + (udp ? 6 : 16), sum != 0 ? sum : 0xffff);
}

/* A packet's two pieces in one; returns the length. */
static inline size_t gather(const struct packet *k, uint8_t *out)
{
	memcpy(out, k->head, k->head_len);
	if (k->body_len > 0)
		memcpy(out + k->head_len, k->body, k->body_len);
	return (size_t)k->head_len + k->body_len;
}

#endif
