/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "health/guard.h"

#include "tests/lib/test.h"
#include "tests/unit/health/clock.h"

static const uint8_t *id_of(unsigned n)
{
	static uint8_t id[NODE_ID_LEN];

	put_le32(id, n + 1);
	return id;
}

static struct now after(uint64_t s)
{
	struct now now = clock_start();

	clock_pass(&now, s * NS_PER_S);
	return now;
}

static void test_grows_to_three(void)
{
	struct guard_set set = {0};
	const struct now now = clock_start();

	for (unsigned n = 0; n < GUARDS_WANTED; n++) {
		CHECK(guard_wants_more(&set, false, &now));
		guard_add(&set, id_of(n), &now);
	}
	CHECK(!guard_wants_more(&set, false, &now));
	CHECK(guard_find(&set, id_of(1)) != NULL);
	CHECK(guard_find(&set, id_of(7)) == NULL);
	CHECK(set.is_dirty);
}

/* Failures bring substitutes, but only so many; then patience. */
static void test_failures_are_bounded(void)
{
	struct guard_set set = {0};
	struct now now = clock_start();
	unsigned n = 0;

	while (guard_wants_more(&set, false, &now)) {
		guard_add(&set, id_of(n), &now);
		guard_note(&set, id_of(n), false, &now);
		clock_pass(&now, NS_PER_S);
		n++;
		NEED(n <= GUARDS_MAX);
	}
	CHECK_INT(set.count, GUARDS_MAX);
	CHECK(!guard_wants_more(&set, true, &now));
	clock_pass(&now, GUARD_REPLACE_S * NS_PER_S);
	CHECK(guard_wants_more(&set, true, &now));
	CHECK(!guard_wants_more(&set, false, &now));
	guard_add(&set, id_of(100), &now);
	CHECK_INT(set.count, GUARDS_MAX);
	CHECK(guard_find(&set, id_of(0)) == NULL); /* failed longest */
	CHECK(guard_find(&set, id_of(1)) != NULL);
	guard_note(&set, id_of(1), true, &now);
	CHECK_INT(guard_find(&set, id_of(1))->failing_s, 0);
}

static void test_expiry(void)
{
	struct guard_set set = {0};
	const struct now now = clock_start(), soon = after(GUARD_FAILING_S),
			 later = after(GUARD_FAILING_S + 1), old = after(GUARD_LIFETIME_S + 1);

	guard_add(&set, id_of(0), &now);
	guard_add(&set, id_of(1), &now);
	guard_note(&set, id_of(0), false, &now);
	guard_expire(&set, &soon);
	CHECK_INT(set.count, 2);
	guard_note(&set, id_of(0), false, &soon); /* still: not anew */
	guard_expire(&set, &later);
	CHECK_INT(set.count, 1);
	CHECK(guard_find(&set, id_of(1)) != NULL);
	guard_expire(&set, &old);
	CHECK_INT(set.count, 0);
}

static void test_stored_nonsense(void)
{
	struct guard_set set = {0};
	const struct now now = clock_start();
	struct guard g = {.id = {1}, .added_s = CLOCK_WALL_S};

	CHECK(guard_put(&set, &g, &now));
	CHECK(!guard_put(&set, &g, &now)); /* twice */
	g.id[0] = 2;
	g.added_s = CLOCK_WALL_S + 1; /* from the future */
	CHECK(!guard_put(&set, &g, &now));
	g.added_s = 0;
	CHECK(!guard_put(&set, &g, &now));
	g.added_s = 1;
	g.failing_s = CLOCK_WALL_S + 1;
	CHECK(!guard_put(&set, &g, &now));
	g.failing_s = 0;
	for (unsigned n = 2; n < 2 * GUARDS_MAX; n++) {
		g.id[0] = (uint8_t)n;
		CHECK(guard_put(&set, &g, &now) == (n < GUARDS_MAX + 1));
	}
}

int main(void)
{
	RUN(test_grows_to_three);
	RUN(test_failures_are_bounded);
	RUN(test_expiry);
	RUN(test_stored_nonsense);
	return test_done();
}
