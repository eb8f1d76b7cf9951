/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The nodes we know: one verified descriptor per identity.  Everything that needs nodes asks here;
 * how descriptors come in (dirsync today) is nobody else's business.
 *
 * Each change gets the next change number, so "all that is new since n" is a cheap question.
 */
#ifndef MESH_DIRECTORY_H
#define MESH_DIRECTORY_H

#include "mesh/descriptor.h"

struct directory;

struct directory_params {
	uint32_t max_entries;  /* bound on memory, about 1 KB each; 0: 100,000 */
	const struct rng *rng; /* for the hash keys and the epoch; borrowed during create only */
};

struct directory *directory_create(const struct directory_params *params);
void directory_free(struct directory *dir);

enum directory_result {
	DIRECTORY_ADDED,        /* a node we did not know */
	DIRECTORY_NEWER,        /* replaced an older descriptor */
	DIRECTORY_KNOWN,        /* the very same bytes */
	DIRECTORY_STALE,        /* we have a newer one */
	DIRECTORY_EQUIVOCATION, /* same sequence, other bytes, both signed: the first stays */
	DIRECTORY_FULL,
	DIRECTORY_INVALID, /* *error says why */
	DIRECTORY_RESULT_COUNT,
};

const char *directory_result_name(enum directory_result r);

/*
 * directory_add(dir, bytes, len, now, error): check, verify and keep a signed descriptor.
 * bytes are copied.  *error (may be NULL) is DESCRIPTOR_OK unless the result is DIRECTORY_INVALID.
 */
enum directory_result directory_add(struct directory *dir, const uint8_t *bytes, size_t len,
				    const struct now *now, enum descriptor_error *error);

/*
 * Lookups: NULL when unknown.  A pointer is good until the next directory_add or _expire.
 * Nothing proves that a node owns the link key it names until it answers a handshake with it; of
 * several that name the same one, any may be found.
 */
const struct descriptor *directory_by_id(const struct directory *dir,
					 const uint8_t id[static NODE_ID_LEN]);
const struct descriptor *directory_by_link(const struct directory *dir,
					   const uint8_t link_key[static DH_LEN]);

/* directory_raw(d, len): the signed bytes of a descriptor that a lookup or iteration returned. */
const uint8_t *directory_raw(const struct descriptor *d, size_t *len);

/*
 * directory_next(dir, &change): the first descriptor whose change number is above *change, which is
 * set to its number; NULL at the end.  In order of arrival; O(log n).
 *
 *	uint64_t change = 0;
 *	while ((d = directory_next(dir, &change)) != NULL)
 */
const struct descriptor *directory_next(const struct directory *dir, uint64_t *change);

size_t directory_count(const struct directory *dir);

/* directory_version(dir): changes with every addition, replacement and expiry. */
uint64_t directory_version(const struct directory *dir);

/* directory_last_change(dir): the highest change number given out; _epoch: random, names the
 * numbering. */
uint64_t directory_last_change(const struct directory *dir);
uint64_t directory_epoch(const struct directory *dir);

/* directory_expire(dir, now): forget what is no longer valid; returns how many. */
size_t directory_expire(struct directory *dir, const struct now *now);

/* directory_deadline(dir, now): monotonic time at which directory_expire has work, or NEVER. */
uint64_t directory_deadline(const struct directory *dir, const struct now *now);

struct directory_stats {
	uint64_t results[DIRECTORY_RESULT_COUNT];
	uint64_t invalid[DESCRIPTOR_ERROR_COUNT];
	uint64_t expired;
};
const struct directory_stats *directory_stats(const struct directory *dir);

#endif
