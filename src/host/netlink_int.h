/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What netlink.c shares with netlink_route.c. */
#ifndef HOST_NETLINK_INT_H
#define HOST_NETLINK_INT_H

#include <libmnl/libmnl.h>

#include "host/netlink.h"

struct netlink {
	struct mnl_socket *sock;
	uint32_t seq;
	/* The largest message of a dump; the kernel fills no more than 32 KiB. */
	char buf[32768] __attribute__((aligned(NLMSG_ALIGNTO)));
};

/* netlink_start(nl, type, flags): an empty request in nl->buf. */
struct nlmsghdr *netlink_start(struct netlink *nl, uint16_t type, uint16_t flags);

/* netlink_talk(nl, msg, cb, ctx): send it, give what comes back to cb until the end. */
MUST_USE int netlink_talk(struct netlink *nl, const struct nlmsghdr *msg, mnl_cb_t cb, void *ctx);

/* netlink_attrs(msg, header_len, table, max): attributes by type; absent ones are NULL. */
void netlink_attrs(const struct nlmsghdr *msg, size_t header_len, const struct nlattr **table,
		   uint16_t max);

#endif
