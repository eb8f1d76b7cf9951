/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Whom to ask about the mesh: the seeds, any member of the registry, and how those did that were
 * asked before.  When to ask is membership's to say.
 */
#ifndef MESH_MIRRORS_H
#define MESH_MIRRORS_H

#include "mesh/seed.h"
#include "mesh/sync_pull.h"

#define SEEDS_MAX         16
#define MIRRORS_FOUND_MAX 8  /* on the local network */
#define MIRRORS_MAX       32 /* remembered */
#define MIRRORS_BUSY_MAX  4

/* What is known of a mirror from the last time that we pulled from it. */
struct mirror_score {
	uint8_t id[NODE_ID_LEN];
	uint64_t at_ns; /* when; 0: unused */
	enum pull_verdict verdict;
	uint32_t total;  /* descriptors it said it has, without those that we do not take */
	uint32_t lacked; /* of those that we knew when its round was over */
	uint32_t undelivered;
	unsigned failures; /* in a row */
};

/* Those that are being asked now. */
struct mirrors_busy {
	uint8_t id[MIRRORS_BUSY_MAX][NODE_ID_LEN];
	unsigned count;
};

struct mirrors {
	const struct directory *dir;     /* borrowed, as all here */
	const struct registry *registry; /* NULL: an open mesh */
	const struct rng *rng;
	const uint8_t *own_id;                            /* of a node; NULL: a client */
	struct seed seeds[SEEDS_MAX + MIRRORS_FOUND_MAX]; /* behind those given: found */
	size_t seed_count, next_seed;
	size_t given_count, found_count; /* of the seeds; of all that were ever found */
	struct mirror_score scores[MIRRORS_MAX];
};

/* mirrors_set_seeds(m, seeds, n): copied, in an order of our own. */
void mirrors_set_seeds(struct mirrors *m, const struct seed *seeds, size_t n);

/* mirrors_found(m, seed): another seed; the oldest found gives way.  False: it is known. */
bool mirrors_found(struct mirrors *m, const struct seed *seed);

/* ---- whom ---- */

/* mirrors_pick_seed(m, any, busy, now, out): the next one, unless any one that did not do badly;
 * false: there is none. */
bool mirrors_pick_seed(struct mirrors *m, bool any, const struct mirrors_busy *busy,
		       const struct now *now, struct seed *out);

/* mirrors_pick_member(m, roles, busy, now, out): a random one that has any of the roles, rather one
 * that did well. */
bool mirrors_pick_member(const struct mirrors *m, uint8_t roles, const struct mirrors_busy *busy,
			 const struct now *now, struct seed *out);
/* mirrors_pick_known: the same of any role, and one whose descriptor we have. */
bool mirrors_pick_known(const struct mirrors *m, const struct mirrors_busy *busy,
			const struct now *now, struct seed *out);

/* ---- how they did ---- */

/*
 * mirrors_is_proven(m, id, link_key): whoever has shown the link key is the node with this ID: a
 * valid descriptor says so, or the registry, and in a mesh with one only members have either.
 */
bool mirrors_is_proven(const struct mirrors *m, const uint8_t id[static NODE_ID_LEN],
		       const uint8_t link_key[static DH_LEN]);

void mirrors_failed(struct mirrors *m, const uint8_t id[static NODE_ID_LEN], const struct now *now);
void mirrors_pulled(struct mirrors *m, const uint8_t id[static NODE_ID_LEN],
		    enum pull_verdict verdict, const struct pull_result *result,
		    const struct now *now);

/* mirrors_compare(m, since_ns): what others have told since then may show what those lacked that
 * were asked since then. */
void mirrors_compare(struct mirrors *m, uint64_t since_ns);

/* mirrors_forgive(m): those that did not answer may do so now. */
void mirrors_forgive(struct mirrors *m);

#endif
