/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "node/load.h"

#include "mesh/descriptor.h"
#include "tests/lib/test.h"

#define CAPACITY_BPS 100000000ull

static struct now at(uint64_t s)
{
	return (struct now){.mono_ns = s * NS_PER_S};
}

/* At percent of the capacity, from one second to another. */
static void run(struct load *l, uint64_t from_s, uint64_t to_s, unsigned percent)
{
	for (uint64_t s = from_s + 5; s <= to_s; s += 5) {
		const struct now now = at(s);

		load_note(l, l->bytes + 5 * CAPACITY_BPS / 8 * percent / 100, &now);
	}
}

static struct load begun(uint64_t s)
{
	const struct now now = at(s);
	struct load l = {0};

	load_note(&l, 5000, &now);
	return l;
}

static uint8_t told(const struct load *l, uint8_t before)
{
	return load_percent(l, CAPACITY_BPS, before);
}

static void test_nothing_to_tell_at_first(void)
{
	struct load l = {0};

	CHECK_INT(told(&l, LOAD_UNKNOWN), LOAD_UNKNOWN);
	l = begun(1000);
	CHECK_INT(told(&l, LOAD_UNKNOWN), LOAD_UNKNOWN);
	run(&l, 1000, 1015, 70);
	CHECK_INT(told(&l, LOAD_UNKNOWN), LOAD_UNKNOWN);
	run(&l, 1015, 1020, 70);
	CHECK_INT(told(&l, LOAD_UNKNOWN), 70);
	CHECK_INT(load_percent(&l, 0, LOAD_UNKNOWN), LOAD_UNKNOWN);
}

static void test_smoothed_over_minutes(void)
{
	struct load l = begun(0);

	run(&l, 0, 600, 20);
	CHECK_INT(told(&l, LOAD_UNKNOWN), 20);
	run(&l, 600, 605, 100); /* a burst */
	CHECK_INT(told(&l, 20), 25);
	run(&l, 605, 660, 100); /* no burst any more */
	CHECK(told(&l, 20) >= 60 && told(&l, 20) <= 75);
	run(&l, 660, 1500, 100);
	CHECK_INT(told(&l, 20), 100);
	run(&l, 1500, 2400, 0);
	CHECK_INT(told(&l, 100), 0);
}

static void test_in_steps_that_do_not_flap(void)
{
	struct load l = begun(0);

	run(&l, 0, 600, 52);
	CHECK_INT(told(&l, LOAD_UNKNOWN), 50);
	run(&l, 600, 1200, 54);
	CHECK_INT(told(&l, 50), 50);
	CHECK_INT(told(&l, LOAD_UNKNOWN), 55);
	run(&l, 1200, 2400, 46);
	CHECK_INT(told(&l, 50), 50);
	run(&l, 2400, 4800, 44);
	CHECK_INT(told(&l, 50), 45);
}

/* More than it says it has, and counters or clocks that jump. */
static void test_odd_figures(void)
{
	struct load l = begun(0);
	struct now now = at(700);

	run(&l, 0, 600, 300);
	CHECK_INT(told(&l, LOAD_UNKNOWN), 100);
	load_note(&l, 0, &now); /* its workers began anew */
	CHECK_INT(told(&l, 100), LOAD_UNKNOWN);
	run(&l, 700, 800, 30);
	CHECK_INT(told(&l, LOAD_UNKNOWN), 30);
	now = at(100);
	load_note(&l, UINT64_MAX, &now);
	CHECK_INT(told(&l, 30), 30);
	now = at(800);
	load_note(&l, UINT64_MAX, &now);
	CHECK_INT(told(&l, 30), 30);
}

int main(void)
{
	RUN(test_nothing_to_tell_at_first);
	RUN(test_smoothed_over_minutes);
	RUN(test_in_steps_that_do_not_flap);
	RUN(test_odd_figures);
	return test_done();
}
