/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Links: authenticated channels between neighbours (client-entry, node-node) that carry cells.
 * Noise IK handshake, header-only AEAD, cookies under load, rekey, replay window, roaming.
 * Sans-I/O: handshake datagrams to send are taken with links_next_out; time comes in.
 */
#ifndef CORE_LINK_H
#define CORE_LINK_H

#include "crypto/noise.h"
#include "util/dgram.h"
#include "util/list.h"
#include "wire/cell.h"
#include "wire/drop.h"
#include "wire/shard.h"

struct links;    /* all links of one worker */
struct link_key; /* one pair of transport keys; private */
struct egress_batch;

enum link_state {
	LINK_IDLE,       /* no usable key and none being made */
	LINK_CONNECTING, /* handshake under way, no usable key */
	LINK_UP,         /* cells can be sent */
};

/*
 * A peer, named by its static key and the shards of both ends: workers of one peer have links of
 * their own.  Transport keys come and go beneath it.  Made only by links.
 */
struct link {
	uint8_t peer[DH_LEN]; /* the peer's static public key */
	uint8_t shard, peer_shard;
	struct endpoint endpoint; /* where it was last heard (or first to be called) */
	uint32_t id; /* unique among all workers' links (low 3 bits: the worker), not 0 */
	enum link_state state;
	bool peer_is_node;   /* said in the handshake; the engine checks it against descriptors */
	bool circ_id_high;   /* our circ_ids have the top bit set (the peer's then not) */
	uint64_t rtt_ns;     /* of the last handshake, when we began it; 0 unknown */
	uint64_t bound_ns;   /* and when the peer did: from our answer to its first cell, which may
			      * have been lost at first; 0 unknown */
	uint64_t last_rx_ns; /* of a verified cell */
	uint64_t last_tx_ns;
	void *user;                  /* the engine's */
	struct egress_batch *egress; /* the engine's: the batch being filled, or NULL */
	struct link_key *send_key;   /* NULL unless LINK_UP */
				     /* more, private to link.c */
};

#define LINKS_MAX (1u << 18) /* receiver indexes have 21 random bits */

struct links_params {
	const struct dh_keypair *identity; /* our link static; borrowed */
	const struct rng *rng;             /* borrowed */
	struct aead *aead;                 /* borrowed; for bodies that the link seals */
	bool is_node;                      /* told to peers */
	uint8_t worker, workers; /* ours are the shards that are worker modulo workers; 0, 0: all */
	uint32_t max_links;      /* 1..LINKS_MAX: bound on state made by strangers */
	uint64_t retry_ns;       /* from an INIT to the next; 0: half a second, then longer */
	uint32_t init_burst;     /* not 0: inits answered per second before cookies are asked,
				  * and then again per source prefix that has shown a cookie */
};

struct links *links_create(const struct links_params *params);
void links_free(struct links *ls);

/*
 * links_get_shard(ls, peer, wish, endpoint): the link to this static key, made (idle) when there
 * was none; NULL when max_links are in use or the key is our own.  wish: SHARD_ANY, or SHARD_WISH
 * and the shard wanted at the peer.  endpoint (may be NULL) is used when the link is idle.  A link
 * got here stays until link_close; one made by a stranger may be evicted while it is LINK_IDLE and
 * its user is NULL.
 */
struct link *links_get_shard(struct links *ls, const uint8_t peer[static DH_LEN], uint8_t wish,
			     const struct endpoint *endpoint);
static inline struct link *links_get(struct links *ls, const uint8_t peer[static DH_LEN],
				     const struct endpoint *endpoint)
{
	return links_get_shard(ls, peer, SHARD_ANY, endpoint);
}
struct link *links_by_id(struct links *ls, uint32_t id);

/* link_connect: begin a handshake unless one is under way or the link is up.  Ends in an event. */
void link_connect(struct links *ls, struct link *l, const struct now *now);

/* link_renew: make a new key because the peer, say after a restart, seems not to have ours any
 * more; the link stays up. */
void link_renew(struct links *ls, struct link *l);

/* links_hurry: the network has changed: handshakes that wait for their next try have it now. */
void links_hurry(struct links *ls, const struct now *now);

/* link_close: forget the peer and wipe its keys; the pointer is dead afterwards. */
void link_close(struct links *ls, struct link *l);

/* links_recv_handshake: a datagram whose first byte is not MSG_CELL. */
enum drop links_recv_handshake(struct links *ls, const uint8_t *data, size_t len,
			       const struct endpoint *from, const struct now *now);

/* One received cell. */
struct link_rx {
	uint8_t
	    *cell; /* CELL_LEN bytes; its header is decrypted in place, and non-DATA bodies too */
	const struct endpoint *from;
	struct link *link;         /* out, when drop is DROP_NONE */
	struct cell_header header; /* out */
	enum drop drop;            /* out */
};

/*
 * links_open(ls, rx, n, now): verify and decrypt the link layer of n cells in one batch; updates
 * windows, endpoints (roaming) and key confirmation.  DATA bodies stay as they are.
 */
void links_open(struct links *ls, struct link_rx *rx, size_t n, const struct now *now);

/*
 * link_seal(ls, l, cells, headers, n, now): the link layer of n cells adjacent in memory (stride
 * CELL_LEN), in place, with consecutive counters.  For kinds other than DATA the body at
 * CELL_BODY_OFF is sealed too and T written; for DATA T and B stand already.  n <= LINK_SEAL_MAX.
 * Only when l->state is LINK_UP: ask before every call, a call may use the key up.
 */
#define LINK_SEAL_MAX 4096
void link_seal(struct links *ls, struct link *l, uint8_t *cells, const struct cell_header *headers,
	       size_t n, const struct now *now);

/* A handshake datagram to send. */
struct link_out {
	struct endpoint to;
	uint16_t len;
	uint8_t data[CELL_LEN];
};
bool links_next_out(struct links *ls, struct link_out *out);

/*
 * What happened; taken in order, one per link: a newer event replaces one not yet taken.  The link
 * pointer is valid until the next call into links.
 */
enum link_event_type {
	/*
	 * Can send: the link came up, or has a new key from a handshake that we began.  Send a
	 * COVER cell now unless other cells are waiting: the peer takes the new key into use only
	 * after the first cell under it.
	 */
	LINK_EVENT_UP,
	LINK_EVENT_DOWN, /* keys expired or handshake given up; state is LINK_IDLE */
};
struct link_event {
	enum link_event_type type;
	struct link *link;
};
bool links_next_event(struct links *ls, struct link_event *ev);

/* Timers: retries, rekeys, expiry.  deadline is absolute mono_ns or NEVER; after links_tick(now) it
 * is later than now. */
void links_tick(struct links *ls, const struct now *now);
uint64_t links_deadline(const struct links *ls);

/* links_foreach(ls, fn, ctx): every link; fn must not close links. */
void links_foreach(struct links *ls, void (*fn)(struct link *l, void *ctx), void *ctx);

#endif
