/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Handshakes against those who forge, replay, flood and tamper. */
#include "link_pair.h"

/* Given with every byte of it changed and at wrong lengths, each time refused. */
static void refuse_spoiled(struct pair *t, struct side *to, const struct link_out *good)
{
	struct link_out bad;

	for (size_t i = 0; i < good->len; i++) {
		bad = *good;
		bad.data[i] ^= 0x41;
		CHECK(give(t, to, &bad) != DROP_NONE);
	}
	bad = *good;
	for (uint16_t len = 0; len < good->len; len = (uint16_t)(len + 13)) {
		bad.len = len;
		CHECK_INT(give(t, to, &bad), DROP_SHORT);
	}
	bad.len = (uint16_t)(good->len - 1);
	CHECK_INT(give(t, to, &bad), DROP_SHORT);
	CHECK_INT(links_recv_handshake(to->ls, bad.data, good->len + 1u, &t->a.endpoint, &t->now),
		  DROP_SHORT);
	CHECK_INT(take_out(to, &bad) && bad.len == CELL_LEN, false); /* a cookie at most */
}

/* The same with a mac1 that fits, as everyone can make it; lo..hi: bytes that Noise cannot vouch
 * for. */
static void refuse_spoiled_with_mac1(struct pair *t, struct side *to, const struct link_out *good,
				     size_t lo, size_t hi)
{
	struct link_out bad;

	for (size_t i = 1; i < MAC1_OFF; i++) {
		if (i >= lo && i <= hi)
			continue;
		bad = *good;
		bad.data[i] ^= 0x41;
		msg_put_mac1(bad.data, to->identity.public);
		CHECK(give(t, to, &bad) != DROP_NONE);
		pass_time(t, 10 * NS_PER_MS);
	}
	CHECK_INT(take_out(to, &bad), false);
}

static void test_spoiled_init(void)
{
	struct pair t;
	struct link_out init;

	pair_init(&t, 20);
	call(&t, &t.a);
	NEED(take_out(&t.a, &init));
	refuse_spoiled(&t, &t.b, &init);
	refuse_spoiled_with_mac1(&t, &t.b, &init, CELL_LEN, CELL_LEN);
	CHECK_INT(t.b.ls->by_name.count + t.b.ls->by_index.count, 0);
	CHECK_INT(give(&t, &t.b, &init), DROP_NONE);
	pump(&t);
	check_works(&t);
	pair_fini(&t);
}

static void test_spoiled_resp(void)
{
	struct pair t;
	struct link_out resp;

	pair_init(&t, 21);
	call(&t, &t.a);
	deliver(&t, &t.a);
	NEED(take_out(&t.b, &resp));
	refuse_spoiled(&t, &t.a, &resp);
	refuse_spoiled_with_mac1(&t, &t.a, &resp, RESP_INDEX_OFF, RESP_INDEX_OFF + 2);
	CHECK_INT(t.a.link->state, LINK_CONNECTING);
	CHECK(!take_events(&t, &t.a));
	CHECK_INT(give(&t, &t.a, &resp), DROP_NONE);
	CHECK_INT(give(&t, &t.a, &resp), DROP_NO_LINK); /* once only */
	pump(&t);
	check_works(&t);
	CHECK_INT(t.a.ups, 1);
	pair_fini(&t);
}

/* b asks everybody for a cookie: its allowance for this moment is used up. */
static void load(struct pair *t)
{
	while (load_take(&t->b.ls->load, t->init_burst, &t->now))
		;
}

static void test_spoiled_cookie(void)
{
	struct pair t;
	struct link_out init, cookie;

	pair_init_limits(&t, 22, 0, 10);
	call(&t, &t.a);
	NEED(take_out(&t.a, &init));
	load(&t);
	CHECK_INT(give(&t, &t.b, &init), DROP_COOKIE);
	NEED(take_out(&t.b, &cookie));
	CHECK_INT(cookie.len, LINK_COOKIE_LEN);
	CHECK_INT(t.b.ls->by_name.count, 0);
	refuse_spoiled(&t, &t.a, &cookie);
	CHECK(!peer_of(t.a.link)->has_cookie);

	CHECK_INT(give(&t, &t.a, &cookie), DROP_NONE);
	CHECK(peer_of(t.a.link)->has_cookie);
	NEED(take_out(&t.a, &init)); /* at once, with mac2 */
	CHECK(!msg_is_zero(init.data + MAC2_OFF, MAC_LEN));
	CHECK_INT(give(&t, &t.a, &cookie), DROP_NO_LINK); /* it answered the INIT before */
	load(&t);
	CHECK_INT(give(&t, &t.b, &init), DROP_NONE);
	pump(&t);
	check_works(&t);
	pair_fini(&t);
}

/* A responder that goes on asking does not make us send faster than the retries, twice. */
static void test_cookies_without_end(void)
{
	struct pair t;
	struct link_out out;
	unsigned inits = 0;

	pair_init_limits(&t, 23, 0, 10);
	call(&t, &t.a);
	for (unsigned ms = 0; ms < 5000; ms++) {
		while (links_next_out(t.a.ls, &out)) {
			inits++;
			memset(out.data + MAC2_OFF, 0, MAC_LEN);
			load(&t);
			CHECK_INT(give(&t, &t.b, &out), DROP_COOKIE);
		}
		deliver(&t, &t.b);
		pass_time(&t, NS_PER_MS);
		tick(&t);
	}
	CHECK_INT(inits, 8); /* at 0, 0.5, 1.5, 3.5 s and jitter, two each */
	pair_fini(&t);
}

/* A wrong mac2 is told at once, though nothing presses: the caller's cookie is stale. */
static void test_stale_cookie(void)
{
	struct pair t;
	struct link_out init;

	pair_init(&t, 24);
	link_to(&t, &t.a);
	peer_of(t.a.link)->has_cookie = true;
	peer_of(t.a.link)->cookie_ns = t.now.mono_ns;
	link_connect(t.a.ls, t.a.link, &t.now);
	NEED(take_out(&t.a, &init));
	CHECK(!msg_is_zero(init.data + MAC2_OFF, MAC_LEN));
	CHECK_INT(give(&t, &t.b, &init), DROP_COOKIE);
	pump(&t);
	check_works(&t);
	CHECK_INT(t.a.link->rtt_ns, 0);
	/* Too old a cookie is not shown at all. */
	pass_time(&t, COOKIE_USE_NS);
	peer_want_rekey(t.a.ls, peer_of(t.a.link));
	tick(&t);
	NEED(take_out(&t.a, &init));
	CHECK(msg_is_zero(init.data + MAC2_OFF, MAC_LEN));
	pair_fini(&t);
}

static void test_replayed_init(void)
{
	struct pair t;
	struct link_out first, second, out;

	pair_init(&t, 25);
	call(&t, &t.a);
	NEED(take_out(&t.a, &first));
	pass_time(&t, NS_PER_S);
	tick(&t);
	NEED(take_out(&t.a, &second));
	CHECK_INT(give(&t, &t.b, &second), DROP_NONE);
	NEED(take_out(&t.b, &out));
	pass_time(&t, NS_PER_S);
	CHECK_INT(give(&t, &t.b, &second), DROP_HANDSHAKE);
	CHECK_INT(give(&t, &t.b, &first), DROP_HANDSHAKE); /* older */
	CHECK(!take_out(&t.b, &first));
	CHECK_INT(give(&t, &t.a, &out), DROP_NONE); /* the first answer still counts */
	pump(&t);
	check_works(&t);
	pair_fini(&t);
}

/* Replays of one's own link's INITs after it expired: the time is remembered. */
static void test_replayed_init_later(void)
{
	struct pair t;
	struct link_out init;

	pair_init(&t, 26);
	call(&t, &t.a);
	NEED(take_out(&t.a, &init));
	CHECK_INT(give(&t, &t.b, &init), DROP_NONE);
	pump(&t);
	run(&t, 1000 * NS_PER_S, 10 * NS_PER_S);
	CHECK_INT(give(&t, &t.b, &init), DROP_HANDSHAKE);
	pair_fini(&t);
}

static void test_inits_too_close(void)
{
	struct pair t;
	struct link_out init;

	pair_init(&t, 27);
	link_to(&t, &t.a);
	for (unsigned i = 0; i < 3; i++) {
		attempt_end(t.a.ls, peer_of(t.a.link));
		attempt_begin(t.a.ls, peer_of(t.a.link), &t.now);
		NEED(take_out(&t.a, &init));
		CHECK_INT(give(&t, &t.b, &init), i == 1 ? DROP_RATE : DROP_NONE);
		pass_time(&t, i == 0 ? 20 * NS_PER_MS - 1 : 1);
	}
	pair_fini(&t);
}

/* Our clock is set back an hour: peers still see time going on. */
static void test_clock_set_back(void)
{
	struct pair t;

	pair_init(&t, 28);
	bring_up(&t);
	t.now.wall_ns -= 3600 * NS_PER_S;
	pass_time(&t, 60 * NS_PER_S);
	peer_want_rekey(t.a.ls, peer_of(t.a.link));
	tick(&t);
	pump(&t);
	CHECK_INT(t.a.ups, 2);
	check_works(&t);
	pair_fini(&t);
}

static void test_wrong_static_key(void)
{
	struct pair t;
	struct dh_keypair someone;
	struct link_out init;

	pair_init(&t, 29);
	dh_keypair_generate(&someone, &t.rng);
	t.a.link = links_get(t.a.ls, someone.public, &t.b.endpoint);
	link_connect(t.a.ls, t.a.link, &t.now);
	NEED(take_out(&t.a, &init));
	CHECK_INT(give(&t, &t.b, &init), DROP_MAC1);
	msg_put_mac1(init.data, t.b.identity.public); /* anyone can do that */
	CHECK_INT(give(&t, &t.b, &init), DROP_HANDSHAKE);
	CHECK_INT(t.b.ls->by_name.count, 0);
	pair_fini(&t);
}

/* Our own INIT comes back to us; and one from somebody with our very key. */
static void test_call_to_oneself(void)
{
	struct pair t;
	struct peer_name name;
	struct links *twin;
	struct peer *p;
	struct link_out init;

	pair_init(&t, 30);
	call(&t, &t.a);
	NEED(take_out(&t.a, &init));
	CHECK_INT(give(&t, &t.a, &init), DROP_MAC1);
	twin = links_make(&t, &t.a.identity, false);
	name = peer_name_of(twin, t.a.identity.public, SHARD_ANY);
	p = peer_create(twin, &name);
	p->pub.endpoint = t.a.endpoint;
	link_connect(twin, &p->pub, &t.now);
	CHECK(links_next_out(twin, &init));
	CHECK_INT(give(&t, &t.a, &init), DROP_HANDSHAKE);
	links_free(twin);
	pair_fini(&t);
}

/* An INIT from a to b, right in all but what its payload says. */
static void craft_init(struct pair *t, struct link_out *out,
		       const uint8_t payload[static HELLO_LEN])
{
	uint8_t prologue[LINK_PROLOGUE_LEN], noise[DH_LEN + INIT_SEALED_LEN];
	struct noise_hs hs;

	*out = (struct link_out){.len = CELL_LEN};
	msg_put_head(out->data, MSG_LINK_INIT, SUITES_OFFERED);
	msg_put_prologue(prologue, out->data);
	noise_ik_start(&hs, NOISE_INITIATOR, &t->a.identity, t->b.identity.public, prologue,
		       sizeof(prologue));
	CHECK(noise_ik_write1(&hs, &t->a.identity, &t->rng, payload, HELLO_LEN, noise) == 0);
	memcpy(out->data + INIT_E_OFF, noise, DH_LEN);
	memcpy(out->data + INIT_SEALED_OFF, noise + DH_LEN, INIT_SEALED_LEN);
	msg_put_mac1(out->data, t->b.identity.public);
}

/* b's RESP to a's INIT, the same. */
static void craft_resp(struct pair *t, const struct link_out *init, struct link_out *out,
		       const uint8_t payload[static HELLO_LEN])
{
	uint8_t prologue[LINK_PROLOGUE_LEN], noise[DH_LEN + INIT_SEALED_LEN], said[HELLO_LEN];
	struct noise_hs hs;

	*out = (struct link_out){.len = CELL_LEN};
	msg_put_prologue(prologue, init->data);
	memcpy(noise, init->data + INIT_E_OFF, DH_LEN);
	memcpy(noise + DH_LEN, init->data + INIT_SEALED_OFF, INIT_SEALED_LEN);
	noise_ik_start(&hs, NOISE_RESPONDER, &t->b.identity, NULL, prologue, sizeof(prologue));
	CHECK(noise_ik_read1(&hs, &t->b.identity, noise, HELLO_LEN, said) == 0);
	CHECK(noise_ik_write2(&hs, &t->rng, payload, HELLO_LEN, noise) == 0);
	msg_put_head(out->data, MSG_LINK_RESP, SUITE_CLASSICAL);
	out->data[RESP_INDEX_OFF] = init->data[INIT_SHARD_OFF];
	memcpy(out->data + RESP_PEER_INDEX_OFF, init->data + INIT_INDEX_OFF, 3);
	memcpy(out->data + RESP_E_OFF, noise, DH_LEN);
	memcpy(out->data + RESP_SEALED_OFF, noise + DH_LEN, RESP_SEALED_LEN);
	msg_put_mac1(out->data, t->a.identity.public);
}

/* Payloads by a peer that holds the right keys: each byte but time and capabilities counts. */
static void test_wrong_payloads(void)
{
	uint8_t said[HELLO_LEN] = {[12] = 1, [20] = 1, [22] = 1};
	uint8_t answered[HELLO_LEN] = {[0] = 1, [8] = 1, [10] = 1};
	struct pair t;
	struct link_out init, out;

	pair_init(&t, 36);
	call(&t, &t.a);
	NEED(take_out(&t.a, &init));
	for (size_t i = 0; i < HELLO_LEN; i++) {
		const bool is_capability = i >= 4 && i < 8;

		said[i] ^= 2;
		answered[i] ^= 2;
		craft_init(&t, &out, said);
		if (i >= TAI64N_LEN && !(i >= 16 && i < 20))
			CHECK_INT(give(&t, &t.b, &out), DROP_HANDSHAKE);
		craft_resp(&t, &init, &out, answered);
		if (!is_capability)
			CHECK_INT(give(&t, &t.a, &out), DROP_HANDSHAKE);
		said[i] ^= 2;
		answered[i] ^= 2;
	}
	craft_init(&t, &out, said); /* and now all is right */
	CHECK_INT(give(&t, &t.b, &out), DROP_NONE);
	craft_resp(&t, &init, &out, answered);
	CHECK_INT(give(&t, &t.a, &out), DROP_NONE);
	pair_fini(&t);
}

static void test_unknown_types(void)
{
	static const uint8_t zero[CELL_LEN];
	uint8_t msg[CELL_LEN] = {0};
	struct pair t;

	pair_init(&t, 31);
	CHECK_INT(links_recv_handshake(t.b.ls, msg, 0, &t.a.endpoint, &t.now), DROP_SHORT);
	for (unsigned type = 0; type < 256; type++) {
		if (type == MSG_LINK_INIT || type == MSG_LINK_RESP || type == MSG_LINK_COOKIE ||
		    type == MSG_LINK_PROBE)
			continue;
		msg[0] = (uint8_t)type;
		CHECK_INT(links_recv_handshake(t.b.ls, msg, sizeof(msg), &t.a.endpoint, &t.now),
			  DROP_TYPE);
	}
	CHECK_INT(links_recv_handshake(t.b.ls, zero, 1, &t.a.endpoint, &t.now), DROP_TYPE);
	pair_fini(&t);
}

/* ---- floods ---- */

/* An INIT with the right mac1 and rubbish inside: it costs a Diffie-Hellman to find out. */
static void make_rubbish(struct pair *t, struct link_out *out, const uint8_t *cookie)
{
	*out = (struct link_out){.len = CELL_LEN};
	msg_put_head(out->data, MSG_LINK_INIT, SUITES_OFFERED);
	rng_fill(&t->rng, out->data + INIT_INDEX_OFF, 3);
	rng_fill(&t->rng, out->data + INIT_E_OFF, DH_LEN);
	rng_fill(&t->rng, out->data + INIT_SEALED_OFF, INIT_SEALED_LEN);
	msg_put_mac1(out->data, t->b.identity.public);
	if (cookie != NULL)
		mac128(out->data + MAC2_OFF, cookie, COOKIE_LEN, out->data, MAC2_OFF);
}

/* 20000 INITs per second from 1000 addresses, for three seconds, with a caller among them. */
static void test_flood(void)
{
	enum {
		BURST = 20
	};
	struct pair t;
	struct link_out out;
	unsigned tried = 0, asked = 0, replies = 0;

	pair_init_limits(&t, 32, 0, BURST);
	for (unsigned i = 0; i < 60000; i++) {
		const struct endpoint from = endpoint_number(1000 + i % 1000);
		enum drop drop;

		make_rubbish(&t, &out, NULL);
		drop = links_recv_handshake(t.b.ls, out.data, out.len, &from, &t.now);
		tried += drop == DROP_HANDSHAKE;
		asked += drop == DROP_COOKIE;
		if (i == 30000)
			call(&t, &t.a);
		while (links_next_out(t.b.ls, &out)) {
			CHECK(out.len <= CELL_LEN);
			if (endpoint_equal(&out.to, &t.a.endpoint))
				give(&t, &t.a, &out);
			else
				replies += out.len == LINK_COOKIE_LEN;
		}
		deliver(&t, &t.a);
		take_events(&t, &t.a);
		take_events(&t, &t.b);
		pass_time(&t, 50 * NS_PER_US);
	}
	printf("# %u of 60000 cost a Diffie-Hellman, %u cookies\n", tried, asked);
	CHECK(tried >= BURST && tried <= 4 * BURST);
	CHECK_INT(tried + asked, 60000);
	CHECK_INT(replies, asked);
	check_works(&t);
	CHECK(t.a.link->rtt_ns < NS_PER_MS); /* by the cookie, not by a lucky retry */
	pair_fini(&t);
}

/* Whoever can receive gets a cookie, but not more than its prefix's share. */
static void test_flood_with_cookies(void)
{
	enum {
		BURST = 20
	};
	struct pair t;
	struct link_out out;
	struct endpoint from = {.ip = {0x20, 0x01, 0x0d, 0xb8}, .port = 1};
	unsigned drops[DROP_COUNT] = {0};
	uint8_t cookie[COOKIE_LEN];

	pair_init_limits(&t, 33, 0, BURST);
	load(&t);
	for (unsigned i = 0; i < 1000; i++) {
		from.ip[7] = (uint8_t)i; /* of one /56 */
		cookie_for(&t.b.ls->jar, &from, &t.now, &t.rng, cookie);
		make_rubbish(&t, &out, cookie);
		drops[links_recv_handshake(t.b.ls, out.data, out.len, &from, &t.now)]++;
	}
	CHECK_INT(drops[DROP_HANDSHAKE], BURST);
	CHECK_INT(drops[DROP_RATE], 1000 - BURST);
	from.ip[6] = 1; /* the next /56 */
	cookie_for(&t.b.ls->jar, &from, &t.now, &t.rng, cookie);
	make_rubbish(&t, &out, cookie);
	CHECK_INT(links_recv_handshake(t.b.ls, out.data, out.len, &from, &t.now), DROP_HANDSHAKE);
	from.port = 2; /* that cookie is not for this port */
	make_rubbish(&t, &out, cookie);
	CHECK_INT(links_recv_handshake(t.b.ls, out.data, out.len, &from, &t.now), DROP_COOKIE);
	pair_fini(&t);
}

/* The table of prefixes is small and fixed: full, it refuses; a second later it is free again. */
static void test_prefix_table_ages(void)
{
	static struct load ld;
	struct now now = {.mono_ns = 1000 * NS_PER_S};
	unsigned refused = 0;

	load_init(&ld, &rng_system);
	for (uint32_t i = 0; i < 4 * PREFIX_SETS * PREFIX_WAYS; i++) {
		const struct endpoint from = endpoint_number(i);

		refused += !load_take_prefix(&ld, 10, &from, &now);
	}
	CHECK(refused >= 3 * PREFIX_SETS * PREFIX_WAYS);
	now.mono_ns += NS_PER_S;
	for (uint32_t i = 0; i < 100; i++) {
		const struct endpoint from = endpoint_number(1000000 + i);

		CHECK(load_take_prefix(&ld, 10, &from, &now));
	}
}

/* Nobody takes our answers away: they do not pile up. */
static void test_answers_are_bounded(void)
{
	struct pair t;
	struct link_out out;
	unsigned drops[DROP_COUNT] = {0};

	pair_init_limits(&t, 34, 0, 1);
	for (unsigned i = 0; i < 2 * OUT_MAX; i++) {
		make_rubbish(&t, &out, NULL);
		drops[give(&t, &t.b, &out)]++;
	}
	CHECK_INT(t.b.ls->out_len, OUT_MAX);
	CHECK_INT(drops[DROP_COOKIE], OUT_MAX);
	CHECK_INT(drops[DROP_NO_BUFFER], OUT_MAX - 1);
	pair_fini(&t);
}

/* Someone on the path answers our INIT, wrongly, faster than the peer. */
static void test_flood_of_resps(void)
{
	struct pair t;
	struct link_out resp, forged;
	unsigned drops[DROP_COUNT] = {0};

	pair_init(&t, 35);
	call(&t, &t.a);
	deliver(&t, &t.a);
	NEED(take_out(&t.b, &resp));
	for (unsigned i = 0; i < 2000; i++) {
		forged = resp;
		rng_fill(&t.rng, forged.data + RESP_E_OFF, DH_LEN);
		msg_put_mac1(forged.data, t.a.identity.public);
		drops[give(&t, &t.a, &forged)]++;
	}
	CHECK_INT(drops[DROP_HANDSHAKE], RESPS_PER_S);
	CHECK_INT(drops[DROP_RATE], 2000 - RESPS_PER_S);
	pass_time(&t, 100 * NS_PER_MS);
	CHECK_INT(give(&t, &t.a, &resp), DROP_NONE);
	pump(&t);
	check_works(&t);
	pair_fini(&t);
}

int main(void)
{
	if (sodium_init() < 0)
		return EXIT_FAILURE;
	RUN(test_spoiled_init);
	RUN(test_spoiled_resp);
	RUN(test_spoiled_cookie);
	RUN(test_cookies_without_end);
	RUN(test_stale_cookie);
	RUN(test_replayed_init);
	RUN(test_replayed_init_later);
	RUN(test_inits_too_close);
	RUN(test_clock_set_back);
	RUN(test_wrong_static_key);
	RUN(test_call_to_oneself);
	RUN(test_wrong_payloads);
	RUN(test_unknown_types);
	RUN(test_flood);
	RUN(test_flood_with_cookies);
	RUN(test_prefix_table_ages);
	RUN(test_answers_are_bounded);
	RUN(test_flood_of_resps);
	return test_done();
}
