/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Tells that links, addresses or routes of the machine changed, for an event loop to watch. */
#ifndef HOST_NETMON_H
#define HOST_NETMON_H

#include "util/bytes.h"

struct netmon {
	int fd; /* non-blocking; readable when there is something for netmon_read */
};

MUST_USE int netmon_open(struct netmon *m);
void netmon_close(struct netmon *m);

/* netmon_read(m): take all that is waiting.  1 something changed, 0 nothing, or a negative errno.
 */
MUST_USE int netmon_read(struct netmon *m);

#endif
