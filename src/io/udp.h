/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A UDP socket for both address families that moves datagrams in batches (GSO, GRO, *mmsg). */
#ifndef IO_UDP_H
#define IO_UDP_H

#include "util/dgram.h"
#include "util/now.h"

/* Segmentation by the kernel: in doubt after an error that may also mean a too small MTU. */
enum udp_gso {
	UDP_GSO_OFF,
	UDP_GSO_ON,
	UDP_GSO_DOUBT
};

struct udp_config {
	struct endpoint bind; /* all zero: any address, any port */
	uint32_t mark;        /* SO_MARK, for policy routing; 0: none */
	bool gso, gro;        /* use them where the kernel has them */
	bool joins;           /* the port of a socket that is shared (udp_share) */
};

struct udp_stats {
	uint64_t rx_truncated; /* datagrams longer than any of ours */
	uint64_t tx_too_big;   /* datagrams dropped: larger than the MTU of the way out */
	uint64_t tx_failed;    /* datagrams dropped for all other errors */
};

struct udp {
	int fd;
	int family;
	bool gro;
	enum udp_gso gso;
	bool is_drained; /* the last udp_recv left nothing: wait before the next */
	int room; /* of the send buffer, in bytes as the kernel counts them, without doubling */
	uint64_t full_ns; /* since then it is full; 0: it is not */
	uint32_t turn;    /* bytes to hand over at once; UDP_TURN_ANY: no limit */
	struct udp_stats stats;
	struct udp_rx *rx;
	struct udp_tx *tx;
};

/* udp_open(u, cfg, what): 0, or -errno and *what is a static text: the step that failed. */
MUST_USE int udp_open(struct udp *u, const struct udp_config *cfg, const char **what);
void udp_close(struct udp *u);

/* udp_local(u, e): the address and port it is bound to.  0 or -errno. */
MUST_USE int udp_local(const struct udp *u, struct endpoint *e);

/*
 * Several sockets on one port.  The first is opened like any other, so that nobody else has the
 * port, then shared; then come those that join, and last udp_steer says which socket gets a
 * datagram: the one whose number in the order of opening is byte modulo sockets, where byte, under
 * mask, stands at offset[first byte of the datagram].  Datagrams of other types, or too short, go
 * to the first.
 *
 * The kernel may hand over several datagrams as one (GRO), and looks only at the first of them.
 */
struct udp_steering {
	const uint8_t *offset; /* by type; 0: none of ours */
	size_t types;
	uint8_t mask;
	unsigned sockets;
};
MUST_USE int udp_share(const struct udp *u);
MUST_USE int udp_steer(const struct udp *u, const struct udp_steering *s);

/*
 * udp_recv(u, dgrams): receives what is there in one system call, up to a batch (some 200, seldom
 * more).  Returns the number of datagrams in *dgrams, 0 when there was none, or -errno.  The
 * datagrams and their bytes are the caller's until the next udp_recv.
 */
MUST_USE int udp_recv(struct udp *u, struct rx_dgram **dgrams);

/*
 * udp_send(u, list): sends a list of batches.  Returns NULL when all are done with, otherwise the
 * first batch that the socket buffer had no room for: its data and count are advanced past what was
 * sent, so the returned list is what to send again on EPOLLOUT.  A batch that cannot be sent for
 * another reason is dropped and counted.
 */
MUST_USE struct tx_batch *udp_send(struct udp *u, struct tx_batch *list);

/*
 * How much the kernel may hold of what was sent.  A buffer that takes a slow line long to empty is
 * a queue where all wait behind all; the engine's own queue is fair, and marks.  So the buffer is
 * made as large as what leaves in UDP_ROOM_NS, and on a slow line single sends are small
 * (udp.turn: bytes, to be handed over at once).
 *
 * udp_full(u, now_ns): udp_send did not send all.  udp_writable(u, now_ns): EPOLLOUT came, so half
 * of the buffer has left; call it before sending again.
 */
#define UDP_ROOM_NS  (4 * NS_PER_MS)
#define UDP_TURN_ANY UINT32_MAX
void udp_full(struct udp *u, uint64_t now_ns);
void udp_writable(struct udp *u, uint64_t now_ns);

/* udp_room_after(room, took_ns): the next buffer, when half of this one took so long to leave. */
int udp_room_after(int room, uint64_t took_ns);

/* udp_send_one(u, to, data, len): a single datagram, lost when the socket has no room. */
void udp_send_one(struct udp *u, const struct endpoint *to, uint8_t *data, uint16_t len);

#endif
