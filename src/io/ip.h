/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What segmentation offload must know of an IP packet: where its TCP or UDP header is; checksums.
 */
#ifndef IO_IP_H
#define IO_IP_H

#include <netinet/in.h>

#include "util/bytes.h"

enum {
	IPV4_HEAD_LEN = 20,
	IPV4_ID_OFF = 4,
	IPV4_FRAG_OFF = 6,
	IPV4_CSUM_OFF = 10,
	IPV6_HEAD_LEN = 40,
	UDP_HEAD_LEN = 8,
	UDP_CSUM_OFF = 6,
	TCP_HEAD_LEN = 20,
	TCP_SEQ_OFF = 4,
	TCP_FLAGS_OFF = 13,
	TCP_CSUM_OFF = 16,
};

enum tcp_flag {
	TCP_FIN = 0x01,
	TCP_SYN = 0x02,
	TCP_RST = 0x04,
	TCP_PSH = 0x08,
	TCP_URG = 0x20,
	TCP_CWR = 0x80,
};

struct ip_layout {
	uint16_t l4_off;   /* of the TCP or UDP header */
	uint16_t head_len; /* IP and transport headers together */
	uint8_t proto;     /* IPPROTO_TCP or IPPROTO_UDP */
	bool v6;
};

static inline size_t ip_csum_off(const struct ip_layout *l)
{
	return (size_t)l->l4_off + (l->proto == IPPROTO_TCP ? TCP_CSUM_OFF : UDP_CSUM_OFF);
}

/*
 * ip_parse(l, p, have, len): of a packet of len bytes the first `have` of which are at p.  True for
 * an unfragmented TCP or UDP packet, at most 65535 bytes, whose headers are whole, lie in `have`
 * and agree with len; of IPv6 extension headers only hop-by-hop and destination options are stepped
 * over.
 */
bool ip_parse(struct ip_layout *l, const uint8_t *p, size_t have, size_t len);

/* ip_sum(p, n): one's complement sum of n bytes at p as big-endian words, not folded. */
uint64_t ip_sum(const uint8_t *p, size_t n);

/* ip_fold(sum): sum in 16 bits, not complemented. */
static inline uint16_t ip_fold(uint64_t sum)
{
	sum = (sum >> 32) + (sum & 0xffffffff);
	sum = (sum >> 16) + (sum & 0xffff);
	sum = (sum >> 16) + (sum & 0xffff);
	return (uint16_t)((sum >> 16) + sum);
}

/* ip_pseudo_sum(l, p): the pseudo-header's sum but for the length, not folded. */
uint64_t ip_pseudo_sum(const struct ip_layout *l, const uint8_t *p);

/*
 * ip_resize(l, p, len): sets the length fields of the headers at p for a packet of len bytes and
 * leaves the checksums alone.
 */
void ip_resize(const struct ip_layout *l, uint8_t *p, size_t len);

/* ip_sum_head(p): sets the IPv4 header's checksum. */
void ip_sum_head(uint8_t *p);

#endif
