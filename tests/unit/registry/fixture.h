/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A registrar, and updates made to order. */
#ifndef TESTS_REGISTRY_FIXTURE_H
#define TESTS_REGISTRY_FIXTURE_H

#include <sodium.h>

#include "registry/local.h"

#define FIXTURE_WALL_S 1800000000ull

struct fixture {
	uint8_t secret[LOCAL_SECRET_LEN], registrar[REGISTRY_MESH_LEN];
	struct registry_head head; /* at the end of events */
	uint8_t events[64 * REGISTRY_EVENT_MAX];
	size_t len;
};

/* What a mirror has to give after it gave everything before. */
struct fixture_update {
	struct registry_update update;
	uint8_t head[LOCAL_HEAD_LEN];
};

static inline void fixture_start(struct fixture *f)
{
	uint8_t seed[32] = "registrar of the tests";

	*f = (struct fixture){0};
	crypto_sign_seed_keypair(f->registrar, f->secret, seed);
	registry_head_start(&f->head, f->registrar);
}

static inline void fixture_add(struct fixture *f, const struct registry_event *ev)
{
	const size_t len = registry_event_encode(ev, f->events + f->len);

	registry_hash_add(f->head.hash, f->events + f->len, len);
	f->len += len;
	f->head.events++;
	f->head.time_s = MAX(f->head.time_s, ev->time_s);
}

/* Nodes have keys 1 1 1 ..., 2 2 2 ... */
static inline struct registry_event fixture_event(enum registry_event_type type, uint32_t slot,
						  uint8_t key)
{
	struct registry_event ev = {.type = type, .slot = slot, .time_s = FIXTURE_WALL_S};

	if (type == REGISTRY_ADD)
		ev.fields = REGISTRY_HAS_KEY | REGISTRY_HAS_OPERATOR | REGISTRY_HAS_ROLES;
	if (type == REGISTRY_ROTATE)
		ev.fields = REGISTRY_HAS_KEY;
	if (type == REGISTRY_CHANGE)
		ev.fields = REGISTRY_HAS_ROLES;
	memset(ev.record.key, key, sizeof(ev.record.key));
	memset(ev.record.operator_tag, 0x77, sizeof(ev.record.operator_tag));
	ev.record.roles = ROLE_RELAY;
	return ev;
}

static inline struct registry *fixture_registry(const struct fixture *f)
{
	const struct registry_backend b = local_backend(f->registrar);

	return registry_create(&b, &rng_system);
}

/* Everything added since the last one, signed. */
static inline void fixture_take(struct fixture *f, const struct registry *reg,
				struct fixture_update *u)
{
	local_head_sign(&f->head, f->secret, u->head);
	u->update = (struct registry_update){.head = u->head,
					     .head_len = sizeof(u->head),
					     .events = f->events,
					     .events_len = f->len,
					     .first = registry_head(reg)->events};
	f->len = 0;
}

static inline enum registry_result fixture_apply(struct fixture *f, struct registry *reg)
{
	struct fixture_update u;

	fixture_take(f, reg, &u);
	return registry_apply(reg, &u.update, FIXTURE_WALL_S, NULL);
}

#endif
