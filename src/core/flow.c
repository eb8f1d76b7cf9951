/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/flow.h"

enum {
	PROTO_ICMP = 1,
	PROTO_TCP = 6,
	PROTO_UDP = 17,
	PROTO_DCCP = 33,
	PROTO_ICMP6 = 58,
	PROTO_SCTP = 132,
	PROTO_UDPLITE = 136,
	V4_FRAGMENT = 0x3fff, /* more fragments, and the offset */
};

static bool has_ports(uint8_t proto)
{
	return proto == PROTO_TCP || proto == PROTO_UDP || proto == PROTO_SCTP ||
	       proto == PROTO_UDPLITE || proto == PROTO_DCCP;
}

/* Echo requests and answers; errors are about another flow and known by their addresses. */
static bool is_echo(uint8_t proto, uint8_t type)
{
	return (proto == PROTO_ICMP && (type == 8 || type == 0)) ||
	       (proto == PROTO_ICMP6 && (type == 128 || type == 129));
}

static void parse_l4(const struct packet *p, size_t off, uint8_t proto, enum flow_side side,
		     struct flow_key *k)
{
	const uint8_t *l4 = p->head + off;

	if (has_ports(proto) && p->head_len >= off + 4) {
		k->proto = proto;
		k->local_port = get_be16(l4 + (side == FLOW_UP ? 0 : 2));
		k->remote_port = get_be16(l4 + (side == FLOW_UP ? 2 : 0));
	} else if (p->head_len >= off + 8 && is_echo(proto, l4[0])) {
		k->proto = proto;
		k->local_port = k->remote_port = get_be16(l4 + 4);
	}
}

static void take_addrs(const uint8_t *src, size_t len, enum flow_side side, struct flow_key *k)
{
	memcpy(k->local, side == FLOW_UP ? src : src + len, len);
	memcpy(k->remote, side == FLOW_UP ? src + len : src, len);
}

bool flow_parse(const struct packet *p, enum flow_side side, struct flow_key *out)
{
	const uint8_t *h = p->head;
	struct flow_key k = {.version = p->head_len > 0 ? h[0] >> 4 : 0};

	if (k.version == 4 && p->head_len >= 20) {
		take_addrs(h + 12, 4, side, &k);
		/* A fragment's ports may be in another packet, so none of them has any. */
		if ((get_be16(h + 6) & V4_FRAGMENT) == 0)
			parse_l4(p, (size_t)(h[0] & 15) * 4, h[9], side, &k);
	} else if (k.version == 6 && p->head_len >= 40) {
		take_addrs(h + 8, 16, side, &k);
		/* Behind extension headers, fragments included, nothing is looked for. */
		parse_l4(p, 40, h[6], side, &k);
	} else {
		return false;
	}
	*out = k;
	return true;
}

/* The differentiated services code point. */
static unsigned code_point(const struct packet *p)
{
	const uint8_t *h = p->head;

	return h[0] >> 4 == 4 ? h[1] >> 2 : (unsigned)((h[0] & 15) << 4 | h[1] >> 4) >> 2;
}

static bool is_marked(const struct packet *p)
{
	/* AF21, which shells use; AF4x, CS5, VOICE-ADMIT and EF: conferences and calls. */
	static const uint8_t urgent[] = {18, 34, 36, 38, 40, 44, 46};

	for (size_t i = 0; i < ARRAY_LEN(urgent); i++)
		if (code_point(p) == urgent[i])
			return true;
	return false;
}

static bool is_interactive_port(uint16_t port)
{
	return port == 22 || port == 23 || port == 3389 || port == 5900;
}

bool flow_is_urgent(const struct packet *p, const struct flow_key *k)
{
	enum {
		SHORT = 512
	};

	if (is_marked(p))
		return true;
	if (k->proto == PROTO_TCP)
		return is_interactive_port(k->remote_port);
	if (k->proto == PROTO_UDP)
		return k->remote_port != 443 && (size_t)p->head_len + p->body_len <= SHORT;
	return k->proto == PROTO_ICMP || k->proto == PROTO_ICMP6;
}
