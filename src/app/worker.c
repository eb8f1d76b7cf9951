/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "app/worker.h"

#include "util/log.h"
#include "util/xalloc.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

enum {
	RX_ROUNDS = 4,     /* reads of one descriptor before the others get their turn */
	TUN_PACKETS = 256, /* packets taken from the TUN at once: several 64 KiB segments */
	POSTS_MAX = 4096,
};

/* ---- out ---- */

static void watch(struct worker *w)
{
	const bool blocked = w->blocked != NULL;
	int rc = 0;

	if (blocked == w->is_paused)
		return;
	w->is_paused = blocked;
	rc |= loop_change(&w->loop, &w->udp_fd, EPOLLIN | (blocked ? EPOLLOUT : 0u));
	if (w->has_tun && !w->has_queue)
		rc |= loop_change(&w->loop, &w->tun_fd, blocked ? 0u : EPOLLIN);
	if (rc != 0)
		log_error("event loop: cannot change what is watched");
	engine_block(w->engine, blocked, &w->now);
}

/* True when nothing is left. */
static bool send_blocked(struct worker *w)
{
	struct tx_batch *list = w->blocked, *next;
	struct tx_batch *const rest = udp_send(&w->udp, list);

	for (; list != rest; list = next) {
		next = list->next;
		engine_return_batch(w->engine, list);
	}
	w->blocked = rest;
	if (rest != NULL)
		udp_full(&w->udp, now_read().mono_ns);
	watch(w);
	return rest == NULL;
}

static void send_batches(struct worker *w)
{
	struct tx_batch **end;

	do {
		for (end = &w->blocked; *end != NULL; end = &(*end)->next)
			;
		*end = engine_take_batches(w->engine);
		if (w->is_paused) /* EPOLLOUT says when */
			return;
	} while ((w->blocked == NULL || send_blocked(w)) && engine_next_turn(w->engine, &w->now));
}

static void write_packets(struct worker *w)
{
	const struct packet *p;
	size_t n;

	p = engine_take_packets(w->engine, w->sink, &n);
	if (n > 0 && w->owner.on_packets != NULL)
		w->owner.on_packets(w->owner.ctx, p, n);
	else if (n > 0 && w->has_tun)
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

static void receive(struct worker *w, const struct rx_dgram *d, size_t n)
{
	w->now = now_read();
	engine_recv(w->engine, d, n, &w->now);
	worker_pump(w);
}

/* Leaves in d what is for this worker, and hands the rest on. */
static size_t sort_out(struct worker *w, struct rx_dgram *d, size_t n)
{
	const unsigned own = (unsigned)(w - w->group);
	unsigned woken = 0;
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		const unsigned owner = shard_of_datagram(d[i].data, d[i].len) % w->group_size;

		if (owner == own) {
			d[kept++] = d[i];
		} else if (handoff_put(w->group[owner].from[own], &d[i])) {
			w->handed_on++;
			woken |= 1u << owner;
		} else {
			w->handoff_lost++;
		}
	}
	for (unsigned i = 0; i < w->group_size; i++)
		if (woken >> i & 1)
			loop_wake(&w->group[i].loop);
	return kept;
}

static void take_handed_on(struct worker *w)
{
	struct rx_dgram d[HANDOFF_BATCH];
	size_t n;

	for (unsigned i = 0; i < w->group_size; i++)
		while (w->from[i] != NULL && (n = handoff_get(w->from[i], d)) > 0) {
			receive(w, d, n);
			handoff_done(w->from[i], n);
		}
}

static void udp_ready(struct loop_fd *f, uint32_t events)
{
	struct worker *w = container_of(f, struct worker, udp_fd);
	struct rx_dgram *d;

	if (events & EPOLLOUT) {
		w->now = now_read();
		udp_writable(&w->udp, w->now.mono_ns);
		engine_set_turn(w->engine, w->udp.turn / CELL_LEN);
		if (send_blocked(w))
			send_batches(w);
	}
	for (unsigned round = 0; round < RX_ROUNDS; round++) {
		const int n = udp_recv(&w->udp, &d);
		size_t own = n > 0 ? (size_t)n : 0;

		if (w->group_size > 1)
			own = sort_out(w, d, own);
		if (own > 0)
			receive(w, d, own);
		if (n < 0 || w->udp.is_drained)
			return;
	}
}

/* Those behind a TUN without a queue of ours wait in the kernel's: back-pressure. */
static bool may_take_from_tun(const struct worker *w)
{
	return w->has_tun && (w->has_queue || w->blocked == NULL);
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
	for (unsigned round = 0; round < RX_ROUNDS && may_take_from_tun(w); round++)
		if (!take_from_tun(w))
			return;
}

/* Part of a large segment that was read before and does not show as readable. */
static bool tun_waits(const struct worker *w)
{
	return may_take_from_tun(w) && tun_has_rest(&w->tun);
}

/* ---- calls from other threads ---- */

struct post {
	struct list in_worker;
	void (*fn)(void *ctx, void *arg, const struct now *now);
	void *ctx;
	max_align_t arg[];
};

bool worker_post(struct worker *w, void (*fn)(void *ctx, void *arg, const struct now *now),
		 void *ctx, const void *arg, size_t len)
{
	struct post *p = xcalloc(1, sizeof(*p) + len);
	bool has_room;

	list_init(&p->in_worker);
	p->fn = fn;
	p->ctx = ctx;
	memcpy(p->arg, arg, len);
	pthread_mutex_lock(&w->lock);
	has_room = w->post_count < POSTS_MAX;
	if (has_room) {
		list_add_tail(&w->posts, &p->in_worker);
		w->post_count++;
	}
	pthread_mutex_unlock(&w->lock);
	if (has_room)
		loop_wake(&w->loop);
	else
		free(p);
	return has_room;
}

static struct post *next_post(struct worker *w)
{
	struct list *first;

	pthread_mutex_lock(&w->lock);
	first = list_pop(&w->posts);
	w->post_count -= first != NULL;
	pthread_mutex_unlock(&w->lock);
	return first != NULL ? container_of(first, struct post, in_worker) : NULL;
}

/* Without the lock: what runs may post to other workers, and they to this one. */
static void run_posts(struct worker *w)
{
	struct post *p;

	while ((p = next_post(w)) != NULL) {
		w->now = now_read();
		p->fn(p->ctx, p->arg, &w->now);
		worker_pump(w);
		free(p);
	}
}

static void run_call(struct worker *w)
{
	bool is_called;

	pthread_mutex_lock(&w->lock);
	is_called = w->call != NULL;
	pthread_mutex_unlock(&w->lock);
	if (!is_called)
		return;
	w->now = now_read();
	w->call(w->call_ctx, &w->now); /* stays until calls_done tells the caller */
	worker_pump(w);
	pthread_mutex_lock(&w->lock);
	w->call = NULL;
	w->calls_done++;
	pthread_cond_broadcast(&w->answered);
	pthread_mutex_unlock(&w->lock);
}

static void woken(struct loop *l)
{
	struct worker *w = container_of(l, struct worker, loop);

	take_handed_on(w);
	run_posts(w);
	run_call(w);
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
		if (w->owner.turn != NULL)
			w->owner.turn(w->owner.ctx, &w->now);
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

	*w = (struct worker){.sink = cfg->sink,
			     .has_queue = cfg->engine.queue_cells > 0,
			     .owner = cfg->owner,
			     .now = now_read()};
	list_init(&w->posts);
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

int worker_join(struct worker *w, unsigned n, char *error, size_t error_len)
{
	static const uint8_t offsets[] = SHARD_OFFSETS;
	const int rc = udp_steer(&w->udp, &(struct udp_steering){.offset = offsets,
								 .types = ARRAY_LEN(offsets),
								 .mask = SHARD_MASK,
								 .sockets = n});

	if (rc != 0) {
		snprintf(error, error_len,
			 "UDP: cannot divide a port among workers: %s; set [node] workers = 1",
			 strerror(-rc));
		return rc;
	}
	for (unsigned i = 0; i < n; i++) {
		w[i].group = w;
		w[i].group_size = n;
		for (unsigned k = 0; k < n; k++)
			if (k != i)
				w[i].from[k] = handoff_create();
	}
	return 0;
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

void worker_stop(struct worker *w)
{
	if (w->engine == NULL || !w->is_started)
		return;
	__atomic_store_n(&w->should_stop, true, __ATOMIC_RELEASE);
	loop_wake(&w->loop);
	pthread_join(w->thread, NULL);
	w->is_started = false;
}

void worker_close(struct worker *w)
{
	struct tx_batch *next;

	if (w->engine == NULL)
		return;
	worker_stop(w);
	worker_tun_close(w);
	for (; w->blocked != NULL; w->blocked = next) {
		next = w->blocked->next;
		engine_return_batch(w->engine, w->blocked);
	}
	loop_del(&w->loop, &w->udp_fd);
	loop_close(&w->loop);
	engine_free(w->engine);
	udp_close(&w->udp);
	for (struct list *it; (it = list_pop(&w->posts)) != NULL;)
		free(container_of(it, struct post, in_worker));
	for (unsigned i = 0; i < WORKERS_MAX; i++)
		handoff_free(w->from[i]);
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
	rc = loop_add(&w->loop, &w->tun_fd, w->is_paused && !w->has_queue ? 0u : EPOLLIN);
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
