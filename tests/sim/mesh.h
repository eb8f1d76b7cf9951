/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Whole members on the simulator's engines: identity, descriptor, directory, membership, and the
 * client's state machine.  Nothing is known to anyone but the seeds, as in life.
 */
#ifndef TESTS_SIM_MESH_H
#define TESTS_SIM_MESH_H

#include "client/client.h"
#include "node/node.h"
#include "tests/sim/sim.h"

struct member {
	struct sim_node *sim;
	struct identity identity;
	char name[16], operator[16];
	bool withholds;
	struct directory *dir;
	struct membership *membership;
	struct node *node;     /* of nodes */
	struct client *client; /* of clients */
	struct book *book;     /* if they keep one */
	struct guard_set guards;
	struct client_view view;                         /* refreshed by mesh_view */
	struct session_grant grant;                      /* sim_send takes the address from it */
	unsigned notes[CLIENT_NOTE_COUNT];               /* by enum client_note_type */
	char last[CLIENT_NOTE_COUNT][CLIENT_REASON_MAX]; /* text of each kind */
};

struct mesh {
	struct sim *sim;
	struct member *members;
	unsigned nodes, clients, seeds;
};

/* The first seeds nodes are everyone's seeds; countries and roles come from role_of. */
struct mesh_params {
	unsigned nodes, clients, seeds;
	uint64_t seed;
	struct sim_wire wire;
	uint8_t (*role_of)(unsigned i);        /* NULL: all roles */
	const char *(*country_of)(unsigned i); /* NULL: DE */
	uint64_t valid_s;                      /* of descriptors; 0: as usual */
	uint64_t improve_ns;                   /* of clients: struct client_params */
	bool keeps_book;               /* clients keep what they measure, and to a few entries */
	bool (*withholds)(unsigned i); /* NULL: nobody; else it knows four fifths at most */
};

/* mesh_withholds(m, id): whether m tells nobody of that node. */
bool mesh_withholds(const struct member *m, const uint8_t id[static NODE_ID_LEN]);

struct mesh *mesh_create(const struct mesh_params *params);
void mesh_free(struct mesh *m);
struct member *mesh_node(struct mesh *m, unsigned i);
struct member *mesh_client(struct mesh *m, unsigned i);

/* mesh_connect: the client's command, then wait for CONNECTED; whether it came in time. */
bool mesh_connect(struct mesh *m, struct member *c, const char *exit, unsigned hops,
		  uint64_t within_ns);
bool mesh_connect_as(struct mesh *m, struct member *c, const struct client_wish *wish,
		     uint64_t within_ns);
bool mesh_wait(struct mesh *m, struct member *c, enum client_state state, uint64_t within_ns);
const struct client_view *mesh_view(struct member *c);

/* The member whose node stands at that hop (1-based) of the client's route, or NULL. */
struct member *mesh_hop(struct mesh *m, struct member *c, unsigned hop);

#endif
