/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Building a circuit in one round trip: CREATE and CREATED as pure functions (docs/protocol.md).
 *
 * CREATE body, CELL_BODY_LEN bytes: X 32 | tag 16 | C 1332, Noise NK message 1 with the tag in
 * front. Plaintext 1332 = route 128 | rest 1204; the next hop's body is rest | filler 176. CREATED
 * body: Y 32 | tag 16 | ct 1332, NK message 2; plaintext = status 16 | first 1316 bytes of the next
 * hop's CREATED body (zeros at the last hop).
 */
#ifndef CORE_CREATE_H
#define CORE_CREATE_H

#include "crypto/noise.h"
#include "onion/onion.h"
#include "util/endpoint.h"
#include "wire/shard.h"

/* Room at the last hop of an n-hop CREATE, for later use: 1204 - 176 (n - 1), at least 500.  Filled
 * with noise. */
#define CREATE_FREE_LEN(n) (CELL_BODY_LEN - 48 - CREATE_ROUTE_LEN - CREATE_HOP_LEN * ((n)-1))

enum route_flag {
	ROUTE_LAST = 1 << 0,
	ROUTE_INTERACTIVE = 1 << 2,
};

/* What the client tells one hop (wire layout: 0 ver, 1 suite, 2 flags, 3 zero, 4 time_s u32,
 * 8 lifetime_s u16, 10 padding u16, 12 next_onion_key_id u32, 16 next_id 32, 48 next_ip 16,
 * 64 next_port u16, 66 next_shard u8, 67 zero 61).  Unknown version, suite, flag bits or non-zero
 * reserved bytes are refused, and so is a next hop after ROUTE_LAST. */
struct route {
	uint32_t time_s; /* wall clock */
	uint32_t next_onion_key_id;
	uint16_t lifetime_s;
	uint16_t padding_cells_per_s; /* backward padding grant, 0 for none */
	uint8_t flags;                /* enum route_flag */
	uint8_t next_id[NODE_ID_LEN]; /* zero when ROUTE_LAST */
	struct endpoint next;
	uint8_t next_shard; /* SHARD_ANY or SHARD_WISH | shard */
};

enum hop_status {
	HOP_OK = 0,
	HOP_NO_NEXT = 1, /* the next hop cannot be reached */
	HOP_BUSY = 2,
	HOP_REFUSED = 3,
	HOP_TIME = 4, /* clocks differ too much */
	HOP_KEY = 5,  /* onion key unknown or expired */
	HOP_STATUS_COUNT,
};

/* 0 status, 1 suite, 2 lifetime_s u16, 4 time_s u32, 8 price_class u16, 10 queue_hint u16, 12 zero
 * 4 */
struct hop_answer {
	uint32_t time_s;
	uint16_t lifetime_s;
	uint16_t price_class;
	uint16_t queue_hint; /* its load, percent, plus 1; 0 and others: not told */
	uint8_t status;      /* enum hop_status */
};

const char *hop_status_name(enum hop_status s);

/* One hop as the client knows it from its descriptor. */
struct create_hop {
	uint8_t id[NODE_ID_LEN];
	uint8_t onion_key[DH_LEN];
	uint32_t onion_key_id;
	struct endpoint addr; /* where the previous hop reaches it */
	bool is_interactive;  /* asked to let the circuit's cells go first (core/queue.h) */
	uint8_t shard;        /* wanted there: SHARD_ANY or SHARD_WISH | shard */
};

/* The client's state between CREATE and CREATED: secrets, wiped by create_wipe. */
struct create_client {
	unsigned n;
	struct {
		struct noise_sym sym; /* after message 1 */
		struct dh_keypair e;
	} hop[HOPS_MAX];
};

/*
 * create_build(cc, hops, n, now, lifetime_s, rng, body): body gets the CREATE for hop 1.
 * 1 <= n <= HOPS_MAX.  0, or -EINVAL when a hop's key is degenerate.
 */
MUST_USE int create_build(struct create_client *cc, const struct create_hop *hops, unsigned n,
			  const struct now *now, uint16_t lifetime_s, const struct rng *rng,
			  uint8_t body[static CELL_BODY_LEN]);

/* What ties a session to a circuit at its last hop. */
struct hop_binding {
	uint8_t exporter[KEY_LEN];
	uint8_t h[HASH_LEN]; /* transcript hash: names this hop of this circuit */
};

/* All that client and hop share after CREATED. */
struct hop_secrets {
	struct hop_keys keys;
	struct hop_binding binding;
};

/* What the client gets from CREATED. */
struct create_result {
	struct hop_secrets hop[HOPS_MAX]; /* valid for hops 0..answered-1 */
	struct hop_answer answer[HOPS_MAX];
	unsigned answered; /* n when the circuit stands; else the last one is the hop that failed */
};

/*
 * create_finish(cc, body, out): peel, rebuild, compare (the whole body, constant time).
 * 0: body is genuine: either all n hops answered HOP_OK, or answer[answered-1].status says why that
 * hop gave up.  -EBADMSG: it does not recompute or an answer is malformed; *out is wiped.
 */
MUST_USE int create_finish(const struct create_client *cc, const uint8_t body[static CELL_BODY_LEN],
			   struct create_result *out);
void create_wipe(struct create_client *cc);

/* A hop's state between CREATE and CREATED: secrets, wiped by create_hop_wipe. */
struct create_pending {
	struct noise_sym sym;
	uint8_t x[DH_LEN];
};

/*
 * create_open(p, id, key, key_id, body, route, next_body): a hop reads a CREATE made for its onion
 * key. next_body: CELL_BODY_LEN bytes, what to send on unless route says last.  May equal body. 0;
 * -EBADMSG: not for this key or changed; -EPROTO: verified, but the route is malformed. On failure
 * p is wiped and the rest unchanged: the caller tries its onion keys in turn.
 */
MUST_USE int create_open(struct create_pending *p, const uint8_t id[static NODE_ID_LEN],
			 const struct dh_keypair *key, uint32_t key_id,
			 const uint8_t body[static CELL_BODY_LEN], struct route *route,
			 uint8_t next_body[static CELL_BODY_LEN]);

/*
 * create_answer(p, answer, next_body, rng, keys, body): a hop writes its CREATED.
 * next_body: the CREATED body from the next hop, or NULL at the last hop and on failure.  secrets
 * are filled.  Consumes p (wiped).  May be given next_body == body.
 */
MUST_USE int create_answer(struct create_pending *p, const struct hop_answer *answer,
			   const uint8_t *next_body, const struct rng *rng,
			   struct hop_secrets *secrets, uint8_t body[static CELL_BODY_LEN]);
void create_pending_wipe(struct create_pending *p);

#endif
