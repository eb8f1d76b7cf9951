/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Profiles and the networks that they are for, as the control API shows them; see control/view.h.
 */
#ifndef CONTROL_VIEW_PROFILE_H
#define CONTROL_VIEW_PROFILE_H

#include "control/view.h"
#include "util/netid.h"

struct view_texts {
	char **items; /* each and the array for free() */
	size_t count;
};

struct profile_view {
	char name[VIEW_NAME_LEN];
	char exit[VIEW_ID_LEN];
	unsigned hops, paths, backups;
	uint32_t rotate_s; /* 0: the protocol's choice */
	enum view_kill_switch kill_switch;
	bool lan, ipv6, duplicate;
	const char *isolate, *padding; /* static */
	bool is_only;                  /* nothing goes inside but what "only" has */
	struct view_texts dns, networks, exclude, only;
	struct cost_view cost;
};

struct network_view {
	bool is_online;
	char device[VIEW_NAME_LEN];
	char gateway[ENDPOINT_TEXT_MAX];
	char id[NETID_TEXT_MAX];     /* empty: it has none, for the reason: */
	char lacks[VIEW_TEXT_LEN];   /* "the link has no gateway" */
	char profile[VIEW_NAME_LEN]; /* bound to it; empty: none */
};

struct profile_list_view {
	char in_use[VIEW_NAME_LEN]; /* or the next to be */
	const char *reason; /* static: why that one: "hand", "network", "default", "connect" */
	char by_hand[VIEW_NAME_LEN]; /* chosen; empty: by the network */
	struct network_view network;
	struct profile_view *items; /* profile_list_free */
	size_t count;
};

/* view_texts_add(t, text): a copy. */
void view_texts_add(struct view_texts *t, const char *text);
void profile_list_free(struct profile_list_view *v);

#endif
