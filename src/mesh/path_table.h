/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The nodes of a directory, ready for weighted drawing: entries, relays, and the exits of each
 * country.  Follows the directory change by change; ids are kept, never its pointers.
 */
#ifndef MESH_PATH_TABLE_H
#define MESH_PATH_TABLE_H

#include "mesh/directory.h"
#include "mesh/path_share.h"
#include "mesh/region.h"
#include "util/map.h"

#define PATH_COUNTRIES (26 * 26)

/* Rows and the running sums of their weights, as a tree in which both drawing and changing a weight
 * take steps in the logarithm of their number (Fenwick's). */
struct path_group {
	uint32_t *rows;
	uint64_t *tree;
	size_t len, room;
	uint64_t sum;
};

struct path_row {
	uint8_t id[NODE_ID_LEN];
	uint64_t weight[PATH_ROLE_COUNT]; /* 0: has not that role */
	uint64_t capacity;                /* as counted in path_tables */
	uint8_t roles;
	struct path_group *group[PATH_ROLE_COUNT];
	uint32_t place[PATH_ROLE_COUNT]; /* in that group */
};

struct path_tables {
	struct path_row *rows;
	size_t len, room;
	struct map by_id;
	struct path_group entries, relays, exits[PATH_COUNTRIES];
	uint8_t regions[PATH_COUNTRIES]; /* enum region of each country */
	uint64_t view_s;                 /* of the directory, that weights were given by */
	uint64_t change;                 /* of the directory, up to which all is in */
	uint64_t capacity[ROLE_ALL + 1]; /* of all nodes with just those roles */
};

void path_tables_init(struct path_tables *t, const struct rng *rng);
void path_tables_wipe(struct path_tables *t);

/* path_tables_follow(t, dir): take in what is new. */
void path_tables_follow(struct path_tables *t, const struct directory *dir);

/* Where to draw from: one group, or (group NULL) the exits of all countries, or of a region's. */
struct path_span {
	struct path_tables *tables;
	struct path_group *group;
	enum region region; /* REGION_COUNT: all */
	size_t len;         /* rows, those without weight among them */
};

struct path_span path_span_entries(struct path_tables *t);
struct path_span path_span_relays(struct path_tables *t);
struct path_span path_span_exits(struct path_tables *t);
struct path_span path_span_country(struct path_tables *t, const char *country);
struct path_span path_span_region(struct path_tables *t, enum region region);

/* path_span_draw(s, dir, rng): a node by weight; NULL when there is none, or when the one drawn has
 * left the directory (it will not be drawn again). */
const struct descriptor *path_span_draw(const struct path_span *s, const struct directory *dir,
					const struct rng *rng);

/* path_span_draw_even(s, dir, rng): likewise, but by no weight; also NULL at times. */
const struct descriptor *path_span_draw_even(const struct path_span *s, const struct directory *dir,
					     const struct rng *rng);

/* path_span_next(s, dir, at): all of them, from a zeroed cursor on; NULL at the end. */
struct path_cursor {
	size_t country, place;
};
const struct descriptor *path_span_next(const struct path_span *s, const struct directory *dir,
					struct path_cursor *at);

/* path_weight(d): how often a node is drawn, against others: its capacity. */
uint64_t path_weight(const struct descriptor *d);

#endif
