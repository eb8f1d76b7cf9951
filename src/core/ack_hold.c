/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/ack_hold.h"

enum {
	HEAD_LEN = FRAME_HEAD_LEN, /* of an entry here, so that entries take what frames will */
	V4_LEN = 20,
	V6_LEN = 40,
	TCP_LEN = 20,
	TCP_LEN_MAX = 60,
	PROTO_TCP = 6,
	TCP_FLAGS = 0x3f,
	TCP_ACK = 0x10,
	PACKET_MAX = V6_LEN + TCP_LEN_MAX,
};

/* The length of the IP header in front of TCP; 0: it is something else. */
static size_t ip_len(const struct packet *p)
{
	const uint8_t *h = p->head;

	if (p->head_len >= V4_LEN + TCP_LEN && h[0] == 0x45 && h[9] == PROTO_TCP &&
	    (get_be16(h + 6) & 0x3fff) == 0)
		return V4_LEN;
	if (p->head_len >= V6_LEN + TCP_LEN && h[0] >> 4 == 6 && h[6] == PROTO_TCP)
		return V6_LEN;
	return 0;
}

/* Nothing but an acknowledgement: no data, and neither begin nor end nor urgency. */
static bool is_ack(const struct packet *p)
{
	const size_t ip = ip_len(p);
	const uint8_t *tcp = p->head + ip;

	return ip != 0 && p->body_len == 0 && p->head_len == ip + (size_t)(tcp[12] >> 4) * 4 &&
	       (tcp[13] & TCP_FLAGS) == TCP_ACK;
}

static bool has_room(const struct ack_hold *h)
{
	return h->used + HEAD_LEN + PACKET_MAX <= ACK_HOLD_LEN;
}

bool ack_hold_take(struct ack_hold *h, const struct packet *p, uint64_t sent_ns,
		   const struct now *now)
{
	uint8_t *at = h->bytes + h->used;

	if (now->mono_ns - sent_ns >= ACK_HOLD_NS || !has_room(h) || !is_ack(p))
		return false;
	if (h->used == 0)
		h->due_ns = sent_ns + ACK_HOLD_NS;
	at[0] = (uint8_t)p->head_len;
	at[1] = p->flags;
	memcpy(at + HEAD_LEN, p->head, p->head_len);
	h->used = (uint16_t)(h->used + HEAD_LEN + p->head_len);
	if (!has_room(h))
		h->due_ns = now->mono_ns;
	return true;
}

bool ack_hold_next(struct ack_hold *h, size_t *at, struct packet *out)
{
	const uint8_t *entry = h->bytes + *at;

	if (*at >= h->used) {
		h->used = 0;
		return false;
	}
	*out = (struct packet){.head = entry + HEAD_LEN, .head_len = entry[0], .flags = entry[1]};
	*at += HEAD_LEN + entry[0];
	return true;
}
