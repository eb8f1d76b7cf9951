/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Part of control/view.h. */
#ifndef CONTROL_VIEW_PLACE_H
#define CONTROL_VIEW_PLACE_H

#include <stdint.h>

/* Where a node is, as far as that can be told. */
struct place_view {
	const char *verdict; /* static: "unverified", "consistent", "refuted"; NULL: the first */
	uint32_t witnesses, against; /* independent nodes that measured it, that contradict it */
	uint64_t nearest_ns;         /* the shortest round trip of those; 0: none */
	char nearest_country[3];
	char database_country[3]; /* of its address; "": not known */
	uint32_t asn;             /* 0: not known */
};

#endif
