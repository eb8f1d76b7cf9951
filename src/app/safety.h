/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The client's kill switch: from what was set, what is wanted and what stands to the rules of the
 * firewall (host/shield.h) and to what the next start must know of them (host/lock.h).  Belongs to
 * the client's worker.
 */
#ifndef APP_SAFETY_H
#define APP_SAFETY_H

#include "config/config.h"
#include "control/control.h"
#include "host/client_net.h"
#include "host/lock.h"
#include "host/nftmon.h"
#include "util/now.h"

struct safety {
	const struct config *cfg; /* borrowed */
	struct shield *shield;
	struct nftmon mon;
	struct lock lock;            /* as it should be */
	struct lock saved;           /* as it is on disk */
	struct shield_rules rules;   /* that stand, unless saved.table is LOCK_TABLE_NONE */
	struct split split;          /* what goes another way, by profile and control group */
	uint32_t split_version;      /* that *split has, whenever rules are set */
	bool is_only_wished;         /* to be connected for what belongs inside alone */
	struct shield_portal portal; /* seconds is unused */
	uint64_t portal_end_ns;      /* 0: none */
	uint64_t told_ns;            /* when a change by others was last logged */
};

/*
 * safety_open(s, cfg, error): when the machine is to be blocked, it is when this returns.  After
 * host_recover.  0 or -errno with error filled.
 */
MUST_USE int safety_open(struct safety *s, const struct config *cfg, char *error, size_t error_len);

/* safety_close(s): blocked stays blocked; what only guarded the tunnel goes. */
void safety_close(struct safety *s);

/* What is wanted, and whether just that or as the network's profile may become; takes effect with
 * safety_apply. */
struct safety_wish {
	const char *profile, *exit;
	unsigned hops;
	bool is_pinned;
	bool is_only; /* even if the profile does not say so */
};

/* safety_use: by this profile from now on, whether connected or not.  safety_want, safety_unwant:
 * and to be connected, or not. */
void safety_use(struct safety *s, const struct safety_wish *w);
void safety_want(struct safety *s, const struct safety_wish *w);
void safety_unwant(struct safety *s);

/* safety_split(s): by what the profile, the wish and the control groups are now. */
void safety_split(struct safety *s);
/* safety_groups(s): by what control groups there are now; true if that is another answer. */
bool safety_groups(struct safety *s);
bool safety_is_only(const struct safety *s);
bool safety_has_outside(const struct safety *s);
/* safety_stubs(s, outside, inside): who answers questions of a side's programs; NULL: nobody. */
void safety_stubs(struct safety *s, const char *outside, const char *inside);
/* safety_learn(s, side, ip, seconds, now): an address of a name of the profile's; at once. */
void safety_learn(struct safety *s, enum cgroup_side side, const uint8_t ip[static 16],
		  unsigned seconds, const struct now *now);

/* safety_prove(s): a connection stands; the kill switch may act from now on. */
void safety_prove(struct safety *s);

/* What the client needs to let through now. */
struct safety_need {
	const struct client_net_config *tunnel; /* NULL: it is not up */
	struct endpoint entries[SHIELD_ENTRIES_MAX];
	size_t entry_count;
};

/* safety_apply(s, need, now, err): make it so, if it is not.  On failure nothing more is open than
 * before. */
MUST_USE int safety_apply(struct safety *s, const struct safety_need *need, const struct now *now,
			  struct host_error *err);

/* safety_watch(s, now): s->mon.fd is readable.  True: somebody else changed our table, and it was
 * put right again if that was possible. */
bool safety_watch(struct safety *s, const struct now *now);

/* safety_portal(s, uid, seconds, dns, now): a hole for that user's browser; 0 s: closed. */
void safety_portal(struct safety *s, uid_t uid, uint32_t seconds, const struct resolv_servers *dns,
		   const struct now *now);

bool safety_is_blocking(const struct safety *s);

/* safety_view(s, out): for the API. */
void safety_view(const struct safety *s, struct kill_switch_view *out);

#endif
