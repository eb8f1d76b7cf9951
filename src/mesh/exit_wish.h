/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Where traffic is to leave the mesh, as people write it. */
#ifndef MESH_EXIT_WISH_H
#define MESH_EXIT_WISH_H

#include "mesh/path_choice.h"

#define EXIT_TEXT_MAX 65 /* with the final zero */

enum exit_mode {
	EXIT_AUTO, /* wherever it does best */
	EXIT_COUNTRY,
	EXIT_REGION,
	EXIT_NEAREST, /* to each destination */
	EXIT_RANDOM,  /* any alike, another one from time to time */
	EXIT_NODE,
};

struct exit_wish {
	enum exit_mode mode;
	char country[3];
	enum region region;
	char node[EXIT_TEXT_MAX]; /* a name, or an id in hex or the beginning of one */
};

/* exit_wish_parse(out, text): "" or "auto", "nearest", "random", a region's name, a country's two
 * letters ("uk" is GB), else what may be a node; false when it is too long for one. */
bool exit_wish_parse(struct exit_wish *out, const char *text);

/* exit_wish_node(dir, text): a node by name, or by its id in hex or the first 8 digits or more of
 * it; NULL: none, or several. */
const struct descriptor *exit_wish_node(const struct directory *dir, const char *text);

/* exit_wish_apply(wish, dir, w, why): what it means for a path; false, with why, when there is no
 * such node.  Nearest is as auto here: its paths ask for countries. */
bool exit_wish_apply(const struct exit_wish *wish, const struct directory *dir, struct path_wish *w,
		     char why[static PATH_WHY_MAX]);

#endif
