/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "dns/stub.h"

#include "tests/lib/test.h"

#define QUESTION  "\3www\4test\0\0\1\0\1"
#define QUERY(n)  "\x12" n "\1\0\0\1\0\0\0\0\0\0" QUESTION
#define QUERY_LEN (sizeof(QUERY("\1")) - 1)

static const uint8_t servers[2][16] = {{[10] = 0xff, [11] = 0xff, 10, 88, 0, 1},
				       {[10] = 0xff, [11] = 0xff, 10, 88, 0, 2}};
static const struct endpoint program = {{[10] = 0xff, [11] = 0xff, 127, 0, 0, 1}, 5000};
static struct now now;
static struct rng rng;
static struct stub *stub;
static struct stub_out out;

static void start(void)
{
	now.mono_ns = NS_PER_S;
	rng = rng_seeded(7);
	stub = stub_create(&rng);
	stub_servers(stub, servers, 2, &now);
}

static void stop(void)
{
	stub_free(stub);
	rng_seeded_free(&rng);
}

static void ask(const char *query)
{
	stub_query(stub, (const uint8_t *)query, QUERY_LEN, &program, NULL, &now);
}

static void pass(uint64_t ms)
{
	now.mono_ns += ms * NS_PER_MS;
	stub_tick(stub, &now);
}

/* The server's answer to what is in out, with an address. */
static void reply(const uint8_t ip[4], const uint8_t server[16])
{
	struct endpoint from = {.port = STUB_PORT};
	uint8_t msg[DNS_UDP_MAX];

	memcpy(from.ip, server, 16);
	memcpy(msg, out.msg, out.len);
	msg[2] |= 0x80;
	msg[7] = 1;
	memcpy(msg + out.len, "\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4", 12);
	memcpy(msg + out.len + 12, ip, 4);
	stub_answer(stub, msg, out.len + 16, &from, &now);
}

static const uint8_t public_ip[4] = {5, 1, 0, 2}, private_ip[4] = {192, 168, 1, 1};

static void test_ask_and_answer(void)
{
	start();
	ask(QUERY("\1"));
	NEED(stub_next_out(stub, &out));
	CHECK(out.is_to_server);
	CHECK_MEM(out.to.ip, servers[0], 16);
	CHECK_INT(out.to.port, 53);
	CHECK_INT(out.len, QUERY_LEN);
	CHECK(memcmp(out.msg, "\x12\1", 2) != 0); /* an id of our own */
	CHECK_MEM(out.msg + 2, QUERY("\1") + 2, QUERY_LEN - 2);
	CHECK(!stub_next_out(stub, &out));
	reply(public_ip, servers[0]);
	NEED(stub_next_out(stub, &out));
	CHECK(!out.is_to_server);
	CHECK(endpoint_equal(&out.to, &program));
	CHECK_MEM(out.msg, "\x12\1", 2);
	CHECK_MEM(out.msg + out.len - 4, public_ip, 4);
	CHECK(!stub_next_out(stub, &out));
	CHECK(stub_deadline(stub) == NEVER);
	stop();
}

static void test_wrong_answers_are_ignored(void)
{
	struct stub_out asked;

	start();
	ask(QUERY("\1"));
	NEED(stub_next_out(stub, &out));
	asked = out;
	reply(public_ip, program.ip); /* from somebody else */
	out.msg[0] ^= 1;
	reply(public_ip, servers[0]); /* to another question */
	out = asked;
	out.msg[13] ^= 1;
	reply(public_ip, servers[0]);                             /* about another name */
	stub_answer(stub, asked.msg, asked.len, &asked.to, &now); /* no answer at all */
	stub_answer(stub, asked.msg, 3, &asked.to, &now);
	CHECK(!stub_next_out(stub, &out));
	out = asked;
	reply(public_ip, servers[1]);
	CHECK(stub_next_out(stub, &out) && !out.is_to_server);
	stop();
}

/* While paths change: asked again soon, of the servers in turn, until it is answered. */
static void test_asks_again(void)
{
	unsigned asked = 0;

	start();
	ask(QUERY("\1"));
	for (int i = 0; i < 30; i++) {
		while (stub_next_out(stub, &out)) {
			CHECK(out.is_to_server);
			CHECK_MEM(out.to.ip, servers[asked % 2], 16);
			asked++;
		}
		pass(100);
	}
	CHECK(asked >= 5 && asked <= 12);
	stop();
}

static void test_new_servers_are_asked_at_once(void)
{
	start();
	ask(QUERY("\1"));
	ask(QUERY("\2"));
	CHECK(stub_next_out(stub, &out) && stub_next_out(stub, &out));
	now.mono_ns += 10 * NS_PER_MS;
	stub_servers(stub, servers + 1, 1, &now);
	for (int i = 0; i < 2; i++) {
		NEED(stub_next_out(stub, &out));
		CHECK_MEM(out.to.ip, servers[1], 16);
	}
	reply(public_ip, servers[0]); /* not asked any more */
	CHECK(!stub_next_out(stub, &out));
	stop();
}

static void test_gives_up_with_an_answer(void)
{
	start();
	stub_servers(stub, servers, 0, &now);
	ask(QUERY("\1"));
	CHECK(!stub_next_out(stub, &out)); /* nobody to ask */
	for (int i = 0; i < 100 && !stub_next_out(stub, &out); i++)
		pass(100);
	CHECK(!out.is_to_server);
	CHECK_MEM(out.msg, "\x12\1\x81\x82", 4); /* SERVFAIL */
	CHECK(stub_deadline(stub) == NEVER);
	stop();
}

static void test_private_answers(void)
{
	static char lan[] = "test", other[] = "est", all[] = "*";
	static char *const names[] = {lan}, *const others[] = {other}, *const any[] = {all};
	static const struct {
		char *const *names;
		size_t count;
		bool passes;
	} cases[] = {{NULL, 0, false}, {names, 1, true}, {others, 1, false}, {any, 1, true}};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		start();
		stub_allow(stub, cases[i].names, cases[i].count);
		ask(QUERY("\1"));
		NEED(stub_next_out(stub, &out));
		reply(private_ip, servers[0]);
		NEED(stub_next_out(stub, &out));
		CHECK_INT(out.len, QUERY_LEN + (cases[i].passes ? 16 : 0));
		CHECK_INT(out.msg[7], cases[i].passes);
		stop();
	}
}

static void test_truncated_answer_is_for_tcp(void)
{
	start();
	ask(QUERY("\1"));
	NEED(stub_next_out(stub, &out));
	out.msg[2] |= 2;
	reply(private_ip, servers[0]);
	NEED(stub_next_out(stub, &out));
	CHECK_INT(out.len, QUERY_LEN);
	CHECK((out.msg[2] & 2) != 0 && out.msg[7] == 0);
	stop();
}

static void test_repeated_and_too_many_questions(void)
{
	char query[] = QUERY("\1");
	unsigned asked = 0;

	start();
	ask(QUERY("\1"));
	ask(QUERY("\1"));
	CHECK(stub_next_out(stub, &out));
	CHECK(!stub_next_out(stub, &out));
	for (unsigned i = 0; i < 1000; i++) {
		query[0] = (char)(i >> 8);
		query[1] = (char)i;
		ask(query);
	}
	while (stub_next_out(stub, &out))
		asked++;
	CHECK_INT(asked, 255);
	stub_query(stub, (const uint8_t *)query, 11, &program, NULL, &now);
	CHECK(!stub_next_out(stub, &out));
	stop();
}

/* A server behind a stream does not mind how much a program takes, and loses nothing. */
static void test_streams(void)
{
	struct endpoint from = {.port = STUB_PORT};
	uint8_t msg[DNS_UDP_MAX] = {0};

	start();
	stub_use_stream(stub, true);
	stub_servers(stub, servers, 1, &now);
	memcpy(from.ip, servers[0], 16);
	for (size_t len = 512; len <= 513; len++) {
		ask(QUERY("\1"));
		NEED(stub_next_out(stub, &out) && out.is_to_server);
		pass(1900);
		CHECK(!stub_next_out(stub, &out)); /* not asked again that soon */
		memcpy(msg, out.msg, out.len);
		msg[2] |= 0x80;
		stub_answer(stub, msg, len, &from, &now);
		NEED(stub_next_out(stub, &out) && !out.is_to_server);
		CHECK_INT(out.len, len == 512 ? 512 : QUERY_LEN);
		CHECK_INT(out.msg[2] & DNS_TRUNCATED, len == 512 ? 0 : DNS_TRUNCATED);
		pass(200);
		CHECK(!stub_next_out(stub, &out));
	}
	stop();
}

int main(void)
{
	RUN(test_ask_and_answer);
	RUN(test_wrong_answers_are_ignored);
	RUN(test_asks_again);
	RUN(test_new_servers_are_asked_at_once);
	RUN(test_gives_up_with_an_answer);
	RUN(test_private_answers);
	RUN(test_truncated_answer_is_for_tcp);
	RUN(test_repeated_and_too_many_questions);
	RUN(test_streams);
	return test_done();
}
