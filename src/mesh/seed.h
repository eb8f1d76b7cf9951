/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A seed: where a newcomer finds the mesh, as one word: base64url(id | link key) @ ip:port. */
#ifndef MESH_SEED_H
#define MESH_SEED_H

#include "onion/create.h"

#define SEED_TEXT_MAX (86 + 1 + ENDPOINT_TEXT_MAX)

struct seed {
	uint8_t id[NODE_ID_LEN];
	uint8_t link_public[DH_LEN];
	struct endpoint addr;
};

/* seed_parse(s, text): 0, or -EINVAL with *s unchanged and *why (may be NULL) saying what is wrong.
 */
MUST_USE int seed_parse(struct seed *s, const char *text, const char **why);

const char *seed_format(const struct seed *s, char out[static SEED_TEXT_MAX]);

#endif
