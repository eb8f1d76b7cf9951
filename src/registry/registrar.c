/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The registrar's key and what is done with it. */
#include "registry/registrar.h"

#include <sodium.h>

static struct keyfile file_at(const char *path)
{
	return (struct keyfile){
	    .path = path,
	    .what = "registrar key",
	    .advice = "restore it from a backup: without it nobody can change this mesh's members",
	    .magic = {'M', 'M', 'R', 'E', 'G', 'K', 'Y', 1},
	};
}

static void derive(struct registrar *r, const uint8_t *seed)
{
	crypto_sign_seed_keypair(r->key, r->secret, seed);
}

void registrar_generate(struct registrar *r, const struct rng *rng)
{
	uint8_t seed[crypto_sign_SEEDBYTES];

	rng_fill(rng, seed, sizeof(seed));
	derive(r, seed);
	secret_wipe(seed, sizeof(seed));
}

void registrar_wipe(struct registrar *r)
{
	secret_wipe(r, sizeof(*r));
}

int registrar_load(struct registrar *r, const char *path, char error[KEYFILE_ERROR_MAX])
{
	const struct keyfile k = file_at(path);
	uint8_t seed[crypto_sign_SEEDBYTES];
	const int err = keyfile_load(&k, seed, sizeof(seed), error);

	if (err == 0)
		derive(r, seed);
	secret_wipe(seed, sizeof(seed));
	return err;
}

int registrar_save(const struct registrar *r, const char *path, char error[KEYFILE_ERROR_MAX])
{
	const struct keyfile k = file_at(path);
	uint8_t seed[crypto_sign_SEEDBYTES];
	int err;

	crypto_sign_ed25519_sk_to_seed(seed, r->secret);
	err = keyfile_create(&k, seed, sizeof(seed), error);
	secret_wipe(seed, sizeof(seed));
	return err;
}

enum registry_result registrar_append(const struct registrar *r, struct registry *reg,
				      const struct registry_event *ev, uint64_t wall_s)
{
	struct registry_head head = *registry_head(reg);
	uint8_t event[REGISTRY_EVENT_MAX], bytes[LOCAL_HEAD_LEN];
	struct registry_update u = {
	    .head = bytes, .head_len = sizeof(bytes), .events = event, .first = head.events};

	/* A clock that was set back a little shall not stop the registrar. */
	head.time_s = MAX(wall_s, head.time_s);
	if (ev != NULL) {
		struct registry_event timed = *ev;

		timed.time_s = head.time_s;
		u.events_len = registry_event_encode(&timed, event);
		registry_hash_add(head.hash, event, u.events_len);
		head.events++;
	}
	local_head_sign(&head, r->secret, bytes);
	return registry_apply(reg, &u, wall_s, NULL);
}
