/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A UDP port that the router forwards to this machine, asked for by NAT-PMP and else by UPnP.  The
 * router forgets it by itself when it is not renewed.  All of this waits for the router, for some
 * seconds where there is none: not for a thread that carries packets.
 */
#ifndef HOST_PORTMAP_H
#define HOST_PORTMAP_H

#include "host/error.h"
#include "util/endpoint.h"

enum portmap_way {
	PORTMAP_NONE,
	PORTMAP_NATPMP,
	PORTMAP_UPNP,
};

struct portmap {
	enum portmap_way way; /* PORTMAP_NONE: there is none */
	uint16_t inner_port;
	struct endpoint outer; /* as the router says; all zero if it does not know */
	uint32_t lease_s;      /* 0: until it is removed */
};

/*
 * portmap_add(m, inner_port, outer_port, lease_s, err): make it, or renew it.  The router may
 * choose another port, as m->outer says.  0, or -errno with *m unchanged: -ENOENT when no router
 * answers that could do it, -EADDRINUSE when it forwards the port elsewhere.
 */
MUST_USE int portmap_add(struct portmap *m, uint16_t inner_port, uint16_t outer_port,
			 uint32_t lease_s, struct host_error *err);

/* portmap_remove(m, err): it is gone, or was never there. */
MUST_USE int portmap_remove(struct portmap *m, struct host_error *err);

const char *portmap_way_name(enum portmap_way way);

#endif
