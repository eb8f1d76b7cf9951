/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Receiving: one area of memory, cut into large buffers when the kernel joins datagrams (GRO) or
 * into small ones when it does not.  With GRO we ask for few messages when the last ones were long
 * and for many when they were single datagrams, so that a batch has about the same size either way.
 */
#include <errno.h>

#include "io/udp_priv.h"
#include "util/xalloc.h"

enum {
	GRO_LEN = 64 << 10,
	GRO_STRIDE = GRO_LEN + 1536, /* buffers 64 KiB apart would share their cache sets */
	GRO_MESSAGES_MIN = 4,
	GRO_MESSAGES_MAX = 32,
	GRO_SEGMENTS_MAX = 128, /* what the kernel joins at most */
	PLAIN_LEN = 2 << 10,
	PLAIN_MESSAGES = 128,
	DGRAMS_AIM = 192,
	DGRAMS_MAX = GRO_MESSAGES_MAX * GRO_SEGMENTS_MAX,
	MESSAGES_MAX = PLAIN_MESSAGES,
	ECN_MASK = 3,
	ECN_CE = 3,
};

struct control {
	_Alignas(struct cmsghdr) uint8_t bytes[3 * CMSG_SPACE(sizeof(int))];
};

struct udp_rx {
	unsigned message_count; /* to ask for */
	struct mmsghdr messages[MESSAGES_MAX];
	struct iovec iovs[MESSAGES_MAX];
	union udp_name names[MESSAGES_MAX];
	struct control controls[MESSAGES_MAX];
	struct endpoint froms[MESSAGES_MAX];
	struct rx_dgram dgrams[DGRAMS_MAX];
	uint8_t *area;
};

static void reset(struct udp_rx *rx, unsigned i)
{
	rx->messages[i].msg_hdr.msg_namelen = sizeof(rx->names[i]);
	rx->messages[i].msg_hdr.msg_controllen = sizeof(rx->controls[i]);
}

struct udp_rx *udp_rx_create(bool gro)
{
	const unsigned count = gro ? GRO_MESSAGES_MAX : PLAIN_MESSAGES;
	const size_t len = gro ? GRO_LEN : PLAIN_LEN, stride = gro ? GRO_STRIDE : PLAIN_LEN;
	struct udp_rx *rx = xcalloc(1, sizeof(*rx));

	rx->area = xcalloc(count, stride);
	rx->message_count = count;
	for (unsigned i = 0; i < count; i++) {
		struct msghdr *h = &rx->messages[i].msg_hdr;

		rx->iovs[i] = (struct iovec){rx->area + i * stride, len};
		h->msg_name = &rx->names[i];
		h->msg_iov = &rx->iovs[i];
		h->msg_iovlen = 1;
		h->msg_control = &rx->controls[i];
		reset(rx, i);
	}
	return rx;
}

void udp_rx_free(struct udp_rx *rx)
{
	free(rx->area);
	free(rx);
}

/* The size of the joined datagrams (0: it is one) and the ECN field. */
static void read_control(struct msghdr *h, unsigned *segment, unsigned *ecn)
{
	*segment = *ecn = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c != NULL; c = CMSG_NXTHDR(h, c)) {
		const uint8_t *value = CMSG_DATA(c);

		if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO)
			*segment = get_le32(value);
		else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TOS)
			*ecn = *value & ECN_MASK;
		else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_TCLASS)
			*ecn = get_le32(value) & ECN_MASK;
	}
}

/* Cuts message i into datagrams at out; returns how many. */
static unsigned split(struct udp_rx *rx, unsigned i, struct rx_dgram *out)
{
	uint8_t *data = rx->iovs[i].iov_base;
	unsigned left = rx->messages[i].msg_len, segment, ecn, n = 0;

	read_control(&rx->messages[i].msg_hdr, &segment, &ecn);
	udp_name_get(&rx->names[i], &rx->froms[i]);
	if (segment == 0 || segment > left)
		segment = left;
	do {
		const unsigned len = MIN(segment, left);

		out[n++] = (struct rx_dgram){
		    .data = data, .len = (uint16_t)len, .ce = ecn == ECN_CE, .from = &rx->froms[i]};
		data += len;
		left -= len;
	} while (left > 0 && n < GRO_SEGMENTS_MAX);
	return n;
}

int udp_recv(struct udp *u, struct rx_dgram **dgrams)
{
	struct udp_rx *rx = u->rx;
	unsigned n = 0;
	int got;

	do
		got = recvmmsg(u->fd, rx->messages, rx->message_count, 0, NULL);
	while (got < 0 && errno == EINTR);
	u->is_drained = got < (int)rx->message_count;
	if (got < 0)
		return errno == EAGAIN ? 0 : -errno;
	for (unsigned i = 0; i < (unsigned)got; i++) {
		if ((rx->messages[i].msg_hdr.msg_flags & MSG_TRUNC) == 0)
			n += split(rx, i, rx->dgrams + n);
		else
			u->stats.rx_truncated++;
		reset(rx, i);
	}
	if (u->gro && n > 0)
		rx->message_count =
		    MAX(GRO_MESSAGES_MIN, MIN(DGRAMS_AIM * (unsigned)got / n, GRO_MESSAGES_MAX));
	*dgrams = rx->dgrams;
	return (int)n;
}
