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

/*
 * seed_list_parse(text, out, max, error): a seed on each line, blanks around it and what follows a
 * # left out; text is changed.  How many there are, at most max; or -EINVAL and error names line
 * and fault.
 */
#define SEED_ERROR_MAX 128
MUST_USE int seed_list_parse(char *text, struct seed *out, size_t max,
			     char error[static SEED_ERROR_MAX]);

const char *seed_format(const struct seed *s, char out[static SEED_TEXT_MAX]);

#endif
