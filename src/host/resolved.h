/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * systemd-resolved, asked over the system bus: while the tunnel is up its link answers for all
 * names.  resolved forgets a link's settings with the link, so that a crash leaves nothing.
 */
#ifndef HOST_RESOLVED_H
#define HOST_RESOLVED_H

#include "host/resolv.h"

/* resolved_is_running(): also false where there is no bus; never starts it. */
bool resolved_is_running(void);

/*
 * resolved_set(ifindex, servers, err): all names are asked of these, through that link; what was
 * cached is forgotten.
 */
MUST_USE int resolved_set(uint32_t ifindex, const struct resolv_servers *servers,
			  struct host_error *err);

/* resolved_revert(ifindex, err): the link's settings and the cache are gone; also 0 if they, the
 * link or resolved itself were. */
MUST_USE int resolved_revert(uint32_t ifindex, struct host_error *err);

/* resolved_flush(): forget what is cached, since another exit answers from now on. */
void resolved_flush(void);

#endif
