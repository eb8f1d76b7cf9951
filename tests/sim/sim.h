/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Deterministic network simulator: real engines, a virtual clock, seeded delay, jitter, loss,
 * duplication and tampering.  Everything follows from the seed, so a failing run can be repeated.
 */
#ifndef TESTS_SIM_H
#define TESTS_SIM_H

#include "core/engine.h"
#include "util/rng.h"

/* How datagrams fare from one node to another; one in per_x datagrams, 0 for never. */
struct sim_wire {
	uint64_t delay_ns, jitter_ns;
	uint32_t loss_per_1000, dup_per_1000, flip_per_1000, ce_per_1000;
	uint64_t rate_bps; /* 0: any; what would wait longer than SIM_QUEUE_NS is lost */
	bool is_down;
	uint64_t idle_ns; /* the simulator's own: when it has sent what it was given */
};

#define SIM_QUEUE_NS (100 * NS_PER_MS)

struct sim;

struct sim_node {
	struct sim *sim;
	unsigned index;
	struct engine *engine;
	struct endpoint endpoint;
	uint8_t id[NODE_ID_LEN];
	struct dh_keypair link_key, onion_key, session_key;
	unsigned worker;      /* 0 is the one whose index is the node's in hops and wires */
	struct seen *creates; /* the node's; its first engine frees it */
	uint32_t onion_key_id;
	uint8_t roles;
	bool is_dead;    /* takes nothing, says nothing */
	bool skips_time; /* clock off by wall_skew_s */
	int64_t wall_skew_s;
	uint64_t tick_at_ns, last_tick_ns;
	unsigned ticks_now; /* in a row, at last_tick_ns */
	/* what came out of the client's side, since last cleared */
	uint64_t packets, bytes, bad_packets;
	uint8_t last_to[4]; /* the inner address that the last one was for */
	uint64_t last_packet_ns;
	/* hook for every event; NULL: events are kept in seen[] only */
	/* each answer that came with right content; NULL: only counted */
	void (*on_packet)(struct sim_node *n, unsigned flow, uint64_t tag, void *ctx);
	void (*on_event)(struct sim_node *n, const struct engine_event *ev, void *ctx);
	/* what sits on the engine, with its own idea of time; both or none */
	void (*on_tick)(struct sim_node *n, const struct now *now, void *ctx);
	uint64_t (*deadline)(struct sim_node *n, const struct now *now, void *ctx);
	void *ctx;
	struct engine_event last[24]; /* the last one of each type */
	unsigned seen[24];
	uint64_t last_at_ns[24];
	uint8_t sent_sizes_wrong; /* datagrams that were neither a cell nor a cookie */
	uint64_t datagrams;
};

struct sim_params {
	unsigned nodes, clients; /* clients come after the nodes */
	uint64_t seed;
	struct sim_wire wire; /* between all, until changed with sim_wire */
	unsigned workers;     /* so many nodes in a row are engines of one; 0: 1 */
	uint32_t exit_packets_per_s;
	uint32_t exit_sessions; /* at most; 0: 1000 */
	size_t batches;         /* of each engine; 0: 16 */
	bool is_v6_only;        /* exits give no IPv4 addresses */
	/* May change keys and world before each node's engine is made; exit is never NULL. */
	void (*setup)(struct sim_node *n, struct engine_params *p, struct exit_params *exit,
		      void *ctx);
	void *setup_ctx;
};

struct sim *sim_create(const struct sim_params *params);
void sim_free(struct sim *s);

struct now sim_now(const struct sim *s);
struct sim_node *sim_node(struct sim *s, unsigned i);
struct rng *sim_rng(struct sim *s);

/* sim_wire(s, from, to): the wire to change. */
struct sim_wire *sim_wire(struct sim *s, unsigned from, unsigned to);

/* Tap every datagram sent (from, to, bytes); may change the bytes. */
void sim_tap(struct sim *s,
	     void (*tap)(void *ctx, unsigned from, unsigned to, uint8_t *data, size_t *len),
	     void *ctx);

/* sim_inject: to gets this datagram now, from whatever from's endpoint is.  sim_restart: the node
 * forgets everything but its keys. */
void sim_inject(struct sim *s, unsigned from, unsigned to, const uint8_t *data, size_t len);
void sim_restart(struct sim *s, unsigned i);

/* sim_run(s, ns): let time pass.  sim_run_until: until done(ctx) or so long; whether done. */
void sim_run(struct sim *s, uint64_t ns);
bool sim_run_until(struct sim *s, uint64_t ns, bool (*done)(void *ctx), void *ctx);

/* sim_drops(s, i, why): node i's counter; i SIM_ALL: of all together. */
#define SIM_ALL UINT32_MAX
uint64_t sim_drops(struct sim *s, unsigned i, enum drop why);
struct engine_stats sim_stats(struct sim *s, unsigned i);

/* After any direct engine call on a node: take what it produced and look at its deadline. */
void sim_pump(struct sim *s, struct sim_node *n);

/* sim_spec: a path over these node indexes. */
struct path_spec sim_spec(struct sim *s, const unsigned *hops, unsigned n);

/* The client's side: build, open a session, attach and use; true when all of it worked within 5 s.
 */
bool sim_connect(struct sim *s, struct sim_node *client, const unsigned *hops, unsigned n,
		 uint32_t *path);
/* Build one more path and attach it to the session that was opened last. */
bool sim_attach(struct sim *s, struct sim_node *client, const unsigned *hops, unsigned n,
		uint32_t *path);

/* That session goes over this path only from now on. */
void sim_use(struct sim *s, struct sim_node *client, uint32_t path);

/*
 * sim_send(s, client, len, tag): one UDP packet to the echo origin behind the exit, filled from
 * tag. The origin answers with the same payload; packets counts answers with right content.
 */
void sim_send(struct sim *s, struct sim_node *client, size_t len, uint64_t tag);

/* The same as one of many flows, each with its own destination. */
void sim_send_flow(struct sim *s, struct sim_node *client, unsigned flow, size_t len, uint64_t tag);
/* And unasked, from the origin behind this exit. */
void sim_send_down(struct sim *s, unsigned exit, struct sim_node *client, unsigned flow, size_t len,
		   uint64_t tag);

#endif
