/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A node's answers to SEE and DIAL (mesh/reach_msg.h).  A call to the asker goes from a socket and
 * under a link key that nobody has heard of, so that what answers would answer any client.
 *
 * It cannot be turned on others: only the IP from which the asker has just shown to receive is
 * called, one datagram for each DIAL (a second only if a cookie asks for it), which is no longer
 * than the DIAL was; and what it tells is whether the owner of the key answered, nothing of what
 * else may be there.
 */
#ifndef MESH_REACH_H
#define MESH_REACH_H

#include "link/link.h"
#include "mesh/reach_msg.h"

struct reach;

/* reach_create(rng): rng is borrowed. */
struct reach *reach_create(const struct rng *rng);
void reach_free(struct reach *r);

/* reach_take(r, link, from, body, now): a LINKCTL body with a first byte of 12..15 from a
 * neighbour that we see at from. */
enum drop reach_take(struct reach *r, uint32_t link, const struct endpoint *from,
		     const uint8_t body[static CELL_BODY_LEN], const struct now *now);

/* reach_next_out(r, link, body): the next answer to send, until false. */
bool reach_next_out(struct reach *r, uint32_t *link, uint8_t body[static CELL_BODY_LEN]);

/* The socket that it calls from: what to send, until false; what came. */
bool reach_next_datagram(struct reach *r, struct link_out *out);
void reach_recv(struct reach *r, const uint8_t *data, size_t len, const struct endpoint *from,
		const struct now *now);

/* reach_is_idle(r): no call is under way.  The next one should then go from a fresh port: firewalls
 * on the way still let answers to the last ones in. */
bool reach_is_idle(const struct reach *r);

void reach_tick(struct reach *r, const struct now *now);
uint64_t reach_deadline(const struct reach *r);

#endif
