/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The nodes we know: one verified descriptor per identity, of members only where there is a
 * registry.  Everything that needs nodes asks here; how descriptors come in (dirsync, the cache) is
 * nobody else's business.
 */
#ifndef MESH_DIRECTORY_H
#define MESH_DIRECTORY_H

#include "mesh/descriptor.h"
#include "mesh/tree.h"

struct directory;

/* What its descriptor must agree with. */
struct directory_member {
	uint32_t slot;
	uint64_t added_s; /* when it became one */
	bool has_operator;
	uint8_t operator_tag[OPERATOR_LEN]; /* if has_operator */
	uint8_t roles;                      /* enum node_role: the most it may have */
};

/* Who may be in it.  find: false for strangers. */
struct directory_members {
	void *ctx;
	bool (*find)(void *ctx, const uint8_t id[static NODE_ID_LEN], struct directory_member *out);
};

struct directory_params {
	uint32_t max_entries;  /* bound on memory, about 800 bytes each; 0: 100,000 */
	const struct rng *rng; /* for the hash keys; borrowed during create only */
	/* Of a node's newer descriptors DIRECTORY_CHANGES_BURST are taken at once, and then one in
	 * each such time; 0: 5 minutes. */
	uint64_t change_gap_ns;
	struct directory_members members; /* find NULL: an open mesh, whoever signs is in it */
};

#define DIRECTORY_CHANGES_BURST 4
#define DIRECTORY_EVIDENCE_MAX  16

struct directory *directory_create(const struct directory_params *params);
void directory_free(struct directory *dir);

enum directory_result {
	DIRECTORY_ADDED,        /* a node we did not know */
	DIRECTORY_NEWER,        /* replaced an older descriptor */
	DIRECTORY_KNOWN,        /* the very same bytes */
	DIRECTORY_STALE,        /* we have a newer one */
	DIRECTORY_EQUIVOCATION, /* same sequence, other bytes, both signed: the lower hash stays */
	DIRECTORY_FULL,
	DIRECTORY_TOO_SOON,       /* the node changed it too often */
	DIRECTORY_STRANGER,       /* not a member */
	DIRECTORY_WRONG_SLOT,     /* a member, but not of the slot it names */
	DIRECTORY_WRONG_ROLES,    /* ... that may not be all that it says */
	DIRECTORY_WRONG_OPERATOR, /* ... of another operator */
	DIRECTORY_INVALID,        /* *error says why */
	DIRECTORY_RESULT_COUNT,
};

const char *directory_result_name(enum directory_result r);

/*
 * directory_add(dir, bytes, len, now, error): check, verify and keep a signed descriptor.
 * bytes are copied.  *error (may be NULL) is DESCRIPTOR_OK unless the result is DIRECTORY_INVALID.
 * directory_restore: the same for bytes whose signature was checked before (our own cache).
 */
enum directory_result directory_add(struct directory *dir, const uint8_t *bytes, size_t len,
				    const struct now *now, enum descriptor_error *error);
enum directory_result directory_restore(struct directory *dir, const uint8_t *bytes, size_t len,
					const struct now *now);

/*
 * Lookups: NULL when unknown.  A pointer is good until the next directory_add, _restore, _expire or
 * _recheck.  Nothing proves that a node owns the link key it names until it answers a handshake
 * with it; of several that name the same one, any may be found.
 */
const struct descriptor *directory_by_id(const struct directory *dir,
					 const uint8_t id[static NODE_ID_LEN]);
const struct descriptor *directory_by_link(const struct directory *dir,
					   const uint8_t link_key[static DH_LEN]);

/* directory_bytes(d, out): the signed bytes of a descriptor that a lookup or iteration returned;
 * their length. */
size_t directory_bytes(const struct descriptor *d, uint8_t out[static DESCRIPTOR_MAX]);

/*
 * directory_next(dir, d): the descriptor after d in the order of ids, the first for NULL, NULL at
 * the end.
 *
 *	for (d = directory_next(dir, NULL); d != NULL; d = directory_next(dir, d))
 */
const struct descriptor *directory_next(const struct directory *dir, const struct descriptor *d);

/*
 * directory_since(dir, change): the first descriptor that was added or replaced after that change,
 * directory_later(dir, d): the next one after d, in order of change; NULL at the end.  Removals are
 * not told.  directory_last_change: the number of the newest.
 */
const struct descriptor *directory_since(const struct directory *dir, uint64_t change);
const struct descriptor *directory_later(const struct directory *dir, const struct descriptor *d);
uint64_t directory_last_change(const struct directory *dir);

/* directory_random(dir, rng): any one of them, or NULL. */
const struct descriptor *directory_random(const struct directory *dir, const struct rng *rng);

size_t directory_count(const struct directory *dir);

/* directory_version(dir): changes with every addition, replacement and removal, and with the view.
 */
uint64_t directory_version(const struct directory *dir);

/* directory_expire(dir, now): forget what is no longer valid; returns how many. */
size_t directory_expire(struct directory *dir, const struct now *now);

/* directory_deadline(dir, now): monotonic time at which directory_expire has work, or NEVER. */
uint64_t directory_deadline(const struct directory *dir, const struct now *now);

/* directory_recheck(dir): the members changed: forget who is none any more, or not what it says;
 * returns how many. */
size_t directory_recheck(struct directory *dir);
/* directory_recheck_one(dir, id): the same for one that may be in it; whether it was forgotten. */
bool directory_recheck_one(struct directory *dir, const uint8_t id[static NODE_ID_LEN]);

/* ---- comparing with others: parts of the directory by id, see mesh/tree.h ---- */

uint32_t directory_part_count(const struct directory *dir, struct tree_part part);
const uint8_t *directory_part_digest(struct directory *dir, struct tree_part part);
/* directory_part_next(dir, part, after): the first of the part with an id above after (may be
 * NULL), or NULL. */
const struct descriptor *directory_part_next(const struct directory *dir, struct tree_part part,
					     const uint8_t *after);
/* directory_hash(d): of its signed bytes, TREE_DIGEST_LEN long. */
const uint8_t *directory_hash(const struct descriptor *d);

/* ---- the view that paths are chosen from: the same for all clients of an epoch ---- */

/* directory_set_view(dir, before_s): only nodes that were members, and up, before then; 0: all. */
void directory_set_view(struct directory *dir, uint64_t before_s);
uint64_t directory_view(const struct directory *dir);
bool directory_in_view(const struct directory *dir, const struct descriptor *d);
/* directory_view_digest(dir, out): of the ids in view; their number. */
size_t directory_view_digest(const struct directory *dir, uint8_t out[static TREE_DIGEST_LEN]);

/* ---- what happened ---- */

/* Two descriptors of one sequence, both signed: the node said different things to different people.
 */
struct directory_evidence {
	uint64_t seen_s; /* wall clock */
	uint8_t id[NODE_ID_LEN];
	uint64_t sequence;
	uint16_t len[2];
	uint8_t bytes[2][DESCRIPTOR_MAX];
};

/* directory_evidence(dir, i): one of the last DIRECTORY_EVIDENCE_MAX, newest first; NULL: no more.
 */
const struct directory_evidence *directory_evidence(const struct directory *dir, unsigned i);

/* directory_restore_evidence(dir, e): what was kept of earlier; false unless both are as they
 * should be. */
bool directory_restore_evidence(struct directory *dir, const struct directory_evidence *e);

/* directory_evidence_count(dir): rises with each. */
uint64_t directory_evidence_count(const struct directory *dir);

struct directory_stats {
	uint64_t results[DIRECTORY_RESULT_COUNT];
	uint64_t invalid[DESCRIPTOR_ERROR_COUNT];
	uint64_t expired;
};
const struct directory_stats *directory_stats(const struct directory *dir);

#endif
