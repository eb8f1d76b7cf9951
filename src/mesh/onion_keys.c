/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Rotation of onion keys: next becomes current becomes previous becomes nothing. */
#include "mesh/onion_keys.h"

static uint64_t wall_s(const struct now *now)
{
	return now->wall_ns / NS_PER_S;
}

static void generate(struct onion_keys *ks, enum onion_key_place place, uint32_t id,
		     uint64_t from_s, uint64_t until_s, const struct rng *rng)
{
	struct onion_key *k = &ks->key[place];

	dh_keypair_generate(&k->pair, rng);
	k->id = id;
	k->valid_from_s = from_s;
	k->valid_until_s = until_s;
	k->is_set = true;
}

/* Both advertised keys anew, numbered from first_id; valid at once also by a slow clock. */
static void begin(struct onion_keys *ks, uint32_t first_id, const struct rng *rng,
		  const struct now *now)
{
	const uint64_t t = wall_s(now), next = t + ks->lifetime_s;

	generate(ks, ONION_KEY_CURRENT, first_id, t - MIN(t, DESCRIPTOR_SKEW_S), next, rng);
	generate(ks, ONION_KEY_NEXT, first_id + 1, next, next + ks->lifetime_s, rng);
}

void onion_keys_init(struct onion_keys *ks, const struct rng *rng, const struct now *now,
		     uint32_t lifetime_s, uint32_t grace_s)
{
	*ks = (struct onion_keys){
	    .lifetime_s = lifetime_s != 0 ? lifetime_s : ONION_KEY_LIFETIME_S,
	    .grace_s = grace_s != 0 ? grace_s : ONION_KEY_GRACE_S,
	};
	ks->grace_s = MIN(ks->grace_s, ks->lifetime_s); /* one previous key is all we keep */
	begin(ks, rng_u32(rng), rng, now);
}

void onion_keys_wipe(struct onion_keys *ks)
{
	secret_wipe(ks, sizeof(*ks));
}

static void move_on(struct onion_keys *ks, const struct rng *rng)
{
	const struct onion_key *next = &ks->key[ONION_KEY_NEXT];

	ks->key[ONION_KEY_PREVIOUS] = ks->key[ONION_KEY_CURRENT];
	ks->key[ONION_KEY_CURRENT] = *next;
	generate(ks, ONION_KEY_NEXT, next->id + 1, next->valid_until_s,
		 next->valid_until_s + ks->lifetime_s, rng);
}

bool onion_keys_rotate(struct onion_keys *ks, const struct rng *rng, const struct now *now)
{
	struct onion_key *previous = &ks->key[ONION_KEY_PREVIOUS];
	const uint64_t t = wall_s(now);
	bool is_changed = false;

	if (t >= ks->key[ONION_KEY_NEXT].valid_until_s) { /* slept through both: start over */
		const uint32_t id = ks->key[ONION_KEY_NEXT].id + 1;

		secret_wipe(ks->key, sizeof(ks->key));
		begin(ks, id, rng, now);
		return true;
	}
	if (t >= ks->key[ONION_KEY_CURRENT].valid_until_s) {
		move_on(ks, rng);
		is_changed = true;
	}
	if (previous->is_set && t >= previous->valid_until_s + ks->grace_s)
		secret_wipe(previous, sizeof(*previous));
	return is_changed;
}

uint64_t onion_keys_deadline(const struct onion_keys *ks, const struct now *now)
{
	const struct onion_key *previous = &ks->key[ONION_KEY_PREVIOUS];
	uint64_t due_s = ks->key[ONION_KEY_CURRENT].valid_until_s;

	if (previous->is_set)
		due_s = MIN(due_s, previous->valid_until_s + ks->grace_s);
	if (due_s * NS_PER_S <= now->wall_ns)
		return now->mono_ns;
	return now->mono_ns + (due_s * NS_PER_S - now->wall_ns);
}

const struct dh_keypair *onion_keys_find(const struct onion_keys *ks, uint32_t id)
{
	for (unsigned i = 0; i < ONION_KEY_COUNT; i++)
		if (ks->key[i].is_set && ks->key[i].id == id)
			return &ks->key[i].pair;
	return NULL;
}

void onion_keys_advertise(const struct onion_keys *ks, struct descriptor *d)
{
	_Static_assert(DESCRIPTOR_ONION_KEYS_MAX == 2, "current and next");

	d->onion_key_count = 0;
	for (unsigned i = ONION_KEY_CURRENT; i <= ONION_KEY_NEXT; i++) {
		const struct onion_key *k = &ks->key[i];
		struct onion_public *out = &d->onion_keys[d->onion_key_count++];

		*out = (struct onion_public){
		    .id = k->id,
		    .valid_from_s = k->valid_from_s,
		    .valid_until_s = k->valid_until_s,
		};
		memcpy(out->key, k->pair.public, DH_LEN);
	}
}
