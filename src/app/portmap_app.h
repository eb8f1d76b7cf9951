/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The node's port at the router, kept open while the daemon runs: a thread of its own, because
 * routers take their time. */
#ifndef APP_PORTMAP_APP_H
#define APP_PORTMAP_APP_H

#include <pthread.h>

#include "host/portmap.h"

struct portmap_app {
	uint16_t inner_port, outer_port;
	bool is_started, should_stop;
	bool is_told_failed; /* once is enough */
	struct portmap map;  /* the thread's */
	pthread_t thread;
	pthread_mutex_t lock; /* of should_stop */
	pthread_cond_t stopped;
};

/* portmap_app_start: 0 or -errno.  Without a router that does it, it goes on asking.
 * portmap_app_stop: takes the mapping back; a zeroed one never started. */
MUST_USE int portmap_app_start(struct portmap_app *a, uint16_t inner_port, uint16_t outer_port);
void portmap_app_stop(struct portmap_app *a);

#endif
