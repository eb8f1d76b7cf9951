/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What may leave a client's machine: one nftables table, a function of the state alone and always
 * replaced whole, in one transaction.  It filters by the interface a packet really leaves by and by
 * the daemon's mark, so that neither routes nor a socket bound to a device get around it; the rules
 * of each state are in docs/killswitch.md.
 *
 * While it is locked, a second table with the same rules is owned by this process: the kernel lets
 * nobody else flush it, but drops it when we die.  The first one outlives us.
 */
#ifndef HOST_SHIELD_H
#define HOST_SHIELD_H

#include <net/if.h>
#include <sys/types.h>

#include "host/error.h"
#include "host/resolv.h"
#include "host/split.h"
#include "util/endpoint.h"

enum {
	SHIELD_INTERFACES_MAX = 8,
	SHIELD_MARKS_MAX = 8,
	SHIELD_ENTRIES_MAX = 256,
};

struct shield_mark {
	uint32_t value, mask;
};

/* What passes a lock besides the tunnel, in all states. */
struct shield_pass {
	bool lan; /* private and link-local addresses, but for DNS */
	char interfaces[SHIELD_INTERFACES_MAX][IFNAMSIZ];
	struct shield_mark marks[SHIELD_MARKS_MAX];
	size_t interface_count, mark_count;
};

/* For one user's browser, until the kernel closes it by itself. */
struct shield_portal {
	uid_t uid;
	uint32_t seconds; /* 0: no hole */
	struct resolv_servers dns;
};

struct shield_rules {
	bool is_locked; /* what is not named here is refused; else only the tunnel is guarded */
	uint32_t fwmark;
	char tun[IFNAMSIZ];     /* empty: there is no tunnel */
	uint8_t v4[16], v6[16]; /* its inner addresses; all zero: none of that family */
	struct shield_pass pass;
	struct shield_portal portal;
	struct endpoint entries[SHIELD_ENTRIES_MAX]; /* to which marked datagrams may go */
	size_t entry_count;
	const struct split *split; /* NULL: nothing is told apart */
	uint32_t split_version;    /* of *split, to see that rules are not the same */
};

struct shield;

MUST_USE int shield_open(struct shield **out, struct host_error *err);

/* shield_close(s): the table stays as it is.  NULL allowed. */
void shield_close(struct shield *s);

/* shield_set(s, rules, err): on failure what stood before still stands. */
MUST_USE int shield_set(struct shield *s, const struct shield_rules *rules, struct host_error *err);

/* shield_learn(s, side, ip, seconds, err): one more address of a name, in the table that stands. */
MUST_USE int shield_learn(struct shield *s, enum cgroup_side side, const uint8_t ip[static 16],
			  unsigned seconds, struct host_error *err);

/* shield_clear(s, err): nothing of ours filters any more; also fine if nothing did. */
MUST_USE int shield_clear(struct shield *s, struct host_error *err);

/* shield_stands(err): the table is there: 1, 0 or a negative errno. */
MUST_USE int shield_stands(struct host_error *err);

/* shield_remove(err): clear what a dead daemon left.  -EBUSY: it is not dead, and holds its table.
 */
MUST_USE int shield_remove(struct host_error *err);

/* shield_render(rules): what stands between the table's braces, for free(). */
char *shield_render(const struct shield_rules *rules);

#endif
