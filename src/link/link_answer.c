/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The answer: a handshake that the peer began.  From the cheap checks to the costly ones. */
#include "link/link_int.h"

/* The cookie answers exactly this message (its mac1) and goes to where that claims to be from. */
static enum drop ask_for_cookie(struct links *ls, const uint8_t *init, const struct endpoint *from,
				const struct now *now)
{
	uint8_t *msg = out_push(ls, from, LINK_COOKIE_LEN)->data;
	uint8_t cookie[COOKIE_LEN];

	msg[0] = MSG_LINK_COOKIE;
	put_le32(msg + COOKIE_INDEX_OFF, get_le32(init + INIT_INDEX_OFF) & INDEX_MASK);
	rng_fill(ls->params.rng, msg + COOKIE_NONCE_OFF, COOKIE_NONCE_LEN);
	cookie_for(&ls->jar, from, now, ls->params.rng, cookie);
	cookie_seal(msg + COOKIE_SEALED_OFF, cookie, ls->jar.seal_key, msg + COOKIE_NONCE_OFF,
		    init + MAC1_OFF);
	secret_wipe(cookie, sizeof(cookie));
	return DROP_COOKIE;
}

/*
 * Is this INIT worth its Diffie-Hellman?  A mac2 that is there must be right, loaded or not: its
 * sender learns early that its cookie is stale.
 */
static enum drop admit_init(struct links *ls, const uint8_t *msg, const struct endpoint *from,
			    const struct now *now)
{
	const uint32_t rate = ls->params.init_burst;
	const uint8_t *mac2 = msg + MAC2_OFF;
	const bool has_mac2 = !msg_is_zero(mac2, MAC_LEN);

	if (ls->out_len >= OUT_MAX)
		return DROP_NO_BUFFER;
	if (has_mac2 && !cookie_mac2_ok(&ls->jar, from, now, ls->params.rng, msg, MAC2_OFF, mac2))
		return ask_for_cookie(ls, msg, from, now);
	if (load_take(&ls->load, rate, now))
		return DROP_NONE;
	if (!has_mac2)
		return ask_for_cookie(ls, msg, from, now);
	return load_take_prefix(&ls->load, rate, from, now) ? DROP_NONE : DROP_RATE;
}

static bool init_is_well_formed(const struct links *ls, const uint8_t *msg)
{
	return msg[1] == PROTOCOL_VERSION && (get_le16(msg + 2) & SUITES_OFFERED) != 0 &&
	       msg[INIT_SHARD_OFF] < SHARDS && shard_is_ours(ls, msg[INIT_SHARD_OFF]) &&
	       msg_is_zero(msg + INIT_ZERO_OFF, INIT_SEALED_OFF - INIT_ZERO_OFF) &&
	       msg_is_zero(msg + INIT_ZERO2_OFF, MAC1_OFF - INIT_ZERO2_OFF);
}

/* An INIT after its decryption. */
struct init {
	struct noise_hs noise; /* noise.rs: who sent it */
	struct hello hello;
	uint8_t tai[TAI64N_LEN];
};

static bool read_init(const struct links *ls, const uint8_t *msg, struct init *in)
{
	uint8_t prologue[LINK_PROLOGUE_LEN], payload[HELLO_LEN];
	uint8_t noise[DH_LEN + INIT_SEALED_LEN];
	struct reader r;

	msg_put_prologue(prologue, msg);
	memcpy(noise, msg + INIT_E_OFF, DH_LEN);
	memcpy(noise + DH_LEN, msg + INIT_SEALED_OFF, INIT_SEALED_LEN);
	noise_ik_start(&in->noise, NOISE_RESPONDER, ls->params.identity, NULL, prologue,
		       sizeof(prologue));
	if (noise_ik_read1(&in->noise, ls->params.identity, noise, sizeof(payload), payload) < 0)
		return false;
	r = rd_init(payload, sizeof(payload));
	rd_copy(&r, in->tai, TAI64N_LEN);
	return msg_get_hello(&r, &in->hello) && in->hello.suites == get_le16(msg + 2) &&
	       memcmp(in->noise.rs, ls->params.identity->public, DH_LEN) != 0;
}

/* Replays and floods of a peer that we know.  p may be NULL. */
static enum drop check_freshness(const struct peer *p, const struct init *in, const struct now *now)
{
	if (p == NULL || !p->has_init)
		return DROP_NONE;
	if (memcmp(in->tai, p->init_tai, TAI64N_LEN) <= 0)
		return DROP_HANDSHAKE;
	return now->mono_ns - p->init_ns < INIT_SPACING_NS ? DROP_RATE : DROP_NONE;
}

/* Noise message 2 into its places in msg.  -EINVAL: degenerate key. */
static int write_resp(struct links *ls, struct noise_hs *hs, uint8_t *msg)
{
	uint8_t payload[HELLO_LEN], noise[DH_LEN + RESP_SEALED_LEN];
	const struct hello hello = {.suites = SUITE_CLASSICAL, .is_node = ls->params.is_node};
	struct writer w = wr_init(payload, sizeof(payload));
	int ret;

	msg_put_head(msg, MSG_LINK_RESP, SUITE_CLASSICAL);
	msg_put_hello(&w, &hello);
	ret = noise_ik_write2(hs, ls->params.rng, payload, sizeof(payload), noise);
	if (ret < 0)
		return ret;
	memcpy(msg + RESP_E_OFF, noise, DH_LEN);
	memcpy(msg + RESP_SEALED_OFF, noise + DH_LEN, RESP_SEALED_LEN);
	return 0;
}

static struct peer_name caller(const struct init *in, const uint8_t *msg)
{
	struct peer_name name = {
	    .shard = msg[INIT_SHARD_OFF],
	    .peer_shard = msg[INIT_INDEX_OFF] & SHARD_MASK,
	};

	memcpy(name.key, in->noise.rs, DH_LEN);
	return name;
}

/* The answer to a verified INIT: a key, which waits for the first cell, and a RESP. */
static enum drop answer_init(struct links *ls, struct init *in, const uint8_t *init,
			     const struct endpoint *from, const struct now *now)
{
	const struct peer_name name = caller(in, init);
	const uint32_t peer_index = get_le32(init + INIT_INDEX_OFF) & INDEX_MASK;
	struct peer *p = peer_find(ls, &name);
	const enum drop stale = check_freshness(p, in, now);
	uint8_t msg[CELL_LEN] = {0};
	struct link_key *k;

	if (stale != DROP_NONE)
		return stale;
	if (write_resp(ls, &in->noise, msg) < 0)
		return DROP_HANDSHAKE;
	if (p == NULL) {
		p = peer_create(ls, &name);
		if (p == NULL)
			return DROP_LIMIT;
		p->is_stranger = true;
		p->pub.endpoint = *from;
	}
	p->has_init = true;
	p->init_ns = now->mono_ns;
	memcpy(p->init_tai, in->tai, TAI64N_LEN);
	p->pub.peer_is_node = in->hello.is_node;

	k = key_create(ls, p);
	k->peer_index = peer_index;
	key_arm(k, false, &in->noise.sym, now);
	key_use_responded(ls, k);
	put_le32(msg + RESP_INDEX_OFF, k->index);
	put_le32(msg + RESP_PEER_INDEX_OFF, peer_index);
	msg_put_mac1(msg, p->pub.peer);
	memcpy(out_push(ls, from, CELL_LEN)->data, msg, CELL_LEN);
	peer_update(ls, p);
	return DROP_NONE;
}

enum drop answer_recv_init(struct links *ls, const uint8_t *msg, const struct endpoint *from,
			   const struct now *now)
{
	struct init in;
	enum drop drop;

	if (!msg_mac1_is_right(&ls->jar, msg))
		return DROP_MAC1;
	if (!init_is_well_formed(ls, msg))
		return DROP_HANDSHAKE;
	drop = admit_init(ls, msg, from, now);
	if (drop != DROP_NONE)
		return drop;
	drop = DROP_HANDSHAKE;
	if (read_init(ls, msg, &in))
		drop = answer_init(ls, &in, msg, from, now);
	secret_wipe(&in, sizeof(in));
	return drop;
}
