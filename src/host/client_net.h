/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The machine of a client while the tunnel is up.  All traffic goes to the TUN, except for the
 * daemon's own packets, which carry the mark, and for destinations that the main table has a
 * specific route to, such as the LAN.  A family that the session has no address for is unreachable,
 * so that nothing of it leaks past the tunnel.  What is marked as to go outside (host/rules.h)
 * takes the machine's usual way; where only what is marked goes inside, everything else does.
 */
#ifndef HOST_CLIENT_NET_H
#define HOST_CLIENT_NET_H

#include "host/transaction.h"

struct client_net_config {
	const char *state_dir;
	const char *tun;        /* exists; its addresses, MTU and state are set here */
	bool is_tun_persistent; /* and is to be deleted with the rest */
	uint32_t mtu_bytes;
	uint32_t back_mtu_bytes; /* of what comes in; 0: the same */
	uint8_t v4[16], v6[16];  /* inner addresses; all zero: none of that family */
	uint32_t fwmark;
	uint32_t table;
	bool has_outside; /* some programs' packets carry MARK_OUTSIDE, once they have a route */
	bool is_only;     /* nothing goes inside but what carries MARK_INSIDE */
	bool keeps_dns;   /* and names are asked where they were before */
	struct resolv_servers dns;  /* inside the tunnel; none: DNS is left alone */
	struct resolv_servers stub; /* for resolv.conf; none: dns itself */
	const char *resolv_path;    /* NULL: RESOLV_PATH_DEFAULT */
	struct transaction_hook hook;
};

struct client_net {
	struct transaction t;
	struct resolv_servers asked; /* where programs' questions go */
};

/*
 * client_net_up(n, cfg, err): all of it or, with a negative errno and *err naming the step,
 * nothing. -EEXIST: something of it is there already.  cfg is not needed afterwards.
 */
MUST_USE int client_net_up(struct client_net *n, const struct client_net_config *cfg,
			   struct host_error *err);

/*
 * client_net_replace(n, cfg, err): the same for a new session, without a moment in which traffic
 * can go outside.  What both need stays untouched, and the device keeps an address, so that nobody
 * who waits for an answer is told that there is no way.  On failure nothing is set any more, and n
 * is closed as after client_net_down.
 */
MUST_USE int client_net_replace(struct client_net *n, const struct client_net_config *cfg,
				struct host_error *err);

/* client_net_network_names(n): the network's own name servers, whatever programs ask now. */
struct resolv_servers client_net_network_names(struct client_net *n);

/*
 * client_net_keep_names(n, err): have a look at resolv.conf.  1: somebody else had changed it; it
 * is ours again, and at the end theirs comes back.  0: it is as it should be.
 */
MUST_USE int client_net_keep_names(struct client_net *n, struct host_error *err);

/*
 * client_net_down(n, err): restore everything, before the TUN is closed.  n is closed in any case;
 * what could not be restored stays in the journal for host_recover.
 */
MUST_USE int client_net_down(struct client_net *n, struct host_error *err);

#endif
