/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One line of the stream of events, as control/view.h has the rest. */
#ifndef CONTROL_EVENT_VIEW_H
#define CONTROL_EVENT_VIEW_H

#include "control/view.h"

enum view_event {
	VIEW_EVENT_STATE,   /* the state changed; also the first line of each followed stream */
	VIEW_EVENT_ROUTE,   /* another route carries the traffic */
	VIEW_EVENT_PATH,    /* one that carries nothing: lost, or replaced */
	VIEW_EVENT_HEALTH,  /* the verdict on a hop changed */
	VIEW_EVENT_PROFILE, /* another profile is used */
	VIEW_EVENT_ERROR,   /* something failed that is worth telling, whatever the state */
};

struct event_view {
	enum view_event event;
	uint64_t time_ns; /* wall clock */
	enum view_state state;
	char text[VIEW_TEXT_LEN];  /* for people, after "STATE: ", "route changed: ", "error: " */
	unsigned hop;              /* that it is about, as the route was; 0: none */
	struct node_ref node;      /* if hop */
	enum view_verdict verdict; /* on it, if that is why */
	const char *cause;         /* of the verdict: static, "loss"; NULL */
	bool has_dropped;
	uint32_t dropped;        /* connections, if has_dropped */
	struct route_view route; /* if it changed */
	uint32_t paths_active, paths_backup;
};

#endif
