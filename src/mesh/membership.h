/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Keeping in touch with the mesh: links to the seeds, and dirsync over the engine's links.  Clients
 * and nodes alike; what else is behind the directory is changed here and nowhere else.
 */
#ifndef MESH_MEMBERSHIP_H
#define MESH_MEMBERSHIP_H

#include "core/engine.h"
#include "mesh/dirsync.h"
#include "mesh/seed.h"

#define SEEDS_MAX            16
#define MEMBERSHIP_PERIOD_NS (20 * NS_PER_S)

struct membership;

struct membership_params {
	struct engine *engine;    /* borrowed */
	struct directory *dir;    /* borrowed */
	const struct rng *rng;    /* borrowed */
	const struct seed *seeds; /* copied */
	size_t seed_count;
	bool is_node;
	uint64_t period_ns; /* between refreshes, which carry only what changed; 0:
			       MEMBERSHIP_PERIOD_NS */
};

struct membership *membership_create(const struct membership_params *params);
void membership_free(struct membership *m);

/* membership_on_event(m, ev, now): give it every engine event; it takes what concerns links. */
void membership_on_event(struct membership *m, const struct engine_event *ev,
			 const struct now *now);

/* membership_publish(m, bytes, len, now): our own signed descriptor, to whoever should have it. */
enum directory_result membership_publish(struct membership *m, const uint8_t *bytes, size_t len,
					 const struct now *now);

/* membership_want(m, want, now): hold the links to seeds (a node always; a client while it is on).
 */
void membership_want(struct membership *m, bool want, const struct now *now);

/* membership_has_view(m): some source has told all it knew: paths can be chosen. */
bool membership_has_view(const struct membership *m);

/* membership_seeds_text(m, out, len): where the seeds are, as far as out has room. */
void membership_seeds_text(const struct membership *m, char *out, size_t len);

/* membership_refresh(m, now): ask the sources now for what changed, rather than at the period's
 * end. */
void membership_refresh(struct membership *m, const struct now *now);

/* membership_hurry(m, now): the machine's network has changed: call the seeds that are down now. */
void membership_hurry(struct membership *m, const struct now *now);

void membership_tick(struct membership *m, const struct now *now);
uint64_t membership_deadline(const struct membership *m, const struct now *now);

#endif
