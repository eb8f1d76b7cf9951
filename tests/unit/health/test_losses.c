/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "health/losses.h"

#include "tests/lib/test.h"
#include "tests/unit/health/clock.h"

enum {
	HOPS = 4,
};

/* A route whose links lose so many of a thousand cells, away from us and back. */
struct route {
	unsigned out[HOPS], in[HOPS];
	struct hop_count count[HOPS];
};

static void pass_cells(struct route *r, uint64_t n)
{
	uint64_t cells = n;

	for (unsigned i = 0; i < HOPS; i++) {
		r->count[i].sent += n;
		cells -= cells * r->out[i] / 1000;
		r->count[i].seen += cells;
	}
	for (unsigned i = HOPS; i-- > 0;) { /* back from the last one, through all */
		r->count[i].returned += cells;
		cells -= cells * r->in[i] / 1000;
	}
	for (unsigned i = 0; i < HOPS; i++)
		r->count[i].received += cells;
}

static void ask(struct losses *l, const struct route *r, unsigned silent, struct now *now)
{
	const uint64_t asked_ns = now->mono_ns;

	for (unsigned hop = 1; hop <= HOPS; hop++) {
		clock_pass(now, 20 * NS_PER_MS);
		if (hop != silent)
			losses_told(l, hop, asked_ns, &r->count[hop - 1], now);
	}
}

static bool is_near(uint32_t ppm, unsigned per_1000)
{
	return ppm + 3000 > per_1000 * 1000 && ppm < per_1000 * 1000 + 3000;
}

static void test_each_link_has_its_own(void)
{
	struct now now = clock_start();
	struct route r = {.out = {0, 100, 0, 20}, .in = {50, 0, 0, 300}};
	struct losses l = {0};

	ask(&l, &r, 0, &now);
	CHECK_INT(losses_of(&l, 2, &now).of, 0); /* nothing to compare with */
	for (unsigned i = 0; i < 20; i++) {
		pass_cells(&r, 1000);
		ask(&l, &r, 0, &now);
	}
	for (unsigned hop = 1; hop <= HOPS; hop++) {
		const struct link_loss loss = losses_of(&l, hop, &now);

		CHECK(loss.of > 1000);
		CHECK(is_near(loss.out_ppm, r.out[hop - 1]));
		CHECK(is_near(loss.in_ppm, r.in[hop - 1]));
		CHECK(!losses_is_cut_off(&l, hop, &now));
	}
}

/* Rounds that one of them did not answer are made up for by the next, and blame nobody else. */
static void test_lost_answers(void)
{
	struct now now = clock_start();
	struct route r = {.out = {0, 100, 0, 0}};
	struct losses l = {0};

	ask(&l, &r, 0, &now);
	for (unsigned i = 0; i < 40; i++) {
		pass_cells(&r, 1000);
		ask(&l, &r, i % 3 == 0 ? 2 : i % 3 == 1 ? 3 : 0, &now);
		CHECK_INT(losses_of(&l, 1, &now).out_ppm, 0);
		CHECK(losses_of(&l, 3, &now).out_ppm < 1000);
		CHECK(losses_of(&l, 4, &now).out_ppm < 1000);
	}
	CHECK(is_near(losses_of(&l, 2, &now).out_ppm, 100));
	for (unsigned i = 0; i < 20; i++) {
		pass_cells(&r, 1000);
		ask(&l, &r, 4, &now);
	}
	CHECK(losses_is_cut_off(&l, 4, &now));
	CHECK(!losses_is_cut_off(&l, 3, &now));
	CHECK(!losses_is_cut_off(&l, 1, &now));
}

/* What a hop tells cannot make it better than one that lost everything. */
static void test_hostile(void)
{
	static const struct hop_count good = {1000, 1000, 1000, 1000},
				      lies[] = {
					  {1100, 10, 1100, 1100}, /* has seen less than before */
					  {1100, UINT64_MAX, 1100, 1100}, /* more than was sent */
					  {1100, 1300, 1100, 1100},       /* the same, modestly */
					  {1100, 1100, UINT64_MAX,
					   1100},                 /* returned what never came */
					  {1100, 1100, 10, 1100}, /* returned less than came */
				      };

	for (size_t i = 0; i < ARRAY_LEN(lies); i++) {
		struct now now = clock_start();
		struct losses l = {0};

		losses_told(&l, 1, 1, &good, &now);
		losses_told(&l, 1, 2, &good, &now);
		CHECK_INT(losses_of(&l, 1, &now).out_ppm + losses_of(&l, 1, &now).in_ppm, 0);
		losses_told(&l, 1, 3, &lies[i], &now);
		CHECK_INT(losses_of(&l, 1, &now).out_ppm, PPM);
		CHECK_INT(losses_of(&l, 1, &now).in_ppm, PPM);
		losses_told(&l, 0, 3, &good, &now);
		losses_told(&l, HOPS_MAX + 1, 3, &good, &now);
		losses_told(&l, UINT32_MAX, 3, &good, &now);
	}
}

/* Who blames the hop behind has to take the loss itself, at one time or the other. */
static void test_liar_in_front(void)
{
	struct now now = clock_start();
	struct route r = {.out = {0}};
	struct losses l = {0};

	ask(&l, &r, 0, &now);
	for (unsigned i = 0; i < 20; i++) {
		pass_cells(&r, 1000);
		r.count[1].seen -= 500; /* hop 2 claims that half of it never came */
		ask(&l, &r, 0, &now);
	}
	CHECK(losses_of(&l, 2, &now).out_ppm > PPM / 3);
	CHECK_INT(losses_of(&l, 3, &now).out_ppm, 0);
}

/* A few cells overtake a question, or an answer; and an answer that comes late says nothing. */
static void test_out_of_step(void)
{
	struct now now = clock_start();
	struct hop_count c = {1000, 1000, 1000, 1000};
	struct losses l = {0};

	for (unsigned i = 0; i < 100; i++) {
		losses_told(&l, 1, 10 + i, &c, &now);
		c.sent += 100, c.returned += 100;
		c.seen += i % 2 ? 90 : 110;
		c.received += i % 2 ? 110 : 90;
	}
	CHECK(losses_of(&l, 1, &now).out_ppm < 60000);
	c.seen = c.returned = 0;
	losses_told(&l, 1, 50, &c, &now);
	CHECK(losses_of(&l, 1, &now).out_ppm < 60000);
}

int main(void)
{
	RUN(test_each_link_has_its_own);
	RUN(test_lost_answers);
	RUN(test_hostile);
	RUN(test_liar_in_front);
	RUN(test_out_of_step);
	return test_done();
}
