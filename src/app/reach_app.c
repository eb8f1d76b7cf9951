/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "app/reach_app.h"

#include "util/log.h"

#include <stdio.h>

static void send_datagrams(struct reach_app *a)
{
	struct link_out out;

	while (reach_next_datagram(a->reach, &out))
		if (a->has_socket) /* or else it is as lost */
			udp_send_one(&a->udp, &out.to, out.data, out.len);
}

static void pump(struct reach_app *a, const struct now *now)
{
	uint8_t body[CELL_BODY_LEN];
	uint32_t link;

	while (reach_next_out(a->reach, &link, body))
		engine_link_send(a->worker->engine, link, body, now);
	send_datagrams(a);
}

static void ready(struct loop_fd *f, uint32_t events)
{
	struct reach_app *a = container_of(f, struct reach_app, fd);
	const struct now now = now_read();
	struct rx_dgram *d;
	const int n = udp_recv(&a->udp, &d);

	(void)events;
	for (int i = 0; i < n; i++)
		reach_recv(a->reach, d[i].data, d[i].len, d[i].from, &now);
	pump(a, &now);
	worker_pump(a->worker);
}

static int open_socket(struct reach_app *a, char *error, size_t error_len)
{
	const char *what;
	struct udp udp;
	int rc = udp_open(&udp, &(struct udp_config){0}, &what);

	if (rc != 0) {
		snprintf(error, error_len, "UDP: %s: %s", what, strerror(-rc));
		return rc;
	}
	a->udp = udp;
	a->fd = (struct loop_fd){.fd = udp.fd, .ready = ready};
	rc = loop_add(&a->worker->loop, &a->fd, EPOLLIN);
	if (rc != 0) {
		snprintf(error, error_len, "event loop: %s", strerror(-rc));
		udp_close(&a->udp);
	}
	a->has_socket = rc == 0;
	return rc;
}

static void close_socket(struct reach_app *a)
{
	if (!a->has_socket)
		return;
	loop_del(&a->worker->loop, &a->fd);
	udp_close(&a->udp);
	a->has_socket = false;
}

int reach_app_open(struct reach_app *a, struct worker *worker, char *error, size_t error_len)
{
	int rc;

	*a = (struct reach_app){.worker = worker};
	rc = open_socket(a, error, error_len);
	if (rc == 0)
		a->reach = reach_create(&rng_system);
	return rc;
}

void reach_app_close(struct reach_app *a)
{
	if (a->reach == NULL)
		return;
	close_socket(a);
	reach_free(a->reach);
	a->reach = NULL;
}

bool reach_app_takes(const struct engine_event *ev)
{
	return ev->type == EVENT_LINK_MESSAGE && ev->body[0] >= REACH_TYPE_MIN;
}

void reach_app_on_event(struct reach_app *a, const struct engine_event *ev, const struct now *now)
{
	const bool was_idle = reach_is_idle(a->reach);
	char error[128];

	(void)reach_take(a->reach, ev->link, &ev->endpoint, ev->body, now);
	if (was_idle && !reach_is_idle(a->reach)) {
		close_socket(a);
		if (open_socket(a, error, sizeof(error)) != 0)
			log_warn("%s", error);
	}
	pump(a, now);
}

void reach_app_tick(struct reach_app *a, const struct now *now)
{
	reach_tick(a->reach, now);
	pump(a, now);
}

uint64_t reach_app_deadline(const struct reach_app *a)
{
	return reach_deadline(a->reach);
}
