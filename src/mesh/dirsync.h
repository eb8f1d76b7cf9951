/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * How descriptors travel between neighbours, over whatever carries LINKCTL bodies: who is pulled
 * from (sync_pull.c), who is answered (sync_serve.c), and our own descriptor, pushed to those we
 * pull from.  Whom to pull from and when is membership's to say.
 */
#ifndef MESH_DIRSYNC_H
#define MESH_DIRSYNC_H

#include "mesh/sync_pull.h"
#include "mesh/sync_serve.h"

#define DIRSYNC_PULLS_MAX 8  /* at the same time */
#define DIRSYNC_TYPE_MAX  15 /* first bytes of LINKCTL bodies that are ours: 1..15 */

struct dirsync;

struct dirsync_params {
	struct directory *dir;     /* borrowed; follows the registry */
	struct registry *registry; /* borrowed; NULL: an open mesh */
	const struct rng *rng;     /* borrowed */
	bool is_node;              /* answer others */
	uint32_t cells_per_s;      /* most that answers to all others take; 0: see serve_init */
};

struct dirsync *dirsync_create(const struct dirsync_params *params);
void dirsync_free(struct dirsync *ds);

/* dirsync_pull(ds, peer, now): learn what this mirror has; -EALREADY, or -ENOSPC when there are
 * too many.  Its end is told as an event. */
MUST_USE int dirsync_pull(struct dirsync *ds, uint64_t peer, const struct now *now);

/* dirsync_is_heard(ds, peer): the mirror that we pull from has answered something. */
bool dirsync_is_heard(struct dirsync *ds, uint64_t peer);

/* dirsync_down(ds, peer): nothing can be sent to it any more. */
void dirsync_down(struct dirsync *ds, uint64_t peer);

/* dirsync_recv(ds, peer, is_member, body, now): a LINKCTL body whose first byte is
 * 1..DIRSYNC_TYPE_MAX, from a neighbour; or an answer that came back on a path of ours.
 * dirsync_asked: one that came through a circuit, to be answered from counter reply on. */
enum drop dirsync_recv(struct dirsync *ds, uint64_t peer, bool is_member,
		       const uint8_t body[static CELL_BODY_LEN], const struct now *now);
enum drop dirsync_asked(struct dirsync *ds, uint64_t peer, uint64_t reply,
			const uint8_t body[static CELL_BODY_LEN], const struct now *now);

/* dirsync_next_out(ds, out, now): the next message to send, until false. */
bool dirsync_next_out(struct dirsync *ds, struct sync_out *out, const struct now *now);

/* dirsync_publish(ds, bytes, len, now): our own descriptor, newly signed.  The directory's verdict.
 */
enum directory_result dirsync_publish(struct dirsync *ds, const uint8_t *bytes, size_t len,
				      const struct now *now);

/* Timers: retries, and the directory's expiry.  deadline: absolute mono_ns or NEVER. */
void dirsync_tick(struct dirsync *ds, const struct now *now);
uint64_t dirsync_deadline(const struct dirsync *ds, const struct now *now);

enum dirsync_event_type {
	DIRSYNC_PULLED,  /* verdict DONE, FAILED or LIED */
	DIRSYNC_REFUSED, /* the mirror refused our descriptor */
	DIRSYNC_BEHIND,  /* a member that asked us has what we lack */
};

struct dirsync_event {
	enum dirsync_event_type type;
	uint64_t peer;
	enum pull_verdict verdict; /* PULLED */
	struct pull_result result;
	enum directory_result refusal; /* REFUSED */
	enum descriptor_error error;
};

/* dirsync_next_event: oldest first; false when there is none. */
bool dirsync_next_event(struct dirsync *ds, struct dirsync_event *ev);

struct dirsync_stats {
	uint64_t pulls_done, pulls_failed, mirrors_lied;
	uint64_t cells_received, cells_lost;
	uint64_t pushes_sent;
	struct serve_stats serve;
};
struct dirsync_stats dirsync_stats(const struct dirsync *ds);

#endif
