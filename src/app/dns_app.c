/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "app/dns_app.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "app/dns_tls.h"
#include "util/log.h"

enum {
	TCP_BACKLOG = 8,
	ROUNDS = 16, /* datagrams of one socket before the others get their turn */
};

/* ---- sockets ---- */

static int open_local(const char *address, int type)
{
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(STUB_PORT)};
	const int fd = socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), yes = 1;
	int err;

	inet_pton(AF_INET, address, &addr.sin_addr);
	if (fd < 0)
		return -errno;
	if ((type != SOCK_STREAM ||
	     setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)) == 0) &&
	    bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) == 0 &&
	    (type != SOCK_STREAM || listen(fd, TCP_BACKLOG) == 0))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

int dns_app_socket(const struct dns_app *d, int type, bool is_v4)
{
	const int fd = socket(is_v4 ? AF_INET : AF_INET6, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	const socklen_t device_len = (socklen_t)strlen(d->device);
	const uint32_t mark = d->cfg.mark;
	const int no = 0;
	int err;

	if (fd < 0)
		return -errno;
	if ((is_v4 || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof(no)) == 0) &&
	    (mark == 0 || setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof(mark)) == 0) &&
	    (device_len == 0 ||
	     setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, d->device, device_len) == 0))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

static void drop_fd(struct dns_app *d, struct loop_fd *f)
{
	if (f->fd < 0)
		return;
	loop_del(d->loop, f);
	close(f->fd);
	f->fd = -1;
}

static int add_fd(struct dns_app *d, struct loop_fd *f, int fd,
		  void (*ready)(struct loop_fd *f, uint32_t events))
{
	int rc;

	if (fd < 0)
		return fd;
	*f = (struct loop_fd){.fd = fd, .ready = ready};
	rc = loop_add(d->loop, f, EPOLLIN);
	if (rc != 0) {
		close(fd);
		f->fd = -1;
	}
	return rc;
}

/* ---- datagrams ---- */

static void from_sockaddr(struct endpoint *out, const struct sockaddr_storage *from)
{
	memset(out, 0, sizeof(*out));
	if (from->ss_family == AF_INET6) {
		const struct sockaddr_in6 *a = (const void *)from;

		memcpy(out->ip, &a->sin6_addr, 16);
		out->port = ntohs(a->sin6_port);
	} else {
		const struct sockaddr_in *a = (const void *)from;

		out->ip[10] = out->ip[11] = 0xff;
		memcpy(out->ip + 12, &a->sin_addr, 4);
		out->port = ntohs(a->sin_port);
	}
}

static socklen_t to_sockaddr(struct sockaddr_storage *out, const struct endpoint *e, bool is_v6)
{
	memset(out, 0, sizeof(*out));
	if (is_v6) {
		struct sockaddr_in6 *a = (void *)out;

		a->sin6_family = AF_INET6;
		memcpy(&a->sin6_addr, e->ip, 16);
		a->sin6_port = htons(e->port);
		return sizeof(*a);
	}
	struct sockaddr_in *a = (void *)out;

	a->sin_family = AF_INET;
	memcpy(&a->sin_addr, e->ip + 12, 4);
	a->sin_port = htons(e->port);
	return sizeof(*a);
}

/* Lost datagrams are asked again by whoever misses them. */
static void send_datagram(const struct dns_app *d, const struct stub_out *out)
{
	const bool is_v6 = out->is_to_server && d->server_is_v6;
	const struct dns_app *asked = out->via; /* of an answer */
	const struct loop_fd *f = out->is_to_server ? &d->server : &asked->programs;
	struct sockaddr_storage to;
	const socklen_t len = to_sockaddr(&to, &out->to, is_v6);

	if (f->fd >= 0 &&
	    sendto(f->fd, out->msg, out->len, 0, (const struct sockaddr *)&to, len) < 0)
		log_debug("name server: %s", strerror(errno));
}

void dns_app_flush(struct dns_app *d, const struct now *now)
{
	struct stub_out out;

	while (stub_next_out(d->stub, &out)) {
		if (out.is_to_server && d->tls_conn != NULL) {
			dns_tls_ask(d->tls_conn, out.msg, out.len, now);
			continue;
		}
		if (!out.is_to_server)
			dns_app_tell(d, out.msg, out.len, now);
		send_datagram(d, &out);
	}
}

struct dns_app *dns_app_way(struct dns_app *d, const uint8_t *msg, size_t len)
{
	char name[DNS_NAME_MAX + 1];
	struct dns_app *way = NULL;

	if (d->cfg.way != NULL && dns_question(msg, len, name) != 0)
		way = d->cfg.way(d->cfg.ctx, name);
	return way != NULL ? way : d;
}

void dns_app_tell(const struct dns_app *d, const uint8_t *msg, size_t len, const struct now *now)
{
	if (d->cfg.answered != NULL)
		d->cfg.answered(d->cfg.ctx, msg, len, now);
}

typedef void take_fn(struct dns_app *d, const uint8_t *msg, size_t len, const struct endpoint *from,
		     const struct now *now);

static void take_datagrams(struct dns_app *d, int fd, take_fn *take)
{
	const struct now now = now_read();
	uint8_t msg[DNS_UDP_MAX];

	for (int i = 0; i < ROUNDS; i++) {
		struct sockaddr_storage from;
		socklen_t from_len = sizeof(from);
		struct endpoint e;
		const ssize_t n =
		    recvfrom(fd, msg, sizeof(msg), 0, (struct sockaddr *)&from, &from_len);

		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0)
			continue; /* an ICMP error about an earlier one */
		from_sockaddr(&e, &from);
		take(d, msg, (size_t)n, &e, &now);
	}
}

static void take_question(struct dns_app *d, const uint8_t *msg, size_t len,
			  const struct endpoint *from, const struct now *now)
{
	struct dns_app *way = dns_app_way(d, msg, len);

	stub_query(way->stub, msg, len, from, d, now);
	dns_app_flush(way, now);
}

static void take_answer(struct dns_app *d, const uint8_t *msg, size_t len,
			const struct endpoint *from, const struct now *now)
{
	stub_answer(d->stub, msg, len, from, now);
	dns_app_flush(d, now);
}

static void program_asks(struct loop_fd *f, uint32_t events)
{
	(void)events;
	take_datagrams(container_of(f, struct dns_app, programs), f->fd, take_question);
}

static void server_answers(struct loop_fd *f, uint32_t events)
{
	(void)events;
	take_datagrams(container_of(f, struct dns_app, server), f->fd, take_answer);
}

/* ---- streams ---- */

static void program_connects(struct loop_fd *f, uint32_t events)
{
	struct dns_app *d = container_of(f, struct dns_app, tcp);
	const struct now now = now_read();
	const int fd = accept4(f->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)events;
	if (fd < 0)
		return;
	for (size_t i = 0; i < DNS_APP_TCP_MAX; i++)
		if (d->streams[i] == NULL) {
			dns_tcp_open(d, i, fd, &now);
			return;
		}
	close(fd);
}

/* ---- the whole ---- */

int dns_app_open(struct dns_app *d, struct loop *loop, const struct dns_app_config *cfg)
{
	int rc;

	*d = (struct dns_app){.cfg = *cfg, .loop = loop};
	d->programs.fd = d->tcp.fd = d->server.fd = -1;
	rc = add_fd(d, &d->programs, open_local(cfg->address, SOCK_DGRAM), program_asks);
	if (rc == 0)
		rc = add_fd(d, &d->tcp, open_local(cfg->address, SOCK_STREAM), program_connects);
	if (rc != 0) {
		drop_fd(d, &d->programs);
		return rc;
	}
	d->stub = stub_create(&rng_system);
	return 0;
}

bool dns_app_is_open(const struct dns_app *d)
{
	return d->stub != NULL;
}

static void drop_tls(struct dns_app *d)
{
	dns_tls_free(d->tls_conn);
	d->tls_conn = NULL;
	SSL_CTX_free(d->tls);
	d->tls = NULL;
}

void dns_app_close(struct dns_app *d)
{
	if (!dns_app_is_open(d))
		return;
	for (size_t i = 0; i < DNS_APP_TCP_MAX; i++)
		dns_tcp_close(d, i);
	drop_tls(d);
	drop_fd(d, &d->server);
	drop_fd(d, &d->programs);
	drop_fd(d, &d->tcp);
	stub_free(d->stub);
	d->stub = NULL;
}

/* Roots are those of the machine: SSL_CERT_FILE or SSL_CERT_DIR name others. */
static int start_tls(struct dns_app *d)
{
	d->tls = SSL_CTX_new(TLS_client_method());
	if (d->tls == NULL || SSL_CTX_set_min_proto_version(d->tls, TLS1_2_VERSION) != 1 ||
	    SSL_CTX_set_default_verify_paths(d->tls) != 1) {
		drop_tls(d);
		return -ENOMEM;
	}
	SSL_CTX_set_mode(d->tls,
			 SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	d->tls_conn = dns_tls_create(d);
	return 0;
}

static int start_datagrams(struct dns_app *d)
{
	int rc;

	d->server_is_v6 = true;
	rc = add_fd(d, &d->server, dns_app_socket(d, SOCK_DGRAM, false), server_answers);
	if (rc == -EAFNOSUPPORT) { /* no IPv6 here at all */
		d->server_is_v6 = false;
		rc = add_fd(d, &d->server, dns_app_socket(d, SOCK_DGRAM, true), server_answers);
	}
	return rc;
}

void dns_app_use(struct dns_app *d, const char *device, const struct resolv_servers *servers,
		 const char *tls_name, const struct now *now)
{
	int rc;

	for (size_t i = 0; i < DNS_APP_TCP_MAX; i++)
		dns_tcp_forget(d, i); /* their way is gone */
	drop_tls(d);
	drop_fd(d, &d->server); /* and with it a port that others may have learnt */
	d->servers = *servers;
	snprintf(d->tls_name, sizeof(d->tls_name), "%s", tls_name != NULL ? tls_name : "");
	snprintf(d->device, sizeof(d->device), "%s", device);
	rc = tls_name != NULL ? start_tls(d) : start_datagrams(d);
	if (rc != 0)
		log_error("asking name servers through %s: %s", device, strerror(-rc));
	stub_use_stream(d->stub, tls_name != NULL);
	stub_servers(d->stub, servers->ip, servers->count, now);
	dns_app_flush(d, now);
}

void dns_app_tick(struct dns_app *d, const struct now *now)
{
	if (!dns_app_is_open(d))
		return;
	if (d->tls_conn != NULL)
		dns_tls_tick(d->tls_conn, now);
	stub_tick(d->stub, now);
	dns_app_flush(d, now);
	for (size_t i = 0; i < DNS_APP_TCP_MAX; i++)
		if (d->streams[i] != NULL && dns_tcp_deadline(d->streams[i]) <= now->mono_ns)
			dns_tcp_close(d, i);
}

uint64_t dns_app_deadline(const struct dns_app *d)
{
	uint64_t due = NEVER;

	if (!dns_app_is_open(d))
		return NEVER;
	for (size_t i = 0; i < DNS_APP_TCP_MAX; i++)
		if (d->streams[i] != NULL)
			due = MIN(due, dns_tcp_deadline(d->streams[i]));
	if (d->tls_conn != NULL)
		due = MIN(due, dns_tls_deadline(d->tls_conn));
	return MIN(due, stub_deadline(d->stub));
}
