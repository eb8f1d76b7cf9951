/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A node that tells others how it sees them, and calls them back: mesh/reach.h with its socket. */
#ifndef APP_REACH_APP_H
#define APP_REACH_APP_H

#include "app/worker.h"
#include "mesh/reach.h"

struct reach_app {
	struct worker *worker; /* borrowed: in whose thread it all happens */
	struct reach *reach;   /* NULL: not open */
	bool has_socket;
	struct udp udp; /* another port than the node's, and a fresh one for each call */
	struct loop_fd fd;
};

/* reach_app_open, _close: before the worker's thread starts, and after it has ended.  0 or -errno
 * with error filled. */
MUST_USE int reach_app_open(struct reach_app *a, struct worker *worker, char *error,
			    size_t error_len);
void reach_app_close(struct reach_app *a);

/* reach_app_takes(ev): an event that is for reach_app_on_event and nobody else. */
bool reach_app_takes(const struct engine_event *ev);
void reach_app_on_event(struct reach_app *a, const struct engine_event *ev, const struct now *now);

void reach_app_tick(struct reach_app *a, const struct now *now);
uint64_t reach_app_deadline(const struct reach_app *a);

#endif
