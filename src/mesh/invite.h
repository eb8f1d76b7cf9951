/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * An invite: all that a newcomer needs to find a mesh and tell its members, as one word:
 *
 *   "macro:" base64url(version 1 | registrar 32 | expires u48 | count u8 | seeds | signature 64 |
 *   sum 4), a seed being id 32 | link key 32 | ip 16 | port u16
 *
 * The registrar's signature says that the seeds are meant; the sum, the first bytes of a SHA-256,
 * tells a slip of the hand from a forgery.
 */
#ifndef MESH_INVITE_H
#define MESH_INVITE_H

#include "mesh/seed.h"
#include "registry/registrar.h"

#define INVITE_SEEDS_MAX 8
#define INVITE_BYTES_MAX (1 + 32 + 6 + 1 + INVITE_SEEDS_MAX * 82 + 64 + 4)
#define INVITE_TEXT_MAX  (6 + (INVITE_BYTES_MAX + 2) / 3 * 4 + 1) /* with the final zero */

struct invite {
	uint8_t registrar[REGISTRY_KEY_LEN];
	uint64_t expires_s; /* 0: never */
	unsigned seed_count;
	struct seed seeds[INVITE_SEEDS_MAX];
};

/* invite_format(inv, secret, out): signed with the secret of inv->registrar. */
const char *invite_format(const struct invite *inv, const uint8_t secret[static LOCAL_SECRET_LEN],
			  char out[static INVITE_TEXT_MAX]);

/* invite_parse(inv, text, wall_s, why): 0, or -EINVAL with *inv unchanged and *why saying what is
 * wrong. */
MUST_USE int invite_parse(struct invite *inv, const char *text, uint64_t wall_s, const char **why);

#endif
