/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The local back-end: one registrar, whose key is the mesh's name, signs each head.  On the wire:
 * version u8 | events u64 | time u64 | hash 32 | Ed25519 signature over context | registrar | all
 * before.
 */
#ifndef REGISTRY_LOCAL_H
#define REGISTRY_LOCAL_H

#include "registry/registry.h"

#define LOCAL_HEAD_VERSION 1
#define LOCAL_HEAD_LEN     (1 + 8 + 8 + 32 + 64)
#define LOCAL_SECRET_LEN   64 /* libsodium's form: seed, then public key */

/* local_backend(registrar): for registry_create. */
struct registry_backend local_backend(const uint8_t registrar[static REGISTRY_MESH_LEN]);

void local_head_sign(const struct registry_head *head,
		     const uint8_t secret[static LOCAL_SECRET_LEN],
		     uint8_t out[static LOCAL_HEAD_LEN]);

#endif
