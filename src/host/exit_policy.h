/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which destinations an exit's clients may reach, as nftables text. */
#ifndef HOST_EXIT_POLICY_H
#define HOST_EXIT_POLICY_H

#include "host/ip_prefix.h"

enum policy_action {
	POLICY_ACCEPT,
	POLICY_REJECT,
};

enum policy_net {
	POLICY_NET_ANY,
	POLICY_NET_PRIVATE, /* whatever is not globally routable unicast */
	POLICY_NET_PREFIX,
};

enum policy_proto {
	POLICY_PROTO_ANY,
	POLICY_PROTO_TCP,
	POLICY_PROTO_UDP,
};

struct policy_rule {
	enum policy_action action;
	enum policy_net net;
	struct ip_prefix prefix;     /* POLICY_NET_PREFIX */
	enum policy_proto proto;     /* with ports, ANY means TCP and UDP */
	uint16_t port_min, port_max; /* from 0 or 1 to 65535: any port, and protocols without */
};

/*
 * exit_policy_text(rules, count): the sets "special4" and "special6" and the chain "destinations"
 * of a table that has the counters "by_policy", "private" and "smtp"; for free().
 *
 * The first rule that matches decides; then private destinations and TCP port 25 are rejected, and
 * all else is accepted.  A private destination is accepted only by a rule that names it: PRIVATE,
 * or a prefix that lies in a special-purpose one.  "accept everything" stays on the Internet.
 */
char *exit_policy_text(const struct policy_rule *rules, size_t count);

#endif
