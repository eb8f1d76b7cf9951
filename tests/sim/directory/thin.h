/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What thin directories and registries need beside the headers that they stand in for. */
#ifndef TESTS_SIM_DIRECTORY_THIN_H
#define TESTS_SIM_DIRECTORY_THIN_H

#include "tests/sim/directory/world_int.h"

/* All that may ever be members. */
struct thin_member {
	uint8_t id[NODE_ID_LEN], link_key[DH_LEN];
};

/* thin_begin(members, n): before any directory is made.  thin_end: after all are gone. */
void thin_begin(const struct thin_member *members, size_t n);
void thin_end(void);
void thin_tidy(void);

/* thin_rank(id): its place among all ids, or UINT32_MAX. */
uint32_t thin_rank(const uint8_t id[static NODE_ID_LEN]);

/* thin_watch(dir, w): w is told what it takes (spread_taken). */
void thin_watch(struct directory *dir, struct world *w);
/* thin_copy(to, from): to has what from has. */
void thin_copy(struct directory *to, const struct directory *from);

#endif
