/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * How descriptors travel: messages between neighbours in LINKCTL cells, one reply per request, so
 * that nobody gets more bytes out of a node than he puts in.
 *
 * A source (bootstrap node) is asked for everything its directory gained after a change number;
 * several questions for adjacent ranges are under way at once, lost ones are asked again.  Each
 * descriptor is verified here by directory_add; a source can withhold, but not forge.  Nodes push
 * their own descriptor to their sources.
 */
#ifndef MESH_DIRSYNC_H
#define MESH_DIRSYNC_H

#include "mesh/directory.h"
#include "wire/drop.h"

#define DIRSYNC_SOURCES_MAX 3
#define DIRSYNC_TYPE_MAX    15 /* first bytes of LINKCTL bodies that are ours: 1..15 */

struct dirsync;

struct dirsync_params {
	struct directory *dir; /* borrowed */
	const struct rng *rng; /* borrowed */
	bool is_node;          /* serve GET, take PUSH, push our own */
	uint64_t period_ns;    /* between refreshes; 0: 10 minutes */
	uint32_t max_peers;    /* 0: 4096 */
};

struct dirsync *dirsync_create(const struct dirsync_params *params);
void dirsync_free(struct dirsync *ds);

enum dirsync_peer_kind {
	DIRSYNC_NEIGHBOUR, /* answer it */
	DIRSYNC_SOURCE,    /* and pull from it, push to it */
};

/*
 * dirsync_peer_up(ds, link_id, kind, now): the link can carry messages; -ENOSPC when there are too
 * many peers, or sources (then it is a neighbour).  Telling it again is harmless, and may turn a
 * neighbour into a source.
 * dirsync_peer_down: it cannot.  What was learnt from a source is kept for when the same link comes
 * up again, unless another source needs the room.
 */
MUST_USE int dirsync_peer_up(struct dirsync *ds, uint32_t link_id, enum dirsync_peer_kind kind,
			     const struct now *now);
void dirsync_peer_down(struct dirsync *ds, uint32_t link_id);

/* dirsync_recv(ds, link_id, body, now): a LINKCTL body whose first byte is 1..DIRSYNC_TYPE_MAX. */
enum drop dirsync_recv(struct dirsync *ds, uint32_t link_id,
		       const uint8_t body[static CELL_BODY_LEN], const struct now *now);

/* dirsync_next_out(ds, link_id, body, now): the next message to send, until false. */
bool dirsync_next_out(struct dirsync *ds, uint32_t *link_id, uint8_t body[static CELL_BODY_LEN],
		      const struct now *now);

/*
 * dirsync_publish(ds, bytes, len, now): our own descriptor, newly signed; goes into our directory
 * and to every source.  The directory's verdict.
 */
enum directory_result dirsync_publish(struct dirsync *ds, const uint8_t *bytes, size_t len,
				      const struct now *now);

/* dirsync_refresh(ds, now): pull from all sources now rather than at the end of the period. */
void dirsync_refresh(struct dirsync *ds, const struct now *now);

/* Timers: retries, periods, and the directory's expiry.  deadline: absolute mono_ns or NEVER. */
void dirsync_tick(struct dirsync *ds, const struct now *now);
uint64_t dirsync_deadline(const struct dirsync *ds, const struct now *now);

/* What happened; equal events that were not taken yet are told once. */
enum dirsync_event {
	DIRSYNC_EVENT_NONE,
	DIRSYNC_EVENT_CHANGED,  /* the directory is not what it was */
	DIRSYNC_EVENT_COMPLETE, /* a source has told all it knows: a view can be used */
	DIRSYNC_EVENT_REFUSED,  /* a source refused our descriptor, or sent what no honest one does
				 */
};
enum dirsync_event dirsync_next_event(struct dirsync *ds);

/* dirsync_is_complete(ds): at least one source has told all it knew at some time. */
bool dirsync_is_complete(const struct dirsync *ds);

struct dirsync_stats {
	uint64_t requests_sent, requests_lost, replies_received;
	uint64_t requests_served, pushes_sent, pushes_taken;
	uint64_t rate_limited;
	uint64_t sources_dropped;          /* pulls ended because the source lied */
	uint32_t last_total;               /* nodes that the source heard last claims to know */
	enum directory_result push_result; /* the last answer to our PUSH... */
	enum descriptor_error push_error;  /* ... and why, when it was DIRECTORY_INVALID */
};
const struct dirsync_stats *dirsync_stats(const struct dirsync *ds);

#endif
