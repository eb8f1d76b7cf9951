/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a node does besides moving cells: its onion keys, and a descriptor that is always fresh. */
#ifndef NODE_NODE_H
#define NODE_NODE_H

#include "mesh/membership.h"
#include "mesh/onion_keys.h"

struct node;

/* What the owner says; the rest of the descriptor is made here. */
struct node_params {
	const struct identity *identity; /* borrowed */
	const struct rng *rng;           /* borrowed */
	const char *name, *operator;     /* borrowed */
	char country[3];
	const char *city; /* borrowed; NULL: not told */
	uint8_t roles;
	uint8_t exit_flags; /* enum exit_flag */
	uint32_t capacity_kbit;
	uint64_t valid_s; /* how long a descriptor holds; 0: 12 h */
	/* At least, between descriptors that only tell another load, or news; 0: 5 minutes. */
	uint64_t change_gap_ns;
	struct endpoint addr[DESCRIPTOR_ADDRS_MAX];
	unsigned addr_count;
	unsigned workers; /* 0 is taken for 1 */
};

struct node *node_create(const struct node_params *params, const struct now *now);
void node_free(struct node *n);

/* node_set_capacity: from now on, and in the next descriptor, which comes at once. */
void node_set_capacity(struct node *n, uint32_t capacity_kbit, const struct now *now);

/* node_note_sent(n, bytes, now): how much it has sent in all, now and then.  The load that it tells
 * follows. */
void node_note_sent(struct node *n, uint64_t bytes, const struct now *now);

/* node_load_percent(n): as it would be told now. */
uint8_t node_load_percent(const struct node *n);

/* For the engine: the i-th onion key that still opens CREATEs, and the session key of exits. */
bool node_onion_key(const struct node *n, unsigned i, struct dh_keypair *key, uint32_t *key_id);
const struct dh_keypair *node_session_key(const struct node *n);

/*
 * node_tick(n, m, now): rotate keys, sign and publish when due.  DESCRIPTOR_OK or why the
 * descriptor cannot be signed (a mistake in params).
 */
MUST_USE enum descriptor_error node_tick(struct node *n, struct membership *m,
					 const struct now *now);
uint64_t node_deadline(const struct node *n, const struct now *now);

/* node_valid_until_s: of the descriptor last published; 0 before. */
uint64_t node_valid_until_s(const struct node *n);

#endif
