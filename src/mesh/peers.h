/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The engine's questions about other nodes (struct engine_world), answered from the directory. */
#ifndef MESH_PEERS_H
#define MESH_PEERS_H

#include "core/engine.h"
#include "mesh/directory.h"

bool peers_by_id(const struct directory *dir, const uint8_t id[static NODE_ID_LEN],
		 struct node_peer *out);
bool peers_by_link_key(const struct directory *dir, const uint8_t key[static DH_LEN],
		       struct node_peer *out);

#endif
