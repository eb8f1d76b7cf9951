/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One engine with its thread, socket and TUN.  Others reach it only by worker_call and worker_post;
 * on the packet path it takes no lock and allocates nothing.  Several workers may be one node
 * (worker_join): then each gets from the shared port what is for its shards.
 */
#ifndef APP_WORKER_H
#define APP_WORKER_H

#include "app/handoff.h"
#include "core/engine.h"
#include "io/loop.h"
#include "io/tun.h"
#include "io/udp.h"
#include "util/list.h"

#include <pthread.h>

/* What sits on the engine in this worker: the client, or a node. */
struct worker_owner {
	void *ctx;
	void (*on_event)(void *ctx, const struct engine_event *ev, const struct now *now);
	void (*tick)(void *ctx, const struct now *now);
	uint64_t (*deadline)(void *ctx, const struct now *now);
	/* Takes packets instead of a TUN.  NULL: they are the TUN's. */
	void (*on_packets)(void *ctx, const struct packet *p, size_t n);
	/* Before each wait for what comes next; may be NULL. */
	void (*turn)(void *ctx, const struct now *now);
};

struct worker {
	struct loop loop;
	struct loop_fd udp_fd, tun_fd;
	struct udp udp;
	struct tun tun;
	bool has_tun;
	bool is_paused; /* the socket is full */
	bool has_queue; /* the engine's, for what must wait; without it, the TUN is not read then */
	enum packet_sink sink; /* whose packets the TUN carries */
	struct engine *engine;
	struct worker_owner owner;
	struct tx_batch *blocked; /* what the socket had no room for */
	struct now now;

	struct worker *group; /* all workers of the node, this one included, side by side */
	unsigned group_size;
	struct handoff *from[WORKERS_MAX]; /* what others got that is for this one */
	uint64_t handed_on, handoff_lost;

	pthread_t thread;
	bool is_started, should_stop;
	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t answered;
	void (*call)(void *ctx, const struct now *now);
	uint64_t calls_made, calls_done;
	void *call_ctx;
	struct list posts;
	unsigned post_count;
};

struct worker_config {
	const char *name; /* of the thread */
	struct udp_config udp;
	struct engine_params engine;
	enum packet_sink sink;
	struct worker_owner owner;
};

/* worker_open: socket and engine; error gets what failed.  0 or -errno.  worker_close ends the
 * thread. */
MUST_USE int worker_open(struct worker *w, const struct worker_config *cfg, char *error,
			 size_t error_len);
MUST_USE int worker_start(struct worker *w, char *error, size_t error_len);
/* worker_stop: ends the thread; workers of one node first all stop, then close. */
void worker_stop(struct worker *w);
void worker_close(struct worker *w);

/*
 * worker_join(w, n, ...): before any of the n workers starts; all are opened, the first on a port
 * that is shared, the others joining it, with the numbers 0, 1, ... in their engines.
 */
MUST_USE int worker_join(struct worker *w, unsigned n, char *error, size_t error_len);

/* worker_tun_open, worker_tun_close: in the worker's thread (or before it starts). */
MUST_USE int worker_tun_open(struct worker *w, const char *name, char *error, size_t error_len);
void worker_tun_close(struct worker *w);

/* worker_call(w, fn, ctx): run fn in the worker's thread and wait for it; callers take turns. */
void worker_call(struct worker *w, void (*fn)(void *ctx, const struct now *now), void *ctx);

/*
 * worker_post(w, fn, ctx, arg, len): run fn with a copy of arg in the worker's thread, soon, in the
 * order of posting; from any thread, never waits.  False when too much is waiting already.
 */
bool worker_post(struct worker *w, void (*fn)(void *ctx, void *arg, const struct now *now),
		 void *ctx, const void *arg, size_t len);

/* worker_pump(w): after engine calls made by the owner, move out what they produced. */
void worker_pump(struct worker *w);

#endif
