/* SPDX-License-Identifier: GPL-3.0-or-later */
/* One path of a session: keys, what is acknowledged, what an acknowledgement proves. */
#include "tests/lib/test.h"

#include "core/spath.h"
#include "util/rng.h"

#include <errno.h>

static const uint8_t root[KEY_LEN] = {1, 2, 3}, exporter[KEY_LEN] = {4, 5, 6};

/* A client's end and the exit's end of the same path. */
struct ends {
	struct spath client, exit;
	struct spath_sent sent[SPATH_SENT_MAX];
	struct now now;
};

static struct ends *begin(void)
{
	static struct ends e;

	memset(&e, 0, sizeof(e));
	e.now.mono_ns = 7 * NS_PER_S;
	spath_init(&e.client, SPATH_CLIENT, root, exporter, 1, e.sent);
	spath_init(&e.exit, SPATH_EXIT, root, exporter, 1, NULL);
	return &e;
}

static void tag_of(uint64_t seq, uint8_t tag[static TAG_LEN])
{
	put_le64(tag, seq * 0x9e3779b97f4a7c15);
	put_le64(tag + 8, seq ^ 0x0123456789abcdef);
}

static void send(struct ends *e, uint64_t seq)
{
	uint8_t tag[TAG_LEN];

	tag_of(seq, tag);
	spath_sent_cell(&e->client, seq, tag, true, &e->now);
}

static void arrive(struct ends *e, uint64_t seq)
{
	uint8_t tag[TAG_LEN];

	tag_of(seq, tag);
	spath_received(&e->exit, seq, tag, SPATH_ASKS_ACK, false, &e->now);
}

static size_t pack(struct ends *e, struct pack *p, uint8_t *out)
{
	const size_t len = spath_pack(&e->exit, &e->now, out);

	CHECK_INT(pack_decode(p, out, len), 0);
	return len;
}

/* The exit acknowledges; what the client makes of it. */
static int acknowledge(struct ends *e)
{
	uint8_t bytes[PACK_LEN(PACK_RANGES_MAX)];
	struct pack p;
	const size_t len = pack(e, &p, bytes);

	return spath_acked(&e->client, bytes, len, &e->now);
}

static void test_keys_mirror_and_differ(void)
{
	struct ends *e = begin();
	struct spath other;
	uint8_t a[MAC_LEN], b[MAC_LEN], h[HASH_LEN] = {9}, h2[HASH_LEN] = {8};

	CHECK_MEM(e->client.seal_key, e->exit.open_key, KEY_LEN);
	CHECK_MEM(e->client.open_key, e->exit.seal_key, KEY_LEN);
	CHECK_MEM(e->client.bind_key, e->exit.bind_key, KEY_LEN);
	CHECK(memcmp(e->client.seal_key, e->client.open_key, KEY_LEN) != 0);
	spath_init(&other, SPATH_CLIENT, root, exporter, 2, NULL); /* another path id */
	CHECK(memcmp(other.seal_key, e->client.seal_key, KEY_LEN) != 0);
	spath_init(&other, SPATH_CLIENT, root, root, 1, NULL); /* another circuit */
	CHECK(memcmp(other.seal_key, e->client.seal_key, KEY_LEN) != 0);
	spath_init(&other, SPATH_CLIENT, exporter, exporter, 1, NULL); /* another session */
	CHECK(memcmp(other.seal_key, e->client.seal_key, KEY_LEN) != 0);

	spath_binder(&e->client, h, 0, 1, a);
	spath_binder(&e->exit, h, 0, 1, b);
	CHECK_MEM(a, b, MAC_LEN);
	spath_binder(&e->exit, h2, 0, 1, b); /* everything in it counts */
	CHECK(memcmp(a, b, MAC_LEN) != 0);
	spath_binder(&e->exit, h, 1, 1, b);
	CHECK(memcmp(a, b, MAC_LEN) != 0);
	spath_binder(&e->exit, h, 0, 2, b);
	CHECK(memcmp(a, b, MAC_LEN) != 0);
	spath_binder(&other, h, 0, 1, b);
	CHECK(memcmp(a, b, MAC_LEN) != 0);
	spath_wipe(&e->exit);
	CHECK(e->exit.pack_due_ns == NEVER);
}

static void test_attached_mac_covers_all_paths(void)
{
	struct ends *e = begin();
	uint32_t ids[8] = {1, 2, 3, 4, 5, 6, 7, 8};
	uint8_t all[MAC_LEN], less[MAC_LEN];

	spath_attached_mac(&e->client, ids, 8, all);
	spath_attached_mac(&e->exit, ids, 8, less);
	CHECK_MEM(all, less, MAC_LEN);
	for (unsigned i = 0; i < 8; i++) {
		ids[i] ^= 0x100;
		spath_attached_mac(&e->exit, ids, 8, less);
		CHECK(memcmp(all, less, MAC_LEN) != 0);
		ids[i] ^= 0x100;
		spath_attached_mac(&e->exit, ids, i, less);
		CHECK(memcmp(all, less, MAC_LEN) != 0);
	}
}

static void test_acknowledged_in_time(void)
{
	struct ends *e = begin();
	uint8_t tag[TAG_LEN] = {0};

	CHECK(!spath_has_pack(&e->exit, &e->now));
	spath_received(&e->exit, 5, tag, SPATH_ASKS_NOTHING, false,
		       &e->now); /* acknowledgements alone */
	CHECK(e->exit.pack_due_ns == NEVER);
	arrive(e, 6);
	CHECK_INT(e->exit.pack_due_ns, e->now.mono_ns + SPATH_PACK_DELAY_MS * NS_PER_MS);
	e->now.mono_ns += SPATH_PACK_DELAY_MS * NS_PER_MS - 1;
	arrive(e, 7); /* does not put it off */
	CHECK(!spath_has_pack(&e->exit, &e->now));
	e->now.mono_ns += 1;
	CHECK(spath_has_pack(&e->exit, &e->now));
	spath_postpone(&e->exit, &e->now);
	CHECK(!spath_has_pack(&e->exit, &e->now));
	e->now.mono_ns += SPATH_PACK_DELAY_MS * NS_PER_MS;
	CHECK(spath_has_pack(&e->exit, &e->now));

	e = begin();
	for (unsigned i = 0; i < SPATH_PACK_CELLS - 1; i++)
		arrive(e, i);
	CHECK(!spath_has_pack(&e->exit, &e->now));
	arrive(e, SPATH_PACK_CELLS - 1); /* many at once do not wait */
	CHECK(spath_has_pack(&e->exit, &e->now));
}

static void test_ranges(void)
{
	static const uint64_t in_order[] = {100, 101, 102}, gap[] = {100, 102}, late[] = {102, 100},
			      filled[] = {100, 102, 101}, leftwards[] = {102, 101, 100},
			      three[] = {100, 104, 102}, joined[] = {100, 104, 102, 101, 103};
	static const struct {
		const uint64_t *seq;
		unsigned n, count;
		struct pack_range range[3];
	} cases[] = {
	    {in_order, 3, 1, {{0, 3}}},     {gap, 2, 2, {{0, 1}, {1, 1}}},
	    {late, 2, 2, {{0, 1}, {1, 1}}}, {filled, 3, 1, {{0, 3}}},
	    {leftwards, 3, 1, {{0, 3}}},    {three, 3, 3, {{0, 1}, {1, 1}, {1, 1}}},
	    {joined, 5, 1, {{0, 5}}},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct ends *e = begin();
		uint8_t bytes[PACK_LEN(PACK_RANGES_MAX)];
		struct pack p;

		for (unsigned k = 0; k < cases[i].n; k++)
			arrive(e, cases[i].seq[k]);
		pack(e, &p, bytes);
		CHECK_INT(p.first, 100);
		CHECK_INT(p.total, cases[i].n);
		CHECK_INT(p.count, cases[i].count);
		for (unsigned k = 0; k < cases[i].count; k++) {
			CHECK_INT(p.range[k].gap, cases[i].range[k].gap);
			CHECK_INT(p.range[k].run, cases[i].range[k].run);
		}
		CHECK(e->exit.pack_due_ns == NEVER);
	}
}

/* Any order of any subset: what is acknowledged is what arrived, and the digest proves it. */
static void test_random_arrivals_are_proved(void)
{
	struct rng rng = rng_seeded(1);

	for (unsigned round = 0; round < 300; round++) {
		struct ends *e = begin();
		const unsigned n = 1 + (unsigned)rng_below(&rng, 60);
		uint64_t seq[60], first = rng_below(&rng, 1ull << 46);
		uint64_t arrived = 0, packs = 0;

		for (unsigned i = 0; i < n; i++)
			seq[i] = first + i;
		for (unsigned i = 0; i < n; i++) {
			const unsigned k = (unsigned)rng_below(&rng, n);
			const uint64_t swap = seq[i];

			send(e, first + i);
			seq[i] = seq[k];
			seq[k] = swap;
		}
		for (unsigned i = 0; i < n; i++) {
			if (rng_below(&rng, 4) == 0)
				continue; /* lost */
			arrive(e, seq[i]);
			arrived++;
			if (rng_below(&rng, 20) != 0)
				continue;
			CHECK_INT(acknowledge(e), 0);
			packs++;
		}
		while (e->exit.readies > 0 || e->exit.ranges > 0) {
			CHECK_INT(acknowledge(e), 0);
			packs++;
		}
		CHECK_INT(e->client.acked_total, arrived);
		CHECK_INT(e->client.proofs_ok, packs);
		CHECK_INT(e->client.proofs_failed, 0);
	}
	rng_seeded_free(&rng);
}

/* Every second cell lost: ranges run out, acknowledgements are made early and wait. */
static void test_early_acknowledgements(void)
{
	struct ends *e = begin();
	unsigned packs = 0;

	for (unsigned i = 0; i < 4 * PACK_RANGES_MAX; i++) {
		send(e, 2 * i);
		arrive(e, 2 * i);
	}
	CHECK_INT(e->exit.readies, 3);
	CHECK(spath_has_pack(&e->exit, &e->now));
	while (spath_has_pack(&e->exit, &e->now)) {
		CHECK_INT(acknowledge(e), 0);
		packs++;
	}
	CHECK_INT(packs, 3);
	CHECK_INT(e->client.live.srtt_ns, 0); /* they have waited: no measurement */
	CHECK_INT(e->exit.ranges, PACK_RANGES_MAX);
	CHECK_INT(acknowledge(e), 0);
	CHECK_INT(e->client.proofs_ok, 4);
	CHECK_INT(e->client.acked_total, 4 * PACK_RANGES_MAX);

	e = begin(); /* nobody takes them: the oldest goes, the newest cells count in the total */
	for (unsigned i = 0; i < (SPATH_READY_MAX + 3) * PACK_RANGES_MAX; i++) {
		send(e, 2 * i);
		arrive(e, 2 * i);
	}
	CHECK_INT(e->exit.readies, SPATH_READY_MAX);
	for (packs = 0; e->exit.readies > 0 || e->exit.ranges > 0; packs++)
		CHECK_INT(acknowledge(e), 0);
	CHECK_INT(packs, SPATH_READY_MAX + 1);
	CHECK_INT(e->client.proofs_failed, 0);
	CHECK_INT(e->client.acked_total, (SPATH_READY_MAX + 3) * PACK_RANGES_MAX);
}

static void test_far_apart_and_very_many(void)
{
	struct ends *e = begin();
	struct pack p;
	uint8_t bytes[PACK_LEN(PACK_RANGES_MAX)];

	arrive(e, 1000);
	arrive(e, 1000 + UINT16_MAX); /* the widest gap that 16 bits tell */
	CHECK_INT(e->exit.readies, 0);
	pack(e, &p, bytes);
	CHECK_INT(p.range[1].gap, UINT16_MAX - 1);
	arrive(e, 1000);
	arrive(e, 1000 + UINT16_MAX + 1);
	CHECK_INT(e->exit.readies, 1);

	e = begin(); /* downwards too */
	arrive(e, 1000 + UINT16_MAX + 1);
	arrive(e, 1000);
	CHECK_INT(e->exit.readies, 1);

	e = begin(); /* without anybody acknowledging, upwards and downwards */
	for (uint64_t i = 0; i < 3 * SPATH_FRESH_MAX; i++) {
		send(e, i);
		arrive(e, i % 2 == 0 ? i + 1 : i - 1);
	}
	CHECK_INT(e->exit.readies, 2);
	pack(e, &p, bytes);
	CHECK_INT(p.range[0].run + p.range[1].run, SPATH_FRESH_MAX);
	CHECK_INT(acknowledge(e), 0);

	e = begin();
	for (uint64_t i = 70000; i > 0; i--)
		arrive(e, i);
	while (e->exit.readies > 0 || e->exit.ranges > 0) {
		pack(e, &p, bytes);
		CHECK(p.count == 1 && p.range[0].run <= SPATH_FRESH_MAX);
	}
}

static void test_wrong_digest_is_noticed(void)
{
	for (unsigned bit = 0; bit < 64; bit++) {
		struct ends *e = begin();
		uint8_t bytes[PACK_LEN(1)];
		struct pack p;

		send(e, 9);
		arrive(e, 9);
		NEED(pack(e, &p, bytes) == sizeof(bytes));
		bytes[PACK_LEN(1) - 8 + bit / 8] ^= (uint8_t)(1u << bit % 8);
		CHECK_INT(spath_acked(&e->client, bytes, sizeof(bytes), &e->now), -EBADMSG);
		CHECK_INT(e->client.proofs_failed, 1);
		CHECK_INT(e->client.proofs_ok, 0);
	}
}

/* An exit that got another cell than was sent, or claims one more, cannot make the digest. */
static void test_digest_needs_the_very_cells(void)
{
	struct ends *e = begin();
	uint8_t tag[TAG_LEN] = {0xff}, bytes[PACK_LEN(1)];
	struct pack p;

	send(e, 1);
	spath_received(&e->exit, 1, tag, SPATH_ASKS_ACK, false, &e->now);
	CHECK_INT(acknowledge(e), -EBADMSG);

	e = begin();
	for (unsigned i = 1; i <= 3; i++)
		send(e, i);
	arrive(e, 1);
	arrive(e, 2);
	pack(e, &p, bytes);
	p.range[0].run = 3; /* and the third, which it never saw */
	pack_encode(&p, bytes);
	CHECK_INT(spath_acked(&e->client, bytes, sizeof(bytes), &e->now), -EBADMSG);

	e = begin(); /* two cells changed places: the xor is the same, but other counters are named
		      */
	send(e, 1);
	send(e, 2);
	arrive(e, 2);
	pack(e, &p, bytes);
	p.first = 1;
	pack_encode(&p, bytes);
	CHECK_INT(spath_acked(&e->client, bytes, sizeof(bytes), &e->now), -EBADMSG);
}

static void test_lost_and_repeated_acknowledgements(void)
{
	struct ends *e = begin();
	uint8_t lost[PACK_LEN(1)], bytes[PACK_LEN(1)];
	struct pack p;

	for (unsigned i = 0; i < 10; i++)
		send(e, i);
	for (unsigned i = 0; i < 5; i++)
		arrive(e, i);
	pack(e, &p, lost);
	for (unsigned i = 5; i < 10; i++)
		arrive(e, i);
	pack(e, &p, bytes);
	CHECK_INT(spath_acked(&e->client, bytes, sizeof(bytes), &e->now), 0);
	CHECK_INT(e->client.acked_total, 10); /* the count tells what the lost one said */
	CHECK_INT(e->client.proofs_ok, 1);
	CHECK_INT(spath_acked(&e->client, lost, sizeof(lost), &e->now), 0); /* late, not lost */
	CHECK_INT(e->client.proofs_ok, 2);
	CHECK_INT(e->client.acked_total, 10);
	CHECK_INT(spath_acked(&e->client, bytes, sizeof(bytes), &e->now), 0); /* twice */
	CHECK_INT(e->client.proofs_ok, 2);
	CHECK_INT(e->client.proofs_failed, 0);
}

/* Whoever makes ranges up learns nothing, costs little, and does not spoil true proofs to come. */
static void test_made_up_ranges(void)
{
	struct ends *e = begin();
	uint8_t bytes[PACK_LEN(PACK_RANGES_MAX)];
	struct pack p = {.first = 0, .total = 1, .count = PACK_RANGES_MAX};
	size_t len;

	for (unsigned i = 0; i < PACK_RANGES_MAX; i++)
		p.range[i] = (struct pack_range){.run = UINT16_MAX};
	for (unsigned i = 1; i <= 100; i++)
		send(e, i);
	len = pack_encode(&p, bytes);
	CHECK_INT(spath_acked(&e->client, bytes, len, &e->now), -EINVAL); /* never sent */
	for (unsigned i = 1; i <= 100; i++)
		arrive(e, i);
	CHECK_INT(acknowledge(e), 0);
	CHECK_INT(e->client.proofs_ok, 1);

	p.total = 101; /* more than was ever sent */
	len = pack_encode(&p, bytes);
	CHECK_INT(spath_acked(&e->client, bytes, len, &e->now), -EINVAL);
	for (size_t k = 0; k < len; k++)
		CHECK_INT(spath_acked(&e->client, bytes, k, &e->now), -EINVAL);
}

static void test_round_trip_time(void)
{
	struct ends *e = begin();

	send(e, 1);
	e->now.mono_ns += 30 * NS_PER_MS;
	arrive(e, 1);
	e->now.mono_ns += 20 * NS_PER_MS; /* the delay is told, and taken off */
	uint8_t bytes[PACK_LEN(1)];
	struct pack p;

	pack(e, &p, bytes);
	CHECK_INT(p.delay_16us, 20000 / 16);
	e->now.mono_ns += 30 * NS_PER_MS;
	CHECK_INT(spath_acked(&e->client, bytes, sizeof(bytes), &e->now), 0);
	CHECK_INT(e->client.live.srtt_ns, 60 * NS_PER_MS);
	CHECK_INT(e->client.live.rttvar_ns, 30 * NS_PER_MS);
	send(e, 2);
	e->now.mono_ns += 140 * NS_PER_MS;
	arrive(e, 2);
	CHECK_INT(acknowledge(e), 0);
	CHECK_INT(e->client.live.srtt_ns, (7 * 60 + 140) * NS_PER_MS / 8);
	CHECK_INT(e->client.live.rttvar_ns, (3 * 30 + 80) * NS_PER_MS / 4);

	e = begin(); /* a delay longer than the time passed: a lie, or a clock: no sample */
	send(e, 1);
	arrive(e, 1);
	pack(e, &p, bytes);
	p.delay_16us = 100;
	pack_encode(&p, bytes);
	CHECK_INT(spath_acked(&e->client, bytes, sizeof(bytes), &e->now), 0);
	CHECK_INT(e->client.live.srtt_ns, 0);
}

/* More under way than is remembered: what is forgotten can be neither proved nor refuted. */
static void test_forgotten_cells(void)
{
	struct ends *e = begin();

	for (uint64_t i = 0; i <= SPATH_SENT_MAX; i++)
		send(e, i);
	arrive(e, 0);
	CHECK_INT(acknowledge(e), 0);
	CHECK_INT(e->client.proofs_ok + e->client.proofs_failed, 0);
	CHECK_INT(e->client.acked_total, 1);
	arrive(e, SPATH_SENT_MAX);
	CHECK_INT(acknowledge(e), 0);
	CHECK_INT(e->client.proofs_ok, 1);
}

int main(void)
{
	RUN(test_keys_mirror_and_differ);
	RUN(test_attached_mac_covers_all_paths);
	RUN(test_acknowledged_in_time);
	RUN(test_ranges);
	RUN(test_random_arrivals_are_proved);
	RUN(test_early_acknowledgements);
	RUN(test_far_apart_and_very_many);
	RUN(test_wrong_digest_is_noticed);
	RUN(test_digest_needs_the_very_cells);
	RUN(test_lost_and_repeated_acknowledgements);
	RUN(test_made_up_ranges);
	RUN(test_round_trip_time);
	RUN(test_forgotten_cells);
	return test_done();
}
