/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The round trips that a node tells of in its descriptor: those of the last links with other nodes,
 * the shortest of each.  One that its neighbour's claimed country does not allow is kept longer
 * than others, and told soon: it is the evidence that mesh/places.h judges by.
 */
#ifndef MESH_RTTS_H
#define MESH_RTTS_H

#include "mesh/directory.h"

#define RTTS_STRANGERS_MAX 16

struct rtts_item {
	uint8_t link_key[DH_LEN];
	uint64_t rtt_ns;
	uint64_t since_ns, seen_ns; /* first and last measured; since 0: free */
	bool is_news;               /* contradicts what the neighbour says of itself ... */
	bool is_told;               /* ... and stands in our descriptor */
};

struct rtts {
	struct rtts_item item[DESCRIPTOR_RTTS_MAX];
	/* Who calls itself a node and has no descriptor here yet. */
	struct rtts_item stranger[RTTS_STRANGERS_MAX];
};

/* rtts_note(r, dir, link_key, rtt_ns, now): of a link with what says that it is a node. */
void rtts_note(struct rtts *r, const struct directory *dir, const uint8_t link_key[static DH_LEN],
	       uint64_t rtt_ns, const struct now *now);

/* rtts_has_news(r, dir, country, now): some contradict their ends' claims, seen from a node in this
 * country ("": never), and have not been told. */
bool rtts_has_news(struct rtts *r, const struct directory *dir, const char *country,
		   const struct now *now);

/* rtts_tell(r, dir, out): encoded for a descriptor; their number. */
unsigned rtts_tell(struct rtts *r, const struct directory *dir,
		   uint8_t out[static DESCRIPTOR_RTTS_MAX * LINK_RTT_LEN]);

#endif
