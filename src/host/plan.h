/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the plans of a client and of an exit have in common: changes at the end of a list. */
#ifndef HOST_PLAN_H
#define HOST_PLAN_H

#include "host/change.h"

struct plan_tun {
	const char *name;
	uint32_t mtu_bytes;
	bool is_persistent;
};

/*
 * plan_tun(list, nl, tun, err): the TUN up with that MTU, without an address of its own
 * making; a persistent one is gone after the undo.
 */
MUST_USE int plan_tun(struct change_list *list, struct netlink *nl, const struct plan_tun *tun,
		      struct host_error *err);

void plan_address(struct change_list *list, const char *dev, const struct ip_prefix *addr);

/* plan_rule(...): the rest of the rule is for the caller to fill in. */
struct netlink_rule *plan_rule(struct change_list *list, int family, uint32_t priority,
			       uint32_t table);

/*
 * plan_sysctl(list, key, value): NULL if it is so already, or if the kernel has no such setting.
 * With value NULL: stays as it is now, but is restored if it follows from something else.
 */
struct change *plan_sysctl(struct change_list *list, const char *key, const char *value);

/* plan_name_is_plain(name): an interface name that means itself in nftables' language and in paths.
 */
bool plan_name_is_plain(const char *name);

/* plan_has_ipv6(dev): the kernel has IPv6, and for dev (NULL: any) it is not switched off. */
bool plan_has_ipv6(const char *dev);

#endif
