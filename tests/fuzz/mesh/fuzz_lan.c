/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Any bytes from the local network, as they are and as what is inside a seal that is right. */
#include <sodium.h>
#include <stdlib.h>

#include "mesh/lan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum {
	NONCE_LEN = 24,
	TEXT_LEN = LAN_LEN - NONCE_LEN - 16,
};

static void try_message(struct lan *lan, const uint8_t *msg, size_t len, const struct now *now)
{
	const struct endpoint from = {.port = 1};
	uint8_t out[LAN_LEN];
	struct seed found;

	(void)lan_answer(lan, msg, len, out, now);
	if (lan_found(lan, msg, len, &from, &found) && found.addr.port == 0)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const uint8_t registrar[REGISTRY_KEY_LEN] = "registrar";
	const struct seed own = {.addr.port = 4600};
	const struct now now = {.mono_ns = NS_PER_S};
	uint8_t text[TEXT_LEN] = {0}, msg[LAN_LEN] = {0};
	struct rng rng = rng_seeded(1);
	struct lan lan;

	lan_init(&lan, registrar, &own, &rng);
	try_message(&lan, data, len, &now);
	memcpy(text, data, MIN(len, sizeof(text)));
	crypto_aead_xchacha20poly1305_ietf_encrypt(msg + NONCE_LEN, NULL, text, sizeof(text), NULL,
						   0, NULL, msg, lan.key);
	try_message(&lan, msg, sizeof(msg), &now);
	rng_seeded_free(&rng);
	return 0;
}
