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
	struct event_log log;
	struct members members;
	struct registry_head head;
	uint8_t head_bytes[REGISTRY_HEAD_MAX];
	size_t head_len;      /* 0: none yet */
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
	members_init(&reg->members, &reg->log, rng);
	return reg;
}

void registry_free(struct registry *reg)
{
	if (reg == NULL)
		return;
	members_fini(&reg->members);
	event_log_fini(&reg->log);
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
	return reg->members.active;
}

bool registry_by_slot(const struct registry *reg, uint32_t slot, struct registry_member *out)
{
	if (slot >= reg->members.slot_count)
		return false;
	members_get(&reg->members, slot, out);
	return true;
}

bool registry_by_key(const struct registry *reg, const uint8_t key[static REGISTRY_KEY_LEN],
		     struct registry_member *out)
{
	uint32_t slot;

	if (!members_find(&reg->members, key, &slot))
		return false;
	members_get(&reg->members, slot, out);
	return true;
}

bool registry_next(const struct registry *reg, uint32_t *slot, struct registry_member *out)
{
	while (*slot < reg->members.slot_count) {
		const uint32_t at = (*slot)++;

		if (!members_is_active(&reg->members, at))
			continue;
		members_get(&reg->members, at, out);
		return true;
	}
	return false;
}

/* ---- to mirrors ---- */

const uint8_t *registry_head_bytes(const struct registry *reg, size_t *len)
{
	*len = reg->head_len;
	return reg->head_len > 0 ? reg->head_bytes : NULL;
}

const uint8_t *registry_event_bytes(const struct registry *reg, uint64_t event, size_t *len)
{
	return event_log_bytes(&reg->log, (uint32_t)event, len);
}

const uint8_t *registry_events(const struct registry *reg, uint64_t first, size_t max_len,
			       uint64_t *count, size_t *len)
{
	const struct event_log *log = &reg->log;
	size_t begin;
	uint32_t end;

	*count = 0;
	*len = 0;
	if (first >= log->count)
		return NULL;
	begin = log->offset[first];
	end = (uint32_t)first;
	while (end < log->count && event_log_end(log, end) - begin <= max_len)
		end++;
	if (end == first)
		return NULL;
	*count = end - first;
	*len = event_log_end(log, end - 1) - begin;
	return log->bytes + begin;
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

/* What the log's events from first on do to the members; *event: the one that is wrong. */
static enum registry_result replay(struct registry *reg, uint64_t first, uint64_t *event)
{
	for (*event = first; *event < reg->log.count; ++*event) {
		struct registry_event ev;
		enum registry_result r;

		event_log_get(&reg->log, (uint32_t)*event, &ev);
		r = ev.time_s < reg->last_time_s
			? REGISTRY_TIME
			: members_take(&reg->members, &ev, (uint32_t)*event);
		if (r != REGISTRY_OK)
			return r;
		reg->last_time_s = ev.time_s;
	}
	return REGISTRY_OK;
}

/* As it was when it had so many events. */
static void go_back(struct registry *reg, uint64_t count)
{
	uint64_t event;

	event_log_cut(&reg->log, (uint32_t)count);
	members_fini(&reg->members);
	members_init(&reg->members, &reg->log, reg->rng);
	reg->last_time_s = 0;
	if (replay(reg, 0, &event) != REGISTRY_OK)
		abort(); /* it was good before */
}

static enum registry_result take_events(struct registry *reg, const struct registry_update *u,
					const struct registry_head *head, uint64_t *event)
{
	enum registry_result r;

	event_log_append(&reg->log, u->events, u->events_len, (uint32_t)(head->events - u->first));
	r = replay(reg, u->first, event);
	if (r == REGISTRY_OK && reg->last_time_s > head->time_s)
		r = REGISTRY_TIME;
	if (r != REGISTRY_OK)
		go_back(reg, u->first);
	return r;
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
	if (r == REGISTRY_OK)
		r = take_events(reg, u, &head, &at);
	if (event != NULL)
		*event = at;
	if (r != REGISTRY_OK)
		return r;
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
