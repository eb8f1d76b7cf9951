/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One pull of a source's directory: several walkers, each asking its way through a range of change
 * numbers, one question under way per walker.  A new walker takes half of the longest range left.
 */
#ifndef MESH_DIRSYNC_PULL_H
#define MESH_DIRSYNC_PULL_H

#include "mesh/dirsync_msg.h"

#define PULL_WINDOW_MAX 64 /* questions under way; a walker's number is 6 bits of its request */

enum pull_walker_state {
	WALKER_FREE,
	WALKER_READY, /* has a question to send */
	WALKER_SENT,
};

struct pull_walker {
	uint64_t from, to; /* still to be asked: (from, to] */
	uint64_t sent_ns;
	uint16_t request;
	uint8_t tries;
	enum pull_walker_state state;
};

struct pull {
	/* Kept from pull to pull: all up to done is known, in the numbering of epoch. */
	uint64_t epoch, done;
	uint64_t srtt_ns, rttvar_ns; /* 0: not measured yet */
	bool is_running;
	bool has_target; /* the source has said where its changes end */
	uint64_t target;
	unsigned window, sent; /* questions allowed and under way */
	uint64_t halved_ns;    /* when the window was last halved */
	uint64_t next_send_ns; /* pacing */
	uint16_t generation;
	/* What an honest source does only so often. */
	unsigned restarts, forged, empty;
	uint64_t useless;
	struct pull_walker walkers[PULL_WINDOW_MAX];
};

enum pull_verdict {
	PULL_GOES_ON,
	PULL_DONE,
	PULL_UNASKED, /* answers no question of ours: late, doubled or made up */
	PULL_LIED,    /* no honest source does this; the pull has ended */
};

void pull_start(struct pull *p, const struct now *now);
void pull_stop(struct pull *p);

/* pull_next_out(p, m, now): the next question, until false. */
bool pull_next_out(struct pull *p, struct dirsync_msg *m, const struct now *now);

/* pull_take(p, dir, m, now): a DATA message; its descriptors go into dir. */
enum pull_verdict pull_take(struct pull *p, struct directory *dir, const struct dirsync_msg *m,
			    const struct now *now);

/* pull_tick(p, now): questions lost; false when the source does not answer at all. */
bool pull_tick(struct pull *p, const struct now *now, uint64_t *lost);
uint64_t pull_deadline(const struct pull *p);

/* pull_timeout_ns(p, tries): how long to wait for an answer of this source. */
uint64_t pull_timeout_ns(const struct pull *p, unsigned tries);

#endif
