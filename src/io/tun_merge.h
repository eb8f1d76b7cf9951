/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The reverse of tun_split: joins packets of one flow into large frames with a vnet header, by the
 * rules of the kernel's own receive offload, so that the stack sees few large packets.
 */
#ifndef IO_TUN_MERGE_H
#define IO_TUN_MERGE_H

#include <linux/virtio_net.h>
#include <sys/uio.h>

#include "io/ip.h"
#include "util/dgram.h"

enum {
	TUN_RUNS = 16, /* flows joined at the same time */
	TUN_RUN_PACKETS_MAX = 64,
	TUN_RUN_HEAD_MAX = 256, /* packets with longer headers are not joined */
};

/* iov_of(p, len): bytes to be written; an iovec cannot say that they are const. */
static inline struct iovec iov_of(const uint8_t *p, size_t len)
{
	const union {
		const uint8_t *in;
		void *out;
	} u = {.in = p};

	return (struct iovec){u.out, len};
}

/* Consecutive packets of one flow: vnet header, headers, and one or two pieces of each payload. */
struct tun_run {
	struct ip_layout layout;
	const uint8_t *head; /* of the first packet */
	uint32_t len;        /* of the whole */
	uint32_t next_seq;   /* TCP's */
	uint16_t next_id;    /* IPv4's */
	uint16_t segment_len;
	uint16_t count;
	uint8_t last_flags; /* TCP's FIN and PSH, which the last packet brings */
	uint16_t iov_count;
	struct virtio_net_hdr vnet;
	uint8_t joined_head[TUN_RUN_HEAD_MAX];
	struct iovec iovs[2 + 2 * TUN_RUN_PACKETS_MAX];
};

struct tun_merge {
	/* Writes one frame: a vnet header and a packet, in pieces. */
	void (*emit)(struct tun_merge *m, const struct iovec *iovs, int count);
	bool udp;                  /* the reader takes joined UDP (USO) */
	unsigned evict;            /* the run to write out next when all are in use */
	uint32_t hashes[TUN_RUNS]; /* of the runs' flows; 0: the run is free */
	struct tun_run runs[TUN_RUNS];
};

void tun_merge_init(struct tun_merge *m, bool udp,
		    void (*emit)(struct tun_merge *m, const struct iovec *iovs, int count));

/*
 * tun_merge_add(m, p): emits p, now or with others by the next tun_merge_flush; the order within a
 * flow is kept.  p's bytes must stay until then.  Only packets with a partial checksum are joined.
 */
void tun_merge_add(struct tun_merge *m, const struct packet *p);
void tun_merge_flush(struct tun_merge *m);

#endif
