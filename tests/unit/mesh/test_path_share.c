/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mesh/path_share.h"

#include "tests/lib/test.h"

enum {
	ENTRY = ROLE_ENTRY | ROLE_RELAY,
	EXIT = ROLE_RELAY | ROLE_EXIT,
	HOPS = 3,
};

static void test_all_alike(void)
{
	const uint64_t capacity[ROLE_ALL + 1] = {[ROLE_ALL] = 1000};
	const struct path_shares s = path_shares(capacity, HOPS);

	for (unsigned role = 0; role < PATH_ROLE_COUNT; role++)
		CHECK_INT(s.of[role][ROLE_ALL], PATH_SHARE_ALL);
}

/* What each kind carries when draws follow capacity and shares: the same part of its capacity. */
static void check_even(const uint64_t capacity[static ROLE_ALL + 1])
{
	static const unsigned kinds[] = {ENTRY, ROLE_RELAY, EXIT};
	const struct path_shares s = path_shares(capacity, HOPS);
	double all = 0, relays = 0;

	for (unsigned i = 0; i < 3; i++) {
		all += (double)capacity[kinds[i]];
		relays += (double)capacity[kinds[i]] * s.of[PATH_AS_RELAY][kinds[i]];
	}
	for (unsigned i = 0; i < 3; i++) {
		const double own = (double)capacity[kinds[i]],
			     relayed = all / HOPS * own * s.of[PATH_AS_RELAY][kinds[i]] / relays,
			     spent = kinds[i] != ROLE_RELAY ? all / HOPS : 0,
			     use = (spent + relayed) / own;

		printf("# roles %u: %.3f of its capacity\n", kinds[i], use);
		CHECK(use > 0.95 && use < 1.05);
	}
}

static void test_scarce_roles_are_spared(void)
{
	check_even((const uint64_t[ROLE_ALL + 1]){[ENTRY] = 500, [ROLE_RELAY] = 150, [EXIT] = 350});
	check_even((const uint64_t[ROLE_ALL + 1]){[ENTRY] = 400, [ROLE_RELAY] = 200, [EXIT] = 400});
	check_even((const uint64_t[ROLE_ALL + 1]){[ENTRY] = 345, [ROLE_RELAY] = 310, [EXIT] = 345});
}

static void test_too_few_exits(void)
{
	const uint64_t capacity[ROLE_ALL + 1] = {
	    [ENTRY] = 800, [EXIT] = 50, [ROLE_ALL] = 50, [ROLE_RELAY] = 100};
	const struct path_shares s = path_shares(capacity, HOPS);

	CHECK_INT(s.of[PATH_AS_RELAY][ROLE_RELAY], PATH_SHARE_ALL);
	CHECK(s.of[PATH_AS_RELAY][EXIT] <= PATH_SHARE_ALL / 40); /* hardly ever, yet sometimes */
	CHECK(s.of[PATH_AS_RELAY][EXIT] > 0);
	CHECK(s.of[PATH_AS_ENTRY][ROLE_ALL] <= PATH_SHARE_ALL / 40);
	CHECK_INT(s.of[PATH_AS_ENTRY][ENTRY], PATH_SHARE_ALL);
	CHECK_INT(s.of[PATH_AS_EXIT][EXIT], PATH_SHARE_ALL);
}

static void test_odd_meshes(void)
{
	const uint64_t none[ROLE_ALL + 1] = {0}, huge[ROLE_ALL + 1] = {
						     [EXIT] = UINT64_MAX / 4096, [ENTRY] = 1};

	for (unsigned hops = 1; hops <= 5; hops++) {
		const struct path_shares a = path_shares(none, hops), b = path_shares(huge, hops);

		for (unsigned role = 0; role < PATH_ROLE_COUNT; role++)
			for (unsigned roles = 0; roles <= ROLE_ALL; roles++) {
				CHECK(a.of[role][roles] > 0);
				CHECK(a.of[role][roles] <= PATH_SHARE_ALL);
				CHECK(b.of[role][roles] > 0);
				CHECK(b.of[role][roles] <= PATH_SHARE_ALL);
			}
	}
}

int main(void)
{
	RUN(test_all_alike);
	RUN(test_scarce_roles_are_spared);
	RUN(test_too_few_exits);
	RUN(test_odd_meshes);
	return test_done();
}
