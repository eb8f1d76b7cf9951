/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "app/portmap_app.h"

#include <errno.h>
#include <time.h>

#include "util/log.h"

enum {
	LEASE_S = 3600, /* should we not be able to take it back */
	RENEW_S = 600,  /* a router that was restarted has forgotten it */
	RETRY_S = 60,
};

static void renew(struct portmap_app *a)
{
	const bool was_there = a->map.way != PORTMAP_NONE;
	struct host_error err;

	if (portmap_add(&a->map, a->inner_port, a->outer_port, LEASE_S, &err) != 0) {
		a->map.way = PORTMAP_NONE;
		if (!a->is_told_failed)
			log_warn("[node] port_mapping: %s", err.text);
		a->is_told_failed = true;
		return;
	}
	a->is_told_failed = false;
	if (was_there)
		return;
	log_info("the router forwards UDP port %u to this node (%s)", (unsigned)a->map.outer.port,
		 portmap_way_name(a->map.way));
	if (a->map.outer.port != a->outer_port)
		log_warn("[node] address: the router gives port %u and not %u; change the address, "
			 "or nobody finds this node",
			 (unsigned)a->map.outer.port, (unsigned)a->outer_port);
}

/* Until it is time for the next attempt; true when all is over. */
static bool wait(struct portmap_app *a, time_t seconds)
{
	struct timespec until;
	bool is_over;
	int rc = 0;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += seconds;
	pthread_mutex_lock(&a->lock);
	while (!a->should_stop && rc != ETIMEDOUT)
		rc = pthread_cond_timedwait(&a->stopped, &a->lock, &until);
	is_over = a->should_stop;
	pthread_mutex_unlock(&a->lock);
	return is_over;
}

static void *run(void *arg)
{
	struct portmap_app *a = arg;
	struct host_error err;

	do
		renew(a);
	while (!wait(a, a->map.way != PORTMAP_NONE ? RENEW_S : RETRY_S));
	if (portmap_remove(&a->map, &err) != 0)
		log_warn("%s", err.text);
	return NULL;
}

int portmap_app_start(struct portmap_app *a, uint16_t inner_port, uint16_t outer_port)
{
	pthread_condattr_t attr;
	int rc;

	*a = (struct portmap_app){.inner_port = inner_port, .outer_port = outer_port};
	pthread_mutex_init(&a->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&a->stopped, &attr);
	pthread_condattr_destroy(&attr);
	rc = pthread_create(&a->thread, NULL, run, a);
	a->is_started = rc == 0;
	return -rc;
}

void portmap_app_stop(struct portmap_app *a)
{
	if (!a->is_started)
		return;
	pthread_mutex_lock(&a->lock);
	a->should_stop = true;
	pthread_cond_signal(&a->stopped);
	pthread_mutex_unlock(&a->lock);
	pthread_join(a->thread, NULL);
	pthread_mutex_destroy(&a->lock);
	pthread_cond_destroy(&a->stopped);
	a->is_started = false;
}
