/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Tells that links, addresses, routes or neighbours of the machine changed, for an event loop to
 * watch. */
#ifndef HOST_NETMON_H
#define HOST_NETMON_H

#include "util/bytes.h"

struct netmon {
	int fd; /* non-blocking; readable when there is something for netmon_read */
};

MUST_USE int netmon_open(struct netmon *m);
void netmon_close(struct netmon *m);

enum netmon_what {                 /* bits */
	NETMON_NETWORK = 1 << 0,   /* links, addresses, routes */
	NETMON_NEIGHBOUR = 1 << 1, /* what is known of hosts on the links */
};

/* netmon_read(m): take all that is waiting.  What changed (enum netmon_what), 0 if nothing, or a
 * negative errno. */
MUST_USE int netmon_read(struct netmon *m);

#endif
