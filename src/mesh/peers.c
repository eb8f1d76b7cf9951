/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mesh/peers.h"

static bool fill(const struct descriptor *d, struct node_peer *out)
{
	if (d == NULL)
		return false;
	memcpy(out->id, d->id, sizeof(out->id));
	memcpy(out->link_key, d->link_key, sizeof(out->link_key));
	_Static_assert(sizeof(out->addrs) == sizeof(d->addrs), "as many addresses");
	memcpy(out->addrs, d->addrs, sizeof(out->addrs));
	out->addr_count = d->addr_count;
	return true;
}

bool peers_by_id(const struct directory *dir, const uint8_t id[static NODE_ID_LEN],
		 struct node_peer *out)
{
	return fill(directory_by_id(dir, id), out);
}

bool peers_by_link_key(const struct directory *dir, const uint8_t key[static DH_LEN],
		       struct node_peer *out)
{
	return fill(directory_by_link(dir, key), out);
}
