/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "app/mesh_app.h"

#include "app/view_cache.h"
#include "registry/local.h"

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
	struct registry_member m;
	uint32_t slot = 0;

	while (f->count < FOUND_MAX && registry_next(reg, &slot, &m)) {
		const struct registry_contact *c = &m.record.contact;
		struct seed *s = &f->seeds[f->count];

		if (c->addr.port == 0)
			continue;
		memcpy(s->id, m.record.key, sizeof(s->id));
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

struct registry *mesh_registry(const struct config *cfg)
{
	struct registry_backend backend;

	if (!cfg->mesh.registrar.is_set)
		return NULL;
	backend = local_backend(cfg->mesh.registrar.bytes);
	return registry_create(&backend, &rng_system);
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
