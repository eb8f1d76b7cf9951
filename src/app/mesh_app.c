/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "app/mesh_app.h"

#include "app/view_cache.h"
#include "mesh/region.h"

#include "util/xalloc.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>

enum {
	SEED_FILE_MAX = 1 << 20, /* bytes */
	FOUND_MAX = 4096,        /* seeds */
};

struct found {
	struct seed *seeds;
	size_t count;
};

static int read_file(const char *path, char *text, char *error, size_t error_len)
{
	FILE *f = fopen(path, "re");
	const size_t n = f != NULL ? fread(text, 1, SEED_FILE_MAX, f) : 0;
	int err = f == NULL || ferror(f) ? -errno : 0;

	if (err == 0 && n == SEED_FILE_MAX)
		err = -EFBIG;
	if (f != NULL)
		fclose(f);
	text[n] = '\0';
	if (err != 0)
		snprintf(error, error_len, "[mesh] seed_file: %s: %s", path, strerror(-err));
	return err;
}

static int find_in_file(const char *path, struct found *f, char *error, size_t error_len)
{
	char why[SEED_ERROR_MAX], *text = xcalloc(1, SEED_FILE_MAX + 1);
	int n = read_file(path, text, error, error_len);

	if (n == 0) {
		n = seed_list_parse(text, f->seeds + f->count, FOUND_MAX - f->count, why);
		if (n < 0)
			snprintf(error, error_len, "[mesh] seed_file: %s: %s", path, why);
		else
			f->count += (size_t)n;
	}
	free(text);
	return MIN(n, 0);
}

static void find_in_registry(const struct registry *reg, struct found *f)
{
	const struct registry_member *m;
	uint32_t slot = 0;

	while (f->count < FOUND_MAX && (m = registry_next(reg, &slot)) != NULL) {
		const struct registry_contact *c = &m->record.contact;
		struct seed *s = &f->seeds[f->count];

		if (c->addr.port == 0)
			continue;
		memcpy(s->id, m->record.key, sizeof(s->id));
		memcpy(s->link_public, c->link_key, sizeof(s->link_public));
		s->addr = c->addr;
		f->count++;
	}
}

/* Some of those found, at random: what everybody finds shall not lead everybody to the same. */
static size_t draw(struct found *f, struct seed *out, size_t room)
{
	size_t n = 0;

	while (n < room && f->count > 0) {
		const size_t k = (size_t)rng_below(&rng_system, f->count);

		out[n++] = f->seeds[k];
		f->seeds[k] = f->seeds[--f->count];
	}
	return n;
}

static int configured_seeds(const struct config *cfg, struct seed *out, char *error,
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

int mesh_seeds(const struct config *cfg, const struct registry *reg,
	       struct seed out[static SEEDS_MAX], char *error, size_t error_len)
{
	struct found found = {.seeds = xcalloc(FOUND_MAX, sizeof(struct seed))};
	int n = configured_seeds(cfg, out, error, error_len), err = 0;

	if (n >= 0 && cfg->mesh.seed_file != NULL)
		err = find_in_file(cfg->mesh.seed_file, &found, error, error_len);
	if (n >= 0 && err == 0 && reg != NULL)
		find_in_registry(reg, &found);
	if (n >= 0 && err == 0)
		n += (int)draw(&found, out + n, (size_t)(SEEDS_MAX - n));
	free(found.seeds);
	return err != 0 ? err : n;
}

bool mesh_has_source(const struct config *cfg)
{
	return cfg->mesh.seeds.count > 0 || cfg->mesh.seed_file != NULL ||
	       cfg->mesh.registrar.is_set;
}

#define NODE_PERIOD_S      (MEMBERSHIP_NODE_PERIOD_NS / NS_PER_S)
#define CHANGE_GAP_PERIODS 10 /* between a node's descriptors: 5 minutes with the usual period */

uint64_t mesh_change_gap_ns(const struct config *cfg)
{
	const uint64_t period_s = cfg->mesh.sync_period_s != 0
				      ? MIN(cfg->mesh.sync_period_s, NODE_PERIOD_S)
				      : NODE_PERIOD_S;

	return CHANGE_GAP_PERIODS * period_s * NS_PER_S;
}

struct directory *mesh_directory(const struct config *cfg, struct registry *reg)
{
	return directory_create(&(struct directory_params){
	    .rng = &rng_system,
	    .change_gap_ns = mesh_change_gap_ns(cfg),
	    .members = membership_members(reg),
	});
}

struct view_cache *mesh_cache(const struct config *cfg, const char *name)
{
	char *path = xasprintf("%s/%s", cfg->daemon.state_dir, name);
	struct view_cache *vc = view_cache_open(path);

	free(path);
	return vc;
}

struct membership_params mesh_membership_params(const struct config *cfg, struct registry *reg)
{
	return (struct membership_params){
	    .rng = &rng_system,
	    .registry = reg,
	    .head_max_age_s = cfg->mesh.head_max_age_s,
	    .period_ns = cfg->mesh.sync_period_s * NS_PER_S,
	    .epoch_s = cfg->mesh.epoch_s,
	};
}

void node_ref_fill(struct node_ref *ref, const uint8_t id[static NODE_ID_LEN], const char *name,
		   const char *country)
{
	sodium_bin2hex(ref->id, sizeof(ref->id), id, NODE_ID_LEN);
	snprintf(ref->name, sizeof(ref->name), "%s", name);
	snprintf(ref->country, sizeof(ref->country), "%s", country);
}

static void node_fill(const struct directory *dir, const struct descriptor *d, struct node_view *v)
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
	v->has_slot = d->slot != SLOT_NONE;
	v->slot = d->slot;
	v->region = region_name(region_of(d->country));
	v->since_ns = d->since_s * NS_PER_S;
	snprintf(v->software, sizeof(v->software), "%s", d->software);
	v->is_in_view = directory_in_view(dir, d);
}

static const char *outcome_name(enum pull_verdict v)
{
	switch (v) {
	case PULL_DONE:
		return "done";
	case PULL_LIED:
		return "lied";
	case PULL_GOES_ON:
	case PULL_UNASKED:
	case PULL_FAILED:
		return "failed";
	}
	return "failed";
}

void mesh_view_fill(const struct membership *m, const struct directory *dir, const struct now *now,
		    struct mesh_view *out)
{
	struct membership_view *v = xcalloc(1, sizeof(*v)); /* large */

	membership_view(m, v);
	*out = (struct mesh_view){
	    .is_part = true,
	    .known = (uint32_t)v->known,
	    .in_view = (uint32_t)v->view_count,
	    .epoch_ns = v->epoch_s * NS_PER_S,
	    .has_registry = v->has_registry,
	    .members = v->members,
	    .missing = v->missing,
	    .events = v->events,
	    .head_ns = v->head_time_s * NS_PER_S,
	    .is_head_old = v->is_head_old,
	    .rounds = v->rounds,
	    .pulls = v->sync.pulls_done,
	    .pulls_failed = v->sync.pulls_failed,
	    .lies = v->sync.mirrors_lied,
	    .cells_received = v->sync.cells_received,
	};
	sodium_bin2hex(out->view_digest, sizeof(out->view_digest), v->view_digest, TREE_DIGEST_LEN);
	while (directory_evidence(dir, out->equivocations) != NULL)
		out->equivocations++;
	for (size_t i = 0; i < MIN(v->mirror_count, (size_t)VIEW_MIRRORS_MAX); i++) {
		const struct mirror_score *s = &v->mirrors[i];
		struct mirror_view *mirror = &out->mirrors[out->mirror_count++];

		*mirror = (struct mirror_view){
		    .outcome = outcome_name(s->verdict),
		    .age_ns = now->mono_ns - s->at_ns,
		    .told = s->total,
		    .lacked = s->lacked,
		    .undelivered = s->undelivered,
		};
		sodium_bin2hex(mirror->id, sizeof(mirror->id), s->id, NODE_ID_LEN);
	}
	free(v);
}

_Static_assert((int)VIEW_ROLE_ENTRY == (int)ROLE_ENTRY && (int)VIEW_ROLE_RELAY == (int)ROLE_RELAY &&
		   (int)VIEW_ROLE_EXIT == (int)ROLE_EXIT,
	       "views show role bits as descriptors have them");

void mesh_nodes_view(const struct directory *dir, uint8_t roles, struct node_list_view *out)
{
	out->count = 0;
	out->items = xcalloc(directory_count(dir), sizeof(*out->items));
	for (const struct descriptor *d = directory_next(dir, NULL); d != NULL;
	     d = directory_next(dir, d))
		if (d->roles & roles)
			node_fill(dir, d, &out->items[out->count++]);
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

void stats_add(struct engine_stats *sum, const struct engine_stats *s)
{
	for (size_t i = 0; i < DROP_COUNT; i++)
		sum->drops[i] += s->drops[i];
	sum->rx_datagrams += s->rx_datagrams;
	sum->tx_datagrams += s->tx_datagrams;
	sum->fwd_cells += s->fwd_cells;
	sum->bwd_cells += s->bwd_cells;
	sum->creates_ok += s->creates_ok;
	sum->creates_failed += s->creates_failed;
	sum->events_lost += s->events_lost;
	sum->circuits += s->circuits;
	sum->links += s->links;
	sum->sessions += s->sessions;
	sum->exit_rx_packets += s->exit_rx_packets;
	sum->exit_tx_packets += s->exit_tx_packets;
	sum->exit_rx_bytes += s->exit_rx_bytes;
	sum->exit_tx_bytes += s->exit_tx_bytes;
	sum->queued_marked += s->queued_marked;
	sum->queued_dropped += s->queued_dropped;
	sum->resent_packets += s->resent_packets;
	sum->paths += s->paths;
}
