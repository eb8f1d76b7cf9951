/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Events as lines of JSON: a short memory, and any number of streams that follow it, each at its
 * own pace.  A stream that is too slow loses lines and is told how many.
 */
#ifndef CONTROL_EVENTS_H
#define CONTROL_EVENTS_H

#include <microhttpd.h>

#include "control/view_json.h"

#define EVENTS_KEPT        256
#define EVENTS_STREAMS_MAX 32

struct events;

struct events *events_create(void);

/*
 * events_close(e): ends all streams, waiting a second at most for their readers, so that the HTTP
 * server can stop; events_free comes after that.
 */
void events_close(struct events *e);
void events_free(struct events *e);

/* events_post(e, event): from any thread; takes the reference. */
void events_post(struct events *e, json_t *event);

/* events_position(e): where a stream that is to see all that happens from now on starts. */
uint64_t events_position(struct events *e);

/*
 * Bodies of answers: events_follow is first (takes the reference) and then all events from position
 * on, without end; events_remembered is those of the past.  NULL when there are EVENTS_STREAMS_MAX
 * streams already.
 */
struct MHD_Response *events_follow(struct events *e, struct MHD_Connection *connection,
				   uint64_t position, json_t *first);
struct MHD_Response *events_remembered(struct events *e, struct MHD_Connection *connection);

#endif
