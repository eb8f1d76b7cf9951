/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the events add up to: a table of slots, and a map of the keys of active members. */
#ifndef REGISTRY_MEMBERS_H
#define REGISTRY_MEMBERS_H

#include "registry/registry.h"
#include "util/map.h"

struct members {
	struct registry_member *slots;
	uint32_t slot_count, slot_room;
	struct map by_key; /* the key's first 8 bytes -> slot + 1 */
};

void members_init(struct members *m, const struct rng *rng);
void members_fini(struct members *m);

/* members_take(m, ev, number): REGISTRY_OK, or what forbids this event, which then changed nothing.
 */
MUST_USE enum registry_result members_take(struct members *m, const struct registry_event *ev,
					   uint64_t number);

const struct registry_member *members_by_key(const struct members *m,
					     const uint8_t key[static REGISTRY_KEY_LEN]);

#endif
