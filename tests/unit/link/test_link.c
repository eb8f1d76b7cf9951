/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The life of links: handshake, retries, rekey, expiry, limits, deadlines. */
#include "link_pair.h"

#include "crypto/header_aead.h"

static void test_handshake(void)
{
	struct pair t;
	struct link_out init, resp, more;
	struct link_event ev;

	pair_init(&t, 1);
	call(&t, &t.a);
	CHECK_INT(t.a.link->state, LINK_CONNECTING);
	link_connect(t.a.ls, t.a.link, &t.now); /* again: nothing happens */
	NEED(links_next_out(t.a.ls, &init));
	CHECK(!links_next_out(t.a.ls, &more));
	CHECK_INT(init.len, CELL_LEN);
	CHECK(endpoint_equal(&init.to, &t.b.endpoint));

	pass_time(&t, 20 * NS_PER_MS);
	CHECK_INT(give(&t, &t.b, &init), DROP_NONE);
	NEED(links_next_out(t.b.ls, &resp));
	CHECK_INT(resp.len, CELL_LEN);
	CHECK(endpoint_equal(&resp.to, &t.a.endpoint));
	CHECK(!links_next_event(t.b.ls, &ev));
	t.b.link = link_to(&t, &t.b);
	CHECK_INT(t.b.link->state, LINK_IDLE); /* until the first cell */

	pass_time(&t, 20 * NS_PER_MS);
	CHECK_INT(give(&t, &t.a, &resp), DROP_NONE);
	CHECK_INT(t.a.link->state, LINK_UP);
	CHECK_INT(t.a.link->rtt_ns, 40 * NS_PER_MS);
	CHECK(t.a.link->peer_is_node && !t.b.link->peer_is_node);
	CHECK(t.a.link->circ_id_high != t.b.link->circ_id_high);
	CHECK_INT(t.a.link->circ_id_high,
		  memcmp(t.a.identity.public, t.b.identity.public, DH_LEN) < 0);
	CHECK(take_events(&t, &t.a)); /* sends COVER */
	CHECK_INT(t.b.link->state, LINK_UP);
	CHECK_INT(t.b.link->last_rx_ns, t.now.mono_ns);
	NEED(links_next_event(t.b.ls, &ev));
	CHECK(ev.type == LINK_EVENT_UP && ev.link == t.b.link);
	check_works(&t);
	pair_fini(&t);
}

static void test_handshake_indexes_carry_the_shard(void)
{
	struct pair t;

	pair_init(&t, 2);
	bring_up(&t);
	CHECK_INT(t.a.link->send_key->index & 7, t.a.link->shard);
	CHECK_INT(t.b.link->send_key->index & 7, t.b.link->shard);
	CHECK(t.a.link->shard == t.b.link->peer_shard && t.b.link->shard == t.a.link->peer_shard);
	CHECK(t.b.link->send_key->index < 1 << 24);
	CHECK_INT(t.a.link->send_key->index, t.b.link->send_key->peer_index);
	pair_fini(&t);
}

/*
 * The bytes on the wire, by a responder written out here with nothing of ours but the ciphers: what
 * another implementation must do.
 */
static void test_wire_format(void)
{
	char prologue[] = "macromesh/1 link\1\1\0iiis";
	static const uint8_t init_payload[32] = {
	    0x40, 0, 0, 0, 0x6b, 0x49, 0xd2, 0x0a, 0, 0, 0, 0, /* 1800000000 s after 1970 */
	    1,    0, 0, 0, 0,    0,    0,    0,    1, 0, 0,
	};
	static const uint8_t resp_payload[32] = {1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1};
	uint8_t noise[128], payload[32], key[36], mac[MAC_LEN], k1[KEY_LEN], k2[KEY_LEN];
	uint8_t cell[CELL_LEN];
	struct header_job header = {.key = key, .text = cell + 8, .tag = cell + 20};
	struct aead_job body = {
	    .key = key, .src = cell + 52, .dst = cell + 52, .tag = cell + 36, .len = 1380};
	struct pair t;
	struct noise_hs hs;
	struct link_out init, resp = {.len = 1432};

	pair_init(&t, 60);
	call(&t, &t.a);
	NEED(take_out(&t.a, &init));
	CHECK_MEM(init.data, "\1\1\1", 4);
	CHECK_INT(init.data[7], init.data[4] & 7);
	memcpy(prologue + 19, init.data + 4, 4);
	memcpy(key, "mac1", 4);
	memcpy(key + 4, t.b.identity.public, 32);
	hash_sha256(key, key, 36);
	mac128(mac, key, 32, init.data, 1400);
	CHECK_MEM(init.data + 1400, mac, 16);
	memcpy(noise, init.data + 8, 32);
	memcpy(noise + 32, init.data + 1240, 96);
	noise_ik_start(&hs, NOISE_RESPONDER, &t.b.identity, NULL, prologue, 23);
	NEED(noise_ik_read1(&hs, &t.b.identity, noise, 32, payload) == 0);
	CHECK_MEM(payload, init_payload, 32);

	NEED(noise_ik_write2(&hs, &t.rng, resp_payload, 32, noise) == 0);
	memcpy(resp.data, "\2\1\1\0\xe8\xcd\xab", 8);
	resp.data[4] |= init.data[7]; /* the shard that was asked for */
	memcpy(resp.data + 8, init.data + 4, 3);
	memcpy(resp.data + 12, noise, 32);
	memcpy(resp.data + 1148, noise + 32, 48);
	memcpy(key, "mac1", 4);
	memcpy(key + 4, t.a.identity.public, 32);
	hash_sha256(key, key, 36);
	mac128(resp.data + 1400, key, 32, resp.data, 1400);
	CHECK_INT(give(&t, &t.a, &resp), DROP_NONE);
	NEED(is_up(&t.a) && t.a.link->peer_is_node);

	make_cell(&t, &t.a, CELL_COVER, 0x77, cell);
	CHECK(cell[0] == 4 && memcmp(cell + 1, resp.data + 4, 3) == 0);
	CHECK_MEM(cell + 4, "\0\0\0", 4);
	noise_split(&hs.sym, k1, k2);
	hkdf_expand(key, 32, k1, "macromesh/1 hdr", NULL, 0);
	memcpy(header.aad, cell, 8);
	memcpy(header.aad + 8, cell + 36, 16);
	header_open(&header, 1);
	CHECK(header.ok);
	CHECK_MEM(cell + 8, "\7\0\0\0\0\0\0\0\0\1\6\1", 12); /* as make_cell has it */
	hkdf_expand(key, 32, k1, "macromesh/1 body", NULL, 0);
	aead_unseal(t.aead, &body, 1);
	CHECK(body.ok && cell[52] == 0x77 && cell[1431] == 0x77);
	pair_fini(&t);
}

/* The n-th datagram of the handshake, cells included, gets lost. */
static void lose_one(unsigned lost)
{
	struct pair t;
	struct link_out out;
	unsigned n = 0;

	pair_init(&t, 3);
	call(&t, &t.a);
	for (unsigned step = 0; step < 4; step++) {
		while (links_next_out(t.a.ls, &out))
			if (n++ != lost)
				give(&t, &t.b, &out);
		while (links_next_out(t.b.ls, &out))
			if (n++ != lost)
				give(&t, &t.a, &out);
		if (is_up(&t.a) && n++ != lost)
			send_cell(&t, &t.a, CELL_COVER);
		pass_time(&t, 834 * NS_PER_MS);
		tick(&t);
	}
	CHECK(n > lost);
	t.b.link = link_to(&t, &t.b);
	check_works(&t);
	pair_fini(&t);
}

static void test_lost_messages(void)
{
	for (unsigned lost = 0; lost < 3; lost++)
		lose_one(lost);
}

static void test_retries_then_gives_up(void)
{
	static const unsigned least_ms[] = {500, 1000, 2000, 4000, 5000, 5000, 5000, 5000};
	struct pair t;
	struct link_out out;
	uint64_t begun_ns, last_ns;
	unsigned tries = 0;

	pair_init(&t, 4);
	call(&t, &t.a);
	begun_ns = last_ns = t.now.mono_ns;
	CHECK(take_out(&t.a, &out));
	while (t.a.link->state == LINK_CONNECTING) {
		NEED(links_deadline(t.a.ls) != NEVER);
		t.now.mono_ns = links_deadline(t.a.ls);
		tick(&t);
		if (!links_next_out(t.a.ls, &out))
			continue;
		NEED(tries < ARRAY_LEN(least_ms));
		CHECK(t.now.mono_ns - last_ns >= least_ms[tries] * NS_PER_MS);
		CHECK(t.now.mono_ns - last_ns < (least_ms[tries] + 334) * NS_PER_MS);
		last_ns = t.now.mono_ns;
		tries++;
	}
	CHECK(tries >= 6);
	CHECK_INT(t.now.mono_ns - begun_ns, 30 * NS_PER_S);
	CHECK_INT(t.a.link->state, LINK_IDLE);
	take_events(&t, &t.a);
	CHECK(t.a.downs == 1 && t.a.ups == 0);
	CHECK_INT(links_deadline(t.a.ls) == NEVER, true);
	CHECK_INT(t.a.ls->by_index.count, 0);
	call(&t, &t.a); /* and again from the start */
	pump(&t);
	check_works(&t);
	pair_fini(&t);
}

/* Whatever the time of the next try was: after a change of the network it is now. */
static void test_hurry(void)
{
	struct pair t;
	struct link_out out;

	pair_init(&t, 12);
	links_hurry(t.a.ls, &t.now); /* nothing waits yet */
	call(&t, &t.a);
	for (unsigned tries = 0; tries < 4; tries++) {
		CHECK(links_next_out(t.a.ls, &out));
		t.now.mono_ns = links_deadline(t.a.ls);
		tick(&t);
	}
	CHECK(links_next_out(t.a.ls, &out));
	links_hurry(t.a.ls, &t.now);
	CHECK_INT(links_deadline(t.a.ls), t.now.mono_ns);
	tick(&t);
	CHECK(links_deadline(t.a.ls) < t.now.mono_ns + NS_PER_S); /* as after a first try */
	pump(&t);
	check_works(&t);
	links_hurry(t.a.ls, &t.now); /* and not while it is up */
	CHECK(!links_next_out(t.a.ls, &out));
	pair_fini(&t);
}

static void test_connect_without_hope(void)
{
	static const uint8_t zero[DH_LEN];
	struct pair t;
	struct link_event ev;
	struct link_out out;

	pair_init(&t, 5);
	t.a.link = links_get(t.a.ls, zero, &t.b.endpoint); /* no Diffie-Hellman with this key */
	link_connect(t.a.ls, t.a.link, &t.now);
	CHECK(links_next_event(t.a.ls, &ev) && ev.type == LINK_EVENT_DOWN);
	CHECK_INT(t.a.link->state, LINK_IDLE);
	link_close(t.a.ls, t.a.link);
	t.a.link = links_get(t.a.ls, t.b.identity.public, NULL); /* whereabouts unknown */
	link_connect(t.a.ls, t.a.link, &t.now);
	CHECK(links_next_event(t.a.ls, &ev) && ev.type == LINK_EVENT_DOWN);
	CHECK(!links_next_out(t.a.ls, &out));
	CHECK(links_get(t.a.ls, t.a.identity.public, &t.a.endpoint) == NULL);
	pair_fini(&t);
}

/* Cells every second, in both directions: the key changes and no cell is lost. */
static void test_rekey(void)
{
	struct pair t;
	const struct link_key *first;
	uint32_t index;

	pair_init(&t, 6);
	bring_up(&t);
	first = t.a.link->send_key;
	index = t.b.link->send_key->index;
	for (unsigned s = 0; s < 119; s++) {
		run(&t, NS_PER_S, NS_PER_S);
		check_works(&t);
	}
	CHECK(t.a.link->send_key == first);
	run(&t, 2 * NS_PER_S, NS_PER_S);
	check_works(&t);
	tick(&t);
	pump(&t);
	CHECK(t.a.link->send_key != first && t.a.ups == 2);
	CHECK(t.b.link->send_key->index != index);
	CHECK(peer_of(t.a.link)->previous == first);
	for (unsigned s = 0; s < 600; s++) {
		run(&t, NS_PER_S, NS_PER_S);
		check_works(&t);
	}
	CHECK_INT(t.a.ups, 1 + 721 / 121);
	CHECK(t.a.downs == 0 && t.b.downs == 0 && t.b.ups == 1);
	pair_fini(&t);
}

/* Only the responder sends: the initiator renews all the same, at the last call. */
static void test_rekey_when_only_receiving(void)
{
	struct pair t;

	pair_init(&t, 7);
	bring_up(&t);
	for (unsigned s = 0; s < 400; s++) {
		run(&t, NS_PER_S, NS_PER_S);
		CHECK_INT(send_cell(&t, &t.b, CELL_DATA_BWD), DROP_NONE);
	}
	CHECK_INT(t.a.ups, 3);
	CHECK(t.a.downs == 0 && t.b.downs == 0);
	pair_fini(&t);
}

static void test_no_rekey_when_idle(void)
{
	struct pair t;

	pair_init(&t, 8);
	bring_up(&t);
	run(&t, 179 * NS_PER_S, NS_PER_S);
	CHECK(is_up(&t.a) && is_up(&t.b));
	run(&t, 1 * NS_PER_S, NS_PER_S);
	CHECK_INT(t.a.link->state, LINK_IDLE);
	CHECK_INT(t.b.link->state, LINK_IDLE);
	CHECK(t.a.ups == 1 && t.a.downs == 1 && t.b.downs == 1);
	CHECK(links_deadline(t.a.ls) == NEVER && links_deadline(t.b.ls) == NEVER);
	CHECK(t.a.link->send_key == NULL);
	CHECK_INT(t.a.ls->by_index.count, 0);
	call(&t, &t.b); /* now the other way round */
	pump(&t);
	check_works(&t);
	pair_fini(&t);
}

static void test_key_expires_at_180_s(void)
{
	struct pair t;
	uint8_t cell[CELL_LEN];

	pair_init(&t, 9);
	bring_up(&t);
	pass_time(&t, 180 * NS_PER_S - 1);
	CHECK_INT(send_cell(&t, &t.a, CELL_DATA_FWD), DROP_NONE);
	make_cell(&t, &t.a, CELL_DATA_FWD, 1, cell);
	pass_time(&t, 1);
	CHECK_INT(open_cell(&t, &t.b, cell).drop, DROP_LINK_EXPIRED); /* even before the tick */
	tick(&t);
	CHECK_INT(open_cell(&t, &t.b, cell).drop, DROP_NO_LINK);
	pair_fini(&t);
}

/* The peer is gone: rekeys are tried, the link goes down, and no cell is sent with an old key. */
static void test_rekey_unanswered(void)
{
	struct pair t;
	struct link_out out;
	unsigned sent = 0;

	pair_init(&t, 10);
	bring_up(&t);
	for (unsigned s = 0; s < 240; s++) {
		uint8_t cell[CELL_LEN];

		pass_time(&t, NS_PER_S);
		tick(&t);
		while (links_next_out(t.a.ls, &out))
			;
		if (!is_up(&t.a))
			continue;
		make_cell(&t, &t.a, CELL_DATA_FWD, 1, cell);
		sent++;
	}
	CHECK_INT(sent, 179);
	take_events(&t, &t.a);
	CHECK(t.a.downs == 1 && t.a.link->state == LINK_IDLE);
	pair_fini(&t);
}

/* The peer has restarted and knows nothing: a new key makes the link whole, without a DOWN. */
static void test_renew(void)
{
	struct pair t;
	struct link_out out;

	pair_init(&t, 15);
	bring_up(&t);
	links_free(t.b.ls);
	t.b.ls = links_make(&t, &t.b.identity, true);
	t.b.link = NULL;
	CHECK_INT(send_cell(&t, &t.a, CELL_DATA_FWD), DROP_NO_LINK);
	link_renew(t.a.ls, t.a.link);
	link_renew(t.a.ls, t.a.link);
	CHECK(is_up(&t.a));
	tick(&t);
	link_renew(t.a.ls, t.a.link);
	CHECK(links_deadline(t.a.ls) > t.now.mono_ns); /* one attempt is enough */
	pump(&t);
	check_works(&t);
	CHECK_INT(t.a.downs, 0);
	link_close(t.a.ls, t.a.link);
	link_renew(t.a.ls, link_to(&t, &t.a)); /* idle: not its business */
	tick(&t);
	CHECK(!take_out(&t.a, &out));
	pair_fini(&t);
}

/* ---- limits, tables, deadlines ---- */

/* An INIT from a stranger with a new key, at b; its number is its address too. */
static enum drop stranger_calls(struct pair *t, uint32_t number)
{
	const struct endpoint from = endpoint_number(number);
	struct dh_keypair identity;
	struct links *ls;
	struct link_out out;
	enum drop drop;

	dh_keypair_generate(&identity, &t->rng);
	ls = links_make(t, &identity, false);
	link_connect(ls, links_get(ls, t->b.identity.public, &t->b.endpoint), &t->now);
	CHECK(links_next_out(ls, &out));
	drop = links_recv_handshake(t->b.ls, out.data, out.len, &from, &t->now);
	links_free(ls);
	take_out(&t->b, &out);
	return drop;
}

/* One of b's links that a stranger made and that is idle. */
static struct link *idle_stranger(struct pair *t)
{
	list_for_each (it, &t->b.ls->idle) {
		struct peer *p = container_of(it, struct peer, idle_node);

		if (p->is_stranger)
			return &p->pub;
	}
	return NULL;
}

static void test_max_links(void)
{
	struct pair t;
	const uint8_t first[DH_LEN] = {9}, second[DH_LEN] = {10};
	struct link *wanted;
	uint32_t kept_id;

	pair_init_limits(&t, 11, 4, 0);
	bring_up(&t); /* a is up at b: one of four */
	kept_id = links_get(t.b.ls, first, NULL)->id;
	CHECK_INT(stranger_calls(&t, 100), DROP_NONE);
	CHECK_INT(stranger_calls(&t, 101), DROP_NONE);
	CHECK_INT(t.b.ls->by_name.count, 4);
	CHECK_INT(stranger_calls(&t, 102), DROP_NONE); /* the first stranger had to go */
	CHECK_INT(t.b.ls->by_name.count, 4);

	NEED(idle_stranger(&t) != NULL);
	wanted = links_get(t.b.ls, idle_stranger(&t)->peer, NULL);
	NEED(idle_stranger(&t) != NULL);
	idle_stranger(&t)->user = &t;
	CHECK_INT(stranger_calls(&t, 103), DROP_LIMIT); /* one wanted, one used, one up, first */
	CHECK(links_get(t.b.ls, second, NULL) == NULL);
	idle_stranger(&t)->user = NULL;
	CHECK_INT(stranger_calls(&t, 104), DROP_NONE);
	CHECK(links_by_id(t.b.ls, wanted->id) == wanted);

	CHECK(links_get(t.b.ls, second, NULL) != NULL); /* in the stranger's stead */
	CHECK_INT(stranger_calls(&t, 105), DROP_LIMIT);
	link_close(t.b.ls, wanted);
	CHECK_INT(stranger_calls(&t, 106), DROP_NONE);
	CHECK(links_by_id(t.b.ls, kept_id) != NULL);
	CHECK_INT(t.b.ls->by_name.count, 4);
	check_works(&t);
	pair_fini(&t);
}

static void count_link(struct link *l, void *ctx)
{
	CHECK(l->id != 0);
	(*(unsigned *)ctx)++;
}

static void test_table_and_close(void)
{
	struct pair t;
	struct link_event ev;
	unsigned n = 0;
	uint32_t id;

	pair_init(&t, 12);
	call(&t, &t.a);
	id = t.a.link->id;
	CHECK(links_get(t.a.ls, t.b.identity.public, NULL) == t.a.link);
	CHECK(links_by_id(t.a.ls, id) == t.a.link);
	CHECK(links_by_id(t.a.ls, id + 1) == NULL && links_by_id(t.a.ls, 0) == NULL);
	links_foreach(t.a.ls, count_link, &n);
	CHECK_INT(n, 1);
	deliver(&t, &t.a);
	deliver(&t, &t.b); /* up, event not taken */
	link_close(t.a.ls, t.a.link);
	CHECK(!links_next_event(t.a.ls, &ev));
	CHECK(links_by_id(t.a.ls, id) == NULL);
	CHECK(links_deadline(t.a.ls) == NEVER);
	CHECK_INT(t.a.ls->by_index.count, 0);
	CHECK(link_to(&t, &t.a)->id != id);
	pair_fini(&t);
}

/* The earliest deadline of many, set, moved and taken away at random. */
static void test_earliest_deadline(void)
{
	enum {
		LINKS = 50
	};
	struct pair t;
	struct peer *peers[LINKS];

	pair_init_limits(&t, 14, LINKS, 0);
	for (uint8_t i = 0; i < LINKS; i++) {
		const uint8_t key[DH_LEN] = {i};

		peers[i] = peer_of(links_get(t.a.ls, key, NULL));
	}
	for (unsigned round = 0; round < 5000; round++) {
		const uint64_t when = rng_below(&t.rng, 5) != 0 ? rng_below(&t.rng, 1000) : NEVER;
		uint64_t earliest = NEVER;

		timer_set(t.a.ls, peers[rng_below(&t.rng, 1 + round / 100)], when);
		for (unsigned i = 0; i < LINKS; i++)
			earliest = MIN(earliest, peers[i]->deadline_ns);
		NEED(links_deadline(t.a.ls) == earliest);
	}
	pair_fini(&t);
}

/* Many links with deadlines of their own, called only when they ask for it, on a lossy network. */
static void test_deadlines(void)
{
	enum {
		LINKS = 40
	};
	struct pair t;
	struct link_out out;
	struct link_event ev;
	unsigned ticks = 0, ups = 0, downs = 0;

	pair_init_limits(&t, 13, LINKS, 0);
	for (uint32_t i = 0; i < LINKS; i++) {
		struct dh_keypair identity;
		const struct endpoint at = endpoint_number(i);

		dh_keypair_generate(&identity, &t.rng);
		if (i == 0)
			identity = t.b.identity;
		link_connect(t.a.ls, links_get(t.a.ls, identity.public, &at), &t.now);
		pass_time(&t, rng_below(&t.rng, NS_PER_S));
	}
	for (uint64_t due; (due = links_deadline(t.a.ls)) != NEVER; ticks++) {
		CHECK(due >= t.now.mono_ns || ticks == 0);
		t.now.mono_ns = MAX(due, t.now.mono_ns);
		links_tick(t.a.ls, &t.now);
		NEED(links_deadline(t.a.ls) > t.now.mono_ns);
		NEED(ticks < LINKS * 20);
		while (links_next_out(t.a.ls, &out))
			if (rng_below(&t.rng, 3) == 0)
				give(&t, &t.b, &out);
		deliver(&t, &t.b);
		while (links_next_event(t.a.ls, &ev)) {
			ups += ev.type == LINK_EVENT_UP;
			downs += ev.type == LINK_EVENT_DOWN;
		}
	}
	CHECK_INT(ups, 1);
	CHECK_INT(downs, LINKS); /* all given up or expired in the end */
	pair_fini(&t);
}

int main(void)
{
	if (sodium_init() < 0)
		return EXIT_FAILURE;
	RUN(test_handshake);
	RUN(test_handshake_indexes_carry_the_shard);
	RUN(test_wire_format);
	RUN(test_lost_messages);
	RUN(test_retries_then_gives_up);
	RUN(test_hurry);
	RUN(test_connect_without_hope);
	RUN(test_rekey);
	RUN(test_rekey_when_only_receiving);
	RUN(test_no_rekey_when_idle);
	RUN(test_key_expires_at_180_s);
	RUN(test_rekey_unanswered);
	RUN(test_renew);
	RUN(test_max_links);
	RUN(test_table_and_close);
	RUN(test_earliest_deadline);
	RUN(test_deadlines);
	return test_done();
}
