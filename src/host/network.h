/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which network this machine is on: the one that its default route leads to, IPv4 before IPv6. */
#ifndef HOST_NETWORK_H
#define HOST_NETWORK_H

#include "host/netlink.h"
#include "util/netid.h"

struct network {
	bool is_online; /* there is a default route; else all else is zero */
	char dev[IFNAMSIZ];
	uint8_t gateway[16]; /* all zero: none, as on a point-to-point link */
	bool has_id;
	struct netid id; /* if has_id */
};

/*
 * network_read(nl, out): 0, or a negative errno.  -EAGAIN: the gateway's hardware address is not
 * known yet and was asked for (netmon tells when it comes); *out is filled but for the id.
 */
MUST_USE int network_read(struct netlink *nl, struct network *out);

/* network_lacks(n): why it has no id, for people: "it has no default route". */
const char *network_lacks(const struct network *n);

#endif
