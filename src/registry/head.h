/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A head on the wire: version u8 | events u64 | time u64 | hash 32 | the registrar's Ed25519
 * signature over context | registrar | all before.
 */
#ifndef REGISTRY_HEAD_H
#define REGISTRY_HEAD_H

#include "registry/registry.h"

#define REGISTRY_SECRET_LEN 64 /* libsodium's form: seed, then public key */

/* registry_head_start(head, registrar): of a log without events. */
void registry_head_start(struct registry_head *head,
			 const uint8_t registrar[static REGISTRY_KEY_LEN]);

/* registry_hash_add(hash, event, len): the hash after one more event. */
void registry_hash_add(uint8_t hash[static HASH_LEN], const uint8_t *event, size_t len);

void registry_head_sign(const struct registry_head *head,
			const uint8_t secret[static REGISTRY_SECRET_LEN],
			uint8_t out[static REGISTRY_HEAD_LEN]);

/* registry_head_open(head, bytes, registrar): REGISTRY_OK, _VERSION or _SIGNATURE; *head only on
 * success. */
MUST_USE enum registry_result registry_head_open(struct registry_head *head,
						 const uint8_t bytes[static REGISTRY_HEAD_LEN],
						 const uint8_t registrar[static REGISTRY_KEY_LEN]);

#endif
