/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A node that is asked how it sees others, and to call them: what it does, and what nobody can make
 * it do. */
#include "mesh/reach.h"

#include <sodium.h>

#include "tests/lib/test.h"

enum {
	LINK = 9,
	PORT = 4600,
};

struct bench {
	struct rng rng;
	struct now now;
	struct reach *reach;
	struct dh_keypair key; /* of the node that is to be called */
	struct links *links;
	struct endpoint asker;
};

static void bench_init(struct bench *b)
{
	*b = (struct bench){
	    .rng = rng_seeded(1),
	    .now = {.mono_ns = 5 * NS_PER_S, .wall_ns = 1800000000 * NS_PER_S},
	};
	NEED(endpoint_parse(&b->asker, "192.0.2.7:30000") == 0);
	dh_keypair_generate(&b->key, &b->rng);
	b->reach = reach_create(&b->rng);
	b->links = links_create(&(struct links_params){.identity = &b->key,
						       .rng = &b->rng,
						       .is_node = true,
						       .max_links = 16,
						       .init_burst = 100});
}

static void bench_fini(struct bench *b)
{
	reach_free(b->reach);
	links_free(b->links);
	rng_seeded_free(&b->rng);
}

static void pass_time(struct bench *b, uint64_t ns)
{
	b->now.mono_ns += ns;
	b->now.wall_ns += ns;
	reach_tick(b->reach, &b->now);
}

static enum drop ask(struct bench *b, const struct reach_msg *m, const struct endpoint *from)
{
	uint8_t body[CELL_BODY_LEN];

	reach_encode(m, body);
	return reach_take(b->reach, LINK, from, body, &b->now);
}

static bool answer(struct bench *b, struct reach_msg *out)
{
	uint8_t body[CELL_BODY_LEN];
	uint32_t link;

	if (!reach_next_out(b->reach, &link, body))
		return false;
	CHECK_INT(link, LINK);
	return reach_decode(out, body) == 0;
}

/* A DIAL with a token that is right for the asker. */
static struct reach_msg dial_of(struct bench *b)
{
	struct reach_msg seen = {0}, m = {.type = REACH_DIAL, .request = 5, .port = PORT};

	CHECK_INT(ask(b, &(struct reach_msg){.type = REACH_SEE, .request = 4}, &b->asker),
		  DROP_NONE);
	CHECK(answer(b, &seen));
	CHECK_INT(seen.type, REACH_SEEN);
	CHECK_INT(seen.request, 4);
	CHECK(endpoint_equal(&seen.seen, &b->asker));
	CHECK_INT(seen.time_ms, b->now.wall_ns / NS_PER_MS);
	memcpy(m.token, seen.token, sizeof(m.token));
	memcpy(m.link_key, b->key.public, DH_LEN);
	return m;
}

static void expect(struct bench *b, enum reach_result result)
{
	struct reach_msg out = {0};

	NEED(answer(b, &out));
	CHECK_INT(out.type, REACH_DIALED);
	CHECK_INT(out.request, 5);
	CHECK_INT(out.result, result);
	CHECK(!answer(b, &out));
}

static void test_call_that_is_answered(void)
{
	struct link_out init, resp, more;
	struct reach_msg m, out = {0};
	struct bench b;

	bench_init(&b);
	m = dial_of(&b);
	CHECK_INT(ask(&b, &m, &b.asker), DROP_NONE);
	CHECK(!reach_is_idle(b.reach));
	NEED(reach_next_datagram(b.reach, &init));
	CHECK(!reach_next_datagram(b.reach, &more));
	CHECK_INT(init.len, CELL_LEN); /* no more than was asked with */
	CHECK_MEM(init.to.ip, b.asker.ip, 16);
	CHECK_INT(init.to.port, PORT);
	CHECK_INT(links_recv_handshake(b.links, init.data, init.len, &b.asker, &b.now), DROP_NONE);
	NEED(links_next_out(b.links, &resp));
	pass_time(&b, 20 * NS_PER_MS);
	reach_recv(b.reach, resp.data, resp.len, &init.to, &b.now);
	NEED(answer(&b, &out));
	CHECK_INT(out.result, REACH_OK);
	CHECK_INT(out.rtt_us, 20000);
	CHECK(reach_is_idle(b.reach));
	bench_fini(&b);
}

static void test_call_that_is_not(void)
{
	struct reach_msg m, none;
	struct link_out init;
	struct bench b;

	bench_init(&b);
	m = dial_of(&b);
	CHECK_INT(ask(&b, &m, &b.asker), DROP_NONE);
	NEED(reach_next_datagram(b.reach, &init));
	pass_time(&b, 2900 * NS_PER_MS);
	CHECK(!answer(&b, &none));
	CHECK(!reach_next_datagram(b.reach, &init)); /* one DIAL, one datagram */
	/* Somebody else answers there: that is not the owner of the key. */
	init.data[0] = MSG_LINK_RESP;
	reach_recv(b.reach, init.data, CELL_LEN, &b.asker, &b.now);
	CHECK(!answer(&b, &none));
	CHECK_INT(reach_deadline(b.reach), b.now.mono_ns + 100 * NS_PER_MS);
	pass_time(&b, 100 * NS_PER_MS);
	expect(&b, REACH_NO_ANSWER);
	CHECK_INT(reach_deadline(b.reach), NEVER);
	bench_fini(&b);
}

/* Cells that claim to come from elsewhere get nobody called: the token went to the true place. */
static void test_only_the_asker_is_called(void)
{
	struct endpoint victim, port;
	struct link_out out;
	struct reach_msg m;
	struct bench b;

	bench_init(&b);
	m = dial_of(&b);
	NEED(endpoint_parse(&victim, "198.51.100.1:30000") == 0);
	CHECK_INT(ask(&b, &m, &victim), DROP_LINKCTL);
	expect(&b, REACH_TOKEN);
	port = b.asker;
	port.port++;
	CHECK_INT(ask(&b, &m, &port), DROP_LINKCTL);
	expect(&b, REACH_TOKEN);
	m.token[3] ^= 1;
	CHECK_INT(ask(&b, &m, &b.asker), DROP_LINKCTL);
	expect(&b, REACH_TOKEN);
	m.token[3] ^= 1;
	pass_time(&b, 2 * COOKIE_ROTATE_NS + NS_PER_S);
	CHECK_INT(ask(&b, &m, &b.asker), DROP_LINKCTL);
	expect(&b, REACH_TOKEN);
	CHECK(!reach_next_datagram(b.reach, &out));
	bench_fini(&b);
}

static void test_unasked_and_malformed(void)
{
	struct reach_msg none;
	struct bench b;

	bench_init(&b);
	CHECK_INT(ask(&b, &(struct reach_msg){.type = REACH_SEEN}, &b.asker), DROP_LINKCTL);
	CHECK_INT(ask(&b, &(struct reach_msg){.type = REACH_DIALED, .result = REACH_OK}, &b.asker),
		  DROP_LINKCTL);
	CHECK_INT(
	    reach_take(b.reach, LINK, &b.asker, (uint8_t[CELL_BODY_LEN]){REACH_SEE, 1}, &b.now),
	    DROP_LINKCTL);
	CHECK(!answer(&b, &none));
	bench_fini(&b);
}

/* Ten seconds of as much as one source can ask. */
static void test_flood_of_one(void)
{
	unsigned calls = 0, bytes_in = 0, bytes_out = 0;
	struct link_out out;
	struct reach_msg m, a;
	struct bench b;

	bench_init(&b);
	for (unsigned i = 0; i < 1000; i++) {
		m = dial_of(&b);
		(void)rng_u64(&b.rng);
		rng_fill(&b.rng, m.link_key, sizeof(m.link_key));
		(void)ask(&b, &m, &b.asker);
		bytes_in += CELL_LEN;
		while (reach_next_datagram(b.reach, &out)) {
			bytes_out += out.len;
			calls++;
		}
		pass_time(&b, 10 * NS_PER_MS);
		while (answer(&b, &a))
			;
	}
	printf("# %u calls in 10 s for 1000 wishes of one source\n", calls);
	CHECK(calls <= 6 + 10);
	CHECK(bytes_out <= bytes_in);
	bench_fini(&b);
}

/* And of many sources at once. */
static void test_flood_of_many(void)
{
	struct link_out out;
	unsigned calls = 0;
	struct reach_msg a;
	struct bench b;

	bench_init(&b);
	for (unsigned i = 0; i < 2000; i++) {
		struct reach_msg m;

		put_be32(b.asker.ip + 12, 0xc6120000 + i);
		m = dial_of(&b);
		rng_fill(&b.rng, m.link_key, sizeof(m.link_key));
		(void)ask(&b, &m, &b.asker);
		while (reach_next_datagram(b.reach, &out))
			calls++;
		pass_time(&b, 6 * NS_PER_MS);
		while (answer(&b, &a))
			;
	}
	printf("# %u calls in 12 s for 2000 sources\n", calls);
	CHECK(calls >= 16 && calls <= 20 + 12 * 10);
	bench_fini(&b);
}

int main(void)
{
	if (sodium_init() < 0)
		return 1;
	RUN(test_call_that_is_answered);
	RUN(test_call_that_is_not);
	RUN(test_only_the_asker_is_called);
	RUN(test_unasked_and_malformed);
	RUN(test_flood_of_one);
	RUN(test_flood_of_many);
	return test_done();
}
