/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Sending: batches become messages, of many segments (GSO) or of one datagram each, and as many
 * messages as are there go out in one sendmmsg.  That call hides the error of all but its first
 * message, so after a short count we just call again and the error belongs to the first.
 */
#include <errno.h>

#include "io/udp_priv.h"
#include "util/xalloc.h"

enum {
	MESSAGES_MAX = 64,
	GSO_SEGMENTS_MAX = 64,
	GSO_LEN_MAX = 65487, /* 65535 less the headers of IPv6 and UDP */
};

struct control {
	_Alignas(struct cmsghdr) uint8_t bytes[CMSG_SPACE(sizeof(uint16_t))];
};

/* Where we are in a list of batches: before datagram `first` of a batch. */
struct position {
	struct tx_batch *batch;
	uint16_t first;
};

struct udp_tx {
	struct mmsghdr messages[MESSAGES_MAX];
	struct iovec iovs[MESSAGES_MAX];
	union udp_name names[MESSAGES_MAX];
	struct control controls[MESSAGES_MAX];
	struct position starts[MESSAGES_MAX];
};

struct udp_tx *udp_tx_create(void)
{
	struct udp_tx *tx = xcalloc(1, sizeof(*tx));

	for (unsigned i = 0; i < MESSAGES_MAX; i++) {
		struct msghdr *h = &tx->messages[i].msg_hdr;
		struct cmsghdr *c = (struct cmsghdr *)(void *)tx->controls[i].bytes;

		c->cmsg_level = IPPROTO_UDP;
		c->cmsg_type = UDP_SEGMENT;
		c->cmsg_len = CMSG_LEN(sizeof(uint16_t));
		h->msg_control = c;
		h->msg_iov = &tx->iovs[i];
		h->msg_iovlen = 1;
	}
	return tx;
}

void udp_tx_free(struct udp_tx *tx)
{
	free(tx);
}

static unsigned datagrams_per_message(const struct udp *u, const struct tx_batch *b)
{
	if (u->gso != UDP_GSO_ON || b->seg_len == 0 || b->seg_len > GSO_LEN_MAX / 2)
		return 1;
	return (unsigned)MIN(GSO_LEN_MAX / b->seg_len, GSO_SEGMENTS_MAX);
}

/* Makes message i out of the datagrams at *at and steps over them. */
static void put_message(struct udp *u, unsigned i, struct position *at)
{
	struct udp_tx *tx = u->tx;
	struct tx_batch *b = at->batch;
	struct msghdr *h = &tx->messages[i].msg_hdr;
	const unsigned count = MIN(datagrams_per_message(u, b), (unsigned)(b->count - at->first));

	tx->starts[i] = *at;
	tx->iovs[i] =
	    (struct iovec){b->data + (size_t)at->first * b->seg_len, (size_t)count * b->seg_len};
	h->msg_controllen = 0;
	if (count > 1) {
		h->msg_controllen = sizeof(tx->controls[i].bytes);
		put_le16(CMSG_DATA((struct cmsghdr *)h->msg_control), b->seg_len);
	}
	if (i > 0 && tx->starts[i - 1].batch == b) {
		h->msg_name = tx->messages[i - 1].msg_hdr.msg_name;
		h->msg_namelen = tx->messages[i - 1].msg_hdr.msg_namelen;
	} else {
		h->msg_name = &tx->names[i];
		h->msg_namelen = udp_name_put(&tx->names[i], u->family, &b->to);
	}
	at->first = (uint16_t)(at->first + count);
}

static unsigned put_messages(struct udp *u, struct position *at)
{
	unsigned n = 0;

	while (n < MESSAGES_MAX && at->batch != NULL) {
		if (at->first < at->batch->count)
			put_message(u, n++, at);
		else
			*at = (struct position){at->batch->next, 0};
	}
	return n;
}

/*
 * The datagrams at *at failed with err.  Either *at stays, and they are to be sent again without
 * GSO, or the rest of the batch is dropped and *at is the next one.
 */
static void handle_error(struct udp *u, struct position *at, bool segmented, int err)
{
	const struct tx_batch *b = at->batch;
	uint64_t *counter = &u->stats.tx_failed;

	if (segmented && (err == EIO || err == EINVAL)) {
		u->gso = UDP_GSO_DOUBT;
		return;
	}
	if (u->gso == UDP_GSO_DOUBT)
		u->gso = UDP_GSO_ON; /* it was not GSO: it fails without, too */
	if (err == EMSGSIZE)
		counter = &u->stats.tx_too_big;
	*counter += (uint64_t)(b->count - at->first);
	*at = (struct position){b->next, 0};
}

/* Sends n messages; *at becomes the position of the first that failed.  0 or an errno. */
static int send_messages(struct udp *u, unsigned n, struct position *at, bool *segmented)
{
	struct udp_tx *tx = u->tx;

	for (unsigned i = 0; i < n;) {
		const int sent = sendmmsg(u->fd, tx->messages + i, n - i, 0);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0) {
			*at = tx->starts[i];
			*segmented = tx->messages[i].msg_hdr.msg_controllen > 0;
			return errno;
		}
		i += (unsigned)sent;
		if (u->gso == UDP_GSO_DOUBT)
			u->gso = UDP_GSO_OFF; /* the same datagram went out without it */
	}
	return 0;
}

struct tx_batch *udp_send(struct udp *u, struct tx_batch *list)
{
	struct position at = {list, 0};

	for (;;) {
		const unsigned n = put_messages(u, &at);
		bool segmented;
		int err;

		if (n == 0)
			return NULL;
		err = send_messages(u, n, &at, &segmented);
		if (err == EAGAIN) {
			at.batch->data += (size_t)at.first * at.batch->seg_len;
			at.batch->count = (uint16_t)(at.batch->count - at.first);
			return at.batch;
		}
		if (err != 0)
			handle_error(u, &at, segmented, err);
	}
}

void udp_send_one(struct udp *u, const struct endpoint *to, uint8_t *data, uint16_t len)
{
	struct tx_batch b = {.to = *to, .seg_len = len, .count = 1, .data = data};

	if (udp_send(u, &b) != NULL)
		u->stats.tx_failed++;
}
