/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A node's onion keys: previous (in grace), current and next.  Recorded CREATEs stay safe once the
 * key is gone, so keys live 6 h, 6 h more for late callers, and are then wiped.
 */
#ifndef MESH_ONION_KEYS_H
#define MESH_ONION_KEYS_H

#include "mesh/descriptor.h"

#define ONION_KEY_LIFETIME_S (6 * 3600)
#define ONION_KEY_GRACE_S    (6 * 3600)

struct onion_key {
	struct dh_keypair pair;
	uint64_t valid_from_s, valid_until_s; /* wall clock; grace not included */
	uint32_t id;
	bool is_set;
};

enum onion_key_place {
	ONION_KEY_PREVIOUS,
	ONION_KEY_CURRENT,
	ONION_KEY_NEXT,
	ONION_KEY_COUNT,
};

struct onion_keys {
	struct onion_key key[ONION_KEY_COUNT];
	uint32_t lifetime_s, grace_s;
};

/* onion_keys_init(ks, rng, now, lifetime_s, grace_s): 0 means the usual 6 h; grace at most
 * lifetime. */
void onion_keys_init(struct onion_keys *ks, const struct rng *rng, const struct now *now,
		     uint32_t lifetime_s, uint32_t grace_s);
void onion_keys_wipe(struct onion_keys *ks);

/*
 * onion_keys_rotate(ks, rng, now): call when due; makes, moves on and wipes keys.
 * True when the advertised keys changed, so that the descriptor must be signed again.
 */
bool onion_keys_rotate(struct onion_keys *ks, const struct rng *rng, const struct now *now);

/* onion_keys_deadline(ks, now): monotonic time of the next rotation or wipe. */
uint64_t onion_keys_deadline(const struct onion_keys *ks, const struct now *now);

/* onion_keys_find(ks, id): the pair of that key id, or NULL. */
const struct dh_keypair *onion_keys_find(const struct onion_keys *ks, uint32_t id);

/* onion_keys_advertise(ks, d): current and next into the descriptor. */
void onion_keys_advertise(const struct onion_keys *ks, struct descriptor *d);

#endif
