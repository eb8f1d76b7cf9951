/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mesh/lan.h"

#include <sodium.h>

#include "tests/lib/test.h"

static const uint8_t registrar[REGISTRY_KEY_LEN] = "the registrar's key";
static const struct seed own = {.id = "id", .link_public = "link key", .addr.port = 4600};
static const struct endpoint from = {.ip = {[10] = 0xff, 0xff, 10, 20, 0, 2}, .port = 999};

static struct rng rng;
static struct now now;
static struct lan asker, node;
static uint8_t question[LAN_LEN], reply[LAN_LEN];

static void begin(void)
{
	rng = rng_seeded(1);
	now = (struct now){.mono_ns = NS_PER_S};
	lan_init(&asker, registrar, NULL, &rng);
	lan_init(&node, registrar, &own, &rng);
	CHECK(lan_ask(&asker, question, &now));
}

static void test_found(void)
{
	struct seed found;

	begin();
	NEED(lan_answer(&node, question, sizeof(question), reply, &now));
	NEED(lan_found(&asker, reply, sizeof(reply), &from, &found));
	CHECK_MEM(found.id, own.id, sizeof(own.id));
	CHECK_MEM(found.link_public, own.link_public, sizeof(own.link_public));
	CHECK_MEM(found.addr.ip, from.ip, sizeof(from.ip));
	CHECK_INT(found.addr.port, 4600);
	rng_seeded_free(&rng);
}

static void test_every_byte_counts(void)
{
	uint8_t out[LAN_LEN];
	struct seed found;

	begin();
	NEED(lan_answer(&node, question, sizeof(question), reply, &now));
	for (size_t i = 0; i < LAN_LEN; i++) {
		question[i] ^= 1;
		CHECK(!lan_answer(&node, question, sizeof(question), out, &now));
		question[i] ^= 1;
		reply[i] ^= 1;
		CHECK(!lan_found(&asker, reply, sizeof(reply), &from, &found));
		reply[i] ^= 1;
	}
	CHECK(!lan_answer(&node, question, sizeof(question) - 1, out, &now));
	CHECK(!lan_found(&asker, reply, sizeof(reply) + 1, &from, &found));
	rng_seeded_free(&rng);
}

static void test_others_are_not_heard(void)
{
	struct lan stranger;
	struct seed found;

	begin();
	lan_init(&stranger, (const uint8_t[REGISTRY_KEY_LEN]){1}, &own, &rng);
	CHECK(!lan_answer(&stranger, question, sizeof(question), reply, &now)); /* another mesh */
	CHECK(!lan_answer(&asker, question, sizeof(question), reply, &now));    /* a client */
	CHECK(!lan_found(&asker, question, sizeof(question), &from, &found));
	NEED(lan_answer(&node, question, sizeof(question), reply, &now));
	CHECK(!lan_answer(&node, reply, sizeof(reply), question, &now));
	/* A node that hears itself. */
	NEED(lan_ask(&node, question, &now));
	CHECK(!lan_answer(&node, question, sizeof(question), reply, &now));
	rng_seeded_free(&rng);
}

/* An answer to an earlier question, played back later. */
static void test_replay(void)
{
	struct seed found;

	begin();
	NEED(lan_answer(&node, question, sizeof(question), reply, &now));
	now.mono_ns = lan_deadline(&asker);
	NEED(lan_ask(&asker, question, &now));
	CHECK(!lan_found(&asker, reply, sizeof(reply), &from, &found));
	rng_seeded_free(&rng);
}

static void test_times(void)
{
	unsigned asked = 1, answered = 0;

	begin();
	CHECK(!lan_ask(&asker, question, &now));
	for (unsigned s = 0; s < 600; s++) {
		now.mono_ns += NS_PER_S;
		asked += lan_ask(&asker, question, &now);
	}
	CHECK(asked >= 14 && asked <= 17); /* 1, 2, 4, ... 60 s apart */
	lan_hurry(&asker, &now);
	CHECK(lan_ask(&asker, question, &now));
	for (unsigned i = 0; i < 1000; i++)
		answered += lan_answer(&node, question, sizeof(question), reply, &now);
	CHECK_INT(answered, 20);
	rng_seeded_free(&rng);
}

int main(void)
{
	if (sodium_init() < 0)
		return 1;
	RUN(test_found);
	RUN(test_every_byte_counts);
	RUN(test_others_are_not_heard);
	RUN(test_replay);
	RUN(test_times);
	return test_done();
}
