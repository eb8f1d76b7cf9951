/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The device and the memory of its packets.  Frames are read one behind the other into one area as
 * long as another of the largest size fits, so many small packets or a few large ones make a batch.
 */
#include "io/tun.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "util/xalloc.h"

#ifndef TUN_F_USO4 /* Linux 6.2 */
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

enum {
	FRAME_MAX = VNET_LEN + UINT16_MAX,
	AREA_LEN = 256 << 10,
	HEADS_LEN = 32 << 10,
	PACKET_ALIGN = 16,
};

struct tun_memory {
	uint8_t area[AREA_LEN];
	uint8_t heads[HEADS_LEN]; /* headers of packets cut from large frames */
	uint32_t used;            /* of the area */
};

_Static_assert(sizeof((struct tun_memory){0}.heads) >= TUN_SPLIT_HEAD_MAX,
	       "cutting a frame always gets on");

static const char *explain_open(int err)
{
	if (err == -ENOENT || err == -ENODEV || err == -ENXIO)
		return "/dev/net/tun is missing: load the kernel module tun";
	if (err == -EACCES || err == -EPERM)
		return "/dev/net/tun may not be opened: run as root";
	return "opening /dev/net/tun failed";
}

static const char *create_device(int fd, const struct tun_config *cfg, struct tun *t)
{
	struct ifreq req = {.ifr_flags = IFF_TUN | IFF_NO_PI};

	if (cfg->offload)
		req.ifr_flags |= (short)IFF_VNET_HDR;
	if (cfg->multi_queue)
		req.ifr_flags |= (short)IFF_MULTI_QUEUE;
	if (strlen(cfg->name) >= IFNAMSIZ) {
		errno = ENAMETOOLONG;
		return "the name of the TUN device is too long";
	}
	snprintf(req.ifr_name, IFNAMSIZ, "%s", cfg->name);
	if (ioctl(fd, TUNSETIFF, &req) < 0) {
		if (errno == EPERM)
			return "creating a TUN device needs CAP_NET_ADMIN: run as root";
		if (errno == EBUSY)
			return "the TUN device is in use by another program";
		if (errno == EINVAL)
			return "a device of that name exists and is not a TUN device of this kind";
		return "creating the TUN device failed";
	}
	snprintf(t->name, IFNAMSIZ, "%s", req.ifr_name);
	return NULL;
}

/* Has the kernel hand over large and unsummed frames; returns whether UDP among them. */
static bool accept_offloads(int fd)
{
	const unsigned long tcp = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;

	if (ioctl(fd, TUNSETOFFLOAD, tcp | TUN_F_USO4 | TUN_F_USO6) == 0)
		return true;
	/* Should this fail too, frames arrive small and summed, which tun_read can do as well. */
	(void)ioctl(fd, TUNSETOFFLOAD, tcp);
	return false;
}

static void write_frame(struct tun *t, const struct iovec *iovs, int count)
{
	ssize_t done;

	do
		done = writev(t->fd, iovs, count);
	while (done < 0 && errno == EINTR);
	if (done < 0)
		t->stats.write_failed++;
}

static void emit_frame(struct tun_merge *m, const struct iovec *iovs, int count)
{
	write_frame(container_of(m, struct tun, merge), iovs, count);
}

int tun_open(struct tun *t, const struct tun_config *cfg, const char **what)
{
	const int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	const char *failed;
	int err;

	if (fd < 0) {
		err = -errno;
		*what = explain_open(err);
		return err;
	}
	failed = create_device(fd, cfg, t);
	if (failed != NULL) {
		err = -errno;
		*what = failed;
		close(fd);
		return err;
	}
	t->fd = fd;
	t->offload = cfg->offload;
	t->stats = (struct tun_stats){0};
	t->split = (struct tun_split){0};
	tun_merge_init(&t->merge, cfg->offload && accept_offloads(fd), emit_frame);
	t->memory = xcalloc(1, sizeof(*t->memory));
	return 0;
}

void tun_close(struct tun *t)
{
	close(t->fd);
	free(t->memory);
	t->fd = -1;
	t->memory = NULL;
}

/* Reads one frame behind the last, its packet aligned.  Returns its length, 0: none, or -errno. */
static ssize_t read_frame(struct tun *t, uint8_t **frame)
{
	struct tun_memory *mem = t->memory;
	const size_t vnet_len = t->offload ? VNET_LEN : 0;
	const size_t at =
	    (mem->used + vnet_len + PACKET_ALIGN - 1) / PACKET_ALIGN * PACKET_ALIGN - vnet_len;
	ssize_t len;

	*frame = mem->area + at;
	if (at + FRAME_MAX > AREA_LEN)
		return 0;
	do
		len = read(t->fd, *frame, FRAME_MAX);
	while (len < 0 && errno == EINTR);
	if (len < 0)
		return errno == EAGAIN ? 0 : -errno;
	mem->used = (uint32_t)(at + (size_t)len);
	return len;
}

/* Turns a frame into packets; returns how many. */
static unsigned take_frame(struct tun *t, uint8_t *frame, size_t len, struct packet *packets,
			   unsigned max, struct writer *heads)
{
	if (!t->offload) {
		packets[0] = (struct packet){.head = frame, .head_len = (uint16_t)len};
		return 1;
	}
	if (tun_split_start(&t->split, frame, len) < 0)
		t->stats.read_bad++;
	return tun_split_next(&t->split, packets, max, heads);
}

int tun_read(struct tun *t, struct packet *packets, unsigned max)
{
	struct writer heads = wr_init(t->memory->heads, HEADS_LEN);
	uint8_t *frame;
	unsigned n = 0, frames = 0;
	ssize_t len = 1;

	if (tun_split_is_done(&t->split))
		t->memory->used = 0;
	else
		n = tun_split_next(&t->split, packets, max, &heads);
	while (n < max && tun_split_is_done(&t->split)) {
		len = read_frame(t, &frame);
		if (len <= 0)
			break;
		n += take_frame(t, frame, (size_t)len, packets + n, max - n, &heads);
		if (++frames == 1 && n == 1 && !t->is_busy)
			break;
	}
	t->is_drained = len <= 0;
	t->is_busy = frames > 1 || (frames == 1 && !t->is_drained);
	return len < 0 && n == 0 ? (int)len : (int)n;
}

/* The whole transport checksum; the field in the packet holds the pseudo-header's sum. */
static uint16_t complete_checksum(const struct packet *p, const struct ip_layout *l)
{
	const size_t rest_len = (size_t)p->head_len - l->l4_off;
	uint16_t body = ip_fold(ip_sum(p->body, p->body_len));
	uint16_t sum;

	if (rest_len % 2 != 0) /* then the body's bytes pair the other way round */
		body = (uint16_t)(body << 8 | body >> 8);
	sum = (uint16_t)~ip_fold(ip_sum(p->head + l->l4_off, rest_len) + body);
	return sum != 0 ? sum : 0xffff;
}

/* A packet by itself, without a vnet header; a partial checksum is completed. */
static void write_plain(struct tun *t, const struct packet *p)
{
	struct iovec iovs[4];
	struct ip_layout l;
	uint8_t csum[2];
	size_t off;

	if ((p->flags & PACKET_CSUM_PARTIAL) == 0 ||
	    !ip_parse(&l, p->head, p->head_len, (size_t)p->head_len + p->body_len)) {
		iovs[0] = iov_of(p->head, p->head_len);
		iovs[1] = iov_of(p->body, p->body_len);
		write_frame(t, iovs, p->body_len > 0 ? 2 : 1);
		return;
	}
	off = ip_csum_off(&l);
	put_be16(csum, complete_checksum(p, &l));
	iovs[0] = iov_of(p->head, off);
	iovs[1] = iov_of(csum, sizeof(csum));
	iovs[2] = iov_of(p->head + off + 2, p->head_len - off - 2);
	iovs[3] = iov_of(p->body, p->body_len);
	write_frame(t, iovs, p->body_len > 0 ? 4 : 3);
}

void tun_write(struct tun *t, const struct packet *packets, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		if (t->offload)
			tun_merge_add(&t->merge, &packets[i]);
		else
			write_plain(t, &packets[i]);
	}
	if (t->offload)
		tun_merge_flush(&t->merge);
}
