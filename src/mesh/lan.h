/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Members of a mesh with a registrar find each other on a local network: who looks asks all by
 * multicast, and nodes answer to him alone.  Question and answer have one length:
 *
 *   nonce 24 | sealed with XChaCha20-Poly1305: kind u8 (1 question, 2 answer) | zero 1 | port u16 |
 *   id of the question 8 | node's ID 32 | link key 32 | zero 20 | tag 16
 *
 * under SHA-256("macromesh/1 lan" | registrar's key), so that others on the network see neither
 * which mesh this is nor whose node.  A question has zeros for port, ID and link key.  The answer's
 * sender and port are where the node can be called; whether it is a member the handshake shows.
 */
#ifndef MESH_LAN_H
#define MESH_LAN_H

#include "mesh/seed.h"
#include "registry/event.h"
#include "util/bucket.h"
#include "util/now.h"
#include "util/rng.h"

#define LAN_LEN   136
#define LAN_GROUP "239.255.109.109" /* of the organisation's own, RFC 2365 */
#define LAN_PORT  4609

struct lan {
	uint8_t key[HASH_LEN];
	const struct rng *rng; /* borrowed */
	bool is_node;
	struct seed own; /* of a node: what it answers; of addr only the port */
	uint8_t question[8];
	uint64_t ask_ns, gap_ns;
	struct bucket answers;
};

/* lan_init(lan, registrar, own, rng): own is NULL for a client. */
void lan_init(struct lan *lan, const uint8_t registrar[static REGISTRY_KEY_LEN],
	      const struct seed *own, const struct rng *rng);

/* lan_ask(lan, out, now): when a question is due, it: for every network.  lan_hurry: the network
 * has changed, or there is a new wish to find somebody. */
bool lan_ask(struct lan *lan, uint8_t out[static LAN_LEN], const struct now *now);
void lan_hurry(struct lan *lan, const struct now *now);
uint64_t lan_deadline(const struct lan *lan);

/* lan_answer(lan, msg, len, out, now): to a question that came by multicast, an answer to send back
 * to its sender; false: none. */
bool lan_answer(struct lan *lan, const uint8_t *msg, size_t len, uint8_t out[static LAN_LEN],
		const struct now *now);

/* lan_found(lan, msg, len, from, out): an answer to our last question tells of a node. */
bool lan_found(struct lan *lan, const uint8_t *msg, size_t len, const struct endpoint *from,
	       struct seed *out);

#endif
