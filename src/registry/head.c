/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Heads: the chain of hashes, and who vouches for it. */
#include "registry/head.h"

#include <sodium.h>

static const char start_context[] = "macromesh/1 registry";
static const char sign_context[] = "macromesh/1 registry head";

enum {
	START_LEN = sizeof(start_context) - 1,
	CONTEXT_LEN = sizeof(sign_context) - 1,
	SIGNED_LEN = REGISTRY_HEAD_LEN - crypto_sign_BYTES,
	MESSAGE_LEN = CONTEXT_LEN + REGISTRY_KEY_LEN + SIGNED_LEN,
};

void registry_head_start(struct registry_head *head,
			 const uint8_t registrar[static REGISTRY_KEY_LEN])
{
	uint8_t text[START_LEN + REGISTRY_KEY_LEN];

	memcpy(text, start_context, START_LEN);
	memcpy(text + START_LEN, registrar, REGISTRY_KEY_LEN);
	*head = (struct registry_head){0};
	hash_sha256(head->hash, text, sizeof(text));
}

void registry_hash_add(uint8_t hash[static HASH_LEN], const uint8_t *event, size_t len)
{
	uint8_t text[HASH_LEN + REGISTRY_EVENT_MAX];

	memcpy(text, hash, HASH_LEN);
	memcpy(text + HASH_LEN, event, len);
	hash_sha256(hash, text, HASH_LEN + len);
}

/* What is signed, the mesh's name included. */
static void message(uint8_t out[static MESSAGE_LEN], const uint8_t *head, const uint8_t *registrar)
{
	memcpy(out, sign_context, CONTEXT_LEN);
	memcpy(out + CONTEXT_LEN, registrar, REGISTRY_KEY_LEN);
	memcpy(out + CONTEXT_LEN + REGISTRY_KEY_LEN, head, SIGNED_LEN);
}

void registry_head_sign(const struct registry_head *head,
			const uint8_t secret[static REGISTRY_SECRET_LEN],
			uint8_t out[static REGISTRY_HEAD_LEN])
{
	struct writer w = wr_init(out, REGISTRY_HEAD_LEN);
	uint8_t registrar[REGISTRY_KEY_LEN], text[MESSAGE_LEN];

	wr_u8(&w, REGISTRY_HEAD_VERSION);
	wr_u64(&w, head->events);
	wr_u64(&w, head->time_s);
	wr_copy(&w, head->hash, sizeof(head->hash));
	crypto_sign_ed25519_sk_to_pk(registrar, secret);
	message(text, out, registrar);
	crypto_sign_detached(out + SIGNED_LEN, NULL, text, sizeof(text), secret);
}

enum registry_result registry_head_open(struct registry_head *head,
					const uint8_t bytes[static REGISTRY_HEAD_LEN],
					const uint8_t registrar[static REGISTRY_KEY_LEN])
{
	struct reader in = rd_init(bytes, SIGNED_LEN);
	uint8_t text[MESSAGE_LEN];

	if (rd_u8(&in) != REGISTRY_HEAD_VERSION)
		return REGISTRY_VERSION;
	message(text, bytes, registrar);
	if (crypto_sign_verify_detached(bytes + SIGNED_LEN, text, sizeof(text), registrar) != 0)
		return REGISTRY_SIGNATURE;
	head->events = rd_u64(&in);
	head->time_s = rd_u64(&in);
	rd_copy(&in, head->hash, sizeof(head->hash));
	return REGISTRY_OK;
}
