/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Shared by the files behind membership.h. */
#ifndef MESH_MEMBERSHIP_INT_H
#define MESH_MEMBERSHIP_INT_H

#include "mesh/membership.h"
#include "mesh/rtts.h"

enum {
	CALLS_MAX = MIRRORS_BUSY_MAX,
};

/* A mirror that we are bringing a link or a path up to, or pull from. */
struct call {
	uint64_t peer; /* 0: free */
	uint8_t id[NODE_ID_LEN], link_key[DH_LEN];
	uint64_t slow_ns;    /* from then on others are tried as well */
	uint64_t give_up_ns; /* NEVER once it is pulled from */
};

/* Comparing with mirrors until enough have been heard. */
struct round {
	bool is_running;
	uint64_t began_ns;
	bool is_by_path;     /* a client does not show itself to those it asks ... */
	unsigned paths_lost; /* ... unless there is no other way */
	unsigned attempts, done, barren;
};

struct membership {
	struct membership_params params;
	struct dirsync *sync;
	struct mirrors mirrors;
	struct membership_paths paths;
	bool is_wanted;
	bool is_met;    /* some mirror did since we began, or the network changed */
	bool has_found; /* somebody on the local network, since the last tick */
	bool is_heard;  /* some mirror has told all it knew, or a cache did */
	struct call calls[CALLS_MAX];
	struct round round;
	uint64_t next_round_ns, gap_ns;
	uint64_t rounds;
	struct rtts rtts;
	uint64_t epoch_s, wall_s;
	uint64_t reverse_pulls, path_pulls;
	/* Why a mirror did not take our descriptor; ADDED: none refused it. */
	enum directory_result refusal;
	enum descriptor_error refusal_error;
};

static inline bool membership_is_node(const struct membership *m)
{
	return m->params.own_id != NULL;
}

#endif
