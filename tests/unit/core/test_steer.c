/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/steer.h"

#include "tests/lib/test.h"
#include "util/rng.h"

static const uint8_t root[32] = {1, 2, 3};
static uint8_t bytes[1500];

/* A UDP packet of the client to a destination and port. */
static struct packet packet(unsigned dst, unsigned port, size_t len)
{
	memset(bytes, 0, 28);
	bytes[0] = 0x45;
	bytes[9] = 17;
	put_be32(bytes + 12, 0x0a580005);
	put_be32(bytes + 16, 0x09000000 + dst);
	put_be16(bytes + 20, (uint16_t)(1000 + port));
	put_be16(bytes + 22, 443);
	return (struct packet){.head = bytes, .head_len = (uint16_t)len};
}

static struct steering send_one(struct steer *s, unsigned dst, unsigned port, size_t len,
				uint64_t ms)
{
	const struct packet p = packet(dst, port, len);
	const struct now now = {.mono_ns = ms * NS_PER_MS};

	return steer_packet(s, &p, len, FLOW_UP, &now);
}

static void lane(struct steer *s, unsigned i, uint8_t weight, uint8_t order)
{
	s->lane[i] =
	    (struct lane){.path_id = i + 1, .is_used = true, .weight = weight, .order = order};
}

static struct steer three(uint8_t a, uint8_t b, uint8_t c)
{
	struct steer s;

	steer_init(&s, root, 12);
	lane(&s, 0, a, 0);
	lane(&s, 1, b, 1);
	lane(&s, 2, c, 2);
	steer_changed(&s);
	return s;
}

static void test_one_path_needs_no_table(void)
{
	struct steer s;

	steer_init(&s, root, 12);
	steer_changed(&s);
	CHECK_INT(send_one(&s, 1, 1, 100, 0).lane, STEER_NONE);
	lane(&s, 3, 1, 0);
	steer_changed(&s);
	CHECK(s.flows == NULL);
	CHECK_INT(send_one(&s, 1, 1, 100, 0).lane, 3);
	steer_fini(&s);
}

static void test_isolation(void)
{
	struct steer s = three(1, 1, 1);
	unsigned same = 0;

	for (unsigned dst = 0; dst < 100; dst++) /* one destination, one path */
		CHECK_INT(send_one(&s, dst, 1, 100, 0).lane, send_one(&s, dst, 2, 100, 0).lane);
	s.isolation = ISOLATE_OFF;
	for (unsigned dst = 200; dst < 300; dst++)
		same += send_one(&s, dst, 1, 100, 0).lane == send_one(&s, dst, 2, 100, 0).lane;
	CHECK(same > 15 && same < 55); /* a third */
	steer_fini(&s);
}

/* Calls and shells take the shortest path, if it is much shorter; downloads do not. */
static void test_urgent(void)
{
	struct steer s = three(1, 1, 1);
	unsigned on_shortest[2] = {0};

	s.lane[0].rtt_us = 100000;
	s.lane[1].rtt_us = 30000;
	s.lane[2].rtt_us = 35000;
	for (unsigned dst = 0; dst < 300; dst++) {
		struct packet p = packet(dst, 1, 200);
		const struct now now = {.mono_ns = NS_PER_MS};

		on_shortest[0] += steer_packet(&s, &p, 200, FLOW_UP, &now).lane == 1;
		p = packet(1000 + dst, 1, 200);
		bytes[1] = 46 << 2; /* EF */
		on_shortest[1] += steer_packet(&s, &p, 200, FLOW_UP, &now).lane == 1;
	}
	CHECK(on_shortest[0] > 60 && on_shortest[0] < 140);  /* a third */
	CHECK(on_shortest[1] > 150 && on_shortest[1] < 250); /* 30 and 35 ms are alike */
	steer_fini(&s);
}

/* Three lanes, two carriers and a backup; the second carrier has the longest round trips. */
static struct steer crowded(uint32_t rtt_us)
{
	struct steer s = three(1, 1, 0);

	s.lane[0].rtt_us = s.lane[0].rtt_min_us = s.lane[0].settle_us = 8000;
	s.lane[1].rtt_us = s.lane[1].settle_us = rtt_us;
	s.lane[1].rtt_min_us = 3000;
	s.lane[2].rtt_us = s.lane[2].rtt_min_us = s.lane[2].settle_us = 1000;
	return s;
}

/* A destination whose flows have the second lane as their own. */
static unsigned of_second(struct steer *s)
{
	for (unsigned dst = 0;; dst++)
		if (send_one(s, dst, 0, 1000, 1).lane == 1)
			return dst;
}

/* A short datagram, of a flow that looks urgent. */
static int send_urgent(struct steer *s, unsigned dst, uint64_t ms)
{
	struct packet p = packet(dst, 9, 100);
	const struct now now = {.mono_ns = ms * NS_PER_MS};

	put_be16(bytes + 22, 7000);
	return steer_packet(s, &p, 100, FLOW_UP, &now).lane;
}

static void test_urgent_avoids_the_crowd(void)
{
	struct steer s = crowded(6000);
	const unsigned dst = of_second(&s);

	CHECK_INT(send_urgent(&s, dst, 1), 1); /* it is the longest, and always was */
	steer_fini(&s);
	s = crowded(30000);
	CHECK_INT(send_urgent(&s, of_second(&s), 1), 0); /* the other carrier will do */
	s.lane[0].rtt_us = 29000;                        /* crowded, too */
	CHECK_INT(send_urgent(&s, of_second(&s) + 1000, 1), 2);
	steer_fini(&s);
}

/* Others leave in a pause, and come back in one. */
static void test_flows_leave_a_crowd(void)
{
	struct steer s = crowded(6000);
	const unsigned dst = of_second(&s);

	CHECK_INT(send_one(&s, dst, 0, 1000, 10).lane, 1);
	s.lane[1].rtt_us = s.lane[1].settle_us = 30000;
	CHECK_INT(send_one(&s, dst, 0, 1000, 40).lane, 1); /* it might overtake what is under way */
	CHECK_INT(send_one(&s, dst, 0, 1000, 71).lane, 2);
	CHECK_INT(send_one(&s, dst, 0, 1000, 100).lane, 2);
	s.lane[1].rtt_us = s.lane[1].settle_us = 6000;
	CHECK_INT(send_one(&s, dst, 0, 1000, 101).lane, 2);
	CHECK_INT(send_one(&s, dst, 0, 1000, 103).lane, 1);
	steer_fini(&s);
}

static void test_bulk_stays_in_the_crowd(void)
{
	struct steer s = crowded(30000);
	const unsigned dst = of_second(&s);
	unsigned away = 0;

	CHECK_INT(send_one(&s, dst, 0, 1000, 100).lane, 2);
	for (unsigned i = 0; i < 100; i++)
		away += send_one(&s, dst, 0, 1000, 101).lane == 2;
	CHECK(away > 10 && away < 50); /* until it has shown to be bulk */
	CHECK_INT(send_one(&s, dst, 0, 1000, 200).lane, 1);
	steer_fini(&s);
}

/* Nothing may be known of the others, or they may not be used. */
static void test_nowhere_to_go(void)
{
	struct steer s = crowded(30000);
	const unsigned dst = of_second(&s);

	s.lane[2].is_suspect = true;
	s.lane[0].rtt_us = 0;
	CHECK_INT(send_urgent(&s, dst, 1), 1);
	CHECK_INT(send_one(&s, dst, 0, 1000, 100).lane, 1);
	s.lane[0].rtt_us = 25000; /* not clearly quicker */
	CHECK_INT(send_one(&s, dst, 0, 1000, 200).lane, 1);
	steer_fini(&s);
}

static unsigned asked;

static uint64_t app_of(void *ctx, const struct flow_key *key)
{
	(void)ctx;
	asked++;
	return key->local_port < 1010 ? 7 : 0;
}

static void test_apps(void)
{
	struct steer s = three(1, 1, 1);
	unsigned others = 0;
	int first;

	s.isolation = ISOLATE_APP;
	s.group = app_of;
	first = send_one(&s, 0, 1, 100, 0).lane;
	for (unsigned dst = 1; dst < 100; dst++) {
		CHECK_INT(send_one(&s, dst, 1, 100, 0).lane, first);
		others += send_one(&s, dst, 50, 100, 0).lane != first; /* nobody knows whose */
		send_one(&s, dst, 1, 100, 0);
	}
	CHECK(others > 40);
	CHECK_INT(asked, 1 + 2 * 99); /* once per flow */
	steer_fini(&s);
}

/* Both ends make the same choice, and a new path takes its share of the others alike. */
static void test_rendezvous(void)
{
	struct steer a = three(1, 1, 1), b = three(1, 1, 1), c = three(1, 1, 1);
	unsigned moved = 0;

	c.lane[2].is_used = false;
	steer_changed(&c);
	for (unsigned dst = 0; dst < 600; dst++) {
		const int l = send_one(&a, dst, 1, 100, 0).lane;
		const int without = send_one(&c, dst, 1, 100, 0).lane;

		CHECK_INT(send_one(&b, dst, 1, 100, 0).lane, l);
		CHECK(without == l || l == 2);
		moved += without != l;
	}
	CHECK(moved > 150 && moved < 250);
	steer_fini(&a);
	steer_fini(&b);
	steer_fini(&c);
}

static void test_moves(void)
{
	struct steer s = three(1, 1, 0);
	int before[100];
	unsigned on_0 = 0;

	for (unsigned f = 0; f < 100; f++) {
		before[f] = send_one(&s, f, 1, 100, 0).lane;
		CHECK(before[f] < 2);
		on_0 += before[f] == 0;
	}
	CHECK_INT(steer_flows(&s, 0, 0), on_0);
	CHECK_INT(steer_flows(&s, 0, 61 * NS_PER_S), 0);
	s.lane[0].is_suspect = true;
	steer_changed(&s);
	CHECK_INT(steer_move(&s, false), on_0);
	for (unsigned f = 0; f < 100; f++)
		CHECK_INT(send_one(&s, f, 1, 100, 0).lane, 1);
	s.lane[1].is_suspect = true; /* now the backup */
	steer_changed(&s);
	CHECK_INT(steer_move(&s, false), 100);
	CHECK_INT(send_one(&s, 5, 1, 100, 0).lane, 2);
	s.lane[0].is_suspect = s.lane[1].is_suspect = false;
	steer_changed(&s);
	CHECK_INT(steer_move(&s, false), 0); /* it serves them well */
	CHECK_INT(send_one(&s, 5, 1, 100, 0).lane, 2);
	CHECK_INT(steer_move(&s, true), 100);
	for (unsigned f = 0; f < 100; f++)
		CHECK_INT(send_one(&s, f, 1, 100, 0).lane, before[f]);
	for (unsigned i = 0; i < 3; i++)
		s.lane[i].is_suspect = true;
	steer_changed(&s);
	steer_move(&s, false);
	CHECK(send_one(&s, 5, 1, 100, 0).lane != STEER_NONE); /* better than nowhere */
	steer_fini(&s);
}

static void test_learning(void)
{
	struct steer s = three(1, 1, 1);
	struct packet p = packet(9, 1, 100);
	const struct now now = {0};
	const int chosen = send_one(&s, 9, 1, 100, 0).lane;
	const int other = (chosen + 1) % 3;

	p = packet(9, 1, 100);
	steer_learn(&s, &p, FLOW_UP, other, true, &now); /* a twin: says nothing */
	CHECK_INT(send_one(&s, 9, 1, 100, 0).lane, chosen);
	steer_learn(&s, &p, FLOW_UP, other, false, &now);
	CHECK_INT(send_one(&s, 9, 1, 100, 0).lane, other);
	s.lane[chosen].is_suspect = true;
	steer_changed(&s);
	steer_learn(&s, &p, FLOW_UP, chosen, false, &now); /* it comes, but nothing gets there */
	CHECK_INT(send_one(&s, 9, 1, 100, 0).lane, other);
	steer_fini(&s);
}

static void test_interactive_packets_go_twice(void)
{
	struct steer s = three(1, 0, 0);
	struct steering way;

	s.duplicate = true;
	for (uint64_t ms = 0; ms < 5000; ms += 20) {
		way = send_one(&s, 1, 1, 200, ms);
		CHECK_INT(way.lane, 0);
		CHECK_INT(way.second, 1);
		CHECK_INT(send_one(&s, 3, 1, 1200, ms).second, STEER_NONE); /* too large */
	}
	for (uint64_t ms = 5000; ms < 6000; ms++)
		way = send_one(&s, 2, 1, 60, ms); /* a thousand a second */
	CHECK_INT(way.second, STEER_NONE);
	CHECK_INT(send_one(&s, 2, 1, 60, 7000).second, STEER_NONE); /* not at once */
	CHECK_INT(send_one(&s, 2, 1, 60, 8000).second, 1);
	s.lane[1].is_suspect = true;
	steer_changed(&s);
	CHECK_INT(send_one(&s, 2, 1, 60, 8000).second, 2);
	s.lane[2].is_suspect = true;
	steer_changed(&s);
	CHECK_INT(send_one(&s, 2, 1, 60, 8000).second, STEER_NONE);
	steer_fini(&s);
}

static void test_numbers(void)
{
	struct steer s = three(1, 1, 1);

	CHECK(steer_is_new(&s, 0));
	CHECK(!steer_is_new(&s, 0));
	CHECK(steer_is_new(&s, 500));
	CHECK(steer_is_new(&s, 499));
	CHECK(!steer_is_new(&s, 499));
	CHECK(steer_is_new(&s, 5000));
	CHECK(!steer_is_new(&s, 500)); /* too old to tell */
	steer_fini(&s);
}

/* More flows than the table has room for: the oldest give way, nothing else. */
static void test_full_table(void)
{
	struct steer s = three(1, 1, 1);
	unsigned flows = 0;

	for (unsigned f = 0; f < 20000; f++)
		CHECK(send_one(&s, f, 1, 100, f).lane >= 0);
	for (int i = 0; i < 3; i++)
		flows += steer_flows(&s, i, 20000 * NS_PER_MS);
	CHECK(flows > 3500 && flows <= 4096);
	steer_fini(&s);
}

int main(void)
{
	RUN(test_one_path_needs_no_table);
	RUN(test_isolation);
	RUN(test_urgent);
	RUN(test_urgent_avoids_the_crowd);
	RUN(test_flows_leave_a_crowd);
	RUN(test_bulk_stays_in_the_crowd);
	RUN(test_nowhere_to_go);
	RUN(test_apps);
	RUN(test_rendezvous);
	RUN(test_moves);
	RUN(test_learning);
	RUN(test_interactive_packets_go_twice);
	RUN(test_numbers);
	RUN(test_full_table);
	return test_done();
}
