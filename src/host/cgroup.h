/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Control groups (version 2) of our own, by which programs are told apart: those started outside of
 * the tunnel, and those alone inside.  They lie below one at the root of the hierarchy and stay
 * when the daemon ends, since their programs do.
 */
#ifndef HOST_CGROUP_H
#define HOST_CGROUP_H

#include <sys/types.h>

#include "host/error.h"
#include "util/bytes.h"

#define CGROUP_PATH_MAX 128
#define CGROUP_LEVEL    2 /* below the root */

enum cgroup_side {
	CGROUP_OUTSIDE,
	CGROUP_INSIDE,
};

#define CGROUP_SIDES 2

/*
 * cgroup_hold(err): makes the one above them, which may take rights that cgroup_join then does not
 * need, and keeps it from cgroup_remove.  A descriptor for close(), or a negative errno.
 */
MUST_USE int cgroup_hold(struct host_error *err);

/* cgroup_join(side, pid, err): move a process there, with the group made if need be.  What the
 * process opened before stays as it was. */
MUST_USE int cgroup_join(enum cgroup_side side, pid_t pid, struct host_error *err);

/* cgroup_path(side, out): as nftables names it, below /sys/fs/cgroup; false if no process is in
 * that group. */
bool cgroup_path(enum cgroup_side side, char out[static CGROUP_PATH_MAX]);

/* cgroup_remove(): all of them, unless a daemon holds them; not those in which processes are left.
 */
void cgroup_remove(void);

#endif
