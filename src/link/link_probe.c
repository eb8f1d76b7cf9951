/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "link/link_probe.h"

#include "link/link_int.h"

enum {
	ANSWER_OFF = 1,
	ZERO_OFF = 2,
	NONCE_OFF = 4,
	MAC_OFF = NONCE_OFF + PROBE_NONCE_LEN,
};

_Static_assert(MAC_OFF + MAC_LEN == LINK_PROBE_LEN, "probe layout");

static void put(uint8_t *msg, bool is_answer, const uint8_t *nonce, const uint8_t *mac1_key)
{
	memset(msg, 0, LINK_PROBE_LEN);
	msg[0] = MSG_LINK_PROBE;
	msg[ANSWER_OFF] = is_answer;
	memcpy(msg + NONCE_OFF, nonce, PROBE_NONCE_LEN);
	mac128(msg + MAC_OFF, mac1_key, HASH_LEN, msg, MAC_OFF);
}

static bool is_right(const uint8_t *msg, bool is_answer, const uint8_t *mac1_key)
{
	uint8_t want[LINK_PROBE_LEN];

	put(want, is_answer, msg + NONCE_OFF, mac1_key);
	return sodium_memcmp(want, msg, LINK_PROBE_LEN) == 0;
}

void probe_put(uint8_t msg[static LINK_PROBE_LEN], const uint8_t key[static DH_LEN],
	       const uint8_t nonce[static PROBE_NONCE_LEN])
{
	uint8_t mac1_key[HASH_LEN];

	cookie_mac1_key(mac1_key, key);
	put(msg, false, nonce, mac1_key);
}

bool probe_is_answer(const uint8_t *msg, size_t len, const uint8_t key[static DH_LEN],
		     const uint8_t nonce[static PROBE_NONCE_LEN])
{
	uint8_t mac1_key[HASH_LEN];

	if (len != LINK_PROBE_LEN || memcmp(msg + NONCE_OFF, nonce, PROBE_NONCE_LEN) != 0)
		return false;
	cookie_mac1_key(mac1_key, key);
	return is_right(msg, true, mac1_key);
}

enum drop probe_recv(struct links *ls, const uint8_t *msg, const struct endpoint *from,
		     const struct now *now)
{
	if (!is_right(msg, false, ls->jar.mac1_key))
		return DROP_MAC1;
	if (!ls->params.is_node || ls->out_len >= OUT_MAX ||
	    !bucket_take(&ls->probes, PROBES_PER_S, PROBES_PER_S, now->mono_ns))
		return DROP_RATE;
	put(out_push(ls, from, LINK_PROBE_LEN)->data, true, msg + NONCE_OFF, ls->jar.mac1_key);
	return DROP_NONE;
}
