/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the events add up to: for each slot, which event last said what.  A member is put together
 * from these when it is asked for; the log has it all, and a large mesh has many.
 */
#ifndef REGISTRY_MEMBERS_H
#define REGISTRY_MEMBERS_H

#include "registry/log.h"
#include "registry/registry.h"

struct slot;

struct members {
	const struct event_log *log; /* borrowed */
	struct slot *slots;
	uint32_t slot_count, slot_room, active;
	uint32_t *by_key; /* a hash table: slot + 1, or 0 */
	uint32_t key_bits, key_used;
	uint64_t multiplier;
};

void members_init(struct members *m, const struct event_log *log, const struct rng *rng);
void members_fini(struct members *m);

/* members_take(m, ev, number): the log's event of that number.  REGISTRY_OK, or what forbids it,
 * which then changed nothing. */
MUST_USE enum registry_result members_take(struct members *m, const struct registry_event *ev,
					   uint32_t number);

/* members_get(m, slot, out): a slot that was given out.  members_is_active(m, slot). */
void members_get(const struct members *m, uint32_t slot, struct registry_member *out);
bool members_is_active(const struct members *m, uint32_t slot);

/* members_find(m, key, slot): the active member with this key. */
bool members_find(const struct members *m, const uint8_t key[static REGISTRY_KEY_LEN],
		  uint32_t *slot);

#endif
