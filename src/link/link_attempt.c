/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The attempt: a handshake that we began.  Sends INITs, each with a new ephemeral key and index,
 * until a RESP to the newest one comes or the time is up.
 */
#include "link/link_int.h"

/* Our clock may stand still or be set back; what peers see never does. */
static uint64_t next_tai_ns(struct links *ls, const struct now *now)
{
	ls->last_tai_ns = MAX(now->wall_ns, ls->last_tai_ns + 1);
	return ls->last_tai_ns;
}

static void drop_last_init(struct links *ls, struct attempt *at)
{
	key_free(ls, at->key);
	at->key = NULL;
	noise_hs_wipe(&at->noise);
}

/* Noise message 1 into its places in msg.  -EINVAL: the peer's static key is degenerate. */
static int write_init(struct links *ls, struct peer *p, uint8_t *msg, const struct now *now)
{
	struct noise_hs *hs = &p->attempt.noise;
	uint8_t prologue[LINK_PROLOGUE_LEN], payload[HELLO_LEN];
	uint8_t noise[DH_LEN + INIT_SEALED_LEN];
	const struct hello hello = {.suites = SUITES_OFFERED, .is_node = ls->params.is_node};
	struct writer w = wr_init(payload, sizeof(payload));
	int ret;

	msg_put_prologue(prologue, msg);
	msg_put_tai64n(&w, next_tai_ns(ls, now));
	msg_put_hello(&w, &hello);
	noise_ik_start(hs, NOISE_INITIATOR, ls->params.identity, p->pub.peer, prologue,
		       sizeof(prologue));
	ret = noise_ik_write1(hs, ls->params.identity, ls->params.rng, payload, sizeof(payload),
			      noise);
	if (ret < 0)
		return ret;
	memcpy(msg + INIT_E_OFF, noise, DH_LEN);
	memcpy(msg + INIT_SEALED_OFF, noise + DH_LEN, INIT_SEALED_LEN);
	return 0;
}

static void put_mac2(const struct peer *p, uint8_t *msg, const struct now *now)
{
	if (p->has_cookie && now->mono_ns - p->cookie_ns < COOKIE_USE_NS)
		mac128(msg + MAC2_OFF, p->cookie, COOKIE_LEN, msg, MAC2_OFF);
}

/* A new INIT instead of the last one.  When it cannot be made the attempt has failed. */
static void send_init(struct links *ls, struct peer *p, const struct now *now)
{
	struct attempt *at = &p->attempt;
	uint8_t msg[CELL_LEN] = {0};

	drop_last_init(ls, at);
	at->key = key_create(ls, p);
	msg_put_head(msg, MSG_LINK_INIT, SUITES_OFFERED);
	put_le32(msg + INIT_INDEX_OFF, at->key->index);
	msg[INIT_SHARD_OFF] = p->pub.peer_shard;
	if (p->pub.endpoint.port == 0 || write_init(ls, p, msg, now) < 0) {
		attempt_end(ls, p);
		return;
	}
	msg_put_mac1(msg, p->pub.peer);
	put_mac2(p, msg, now);
	memcpy(at->mac1, msg + MAC1_OFF, MAC_LEN);
	memcpy(out_push(ls, &p->pub.endpoint, CELL_LEN)->data, msg, CELL_LEN);
	at->sent_ns = now->mono_ns;
	at->retry_ns = now->mono_ns + at->interval_ns + rng_below(ls->params.rng, RETRY_JITTER_NS);
}

void attempt_begin(struct links *ls, struct peer *p, const struct now *now)
{
	p->attempt = (struct attempt){
	    .is_running = true,
	    .began_ns = now->mono_ns,
	    .interval_ns = ls->params.retry_ns != 0 ? ls->params.retry_ns : RETRY_FIRST_NS,
	};
	send_init(ls, p, now);
}

void attempt_tick(struct links *ls, struct peer *p, const struct now *now)
{
	struct attempt *at = &p->attempt;

	if (now->mono_ns >= at->began_ns + ATTEMPT_MAX_NS) {
		attempt_end(ls, p);
	} else if (now->mono_ns >= at->retry_ns) {
		at->interval_ns = MIN(2 * at->interval_ns, RETRY_MAX_NS);
		at->is_prompted = false;
		send_init(ls, p, now);
	}
}

void attempt_hurry(struct attempt *at, const struct now *now)
{
	at->began_ns = at->retry_ns = now->mono_ns;
	at->interval_ns = RETRY_FIRST_NS / 2; /* the try doubles it */
}

void attempt_end(struct links *ls, struct peer *p)
{
	drop_last_init(ls, &p->attempt);
	secret_wipe(&p->attempt, sizeof(p->attempt));
}

/* ---- answers ---- */

/* The peer that we sent the INIT with this index to, if that INIT is the newest one. */
static struct peer *attempt_find(const struct links *ls, uint32_t index)
{
	struct link_key *k = map_get(&ls->by_index, index);

	return k != NULL && k->peer->attempt.key == k ? k->peer : NULL;
}

/* Of the shard that was asked for, or cells would not find the worker that answered. */
static bool resp_is_well_formed(const uint8_t *msg, const struct peer *p)
{
	const uint32_t index = get_le32(msg + RESP_INDEX_OFF);

	return msg[1] == PROTOCOL_VERSION && get_le16(msg + 2) == SUITE_CLASSICAL &&
	       index >> 24 == 0 && (index & SHARD_MASK) == p->pub.peer_shard &&
	       msg_is_zero(msg + RESP_ZERO_OFF, RESP_SEALED_OFF - RESP_ZERO_OFF) &&
	       msg_is_zero(msg + RESP_ZERO2_OFF, MAC1_OFF - RESP_ZERO2_OFF) &&
	       msg_is_zero(msg + MAC2_OFF, MAC_LEN);
}

/* hs is a copy: whatever a forger sends, the true answer may still come. */
static bool read_resp(const struct links *ls, const uint8_t *msg, struct noise_hs *hs,
		      struct hello *hello)
{
	uint8_t payload[HELLO_LEN], noise[DH_LEN + RESP_SEALED_LEN];
	struct reader r;

	memcpy(noise, msg + RESP_E_OFF, DH_LEN);
	memcpy(noise + DH_LEN, msg + RESP_SEALED_OFF, RESP_SEALED_LEN);
	if (noise_ik_read2(hs, ls->params.identity, noise, sizeof(payload), payload) < 0)
		return false;
	r = rd_init(payload, sizeof(payload));
	return msg_get_hello(&r, hello) && hello->suites == get_le16(msg + 2);
}

static void finish_attempt(struct links *ls, struct peer *p, uint32_t peer_index,
			   const struct noise_sym *noise, const struct now *now)
{
	struct link_key *k = p->attempt.key;

	p->attempt.key = NULL;
	p->pub.rtt_ns = now->mono_ns - p->attempt.sent_ns;
	attempt_end(ls, p);
	k->peer_index = peer_index;
	key_arm(k, true, noise, now);
	key_use_initiated(ls, k);
	peer_update(ls, p);
	peer_tell(ls, p, LINK_EVENT_UP); /* also for a rekey: the peer waits for a first cell */
}

enum drop attempt_recv_resp(struct links *ls, const uint8_t *msg, const struct now *now)
{
	struct noise_hs hs;
	struct hello hello;
	struct peer *p;
	enum drop drop = DROP_HANDSHAKE;

	if (!msg_mac1_is_right(&ls->jar, msg))
		return DROP_MAC1;
	p = attempt_find(ls, get_le32(msg + RESP_PEER_INDEX_OFF));
	if (p == NULL)
		return DROP_NO_LINK;
	if (!resp_is_well_formed(msg, p))
		return DROP_HANDSHAKE;
	if (!bucket_take(&ls->resps, RESPS_PER_S, RESPS_PER_S, now->mono_ns))
		return DROP_RATE;
	hs = p->attempt.noise;
	if (read_resp(ls, msg, &hs, &hello)) {
		p->pub.peer_is_node = hello.is_node;
		finish_attempt(ls, p, get_le32(msg + RESP_INDEX_OFF), &hs.sym, now);
		drop = DROP_NONE;
	}
	noise_hs_wipe(&hs);
	return drop;
}

enum drop attempt_recv_cookie(struct links *ls, const uint8_t *msg, const struct now *now)
{
	struct peer *p = attempt_find(ls, get_le32(msg + COOKIE_INDEX_OFF));
	uint8_t key[HASH_LEN], cookie[COOKIE_LEN];

	if (!msg_is_zero(msg + 1, COOKIE_INDEX_OFF - 1))
		return DROP_HANDSHAKE;
	if (p == NULL)
		return DROP_NO_LINK;
	cookie_seal_key(key, p->pub.peer);
	if (cookie_unseal(cookie, msg + COOKIE_SEALED_OFF, key, msg + COOKIE_NONCE_OFF,
			  p->attempt.mac1) < 0)
		return DROP_HANDSHAKE;
	memcpy(p->cookie, cookie, COOKIE_LEN);
	secret_wipe(cookie, sizeof(cookie));
	p->has_cookie = true;
	p->cookie_ns = now->mono_ns;
	/* At once, but only one at once per retry: two peers must not keep each other busy. */
	if (!p->attempt.is_prompted) {
		p->attempt.is_prompted = true;
		send_init(ls, p, now);
		peer_update(ls, p);
	}
	return DROP_NONE;
}
