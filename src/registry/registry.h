/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Who is a member of the mesh: slots, each with a node's key, in the order they were given out and
 * never given out again; made from a log of events that anybody may serve and nobody can change,
 * because a head, 32 bytes of hash over all events, is vouched for.  By whom is the back-end's
 * business (backend.h).
 *
 *   a mirror's bytes -> registry_judge -> its events -> registry_apply -> members
 *
 * In memory, without I/O; store.h keeps it in a file.  An open mesh has no registry.
 */
#ifndef REGISTRY_REGISTRY_H
#define REGISTRY_REGISTRY_H

#include "registry/backend.h"
#include "util/list.h"
#include "util/rng.h"

#define REGISTRY_SKEW_S     120 /* a head may be this far ahead of our clock */
#define REGISTRY_EVENTS_MAX (1u << 24)

struct registry;

enum registry_status {
	REGISTRY_ACTIVE,
	REGISTRY_REMOVED,
};

struct registry_member {
	uint32_t slot;
	enum registry_status status;
	uint64_t added_s, changed_s;
	uint64_t key_event; /* number of the event that gave it its present key */
	struct registry_record record;
};

/* registry_create(backend, rng): empty; the back-end is copied. */
struct registry *registry_create(const struct registry_backend *backend, const struct rng *rng);
void registry_free(struct registry *reg);

/* ---- questions ---- */

/* registry_head(reg): the head we are at; no events and time 0 before the first one. */
const struct registry_head *registry_head(const struct registry *reg);
const struct registry_backend *registry_backend(const struct registry *reg);

/* registry_is_old(reg, max_age_s, wall_s): nobody has vouched for our head for max_age_s (0: any
 * age will do). */
bool registry_is_old(const struct registry *reg, uint64_t max_age_s, uint64_t wall_s);

/*
 * Who is told after each change of members or head, registry_apply's last act: first is the number
 * of the first new event (registry_head(reg)->events: none, the head was only vouched for anew).
 */
struct registry_subscriber {
	void (*changed)(struct registry_subscriber *s, const struct registry *reg, uint64_t first);
	struct list in_registry;
};
void registry_subscribe(struct registry *reg, struct registry_subscriber *s);
void registry_unsubscribe(struct registry_subscriber *s);

uint32_t registry_slots(const struct registry *reg);   /* given out so far: 0 .. n-1 */
uint32_t registry_members(const struct registry *reg); /* active ones */

/* By slot: also a removed one; false when it was never given out.  By key: active ones only. */
bool registry_by_slot(const struct registry *reg, uint32_t slot, struct registry_member *out);
bool registry_by_key(const struct registry *reg, const uint8_t key[static REGISTRY_KEY_LEN],
		     struct registry_member *out);

/* registry_next(reg, &slot, out): the first active member from slot *slot on, and *slot behind it;
 * false at the end.  Begin with 0. */
bool registry_next(const struct registry *reg, uint32_t *slot, struct registry_member *out);

/* ---- from and to mirrors ---- */

/* registry_head_bytes(reg, len): our head as it came, at most REGISTRY_HEAD_MAX bytes; NULL before
 * the first. */
const uint8_t *registry_head_bytes(const struct registry *reg, size_t *len);

/*
 * registry_events(reg, first, max_len, count, len): the log's bytes from event first on, whole
 * events, as many as fit; NULL and zeros when there are none.
 */
const uint8_t *registry_events(const struct registry *reg, uint64_t first, size_t max_len,
			       uint64_t *count, size_t *len);

/* registry_event_bytes(reg, event, len): one event, which there is. */
const uint8_t *registry_event_bytes(const struct registry *reg, uint64_t event, size_t *len);

/*
 * registry_judge(reg, bytes, len, wall_s, head): a mirror's head.  REGISTRY_OK: vouched for and
 * newer than ours, *head is filled: ask for the events from registry_head(reg)->events on.  Else
 * REGISTRY_KNOWN, _STALE, _FUTURE, _FORK, _TOO_MANY, or what the back-end says.
 */
MUST_USE enum registry_result registry_judge(const struct registry *reg, const uint8_t *bytes,
					     size_t len, uint64_t wall_s,
					     struct registry_head *head);

/* Everything between our head and a newer one. */
struct registry_update {
	const uint8_t *head;
	size_t head_len;
	const uint8_t *events; /* all from event first to the head */
	size_t events_len;
	uint64_t first; /* must be how many we have */
};

/*
 * registry_apply(reg, update, wall_s): takes all of the update (REGISTRY_OK) or, on any other
 * result, nothing.  *event (may be NULL): the number of the event that is wrong, for _TRUNCATED,
 * _MALFORMED, _VERSION and what is wrong with slots, keys and times.
 */
MUST_USE enum registry_result registry_apply(struct registry *reg,
					     const struct registry_update *update, uint64_t wall_s,
					     uint64_t *event);

#endif
