/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A network for one program alone: namespaces in which there is a loopback and a tunnel, and no
 * other way.  Nothing on the machine changes, so there is nothing to undo, and none but the kernel
 * needs to hold what is inside: without the tunnel it reaches nothing.
 */
#ifndef HOST_NETSPACE_H
#define HOST_NETSPACE_H

#include "host/error.h"
#include "host/netlink.h"

/*
 * netspace_enter(err): moves the calling process, which has one thread, into namespaces of its own:
 * of network and mounts, and for who may not make these alone of users too, in which it stays who
 * it is.  What it has open stays where it was.
 */
MUST_USE int netspace_enter(struct host_error *err);

/*
 * netspace_names(server, resolv_path, err): after netspace_enter.  Programs ask this name server
 * (an address in text), and do not see the sockets of services that answer names for the machine.
 */
MUST_USE int netspace_names(const char *server, const char *resolv_path, struct host_error *err);

/* What leads out. */
struct netspace_tunnel {
	const char *tun; /* exists */
	uint32_t mtu_bytes;
	uint8_t v4[16], v6[16]; /* inner addresses; all zero: none of that family */
};

struct netspace {
	struct netlink *nl;
	char tun[IFNAMSIZ];
	uint8_t v4[16], v6[16]; /* that are set */
};

/* netspace_open(n, err): after netspace_enter; brings the loopback up. */
MUST_USE int netspace_open(struct netspace *n, struct host_error *err);
void netspace_close(struct netspace *n);

/* netspace_use(n, t, err): all but the loopback goes there from now on.  A family without an
 * address is unreachable. */
MUST_USE int netspace_use(struct netspace *n, const struct netspace_tunnel *t,
			  struct host_error *err);

#endif
