/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Who vouches for a registry's heads: the one thing that its log, the chain of hashes over it and
 * the members it adds up to do not settle.  A registry is told at its creation which back-end it
 * has; what serves, copies or reads it never asks.
 *
 *   local   the mesh's registrar signs each head (local.h)
 *
 * A ledger elsewhere is one more of these: its heads are what its reader has seen finalised, or
 * what enough members attest to.
 */
#ifndef REGISTRY_BACKEND_H
#define REGISTRY_BACKEND_H

#include "registry/event.h"

#define REGISTRY_MESH_LEN 32
#define REGISTRY_HEAD_MAX 128 /* bytes of a head on the wire, of any kind */

struct registry_head {
	uint64_t events;
	uint64_t time_s;        /* when it was vouched for; newer without new events: still true */
	uint8_t hash[HASH_LEN]; /* SHA-256(hash before | event), from SHA-256(context | mesh) */
};

struct registry_backend {
	uint8_t mesh[REGISTRY_MESH_LEN]; /* names the mesh; the chain of hashes begins with it */
	const char *voucher;             /* in a sentence: "the mesh's registrar" */
	const char *setting;             /* what names it in macro.conf: "[mesh] registrar" */
	void *ctx;                       /* the back-end's own; borrowed for the registry's life */
	/*
	 * open_head(b, bytes, len, head): is this head vouched for?  REGISTRY_OK with *head filled;
	 * REGISTRY_MALFORMED (not of this kind), _VERSION; REGISTRY_SIGNATURE: made up, no honest
	 * mirror has it; REGISTRY_UNPROVEN: not seen yet, it may be true.
	 */
	enum registry_result (*open_head)(const struct registry_backend *b, const uint8_t *bytes,
					  size_t len, struct registry_head *head);
};

/* ---- the chain, for whoever makes heads ---- */

/* registry_head_start(head, mesh): of a log without events. */
void registry_head_start(struct registry_head *head, const uint8_t mesh[static REGISTRY_MESH_LEN]);

/* registry_hash_add(hash, event, len): the hash after one more event. */
void registry_hash_add(uint8_t hash[static HASH_LEN], const uint8_t *event, size_t len);

#endif
