/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The packet is parsed by its own bytes; of the vnet header only what cannot be known otherwise is
 * used, and checked: hdr_len is not.  Transport checksums stay partial: nobody on the way sums up
 * payloads that the onion authenticates anyway.
 */
#include "io/tun_split.h"

#include <errno.h>

static bool is_gso_type_of(uint8_t gso_type, const struct ip_layout *l)
{
	switch (gso_type & ~VIRTIO_NET_HDR_GSO_ECN) {
	case VIRTIO_NET_HDR_GSO_TCPV4:
		return l->proto == IPPROTO_TCP && !l->v6;
	case VIRTIO_NET_HDR_GSO_TCPV6:
		return l->proto == IPPROTO_TCP && l->v6;
	case VIRTIO_NET_HDR_GSO_UDP_L4:
		return l->proto == IPPROTO_UDP;
	default:
		return false;
	}
}

/* What a device without checksum offload would do: sums from start on, stores at start + offset. */
static int complete_checksum(uint8_t *p, size_t len, size_t start, size_t offset)
{
	uint16_t sum;

	if (start >= len || len - start < offset + 2)
		return -EBADMSG;
	sum = (uint16_t)~ip_fold(ip_sum(p + start, len - start));
	put_be16(p + start + offset, sum != 0 ? sum : 0xffff);
	return 0;
}

/* The checksum that is asked for is the TCP or UDP header's. */
static bool is_transport_checksum(const struct virtio_net_hdr *v, const struct ip_layout *l)
{
	return v->csum_start == l->l4_off &&
	       (size_t)v->csum_start + v->csum_offset == ip_csum_off(l);
}

static void start_cutting(struct tun_split *s, const struct ip_layout *l, const uint8_t *p,
			  uint16_t segment_len)
{
	s->segment_len = segment_len;
	s->off = l->head_len;
	s->layout = *l;
	s->ipv4_id = get_be16(p + IPV4_ID_OFF);
	s->pseudo_sum = ip_pseudo_sum(l, p);
	if (!l->v6)
		s->ipv4_sum = ip_sum(p, 2) + ip_sum(p + 6, 4) + ip_sum(p + 12, l->l4_off - 12u);
}

int tun_split_start(struct tun_split *s, uint8_t *frame, size_t len)
{
	uint8_t *p = frame + VNET_LEN;
	struct virtio_net_hdr v;
	struct ip_layout l;
	bool partial, usual;
	int err;

	*s = (struct tun_split){0};
	if (len <= VNET_LEN || len - VNET_LEN > UINT16_MAX)
		return -EBADMSG;
	len -= VNET_LEN;
	memcpy(&v, frame, VNET_LEN);
	partial = (v.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) != 0;
	usual = ip_parse(&l, p, len, len) && is_transport_checksum(&v, &l);
	if (v.gso_type != VIRTIO_NET_HDR_GSO_NONE) {
		if (!partial || !usual || !is_gso_type_of(v.gso_type, &l) || v.gso_size == 0 ||
		    l.head_len > TUN_SPLIT_HEAD_MAX)
			return -EBADMSG;
		if (v.gso_size < len - l.head_len)
			start_cutting(s, &l, p, v.gso_size);
	} else if (partial && !usual) {
		err = complete_checksum(p, len, v.csum_start, v.csum_offset);
		if (err < 0)
			return err;
		partial = false;
	}
	s->flags = partial ? PACKET_CSUM_PARTIAL : 0;
	s->p = p;
	s->len = (uint32_t)len;
	return 0;
}

/* The header of the segment of payload_len bytes at s->off. */
static void write_head(struct tun_split *s, uint8_t *h, size_t payload_len)
{
	const struct ip_layout *l = &s->layout;
	const bool is_first = s->off == l->head_len;
	const bool is_last = s->off + payload_len == s->len;
	const size_t len = l->head_len + payload_len;

	memcpy(h, s->p, l->head_len);
	ip_resize(l, h, len);
	if (!l->v6) {
		put_be16(h + IPV4_ID_OFF, s->ipv4_id);
		put_be16(h + IPV4_CSUM_OFF, (uint16_t)~ip_fold(s->ipv4_sum + len + s->ipv4_id++));
	}
	if (l->proto == IPPROTO_TCP) {
		uint8_t *t = h + l->l4_off;

		put_be32(t + TCP_SEQ_OFF, get_be32(t + TCP_SEQ_OFF) + s->off - l->head_len);
		if (!is_first)
			t[TCP_FLAGS_OFF] &= (uint8_t)~TCP_CWR;
		if (!is_last)
			t[TCP_FLAGS_OFF] &= (uint8_t) ~(TCP_PSH | TCP_FIN);
	}
	put_be16(h + ip_csum_off(l), ip_fold(s->pseudo_sum + len - l->l4_off));
}

unsigned tun_split_next(struct tun_split *s, struct packet *out, unsigned max, struct writer *heads)
{
	unsigned n = 0;

	if (s->segment_len == 0 && max > 0 && !tun_split_is_done(s)) {
		*out =
		    (struct packet){.head = s->p, .head_len = (uint16_t)s->len, .flags = s->flags};
		s->off = s->len;
		return 1;
	}
	for (; n < max && !tun_split_is_done(s) && heads->left >= s->layout.head_len; n++) {
		const size_t payload_len = MIN((size_t)s->segment_len, s->len - s->off);
		uint8_t *h = wr_bytes(heads, s->layout.head_len);

		write_head(s, h, payload_len);
		out[n] = (struct packet){.head = h,
					 .body = s->p + s->off,
					 .head_len = s->layout.head_len,
					 .body_len = (uint16_t)payload_len,
					 .flags = PACKET_CSUM_PARTIAL};
		s->off += (uint32_t)payload_len;
	}
	return n;
}
