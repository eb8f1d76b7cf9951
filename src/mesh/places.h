/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Where nodes are: what they claim, what a database says of their addresses, and whether the round
 * trips that others measured to them allow the claim.
 *
 * Nothing is faster than light: two nodes that claim countries too far apart for the round trip
 * between them cannot both tell the truth.  Which of them lies is decided by independent witnesses:
 * other nodes of different operators and networks, whose own claims stand and do not differ from
 * the database's word.  A claim is refuted when at least so many witnesses contradict it, and more
 * of them than support it from nearby; the most contradicted first, whose word then counts no more.
 * What nobody contradicts is consistent, which is no proof: whoever answers late seems far away.
 *
 * All nodes are looked at again, some at a time, when the directory has changed.
 */
#ifndef MESH_PLACES_H
#define MESH_PLACES_H

#include "mesh/directory.h"

#define PLACES_WITNESSES 3 /* usually wanted */

/* What a database says of an address. */
struct place_origin {
	char country[3]; /* "": it does not say */
	uint32_t asn;    /* number of the autonomous system; 0: it does not say */
};

struct place_locator {
	void *ctx;
	/* NULL: there is no database.  False: it does not have this address. */
	bool (*find)(void *ctx, const uint8_t ip[static 16], struct place_origin *out);
};

struct places_params {
	const struct directory *dir; /* borrowed */
	struct place_locator locator;
	unsigned witnesses; /* how many it takes; 0: nothing is judged */
	const struct rng *rng;
};

enum place_verdict {
	PLACE_UNVERIFIED, /* too few have measured it */
	PLACE_CONSISTENT,
	PLACE_REFUTED,
};

struct place_report {
	enum place_verdict verdict;
	uint8_t witnesses, against; /* independent ones, as far as they were counted */
	uint64_t nearest_ns;        /* the shortest round trip that a witness measured; 0: none */
	char nearest_country[3];    /* the witness's */
	struct place_origin origin; /* of its address */
};

struct places;

struct places *places_create(const struct places_params *params);
void places_free(struct places *p);

/* places_tick(p, now): some of the work there is.  places_deadline: when there is more. */
void places_tick(struct places *p, const struct now *now);
uint64_t places_deadline(const struct places *p);

/* places_report(p, id, out): of a node; all zero for one not looked at yet.  p NULL: of none. */
void places_report(const struct places *p, const uint8_t id[static NODE_ID_LEN],
		   struct place_report *out);
bool places_is_refuted(const struct places *p, const uint8_t id[static NODE_ID_LEN]);
/* places_share_as(p, a, b): known to be in one autonomous system. */
bool places_share_as(const struct places *p, const uint8_t a[static NODE_ID_LEN],
		     const uint8_t b[static NODE_ID_LEN]);

/* places_version(p): changes with every verdict. */
uint64_t places_version(const struct places *p);

/* places_contradict(a, b, rtt_ns): light does not get from country a to b and back in that time. */
bool places_contradict(const char *a, const char *b, uint64_t rtt_ns);

/* place_verdict_name(v): "unverified", "consistent", "refuted". */
const char *place_verdict_name(enum place_verdict v);

#endif
