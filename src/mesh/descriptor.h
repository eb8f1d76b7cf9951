/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What a node says about itself, signed by its identity; the only thing anybody believes about it.
 *
 * Wire: version 2, roles 1, exit flags 1, load 1, sequence u64, published u64, valid_until u64,
 * since u64, id 32, link key 32, operator 32, capacity u32, slot u32, country 2, protocol ranges 6,
 * session key 32 (only with ROLE_EXIT), name length 1 and name, software length 1 and text, onion
 * key count 1 and keys of 52 (id u32, public 32, valid_from u64, valid_until u64), address count 1
 * and addresses of 18 (ip 16, port u16), policy count 1 and port ranges of 4 (u16, u16), link count
 * 1 and round-trip times of 10 (start of the neighbour's id 8, tenths of a millisecond u16), tail
 * of extensions {type 1, length u16, value} in strictly rising order of type (unknown: odd types
 * are refused, even ones ignored), signature 64.  There is one encoding of each descriptor.
 */
#ifndef MESH_DESCRIPTOR_H
#define MESH_DESCRIPTOR_H

#include "mesh/identity.h"
#include "util/cursor.h"
#include "wire/role.h"

#define DESCRIPTOR_VERSION        2
#define DESCRIPTOR_MAX            1024 /* bytes, signature included */
#define DESCRIPTOR_NAME_MAX       32
#define DESCRIPTOR_ADDRS_MAX      4
#define DESCRIPTOR_ONION_KEYS_MAX 2
#define DESCRIPTOR_SOFTWARE_MAX   16
#define DESCRIPTOR_CITY_MAX       32
#define DESCRIPTOR_POLICY_MAX     8
#define DESCRIPTOR_RTTS_MAX       8
#define DESCRIPTOR_VALID_MAX_S    (24 * 3600)
#define DESCRIPTOR_SKEW_S         120
#define DESCRIPTOR_TEXT_MAX       64
#define OPERATOR_LEN              32
#define SHORT_ID_LEN              8          /* hex characters */
#define SLOT_NONE                 UINT32_MAX /* of a node of a mesh without a registry */

enum exit_flag { /* what the exit reaches */
	EXIT_V4 = 1 << 0,
	EXIT_V6 = 1 << 1,
	EXIT_ALL = EXIT_V4 | EXIT_V6,
};

struct onion_public {
	uint64_t valid_from_s, valid_until_s;
	uint32_t id;
	uint8_t key[DH_LEN];
};

struct version_range {
	uint8_t min, max;
};

struct port_range {
	uint16_t min, max;
};

/* How far it is from a node to one of its neighbours. */
struct link_rtt {
	uint8_t id[8]; /* how the neighbour's begins */
	uint64_t rtt_ns;
};

#define LINK_RTT_LEN     10 /* on the wire */
#define LINK_RTT_UNIT_NS (NS_PER_MS / 10)

struct descriptor {
	uint64_t sequence;
	uint64_t published_s, valid_until_s; /* wall clock */
	uint64_t since_s;                    /* it has been running since */
	uint8_t id[NODE_ID_LEN];
	uint8_t link_key[DH_LEN];
	uint8_t session_key[DH_LEN]; /* zero unless ROLE_EXIT */
	uint8_t operator_tag[OPERATOR_LEN];
	uint32_t capacity_kbit;
	uint32_t slot;                              /* in the registry, or SLOT_NONE */
	uint8_t roles;                              /* enum node_role */
	uint8_t exit_flags;                         /* enum exit_flag; 0 unless ROLE_EXIT */
	uint8_t load_percent;                       /* 0..100 or LOAD_UNKNOWN */
	char country[3];                            /* two capital letters */
	char name[DESCRIPTOR_NAME_MAX + 1];         /* a-z 0-9 - . _, may be empty */
	char software[DESCRIPTOR_SOFTWARE_MAX + 1]; /* its version; as name */
	struct version_range link_versions, circuit_versions, session_versions;
	uint8_t onion_key_count, addr_count, policy_count, rtt_count;
	struct port_range policy[DESCRIPTOR_POLICY_MAX]; /* what an exit lets out; none: unsaid */
	struct onion_public onion_keys[DESCRIPTOR_ONION_KEYS_MAX];
	struct endpoint addrs[DESCRIPTOR_ADDRS_MAX];
	/* As encoded; decoding borrows these from the bytes decoded. */
	const uint8_t *rtts; /* see descriptor_rtt */
	const uint8_t *tail;
	uint16_t tail_len;
};

#define DESCRIPTOR_ERRORS(X)                                                                \
	X(DESCRIPTOR_OK, "ok")                                                              \
	X(DESCRIPTOR_TOO_BIG, "too_big")                                                    \
	X(DESCRIPTOR_MALFORMED, "malformed") /* truncated, left-over or non-canonical */    \
	X(DESCRIPTOR_UNKNOWN_VERSION, "version")                                            \
	X(DESCRIPTOR_EXTENSION, "extension") /* one that must be understood and is not */   \
	X(DESCRIPTOR_SIGNATURE, "signature")                                                \
	X(DESCRIPTOR_EXPIRED, "expired")                                                    \
	X(DESCRIPTOR_NOT_YET_VALID, "not_yet_valid")                                        \
	X(DESCRIPTOR_VALIDITY, "validity") /* longer than 24 h, or ends before it begins */ \
	X(DESCRIPTOR_ROLES, "roles")                                                        \
	X(DESCRIPTOR_EXIT, "exit_flags") /* an exit that reaches nothing, or the reverse */ \
	X(DESCRIPTOR_NO_SESSION_KEY, "no_session_key")                                      \
	X(DESCRIPTOR_NO_ONION_KEY, "no_onion_key")                                          \
	X(DESCRIPTOR_ONION_KEY, "onion_key") /* impossible validity or a repeated id */     \
	X(DESCRIPTOR_WEAK_KEY, "weak_key")   /* zero or of low order */                     \
	X(DESCRIPTOR_NO_ADDRESS, "no_address")                                              \
	X(DESCRIPTOR_ADDRESS, "address") /* unspecified, loopback, multicast, repeated */   \
	X(DESCRIPTOR_PORT, "port")                                                          \
	X(DESCRIPTOR_COUNTRY, "country")                                                    \
	X(DESCRIPTOR_NAME, "name")                                                          \
	X(DESCRIPTOR_OPERATOR, "operator") /* zero tag */                                   \
	X(DESCRIPTOR_CAPACITY, "capacity")                                                  \
	X(DESCRIPTOR_LOAD, "load")                                                          \
	X(DESCRIPTOR_PROTOCOL, "protocol") /* empty version range */                        \
	X(DESCRIPTOR_SINCE, "since")       /* running since later than it was published */  \
	X(DESCRIPTOR_SOFTWARE, "software")                                                  \
	X(DESCRIPTOR_POLICY, "policy") /* of no exit, or not in strictly rising order */    \
	X(DESCRIPTOR_RTT, "rtt")

enum descriptor_error {
#define X(id, name) id,
	DESCRIPTOR_ERRORS(X)
#undef X
	DESCRIPTOR_ERROR_COUNT,
};

/* descriptor_error_name(e): stable snake_case name. */
const char *descriptor_error_name(enum descriptor_error e);

/*
 * descriptor_sign(d, id, wall_s, out, len): encode and sign, with id and link key of the
 * identity whatever d says.  Refuses what descriptor_open would refuse; *len is written only on
 * success.
 */
MUST_USE enum descriptor_error descriptor_sign(const struct descriptor *d,
					       const struct identity *id, uint64_t wall_s,
					       uint8_t out[static DESCRIPTOR_MAX], size_t *len);

/* descriptor_decode(d, bytes, len): form only, neither signature nor sense.  *d only on success. */
MUST_USE enum descriptor_error descriptor_decode(struct descriptor *d, const uint8_t *bytes,
						 size_t len);

/* descriptor_encode(d, signature, out): the very bytes that d was decoded from, given the last
 * SIGN_LEN of them; their length. */
size_t descriptor_encode(const struct descriptor *d, const uint8_t signature[static SIGN_LEN],
			 uint8_t out[static DESCRIPTOR_MAX]);

/* descriptor_check(d, wall_s): does what it says make sense, and now? */
MUST_USE enum descriptor_error descriptor_check(const struct descriptor *d, uint64_t wall_s);

/* descriptor_verify(d, bytes, len): the signature of the bytes d was decoded from. */
MUST_USE enum descriptor_error descriptor_verify(const struct descriptor *d, const uint8_t *bytes,
						 size_t len);

/* descriptor_open(d, bytes, len, wall_s): decode, check, verify; what a receiver calls. */
MUST_USE enum descriptor_error descriptor_open(struct descriptor *d, const uint8_t *bytes,
					       size_t len, uint64_t wall_s);

/*
 * Extension 2, one byte: over how many workers the node's links are spread.  descriptor_workers:
 * 1 where it says nothing of use.
 * Extension 4, text: the city it stands in.  descriptor_city: "" where it says none, or what is no
 * name of a city (see city_is_valid).
 */
#define DESCRIPTOR_EXT_WORKERS 2
#define DESCRIPTOR_EXT_CITY    4
unsigned descriptor_workers(const struct descriptor *d);
const char *descriptor_city(const struct descriptor *d, char out[static DESCRIPTOR_CITY_MAX + 1]);

/* city_is_valid(text, len): 1 to DESCRIPTOR_CITY_MAX letters of ASCII, with blanks, dots, dashes
 * and apostrophes between them: what can be shown to anybody. */
bool city_is_valid(const char *text, size_t len);

/* extension_put(w, type, value, len): one more for the tail that is to be encoded. */
void extension_put(struct writer *w, uint8_t type, const void *value, size_t len);

/* descriptor_onion_key(d, wall_s): the newest onion key valid now, or NULL. */
const struct onion_public *descriptor_onion_key(const struct descriptor *d, uint64_t wall_s);

/* descriptor_rtt(d, i): the i-th of d->rtt_count.  link_rtt_put: one, for the encoded list. */
struct link_rtt descriptor_rtt(const struct descriptor *d, unsigned i);
void link_rtt_put(uint8_t out[static LINK_RTT_LEN], const struct link_rtt *rtt);

/* operator_tag(out, name): how an operator's name stands in descriptors. */
void operator_tag(uint8_t out[static OPERATOR_LEN], const char *name);

/* "name/NL/1a2b3c4d" and "1a2b3c4d". */
const char *descriptor_text(const struct descriptor *d, char out[static DESCRIPTOR_TEXT_MAX]);
const char *short_id(const uint8_t id[static NODE_ID_LEN], char out[static SHORT_ID_LEN + 1]);

#endif
