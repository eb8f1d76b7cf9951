/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One comparison of our directory with a mirror's, and the copy of what it has and we lack: parts
 * whose digests differ are halved until they are small, then fetched.  What is lost on the way or
 * cut off is fetched again, with a longer list of what we have; nothing else repairs it.
 */
#ifndef MESH_SYNC_PULL_H
#define MESH_SYNC_PULL_H

#include "mesh/sync_msg.h"
#include "registry/registry.h"

struct pull;

enum pull_verdict {
	PULL_GOES_ON,
	PULL_DONE,    /* we have what the mirror has */
	PULL_UNASKED, /* answers no question of ours: late, doubled or made up */
	PULL_FAILED,  /* it does not answer, or not to the end */
	PULL_LIED,    /* no honest mirror sends this */
};

/* What a pull found out. */
struct pull_result {
	uint32_t total;                /* descriptors that the mirror says it has */
	uint32_t added;                /* new to us, or newer */
	uint32_t refused;              /* what it sent that we do not take, in good faith */
	uint32_t forged;               /* ... and what nobody sends in good faith */
	uint32_t undelivered;          /* what it said it has, and did not send */
	uint32_t unfinished;           /* parts given up */
	uint64_t events;               /* taken into the registry */
	enum registry_result registry; /* what is wrong with the mirror's log, or _OK */
	uint64_t cells, lost;
};

/* dir and registry (NULL: an open mesh) are borrowed.  The registry comes first: who is a member
 * decides which descriptors can be taken.  request: the number of the last question to this mirror,
 * whose answer may still come. */
struct pull *pull_create(struct directory *dir, struct registry *registry, uint16_t request,
			 const struct now *now);
uint16_t pull_last_request(const struct pull *p);
void pull_free(struct pull *p);

/* pull_next_out(p, out, now): the next question, until false; out's peer is not set. */
bool pull_next_out(struct pull *p, struct sync_out *out, const struct now *now);

/* pull_take(p, m, now): COUNTS or DATA from the mirror. */
enum pull_verdict pull_take(struct pull *p, const struct sync_msg *m, const struct now *now);

/* pull_tick(p, now): questions lost; GOES_ON, DONE or FAILED. */
enum pull_verdict pull_tick(struct pull *p, const struct now *now);
uint64_t pull_deadline(const struct pull *p);

/* pull_is_heard(p): the mirror has answered something. */
bool pull_is_heard(const struct pull *p);

const struct pull_result *pull_result(const struct pull *p);

#endif
