/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The kernel's links, addresses, routes and rules, asked and changed over rtnetlink.  All calls
 * return 0 or the kernel's negative errno.  What we add carries NETLINK_PROTOCOL as its origin, so
 * that it is known again even without a journal.
 */
#ifndef HOST_NETLINK_H
#define HOST_NETLINK_H

#include <net/if.h>

#include "host/ip_prefix.h"

#define NETLINK_PROTOCOL 109 /* rtm_protocol / FRA_PROTOCOL value that no other program claims */

struct netlink; /* one request socket; not for several threads at once */

MUST_USE int netlink_open(struct netlink **out);
void netlink_close(struct netlink *nl); /* NULL allowed */

/* netlink_may_change(nl): 0, or -EPERM if this process may only ask. */
MUST_USE int netlink_may_change(struct netlink *nl);

struct netlink_link {
	char name[IFNAMSIZ];
	uint32_t index;
	uint32_t mtu_bytes;
	bool is_up;
	uint8_t addr_gen_mode; /* how it makes its own IPv6 address, enum in6_addr_gen_mode */
};

#define NETLINK_NO_ADDR_GEN_MODE 0xff /* no IPv6 on this link */

/* netlink_link_get(nl, name, out): -ENODEV if there is none of that name. */
MUST_USE int netlink_link_get(struct netlink *nl, const char *name, struct netlink_link *out);
/* netlink_link_set(nl, link): mode, MTU and up or down of the link with that index. */
MUST_USE int netlink_link_set(struct netlink *nl, const struct netlink_link *link);
MUST_USE int netlink_link_delete(struct netlink *nl, uint32_t index);

struct netlink_address {
	char dev[IFNAMSIZ];
	struct ip_prefix addr;
};

typedef int netlink_address_fn(void *ctx, const struct netlink_address *a, uint32_t flags);

/* netlink_address_dump(nl, family, fn, ctx): as the other dumps below; flags: IFA_F_*. */
MUST_USE int netlink_address_dump(struct netlink *nl, int family, netlink_address_fn *fn,
				  void *ctx);

/* -EEXIST if it is there already; -EADDRNOTAVAIL or -ENODEV if there is nothing to delete. */
MUST_USE int netlink_address_add(struct netlink *nl, const struct netlink_address *a);
MUST_USE int netlink_address_delete(struct netlink *nl, const struct netlink_address *a);

struct netlink_route {
	struct ip_prefix dst;
	uint32_t table;
	char dev[IFNAMSIZ]; /* empty: unreachable; of several, the first */
	/* Not needed for deleting. */
	uint32_t metric;    /* 0: the kernel's choice */
	uint32_t mtu_bytes; /* 0: the device's */
	uint32_t mss_bytes; /* TCP segments that others are asked for; 0: by the MTU */
	/* Filled by dumps only. */
	uint8_t protocol;    /* what we add has NETLINK_PROTOCOL */
	uint8_t gateway[16]; /* all zero: none, or one of another family */
};

MUST_USE int netlink_route_add(struct netlink *nl, const struct netlink_route *r);
MUST_USE int netlink_route_delete(struct netlink *nl, const struct netlink_route *r);

struct netlink_rule {
	int family; /* AF_INET or AF_INET6 */
	uint32_t priority;
	uint32_t table;        /* 0: unreachable */
	uint32_t fwmark;       /* 0, and fwmask too: any */
	uint32_t fwmask;       /* which of its bits are compared; 0: all */
	bool is_inverted;      /* "not": what does not match */
	bool is_specific_only; /* ignores the table's default route: suppress_prefixlength 0 */
	bool has_to;
	struct ip_prefix to;
	char iif[IFNAMSIZ]; /* empty: any */
	uint8_t protocol;   /* filled by dumps only */
};

MUST_USE int netlink_rule_add(struct netlink *nl, const struct netlink_rule *r);
MUST_USE int netlink_rule_delete(struct netlink *nl, const struct netlink_rule *r);

/*
 * The dumps call fn for each entry (of one family; routes of all tables); a negative return of fn
 * ends the dump and is returned.  fn must not use nl.
 */
typedef int netlink_route_fn(void *ctx, const struct netlink_route *route);
typedef int netlink_rule_fn(void *ctx, const struct netlink_rule *rule);

MUST_USE int netlink_route_dump(struct netlink *nl, int family, netlink_route_fn *fn, void *ctx);
MUST_USE int netlink_rule_dump(struct netlink *nl, int family, netlink_rule_fn *fn, void *ctx);

/*
 * netlink_neighbour(nl, dev, ip, mac): the hardware address behind an address on dev.  -ENOENT if
 * it is not known, -ENOTSUP if there is none of 6 bytes.
 * netlink_neighbour_ask(nl, dev, ip): have the kernel find it out; RTM_NEWNEIGH tells when it has.
 */
MUST_USE int netlink_neighbour(struct netlink *nl, const char *dev, const uint8_t ip[static 16],
			       uint8_t mac[static 6]);
MUST_USE int netlink_neighbour_ask(struct netlink *nl, const char *dev,
				   const uint8_t ip[static 16]);

#endif
