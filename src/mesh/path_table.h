/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The directory sorted for weighted drawing: running sums of weight per role, exits by country. */
#ifndef MESH_PATH_TABLE_H
#define MESH_PATH_TABLE_H

#include "mesh/directory.h"

#define COUNTRY_COUNT (26 * 26)

/* nodes[i] is drawn with weight sums[i] - sums[i - 1]. */
struct path_table {
	const struct descriptor **nodes;
	uint64_t *sums;
	size_t len;
};

struct path_tables {
	struct path_table entries, relays, exits;
	size_t country_start[COUNTRY_COUNT + 1]; /* in exits */
};

/* Some adjacent rows of a table. */
struct path_span {
	const struct path_table *table;
	size_t begin, end;
};

/* path_tables_build(t, dir): anew from the directory, whose pointers it keeps. */
void path_tables_build(struct path_tables *t, const struct directory *dir);
void path_tables_wipe(struct path_tables *t);

struct path_span path_span_all(const struct path_table *table);
struct path_span path_span_country(const struct path_tables *t, const char *country);

/* path_span_draw(s, rng): a row by weight; s is not empty. */
const struct descriptor *path_span_draw(const struct path_span *s, const struct rng *rng);

/* path_weight(d): how often a node is drawn, against others: capacity by free share. */
uint64_t path_weight(const struct descriptor *d);

#endif
