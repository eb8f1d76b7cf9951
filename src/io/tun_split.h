/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Cuts what the kernel gives a TUN reader with a vnet header into IP packets, copying no payload.
 */
#ifndef IO_TUN_SPLIT_H
#define IO_TUN_SPLIT_H

#include <linux/virtio_net.h>

#include "io/ip.h"
#include "util/cursor.h"
#include "util/dgram.h"

/* struct virtio_net_hdr has it since Linux 6.2. */
#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

enum {
	VNET_LEN = sizeof(struct virtio_net_hdr),
	TUN_SPLIT_HEAD_MAX = 256, /* longest headers of a packet that is cut */
};

/* One frame being cut; all zero: nothing is. */
struct tun_split {
	const uint8_t *p; /* the packet, after the vnet header */
	uint32_t len;
	uint32_t off; /* the next byte of payload; the frame is done when off == len */
	uint16_t segment_len;
	uint8_t flags;    /* of a packet that is not cut */
	uint16_t ipv4_id; /* of the next segment */
	struct ip_layout layout;
	uint64_t pseudo_sum; /* without the length */
	uint64_t ipv4_sum;   /* of the header without length, id and checksum */
};

/*
 * tun_split_start(s, frame, len): frame is a vnet header and a packet; the packet must stay in
 * place until what tun_split_next made of it is used.  A checksum that is not TCP's or UDP's is
 * completed in place.  0, or -EBADMSG when header and packet do not agree (s is done).
 */
MUST_USE int tun_split_start(struct tun_split *s, uint8_t *frame, size_t len);

static inline bool tun_split_is_done(const struct tun_split *s)
{
	return s->off == s->len;
}

/*
 * tun_split_next(s, out, max, heads): the next packets of the frame, at most max and as many as
 * heads, memory for their headers, has room for.  Returns their number, and can go on until done.
 */
unsigned tun_split_next(struct tun_split *s, struct packet *out, unsigned max,
			struct writer *heads);

#endif
