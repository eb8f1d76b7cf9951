/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "app/visitor.h"

#include "app/mesh_app.h"
#include "mesh/peers.h"

enum {
	VISITOR_BATCHES = 256,
	VISITOR_LINKS_MAX = 64,
	VISITOR_QUEUE_CELLS =
	    4096, /* that wait for the socket: dropping them costs TCP much more */
};

/* ---- what the engine asks ---- */

static bool by_id(void *ctx, const uint8_t id[static NODE_ID_LEN], struct node_peer *out)
{
	const struct visitor *v = ctx;

	return peers_by_id(v->dir, id, out);
}

static bool by_link_key(void *ctx, const uint8_t key[static DH_LEN], struct node_peer *out)
{
	const struct visitor *v = ctx;

	return peers_by_link_key(v->dir, key, out);
}

static bool no_onion_key(void *ctx, unsigned i, struct dh_keypair *key, uint32_t *key_id)
{
	(void)ctx;
	(void)i;
	(void)key;
	(void)key_id;
	return false; /* nobody's hop */
}

/* ---- beginning and end ---- */

static int open_worker(struct visitor *v, const struct config *cfg,
		       const struct worker_owner *owner, char *error, size_t error_len)
{
	return worker_open(&v->worker,
			   &(struct worker_config){
			       .udp = {.gso = true, .gro = true},
			       .engine = {.link_key = &v->link_key,
					  .max_links = VISITOR_LINKS_MAX,
					  .batches = VISITOR_BATCHES,
					  .queue_cells = VISITOR_QUEUE_CELLS,
					  .rng = &rng_system,
					  .aead = config_aead_name(cfg),
					  .world = {.ctx = v,
						    .node_by_id = by_id,
						    .node_by_link_key = by_link_key,
						    .onion_key = no_onion_key}},
			       .sink = SINK_CLIENT,
			       .owner = *owner,
			   },
			   error, error_len);
}

static void forget(struct visitor *v)
{
	membership_free(v->membership);
	places_app_close(&v->places);
	directory_free(v->dir);
	registry_app_close(&v->registry);
	secret_wipe(&v->link_key, sizeof(v->link_key));
}

int visitor_open(struct visitor *v, const struct config *cfg, const struct worker_owner *owner,
		 char *error, size_t error_len)
{
	struct membership_params membership;
	const struct now now = now_read();
	struct seed seeds[SEEDS_MAX];
	int rc, seed_count;

	*v = (struct visitor){.membership = NULL};
	dh_keypair_generate(&v->link_key, &rng_system);
	rc = registry_app_open(&v->registry, cfg, &now, error, error_len);
	if (rc != 0)
		goto err_forget;
	v->dir = mesh_directory(cfg, v->registry.reg);
	places_app_open(&v->places, cfg, v->dir);
	seed_count = rc = mesh_seeds(cfg, v->registry.reg, seeds, error, error_len);
	if (rc < 0)
		goto err_forget;
	rc = open_worker(v, cfg, owner, error, error_len);
	if (rc != 0)
		goto err_forget;
	membership = mesh_membership_params(cfg, v->registry.reg);
	membership.engine = v->worker.engine;
	membership.dir = v->dir;
	membership.seeds = seeds;
	membership.seed_count = (size_t)seed_count;
	v->membership = membership_create(&membership);
	return 0;

err_forget:
	forget(v);
	return rc;
}

void visitor_close(struct visitor *v)
{
	worker_close(&v->worker);
	forget(v);
}

struct client *visitor_client(struct visitor *v)
{
	return client_create(&(struct client_params){
	    .engine = v->worker.engine,
	    .membership = v->membership,
	    .dir = v->dir,
	    .rng = &rng_system,
	    .places = v->places.places,
	});
}

/* ---- time ---- */

void visitor_on_event(struct visitor *v, const struct engine_event *ev, const struct now *now)
{
	membership_on_event(v->membership, ev, now);
}

void visitor_tick(struct visitor *v, const struct now *now)
{
	registry_app_tick(&v->registry, now);
	membership_tick(v->membership, now);
	places_tick(v->places.places, now);
}

uint64_t visitor_deadline(const struct visitor *v, const struct now *now)
{
	const uint64_t mesh =
	    MIN(membership_deadline(v->membership, now), registry_app_deadline(&v->registry));

	return MIN(mesh, places_deadline(v->places.places));
}
