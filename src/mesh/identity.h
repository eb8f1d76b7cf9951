/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A node's long-lived keys: the Ed25519 identity that signs, the X25519 key of its links. */
#ifndef MESH_IDENTITY_H
#define MESH_IDENTITY_H

#include "crypto/keyfile.h"
#include "onion/create.h"

#define SIGN_SECRET_LEN    64 /* libsodium's form: seed, then public key */
#define SIGN_LEN           64
#define IDENTITY_ERROR_MAX KEYFILE_ERROR_MAX

struct identity {
	uint8_t sign_secret[SIGN_SECRET_LEN];
	uint8_t id[NODE_ID_LEN]; /* Ed25519 public key: the node's name everywhere */
	struct dh_keypair link;
};

/* identity_generate(id, rng): new keys.  The caller wipes them with identity_wipe. */
void identity_generate(struct identity *id, const struct rng *rng);
void identity_wipe(struct identity *id);

/*
 * identity_load(id, path, error), identity_load_or_create(id, path, rng, error): the keys of a
 * file that only its owner may read; created atomically (mode 0600) when there is none.
 * 0, or negative errno with *id unchanged and error saying which file, what is wrong with it and
 * what to do: -EPERM permissions or owner, -EBADMSG length, version or checksum, others as the
 * system says.
 */
MUST_USE int identity_load(struct identity *id, const char *path, char error[IDENTITY_ERROR_MAX]);
MUST_USE int identity_load_or_create(struct identity *id, const char *path, const struct rng *rng,
				     char error[IDENTITY_ERROR_MAX]);

#endif
