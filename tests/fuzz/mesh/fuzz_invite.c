/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Any bytes as an invite: behind the prefix, and as what a registrar signed with the sum put right,
 * so that all of the parser is reached; what parses has a text that parses to the same.
 */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "mesh/invite.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define WALL_S 1800000000ull

static void try_text(const char *text, const uint8_t *secret)
{
	char out[INVITE_TEXT_MAX];
	struct invite inv, again;
	const char *why = NULL;

	if (invite_parse(&inv, text, WALL_S, &why) != 0) {
		if (why == NULL)
			abort();
		return;
	}
	crypto_sign_ed25519_sk_to_pk(inv.registrar, secret); /* whoever it was */
	if (invite_parse(&again, invite_format(&inv, secret, out), WALL_S, &why) != 0 ||
	    again.expires_s != inv.expires_s || again.seed_count != inv.seed_count ||
	    memcmp(again.seeds, inv.seeds, sizeof(inv.seeds)) != 0)
		abort();
}

/* context | bytes, signed; then the sum */
static void try_signed(const uint8_t *data, size_t len, const uint8_t *secret)
{
	static const char context[] = "macromesh/1 invite";
	uint8_t message[sizeof(context) - 1 + INVITE_BYTES_MAX], bytes[INVITE_BYTES_MAX];
	uint8_t hash[HASH_LEN];
	char text[INVITE_TEXT_MAX];

	if (len < 33 || len > INVITE_BYTES_MAX - 68)
		return;
	memcpy(bytes, data, len);
	crypto_sign_ed25519_sk_to_pk(bytes + 1, secret);
	memcpy(message, context, sizeof(context) - 1);
	memcpy(message + sizeof(context) - 1, bytes, len);
	crypto_sign_detached(bytes + len, NULL, message, sizeof(context) - 1 + len, secret);
	hash_sha256(hash, bytes, len + 64);
	memcpy(bytes + len + 64, hash, 4);
	memcpy(text, "macro:", 6);
	sodium_bin2base64(text + 6, sizeof(text) - 6, bytes, len + 68,
			  sodium_base64_VARIANT_URLSAFE_NO_PADDING);
	try_text(text, secret);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const uint8_t seed[32] = "registrar";
	uint8_t public[REGISTRY_KEY_LEN], secret[LOCAL_SECRET_LEN];
	char text[2048];

	crypto_sign_seed_keypair(public, secret, seed);
	if (len < sizeof(text) - 7) {
		memcpy(text, "macro:", 6);
		memcpy(text + 6, data, len);
		text[6 + len] = '\0';
		try_text(text, secret);
	}
	try_signed(data, len, secret);
	return 0;
}
