/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Whose a socket of this machine is, asked of the kernel's inet_diag. */
#ifndef HOST_SOCK_OWNER_H
#define HOST_SOCK_OWNER_H

#include "util/endpoint.h"

struct sock_owner {
	uint32_t uid;
	uint64_t cgroup; /* of systemd's service, or the user's application; 0: not told */
};

struct sock_owner_query; /* one request socket; not for several threads at once */

MUST_USE int sock_owner_open(struct sock_owner_query **out);
void sock_owner_close(struct sock_owner_query *q); /* NULL allowed */

/*
 * sock_owner_find(q, proto, local, remote, out): of the TCP or UDP socket that sends from local to
 * remote.  0, -ENOENT when there is none, or another negative errno.  Does not wait.
 */
MUST_USE int sock_owner_find(struct sock_owner_query *q, uint8_t proto,
			     const struct endpoint *local, const struct endpoint *remote,
			     struct sock_owner *out);

#endif
