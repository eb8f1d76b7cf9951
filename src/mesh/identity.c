/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The identity, and its file: Ed25519 seed 32 | link secret 32 (crypto/keyfile.h). */
#include "mesh/identity.h"

#include <errno.h>
#include <sodium.h>

enum {
	LINK_OFF = crypto_sign_SEEDBYTES,
	PAYLOAD_LEN = LINK_OFF + DH_LEN,
};

static struct keyfile file_at(const char *path)
{
	return (struct keyfile){
	    .path = path,
	    .what = "identity file",
	    .advice = "restore it from a backup, or remove it to get a new identity",
	    .magic = {'M', 'M', 'I', 'D', 'E', 'N', 'T', 1},
	};
}

static void derive(struct identity *id, const uint8_t *seed, const uint8_t *link_secret)
{
	crypto_sign_seed_keypair(id->id, id->sign_secret, seed);
	dh_keypair_from_secret(&id->link, link_secret);
}

/* In base64url: a seed token that begins with it would look like an option on a command line. */
static bool begins_with_dash(const uint8_t id[static NODE_ID_LEN])
{
	return id[0] >> 2 == 62;
}

void identity_generate(struct identity *id, const struct rng *rng)
{
	uint8_t seed[crypto_sign_SEEDBYTES], link_secret[DH_LEN];

	do {
		rng_fill(rng, seed, sizeof(seed));
		rng_fill(rng, link_secret, sizeof(link_secret));
		derive(id, seed, link_secret);
	} while (begins_with_dash(id->id));
	secret_wipe(seed, sizeof(seed));
	secret_wipe(link_secret, sizeof(link_secret));
}

void identity_wipe(struct identity *id)
{
	secret_wipe(id, sizeof(*id));
}

int identity_load(struct identity *id, const char *path, char error[IDENTITY_ERROR_MAX])
{
	const struct keyfile k = file_at(path);
	uint8_t payload[PAYLOAD_LEN];
	const int err = keyfile_load(&k, payload, sizeof(payload), error);

	if (err == 0)
		derive(id, payload, payload + LINK_OFF);
	secret_wipe(payload, sizeof(payload));
	return err;
}

static int create(const struct identity *id, const char *path, char *error)
{
	const struct keyfile k = file_at(path);
	uint8_t payload[PAYLOAD_LEN];
	int err;

	crypto_sign_ed25519_sk_to_seed(payload, id->sign_secret);
	memcpy(payload + LINK_OFF, id->link.secret, DH_LEN);
	err = keyfile_create(&k, payload, sizeof(payload), error);
	secret_wipe(payload, sizeof(payload));
	return err;
}

int identity_load_or_create(struct identity *id, const char *path, const struct rng *rng,
			    char error[IDENTITY_ERROR_MAX])
{
	struct identity fresh;
	int err = identity_load(id, path, error);

	if (err != -ENOENT)
		return err;
	identity_generate(&fresh, rng);
	err = create(&fresh, path, error);
	if (err == 0)
		*id = fresh;
	else if (err == -EEXIST) /* another process was faster */
		err = identity_load(id, path, error);
	identity_wipe(&fresh);
	return err;
}
