/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Control messages: the client's requests to any hop of a circuit (OP_CONTROL), and the answers,
 * which travel backward under the counter that the request assigned.  Hops never speak unasked.
 *
 * request: type u8 | reply_seq u48 | body        answer: type u8 | status u8 | body
 */
#ifndef WIRE_CONTROL_H
#define WIRE_CONTROL_H

#include "util/bytes.h"
#include "wire/limits.h"

enum control_type {
	CONTROL_ECHO = 1,
	CONTROL_COUNTERS = 2,
	CONTROL_MESH = 3, /* a question about the mesh, as between neighbours; many answers */
	CONTROL_SESS_NEW = 6,
	CONTROL_ATTACH = 7,
	CONTROL_SESS_CLOSE = 8,
};

enum control_status {
	CONTROL_OK = 0,
	CONTROL_REFUSED = 1, /* not an exit, or over a limit */
	CONTROL_UNKNOWN = 2, /* no such session */
	CONTROL_AUTH = 3,    /* binder or MAC did not verify */
	CONTROL_STATUS_COUNT,
};

enum {
	CONTROL_HEAD_LEN = 7,
	CONTROL_ANSWER_HEAD_LEN = 2,
	SESSION_ID_LEN = 16,
	ECHO_NONCE_LEN = 16,
	SESS_NEW_PAYLOAD_LEN = 16, /* version u8, zero 15 */
	SESS_NEW_MSG_LEN = 32 + SESS_NEW_PAYLOAD_LEN + 16,
	SESS_GRANT_LEN = 64,
	SESS_GRANT_MSG_LEN = 32 + SESS_GRANT_LEN + 16,
	ATTACH_PATHS_MAX = 8,
	/* What is asked is cut off here, for it has to fit a circuit of HOPS_MAX hops; and answered
	 * under so many counters, which begin with the one that the question names. */
	MESH_QUESTION_LEN = CELL_BODY_LEN - ONION_OP_LEN - ONION_OVERHANG_MAX - CONTROL_HEAD_LEN,
	MESH_ANSWER_LEN = CELL_BODY_LEN - CONTROL_ANSWER_HEAD_LEN,
	MESH_ANSWERS_MAX = 64,
};

struct echo_answer {
	uint8_t nonce[ECHO_NONCE_LEN];
	uint32_t hold_us; /* from the request's arrival to the answer's departure */
};

/* Cells that the hop forwarded on this circuit, or ended there. */
struct counters_answer {
	uint64_t fwd_cells, bwd_cells; /* 48 bits */
};

/* What the exit grants with a session: sid 16, v4 4, v6 16, dns_v4 4, dns_v6 16, lifetime_s u32,
 * zero 4.  An address of all zeros: none of that family. */
struct session_grant {
	uint8_t sid[SESSION_ID_LEN];
	uint8_t v4[4];
	uint8_t v6[16];
	uint8_t dns_v4[4];
	uint8_t dns_v6[16];
	uint32_t lifetime_s;
};

struct attach {
	uint8_t sid[SESSION_ID_LEN];
	uint32_t path_id;
	uint8_t flags; /* zero so far */
	uint8_t weight;
	uint8_t binder[16];
};

/* All paths that the exit has for the session, so that the client sees one it did not attach. */
struct attached {
	uint8_t count;
	uint32_t path_id[ATTACH_PATHS_MAX];
	uint8_t mac[16];
};

/*
 * Encoders write the body behind the head and return its length; decoders return 0 or -EINVAL and
 * ignore bytes behind the body (the rest of the cell).
 */
size_t control_put_head(uint8_t *p, enum control_type type, uint64_t reply_seq);
size_t control_put_answer_head(uint8_t *p, enum control_type type, enum control_status status);
MUST_USE int control_get_head(const uint8_t *p, size_t len, uint8_t *type, uint64_t *reply_seq);
MUST_USE int control_get_answer_head(const uint8_t *p, size_t len, uint8_t *type,
				     enum control_status *status);

size_t echo_answer_encode(const struct echo_answer *a, uint8_t *out);
MUST_USE int echo_answer_decode(struct echo_answer *a, const uint8_t *in, size_t len);
size_t counters_answer_encode(const struct counters_answer *a, uint8_t *out);
MUST_USE int counters_answer_decode(struct counters_answer *a, const uint8_t *in, size_t len);
size_t session_grant_encode(const struct session_grant *g, uint8_t out[static SESS_GRANT_LEN]);
MUST_USE int session_grant_decode(struct session_grant *g, const uint8_t *in, size_t len);
size_t attach_encode(const struct attach *a, uint8_t *out);
MUST_USE int attach_decode(struct attach *a, const uint8_t *in, size_t len);
size_t attached_encode(const struct attached *a, uint8_t *out);
MUST_USE int attached_decode(struct attached *a, const uint8_t *in, size_t len);

#endif
