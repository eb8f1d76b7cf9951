/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One change on the machine: what it takes to do it, and to undo it after a crash from its line in
 * the journal.  An undo is harmless where the change was never done or is already undone.
 */
#ifndef HOST_CHANGE_H
#define HOST_CHANGE_H

#include <stdio.h>

#include "host/netlink.h"
#include "host/resolv.h"
#include "host/sysctl.h"

enum change_kind {
	CHANGE_TUN,     /* a persistent TUN that we made: gone after the undo */
	CHANGE_LINK,    /* MTU and up */
	CHANGE_ADDRESS, /* on a device */
	CHANGE_ROUTE,
	CHANGE_RULE,
	CHANGE_SYSCTL,
	CHANGE_NFT, /* a whole table of ours */
	CHANGE_RESOLV,
	CHANGE_RESOLVED, /* the DNS of a link in systemd-resolved */
};

struct change {
	enum change_kind kind;
	bool is_optional; /* a failure is only warned of; not in the journal */
	union {
		struct netlink_link tun;
		struct {
			struct netlink_link was, now; /* now: not in the journal */
		} link;
		struct netlink_address address;
		struct netlink_route route;
		struct netlink_rule rule;
		struct {
			char key[SYSCTL_KEY_MAX];
			char was[SYSCTL_VALUE_MAX];
			char now[SYSCTL_VALUE_MAX]; /* not in the journal */
		} sysctl;
		struct {
			char table[32];
			char *body; /* not in the journal */
		} nft;
		struct resolv resolv;
		struct {
			struct netlink_link link;
			struct resolv_servers servers; /* not in the journal */
		} resolved;
	};
};

void change_fini(struct change *c);

/* 0, or a negative errno with *err naming the step.  A failed apply has changed nothing. */
MUST_USE int change_apply(const struct change *c, struct netlink *nl, struct host_error *err);
MUST_USE int change_undo(const struct change *c, struct netlink *nl, struct host_error *err);

/* change_write(c, out): its journal line, with the newline. */
void change_write(const struct change *c, FILE *out);

/* change_parse(c, line): of a line without newline.  0 with *c for change_fini, or -EINVAL. */
MUST_USE int change_parse(struct change *c, const char *line);

/* Changes in the order of their doing. */
struct change_list {
	struct change *items;
	size_t count;
};

/* change_list_add(list, kind): a zeroed change at the end; valid until the next one is added. */
struct change *change_list_add(struct change_list *list, enum change_kind kind);
void change_list_remove(struct change_list *list, size_t index);
void change_list_fini(struct change_list *list);

#endif
