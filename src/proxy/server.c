/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "proxy/conn_int.h"

#include "util/log.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	ACCEPTS_MAX = 64, /* in one go */
	BACKLOG = 512,
};

#define TICK_NS (NS_PER_S / 4)

static const char *const port_names[SERVER_PORTS] = {"SOCKS", "HTTP"};

/* ---- listeners ---- */

static void listen_or_not(struct server *s, bool is_full)
{
	if (s->is_full == is_full)
		return;
	s->is_full = is_full;
	for (size_t i = 0; i < SERVER_PORTS; i++)
		if (s->listener[i].is_open &&
		    loop_change(s->params.loop, &s->listener[i].fd, is_full ? 0u : EPOLLIN) != 0)
			log_error("event loop: cannot change what is watched");
	if (is_full)
		log_warn("%u connections are open; more of them wait", s->count);
}

static void on_ready(struct loop_fd *f, uint32_t events)
{
	struct server_listener *l = container_of(f, struct server_listener, fd);
	struct server *s = l->server;
	const struct now now = now_read();
	const int on = 1;

	(void)events;
	for (unsigned i = 0; i < ACCEPTS_MAX && s->count < s->params.conns_max; i++) {
		const int fd = accept4(f->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0 && (errno == EMFILE || errno == ENFILE) && s->count > 0)
			break; /* as if full: until one ends */
		if (fd < 0)
			return;
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		if (conn_create(s, (enum server_port)(l - s->listener), fd, &now) == NULL)
			continue;
		s->count++;
		s->stats.accepted++;
		s->tick_ns = MIN(s->tick_ns, now.mono_ns + TICK_NS);
	}
	listen_or_not(s, true);
}

static socklen_t to_sockaddr(const struct endpoint *e, struct sockaddr_storage *out)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)out;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;

	memset(out, 0, sizeof(*out));
	if (endpoint_is_v4(e)) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(e->port);
		memcpy(&v4->sin_addr, e->ip + 12, 4);
		return sizeof(*v4);
	}
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(e->port);
	memcpy(&v6->sin6_addr, e->ip, 16);
	return sizeof(*v6);
}

static int listener_open(struct server *s, enum server_port port)
{
	struct server_listener *l = &s->listener[port];
	struct sockaddr_storage at;
	const socklen_t len = to_sockaddr(&s->params.listen[port], &at);
	const int on = 1;
	int rc;
	const int fd = socket(at.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	*l = (struct server_listener){.fd = {.fd = fd, .ready = on_ready}, .server = s};
	rc = bind(fd, (struct sockaddr *)&at, len) != 0 || listen(fd, BACKLOG) != 0
		 ? -errno
		 : loop_add(s->params.loop, &l->fd, EPOLLIN);
	if (rc != 0)
		close(fd);
	l->is_open = rc == 0;
	return rc;
}

void server_local(const struct server *s, enum server_port port, struct endpoint *out)
{
	union {
		struct sockaddr_storage any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} at = {0};
	socklen_t len = sizeof(at);

	*out = s->params.listen[port];
	if (s->listener[port].is_open &&
	    getsockname(s->listener[port].fd.fd, (struct sockaddr *)&at.any, &len) == 0)
		out->port = ntohs(at.any.ss_family == AF_INET ? at.v4.sin_port : at.v6.sin6_port);
}

/* ---- connections ---- */

static void free_dead(struct server *s)
{
	struct list *node;

	while ((node = list_pop(&s->dead)) != NULL) {
		conn_free(container_of(node, struct conn, work));
		s->count--;
	}
	listen_or_not(s, s->is_full && s->count >= s->params.conns_max);
}

void server_turn(struct server *s, const struct now *now)
{
	struct list *node;

	while ((node = list_pop(&s->busy)) != NULL)
		conn_settle(container_of(node, struct conn, work), now);
	stack_flush();
	free_dead(s);
}

bool server_is_busy(const struct server *s)
{
	return !list_is_empty(&s->busy);
}

void server_tunnel_up(struct server *s, struct tunnel *t, const struct now *now)
{
	list_for_each_safe (it, tmp, &s->conns) {
		struct conn *c = container_of(it, struct conn, all);

		if (c->tunnel == t && c->state == CONN_WAITING)
			conn_go_on(c, now);
	}
}

void server_tunnel_down(struct server *s, struct tunnel *t)
{
	list_for_each_safe (it, tmp, &s->conns) {
		struct conn *c = container_of(it, struct conn, all);

		if (c->tunnel != t || c->state == CONN_WAITING)
			continue;
		conn_die(c);
	}
	stack_flush();
	free_dead(s);
}

void server_tick(struct server *s, const struct now *now)
{
	stack_tick();
	if (s->tick_ns > now->mono_ns)
		return;
	list_for_each_safe (it, tmp, &s->conns)
		conn_tick(container_of(it, struct conn, all), now);
	s->tick_ns = s->count > 0 ? now->mono_ns + TICK_NS : NEVER;
}

uint64_t server_deadline(const struct server *s, const struct now *now)
{
	return MIN(s->tick_ns, stack_deadline(now));
}

/* ---- beginning and end ---- */

int server_open(struct server *s, const struct server_params *params, char *error, size_t error_len)
{
	static const struct endpoint none;

	*s = (struct server){.params = *params, .tick_ns = NEVER};
	list_init(&s->conns);
	list_init(&s->busy);
	list_init(&s->dead);
	for (size_t i = 0; i < SERVER_PORTS; i++) {
		const struct endpoint *at = &params->listen[i];
		char text[ENDPOINT_TEXT_MAX];
		int rc;

		if (memcmp(at->ip, none.ip, sizeof(none.ip)) == 0)
			continue;
		rc = listener_open(s, (enum server_port)i);
		if (rc != 0) {
			snprintf(error, error_len, "%s port %s: %s; give another with --%s",
				 port_names[i], endpoint_format(at, text), strerror(-rc),
				 i == SERVER_SOCKS ? "socks" : "http");
			server_close(s);
			return rc;
		}
	}
	return 0;
}

void server_close(struct server *s)
{
	list_for_each_safe (it, tmp, &s->conns)
		conn_die(container_of(it, struct conn, all));
	stack_flush();
	free_dead(s);
	for (size_t i = 0; i < SERVER_PORTS; i++) {
		if (!s->listener[i].is_open)
			continue;
		s->listener[i].is_open = false;
		loop_del(s->params.loop, &s->listener[i].fd);
		close(s->listener[i].fd.fd);
	}
}
