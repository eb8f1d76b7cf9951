/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "app/worker.h"

#include "util/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

enum {
	RX_ROUNDS = 4,     /* reads of one descriptor before the others get their turn */
	TUN_PACKETS = 256, /* packets taken from the TUN at once: several 64 KiB segments */
};

/* ---- out ---- */

/* True when the socket has room again: then the engine may have more to send. */
static bool watch(struct worker *w)
{
	const bool blocked = w->blocked != NULL;
	int rc = 0;

	if (blocked == w->is_paused)
		return false;
	w->is_paused = blocked;
	rc |= loop_change(&w->loop, &w->udp_fd, EPOLLIN | (blocked ? EPOLLOUT : 0u));
	if (w->has_tun)
		rc |= loop_change(&w->loop, &w->tun_fd, blocked ? 0u : EPOLLIN);
	if (rc != 0)
		log_error("event loop: cannot change what is watched");
	engine_block(w->engine, blocked, &w->now);
	return !blocked;
}

static void send_batches(struct worker *w)
{
	struct tx_batch *fresh = engine_take_batches(w->engine);
	struct tx_batch **end = &w->blocked;
	struct tx_batch *list, *rest, *next;

	while (*end != NULL)
		end = &(*end)->next;
	*end = fresh;
	list = w->blocked;
	if (list == NULL)
		return;
	rest = udp_send(&w->udp, list);
	for (; list != rest; list = next) {
		next = list->next;
		engine_return_batch(w->engine, list);
	}
	w->blocked = rest;
	if (watch(w))
		send_batches(w);
}

static void write_packets(struct worker *w)
{
	const struct packet *p;
	size_t n;

	p = engine_take_packets(w->engine, w->sink, &n);
	if (n > 0 && w->has_tun)
		tun_write(&w->tun, p, (unsigned)n);
}

static void take_events(struct worker *w)
{
	struct engine_event ev;

	while (engine_next_event(w->engine, &ev))
		w->owner.on_event(w->owner.ctx, &ev, &w->now);
}

void worker_pump(struct worker *w)
{
	write_packets(w);
	take_events(w);
	send_batches(w);
}

/* ---- in ---- */

static void udp_ready(struct loop_fd *f, uint32_t events)
{
	struct worker *w = container_of(f, struct worker, udp_fd);
	struct rx_dgram *d;

	if (events & EPOLLOUT)
		send_batches(w);
	for (unsigned round = 0; round < RX_ROUNDS; round++) {
		const int n = udp_recv(&w->udp, &d);

		if (n > 0) {
			w->now = now_read();
			engine_recv(w->engine, d, (size_t)n, &w->now);
			worker_pump(w);
		}
		if (n < 0 || w->udp.is_drained)
			return;
	}
}

/* One read of the TUN; false when it is time to wait again. */
static bool take_from_tun(struct worker *w)
{
	struct packet packets[TUN_PACKETS];
	const int n = tun_read(&w->tun, packets, TUN_PACKETS);

	if (n < 0) {
		log_error("TUN %s: %s; it carries no traffic any more", w->tun.name, strerror(-n));
		worker_tun_close(w);
	}
	if (n <= 0)
		return false;
	w->now = now_read();
	if (w->sink == SINK_CLIENT)
		engine_recv_client(w->engine, packets, (size_t)n, &w->now);
	else
		engine_recv_exit(w->engine, packets, (size_t)n, &w->now);
	worker_pump(w);
	return !w->tun.is_drained;
}

static void tun_ready(struct loop_fd *f, uint32_t events)
{
	struct worker *w = container_of(f, struct worker, tun_fd);

	(void)events;
	for (unsigned round = 0; round < RX_ROUNDS && w->blocked == NULL; round++)
		if (!take_from_tun(w))
			return;
}

/* Part of a large segment that was read before and does not show as readable. */
static bool tun_waits(const struct worker *w)
{
	return w->has_tun && w->blocked == NULL && tun_has_rest(&w->tun);
}

/* ---- calls from other threads ---- */

static void woken(struct loop *l)
{
	struct worker *w = container_of(l, struct worker, loop);

	pthread_mutex_lock(&w->lock);
	if (w->call != NULL) {
		w->now = now_read();
		w->call(w->call_ctx, &w->now);
		worker_pump(w);
		w->call = NULL;
		w->calls_done++;
		pthread_cond_broadcast(&w->answered);
	}
	pthread_mutex_unlock(&w->lock);
}

void worker_call(struct worker *w, void (*fn)(void *ctx, const struct now *now), void *ctx)
{
	uint64_t ticket;

	pthread_mutex_lock(&w->lock);
	while (w->call != NULL)
		pthread_cond_wait(&w->answered, &w->lock);
	ticket = ++w->calls_made;
	w->call = fn;
	w->call_ctx = ctx;
	loop_wake(&w->loop);
	while (w->calls_done < ticket)
		pthread_cond_wait(&w->answered, &w->lock);
	pthread_mutex_unlock(&w->lock);
}

/* ---- the thread ---- */

static uint64_t deadline(const struct worker *w)
{
	return MIN(engine_deadline(w->engine), w->owner.deadline(w->owner.ctx, &w->now));
}

static void *run(void *arg)
{
	struct worker *w = arg;

	w->now = now_read();
	while (!__atomic_load_n(&w->should_stop, __ATOMIC_ACQUIRE)) {
		if (deadline(w) <= w->now.mono_ns) {
			engine_tick(w->engine, &w->now);
			take_events(w);
			w->owner.tick(w->owner.ctx, &w->now);
			worker_pump(w);
		}
		if (loop_turn(&w->loop, tun_waits(w) ? 0 : deadline(w)) < 0) {
			log_error("event loop: %s", strerror(errno));
			abort(); /* nobody would move cells, or answer worker_call */
		}
		w->now = now_read();
		if (tun_waits(w))
			take_from_tun(w);
	}
	return NULL;
}

int worker_open(struct worker *w, const struct worker_config *cfg, char *error, size_t error_len)
{
	const char *what;
	int rc;

	*w = (struct worker){.sink = cfg->sink, .owner = cfg->owner, .now = now_read()};
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->answered, NULL);
	rc = udp_open(&w->udp, &cfg->udp, &what);
	if (rc != 0) {
		snprintf(error, error_len, "UDP port %u: %s: %s", (unsigned)cfg->udp.bind.port,
			 what, strerror(-rc));
		return rc;
	}
	w->engine = engine_create(&cfg->engine);
	if (w->engine == NULL) {
		snprintf(error, error_len,
			 "no working ChaCha20-Poly1305 named \"%s\" on this machine",
			 cfg->engine.aead != NULL ? cfg->engine.aead : "auto");
		rc = -ENOTSUP;
		goto err_close_udp;
	}
	rc = loop_open(&w->loop, woken);
	if (rc != 0) {
		snprintf(error, error_len, "event loop: %s", strerror(-rc));
		goto err_free_engine;
	}
	w->udp_fd = (struct loop_fd){.fd = w->udp.fd, .ready = udp_ready};
	rc = loop_add(&w->loop, &w->udp_fd, EPOLLIN);
	if (rc != 0) {
		snprintf(error, error_len, "event loop: %s", strerror(-rc));
		goto err_close_loop;
	}
	return 0;

err_close_loop:
	loop_close(&w->loop);
err_free_engine:
	engine_free(w->engine);
	w->engine = NULL;
err_close_udp:
	udp_close(&w->udp);
	return rc;
}

int worker_start(struct worker *w, char *error, size_t error_len)
{
	const int rc = pthread_create(&w->thread, NULL, run, w);

	if (rc != 0) {
		snprintf(error, error_len, "thread: %s", strerror(rc));
		return -rc;
	}
	w->is_started = true;
	return 0;
}

void worker_close(struct worker *w)
{
	struct tx_batch *next;

	if (w->engine == NULL)
		return;
	if (w->is_started) {
		__atomic_store_n(&w->should_stop, true, __ATOMIC_RELEASE);
		loop_wake(&w->loop);
		pthread_join(w->thread, NULL);
	}
	worker_tun_close(w);
	for (; w->blocked != NULL; w->blocked = next) {
		next = w->blocked->next;
		engine_return_batch(w->engine, w->blocked);
	}
	loop_del(&w->loop, &w->udp_fd);
	loop_close(&w->loop);
	engine_free(w->engine);
	udp_close(&w->udp);
	pthread_mutex_destroy(&w->lock);
	pthread_cond_destroy(&w->answered);
	w->engine = NULL;
}

int worker_tun_open(struct worker *w, const char *name, char *error, size_t error_len)
{
	const char *what;
	int rc = tun_open(&w->tun, &(struct tun_config){.name = name, .offload = true}, &what);

	if (rc != 0) {
		snprintf(error, error_len, "TUN %s: %s: %s", name, what, strerror(-rc));
		return rc;
	}
	w->tun_fd = (struct loop_fd){.fd = w->tun.fd, .ready = tun_ready};
	rc = loop_add(&w->loop, &w->tun_fd, w->is_paused ? 0u : EPOLLIN);
	if (rc != 0) {
		snprintf(error, error_len, "TUN %s: event loop: %s", name, strerror(-rc));
		tun_close(&w->tun);
		return rc;
	}
	w->has_tun = true;
	return 0;
}

void worker_tun_close(struct worker *w)
{
	if (!w->has_tun)
		return;
	w->has_tun = false;
	loop_del(&w->loop, &w->tun_fd);
	tun_close(&w->tun);
}
