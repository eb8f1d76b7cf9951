/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * registry/registry.h for thousands of registries in one process: there is one log, which the first
 * registry that has more makes longer, and each registry is a number of events of it.  Members are
 * added and removed; the rest is left out.  Heads are verified once in the world.
 */
#include "registry/registry.h"

#include "util/map.h"
#include "util/xalloc.h"

struct thin_slot {
	uint32_t added, removed; /* event numbers; removed: UINT32_MAX */
};

struct known_head {
	struct registry_head head;
	uint8_t bytes[REGISTRY_HEAD_MAX];
	size_t len;
};

/* What is the same for all of them. */
static struct {
	unsigned users;
	struct rng rng;
	uint8_t *log;
	size_t log_len, log_room;
	size_t *offset;       /* of each event, and the end */
	uint32_t *members_at; /* active ones after so many events */
	uint32_t count, room;
	uint8_t (*hash_at)[HASH_LEN]; /* after so many events */
	struct thin_slot *slots;
	struct registry_event *adds; /* by slot */
	uint32_t slot_count, slot_room;
	struct map by_key; /* start of the key -> slot + 1 */
	struct map heads;  /* start of the signature -> struct known_head */
} all;

struct registry {
	struct registry_backend backend;
	struct registry_head head;
	uint8_t head_bytes[REGISTRY_HEAD_MAX];
	size_t head_len;
	uint32_t events, slots;
	struct list subscribers;
};

static void make_room(void)
{
	if (all.count + 2 < all.room)
		return;
	all.room = MAX(1024, 2 * all.room);
	all.offset = xrealloc(all.offset, all.room, sizeof(*all.offset));
	all.members_at = xrealloc(all.members_at, all.room, sizeof(*all.members_at));
	all.hash_at = xrealloc(all.hash_at, all.room, sizeof(*all.hash_at));
}

static void begin(const struct registry_backend *backend)
{
	struct registry_head start;

	all.rng = rng_seeded(78);
	map_init(&all.by_key, 1024, &all.rng);
	map_init(&all.heads, 64, &all.rng);
	make_room();
	registry_head_start(&start, backend->mesh);
	memcpy(all.hash_at[0], start.hash, HASH_LEN);
	all.offset[0] = all.members_at[0] = 0;
}

static void end(void)
{
	for (size_t i = 0; i < (size_t)1 << all.heads.bits; i++)
		free(all.heads.slots[i].value);
	map_fini(&all.heads);
	map_fini(&all.by_key);
	rng_seeded_free(&all.rng);
	free(all.log);
	free(all.offset);
	free(all.members_at);
	free(all.hash_at);
	free(all.slots);
	free(all.adds);
	memset(&all, 0, sizeof(all));
}

struct registry *registry_create(const struct registry_backend *backend, const struct rng *rng)
{
	struct registry *reg = xcalloc(1, sizeof(*reg));

	(void)rng;
	if (all.users++ == 0)
		begin(backend);
	reg->backend = *backend;
	registry_head_start(&reg->head, backend->mesh);
	list_init(&reg->subscribers);
	return reg;
}

void registry_free(struct registry *reg)
{
	if (reg == NULL)
		return;
	free(reg);
	if (--all.users == 0)
		end();
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
	return reg->slots;
}

uint32_t registry_members(const struct registry *reg)
{
	return all.members_at[reg->events];
}

static void fill(const struct registry *reg, uint32_t slot, struct registry_member *out)
{
	const bool is_removed = all.slots[slot].removed < reg->events;

	*out = (struct registry_member){
	    .slot = slot,
	    .status = is_removed ? REGISTRY_REMOVED : REGISTRY_ACTIVE,
	    .added_s = all.adds[slot].time_s,
	    .key_event = all.slots[slot].added,
	    .record = all.adds[slot].record,
	};
}

bool registry_by_slot(const struct registry *reg, uint32_t slot, struct registry_member *out)
{
	if (slot >= reg->slots)
		return false;
	fill(reg, slot, out);
	return true;
}

bool registry_by_key(const struct registry *reg, const uint8_t key[static REGISTRY_KEY_LEN],
		     struct registry_member *out)
{
	const uintptr_t slot = (uintptr_t)map_get(&all.by_key, get_le64(key));

	if (slot == 0 || slot - 1 >= reg->slots || all.slots[slot - 1].removed < reg->events)
		return false;
	fill(reg, (uint32_t)slot - 1, out);
	return true;
}

/* ---- to and from mirrors ---- */

const uint8_t *registry_head_bytes(const struct registry *reg, size_t *len)
{
	*len = reg->head_len;
	return reg->head_len > 0 ? reg->head_bytes : NULL;
}

const uint8_t *registry_event_bytes(const struct registry *reg, uint64_t event, size_t *len)
{
	(void)reg;
	*len = all.offset[event + 1] - all.offset[event];
	return all.log + all.offset[event];
}

const uint8_t *registry_events(const struct registry *reg, uint64_t first, size_t max_len,
			       uint64_t *count, size_t *len)
{
	uint64_t last = first;

	*count = *len = 0;
	if (first >= reg->events)
		return NULL;
	while (last < reg->events && all.offset[last + 1] - all.offset[first] <= max_len)
		last++;
	if (last == first)
		return NULL;
	*count = last - first;
	*len = all.offset[last] - all.offset[first];
	return all.log + all.offset[first];
}

static enum registry_result open_head(const struct registry *reg, const uint8_t *bytes, size_t len,
				      struct registry_head *out)
{
	const uint64_t key = len >= 8 ? get_le64(bytes + len - 8) : 0;
	struct known_head *k = map_get(&all.heads, key);
	enum registry_result r;

	if (k == NULL || k->len != len || memcmp(k->bytes, bytes, len) != 0) {
		struct registry_head head;

		r = reg->backend.open_head(&reg->backend, bytes, len, &head);
		if (r != REGISTRY_OK || k != NULL)
			return r;
		k = xcalloc(1, sizeof(*k));
		k->head = head;
		k->len = len;
		memcpy(k->bytes, bytes, len);
		map_put(&all.heads, key, k);
	}
	*out = k->head;
	return REGISTRY_OK;
}

enum registry_result registry_judge(const struct registry *reg, const uint8_t *bytes, size_t len,
				    uint64_t wall_s, struct registry_head *head)
{
	struct registry_head out;
	enum registry_result r;

	if (len == 0 || len > REGISTRY_HEAD_MAX)
		return REGISTRY_MALFORMED;
	if (len == reg->head_len && memcmp(bytes, reg->head_bytes, len) == 0)
		return REGISTRY_KNOWN;
	r = open_head(reg, bytes, len, &out);
	if (r != REGISTRY_OK)
		return r;
	if (out.time_s > wall_s + REGISTRY_SKEW_S)
		return REGISTRY_FUTURE;
	if (out.events < reg->events)
		return REGISTRY_STALE;
	if (out.events == reg->events && out.time_s <= reg->head.time_s)
		return REGISTRY_KNOWN;
	*head = out;
	return REGISTRY_OK;
}

static void append_add(const struct registry_event *ev)
{
	if (all.slot_count == all.slot_room) {
		all.slot_room = MAX(1024, 2 * all.slot_room);
		all.slots = xrealloc(all.slots, all.slot_room, sizeof(*all.slots));
		all.adds = xrealloc(all.adds, all.slot_room, sizeof(*all.adds));
	}
	all.slots[all.slot_count] = (struct thin_slot){all.count, UINT32_MAX};
	all.adds[all.slot_count] = *ev;
	map_put(&all.by_key, get_le64(ev->record.key), (void *)((uintptr_t)++all.slot_count));
}

/* Only the registrar's own registry has events that the log has not yet. */
static void append(const uint8_t *bytes, size_t len)
{
	struct reader in = rd_init(bytes, len);
	struct registry_event ev;

	if (registry_event_decode(&ev, &in) != REGISTRY_OK ||
	    (ev.type == REGISTRY_ADD ? ev.slot != all.slot_count : ev.type != REGISTRY_REMOVE))
		abort();
	make_room();
	if (all.log_len + len > all.log_room) {
		all.log_room = MAX(all.log_len + len, 2 * all.log_room);
		all.log = xrealloc(all.log, all.log_room, 1);
	}
	memcpy(all.log + all.log_len, bytes, len);
	all.log_len += len;
	all.members_at[all.count + 1] =
	    all.members_at[all.count] + (ev.type == REGISTRY_ADD) - (ev.type == REGISTRY_REMOVE);
	memcpy(all.hash_at[all.count + 1], all.hash_at[all.count], HASH_LEN);
	registry_hash_add(all.hash_at[all.count + 1], bytes, len);
	if (ev.type == REGISTRY_ADD)
		append_add(&ev);
	else
		all.slots[ev.slot].removed = all.count;
	all.offset[++all.count] = all.log_len;
}

enum registry_result registry_apply(struct registry *reg, const struct registry_update *u,
				    uint64_t wall_s, uint64_t *event)
{
	struct registry_head head;
	enum registry_result r = registry_judge(reg, u->head, u->head_len, wall_s, &head);

	if (event != NULL)
		*event = u->first;
	if (r == REGISTRY_OK && u->first != reg->events)
		r = REGISTRY_GAP;
	if (r == REGISTRY_OK && head.events == all.count + 1 && u->first == all.count)
		append(u->events, u->events_len);
	if (r == REGISTRY_OK && (head.events > all.count ||
				 all.offset[head.events] - all.offset[u->first] != u->events_len))
		r = REGISTRY_TRUNCATED;
	if (r == REGISTRY_OK && ((u->events_len > 0 && memcmp(all.log + all.offset[u->first],
							      u->events, u->events_len) != 0) ||
				 memcmp(all.hash_at[head.events], head.hash, HASH_LEN) != 0))
		r = REGISTRY_BROKEN_CHAIN;
	if (r != REGISTRY_OK)
		return r;
	reg->head = head;
	reg->events = (uint32_t)head.events;
	while (reg->slots < all.slot_count && all.slots[reg->slots].added < reg->events)
		reg->slots++;
	memcpy(reg->head_bytes, u->head, u->head_len);
	reg->head_len = u->head_len;
	list_for_each_safe (it, tmp, &reg->subscribers) {
		struct registry_subscriber *s =
		    container_of(it, struct registry_subscriber, in_registry);

		s->changed(s, reg, u->first);
	}
	return REGISTRY_OK;
}
