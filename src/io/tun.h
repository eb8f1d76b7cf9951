/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A TUN device, with segmentation and checksum offload (vnet header) or plain.  Addresses, MTU and
 * state of the device are set by src/host.
 */
#ifndef IO_TUN_H
#define IO_TUN_H

#include <net/if.h>

#include "io/tun_merge.h"
#include "io/tun_split.h"

struct tun_config {
	const char *name; /* may hold %d; the kernel numbers it then */
	bool offload;     /* vnet header; plain packets otherwise */
	bool multi_queue; /* one of several descriptors (one per worker) of the same device */
};

struct tun_stats {
	uint64_t read_bad;     /* frames dropped: vnet header and packet disagree */
	uint64_t write_failed; /* frames that the kernel refused */
};

struct tun {
	int fd;
	char name[IFNAMSIZ];
	bool offload;    /* frames have a vnet header */
	bool is_drained; /* the last tun_read left nothing: wait before the next */
	bool is_busy;    /* frames came together of late: take all that are there */
	struct tun_stats stats;
	struct tun_memory *memory; /* of packets being read */
	struct tun_split split;    /* the frame that did not fit into the last tun_read */
	struct tun_merge merge;
};

/*
 * tun_open(t, cfg, what): creates the device or joins an existing one.  0, or -errno and *what is a
 * static text for the user: what failed and what to do.
 */
MUST_USE int tun_open(struct tun *t, const struct tun_config *cfg, const char **what);
void tun_close(struct tun *t);

/*
 * tun_read(t, packets, max): packets the kernel sends into the device, up to max (> 0) or what is
 * there now.  After a pause a small frame is handed on at once: most come alone, and to ask for
 * another one first would only keep it waiting.  They are valid until the next tun_read.  Returns
 * their number, or -errno when the device is gone.
 */
MUST_USE int tun_read(struct tun *t, struct packet *packets, unsigned max);

/*
 * tun_has_rest(t): the last tun_read left packets of a frame that it took from the kernel.  The
 * descriptor does not tell of these: read again before waiting for it.
 */
static inline bool tun_has_rest(const struct tun *t)
{
	return !tun_split_is_done(&t->split);
}

/*
 * tun_write(t, packets, n): gives n packets to the kernel, joined where that is possible.  What the
 * kernel refuses is dropped and counted.
 */
void tun_write(struct tun *t, const struct packet *packets, unsigned n);

#endif
