/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Datagrams on their way from the worker whose socket got them to the one that they are for: a ring
 * with one writer and one reader, no locks.  The kernel steers by the first of several datagrams
 * that it hands over as one (GRO), and senders of several workers mix them; the others' come here.
 */
#ifndef APP_HANDOFF_H
#define APP_HANDOFF_H

#include "util/dgram.h"

enum {
	HANDOFF_BATCH = 64
};

struct handoff;

struct handoff *handoff_create(void);
void handoff_free(struct handoff *h);

/* handoff_put: by the writer.  Copies; false when the ring is full, or d too long. */
bool handoff_put(struct handoff *h, const struct rx_dgram *d);

/* handoff_get: by the reader.  The datagrams and their bytes are its own until handoff_done. */
size_t handoff_get(struct handoff *h, struct rx_dgram d[static HANDOFF_BATCH]);
void handoff_done(struct handoff *h, size_t n);

#endif
