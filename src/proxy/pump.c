/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Bytes between a program's socket and the stack.  Up, they stay in the ring they were read into
 * until the other side has them; a full ring is not read into, so the program waits.  Down, the
 * stack's window opens only by what the socket took, so the other side waits.
 */
#include "proxy/conn_int.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum {
	IOVS_MAX = 64,
};

/* ---- up ---- */

static size_t ring_room(const struct conn *c)
{
	return CONN_RING_LEN - (size_t)(c->read - c->acked);
}

void pump_read(struct conn *c)
{
	const size_t room = ring_room(c);
	const size_t at = c->read % CONN_RING_LEN;
	const size_t straight = MIN(room, CONN_RING_LEN - at);
	const struct iovec iov[] = {{c->ring + at, straight}, {c->ring, room - straight}};
	ssize_t n;

	if (c->up_ended || room == 0)
		return;
	n = readv(c->sock.fd, iov, straight < room ? 2 : 1);
	if (n > 0)
		c->read += (uint64_t)n;
	else if (n == 0)
		c->up_ended = true;
	else if (errno != EAGAIN && errno != EINTR)
		c->up_ended = c->is_reset = true;
}

/* What fits into the stack's own limits; the rest when it has got rid of something. */
static void give(struct conn *c)
{
	while (c->given < c->read) {
		const size_t at = c->given % CONN_RING_LEN;
		size_t n = MIN((size_t)(c->read - c->given), CONN_RING_LEN - at);

		n = MIN(n, MIN((size_t)tcp_sndbuf(c->pcb), UINT16_MAX / 2));
		if (n == 0 || tcp_write(c->pcb, c->ring + at, (u16_t)n, 0) != ERR_OK)
			break;
		c->given += n;
	}
	if (c->up_ended && c->given == c->read && !c->up_shut)
		c->up_shut = tcp_shutdown(c->pcb, 0, 1) == ERR_OK;
	tcp_output(c->pcb);
}

err_t pump_on_acked(void *arg, struct tcp_pcb *pcb, u16_t len)
{
	struct conn *c = arg;

	(void)pcb;
	c->acked += len;
	conn_touch(c);
	return ERR_OK;
}

/* ---- down ---- */

err_t pump_on_data(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t err)
{
	struct conn *c = arg;

	(void)pcb;
	(void)err;
	conn_touch(c);
	if (p == NULL) {
		c->down_ended = true;
		return ERR_OK;
	}
	if (c->first == NULL)
		c->first = p;
	else
		c->last->next = p;
	for (c->last = p; c->last->next != NULL;)
		c->last = c->last->next;
	return ERR_OK;
}

/* The socket took n bytes: let go of them, and let the other side send as many. */
static void took(struct conn *c, size_t n)
{
	for (size_t left = n; left > 0;) {
		struct pbuf *p = c->first;

		if (left < p->len) {
			pbuf_remove_header(p, left);
			break;
		}
		left -= p->len;
		c->first = p->next;
		p->next = NULL;
		pbuf_free(p);
	}
	for (; n > 0 && c->pcb != NULL; n -= MIN(n, UINT16_MAX))
		tcp_recved(c->pcb, (u16_t)MIN(n, UINT16_MAX));
}

/* False when the program is gone. */
static bool write_out(struct conn *c)
{
	while (c->first != NULL) {
		struct iovec iov[IOVS_MAX];
		struct msghdr m = {.msg_iov = iov};
		struct pbuf *p = c->first;
		size_t len = 0;
		ssize_t n;

		for (; p != NULL && m.msg_iovlen < IOVS_MAX; p = p->next) {
			iov[m.msg_iovlen++] = (struct iovec){p->payload, p->len};
			len += p->len;
		}
		n = sendmsg(c->sock.fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0)
			return errno == EAGAIN || errno == EINTR;
		took(c, (size_t)n);
		if ((size_t)n < len)
			break;
	}
	if (c->down_ended && c->first == NULL && !c->down_shut) {
		shutdown(c->sock.fd, SHUT_WR);
		c->down_shut = true;
	}
	return true;
}

/* ---- both ---- */

void pump_opened(struct conn *c)
{
	tcp_recv(c->pcb, pump_on_data);
	tcp_sent(c->pcb, pump_on_acked);
}

void pump_watch(struct conn *c, uint32_t events)
{
	if (events == c->watched)
		return;
	/* It cannot fail for a descriptor that is being watched. */
	if (loop_change(c->server->params.loop, &c->sock, events) == 0)
		c->watched = events;
}

void pump_abort(struct conn *c)
{
	struct tcp_pcb *pcb = c->pcb;

	c->pcb = NULL;
	if (pcb == NULL)
		return;
	tcp_arg(pcb, NULL);
	tcp_err(pcb, NULL);
	tcp_abort(pcb);
}

/* The program shall see that the connection broke, not that it ended. */
static bool broke(struct conn *c)
{
	const struct linger at_once = {.l_onoff = 1};

	setsockopt(c->sock.fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	pump_abort(c);
	return false;
}

bool pump_settle(struct conn *c)
{
	bool is_alive = write_out(c);

	/* A program that hung up is not listening any more, unless it only waits for our last
	 * word. */
	if (!is_alive || c->is_reset || (c->is_hung_up && !c->down_shut))
		return broke(c);
	if (c->is_hung_up)
		pump_read(c);
	give(c);
	if (c->up_shut && c->down_shut && c->acked == c->read) {
		tcp_arg(c->pcb, NULL);
		tcp_recv(c->pcb, NULL);
		tcp_sent(c->pcb, NULL);
		tcp_err(c->pcb, NULL);
		tcp_close(c->pcb);
		c->pcb = NULL;
		return false;
	}
	if (!c->is_hung_up)
		pump_watch(c, (!c->up_ended && ring_room(c) > 0 ? EPOLLIN : 0u) |
				  (c->first != NULL ? EPOLLOUT : 0u));
	return true;
}
