/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "health/guard.h"

static uint64_t wall_s(const struct now *now)
{
	return now->wall_ns / NS_PER_S;
}

static uint64_t age_s(uint64_t then_s, const struct now *now)
{
	return wall_s(now) > then_s ? wall_s(now) - then_s : 0;
}

struct guard *guard_find(struct guard_set *set, const uint8_t id[static NODE_ID_LEN])
{
	for (unsigned i = 0; i < set->count; i++)
		if (memcmp(set->guard[i].id, id, NODE_ID_LEN) == 0)
			return &set->guard[i];
	return NULL;
}

void guard_note(struct guard_set *set, const uint8_t id[static NODE_ID_LEN], bool is_ok,
		const struct now *now)
{
	struct guard *g = guard_find(set, id);

	if (g == NULL || is_ok == (g->failing_s == 0))
		return;
	g->failing_s = is_ok ? 0 : MAX(wall_s(now), 1);
	set->is_dirty = true;
}

void guard_expire(struct guard_set *set, const struct now *now)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < set->count; i++) {
		const struct guard *g = &set->guard[i];
		const bool is_over =
		    age_s(g->added_s, now) > GUARD_LIFETIME_S ||
		    (g->failing_s != 0 && age_s(g->failing_s, now) > GUARD_FAILING_S);

		if (!is_over)
			set->guard[kept++] = *g;
	}
	set->is_dirty |= kept != set->count;
	set->count = kept;
}

/* NULL: none fails. */
static struct guard *longest_failing(struct guard_set *set)
{
	struct guard *worst = NULL;

	for (unsigned i = 0; i < set->count; i++) {
		struct guard *g = &set->guard[i];

		if (g->failing_s != 0 && (worst == NULL || g->failing_s < worst->failing_s))
			worst = g;
	}
	return worst;
}

bool guard_wants_more(const struct guard_set *set, bool is_stuck, const struct now *now)
{
	unsigned working = 0;
	uint64_t failing_s = 0; /* the longest */

	for (unsigned i = 0; i < set->count; i++) {
		const struct guard *g = &set->guard[i];

		working += g->failing_s == 0;
		if (g->failing_s != 0)
			failing_s = MAX(failing_s, age_s(g->failing_s, now));
	}
	if (set->count < GUARDS_MAX)
		return is_stuck || working < GUARDS_WANTED;
	return is_stuck && failing_s >= GUARD_REPLACE_S;
}

void guard_add(struct guard_set *set, const uint8_t id[static NODE_ID_LEN], const struct now *now)
{
	struct guard *g =
	    set->count < GUARDS_MAX ? &set->guard[set->count++] : longest_failing(set);

	if (g == NULL)
		return;
	*g = (struct guard){.added_s = MAX(wall_s(now), 1)};
	memcpy(g->id, id, NODE_ID_LEN);
	set->is_dirty = true;
}

bool guard_put(struct guard_set *set, const struct guard *g, const struct now *now)
{
	if (set->count == GUARDS_MAX || g->added_s == 0 || g->added_s > wall_s(now) ||
	    g->failing_s > wall_s(now) || guard_find(set, g->id) != NULL)
		return false;
	set->guard[set->count++] = *g;
	return true;
}
