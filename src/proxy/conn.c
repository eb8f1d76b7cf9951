/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A connection's life: what the program asks for, its tunnel, the name, the address, the answer. */
#include "proxy/conn_int.h"

#include "util/xalloc.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

static void enter(struct conn *c, enum conn_state state, uint64_t due_ns)
{
	c->state = state;
	c->due_ns = due_ns;
}

void conn_touch(struct conn *c)
{
	if (c->state == CONN_DEAD)
		return;
	list_del(&c->work);
	list_add_tail(&c->server->busy, &c->work);
}

void conn_die(struct conn *c)
{
	if (c->state == CONN_DEAD)
		return;
	pump_abort(c);
	enter(c, CONN_DEAD, NEVER);
	list_del(&c->work);
	list_add_tail(&c->server->dead, &c->work);
}

/* ---- answers ---- */

static enum http_status http_status_of(enum socks_reply code)
{
	switch (code) {
	case SOCKS_OK:
		return HTTP_OK;
	case SOCKS_FAILED:
	case SOCKS_NOT_ALLOWED:
	case SOCKS_BAD_COMMAND:
	case SOCKS_BAD_ADDRESS_TYPE:
		return HTTP_UNAVAILABLE;
	case SOCKS_NET_UNREACHABLE:
	case SOCKS_HOST_UNREACHABLE:
	case SOCKS_CONNECTION_REFUSED:
		return HTTP_BAD_GATEWAY;
	case SOCKS_TTL_EXPIRED:
		return HTTP_GATEWAY_TIMEOUT;
	}
	return HTTP_UNAVAILABLE;
}

/* A few bytes into an empty socket: if they do not fit, nobody is listening. */
static bool say(const struct conn *c, const void *text, size_t len)
{
	return len == 0 || send(c->sock.fd, text, len, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)len;
}

bool conn_answer(struct conn *c, enum socks_reply code, const struct endpoint *bound)
{
	char text[HTTP_ANSWER_MAX];
	struct writer w = wr_init(text, sizeof(text));

	if (c->port == SERVER_HTTP)
		return say(c, text, http_connect_answer(http_status_of(code), text));
	socks_put_reply(&w, code, bound);
	return say(c, text, w.done);
}

static void hang_up(struct conn *c, const struct now *now)
{
	shutdown(c->sock.fd, SHUT_WR);
	enter(c, CONN_REFUSED, now->mono_ns + CONN_LINGER_NS);
	pump_watch(c, EPOLLIN);
}

void conn_refuse(struct conn *c, enum socks_reply code, const struct now *now)
{
	pump_abort(c);
	if (conn_answer(c, code, &(struct endpoint){0}))
		hang_up(c, now);
	else
		conn_die(c);
}

/* ---- from the request to the other side ---- */

static void connect_next(struct conn *c, const struct now *now);

static err_t on_connected(void *arg, struct tcp_pcb *pcb, err_t err)
{
	struct conn *c = arg;

	(void)pcb;
	(void)err;
	c->due_ns = NEVER;
	conn_touch(c);
	return ERR_OK;
}

/* The pcb is gone already. */
static void on_error(void *arg, err_t err)
{
	struct conn *c = arg;

	(void)err;
	if (c == NULL)
		return;
	c->pcb = NULL;
	c->is_reset = true;
	conn_touch(c);
}

static bool try_address(struct conn *c, const uint8_t ip[static 16], const struct now *now)
{
	ip_addr_t addr;

	stack_addr(&addr, ip);
	c->pcb = stack_tcp(&c->tunnel->net, ip);
	if (c->pcb == NULL)
		return false;
	c->is_reset = false;
	tcp_arg(c->pcb, c);
	tcp_err(c->pcb, on_error);
	pump_opened(c);
	if (tcp_connect(c->pcb, &addr, c->request.target.at.port, on_connected) != ERR_OK) {
		pump_abort(c);
		return false;
	}
	enter(c, CONN_CONNECTING, now->mono_ns + CONN_CONNECT_NS);
	return true;
}

static void connect_next(struct conn *c, const struct now *now)
{
	const enum socks_reply code =
	    c->is_reset ? SOCKS_CONNECTION_REFUSED : SOCKS_HOST_UNREACHABLE;

	while (c->tried < c->to.count)
		if (try_address(c, c->to.ip[c->tried++], now))
			return;
	c->server->stats.failed++;
	conn_refuse(c, code, now);
}

static void on_resolved(struct lookup *l)
{
	struct conn *c = container_of(l, struct conn, lookup);

	c->is_resolved = true;
	conn_touch(c);
}

static void resolved(struct conn *c, const struct now *now)
{
	lookup_addresses(&c->lookup, &c->to);
	if (c->to.count > 0) {
		connect_next(c, now);
		return;
	}
	c->server->stats.no_name++;
	conn_refuse(c, SOCKS_HOST_UNREACHABLE, now);
}

static void associate(struct conn *c, const struct now *now)
{
	struct endpoint bound;

	if (udp_relay_open(c, &bound) != 0) {
		conn_refuse(c, SOCKS_FAILED, now);
		return;
	}
	c->server->stats.associations++;
	enter(c, CONN_UDP, NEVER);
	pump_watch(c, EPOLLIN);
	if (!conn_answer(c, SOCKS_OK, &bound))
		conn_die(c);
}

void conn_go_on(struct conn *c, const struct now *now)
{
	const struct target *t = &c->request.target;

	if (c->request.command == PROXY_UDP) {
		associate(c, now);
	} else if (t->name[0] != '\0') {
		enter(c, CONN_RESOLVING, NEVER); /* lookups end by themselves */
		c->lookup = (struct lookup){.net = &c->tunnel->net,
					    .servers = &c->tunnel->dns,
					    .name = t->name,
					    .done = on_resolved};
		lookup_start(&c->lookup, now);
	} else {
		memcpy(c->to.ip[0], t->at.ip, sizeof(t->at.ip));
		c->to.count = 1;
		connect_next(c, now);
	}
}

static void requested(struct conn *c, const struct now *now)
{
	struct server *s = c->server;

	c->tunnel = s->params.tunnel_for(s->params.ctx, &c->request.user, now);
	if (c->tunnel == NULL) {
		s->stats.no_tunnel++;
		conn_refuse(c, SOCKS_FAILED, now);
		return;
	}
	c->tunnel->conns++;
	pump_watch(c, 0); /* what it sends early waits; that it hangs up is still seen */
	enter(c, CONN_WAITING, now->mono_ns + CONN_WAIT_NS);
	if (c->tunnel->is_ready)
		conn_go_on(c, now);
}

/* ---- the handshake ---- */

/* One message of either protocol: bytes used, 0 for more, or -EPROTO after the answer. */
static int read_message(struct conn *c, const uint8_t *in, size_t len)
{
	char text[HTTP_ANSWER_MAX];
	struct writer w = wr_init(text, sizeof(text));
	enum http_status wrong;
	int used;

	if (c->port == SERVER_HTTP) {
		used = http_connect_read(in, len, &c->request, &wrong);
		if (used < 0)
			w.done = http_connect_answer(wrong, text);
	} else {
		used = socks_read(&c->socks, in, len, &w);
		c->request = c->socks.request;
	}
	return say(c, text, w.done) ? used : -EPROTO;
}

static void handshake(struct conn *c, const struct now *now)
{
	bool is_done = false;
	int used = 1;

	while (used > 0 && !is_done) {
		used = read_message(c, c->ring + c->given, (size_t)(c->read - c->given));
		c->given += (uint64_t)MAX(used, 0);
		c->acked = c->given;
		is_done = used > 0 && (c->port == SERVER_HTTP || c->socks.state == SOCKS_DONE);
	}
	if (used < 0) {
		c->server->stats.malformed++;
		hang_up(c, now);
	} else if (is_done) {
		requested(c, now);
	} else if (c->up_ended) {
		conn_die(c);
	}
}

/* ---- events and time ---- */

static void drain(struct conn *c)
{
	ssize_t n;

	do {
		n = recv(c->sock.fd, c->ring, CONN_RING_LEN, MSG_DONTWAIT);
	} while (n > 0);
	if (n == 0 || errno != EAGAIN)
		conn_die(c);
}

static void on_ready(struct loop_fd *f, uint32_t events)
{
	struct conn *c = container_of(f, struct conn, sock);

	switch (c->state) {
	case CONN_HANDSHAKE:
		if (events & EPOLLIN)
			pump_read(c);
		else
			conn_die(c);
		break;
	case CONN_WAITING:
	case CONN_RESOLVING:
	case CONN_CONNECTING:
		conn_die(c); /* nothing is watched but that it hung up */
		break;
	case CONN_OPEN:
		if (events & EPOLLIN)
			pump_read(c);
		if (events & (EPOLLHUP | EPOLLERR) && !c->is_hung_up) {
			c->is_hung_up = true;
			loop_del(c->server->params.loop, &c->sock);
		}
		break;
	case CONN_UDP:
	case CONN_REFUSED:
		drain(c);
		break;
	case CONN_DEAD:
		break;
	}
	if (c->state != CONN_DEAD)
		conn_touch(c);
}

static void opened(struct conn *c)
{
	struct endpoint bound = {.port = c->pcb->local_port};

	c->server->stats.opened++;
	enter(c, CONN_OPEN, NEVER);
	stack_ip(bound.ip, &c->pcb->local_ip);
	if (!conn_answer(c, SOCKS_OK, &bound))
		conn_die(c);
}

void conn_settle(struct conn *c, const struct now *now)
{
	switch (c->state) {
	case CONN_HANDSHAKE:
		handshake(c, now);
		break;
	case CONN_RESOLVING:
		if (c->is_resolved)
			resolved(c, now);
		break;
	case CONN_CONNECTING:
		if (c->pcb == NULL) {
			connect_next(c, now);
			break;
		}
		if (c->due_ns != NEVER)
			break;
		opened(c);
		if (c->state == CONN_OPEN && !pump_settle(c))
			conn_die(c);
		break;
	case CONN_OPEN:
		if (!pump_settle(c))
			conn_die(c);
		break;
	case CONN_WAITING:
	case CONN_UDP:
	case CONN_REFUSED:
	case CONN_DEAD:
		break;
	}
}

static void timed_out(struct conn *c, const struct now *now)
{
	struct server_stats *stats = &c->server->stats;

	switch (c->state) {
	case CONN_HANDSHAKE:
		stats->too_slow++;
		conn_die(c);
		break;
	case CONN_WAITING:
		stats->no_tunnel++;
		conn_refuse(c, SOCKS_NET_UNREACHABLE, now);
		break;
	case CONN_CONNECTING:
		pump_abort(c);
		connect_next(c, now);
		break;
	case CONN_RESOLVING:
	case CONN_OPEN:
	case CONN_UDP:
	case CONN_DEAD:
		break;
	case CONN_REFUSED:
		conn_die(c);
		break;
	}
}

void conn_tick(struct conn *c, const struct now *now)
{
	if (c->state == CONN_RESOLVING)
		lookup_tick(&c->lookup, now);
	if (c->udp != NULL)
		udp_relay_tick(c->udp, now);
	if (c->due_ns <= now->mono_ns)
		timed_out(c, now);
}

/* ---- beginning and end ---- */

struct conn *conn_create(struct server *s, enum server_port port, int fd, const struct now *now)
{
	struct conn *c = xcalloc(1, sizeof(*c));

	c->server = s;
	c->port = port;
	c->sock = (struct loop_fd){.fd = fd, .ready = on_ready};
	c->watched = EPOLLIN;
	if (loop_add(s->params.loop, &c->sock, c->watched) != 0) {
		close(fd);
		free(c);
		return NULL;
	}
	c->ring = xrealloc(NULL, CONN_RING_LEN, 1);
	list_init(&c->work);
	list_add_tail(&s->conns, &c->all);
	enter(c, CONN_HANDSHAKE, now->mono_ns + CONN_HANDSHAKE_NS);
	return c;
}

void conn_free(struct conn *c)
{
	lookup_stop(&c->lookup);
	udp_relay_close(c->udp);
	while (c->first != NULL) {
		struct pbuf *p = c->first;

		c->first = p->next;
		p->next = NULL;
		pbuf_free(p);
	}
	if (!c->is_hung_up)
		loop_del(c->server->params.loop, &c->sock);
	close(c->sock.fd);
	if (c->tunnel != NULL)
		c->tunnel->conns--;
	list_del(&c->all);
	list_del(&c->work);
	free(c->ring);
	free(c);
}
