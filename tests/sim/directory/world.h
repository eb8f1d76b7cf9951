/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A mesh of thousands in one process, on a virtual clock.  Each host runs the daemon's own code of
 * the exchange (mesh/membership, mirrors, dirsync and sync_*) on links that are only modelled
 * (wires.c): datagrams of one size, with the time, the loss, the handshakes and the rates that real
 * ones have, but not encrypted.  Everything follows from the seed.
 */
#ifndef TESTS_SIM_DIRECTORY_WORLD_H
#define TESTS_SIM_DIRECTORY_WORLD_H

#include "mesh/membership.h"
#include "registry/registrar.h"

enum {
	WORLD_WALL_S = 1800000000,    /* when it begins */
	DATAGRAM_LEN = CELL_LEN + 28, /* with the headers of UDP and IPv4 */
};

struct world;

/* Bytes on the wire. */
struct traffic {
	uint64_t tx, rx;
	uint64_t carried; /* of these: for circuits that end elsewhere */
};

struct host {
	struct world *world;
	unsigned index;
	bool is_client, is_up, withholds;
	unsigned side;         /* of a partition */
	struct engine *engine; /* wires.c */
	struct directory *dir;
	struct registry *registry;
	struct membership *membership;
	struct rng rng;
	struct identity identity;
	struct endpoint addr;
	struct traffic traffic;
	uint64_t tick_ns; /* its next tick; NEVER: none is due */
	uint64_t sign_ns; /* a node's next descriptor */
	uint64_t since_s, sequence;
	unsigned descriptors;            /* signed since it started */
	uint64_t tx_free_ns, rx_free_ns; /* until when its access line is taken */
	uint32_t place[2];               /* on a map; decides how far it is from others */
};

struct world_params {
	unsigned members, clients, spare; /* spare: members that may still join */
	uint64_t seed;
	uint64_t node_period_ns, client_period_ns; /* 0: as daemons have it */
	uint64_t resign_s, valid_s;                /* of descriptors */
	uint64_t head_max_age_s;
	uint64_t start_within_ns;
	bool is_old; /* members have known each other for long */
	uint32_t loss_per_10000;
};

/*
 * world_create(p): members registered, everybody starting within start_within_ns, with the registry
 * (a member's operator has it from the registrar) but, unless the mesh is old, without any
 * descriptor; and one seed each.
 */
struct world *world_create(const struct world_params *p);
void world_free(struct world *w);

struct now world_now(const struct world *w);
void world_run(struct world *w, uint64_t ns);
/* world_run_until(w, ns, step_ns, done, ctx): looks every step_ns; how long it took, or NEVER. */
uint64_t world_run_until(struct world *w, uint64_t ns, uint64_t step_ns,
			 bool (*done)(struct world *w, void *ctx), void *ctx);

/* Members, the spare ones behind the others, then clients. */
unsigned world_members(const struct world *w);
unsigned world_hosts(const struct world *w);
struct host *world_host(struct world *w, unsigned i);

/* ---- what happens to members ---- */

void world_stop(struct world *w, unsigned i);
void world_start(struct world *w, unsigned i); /* with what it had known, as from its cache */
/* world_join(w): one more is registered and starts, knowing a seed and nothing else; its index, or
 * UINT32_MAX. */
unsigned world_join(struct world *w);
void world_leave(struct world *w, unsigned i); /* its membership ends */
void world_renew_head(struct world *w);
void world_part(struct world *w, bool is_parted);

unsigned world_up(const struct world *w); /* members */
/* world_forget(w, i): it is stopped, and what it knew is gone. */
void world_forget(struct world *w, unsigned i);
/* world_withhold(w, i): from now on it tells of four fifths of the others only. */
void world_withhold(struct world *w, unsigned i);

/* world_all_know_all(w, clients): all honest members (or all clients) that are up have a descriptor
 * of each member that is up on their side.  world_lacked: how many they lack, the mean of some. */
bool world_all_know_all(struct world *w, bool clients);
double world_lacked(struct world *w, unsigned sample);
/* world_client_views(w): how many different views the clients have. */
unsigned world_client_views(struct world *w);

/* ---- what it costs and how fast it is ---- */

/* How long news takes; some of all descriptors are followed. */
struct spread {
	unsigned followed, complete; /* complete: everybody who was up has got it */
	double p50_s, p99_s, max_s;  /* from its signing until each had it */
};

void world_follow(struct world *w, bool on); /* new ones from now on; forgets the earlier ones */
struct spread world_spread(struct world *w);

struct meter {
	double seconds;
	double node_kb_per_h, node_max_kb_per_h, carried_kb_per_h; /* rx + tx; carried: of these */
	double client_kb_per_h;
	double descriptors_per_s; /* signed by all */
};

void world_meter(struct world *w); /* from now on */
struct meter world_metered(struct world *w);

#endif
