/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the files behind engine.h share.  Nobody else includes it, but tests. */
#ifndef CORE_ENGINE_INT_H
#define CORE_ENGINE_INT_H

#include "core/egress.h"
#include "core/engine.h"
#include "core/packer.h"
#include "core/resend.h"
#include "core/spath.h"
#include "core/steer.h"
#include "core/unpacker.h"
#include "crypto/window.h"
#include "onion/onion.h"
#include "util/bucket.h"
#include "util/list.h"
#include "util/map.h"
#include "util/seen.h"
#include "util/slab.h"
#include "util/timers.h"

#include <sodium.h>

struct exit_node;
/* A circuit that a session is attached to, at the exit. */
struct exit_path {
	struct spath sp;
	struct circuit *circuit;
	struct exit_session *session;
	struct outcell *open_cell;
	unsigned slot;        /* in the session */
	bool is_told_suspect; /* by the client */
	struct timer timer;
};

enum {
	EVENT_RING = 128,
	LINKCTL_MESH_MAX = 15, /* first bytes of messages that are for mesh/: 1..15 */
	PACKET_RING = 2048,    /* packets out per engine_recv; more are dropped and counted */
	CREATE_RATE_NODE_PER_S = 2000, /* CREATEs a second and neighbour; bursts of twice as many */
	CREATE_RATE_CLIENT_PER_S = 20,
	CREATE_RATE_STRANGERS_PER_S = 3000, /* of all clients together: under half a core */
	PINGS_PER_S = 10,                   /* answered, of each neighbour */
	UNKNOWNS_PER_S = 100,               /* cells of unknown circuits, answered with DESTROY */
	CIRCUITS_PER_CLIENT_MAX = 64,
	PATHS_MAX = 64,
	/* Of packets that may have to be sent again: at an exit, of all its sessions. */
	RESEND_CLIENT_BYTES = 4 << 20,
	RESEND_EXIT_BYTES = 16 << 20,
};

#define CREATE_WAIT_NS  (10 * NS_PER_S)   /* for the next hops to answer */
#define LINK_WAIT_NS    (3 * NS_PER_S)    /* for the link to the next hop */
#define PING_PERIOD_NS  (250 * NS_PER_MS) /* while something waits for the neighbour */
#define PING_IDLE_NS    (10 * NS_PER_S)   /* otherwise, on links that carry circuits */
#define PING_TRIES      4
#define SWEEP_PERIOD_NS (100 * NS_PER_MS)
#define DRAIN_NS        (2 * NS_PER_S) /* a destroyed circuit's state is kept so long */

/* What the engine knows of the other end of a link, at link->user. */
struct neighbour {
	struct link *link;
	struct list circuits_prev; /* circuits that come from here ... */
	struct list circuits_next; /* ... and that go on to here */
	unsigned circuits;
	unsigned paths; /* our own, as a client */
	bool is_node;
	uint8_t id[NODE_ID_LEN];
	struct bucket creates, pings, unknowns;
	unsigned pings_unanswered;
	unsigned waiting; /* CREATEs sent or held that wait for an answer */
	uint64_t ping_due_ns;
	struct list in_engine;
	struct list in_events; /* while an event of its link waits to be taken */
	bool event_is_up;
};

enum circuit_state {
	CIRCUIT_LINKING,   /* waiting for the link to the next hop; CREATE is held */
	CIRCUIT_EXTENDING, /* CREATE sent on, waiting for CREATED */
	CIRCUIT_OPEN,
	CIRCUIT_CLOSED, /* destroyed; takes stragglers silently until it is swept */
};

/* One end of a circuit at a hop.  Packed: two of them are to fit into a cache line's rest. */
struct __attribute__((packed, aligned(4))) circuit_end {
	struct neighbour *nb; /* NULL: no such end */
	uint32_t circ_id;
};

/* What a circuit has at its last hop besides. */
struct circuit_last {
	struct hop_binding binding;
	struct exit_path *attached; /* the session's path on it, or NULL */
	uint64_t b_next;            /* counter of the next backward cell */
	unsigned sessions_made;
};

/*
 * A circuit as one hop sees it.  There may be very many, each out of the caches when its cell
 * comes: a cell that goes forward touches the first two lines, one that comes back the two behind
 * the first, and both one of a window's.
 */
struct circuit {
	uint8_t kf[KEY_LEN], kfill[KEY_LEN]; /* as in struct hop_keys */

	uint64_t delta, epsilon;
	uint64_t last_ns; /* last valid cell */
	struct circuit_end next, prev;
	struct window fwd_window;
	uint8_t state; /* enum circuit_state */
	bool is_last;  /* there is a struct circuit_last */
	bool is_interactive;
	uint32_t fwd_cells; /* in an hour, its longest life, never too many for 32 bits */

	uint8_t kb[KEY_LEN];
	struct window bwd_window;
	struct circuit_last *last;
	uint32_t bwd_cells;
	uint32_t bad_tags;
	uint64_t expires_ns;

	uint64_t fwd_bits[CIRCUIT_WINDOW_WORDS];
	uint64_t bwd_bits[CIRCUIT_WINDOW_WORDS];
	struct circuit_pending *pending; /* until OPEN */
	struct list in_prev, in_next;    /* the lists of those neighbours */
	struct window ctl_window;
	uint64_t ctl_bits[CONTROL_WINDOW_WORDS];
};

struct circuit_pending {
	struct create_pending create;
	uint16_t lifetime_s;
	struct timer give_up;
	struct circuit *circuit;
	uint8_t body[CELL_BODY_LEN]; /* CREATE for the next hop, while LINKING */
};

struct engine {
	struct links *links;
	struct aead *aead;
	struct rng rng;
	struct engine_world world;
	uint8_t id[NODE_ID_LEN];
	uint8_t roles, worker;
	uint8_t load_percent;
	uint32_t max_circuits;

	struct egress egress;
	struct map circuits_by_end; /* (link id, circ_id) -> struct circuit */
	struct slab circuits;       /* swept a slice at a time */
	size_t sweep_at;
	unsigned circuit_count;
	struct timers pending; /* those that wait for the next hop */
	struct list neighbours;
	struct list link_events; /* neighbours; apart from the ring, because none may be lost */
	struct seen *creates, *own_creates; /* X of CREATEs */
	struct bucket stranger_creates;     /* of all neighbours that are no nodes */
	uint64_t sweep_ns;
	uint64_t watch_ns; /* when neighbours are looked at next */

	struct map paths_by_end; /* (link id, circ_id) -> struct path */
	struct list paths;
	unsigned path_count;
	uint32_t last_path_id;
	struct list sessions; /* the client's, newest first */
	struct list groups;   /* of them */
	uint32_t last_group_id;
	uint8_t diverted[INNER_MTU(1)]; /* a packet with another address, until it is in its cell */
	unsigned session_count;
	uint32_t last_session_id;
	uint64_t (*flow_group)(void *ctx, const struct flow_key *key);
	void *flow_group_ctx;
	uint8_t shard_key[crypto_shorthash_KEYBYTES]; /* draws a worker for each exit */
	struct exit_node *exit;

	struct resend resend;
	struct packer client_out, exit_out;
	struct packet packets[2][PACKET_RING]; /* by enum packet_sink */
	size_t packet_count[2];

	struct engine_event events[EVENT_RING];
	unsigned event_head, event_count;
	struct engine_stats stats;
};

static inline void engine_drop(struct engine *e, enum drop why)
{
	e->stats.drops[why]++;
}

/* engine_event(e, type): a zeroed event to fill, at the end of the ring; never NULL. */
struct engine_event *engine_event(struct engine *e, enum engine_event_type type);

/* engine_packet_out(e, sink, bytes, len, flags): hand a packet to the TUN side. */
void engine_packet_out(struct engine *e, enum packet_sink sink, const uint8_t *p, size_t len,
		       uint8_t flags);

/* engine_finish: what every public call ends with: events of links, handshakes and batches out. */
void engine_finish(struct engine *e, const struct now *now);

/* engine_session_ended: when it was the last, no packet of theirs is kept any longer. */
void engine_session_ended(struct engine *e);

static inline uint64_t end_key(const struct link *l, uint32_t circ_id)
{
	return (uint64_t)l->id << 32 | circ_id;
}
/* ---- neighbour.c ---- */
struct neighbour *neighbour_of(struct engine *e, struct link *l);

/* neighbour_identify(e, nb): whether it is a known node; its descriptor may come after the link. */
void neighbour_identify(struct engine *e, struct neighbour *nb);
void neighbour_link_up(struct engine *e, struct link *l, const struct now *now);
void neighbour_link_down(struct engine *e, struct link *l, const struct now *now);
/* A cell with a body of our own for this link; dropped (false) when it is not up. */
/* neighbour_refuse: DESTROY for a circuit that we do not have, so many a second. */
void neighbour_refuse(struct engine *e, struct neighbour *nb, uint32_t circ_id,
		      const struct now *now);
bool neighbour_send(struct engine *e, struct neighbour *nb, struct cell_header h,
		    const uint8_t *body, size_t len);
void neighbour_message(struct engine *e, struct neighbour *nb, const uint8_t *body,
		       const struct now *now);
/* A circuit id for a new circuit on this link, in our half of the space. */
/* neighbour_wait(e, nb): something of ours now depends on its answer. */
void neighbour_wait(struct engine *e, struct neighbour *nb);
/* neighbour_tell(e, nb, is_up): an event of its link; the latest counts.  neighbour_next_event:
 * take one. */
void neighbour_tell(struct engine *e, struct neighbour *nb, bool is_up);
bool neighbour_next_event(struct engine *e, struct engine_event *ev);
uint32_t neighbour_new_circ_id(struct engine *e, struct neighbour *nb);
void neighbour_tick(struct engine *e, const struct now *now);
uint64_t neighbour_deadline(const struct engine *e);
/* ---- circuit.c: a hop's circuits ---- */
void circuit_on_create(struct engine *e, struct neighbour *nb, uint32_t circ_id,
		       const uint8_t *body, const struct now *now);
void circuit_on_created(struct engine *e, struct circuit *c, const uint8_t *body,
			const struct now *now);
void circuit_on_destroy(struct engine *e, struct circuit *c, struct neighbour *from,
			const struct now *now);
void circuit_destroy(struct engine *e, struct circuit *c, const struct now *now);
/* The link to nb came up, or nb cannot be reached. */
void circuit_neighbour_up(struct engine *e, struct neighbour *nb, const struct now *now);
void circuit_neighbour_dead(struct engine *e, struct neighbour *nb, const struct now *now);
void circuit_tick(struct engine *e, const struct now *now);
void circuit_leave(struct engine *e, const struct now *now);
void circuit_free_all(struct engine *e);
/* ---- relay.c: DATA cells at a hop, in batches ---- */
struct relay_cell {
	struct circuit *circuit;
	uint8_t *cell;
	struct cell_header header;
};
void relay_forward(struct engine *e, const struct relay_cell *cells, size_t n,
		   const struct now *now);
void relay_backward(struct engine *e, const struct relay_cell *cells, size_t n,
		    const struct now *now);
/* One backward cell that begins here: an answer under reply_seq; text is padded to the body. */
void relay_answer(struct engine *e, struct circuit *c, uint64_t reply_seq, const uint8_t *text,
		  size_t len);
/* ---- hop_control.c ---- */
void hop_control(struct engine *e, struct circuit *c, const uint8_t *payload, size_t len,
		 const struct now *now);
void hop_mesh_answer(struct engine *e, const struct engine_message *m);
/* ---- exit.c: sessions at the exit ---- */
struct exit_node *exit_create(const struct exit_params *params, const struct rng *rng);
void exit_free(struct exit_node *x);
void exit_on_control(struct engine *e, struct circuit *c, uint8_t type, uint64_t reply_seq,
		     const uint8_t *body, size_t len, const struct now *now);
void exit_deliver(struct engine *e, const struct incell *cells, size_t n, const struct now *now);
void exit_detach(struct engine *e, struct circuit *c);
void exit_tick(struct engine *e, const struct now *now);
uint32_t exit_session_count(const struct engine *e);
uint64_t exit_deadline(const struct engine *e);

#endif
