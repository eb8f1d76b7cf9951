/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which flow a packet belongs to, as the client's programs see it. */
#ifndef CORE_FLOW_H
#define CORE_FLOW_H

#include "util/dgram.h"

/* Zeroed where unused, so that equal flows have equal bytes. */
struct flow_key {
	uint8_t version; /* 4 or 6 */
	uint8_t proto;   /* 0: known by its addresses alone (fragments, unknown headers) */
	uint16_t local_port, remote_port; /* of TCP, UDP and their like; an echo's id is both */
	uint8_t local[16], remote[16];    /* IPv4: the first 4 bytes */
};

/* Which flows must share a path. */
enum flow_isolation {
	ISOLATE_OFF,         /* none: each for itself */
	ISOLATE_DESTINATION, /* those to one address; the default */
	ISOLATE_APP,         /* those for which engine_params.flow_group says the same */
};

enum flow_side {
	FLOW_UP,   /* the client's address is the source */
	FLOW_DOWN, /* ... the destination */
};

/* flow_parse(p, side, out): false when p is too short to be an IP packet.  Looks at p->head only.
 */
bool flow_parse(const struct packet *p, enum flow_side side, struct flow_key *out);

/* flow_is_urgent(p, k): by its first packet: marked for low delay (RFC 4594), an echo, a shell or
 * remote screen, or a short datagram that is not QUIC's. */
bool flow_is_urgent(const struct packet *p, const struct flow_key *k);

#endif
