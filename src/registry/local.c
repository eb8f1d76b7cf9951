/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "registry/local.h"

#include <sodium.h>

static const char sign_context[] = "macromesh/1 registry head";

enum {
	CONTEXT_LEN = sizeof(sign_context) - 1,
	SIGNED_LEN = LOCAL_HEAD_LEN - crypto_sign_BYTES,
	MESSAGE_LEN = CONTEXT_LEN + REGISTRY_MESH_LEN + SIGNED_LEN,
};

_Static_assert(LOCAL_HEAD_LEN <= REGISTRY_HEAD_MAX, "a head fits");

/* What is signed, the mesh's name included. */
static void message(uint8_t out[static MESSAGE_LEN], const uint8_t *head, const uint8_t *registrar)
{
	memcpy(out, sign_context, CONTEXT_LEN);
	memcpy(out + CONTEXT_LEN, registrar, REGISTRY_MESH_LEN);
	memcpy(out + CONTEXT_LEN + REGISTRY_MESH_LEN, head, SIGNED_LEN);
}

void local_head_sign(const struct registry_head *head,
		     const uint8_t secret[static LOCAL_SECRET_LEN],
		     uint8_t out[static LOCAL_HEAD_LEN])
{
	struct writer w = wr_init(out, LOCAL_HEAD_LEN);
	uint8_t registrar[REGISTRY_MESH_LEN], text[MESSAGE_LEN];

	wr_u8(&w, LOCAL_HEAD_VERSION);
	wr_u64(&w, head->events);
	wr_u64(&w, head->time_s);
	wr_copy(&w, head->hash, sizeof(head->hash));
	crypto_sign_ed25519_sk_to_pk(registrar, secret);
	message(text, out, registrar);
	crypto_sign_detached(out + SIGNED_LEN, NULL, text, sizeof(text), secret);
}

static enum registry_result open_head(const struct registry_backend *b, const uint8_t *bytes,
				      size_t len, struct registry_head *head)
{
	struct reader in = rd_init(bytes, SIGNED_LEN);
	uint8_t text[MESSAGE_LEN];

	if (len != LOCAL_HEAD_LEN)
		return REGISTRY_MALFORMED;
	if (rd_u8(&in) != LOCAL_HEAD_VERSION)
		return REGISTRY_VERSION;
	message(text, bytes, b->mesh);
	if (crypto_sign_verify_detached(bytes + SIGNED_LEN, text, sizeof(text), b->mesh) != 0)
		return REGISTRY_SIGNATURE;
	head->events = rd_u64(&in);
	head->time_s = rd_u64(&in);
	rd_copy(&in, head->hash, sizeof(head->hash));
	return REGISTRY_OK;
}

struct registry_backend local_backend(const uint8_t registrar[static REGISTRY_MESH_LEN])
{
	struct registry_backend b = {
	    .voucher = "the mesh's registrar",
	    .setting = "[mesh] registrar",
	    .open_head = open_head,
	};

	memcpy(b.mesh, registrar, sizeof(b.mesh));
	return b;
}
