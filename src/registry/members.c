/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The rules of membership: slots are dense and never given out again, keys belong to one member. */
#include "registry/members.h"

#include <sodium.h>

#include "util/xalloc.h"

void members_init(struct members *m, const struct rng *rng)
{
	*m = (struct members){0};
	map_init(&m->by_key, 16, rng);
}

void members_fini(struct members *m)
{
	free(m->slots);
	map_fini(&m->by_key);
}

/* Two keys that share 8 bytes take a search of 2^64: the second one is refused as taken. */
static uint64_t map_key(const uint8_t key[static REGISTRY_KEY_LEN])
{
	return get_le64(key);
}

static struct registry_member *by_map(const struct members *m, const uint8_t *key)
{
	const uintptr_t found = (uintptr_t)map_get(&m->by_key, map_key(key));

	return found != 0 ? &m->slots[found - 1] : NULL;
}

const struct registry_member *members_by_key(const struct members *m,
					     const uint8_t key[static REGISTRY_KEY_LEN])
{
	const struct registry_member *found = by_map(m, key);

	if (found == NULL || sodium_memcmp(found->record.key, key, REGISTRY_KEY_LEN) != 0)
		return NULL;
	return found;
}

static void put_key(struct members *m, const struct registry_member *member)
{
	/* map's values are pointers; a slot moves in memory, its number does not */
	map_put(&m->by_key, map_key(member->record.key), (void *)((uintptr_t)member->slot + 1));
}

static void take_fields(struct registry_record *to, const struct registry_event *ev)
{
	const struct registry_record *from = &ev->record;

	if (ev->fields & REGISTRY_HAS_KEY)
		memcpy(to->key, from->key, sizeof(to->key));
	if (ev->fields & REGISTRY_HAS_OPERATOR)
		memcpy(to->operator_tag, from->operator_tag, sizeof(to->operator_tag));
	if (ev->fields & REGISTRY_HAS_ROLES)
		to->roles = from->roles;
	if (ev->fields & REGISTRY_HAS_STAKE)
		to->stake = from->stake;
	if (ev->fields & REGISTRY_HAS_COMMITMENTS)
		memcpy(to->commitments, from->commitments, sizeof(to->commitments));
	if (ev->fields & REGISTRY_HAS_CONTACT)
		to->contact = from->contact;
}

static enum registry_result add(struct members *m, const struct registry_event *ev, uint64_t number)
{
	struct registry_member *member;

	if (ev->slot < m->slot_count)
		return REGISTRY_SLOT_REUSED;
	if (ev->slot > m->slot_count)
		return REGISTRY_SLOT_GAP;
	if (by_map(m, ev->record.key) != NULL)
		return REGISTRY_KEY_TAKEN;
	if (m->slot_count == m->slot_room) {
		m->slot_room = MAX(16, m->slot_room * 2);
		m->slots = xrealloc(m->slots, m->slot_room, sizeof(*m->slots));
	}
	member = &m->slots[m->slot_count++];
	*member = (struct registry_member){
	    .slot = ev->slot,
	    .added_s = ev->time_s,
	    .changed_s = ev->time_s,
	    .key_event = number,
	};
	take_fields(&member->record, ev);
	put_key(m, member);
	return REGISTRY_OK;
}

static enum registry_result change(struct members *m, struct registry_member *member,
				   const struct registry_event *ev, uint64_t number)
{
	const bool drops_key = ev->type == REGISTRY_REMOVE || ev->type == REGISTRY_ROTATE;

	if (ev->type == REGISTRY_ROTATE && by_map(m, ev->record.key) != NULL)
		return REGISTRY_KEY_TAKEN;
	if (drops_key)
		(void)map_del(&m->by_key, map_key(member->record.key));
	take_fields(&member->record, ev);
	member->changed_s = ev->time_s;
	if (ev->type == REGISTRY_REMOVE)
		member->status = REGISTRY_REMOVED;
	if (ev->type == REGISTRY_ROTATE) {
		member->key_event = number;
		member->record.contact = (struct registry_contact){0}; /* had the old link key */
		put_key(m, member);
	}
	return REGISTRY_OK;
}

enum registry_result members_take(struct members *m, const struct registry_event *ev,
				  uint64_t number)
{
	struct registry_member *member;

	if (ev->type == REGISTRY_ADD)
		return add(m, ev, number);
	if (ev->slot >= m->slot_count)
		return REGISTRY_NO_MEMBER;
	member = &m->slots[ev->slot];
	if (member->status != REGISTRY_ACTIVE)
		return REGISTRY_NO_MEMBER;
	return change(m, member, ev, number);
}
