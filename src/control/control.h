/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The control API: HTTP and JSON on a Unix socket, for root, the daemon's own user and a group.
 * Schema 1:
 *
 *   GET  /v1/status, /v1/route, /v1/route/explain, /v1/exits, /v1/nodes, /v1/node, /v1/counters
 *   GET  /v1/killswitch, /v1/profiles, /v1/network
 *   GET  /v1/events[?follow=1]    JSON lines, beginning with the present state when followed
 *   POST /v1/connect {"profile", "exit", "hops", "only"}, /v1/disconnect, /v1/reconnect
 * {"new_exit"} POST /v1/killswitch {"setting": "profile", "off", "on" or "always"}, /v1/unlock POST
 * /v1/portal {"seconds", "uid"} POST /v1/split {"side": "outside" or "inside"}   for the process
 * that asks, and its children POST /v1/cost                 as connect, which it does not do: what
 * that is expected to cost POST /v1/profile/use {"profile"}, /v1/profile/bind {"profile",
 * "network"} POST /v1/profile/unbind {"network"}
 *
 * Keys are snake_case with units in their names, times RFC 3339, what is not known is null
 * (docs/api.schema.json says all of it).  Errors
 * are {"error": {"message", "field"}}.  New keys may appear; old ones stay while schema is 1.
 */
#ifndef CONTROL_CONTROL_H
#define CONTROL_CONTROL_H

#include "control/event_view.h"
#include "control/view_explain.h"
#include "control/view_profile.h"

#define CONTROL_SCHEMA     1
#define CONTROL_ERROR_MAX  512
#define PORTAL_SECONDS_MAX 3600

struct control;

struct connect_request {
	char profile[VIEW_NAME_LEN]; /* empty: the configured one */
	char exit[VIEW_ID_LEN];      /* empty: the profile's */
	unsigned hops;               /* 0: the profile's */
	bool only;                   /* nothing goes inside but what belongs there alone */
};

struct kill_switch_request {
	char setting[VIEW_NAME_LEN];
};

struct portal_request {
	unsigned seconds; /* 0: close it */
	unsigned uid;     /* whose browser; others than root have to name themselves */
};

struct split_request {
	char side[VIEW_NAME_LEN];
	int pid; /* of who asks */
};

/* Of a profile ("auto": the network's), and of a network by its id (empty: the present one). */
struct profile_request {
	char profile[VIEW_NAME_LEN];
	char network[NETID_TEXT_MAX];
};

struct reconnect_request {
	bool new_exit;
};

/*
 * What the application does for control.  All are called from control's own thread, one at a
 * time, and must not wait for the network.  The actions return 0 when begun, and then status
 * already shows it (connecting, not the state before); or a negative errno with why: -EINVAL for a
 * request that can never work, others for one that cannot now.
 */
struct control_ops {
	void (*status)(void *ctx, struct status_view *out);
	void (*explain)(void *ctx, struct explanation_view *out);
	void (*exits)(void *ctx, struct node_list_view *out);
	void (*nodes)(void *ctx, struct node_list_view *out);
	void (*node)(void *ctx, struct own_node_view *out);
	void (*mesh)(void *ctx, struct mesh_view *out);
	void (*equivocations)(void *ctx, struct equivocation_list_view *out);
	void (*counters)(void *ctx, struct counters_view *out);
	int (*connect)(void *ctx, const struct connect_request *request,
		       char why[static VIEW_TEXT_LEN]);
	int (*disconnect)(void *ctx, char why[static VIEW_TEXT_LEN]);
	int (*reconnect)(void *ctx, const struct reconnect_request *request,
			 char why[static VIEW_TEXT_LEN]);
	void (*kill_switch)(void *ctx, struct kill_switch_view *out);
	int (*set_kill_switch)(void *ctx, const struct kill_switch_request *request,
			       char why[static VIEW_TEXT_LEN]);
	int (*unlock)(void *ctx, char why[static VIEW_TEXT_LEN]);
	int (*portal)(void *ctx, const struct portal_request *request,
		      char why[static VIEW_TEXT_LEN]);
	int (*split)(void *ctx, const struct split_request *request,
		     char why[static VIEW_TEXT_LEN]);
	void (*profiles)(void *ctx, struct profile_list_view *out);
	void (*network)(void *ctx, struct network_view *out);
	/* profile: which one it would be. */
	int (*cost)(void *ctx, const struct connect_request *request,
		    char profile[static VIEW_NAME_LEN], struct cost_view *out,
		    char why[static VIEW_TEXT_LEN]);
	int (*use_profile)(void *ctx, const struct profile_request *request,
			   char why[static VIEW_TEXT_LEN]);
	int (*bind_profile)(void *ctx, const struct profile_request *request,
			    char why[static VIEW_TEXT_LEN]);
	int (*unbind_profile)(void *ctx, const struct profile_request *request,
			      char why[static VIEW_TEXT_LEN]);
};

/*
 * control_start(out, path, group, ops, ctx, error): listen on the socket and serve.  A socket left
 * over by a dead daemon is replaced; a living one is respected: -EADDRINUSE.  0, or a negative
 * errno with error saying what and what to do.
 */
MUST_USE int control_start(struct control **out, const char *path, const char *group,
			   const struct control_ops *ops, void *ctx,
			   char error[static CONTROL_ERROR_MAX]);

/* control_stop(c): answers what is under way, ends the streams, removes the socket. */
void control_stop(struct control *c);

/* control_event_post(c, event): tell all who follow.  From any thread; copies, never waits. */
void control_event_post(struct control *c, const struct event_view *event);

#endif
