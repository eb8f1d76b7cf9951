/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Keeping in touch with the mesh: whom to compare directories with, and when, over the engine's
 * links.  A node asks one random member each period, so that news reach all in a few periods; a
 * client asks two mirrors, and further ones until two in a row add nothing.  Clients and nodes
 * alike; what else is behind the directory is changed here and nowhere else.
 */
#ifndef MESH_MEMBERSHIP_H
#define MESH_MEMBERSHIP_H

#include "core/engine.h"
#include "mesh/dirsync.h"
#include "mesh/mirrors.h"

#define MEMBERSHIP_NODE_PERIOD_NS   (30 * NS_PER_S)
#define MEMBERSHIP_CLIENT_PERIOD_NS (600 * NS_PER_S)

struct membership;

struct membership_params {
	struct engine *engine;     /* borrowed */
	struct directory *dir;     /* borrowed; of the registry's members, if there is one */
	struct registry *registry; /* borrowed; NULL: an open mesh */
	uint64_t head_max_age_s;   /* of the registry's head; 0: any */
	const struct rng *rng;     /* borrowed */
	const struct seed *seeds;  /* copied */
	size_t seed_count;
	const uint8_t *own_id; /* of a node, borrowed; NULL: a client */
	uint64_t period_ns;    /* between rounds; 0: as above */
	uint32_t cells_per_s;  /* see dirsync_params */
	/* The view of an epoch has the nodes that have been up since a sixth of its length before
	 * it began.  0: an hour in a mesh with a registry that is older than a day, else none. */
	uint64_t epoch_s;
};

struct membership *membership_create(const struct membership_params *params);
void membership_free(struct membership *m);

/*
 * membership_use_paths(m, paths): of a client: how to ask without being seen.  open builds a path
 * that ends at this node: its number, or 0 when there is none; membership closes it.  What was
 * known before is asked anew through paths from then on; first contact is direct.
 */
struct membership_paths {
	void *ctx;
	uint32_t (*open)(void *ctx, const uint8_t id[static NODE_ID_LEN], const struct now *now);
};
void membership_use_paths(struct membership *m, const struct membership_paths *paths);

/* membership_on_event(m, ev, now): give it every engine event; it takes what concerns it. */
void membership_on_event(struct membership *m, const struct engine_event *ev,
			 const struct now *now);

/* membership_publish(m, bytes, len, now): our own signed descriptor, to whoever should have it. */
enum directory_result membership_publish(struct membership *m, const uint8_t *bytes, size_t len,
					 const struct now *now);

/* membership_want(m, want, now): take part (a node always; a client while it is on). */
void membership_want(struct membership *m, bool want, const struct now *now);

/* membership_members(registry): whom a directory takes. */
struct directory_members membership_members(struct registry *registry);

/* membership_has_view(m): paths can be chosen: some mirror has told all it knew, or a cache did,
 * and the registry's head is not too old. */
bool membership_has_view(const struct membership *m);

/* membership_trouble(m, out): why there is no view, if it is more than that nobody answered. */
#define MEMBERSHIP_TROUBLE_MAX 160
bool membership_trouble(const struct membership *m, char out[static MEMBERSHIP_TROUBLE_MAX]);

/* membership_seeds_text(m, out, len): where the seeds are, as far as out has room. */
void membership_seeds_text(const struct membership *m, char *out, size_t len);

/* membership_refresh(m, now): begin a round now rather than at the period's end. */
void membership_refresh(struct membership *m, const struct now *now);

/* membership_found(m, seed, now): a node that may be a member, as heard on the local network. */
void membership_found(struct membership *m, const struct seed *seed, const struct now *now);

/* membership_hurry(m, now): the machine's network has changed: who did not answer may do so now. */
void membership_hurry(struct membership *m, const struct now *now);

void membership_tick(struct membership *m, const struct now *now);
uint64_t membership_deadline(const struct membership *m, const struct now *now);

/* membership_known(m): how many nodes' descriptors there are. */
size_t membership_known(const struct membership *m);

/* membership_slot(m): of this node; SLOT_NONE while it is no member, or in an open mesh. */
uint32_t membership_slot(const struct membership *m);

/* membership_rtts(m, out): the round trips of the last links with nodes, encoded for a descriptor;
 * their number.  membership_has_news(m, now): some that we did not tell yet contradict where a node
 * says that it is. */
unsigned membership_rtts(struct membership *m,
			 uint8_t out[static DESCRIPTOR_RTTS_MAX * LINK_RTT_LEN]);
bool membership_has_news(struct membership *m, const struct now *now);

struct membership_view {
	uint64_t epoch_s; /* when the present one began; 0: there are none */
	uint8_t view_digest[TREE_DIGEST_LEN];
	size_t view_count; /* nodes that paths are chosen from */
	size_t known;      /* descriptors */
	bool has_registry;
	uint32_t members, missing; /* if has_registry: those without a descriptor */
	uint64_t events, head_time_s;
	bool is_head_old;
	uint64_t rounds, reverse_pulls;
	uint64_t path_pulls;           /* that were done through circuits */
	enum directory_result refusal; /* of our own descriptor, by a mirror; ADDED: none */
	enum descriptor_error refusal_error;
	size_t mirror_count;
	struct mirror_score mirrors[MIRRORS_MAX];
	struct dirsync_stats sync;
};
void membership_view(const struct membership *m, struct membership_view *out);

#endif
