/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the daemon shows of the mesh, for control. */
#ifndef APP_MESH_VIEW_H
#define APP_MESH_VIEW_H

#include "control/view.h"
#include "health/book.h"
#include "mesh/membership.h"
#include "mesh/places.h"

void node_ref_fill(struct node_ref *ref, const uint8_t id[static NODE_ID_LEN], const char *name,
		   const char *country);

/* mesh_nodes_view(known, roles, out): nodes with any of the roles. */
struct mesh_knowledge {
	const struct directory *dir;
	const struct places *places;
	struct book *book; /* NULL: nothing was seen of them */
};
void mesh_nodes_view(const struct mesh_knowledge *known, uint8_t roles, struct node_list_view *out);

/* mesh_view_fill(m, dir, now, out): what is known of the mesh, and how. */
void mesh_view_fill(const struct membership *m, const struct directory *dir, const struct now *now,
		    struct mesh_view *out);

/* mesh_equivocations_view(dir, out): evidence, newest first. */
void mesh_equivocations_view(const struct directory *dir, struct equivocation_list_view *out);

#endif
