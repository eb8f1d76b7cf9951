/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A host name's addresses, asked of the exit's DNS server through the session. */
#ifndef PROXY_LOOKUP_H
#define PROXY_LOOKUP_H

#include "proxy/dns_msg.h"
#include "proxy/stack.h"
#include "proxy/target.h"

enum {
	LOOKUP_SERVERS_MAX = 2,
	LOOKUP_QUESTIONS = 2, /* A and AAAA */
};

struct lookup_servers {
	uint8_t ip[LOOKUP_SERVERS_MAX][16];
	unsigned count;
};

struct lookup {
	struct stack_net *net;
	const struct lookup_servers *servers;
	const char *name;
	void (*done)(struct lookup *l);
	struct udp_pcb *pcb; /* NULL: not under way */
	struct question {
		uint16_t id, type;
		bool is_open;
		struct dns_answer answer;
	} question[LOOKUP_QUESTIONS];
	unsigned tries;
	uint64_t due_ns;
	bool is_no_name; /* the server says so */
};

/*
 * lookup_start(l, now): net, servers, name and done are set, and stay.  done may be called before
 * it returns.  lookup_stop: any time.
 */
void lookup_start(struct lookup *l, const struct now *now);
void lookup_stop(struct lookup *l);
void lookup_tick(struct lookup *l, const struct now *now);

/* lookup_addresses(l, out): what was found, IPv6 first; with count 0 when nothing was. */
void lookup_addresses(const struct lookup *l, struct dns_answer *out);

#endif
