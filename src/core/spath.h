/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One path of a session, at either end: the keys that the session has on one circuit, what arrived
 * and must be acknowledged, and what was sent and waits for that (docs/protocol.md, "Session").
 * Counters are those that the exit sees, in both directions.
 */
#ifndef CORE_SPATH_H
#define CORE_SPATH_H

#include "core/ack_hold.h"
#include "core/liveness.h"
#include "crypto/aead.h"
#include "crypto/hash.h"
#include "util/now.h"
#include "wire/frame.h"

enum spath_side {
	SPATH_CLIENT,
	SPATH_EXIT,
};

enum {
	SPATH_SENT_MAX = 16384,   /* cells remembered for proofs, power of two */
	SPATH_PACK_CELLS = 512,   /* acknowledge after so many cells ... */
	SPATH_PACK_DELAY_MS = 20, /* ... or so long after the first, ... */
	SPATH_PACK_RIDE_MS = 4,   /* ... or so long, in a cell that goes anyway */
	SPATH_READY_MAX = 4,
	SPATH_FRESH_MAX = SPATH_SENT_MAX, /* in one acknowledgement; the sender knows no more */
};

/* A sent cell: its session tag, kept until the exit proves that it arrived. */
struct spath_sent {
	uint64_t tag[2];
	uint32_t seq_low;
	uint32_t sent_us; /* low bits of the sending time; 0: slot unused */
};

struct spath_range {
	uint64_t low, high; /* counters, both included */
};

struct spath {
	uint8_t seal_key[KEY_LEN];
	uint8_t open_key[KEY_LEN];
	uint8_t bind_key[KEY_LEN];
	uint32_t path_id;
	uint64_t resend_owner; /* its packets' in core/resend.h */

	/* arrived, not yet acknowledged */
	struct spath_range range[PACK_RANGES_MAX];
	unsigned ranges;
	unsigned fresh;   /* cells in range */
	uint64_t tags[2]; /* xor of their session tags */
	uint64_t total;   /* cells ever */
	uint64_t total_ce;
	uint64_t first_seq, top_seq;        /* lowest and highest counter that arrived */
	uint64_t last_ns;                   /* arrival of the last one */
	uint64_t pack_due_ns;               /* NEVER: nothing to acknowledge */
	struct pack ready[SPATH_READY_MAX]; /* made early because ranges ran out */
	unsigned readies;

	/* sent */
	struct spath_sent *sent; /* SPATH_SENT_MAX, or NULL: nothing is remembered */
	uint64_t sent_total;
	uint64_t sent_last_ns;
	uint64_t unanswered_ns; /* when the first cell went out that asks for an answer, since
				 * anything came back; 0: none */
	uint64_t acked_total;   /* as the other end counts */
	uint64_t acked_seq;     /* highest counter acknowledged */
	uint64_t acked_last_ns; /* when an acknowledgement came */
	uint64_t acked_ce;
	uint64_t sent_seq;           /* highest counter of a session cell */
	uint64_t resent_seq;         /* cells up to it were given to others (core/resend.h) */
	uint64_t lost;               /* sent before one that was acknowledged, and never received */
	uint64_t tx_bytes, rx_bytes; /* of inner packets */
	struct ack_hold held;        /* packets that have not left yet */
	struct liveness live;
	uint64_t proofs_ok, proofs_failed;
};

/*
 * spath_init(sp, side, root, exporter, path_id): keys of this path; exporter is the exit hop's
 * circuit secret, so that each circuit brings fresh forward-secret keys.  sent: see above,
 * borrowed.
 */
void spath_init(struct spath *sp, enum spath_side side, const uint8_t root[static KEY_LEN],
		const uint8_t exporter[static KEY_LEN], uint32_t path_id, struct spath_sent *sent);
void spath_wipe(struct spath *sp);

/* The MACs of ATTACH and ATTACHED: over the circuit's transcript hash and the message's fields. */
void spath_binder(const struct spath *sp, const uint8_t h[static HASH_LEN], uint8_t flags,
		  uint8_t weight, uint8_t out[static MAC_LEN]);
void spath_attached_mac(const struct spath *sp, const uint32_t *path_id, size_t count,
			uint8_t out[static MAC_LEN]);

/* What a cell asks for by what it carries. */
enum spath_asks {
	SPATH_ASKS_NOTHING, /* acknowledgements only */
	SPATH_ASKS_ACK,
	SPATH_ASKS_ACK_NOW,
};

/* spath_received(sp, seq, tag, asks, ce, now): a verified cell. */
void spath_received(struct spath *sp, uint64_t seq, const uint8_t tag[static TAG_LEN],
		    enum spath_asks asks, bool ce, const struct now *now);

/* spath_has_pack: an acknowledgement should go now.  spath_pack: write its frame body (<=
 * PACK_LEN(16)). */
bool spath_has_pack(const struct spath *sp, const struct now *now);
size_t spath_pack(struct spath *sp, const struct now *now, uint8_t *out);
size_t spath_pack_len(const struct spath *sp);
/* spath_pack_rides: it is due soon: better in a cell that has room for it now than in one of its
 * own then. */
bool spath_pack_rides(const struct spath *sp, const struct now *now);
/* spath_postpone: it could not go; try again after another delay. */
void spath_postpone(struct spath *sp, const struct now *now);

/* elicits: the cell carries more than acknowledgements. */
void spath_sent_cell(struct spath *sp, uint64_t seq, const uint8_t tag[static TAG_LEN],
		     bool elicits, const struct now *now);

/* spath_acked(sp, body, len, now): a PACK frame from the other end.  0, -EINVAL, or -EBADMSG: a
 * proof failed. */
MUST_USE int spath_acked(struct spath *sp, const uint8_t *body, size_t len, const struct now *now);

#endif
