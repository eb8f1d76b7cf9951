/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Session cells being filled: frames from one or many packets go into the open cell of their path
 * until it is full or the input ends.  Used by both ends of a session; what happens to full cells
 * differs, so the owner seals them.
 */
#ifndef CORE_PACKER_H
#define CORE_PACKER_H

#include "core/egress.h"
#include "core/spath.h"
#include "onion/onion.h"
#include "util/dgram.h"

struct outcell {
	struct egress_slot slot;
	struct spath *sp;
	void *owner;    /* struct path at the client, struct circuit at the exit */
	uint8_t *text;  /* session plaintext, then ciphertext; the tag goes behind area */
	uint64_t nonce; /* the exit's counter */
	uint64_t seq;   /* the first link's counter */
	uint16_t area;  /* bytes for frames */
	uint16_t used;
	bool elicits; /* carries more than acknowledgements */
	bool is_done; /* for the owner */
};

struct packer {
	struct outcell cell[ONION_BATCH];
	unsigned n;
};

/* packer_fits(c, len): an open cell has room for one more frame of len bytes. */
static inline bool packer_fits(const struct outcell *c, size_t len)
{
	return (size_t)(c->area - c->used) >= FRAME_HEAD_LEN + len;
}

/* Append a frame; the caller checked packer_fits.  packer_numbered, _resent: with their heads. */
void packer_packet(struct outcell *c, const struct packet *p);
void packer_numbered(struct outcell *c, const struct packet *p, uint64_t number);
void packer_resent(struct outcell *c, const struct packet *p, uint32_t path_id, uint64_t seq);
void packer_ping(struct outcell *c);
void packer_paths(struct outcell *c, const struct paths *p);
void packer_pack(struct outcell *c, const struct now *now);

/* packer_ride(c, now): an acknowledgement that is due soon goes into the cell if there is room. */
static inline void packer_ride(struct outcell *c, const struct now *now)
{
	if (spath_pack_rides(c->sp, now) && packer_fits(c, spath_pack_len(c->sp)))
		packer_pack(c, now);
}

/* packer_seal(pk, a, now): end, pad and seal the session layer of all cells, and note them as sent.
 */
void packer_seal(struct packer *pk, struct aead *a, const struct now *now);

#endif
