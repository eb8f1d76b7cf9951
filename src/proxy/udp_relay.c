/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A UDP association: datagrams of one program to anywhere, and what comes back.  Only the address
 * the association was asked from may use it, and from its first datagram on only that port.
 */
#include "proxy/conn_int.h"

#include "proxy/lwip_udp.h"
#include "util/xalloc.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	DATAGRAM_MAX = 65535,
	READS_MAX = 64, /* in one go */
	NAMES_MAX = 8,  /* remembered */
};

#define NAME_NS (60 * NS_PER_S)

/* A name that datagrams go to, and the last of them that came before its address. */
struct udp_name {
	struct udp_relay *relay;
	struct target target;
	struct lookup lookup;
	bool is_used, is_known;
	uint8_t ip[16];
	uint64_t until_ns;
	struct pbuf *waiting;
};

struct udp_relay {
	struct conn *conn;
	struct loop_fd sock;
	bool has_peer;
	struct udp_pcb *v4, *v6;
	struct udp_name names[NAMES_MAX];
};

/* ---- to the mesh ---- */

static void send_to(struct udp_relay *u, const uint8_t ip[static 16], uint16_t port, struct pbuf *p)
{
	ip_addr_t addr;
	struct udp_pcb *pcb;

	stack_addr(&addr, ip);
	pcb = IP_IS_V6(&addr) ? u->v6 : u->v4;
	if (pcb != NULL)
		udp_sendto(pcb, p, &addr, port);
	pbuf_free(p);
}

static void on_name(struct lookup *l)
{
	struct udp_name *n = container_of(l, struct udp_name, lookup);
	struct pbuf *p = n->waiting;
	struct dns_answer found;

	n->waiting = NULL;
	lookup_addresses(l, &found);
	n->is_known = found.count > 0;
	if (n->is_known) {
		memcpy(n->ip, found.ip[0], sizeof(n->ip));
		if (p != NULL)
			send_to(n->relay, n->ip, n->target.at.port, p);
	} else {
		n->is_used = false;
		n->relay->conn->server->stats.no_name++;
		if (p != NULL)
			pbuf_free(p);
	}
}

static void forget(struct udp_name *n)
{
	lookup_stop(&n->lookup);
	if (n->waiting != NULL)
		pbuf_free(n->waiting);
	*n = (struct udp_name){.relay = n->relay};
}

/* The entry of a name, new ones in place of the oldest. */
static struct udp_name *name_of(struct udp_relay *u, const struct target *t, const struct now *now)
{
	struct udp_name *oldest = &u->names[0];

	for (size_t i = 0; i < NAMES_MAX; i++) {
		struct udp_name *n = &u->names[i];

		if (n->is_used && n->target.at.port == t->at.port &&
		    strcmp(n->target.name, t->name) == 0 && n->until_ns > now->mono_ns)
			return n;
		if (n->until_ns < oldest->until_ns)
			oldest = n;
	}
	forget(oldest);
	oldest->target = *t;
	oldest->is_used = true;
	oldest->until_ns = now->mono_ns + NAME_NS;
	return oldest;
}

static void send_to_name(struct udp_relay *u, const struct target *t, struct pbuf *p)
{
	const struct now now = now_read();
	struct udp_name *n = name_of(u, t, &now);

	if (n->is_known) {
		send_to(u, n->ip, t->at.port, p);
		return;
	}
	if (n->waiting != NULL)
		pbuf_free(n->waiting);
	n->waiting = p;
	if (n->lookup.pcb != NULL)
		return;
	n->lookup = (struct lookup){.net = &u->conn->tunnel->net,
				    .servers = &u->conn->tunnel->dns,
				    .name = n->target.name,
				    .done = on_name};
	lookup_start(&n->lookup, &now);
}

static void from_program(struct udp_relay *u, const uint8_t *in, size_t len)
{
	struct target t;
	const int head = socks_udp_read(in, len, &t);
	struct pbuf *p;

	if (head < 0) {
		u->conn->server->stats.malformed++;
		return;
	}
	p = pbuf_alloc(PBUF_TRANSPORT, (u16_t)(len - (size_t)head), PBUF_RAM);
	if (p == NULL)
		return;
	pbuf_take(p, in + head, (u16_t)(len - (size_t)head));
	if (t.name[0] != '\0')
		send_to_name(u, &t, p);
	else
		send_to(u, t.at.ip, t.at.port, p);
}

/* ---- the program's side ---- */

static bool same_host(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
	if (a->ss_family != b->ss_family)
		return false;
	if (a->ss_family == AF_INET)
		return ((const struct sockaddr_in *)a)->sin_addr.s_addr ==
		       ((const struct sockaddr_in *)b)->sin_addr.s_addr;
	return memcmp(&((const struct sockaddr_in6 *)a)->sin6_addr,
		      &((const struct sockaddr_in6 *)b)->sin6_addr, 16) == 0;
}

/* The first datagram tells the program's port. */
static bool accept_peer(struct udp_relay *u, const struct sockaddr_storage *from, socklen_t len)
{
	struct sockaddr_storage asker = {0};
	socklen_t asker_len = sizeof(asker);

	if (u->has_peer)
		return true;
	if (getpeername(u->conn->sock.fd, (struct sockaddr *)&asker, &asker_len) != 0 ||
	    !same_host(from, &asker) ||
	    connect(u->sock.fd, (const struct sockaddr *)from, len) != 0)
		return false;
	u->has_peer = true;
	return true;
}

static void on_ready(struct loop_fd *f, uint32_t events)
{
	static uint8_t in[DATAGRAM_MAX];
	struct udp_relay *u = container_of(f, struct udp_relay, sock);

	(void)events;
	for (unsigned i = 0; i < READS_MAX; i++) {
		struct sockaddr_storage from = {0};
		socklen_t from_len = sizeof(from);
		const ssize_t n = recvfrom(f->fd, in, sizeof(in), MSG_DONTWAIT,
					   (struct sockaddr *)&from, &from_len);

		if (n < 0)
			return; /* nothing there, or an ICMP error that reading has taken off */
		if (accept_peer(u, &from, from_len))
			from_program(u, in, (size_t)n);
	}
}

static void on_datagram(void *arg, struct udp_pcb *pcb, struct pbuf *p, const ip_addr_t *addr,
			u16_t port)
{
	static uint8_t text[SOCKS_UDP_HEAD_MAX + DATAGRAM_MAX];
	struct udp_relay *u = arg;
	struct writer w = wr_init(text, sizeof(text));
	struct endpoint from = {.port = port};
	size_t len;

	(void)pcb;
	stack_ip(from.ip, addr);
	socks_udp_put(&w, &from);
	len = w.done + pbuf_copy_partial(p, text + w.done, p->tot_len, 0);
	pbuf_free(p);
	/* A program that does not keep up loses datagrams, as it would without us. */
	if (u->has_peer && send(u->sock.fd, text, len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		return;
}

/* ---- beginning and end ---- */

static struct udp_pcb *open_pcb(struct udp_relay *u, const uint8_t ip[static 16])
{
	struct udp_pcb *pcb = stack_udp(&u->conn->tunnel->net, ip);

	if (pcb != NULL)
		udp_recv(pcb, on_datagram, u);
	return pcb;
}

/* Beside the program's connection, on a port of its own. */
static int open_socket(const struct conn *c, struct endpoint *bound)
{
	struct sockaddr_storage at = {0};
	struct sockaddr_in *v4 = (struct sockaddr_in *)&at;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&at;
	socklen_t len = sizeof(at);
	int fd;

	if (getsockname(c->sock.fd, (struct sockaddr *)&at, &len) != 0)
		return -errno;
	fd = socket(at.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (at.ss_family == AF_INET)
		v4->sin_port = 0;
	else
		v6->sin6_port = 0;
	if (bind(fd, (struct sockaddr *)&at, len) != 0 ||
	    getsockname(fd, (struct sockaddr *)&at, &len) != 0) {
		close(fd);
		return -EADDRNOTAVAIL;
	}
	*bound = (struct endpoint){.ip = {[10] = 0xff, 0xff}};
	if (at.ss_family == AF_INET)
		memcpy(bound->ip + 12, &v4->sin_addr, 4);
	else
		memcpy(bound->ip, &v6->sin6_addr, 16);
	bound->port = ntohs(at.ss_family == AF_INET ? v4->sin_port : v6->sin6_port);
	return fd;
}

int udp_relay_open(struct conn *c, struct endpoint *bound)
{
	static const uint8_t any_v6[16], any_v4[16] = {[10] = 0xff, 0xff};
	struct udp_relay *u;
	const int fd = open_socket(c, bound);
	int rc;

	if (fd < 0)
		return fd;
	u = xcalloc(1, sizeof(*u));
	u->conn = c;
	for (size_t i = 0; i < NAMES_MAX; i++)
		u->names[i].relay = u;
	u->sock = (struct loop_fd){.fd = fd, .ready = on_ready};
	rc = loop_add(c->server->params.loop, &u->sock, EPOLLIN);
	if (rc != 0) {
		close(fd);
		free(u);
		return rc;
	}
	u->v4 = open_pcb(u, any_v4);
	u->v6 = open_pcb(u, any_v6);
	c->udp = u;
	return 0;
}

void udp_relay_tick(struct udp_relay *u, const struct now *now)
{
	for (size_t i = 0; i < NAMES_MAX; i++)
		lookup_tick(&u->names[i].lookup, now);
}

void udp_relay_close(struct udp_relay *u)
{
	if (u == NULL)
		return;
	for (size_t i = 0; i < NAMES_MAX; i++)
		forget(&u->names[i]);
	if (u->v4 != NULL)
		udp_remove(u->v4);
	if (u->v6 != NULL)
		udp_remove(u->v6);
	loop_del(u->conn->server->params.loop, &u->sock);
	close(u->sock.fd);
	free(u);
}
