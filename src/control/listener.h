/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The Unix socket of the control API: one daemon per path, and who may talk to it. */
#ifndef CONTROL_LISTENER_H
#define CONTROL_LISTENER_H

#include <sys/types.h>

#include "control/control.h"

struct listener {
	char *path;
	int fd;
	int lock_fd; /* held locked as long as we own the path */
	char *group_name;
	gid_t group; /* (gid_t)-1 if there is none of that name */
};

/* listener_open(l, path, error): as control_start. */
MUST_USE int listener_open(struct listener *l, const char *path, const char *group,
			   char error[static CONTROL_ERROR_MAX]);

/* listener_close(l): removes the socket; l->fd is closed if it is not -1. */
void listener_close(struct listener *l);

/* Who a connection is from, as the kernel noted when it was made. */
struct peer {
	uid_t uid;
	pid_t pid; /* 0: of another namespace */
};

/*
 * listener_allows(l, fd, peer): may the peer of this connection control us?  Root, our own user and
 * the group may; *peer is filled in any case.
 */
bool listener_allows(const struct listener *l, int fd, struct peer *peer);

#endif
