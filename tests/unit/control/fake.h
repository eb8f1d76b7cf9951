/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A control server whose application is made up, for tests of the API and of the CLI. */
#ifndef TESTS_FAKE_H
#define TESTS_FAKE_H

#include <pthread.h>

#include "control/control.h"

/* What follows an accepted connect or reconnect, told from a thread of its own. */
enum fake_outcome {
	FAKE_CONNECTS,
	FAKE_FAILS,  /* at the second hop */
	FAKE_HANGS,  /* never any answer */
	FAKE_REFUSES /* the action itself */
};

struct fake {
	struct control *control;
	char dir[64];
	char path[96];
	pthread_mutex_t lock; /* what follows */
	enum fake_outcome outcome;
	struct status_view status;
	struct own_node_view node;
	struct connect_request connect;
	struct reconnect_request reconnect;
	struct kill_switch_view kill_switch;
	struct portal_request portal;
	struct split_request split;
	struct connect_request cost;
	struct profile_request profile;
	char profile_asked[16]; /* "use", "bind", "unbind" */
	pthread_t finisher;
	bool has_finisher;
	unsigned connects, disconnects, reconnects;
};

/* fake_start(f): serving on f->path in a directory of its own; aborts if that fails. */
void fake_start(struct fake *f);
void fake_stop(struct fake *f);

/* fake_set(f, state): with a full and fixed status for VIEW_CONNECTED. */
void fake_set(struct fake *f, enum view_state state, const char *reason);
void fake_post(struct fake *f, enum view_event event, const char *text);

extern const struct control_ops fake_ops;

#endif
