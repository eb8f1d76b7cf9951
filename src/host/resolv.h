/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * resolv.conf while the tunnel is up.  The original is kept in memory (and, by the journal, on
 * disk) and comes back only if the file is still as we left it: a change by someone else wins.
 *
 * The file is replaced with rename, so that readers see the old or the new one.  A symbolic link is
 * replaced as such and not written through, so that its owner does not overwrite us.  Only where
 * the file is a mount point (containers, "ip netns exec") is it written in place.
 */
#ifndef HOST_RESOLV_H
#define HOST_RESOLV_H

#include <sys/types.h>

#include "host/error.h"
#include "util/bytes.h"

#define RESOLV_PATH_DEFAULT "/etc/resolv.conf"
#define RESOLV_SIZE_MAX     65536
#define RESOLV_SERVERS_MAX  3 /* what libc reads */

struct resolv_servers {
	uint8_t ip[RESOLV_SERVERS_MAX][16];
	size_t count;
};

enum resolv_was {
	RESOLV_WAS_ABSENT,
	RESOLV_WAS_FILE,
	RESOLV_WAS_LINK,
};

struct resolv {
	char *path;
	bool is_in_place;
	enum resolv_was was;
	mode_t mode;
	uid_t uid;
	gid_t gid;
	char *original; /* content, or where the link led; a zero follows */
	size_t original_len;
	char *ours;
};

/*
 * resolv_read(r, path, servers): what is at path now, and what we would put there.
 * 0 with *r for resolv_fini, or a negative errno with *err filled.
 */
MUST_USE int resolv_read(struct resolv *r, const char *path, const struct resolv_servers *servers,
			 struct host_error *err);
void resolv_fini(struct resolv *r);

/* resolv_apply(r): on failure the file is as before. */
MUST_USE int resolv_apply(const struct resolv *r, struct host_error *err);

/* resolv_undo(r): harmless if not applied.  Also 0, with a warning, if the file is not ours. */
MUST_USE int resolv_undo(const struct resolv *r, struct host_error *err);

/* resolv_stands(r): the file is as resolv_apply left it. */
bool resolv_stands(const struct resolv *r);

/* resolv_is_ours(path): the file says that macrod wrote it. */
bool resolv_is_ours(const char *path);

/* resolv_names_resolved(path): it leads to the stub of systemd-resolved and nowhere else. */
bool resolv_names_resolved(const char *path);

/*
 * resolv_network(path, r): the network's own name servers: those of path, or of what was there
 * before r was applied (NULL: it is not); or else those of the files in which resolved and
 * NetworkManager keep them where path leads to a resolver here.
 */
struct resolv_servers resolv_network(const char *path, const struct resolv *r);

/*
 * resolv_list(path): the name servers of a resolv.conf, without those on the loopback, which others
 * cannot be sent to; none if it cannot be read.
 */
struct resolv_servers resolv_list(const char *path);

#endif
