/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Answering ASK, FETCH, EVENTS and PUSH: a queue of questions for each neighbour that has any, one
 * cell of answer at a time in turns, at bounded rates.  What does not fit is dropped; whoever asked
 * asks again.
 */
#ifndef MESH_SYNC_SERVE_H
#define MESH_SYNC_SERVE_H

#include "mesh/sync_msg.h"
#include "registry/registry.h"
#include "util/bucket.h"
#include "util/list.h"
#include "util/map.h"
#include "wire/drop.h"

enum {
	SERVE_PEERS_MAX = 4096, /* that asked lately */
	SERVE_JOBS_MAX = 256,
	SERVE_PEER_JOBS_MAX = 8,
};

struct serve_stats {
	uint64_t questions, cells, pushes, rate_limited;
};

struct serve {
	struct directory *dir;
	const struct registry *registry; /* NULL: an open mesh */
	uint32_t cells_per_s;            /* for all together */
	struct map peers;                /* number -> struct serve_peer; those who asked lately */
	struct list idle;                /* of peers, the one that was silent longest first ... */
	struct list busy;                /* ... and of those with jobs, in turns */
	unsigned jobs;
	struct bucket cells;
	uint64_t blocked_ns; /* nothing may be sent before */
	struct serve_stats stats;
};

/* serve_init(s, dir, registry, rng, cells_per_s): dir and registry are borrowed; cells_per_s 0: as
 * many as 117 Mbit/s. */
void serve_init(struct serve *s, struct directory *dir, const struct registry *registry,
		const struct rng *rng, uint32_t cells_per_s);
void serve_fini(struct serve *s);

/* serve_take(s, peer, reply, body, now): a question, well-formed and of one of the four kinds. */
enum drop serve_take(struct serve *s, uint64_t peer, uint64_t reply,
		     const uint8_t body[static CELL_BODY_LEN], const struct now *now);

/* serve_next_out(s, out, now): the next cell, until false; serve_deadline: when there will be
 * another, or a neighbour is to be forgotten. */
bool serve_next_out(struct serve *s, struct sync_out *out, const struct now *now);
uint64_t serve_deadline(const struct serve *s);

/* serve_forget(s, peer): it is gone.  serve_tick: forget who was silent for long. */
void serve_forget(struct serve *s, uint64_t peer);
void serve_tick(struct serve *s, const struct now *now);

#endif
