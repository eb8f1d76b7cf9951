/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "link/link_probe.h"

#include "tests/unit/link/link_pair.h"

static const uint8_t nonce[PROBE_NONCE_LEN] = "forty-four bytes that nobody else has chosen";

static bool ask(struct pair *t, struct side *to, const uint8_t *msg, enum drop drop,
		struct link_out *out)
{
	CHECK_INT(links_recv_handshake(to->ls, msg, LINK_PROBE_LEN, &t->a.endpoint, &t->now), drop);
	return links_next_out(to->ls, out);
}

static void test_answer(void)
{
	uint8_t msg[LINK_PROBE_LEN];
	struct link_out out;
	struct pair t;

	pair_init(&t, 1);
	probe_put(msg, t.b.identity.public, nonce);
	NEED(ask(&t, &t.b, msg, DROP_NONE, &out));
	CHECK_INT(out.len, sizeof(msg)); /* never more than was asked with */
	CHECK(endpoint_equal(&out.to, &t.a.endpoint));
	CHECK(probe_is_answer(out.data, out.len, t.b.identity.public, nonce));
	CHECK(!probe_is_answer(out.data, out.len, t.a.identity.public, nonce));
	CHECK(!probe_is_answer(out.data, out.len - 1, t.b.identity.public, nonce));
	CHECK(!probe_is_answer(msg, sizeof(msg), t.b.identity.public, nonce));
	for (size_t i = 0; i < LINK_PROBE_LEN; i++) {
		out.data[i] ^= 0x10;
		CHECK(!probe_is_answer(out.data, out.len, t.b.identity.public, nonce));
		out.data[i] ^= 0x10;
	}
	/* An answer is no question: nodes do not keep each other busy. */
	CHECK(!ask(&t, &t.b, out.data, DROP_MAC1, &out));
	pair_fini(&t);
}

static void test_who_gets_none(void)
{
	uint8_t msg[LINK_PROBE_LEN];
	struct link_out out;
	struct pair t;

	pair_init(&t, 2);
	probe_put(msg, t.b.identity.public, nonce);
	for (size_t i = 1; i < LINK_PROBE_LEN; i++) {
		msg[i] ^= 0x10;
		CHECK(!ask(&t, &t.b, msg, DROP_MAC1, &out));
		msg[i] ^= 0x10;
	}
	CHECK_INT(links_recv_handshake(t.b.ls, msg, LINK_PROBE_LEN - 1, &t.a.endpoint, &t.now),
		  DROP_SHORT);
	probe_put(msg, t.a.identity.public, nonce); /* a client does not answer */
	CHECK(!ask(&t, &t.a, msg, DROP_RATE, &out));
	pair_fini(&t);
}

static void test_flood(void)
{
	uint8_t msg[LINK_PROBE_LEN];
	struct link_out out;
	unsigned answered = 0;
	struct pair t;

	pair_init(&t, 3);
	probe_put(msg, t.b.identity.public, nonce);
	for (unsigned i = 0; i < 1000; i++) {
		(void)links_recv_handshake(t.b.ls, msg, LINK_PROBE_LEN, &t.a.endpoint, &t.now);
		answered += links_next_out(t.b.ls, &out);
	}
	CHECK_INT(answered, PROBES_PER_S);
	pass_time(&t, NS_PER_S);
	CHECK(ask(&t, &t.b, msg, DROP_NONE, &out));
	pair_fini(&t);
}

int main(void)
{
	if (sodium_init() < 0)
		return 1;
	RUN(test_answer);
	RUN(test_who_gets_none);
	RUN(test_flood);
	return test_done();
}
