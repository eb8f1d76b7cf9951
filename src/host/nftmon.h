/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Tells that another program changed a client's nftables, for an event loop to watch. */
#ifndef HOST_NFTMON_H
#define HOST_NFTMON_H

#include "util/bytes.h"

struct nftmon {
	int fd; /* non-blocking; readable when there is something for nftmon_read */
};

/* nftmon_open(m): on failure fd is -1, and there is never anything to read. */
MUST_USE int nftmon_open(struct nftmon *m);
void nftmon_close(struct nftmon *m);

/*
 * nftmon_read(m): take all that is waiting.  1: a table of ours was touched, 0: others only, or a
 * negative errno.  Our own changes count too: read once after each, and forget it; whatever was
 * done before has been replaced.
 */
MUST_USE int nftmon_read(struct nftmon *m);

#endif
