/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The pieces that INIT and RESP have in common. */
#include "link/link_msg.h"

#include <sodium.h>

#define TAI64_EPOCH (0x4000000000000000ull + 10) /* label of 1970-01-01 UTC, leap seconds apart */

void msg_put_prologue(uint8_t out[static LINK_PROLOGUE_LEN], const uint8_t *init)
{
	memcpy(out, LINK_PROLOGUE_TEXT, sizeof(LINK_PROLOGUE_TEXT) - 1);
	memcpy(out + sizeof(LINK_PROLOGUE_TEXT) - 1, init + 1, INIT_E_OFF - 1);
}

void msg_put_head(uint8_t *msg, enum msg_type type, uint16_t suites)
{
	msg[0] = (uint8_t)type;
	msg[1] = PROTOCOL_VERSION;
	put_le16(msg + 2, suites);
}

void msg_put_hello(struct writer *w, const struct hello *h)
{
	wr_u32(w, PROTOCOL_VERSION);
	wr_u32(w, 0); /* capabilities: none yet */
	wr_u16(w, h->suites);
	wr_u8(w, h->is_node);
	wr_zero(w, w->left);
}

bool msg_is_zero(const uint8_t *p, size_t len)
{
	return sodium_is_zero(p, len) == 1;
}

/* Capabilities are not looked at: a newer peer may have some that we do not know. */
bool msg_get_hello(struct reader *r, struct hello *h)
{
	const uint32_t version = rd_u32(r);
	uint8_t role;

	rd_u32(r);
	h->suites = rd_u16(r);
	role = rd_u8(r);
	h->is_node = role == 1;
	return rd_ok(r) && version == PROTOCOL_VERSION && role <= 1 && msg_is_zero(r->p, r->left);
}

void msg_put_tai64n(struct writer *w, uint64_t wall_ns)
{
	const uint64_t label = TAI64_EPOCH + wall_ns / NS_PER_S;
	uint8_t *p = wr_bytes(w, TAI64N_LEN);

	if (p == NULL)
		return;
	put_be32(p, (uint32_t)(label >> 32));
	put_be32(p + 4, (uint32_t)label);
	put_be32(p + 8, (uint32_t)(wall_ns % NS_PER_S));
}

void msg_put_mac1(uint8_t *msg, const uint8_t receiver_static[static DH_LEN])
{
	uint8_t key[HASH_LEN];

	cookie_mac1_key(key, receiver_static);
	mac128(msg + MAC1_OFF, key, sizeof(key), msg, MAC1_OFF);
}

bool msg_mac1_is_right(const struct cookie_jar *jar, const uint8_t *msg)
{
	uint8_t mac[MAC_LEN];

	mac128(mac, jar->mac1_key, HASH_LEN, msg, MAC1_OFF);
	return secret_equal(mac, msg + MAC1_OFF, MAC_LEN);
}
