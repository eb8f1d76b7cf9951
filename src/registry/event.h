/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One change of the membership, as it stands in the registry's log:
 *
 *   type u8 | fields u8 | slot u32 | time u48 | the fields that are named, in this order:
 *   key 32 | operator 32 | roles u8 | stake u64 | commitments 32 | link key 32, ip 16, port u16
 *
 * Each event has one encoding, and its length follows from its second byte.
 */
#ifndef REGISTRY_EVENT_H
#define REGISTRY_EVENT_H

#include "crypto/hash.h"
#include "util/cursor.h"
#include "util/endpoint.h"
#include "wire/role.h"

#define REGISTRY_KEY_LEN   32
#define REGISTRY_EVENT_MAX (12 + 32 + 32 + 1 + 8 + 32 + 50)

enum registry_event_type {
	REGISTRY_ADD = 1,    /* key, operator, roles and what else is not zero */
	REGISTRY_REMOVE = 2, /* nothing */
	REGISTRY_ROTATE = 3, /* key */
	REGISTRY_CHANGE = 4, /* any but the key */
};

enum registry_field {
	REGISTRY_HAS_KEY = 1 << 0,
	REGISTRY_HAS_OPERATOR = 1 << 1,
	REGISTRY_HAS_ROLES = 1 << 2,
	REGISTRY_HAS_STAKE = 1 << 3,
	REGISTRY_HAS_COMMITMENTS = 1 << 4,
	REGISTRY_HAS_CONTACT = 1 << 5,
	REGISTRY_FIELDS = (1 << 6) - 1,
};

/* Where a member can be called before anybody has its descriptor; port 0: not told. */
struct registry_contact {
	uint8_t link_key[32];
	struct endpoint addr;
};

/* What the registry holds of a member. */
struct registry_record {
	uint8_t key[REGISTRY_KEY_LEN]; /* Ed25519: the node's id */
	uint8_t operator_tag[32];      /* as in its descriptor */
	uint64_t stake;
	uint8_t commitments[HASH_LEN]; /* hash of what it promises; zero: nothing */
	struct registry_contact contact;
	uint8_t roles; /* enum node_role: the most it may have */
};

struct registry_event {
	enum registry_event_type type;
	uint8_t fields; /* enum registry_field: which of record count */
	uint32_t slot;
	uint64_t time_s;
	struct registry_record record;
};

/* id, name for programs, what to tell people */
#define REGISTRY_RESULTS(X)                                                                      \
	X(REGISTRY_OK, "ok", "it is in order")                                                   \
	X(REGISTRY_KNOWN, "known", "there is nothing new in it")                                 \
	X(REGISTRY_STALE, "stale", "it has fewer events than what is here")                      \
	X(REGISTRY_VERSION, "unknown_version", "it was written by a newer version of MacroMesh") \
	X(REGISTRY_SIGNATURE, "bad_signature", "it is not signed by who vouches for this mesh")  \
	X(REGISTRY_UNPROVEN, "unproven", "who vouches for this mesh has not confirmed it yet")   \
	X(REGISTRY_FUTURE, "future_head", "it is signed for later: set this machine's clock")    \
	X(REGISTRY_FORK, "fork", "it is another history than ours, and both are vouched for")    \
	X(REGISTRY_GAP, "gap", "it does not begin where what is here ends")                      \
	X(REGISTRY_TRUNCATED, "truncated", "it ends before the last event that its head counts") \
	X(REGISTRY_MALFORMED, "malformed", "it makes no sense")                                  \
	X(REGISTRY_BROKEN_CHAIN, "broken_chain", "these are not the events that were signed")    \
	X(REGISTRY_SLOT_GAP, "slot_gap", "the slot is not the next one")                         \
	X(REGISTRY_SLOT_REUSED, "slot_reused", "the slot was given out before")                  \
	X(REGISTRY_NO_MEMBER, "no_member", "no active member has this slot")                     \
	X(REGISTRY_KEY_TAKEN, "key_taken", "another member has this key")                        \
	X(REGISTRY_TIME, "time", "its time is before that of what it follows")                   \
	X(REGISTRY_TOO_MANY, "too_many", "there are more events than any mesh has")

enum registry_result {
#define X(id, name, text) id,
	REGISTRY_RESULTS(X)
#undef X
	REGISTRY_RESULT_COUNT,
};

/* registry_result_name(r): stable snake_case name; registry_result_text: the end of a sentence
 * about an update, a file or an event. */
const char *registry_result_name(enum registry_result r);
const char *registry_result_text(enum registry_result r);

/* registry_event_encode(ev, out): returns the length. */
size_t registry_event_encode(const struct registry_event *ev,
			     uint8_t out[static REGISTRY_EVENT_MAX]);

/*
 * registry_event_decode(ev, in): takes one event off in, checked for form.  REGISTRY_OK,
 * REGISTRY_TRUNCATED, REGISTRY_VERSION or REGISTRY_MALFORMED; *ev is written only on success.
 */
MUST_USE enum registry_result registry_event_decode(struct registry_event *ev, struct reader *in);

/* registry_event_type_name(type): "add", "remove", ... */
const char *registry_event_type_name(enum registry_event_type type);

#endif
