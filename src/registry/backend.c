/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The chain of hashes, the same for all back-ends. */
#include "registry/backend.h"

static const char start_context[] = "macromesh/1 registry";

enum {
	START_LEN = sizeof(start_context) - 1,
};

void registry_head_start(struct registry_head *head, const uint8_t mesh[static REGISTRY_MESH_LEN])
{
	uint8_t text[START_LEN + REGISTRY_MESH_LEN];

	memcpy(text, start_context, START_LEN);
	memcpy(text + START_LEN, mesh, REGISTRY_MESH_LEN);
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
