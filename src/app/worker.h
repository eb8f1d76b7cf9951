/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One engine with its thread, socket and TUN.  Others reach it only by worker_call; on the packet
 * path it takes no lock and allocates nothing.
 */
#ifndef APP_WORKER_H
#define APP_WORKER_H

#include "core/engine.h"
#include "io/loop.h"
#include "io/tun.h"
#include "io/udp.h"

#include <pthread.h>

/* What sits on the engine in this worker: the client, or a node. */
struct worker_owner {
	void *ctx;
	void (*on_event)(void *ctx, const struct engine_event *ev, const struct now *now);
	void (*tick)(void *ctx, const struct now *now);
	uint64_t (*deadline)(void *ctx, const struct now *now);
};

struct worker {
	struct loop loop;
	struct loop_fd udp_fd, tun_fd;
	struct udp udp;
	struct tun tun;
	bool has_tun;
	bool is_paused;        /* TUN not read while the socket is full: back-pressure */
	enum packet_sink sink; /* whose packets the TUN carries */
	struct engine *engine;
	struct worker_owner owner;
	struct tx_batch *blocked; /* what the socket had no room for */
	struct now now;

	pthread_t thread;
	bool is_started, should_stop;
	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t answered;
	void (*call)(void *ctx, const struct now *now);
	uint64_t calls_made, calls_done;
	void *call_ctx;
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
void worker_close(struct worker *w);

/* worker_tun_open, worker_tun_close: in the worker's thread (or before it starts). */
MUST_USE int worker_tun_open(struct worker *w, const char *name, char *error, size_t error_len);
void worker_tun_close(struct worker *w);

/* worker_call(w, fn, ctx): run fn in the worker's thread and wait for it; callers take turns. */
void worker_call(struct worker *w, void (*fn)(void *ctx, const struct now *now), void *ctx);

/* worker_pump(w): after engine calls made by the owner, move out what they produced. */
void worker_pump(struct worker *w);

#endif
