/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The machine of an exit: what its clients send comes out of the TUN, is checked, and leaves under
 * the machine's own addresses.  Each session's own address is checked before, by the session.
 *
 * All checks are in the prerouting hook of our table, on the destination that the client gave,
 * before any address translation; nothing of other tables is changed.
 */
#ifndef HOST_EXIT_NET_H
#define HOST_EXIT_NET_H

#include "host/exit_policy.h"
#include "host/transaction.h"

#define EXIT_DEVS_MAX 8

/* One TUN, and the clients behind it. */
struct exit_dev {
	const char *tun;                     /* exists; its addresses, MTU and state are set here */
	struct ip_prefix gateway4, gateway6; /* own address in the pool; all zero: none */
};

struct exit_net_config {
	const char *state_dir;
	struct exit_dev dev[EXIT_DEVS_MAX]; /* with the same families, and pools of their own */
	size_t dev_count;
	bool is_tun_persistent; /* and is to be deleted with the rest */
	uint32_t mtu_bytes;
	uint8_t dns4[16], dns6[16]; /* who answers for port 53 of the gateways; all zero: nobody */
	const struct policy_rule *policy;
	size_t policy_count;
	struct transaction_hook hook;
};

struct exit_net {
	struct transaction t;
};

/* As client_net_up and client_net_down. */
MUST_USE int exit_net_up(struct exit_net *n, const struct exit_net_config *cfg,
			 struct host_error *err);
MUST_USE int exit_net_down(struct exit_net *n, struct host_error *err);

/*
 * exit_net_reload(n, cfg, err): new name servers and policy, in one step.  What else is in cfg must
 * be as it was.  Connections that are there go on.  On failure all is as before.
 */
MUST_USE int exit_net_reload(struct exit_net *n, const struct exit_net_config *cfg,
			     struct host_error *err);

/* Why packets were refused. */
enum exit_refusal {
	EXIT_SPOOFED,     /* source is not in the pool */
	EXIT_PEER,        /* to another client, or to the gateway */
	EXIT_OWN,         /* to an address of the exit itself */
	EXIT_PRIVATE,     /* not on the public Internet */
	EXIT_SMTP,        /* TCP port 25 */
	EXIT_POLICY,      /* a rule of the configuration */
	EXIT_UNSOLICITED, /* from outside, and no answer to anything */
	EXIT_REFUSALS,
};

const char *exit_refusal_name(enum exit_refusal why);

/* exit_net_refused(why): packets since the table was last replaced. */
uint64_t exit_net_refused(enum exit_refusal why);

#endif
