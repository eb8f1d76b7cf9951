/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A node in the daemon: its workers, keys and descriptor, and the machine's forwarding when it is
 * an exit. */
#ifndef APP_NODE_APP_H
#define APP_NODE_APP_H

#include "app/lan_app.h"
#include "app/places_app.h"
#include "app/portmap_app.h"
#include "app/reach_app.h"
#include "app/registry_app.h"
#include "app/view_cache.h"
#include "app/worker.h"
#include "config/config.h"
#include "control/control.h"
#include "host/exit_net.h"
#include "mesh/membership.h"
#include "node/node.h"
#include "util/rate.h"
#include "util/seen.h"

/* One of the threads that share the node's links. */
struct node_worker {
	struct node_app *app;
	struct exit_params exit;
	uint64_t sent;     /* datagrams, as of the last count; the first worker reads it */
	uint64_t count_ns; /* the next */
};

/*
 * The first worker keeps directory and keys: it alone changes them, under the lock, so that it
 * needs none to read them; the others read under it.  They send it what concerns the mesh.
 */
struct node_app {
	struct config *cfg; /* borrowed */
	unsigned worker_count;
	struct worker workers[WORKERS_MAX];
	struct node_worker node_workers[WORKERS_MAX];
	pthread_rwlock_t lock; /* of dir and node's keys */
	struct identity identity;
	struct registry_app registry;
	struct view_cache *cache;
	struct directory *dir;
	struct membership *membership;
	struct reach_app reach;
	struct lan_app lan;
	struct portmap_app portmap;
	struct node *node;
	struct places_app places;
	struct rate rate;
	uint8_t load_percent; /* atomic: told by all workers */
	struct seen *creates;
	struct exit_net net;
	bool has_net;
	uint64_t since_wall_ns;
};

/* 0 or -errno with error filled.  After node_app_close the machine is as before. */
MUST_USE int node_app_open(struct node_app *a, struct config *cfg, char *error, size_t error_len);
MUST_USE int node_app_start(struct node_app *a, char *error, size_t error_len);
void node_app_close(struct node_app *a);

/* node_app_reload: take from fresh (config_take) what may change now; doing it again takes it back.
 * On failure all is as before. */
MUST_USE int node_app_reload(struct node_app *a, struct config *fresh, char *error,
			     size_t error_len);

/* For the API; from any thread but the workers'. */
void node_app_stats(struct node_app *a, struct engine_stats *sum);
void node_app_view(struct node_app *a, struct own_node_view *out);

#endif
