/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The door of the protocol: links, circuits and sessions as one machine without sockets, clocks or
 * threads.  One engine per worker.  Datagrams and packets go in with the time; batches of
 * datagrams, packets, events and a deadline come out.
 *
 *   client TUN -> engine_recv_client -> session, onion, link -> engine_take_batches -> UDP
 *   UDP -> engine_recv -> link -> circuit: next or previous link -> engine_take_batches
 *                                       or session -> engine_take_packets -> exit or client TUN
 *   exit TUN -> engine_recv_exit -> session, onion, link -> engine_take_batches
 *
 * What comes out points into memory given to or owned by the engine and is valid until the next
 * engine_recv*; batches are the caller's until engine_return_batch.
 */
#ifndef CORE_ENGINE_H
#define CORE_ENGINE_H

#include "core/engine_client.h"
#include "link/link.h"
#include "onion/create.h"
#include "util/dgram.h"
#include "wire/control.h"
#include "wire/drop.h"
#include "wire/role.h"

struct engine;
struct rate;
struct seen;

#define NODE_ADDRS_MAX 4

/* First bytes of CREATEs: how many are remembered at most, and for how long at least. */
#define CREATES_SEEN_MAX (2 << 20)
#define CREATES_SEEN_NS  (2 * CREATE_CLOCK_SKEW_S * NS_PER_S)

/* A node as its descriptor tells it. */
struct node_peer {
	uint8_t id[NODE_ID_LEN];
	uint8_t link_key[DH_LEN];
	unsigned addr_count;
	struct endpoint addrs[NODE_ADDRS_MAX];
};

/* What mesh/ says to a neighbour, or to whoever asked it through a circuit. */
struct engine_message {
	uint64_t to;    /* a link, or the circuit of an EVENT_CIRCUIT_MESSAGE */
	uint64_t reply; /* there; how many answers went before this one is added */
	uint8_t body[CELL_BODY_LEN];
};

/* What the engine asks of the directory and of the node's key ring. */
struct engine_world {
	void *ctx;
	bool (*node_by_id)(void *ctx, const uint8_t id[static NODE_ID_LEN], struct node_peer *out);
	bool (*node_by_link_key)(void *ctx, const uint8_t key[static DH_LEN],
				 struct node_peer *out);
	/* onion_key(ctx, i, ...): a copy of the node's i-th valid onion key; false when there are
	 * no more. */
	bool (*onion_key)(void *ctx, unsigned i, struct dh_keypair *key, uint32_t *key_id);
	/* pass_message(ctx, m): to engine_message_send of the engine that owns its end, another one
	 * of this node.  NULL: there are none. */
	void (*pass_message)(void *ctx, const struct engine_message *m);
};

struct exit_params {
	const struct dh_keypair *session_key;
	uint8_t pool_v4[4];   /* network; .0 and .1 are not given out */
	uint8_t pool_v4_bits; /* prefix length, 8..28; 0: no IPv4 */
	uint8_t pool_v6[16];  /* network; its last 4 bytes are added to the IPv4 host number */
	bool has_v6;
	uint32_t max_sessions;
	uint32_t packets_per_s; /* per session and direction */
};

struct engine_params {
	const struct dh_keypair *link_key;
	const uint8_t *node_id;  /* NULL: a client only */
	uint8_t roles;           /* enum node_role bits */
	uint8_t worker, workers; /* of a node with several engines; 0, 0: the only one */
	uint32_t max_circuits;
	uint32_t max_links;
	size_t batches;     /* egress batches, about 64 KiB each */
	size_t queue_cells; /* that may wait for the bandwidth or the socket; 0: none ever wait */
	struct rate
	    *rate; /* of what it sends, on the wire; engines may share one.  NULL: no limit */
	struct seen *creates; /* (CREATES_SEEN_MAX, _NS); engines of one node must share one.  NULL:
				 its own */
	const struct rng *rng;
	const char *aead; /* back-end name or NULL */
	struct engine_world world;
	const struct exit_params *exit; /* NULL: not an exit */
	/* ISOLATE_APP: a number for each application, 0 when it is not known; asked once per new
	 * flow.  NULL: never known. */
	uint64_t (*flow_group)(void *ctx, const struct flow_key *key);
	void *flow_group_ctx;
};

/* NULL when no AEAD back-end works.  Everything that params points to is borrowed for the engine's
 * life. */
struct engine *engine_create(const struct engine_params *params);
void engine_free(struct engine *e);

/* ---- bytes in ---- */

/* engine_recv(e, d, n, now): datagrams from the network; d's bytes are changed and, until the next
 * call, referred to by the packets that come out. */
void engine_recv(struct engine *e, const struct rx_dgram *d, size_t n, const struct now *now);
/* Packets from the client's TUN, and from the exit's. */
void engine_recv_client(struct engine *e, const struct packet *p, size_t n, const struct now *now);
void engine_recv_exit(struct engine *e, const struct packet *p, size_t n, const struct now *now);

/* ---- bytes out ---- */

struct tx_batch *engine_take_batches(struct engine *e);
void engine_return_batch(struct engine *e, struct tx_batch *b);

/* engine_block(e, is_blocked, now): the socket is full, or has room again. */
void engine_block(struct engine *e, bool is_blocked, const struct now *now);

/* engine_set_turn(e, cells): so many at most become batches at once; the rest waits for its turn.
 */
void engine_set_turn(struct engine *e, unsigned cells);

/* engine_next_turn(e, now): after all batches were sent: more of what waited for that.  False when
 * there is nothing more. */
bool engine_next_turn(struct engine *e, const struct now *now);

enum packet_sink {
	SINK_CLIENT,
	SINK_EXIT,
};
const struct packet *engine_take_packets(struct engine *e, enum packet_sink sink, size_t *n);

/* ---- time ---- */

uint64_t engine_deadline(const struct engine *e);
void engine_tick(struct engine *e, const struct now *now);

/* engine_set_load(e, percent): what this node tells whoever makes a circuit through it;
 * LOAD_UNKNOWN at first. */
void engine_set_load(struct engine *e, uint8_t percent);

/* engine_leave(e, now): the node stops: all its circuits end now, and their ends are told so. */
void engine_leave(struct engine *e, const struct now *now);

/* ---- neighbours ---- */

/*
 * engine_link(e, link_key, endpoint, now): bring a link to a node up (or find it); its id, 0 when
 * the table is full.  LINK_UP / LINK_DOWN events tell the rest.
 */
uint32_t engine_link(struct engine *e, const uint8_t link_key[static DH_LEN],
		     const struct endpoint *endpoint, const struct now *now);
/* engine_hurry(e, now): the machine's network has changed: what waits for its next try has it now.
 */
void engine_hurry(struct engine *e, const struct now *now);
/* engine_link_send(e, link, body, now), on any engine of the node: a message between neighbours
 * (kind LINKCTL), CELL_BODY_LEN bytes, first byte 1..15 (mesh/dirsync).  Lost without notice when
 * the link is not up. */
void engine_link_send(struct engine *e, uint32_t link, const uint8_t body[static CELL_BODY_LEN],
		      const struct now *now);

/* engine_message_send(e, m, now): the same, to a circuit as well; there only the first
 * MESH_ANSWER_LEN bytes, and each counter once. */
void engine_message_send(struct engine *e, const struct engine_message *m, const struct now *now);

/* engine_message_worker(m): of which engine of the node it has to leave. */
static inline unsigned engine_message_worker(const struct engine_message *m)
{
	return (unsigned)((m->to >> 32 != 0 ? m->to >> 32 : m->to) % WORKERS_MAX);
}

/* engine_endpoints(e, out, max): where its datagrams go now: the other ends of all links that are
 * up or being made, as far as out has room.  Their number. */
size_t engine_endpoints(const struct engine *e, struct endpoint *out, size_t max);

/* ---- what happened ---- */

enum engine_event_type {
	EVENT_LINK_UP,
	EVENT_LINK_DOWN,
	EVENT_LINK_MESSAGE,    /* a LINKCTL body for mesh/ */
	EVENT_CIRCUIT_MESSAGE, /* the same, from the client of a circuit */
	EVENT_PATH_MESSAGE,    /* an answer to one of ours, from the last hop of a path */
	EVENT_PATH_OPEN,
	EVENT_PATH_FAILED, /* hop and status say who gave up; hop 0: the entry cannot be reached */
	EVENT_PATH_CLOSED, /* by some hop (hop is 1), or because the entry is dead (0) */
	EVENT_ECHO,
	EVENT_SESSION_OPEN,
	EVENT_SESSION_FAILED,
	EVENT_PATH_ATTACHED,
	EVENT_PATH_ATTACH_FAILED,
	EVENT_PATH_SUSPECT,   /* nothing came back in time, on it or on one that shares a node with
			       * it: its flows were moved at once */
	EVENT_PATH_RECOVERED, /* a suspect path answers again; flows stay where they are */
	EVENT_COUNTERS,
};

struct engine_event {
	enum engine_event_type type;
	uint32_t link;    /* LINK_* */
	uint32_t path;    /* PATH_*, ECHO, COUNTERS, SESSION_* */
	uint32_t session; /* SESSION_*, PATH_ATTACHED, _ATTACH_FAILED, _SUSPECT, _RECOVERED */
	uint64_t circuit, reply; /* CIRCUIT_MESSAGE: see struct engine_message */
	bool link_is_node;
	struct endpoint endpoint; /* LINK_MESSAGE: where the neighbour is, as we see it */
	/* LINK_UP: who the other end is, and whether it calls itself a node (which link_is_node
	 * does not follow as long as we do not have its descriptor). */
	uint8_t link_key[DH_LEN];
	bool link_says_node;
	unsigned hop;                /* PATH_FAILED, _CLOSED, ECHO, COUNTERS */
	enum hop_status status;      /* PATH_FAILED */
	enum control_status control; /* SESSION_FAILED, PATH_ATTACH_FAILED */
	uint64_t rtt_ns;             /* PATH_OPEN, ECHO; LINK_UP: the handshake's, no less */
	uint64_t silent_ns;          /* PATH_SUSPECT: since the first unanswered cell */
	uint64_t hold_ns;            /* ECHO: how long the hop says it held it, of rtt_ns */
	uint32_t flows;              /* PATH_SUSPECT: moved */
	uint8_t load[HOPS_MAX];      /* PATH_OPEN: percent, that each hop tells; LOAD_UNKNOWN */
	/* COUNTERS: what the hop has forwarded; and of that, what we had sent when we asked, and
	 * had received when it answered. */
	uint64_t fwd_cells, bwd_cells, sent_cells, got_cells, asked_ns;
	struct session_grant grant;  /* SESSION_OPEN */
	uint8_t body[CELL_BODY_LEN]; /* *_MESSAGE */
};

/* engine_next_event: oldest first; false when there is none. */
bool engine_next_event(struct engine *e, struct engine_event *ev);

/* ---- counters ---- */

struct engine_stats {
	uint64_t drops[DROP_COUNT];
	uint64_t rx_datagrams, tx_datagrams;
	uint64_t fwd_cells, bwd_cells; /* forwarded for others */
	uint64_t client_rx_packets, client_tx_packets, client_rx_bytes, client_tx_bytes;
	uint64_t exit_rx_packets, exit_tx_packets, exit_rx_bytes, exit_tx_bytes;
	uint64_t creates_ok, creates_failed;
	uint64_t events_lost;
	uint64_t queued_marked, queued_dropped; /* by CoDel; by a full queue */
	uint64_t resent_packets;                /* that a path which does not answer had */
	uint32_t circuits, links, sessions, paths;
};
void engine_stats(const struct engine *e, struct engine_stats *out);

#endif
