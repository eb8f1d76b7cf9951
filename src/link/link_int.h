/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Inside links; for link*.c and their tests only.
 *
 * A peer has up to three keys, as WireGuard has: send_key (current), previous (still received on),
 * next (made as responder, unused until its first cell proves that the initiator has it too).  Our
 * own running handshake, the attempt, owns one more, which so far is only a reserved index.
 */
#ifndef CORE_LINK_INT_H
#define CORE_LINK_INT_H

#include "crypto/cookie.h"
#include "crypto/window.h"
#include "link/link.h"
#include "link/link_msg.h"
#include "util/bucket.h"
#include "util/map.h"

#include <sodium.h>

#define RETRY_FIRST_NS    (500 * NS_PER_MS)
#define RETRY_MAX_NS      (5 * NS_PER_S)
#define RETRY_JITTER_NS   (334 * NS_PER_MS)
#define ATTEMPT_MAX_NS    (30 * NS_PER_S)
#define INIT_SPACING_NS   (20 * NS_PER_MS)                  /* per peer */
#define COOKIE_USE_NS     (COOKIE_ROTATE_NS - 5 * NS_PER_S) /* then it would be refused */
#define REKEY_RX_AFTER_NS (165 * NS_PER_S) /* last call, when only the peer sends */
#define REKEY_CELLS       (LINK_COUNTER_MAX / 4 * 3)
#define PROBES_PER_S      50  /* answered */
#define RESPS_PER_S       500 /* more than come in earnest; bounds what a forger on the path costs */
#define OUT_MAX           256 /* messages waiting; beyond, nobody is answered */

enum {
	INDEX_MASK = (1 << 24) - 1,
	INDEX_SHARD_BITS = 3,
	PREFIX_SETS = 1024,
	PREFIX_WAYS = 4,
};

/* A pair of transport keys, found by the receiver index that our peer puts into its cells. */
struct link_key {
	struct peer *peer;
	uint32_t index;      /* in cells to us */
	uint32_t peer_index; /* in cells to the peer */
	bool is_ready;       /* false: only the index is reserved, by an attempt */
	bool is_confirmed;   /* the peer has shown that it has the key */
	bool is_rx_only;     /* superseded before it was confirmed: never to be sent with */
	uint64_t born_ns;
	uint64_t rekey_tx_ns,
	    rekey_rx_ns; /* a cell sent or received from then on asks for a rekey */
	uint64_t tx_counter;
	uint8_t tx_header[KEY_LEN], tx_body[KEY_LEN];
	uint8_t rx_header[KEY_LEN], rx_body[KEY_LEN];
	struct window window;
	uint64_t window_bits[LINK_WINDOW_WORDS];
	struct list dead; /* in links.dead_keys */
};

/* Our own handshake, INIT after INIT, until a key is in use or we give up. */
struct attempt {
	bool is_running;
	bool is_prompted;      /* a cookie has already brought the next INIT forward */
	struct link_key *key;  /* of the last INIT */
	struct noise_hs noise; /* of the last INIT */
	uint8_t mac1[MAC_LEN]; /* of the last INIT */
	uint64_t began_ns, sent_ns, retry_ns;
	uint64_t interval_ns;
};

struct peer {
	struct link pub; /* pub.send_key is the current key */
	struct link_key *previous, *next;
	struct attempt attempt;
	bool is_stranger; /* made by its INIT; nobody here asked for it */
	bool wants_rekey; /* at the next tick */
	bool has_init;
	uint8_t init_tai[TAI64N_LEN]; /* of the newest INIT accepted from it */
	uint64_t init_ns;             /* when that came */
	bool has_cookie;
	uint8_t cookie[COOKIE_LEN];
	uint64_t cookie_ns;
	enum link_event_type event; /* while in links.events */
	uint64_t deadline_ns;
	size_t timer_pos;       /* in the heap, counted from 1; 0: not there */
	struct list node;       /* links.peers */
	struct list idle_node;  /* links.idle, while LINK_IDLE */
	struct list event_node; /* links.events */
};

/* How many inits we answer.  Per prefix only with a cookie: without, the source may be forged. */
struct load {
	struct bucket total;
	struct prefix {
		uint64_t key;
		struct bucket bucket;
	} prefixes[PREFIX_SETS][PREFIX_WAYS];
	uint8_t hash_key[crypto_shorthash_KEYBYTES];
};

struct out_msg {
	struct list node;
	struct link_out out;
};

struct links {
	struct links_params params;
	struct map by_name;  /* keyed hash of the name -> peer */
	struct map by_id;    /* link id -> peer */
	struct map by_index; /* receiver index -> link_key */
	uint8_t hash_key[crypto_shorthash_KEYBYTES];
	uint32_t last_id;
	struct list peers, idle, events; /* idle: longest idle first */
	struct list out;                 /* struct out_msg */
	size_t out_len;
	struct peer **timers; /* binary heap by deadline_ns; root at 1 */
	size_t timers_len;
	struct list dead_keys; /* retired while links_open still looks at them */
	struct cookie_jar jar;
	struct load load;
	struct bucket resps, probes;
	uint64_t last_tai_ns; /* of the newest INIT we sent */
};

static inline struct peer *peer_of(struct link *l)
{
	return container_of(l, struct peer, pub);
}

/* What tells peers apart. */
struct peer_name {
	uint8_t key[DH_LEN];
	uint8_t shard, peer_shard;
};

/* link_table.c: which peers there are. */
bool shard_is_ours(const struct links *ls, unsigned shard);
struct peer_name peer_name_of(const struct links *ls, const uint8_t key[static DH_LEN],
			      uint8_t wish);
struct peer *peer_find(const struct links *ls, const struct peer_name *name);
/* NULL when the table is full of peers that may not be evicted. */
struct peer *peer_create(struct links *ls, const struct peer_name *name);
void peer_free(struct links *ls, struct peer *p);

/* link_key.c: one peer's keys. */
struct link_key *key_create(struct links *ls, struct peer *p);
void key_free(struct links *ls, struct link_key *k);
/* key_arm(k, initiator, noise, now): derives the transport keys of a finished handshake. */
void key_arm(struct link_key *k, bool is_initiator, const struct noise_sym *noise,
	     const struct now *now);
bool key_is_expired(const struct link_key *k, const struct now *now);
void key_use_initiated(struct links *ls, struct link_key *k);
void key_use_responded(struct links *ls, struct link_key *k);
/* key_confirm(ls, k): its first cell came.  The key that falls out joins dead_keys. */
void key_confirm(struct links *ls, struct link_key *k);
/* key_stop_sending(ls, k): the current key is used up; it still receives. */
void key_stop_sending(struct links *ls, struct link_key *k);
void keys_expire(struct links *ls, struct peer *p, const struct now *now);
void keys_free_dead(struct links *ls);

/* link_attempt.c: handshakes that we begin. */
void attempt_begin(struct links *ls, struct peer *p, const struct now *now);
void attempt_tick(struct links *ls, struct peer *p, const struct now *now);
/* attempt_hurry(at, now): its next try is now, and the time to give up as far away as at first. */
void attempt_hurry(struct attempt *at, const struct now *now);
void attempt_end(struct links *ls, struct peer *p);
enum drop attempt_recv_resp(struct links *ls, const uint8_t *msg, const struct now *now);
enum drop attempt_recv_cookie(struct links *ls, const uint8_t *msg, const struct now *now);

/* link_answer.c: handshakes that the peer begins. */
enum drop answer_recv_init(struct links *ls, const uint8_t *msg, const struct endpoint *from,
			   const struct now *now);

/* link_probe.c: the smallest question there is. */
enum drop probe_recv(struct links *ls, const uint8_t *msg, const struct endpoint *from,
		     const struct now *now);

/* link_load.c */
void load_init(struct load *ld, const struct rng *rng);
bool load_take(struct load *ld, uint32_t rate, const struct now *now);
bool load_take_prefix(struct load *ld, uint32_t rate, const struct endpoint *from,
		      const struct now *now);

/* link_timer.c */
void timer_set(struct links *ls, struct peer *p, uint64_t deadline_ns);

/* link.c */
/* peer_update: state, events and deadline after a change of keys or attempt. */
void peer_update(struct links *ls, struct peer *p);
void peer_tell(struct links *ls, struct peer *p, enum link_event_type type);
void peer_want_rekey(struct links *ls, struct peer *p);
/* out_push: an empty (all zero) message to fill. */
struct link_out *out_push(struct links *ls, const struct endpoint *to, uint16_t len);

#endif
