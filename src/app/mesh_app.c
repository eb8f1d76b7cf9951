/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "app/mesh_app.h"

#include "util/xalloc.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>

int mesh_seeds(const struct config *cfg, struct seed out[static SEEDS_MAX], char *error,
	       size_t error_len)
{
	const struct config_strings *seeds = &cfg->mesh.seeds;
	const char *why;

	if (seeds->count > SEEDS_MAX) {
		snprintf(error, error_len, "[mesh] seeds: %zu are too many; name at most %d",
			 seeds->count, SEEDS_MAX);
		return -EINVAL;
	}
	for (size_t i = 0; i < seeds->count; i++)
		if (seed_parse(&out[i], seeds->items[i], &why) != 0) {
			snprintf(error, error_len, "[mesh] seeds: %s: %s", seeds->items[i], why);
			return -EINVAL;
		}
	return (int)seeds->count;
}

void node_ref_fill(struct node_ref *ref, const uint8_t id[static NODE_ID_LEN], const char *name,
		   const char *country)
{
	sodium_bin2hex(ref->id, sizeof(ref->id), id, NODE_ID_LEN);
	snprintf(ref->name, sizeof(ref->name), "%s", name);
	snprintf(ref->country, sizeof(ref->country), "%s", country);
}

static void node_fill(const struct descriptor *d, struct node_view *v)
{
	node_ref_fill(&v->node, d->id, d->name, d->country);
	v->roles = d->roles; /* the same bits, see the assertions below */
	if (d->addr_count > 0)
		endpoint_format(&d->addrs[0], v->address);
	sodium_bin2hex(v->operator_tag, sizeof(v->operator_tag), d->operator_tag, OPERATOR_LEN);
	v->bandwidth_bps = d->capacity_kbit * 1000ull;
	v->has_load = d->load_percent != LOAD_UNKNOWN;
	v->load_percent = d->load_percent;
	v->exits_v4 = d->exit_flags & EXIT_V4;
	v->exits_v6 = d->exit_flags & EXIT_V6;
	v->valid_until_ns = d->valid_until_s * NS_PER_S;
}

_Static_assert((int)VIEW_ROLE_ENTRY == (int)ROLE_ENTRY && (int)VIEW_ROLE_RELAY == (int)ROLE_RELAY &&
		   (int)VIEW_ROLE_EXIT == (int)ROLE_EXIT,
	       "views show role bits as descriptors have them");

void mesh_nodes_view(const struct directory *dir, uint8_t roles, struct node_list_view *out)
{
	const struct descriptor *d;
	uint64_t change = 0;

	out->count = 0;
	out->items = xcalloc(directory_count(dir), sizeof(*out->items));
	while ((d = directory_next(dir, &change)) != NULL)
		if (d->roles & roles)
			node_fill(d, &out->items[out->count++]);
}

const char *config_aead_name(const struct config *cfg)
{
	switch (cfg->daemon.aead) {
	case CONFIG_AEAD_AUTO:
		return NULL;
	case CONFIG_AEAD_IPSEC_MB:
		return "ipsec-mb";
	case CONFIG_AEAD_OPENSSL:
		return "openssl";
	case CONFIG_AEAD_SODIUM:
		return "sodium";
	}
	return NULL;
}
