/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Groups: several sessions of a client, each at an exit of its own, behind one pair of inner
 * addresses, which stays as it is whatever becomes of the sessions.  Each destination address has a
 * slot, and each slot a session; packets get the session's address in place of the group's on their
 * way out, and the group's again on their way in (core/readdress.h).  A session outside of groups
 * costs nothing of all this.  Part of the door, as core/engine.h.
 */
#ifndef CORE_GROUP_H
#define CORE_GROUP_H

#include "core/engine.h"

#define GROUP_SLOTS   8
#define GROUP_IDLE_NS (300 * NS_PER_S) /* a destination that was silent so long is a new one */

struct group_params {
	uint8_t v4[4], v6[16]; /* the group's addresses; zero: none of that family */
	/* choose(ctx, remote): the slot of a new destination (16 bytes), below GROUP_SLOTS.  In the
	 * middle of packets: it must not call the engine. */
	unsigned (*choose)(void *ctx, const uint8_t remote[static 16]);
	void *ctx;
};

/* engine_group_create: its id, never 0. */
uint32_t engine_group_create(struct engine *e, const struct group_params *params);
void engine_group_free(struct engine *e, uint32_t group);

/*
 * engine_group_serve(e, group, slot, session, now): the session, an open one, serves the slot from
 * now on; 0: none does, and some packets wait for the next one.  A session that is closed leaves
 * its slot.
 */
void engine_group_serve(struct engine *e, uint32_t group, unsigned slot, uint32_t session,
			const struct now *now);

/* engine_group_leave(e, group, slot, now): its destinations are new ones again, and so are those of
 * packets that wait. */
void engine_group_leave(struct engine *e, uint32_t group, unsigned slot, const struct now *now);

/* engine_group_first(e, group, slot): where DNS goes, and what the slot's session has no address
 * for. */
void engine_group_first(struct engine *e, uint32_t group, unsigned slot);

struct group_slot_stats {
	uint32_t destinations; /* not silent for long */
	uint64_t used_ns;      /* when it last carried a packet out; 0: never */
};
struct group_slot_stats engine_group_stats(const struct engine *e, uint32_t group, unsigned slot,
					   const struct now *now);

#endif
