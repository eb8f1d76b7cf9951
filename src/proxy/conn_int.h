/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One program's connection.  lwIP's callbacks and the socket's only note what came and put it on
 * the server's list of the busy (conn_touch); conn_settle acts, and conn_free runs when the stack
 * has sent what pointed into it.
 */
#ifndef PROXY_CONN_INT_H
#define PROXY_CONN_INT_H

#include "proxy/http_connect.h"
#include "proxy/server.h"
#include "proxy/socks.h"

#include <lwip/tcp.h>

#define CONN_RING_LEN (1u << 19) /* bytes on their way from the program; a power of two */

#define CONN_HANDSHAKE_NS (30 * NS_PER_S)
#define CONN_WAIT_NS      (45 * NS_PER_S)
#define CONN_CONNECT_NS   (10 * NS_PER_S)
#define CONN_LINGER_NS    (2 * NS_PER_S)

_Static_assert(CONN_RING_LEN == TCP_SND_BUF, "the stack may hold all of a ring");

enum conn_state {
	CONN_HANDSHAKE,
	CONN_WAITING,   /* for its tunnel */
	CONN_RESOLVING, /* the target's name */
	CONN_CONNECTING,
	CONN_OPEN,
	CONN_UDP,     /* an association, which lasts as long as the connection */
	CONN_REFUSED, /* has its answer; reads what still comes, so that the answer arrives */
	CONN_DEAD,
};

struct udp_relay;

struct conn {
	struct list all, work; /* in the server's lists */
	struct server *server;
	enum server_port port;
	struct loop_fd sock;
	uint32_t watched;
	enum conn_state state;
	uint64_t due_ns; /* of the state; NEVER for those that may last */

	struct socks socks;
	struct proxy_request request;
	struct tunnel *tunnel;
	struct lookup lookup;
	bool is_resolved;
	struct dns_answer to; /* addresses to be tried */
	unsigned tried;
	struct udp_relay *udp;

	struct tcp_pcb *pcb;
	bool is_reset; /* by the other side, or given up by the stack */

	/* Up: counts of bytes read from the socket, given to the stack, and acknowledged.  Each is
	 * at its number modulo the length in the ring. */
	uint8_t *ring;
	uint64_t read, given, acked;
	bool up_ended, up_shut; /* the program will send no more; the stack knows */

	/* Down: what the socket had no room for yet. */
	struct pbuf *first, *last;
	bool down_ended, down_shut; /* the other side will send no more; the program knows */

	bool is_hung_up; /* the program has closed or shut both ways */
};

/* ---- conn.c ---- */
struct conn *conn_create(struct server *s, enum server_port port, int fd, const struct now *now);
void conn_free(struct conn *c);
/* conn_touch: to be settled at the turn's end. */
void conn_touch(struct conn *c);
void conn_settle(struct conn *c, const struct now *now);
void conn_tick(struct conn *c, const struct now *now);
void conn_go_on(struct conn *c, const struct now *now); /* its tunnel stands */
void conn_die(struct conn *c);
/* conn_answer: the request's outcome, once. */
bool conn_answer(struct conn *c, enum socks_reply code, const struct endpoint *bound);
void conn_refuse(struct conn *c, enum socks_reply code, const struct now *now);

/* ---- pump.c ---- */
void pump_read(struct conn *c);
void pump_opened(struct conn *c);
/* pump_settle: false when both ways have ended, or broke. */
bool pump_settle(struct conn *c);
void pump_watch(struct conn *c, uint32_t events);
void pump_abort(struct conn *c);
/* pump_take(c, p): lwIP's: data for the program; NULL: no more. */
err_t pump_on_data(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t err);
err_t pump_on_acked(void *arg, struct tcp_pcb *pcb, u16_t len);

/* ---- udp_relay.c ---- */
/* udp_relay_open(c, bound): *bound is where the program sends its datagrams.  0 or -errno. */
MUST_USE int udp_relay_open(struct conn *c, struct endpoint *bound);
void udp_relay_tick(struct udp_relay *u, const struct now *now);
void udp_relay_close(struct udp_relay *u);

#endif
