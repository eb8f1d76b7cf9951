/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the files of the UDP socket share. */
#ifndef IO_UDP_PRIV_H
#define IO_UDP_PRIV_H

#include <linux/udp.h> /* UDP_SEGMENT, UDP_GRO: glibc's header is younger */
#include <netinet/in.h>
#include <sys/socket.h>

#include "io/udp.h"

union udp_name {
	struct sockaddr_in6 v6;
	struct sockaddr_in v4;
};

/* udp_name_put(name, family, e): returns the length; a v6 address stays v6 on a v4 socket. */
socklen_t udp_name_put(union udp_name *name, int family, const struct endpoint *e);
void udp_name_get(const union udp_name *name, struct endpoint *e);

/* udp_room_begin: the send buffer of a socket whose line is not known yet. */
void udp_room_begin(struct udp *u);

struct udp_rx *udp_rx_create(bool gro);
void udp_rx_free(struct udp_rx *rx);
struct udp_tx *udp_tx_create(void);
void udp_tx_free(struct udp_tx *tx);

#endif
