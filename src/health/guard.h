/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The few entries a client always uses: who watches some entries sees only the clients that keep to
 * them, and not, sooner or later, everyone.  A guard is given up after days of failure or months of
 * service, hardly ever earlier.  Times are wall clock; the set outlives the daemon.
 */
#ifndef HEALTH_GUARD_H
#define HEALTH_GUARD_H

#include "health/book.h"

#define GUARDS_WANTED    3 /* that do not fail */
#define GUARDS_MAX       8
#define GUARD_FAILING_S  (5 * 24 * 3600)
#define GUARD_LIFETIME_S (90 * 24 * 3600)
#define GUARD_REPLACE_S  600 /* failing so long, and all others too: one gives way */

struct guard {
	uint8_t id[NODE_ID_LEN];
	uint64_t added_s;
	uint64_t failing_s; /* since when; 0: it does not */
};

struct guard_set {
	struct guard guard[GUARDS_MAX];
	unsigned count;
	bool is_dirty; /* not saved since */
};

struct guard *guard_find(struct guard_set *set, const uint8_t id[static NODE_ID_LEN]);

/* guard_note(set, id, is_ok, now): a path through that entry stood, or the entry could not be
 * reached though the network is there. */
void guard_note(struct guard_set *set, const uint8_t id[static NODE_ID_LEN], bool is_ok,
		const struct now *now);

/* guard_expire: give up those whose time is over. */
void guard_expire(struct guard_set *set, const struct now *now);

/* guard_wants_more: there are too few that work, and room; or, is_stuck (none can be used), one has
 * failed long enough to give way. */
bool guard_wants_more(const struct guard_set *set, bool is_stuck, const struct now *now);

/* guard_add: in the room there is, else in the place of the one failing longest. */
void guard_add(struct guard_set *set, const uint8_t id[static NODE_ID_LEN], const struct now *now);

/* guard_put: one that was stored; false for nonsense. */
bool guard_put(struct guard_set *set, const struct guard *g, const struct now *now);

#endif
