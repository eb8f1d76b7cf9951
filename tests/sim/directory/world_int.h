/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Between world.c, members.c, lines.c, wires.c, spread.c and the thin parts. */
#ifndef TESTS_SIM_DIRECTORY_WORLD_INT_H
#define TESTS_SIM_DIRECTORY_WORLD_INT_H

#include "tests/sim/directory/world.h"
#include "util/map.h"

#define SPREAD_BINS 36000

enum message_kind {
	MESSAGE_INIT,
	MESSAGE_RESP,
	MESSAGE_COVER,
	MESSAGE_LINK,    /* about the mesh, between neighbours */
	MESSAGE_CREATE,  /* of a client's circuit; and back */
	MESSAGE_CREATED, /* is_failed: by whom it came from */
	MESSAGE_DESTROY,
	MESSAGE_ASK, /* about the mesh, on a circuit; and back */
	MESSAGE_ANSWER,
};

struct message {
	enum message_kind kind;
	unsigned from, to; /* hosts */
	uint64_t sent_ns;  /* INIT: as it is told back in RESP */
	/* On circuits. */
	unsigned client, hop; /* hop: of which to is the number */
	uint32_t path;
	bool is_failed;
	uint64_t reply;
	uint8_t *body; /* CELL_BODY_LEN bytes of its own, or NULL */
};

enum act_kind {
	ACT_MESSAGE,
	ACT_TICK,
	ACT_START,
};

struct act {
	uint64_t due_ns, order;
	enum act_kind kind;
	unsigned host;
	struct message *message;
};

/* News that is followed: a descriptor, on its way to all. */
struct followed {
	uint64_t sequence, signed_ns; /* 0: none */
	uint32_t awaited, got;
};

struct world {
	struct world_params params;
	struct rng rng;
	struct now now;
	struct registrar registrar;
	struct host *hosts;
	unsigned members, host_count, joined;
	struct map by_id, by_link; /* -> index + 1 */
	bool is_parted;
	struct act *heap;
	size_t heap_len, heap_room;
	uint64_t order;
	/* news */
	bool follows;
	unsigned signings;
	struct followed *followed; /* by member */
	uint32_t *bins;
	uint64_t told, follow_count, follow_complete;
	double longest_s;
	/* costs */
	uint64_t meter_ns, descriptors, meter_descriptors;
	struct traffic *metered; /* by host */
};

/* ---- world.c ---- */

/* world_plan(w, a): a happens when it is due. */
void world_plan(struct world *w, struct act a);
struct host *world_by_link_key(struct world *w, const uint8_t key[static DH_LEN]);
struct host *world_by_id(struct world *w, const uint8_t id[static NODE_ID_LEN]);

/* ---- members.c ---- */

/* Called for each host, in this order: who it is; what it knows, nothing; its place in the log. */
void members_name(struct world *w, unsigned i);
void members_equip(struct host *h);
void members_register(struct world *w, unsigned i);
/* members_append(w, ev): to the log, as registrar_append. */
void members_append(struct world *w, const struct registry_event *ev);
void members_copy_registry(struct world *w, struct registry *to);
/* members_acquaint(w): everybody has a descriptor of everybody. */
void members_acquaint(struct world *w);
/* members_seed(w, for_whom): a member that runs. */
struct seed members_seed(struct world *w, const struct host *for_whom);
/* members_sign(h): its next descriptor, published; and when the one after that is due. */
void members_sign(struct host *h);
/* members_restart(h): its first descriptor since it started is due. */
void members_restart(struct host *h);

/* ---- spread.c ---- */

/* spread_signed(h): it has a new descriptor.  spread_taken: some directory took it. */
void spread_signed(const struct host *h);
void spread_taken(struct world *w, const uint8_t id[static NODE_ID_LEN], uint64_t sequence);

/* ---- lines.c ---- */

/* world_send(w, m, extra_ns): one datagram more on the wire; m and what it points to are taken. */
void world_send(struct world *w, struct message m, uint64_t extra_ns);
/* world_count(w, from, to, carried): a datagram whose content does not matter. */
void world_count(struct world *w, unsigned from, unsigned to, bool is_carried);
uint64_t world_delay_ns(const struct world *w, unsigned a, unsigned b);
bool world_reaches(const struct world *w, unsigned a, unsigned b);

/* ---- wires.c ---- */

struct engine *wires_create(struct host *h);
void wires_free(struct engine *e);
void wires_deliver(struct host *to, struct message *m);
/* wires_next_event: what membership has to hear.  wires_settle: after it has heard all. */
bool wires_next_event(struct engine *e, struct engine_event *ev);
void wires_settle(struct engine *e);
void wires_tick(struct engine *e);
uint64_t wires_deadline(const struct engine *e);
/* wires_open_path: for membership_use_paths; ctx is the host. */
uint32_t wires_open_path(void *ctx, const uint8_t id[static NODE_ID_LEN], const struct now *now);

#endif
