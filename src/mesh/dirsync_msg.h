/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Messages of the descriptor exchange; LINKCTL bodies of CELL_BODY_LEN bytes, the rest zero:
 *
 *   GET     1 | 0 | request u16 | epoch u64 | from u64 | to u64
 *   DATA    2 | count u8 | request u16 | epoch u64 | from u64 | next u64 | last u64 | total u32 |
 *           count * {length u16, descriptor}
 *   PUSH    3 | 0 | request u16 | length u16 | descriptor
 *   PUSHED  4 | result u8 | error u8 | 0 | request u16
 *
 * GET asks for what changed in the directory after change number from, up to and with to.  epoch
 * names the numbering (directory_epoch), 0 when not known yet; to another epoch than its own the
 * answer is empty.  DATA holds all changes in (from, next] that are still current; next may be
 * beyond to when there are none in between.  last is the newest change, total the count of nodes.
 */
#ifndef MESH_DIRSYNC_MSG_H
#define MESH_DIRSYNC_MSG_H

#include "mesh/directory.h"

enum dirsync_type {
	DIRSYNC_GET = 1,
	DIRSYNC_DATA = 2,
	DIRSYNC_PUSH = 3,
	DIRSYNC_PUSHED = 4,
};

enum {
	DIRSYNC_DATA_HEAD_LEN = 40,
	DIRSYNC_ITEMS_MAX = 8,
};

struct dirsync_item {
	const uint8_t *bytes; /* borrowed */
	uint16_t len;         /* 1..DESCRIPTOR_MAX */
};

struct dirsync_msg {
	enum dirsync_type type;
	uint16_t request; /* chosen by the asker, given back in the answer */
	/* GET, DATA */
	uint64_t epoch, from;
	uint64_t to; /* GET */
	/* DATA */
	uint64_t next, last;
	uint32_t total;
	/* DATA; one of them in PUSH */
	uint8_t count;
	struct dirsync_item items[DIRSYNC_ITEMS_MAX];
	/* PUSHED */
	enum directory_result result;
	enum descriptor_error error;
};

/* dirsync_decode(m, body): 0, or -EPROTO with *m unchanged.  Items point into body. */
MUST_USE int dirsync_decode(struct dirsync_msg *m, const uint8_t body[static CELL_BODY_LEN]);

/* dirsync_encode(m, body): m is well-formed and fits (our own). */
void dirsync_encode(const struct dirsync_msg *m, uint8_t body[static CELL_BODY_LEN]);

#endif
