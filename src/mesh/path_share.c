/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mesh/path_share.h"

#include "util/bytes.h"

/* Nobody is left out altogether: what a node is used for is not to be read from its roles. */
#define SHARE_LEAST (PATH_SHARE_ALL / 50)

/* What the nodes that have a role spend on it when the whole mesh is full: each place of a route
 * takes as much as any other. */
static uint64_t spent(const uint64_t capacity[static ROLE_ALL + 1], uint8_t role, unsigned hops)
{
	uint64_t all = 0, having = 0;

	for (unsigned roles = 0; roles <= ROLE_ALL; roles++) {
		all += capacity[roles];
		having += (roles & role) != 0 ? capacity[roles] : 0;
	}
	return having != 0 ? MIN(PATH_SHARE_ALL * (all / hops) / having, PATH_SHARE_ALL) : 0;
}

static uint16_t left(uint64_t other, uint64_t another)
{
	const uint64_t sum = other + another;

	return (uint16_t)(sum + SHARE_LEAST < PATH_SHARE_ALL ? PATH_SHARE_ALL - sum : SHARE_LEAST);
}

/* Those of one place in proportion, so that draws are not thrown away for nothing. */
static void scale(uint16_t of[static ROLE_ALL + 1], const uint64_t capacity[static ROLE_ALL + 1],
		  uint8_t role)
{
	unsigned most = 1;

	for (unsigned roles = 0; roles <= ROLE_ALL; roles++)
		if (capacity[roles] != 0 && (roles & role) != 0)
			most = MAX(most, of[roles]);
	for (unsigned roles = 0; roles <= ROLE_ALL; roles++)
		of[roles] = (uint16_t)MIN(of[roles] * PATH_SHARE_ALL / most, PATH_SHARE_ALL);
}

struct path_shares path_shares(const uint64_t capacity[static ROLE_ALL + 1], unsigned hops)
{
	const uint64_t entry = spent(capacity, ROLE_ENTRY, hops),
		       exit = spent(capacity, ROLE_EXIT, hops);
	struct path_shares s;

	for (unsigned roles = 0; roles <= ROLE_ALL; roles++) {
		const uint64_t as_entry = (roles & ROLE_ENTRY) != 0 ? entry : 0,
			       as_exit = (roles & ROLE_EXIT) != 0 ? exit : 0;

		s.of[PATH_AS_ENTRY][roles] = left(0, as_exit);
		s.of[PATH_AS_RELAY][roles] = left(as_entry, as_exit);
		s.of[PATH_AS_EXIT][roles] = left(as_entry, 0);
	}
	scale(s.of[PATH_AS_ENTRY], capacity, ROLE_ENTRY);
	scale(s.of[PATH_AS_RELAY], capacity, ROLE_RELAY);
	scale(s.of[PATH_AS_EXIT], capacity, ROLE_EXIT);
	return s;
}
