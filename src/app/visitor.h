/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a client that is no daemon has of the mesh: a worker, and what it learns of the nodes while
 * it runs.  It needs no rights and keeps nothing on disk.
 */
#ifndef APP_VISITOR_H
#define APP_VISITOR_H

#include "app/places_app.h"
#include "app/registry_app.h"
#include "app/worker.h"
#include "client/client.h"
#include "config/config.h"

struct visitor {
	struct worker worker;
	struct dh_keypair link_key; /* of this run only */
	struct registry_app registry;
	struct directory *dir;
	struct places_app places;
	struct membership *membership;
};

/* visitor_open(v, cfg, owner, error, len): cfg is borrowed; the worker is not started yet.  0 or a
 * negative errno with error filled. */
MUST_USE int visitor_open(struct visitor *v, const struct config *cfg,
			  const struct worker_owner *owner, char *error, size_t error_len);
/* visitor_close: after its clients; ends the worker's thread. */
void visitor_close(struct visitor *v);

/* visitor_client(v): another one, for client_free. */
struct client *visitor_client(struct visitor *v);

/* For the worker's owner, beside what its clients need. */
void visitor_on_event(struct visitor *v, const struct engine_event *ev, const struct now *now);
void visitor_tick(struct visitor *v, const struct now *now);
uint64_t visitor_deadline(const struct visitor *v, const struct now *now);

#endif
