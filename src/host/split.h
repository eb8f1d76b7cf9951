/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Split tunnelling, as rules of the client's nftables table (host/shield.h): programs by their
 * control group, networks, and addresses that names had when they were asked for.  What goes
 * outside, or alone inside, is marked (host/rules.h); the routing rules do the rest.  A connection
 * stays where it began.
 */
#ifndef HOST_SPLIT_H
#define HOST_SPLIT_H

#include <stdio.h>

#include "host/cgroup.h"
#include "host/ip_prefix.h"
#include "util/endpoint.h"

#define SPLIT_NETS_MAX   64
#define SPLIT_LEARNT_MAX 1024 /* of each side */

/* An address that a name of the profile's has; until then it counts. */
struct split_learnt {
	uint8_t ip[16];
	uint64_t until_ns; /* 0: free */
};

struct split_way {
	char group[CGROUP_PATH_MAX]; /* of its programs; empty: there is none */
	struct ip_prefix nets[SPLIT_NETS_MAX];
	size_t net_count;
	bool has_names;
	struct split_learnt learnt[SPLIT_LEARNT_MAX];
	char stub[ENDPOINT_TEXT_MAX]; /* answers its programs' questions; empty: nobody does */
};

struct split {
	bool is_only; /* all but what is inside goes outside; else the other way round */
	struct split_way way[CGROUP_SIDES];
	uint64_t now_ns; /* when it is written */
};

/* split_is_used(s): there is anything to tell apart. */
bool split_is_used(const struct split *s);

/*
 * split_learn(s, side, ip, until_ns): true if the kernel must be told, with split_learnt_write; not
 * if it has it for nearly as long already.  The one that ends first makes room.
 */
bool split_learn(struct split *s, enum cgroup_side side, const uint8_t ip[static 16],
		 uint64_t until_ns);
void split_forget(struct split *s);

/* split_learnt_write(f, table, side, ip, seconds): nftables commands. */
void split_learnt_write(FILE *f, const char *table, enum cgroup_side side,
			const uint8_t ip[static 16], unsigned seconds);

struct split_tunnel {
	uint32_t fwmark;
	const char *tun;        /* empty: it is not up */
	const uint8_t *v4, *v6; /* its inner addresses; all zero: none of that family */
};

/* split_write(f, s, t): sets and chains, for between a table's braces. */
void split_write(FILE *f, const struct split *s, const struct split_tunnel *t);

/* split_write_group(f, s, side, then): a rule for that side's programs, of packets that they send;
 * none if they have no group. */
void split_write_group(FILE *f, const struct split *s, enum cgroup_side side, const char *then);

#endif
