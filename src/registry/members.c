/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The rules of membership: slots are dense and never given out again, keys belong to one member.
 * The table of keys is never deleted from: an entry counts while its slot still has that key, and
 * others are left out when the table grows.
 */
#include "registry/members.h"

#include <sodium.h>

#include "util/xalloc.h"

enum {
	FIELD_COUNT = 6, /* as enum registry_field */
	KEY_BITS_MIN = 4,
};

#define REMOVED (1u << 31)

/* Numbers of events.  A field that none has set is the ADD's, where it is zero. */
struct slot {
	uint32_t added, changed; /* changed: with REMOVED */
	uint32_t field[FIELD_COUNT];
};

_Static_assert(REGISTRY_EVENTS_MAX < REMOVED, "numbers leave room for the flag");

void members_init(struct members *m, const struct event_log *log, const struct rng *rng)
{
	*m = (struct members){.log = log, .key_bits = KEY_BITS_MIN, .multiplier = rng_u64(rng) | 1};
	m->by_key = xcalloc((size_t)1 << m->key_bits, sizeof(*m->by_key));
}

void members_fini(struct members *m)
{
	free(m->slots);
	free(m->by_key);
}

bool members_is_active(const struct members *m, uint32_t slot)
{
	return (m->slots[slot].changed & REMOVED) == 0;
}

/* ---- slots ---- */

static void take_field(struct registry_record *to, const struct registry_record *from,
		       enum registry_field field)
{
	switch (field) {
	case REGISTRY_HAS_KEY:
		memcpy(to->key, from->key, sizeof(to->key));
		break;
	case REGISTRY_HAS_OPERATOR:
		memcpy(to->operator_tag, from->operator_tag, sizeof(to->operator_tag));
		break;
	case REGISTRY_HAS_ROLES:
		to->roles = from->roles;
		break;
	case REGISTRY_HAS_STAKE:
		to->stake = from->stake;
		break;
	case REGISTRY_HAS_COMMITMENTS:
		memcpy(to->commitments, from->commitments, sizeof(to->commitments));
		break;
	case REGISTRY_HAS_CONTACT:
		to->contact = from->contact;
		break;
	case REGISTRY_FIELDS:
		break;
	}
}

static uint64_t time_of(const struct members *m, uint32_t number)
{
	struct registry_event ev;

	event_log_get(m->log, number, &ev);
	return ev.time_s;
}

void members_get(const struct members *m, uint32_t slot, struct registry_member *out)
{
	const struct slot *s = &m->slots[slot];
	struct registry_event ev;

	event_log_get(m->log, s->added, &ev);
	*out = (struct registry_member){
	    .slot = slot,
	    .status = members_is_active(m, slot) ? REGISTRY_ACTIVE : REGISTRY_REMOVED,
	    .added_s = ev.time_s,
	    .changed_s = time_of(m, s->changed & ~REMOVED),
	    .key_event = s->field[0],
	    .record = ev.record,
	};
	for (unsigned i = 0; i < FIELD_COUNT; i++) {
		if (s->field[i] == s->added)
			continue;
		event_log_get(m->log, s->field[i], &ev);
		/* A rotation says nothing of the contact, which had the old link key: none. */
		take_field(&out->record, &ev.record, (enum registry_field)(1 << i));
	}
}

/* ---- keys ---- */

static bool has_key(const struct members *m, uint32_t slot, const uint8_t *key)
{
	struct registry_event ev;

	if (!members_is_active(m, slot))
		return false;
	event_log_get(m->log, m->slots[slot].field[0], &ev);
	return sodium_memcmp(ev.record.key, key, REGISTRY_KEY_LEN) == 0;
}

static size_t place_of(const struct members *m, const uint8_t *key)
{
	return (size_t)((get_le64(key) * m->multiplier) >> (64 - m->key_bits));
}

bool members_find(const struct members *m, const uint8_t key[static REGISTRY_KEY_LEN],
		  uint32_t *slot)
{
	const size_t mask = ((size_t)1 << m->key_bits) - 1;

	for (size_t i = place_of(m, key); m->by_key[i] != 0; i = (i + 1) & mask) {
		if (!has_key(m, m->by_key[i] - 1, key))
			continue;
		*slot = m->by_key[i] - 1;
		return true;
	}
	return false;
}

static void put_key(struct members *m, const uint8_t *key, uint32_t slot)
{
	const size_t mask = ((size_t)1 << m->key_bits) - 1;
	size_t i = place_of(m, key);

	while (m->by_key[i] != 0)
		i = (i + 1) & mask;
	m->by_key[i] = slot + 1;
	m->key_used++;
}

static void grow_keys(struct members *m)
{
	if ((size_t)(m->key_used + 1) * 4 <= (size_t)3 << m->key_bits)
		return;
	m->key_bits = KEY_BITS_MIN;
	while (((size_t)1 << m->key_bits) < 2 * ((size_t)m->active + 1))
		m->key_bits++;
	free(m->by_key);
	m->by_key = xcalloc((size_t)1 << m->key_bits, sizeof(*m->by_key));
	m->key_used = 0;
	for (uint32_t slot = 0; slot < m->slot_count; slot++) {
		struct registry_event ev;

		if (!members_is_active(m, slot))
			continue;
		event_log_get(m->log, m->slots[slot].field[0], &ev);
		put_key(m, ev.record.key, slot);
	}
}

/* ---- events ---- */

static bool is_taken(const struct members *m, const uint8_t *key)
{
	uint32_t unused;

	return members_find(m, key, &unused);
}

static enum registry_result add(struct members *m, const struct registry_event *ev, uint32_t number)
{
	struct slot *s;

	if (ev->slot < m->slot_count)
		return REGISTRY_SLOT_REUSED;
	if (ev->slot > m->slot_count)
		return REGISTRY_SLOT_GAP;
	if (is_taken(m, ev->record.key))
		return REGISTRY_KEY_TAKEN;
	if (m->slot_count == m->slot_room) {
		m->slot_room += MIN(MAX(m->slot_room / 4, 16u), 4096u);
		m->slots = xrealloc(m->slots, m->slot_room, sizeof(*m->slots));
	}
	grow_keys(m);
	s = &m->slots[m->slot_count++];
	*s = (struct slot){.added = number, .changed = number};
	for (unsigned i = 0; i < FIELD_COUNT; i++)
		s->field[i] = number;
	m->active++;
	put_key(m, ev->record.key, ev->slot);
	return REGISTRY_OK;
}

static enum registry_result change(struct members *m, const struct registry_event *ev,
				   uint32_t number)
{
	uint8_t fields = ev->fields;
	struct slot *s;

	if (ev->type == REGISTRY_ROTATE && is_taken(m, ev->record.key))
		return REGISTRY_KEY_TAKEN;
	if (ev->type == REGISTRY_ROTATE) {
		grow_keys(m);
		fields |= REGISTRY_HAS_CONTACT;
	}
	s = &m->slots[ev->slot];
	s->changed = number;
	for (unsigned i = 0; i < FIELD_COUNT; i++)
		if (fields >> i & 1)
			s->field[i] = number;
	if (ev->type == REGISTRY_ROTATE)
		put_key(m, ev->record.key, ev->slot);
	if (ev->type == REGISTRY_REMOVE) {
		s->changed |= REMOVED;
		m->active--;
	}
	return REGISTRY_OK;
}

enum registry_result members_take(struct members *m, const struct registry_event *ev,
				  uint32_t number)
{
	if (ev->type == REGISTRY_ADD)
		return add(m, ev, number);
	if (ev->slot >= m->slot_count || !members_is_active(m, ev->slot))
		return REGISTRY_NO_MEMBER;
	return change(m, ev, number);
}
