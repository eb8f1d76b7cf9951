/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A probe: a question of 64 bytes that a node answers with as many.  When it comes back, but no
 * handshake does, the way there carries small packets only.  It keeps no state and proves nothing
 * but that; who does not know the node's link key gets no answer.
 *
 *   0 type 5 | 1 answer u8 | 2 zero 2 | 4 nonce 44 | 48 MAC128(mac1 key of the node, bytes 0..47)
 */
#ifndef LINK_PROBE_H
#define LINK_PROBE_H

#include "crypto/noise.h"
#include "wire/cell.h"

#define PROBE_NONCE_LEN 44

/* probe_put(msg, key, nonce): the question for the node with this link key. */
void probe_put(uint8_t msg[static LINK_PROBE_LEN], const uint8_t key[static DH_LEN],
	       const uint8_t nonce[static PROBE_NONCE_LEN]);

/* probe_is_answer(msg, len, key, nonce): its answer to that question. */
bool probe_is_answer(const uint8_t *msg, size_t len, const uint8_t key[static DH_LEN],
		     const uint8_t nonce[static PROBE_NONCE_LEN]);

#endif
