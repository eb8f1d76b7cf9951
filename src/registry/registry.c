/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The log with its head, and the members it adds up to.  The head is checked first and then the
 * hash over all new events: what is wrong after that was signed so, and is undone by replaying the
 * log as it stood.
 */
#include "registry/registry.h"

#include <sodium.h>

#include "registry/members.h"
#include "util/xalloc.h"

struct registry {
	struct registry_backend backend;
	const struct rng *rng;
	struct members members;
	struct registry_head head;
	uint8_t head_bytes[REGISTRY_HEAD_MAX];
	size_t head_len; /* 0: none yet */
	uint8_t *log;
	size_t log_len, log_room;
	size_t *offset; /* where each event begins in the log */
	uint64_t offset_room;
	uint64_t last_time_s; /* of the last event */
	struct list subscribers;
};

struct registry *registry_create(const struct registry_backend *backend, const struct rng *rng)
{
	struct registry *reg = xcalloc(1, sizeof(*reg));

	reg->backend = *backend;
	reg->rng = rng;
	registry_head_start(&reg->head, backend->mesh);
	list_init(&reg->subscribers);
	members_init(&reg->members, rng);
	return reg;
}

void registry_free(struct registry *reg)
{
	if (reg == NULL)
		return;
	members_fini(&reg->members);
	free(reg->log);
	free(reg->offset);
	free(reg);
}

/* ---- questions ---- */

const struct registry_head *registry_head(const struct registry *reg)
{
	return &reg->head;
}

const struct registry_backend *registry_backend(const struct registry *reg)
{
	return &reg->backend;
}

bool registry_is_old(const struct registry *reg, uint64_t max_age_s, uint64_t wall_s)
{
	return max_age_s != 0 && wall_s > reg->head.time_s && wall_s - reg->head.time_s > max_age_s;
}

void registry_subscribe(struct registry *reg, struct registry_subscriber *s)
{
	list_add_tail(&reg->subscribers, &s->in_registry);
}

void registry_unsubscribe(struct registry_subscriber *s)
{
	list_del(&s->in_registry);
}

uint32_t registry_slots(const struct registry *reg)
{
	return reg->members.slot_count;
}

uint32_t registry_members(const struct registry *reg)
{
	return (uint32_t)reg->members.by_key.count;
}

const struct registry_member *registry_by_slot(const struct registry *reg, uint32_t slot)
{
	return slot < reg->members.slot_count ? &reg->members.slots[slot] : NULL;
}

const struct registry_member *registry_by_key(const struct registry *reg,
					      const uint8_t key[static REGISTRY_KEY_LEN])
{
	return members_by_key(&reg->members, key);
}

const struct registry_member *registry_next(const struct registry *reg, uint32_t *slot)
{
	while (*slot < reg->members.slot_count) {
		const struct registry_member *m = &reg->members.slots[(*slot)++];

		if (m->status == REGISTRY_ACTIVE)
			return m;
	}
	return NULL;
}

/* ---- to mirrors ---- */

const uint8_t *registry_head_bytes(const struct registry *reg, size_t *len)
{
	*len = reg->head_len;
	return reg->head_len > 0 ? reg->head_bytes : NULL;
}

static size_t event_end(const struct registry *reg, uint64_t event)
{
	return event + 1 < reg->head.events ? reg->offset[event + 1] : reg->log_len;
}

const uint8_t *registry_event_bytes(const struct registry *reg, uint64_t event, size_t *len)
{
	*len = event_end(reg, event) - reg->offset[event];
	return reg->log + reg->offset[event];
}

const uint8_t *registry_events(const struct registry *reg, uint64_t first, size_t max_len,
			       uint64_t *count, size_t *len)
{
	uint64_t end = first;

	*count = 0;
	*len = 0;
	if (first >= reg->head.events)
		return NULL;
	while (end < reg->head.events && event_end(reg, end) - reg->offset[first] <= max_len)
		end++;
	if (end == first)
		return NULL;
	*count = end - first;
	*len = event_end(reg, end - 1) - reg->offset[first];
	return reg->log + reg->offset[first];
}

/* ---- from mirrors ---- */

static enum registry_result compare(const struct registry *reg, const struct registry_head *head)
{
	if (head->events > reg->head.events)
		return REGISTRY_OK;
	if (head->events < reg->head.events)
		return REGISTRY_STALE;
	/* Both hashes are public. */
	if (memcmp(head->hash, reg->head.hash, HASH_LEN) != 0)
		return REGISTRY_FORK;
	return head->time_s > reg->head.time_s ? REGISTRY_OK : REGISTRY_KNOWN;
}

enum registry_result registry_judge(const struct registry *reg, const uint8_t *bytes, size_t len,
				    uint64_t wall_s, struct registry_head *head)
{
	struct registry_head out;
	enum registry_result r;

	if (len == 0 || len > REGISTRY_HEAD_MAX)
		return REGISTRY_MALFORMED;
	if (len == reg->head_len && memcmp(bytes, reg->head_bytes, len) == 0)
		return REGISTRY_KNOWN; /* the usual answer, without the cost of a signature */
	r = reg->backend.open_head(&reg->backend, bytes, len, &out);
	if (r != REGISTRY_OK)
		return r;
	if (out.time_s > wall_s + REGISTRY_SKEW_S)
		return REGISTRY_FUTURE;
	if (out.events > REGISTRY_EVENTS_MAX)
		return REGISTRY_TOO_MANY;
	r = compare(reg, &out);
	if (r == REGISTRY_OK)
		*head = out;
	return r;
}

/* Are these the events that the head speaks of?  *event: how many were read. */
static enum registry_result check_chain(const struct registry *reg, const struct registry_update *u,
					const struct registry_head *head, uint64_t *event)
{
	struct reader in = rd_init(u->events, u->events_len);
	uint8_t hash[HASH_LEN];

	memcpy(hash, reg->head.hash, sizeof(hash));
	for (*event = u->first; *event < head->events; ++*event) {
		const uint8_t *begin = in.p;
		struct registry_event ev;
		const enum registry_result r = registry_event_decode(&ev, &in);

		if (r != REGISTRY_OK)
			return r;
		registry_hash_add(hash, begin, (size_t)(in.p - begin));
	}
	if (in.left != 0)
		return REGISTRY_MALFORMED;
	return memcmp(hash, head->hash, HASH_LEN) == 0 ? REGISTRY_OK : REGISTRY_BROKEN_CHAIN;
}

/* The members as of the first count events of log, from the state at event first. */
static enum registry_result replay(struct registry *reg, struct reader in, uint64_t first,
				   uint64_t count, uint64_t *event)
{
	for (*event = first; *event < count; ++*event) {
		struct registry_event ev;
		enum registry_result r = registry_event_decode(&ev, &in);

		if (r == REGISTRY_OK && ev.time_s < reg->last_time_s)
			r = REGISTRY_TIME;
		if (r == REGISTRY_OK)
			r = members_take(&reg->members, &ev, *event);
		if (r != REGISTRY_OK)
			return r;
		reg->last_time_s = ev.time_s;
	}
	return REGISTRY_OK;
}

static void restore_members(struct registry *reg)
{
	uint64_t event;

	members_fini(&reg->members);
	members_init(&reg->members, reg->rng);
	reg->last_time_s = 0;
	if (replay(reg, rd_init(reg->log, reg->log_len), 0, reg->head.events, &event) !=
	    REGISTRY_OK)
		abort(); /* it was good before */
}

static void append_log(struct registry *reg, const struct registry_update *u, uint64_t count)
{
	struct reader in = rd_init(u->events, u->events_len);
	struct registry_event ev;

	if (count > reg->offset_room) {
		reg->offset_room = MAX(count, 2 * reg->offset_room);
		reg->offset = xrealloc(reg->offset, reg->offset_room, sizeof(*reg->offset));
	}
	for (uint64_t i = u->first; i < count; i++) {
		reg->offset[i] = reg->log_len + u->events_len - in.left;
		if (registry_event_decode(&ev, &in) != REGISTRY_OK)
			abort(); /* checked before */
	}
	if (reg->log_len + u->events_len > reg->log_room) {
		reg->log_room = MAX(reg->log_len + u->events_len, 2 * reg->log_room);
		reg->log = xrealloc(reg->log, reg->log_room, 1);
	}
	if (u->events_len > 0)
		memcpy(reg->log + reg->log_len, u->events, u->events_len);
	reg->log_len += u->events_len;
}

enum registry_result registry_apply(struct registry *reg, const struct registry_update *u,
				    uint64_t wall_s, uint64_t *event)
{
	struct registry_head head;
	uint64_t at = u->first;
	enum registry_result r = registry_judge(reg, u->head, u->head_len, wall_s, &head);

	if (r == REGISTRY_OK && u->first != reg->head.events)
		r = REGISTRY_GAP;
	if (r == REGISTRY_OK)
		r = check_chain(reg, u, &head, &at);
	if (r == REGISTRY_OK) {
		r = replay(reg, rd_init(u->events, u->events_len), u->first, head.events, &at);
		if (r == REGISTRY_OK && reg->last_time_s > head.time_s)
			r = REGISTRY_TIME;
		if (r != REGISTRY_OK)
			restore_members(reg);
	}
	if (event != NULL)
		*event = at;
	if (r != REGISTRY_OK)
		return r;
	append_log(reg, u, head.events);
	reg->head = head;
	memcpy(reg->head_bytes, u->head, u->head_len);
	reg->head_len = u->head_len;
	list_for_each_safe (it, tmp, &reg->subscribers) {
		struct registry_subscriber *s =
		    container_of(it, struct registry_subscriber, in_registry);

		s->changed(s, reg, u->first);
	}
	return REGISTRY_OK;
}
