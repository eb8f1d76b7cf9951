/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How an exit's pools, limits and device names are divided among workers. */
#include "app/node_exit.h"

#include "tests/lib/test.h"
#include "util/endpoint.h"

static struct config_exit config(unsigned bits)
{
	struct config_exit x = {.tun = "macroexit0",
				.pool_v4.len_bits = (uint8_t)(96 + bits),
				.pool_v6.len_bits = 64,
				.max_sessions = 100};

	CHECK_INT(endpoint_ip_parse(x.pool_v4.ip, "10.88.0.0"), 0);
	CHECK_INT(endpoint_ip_parse(x.pool_v6.ip, "fd6d:6d00::"), 0);
	return x;
}

static void test_one_worker_has_it_all(void)
{
	const struct config_exit x = config(16);
	const struct exit_params p = node_exit_params(&x, 0, 1);

	CHECK(get_be32(p.pool_v4) == 0x0a580000 && p.pool_v4_bits == 16);
	CHECK(p.has_v6 && memcmp(p.pool_v6, x.pool_v6.ip, 16) == 0);
	CHECK_INT(p.max_sessions, 100);
}

static void test_parts_do_not_overlap(void)
{
	for (unsigned workers = 2; workers <= WORKERS_MAX; workers++) {
		const struct config_exit x = config(16);
		uint32_t end = 0x0a580000;

		for (unsigned i = 0; i < workers; i++) {
			const struct exit_params p = node_exit_params(&x, i, workers);
			const uint32_t first = get_be32(p.pool_v4);

			CHECK_INT(first, end);
			end = first + (1u << (32 - p.pool_v4_bits));
			CHECK_INT(get_be32(p.pool_v6 + 12), first - 0x0a580000);
			CHECK_MEM(p.pool_v6, x.pool_v6.ip, 12);
			CHECK(p.max_sessions * workers >= 100 && p.max_sessions <= 50);
		}
		CHECK(end <= 0x0a590000);
	}
}

static void test_too_small(void)
{
	char error[200] = "";
	struct config_exit x = config(28);

	CHECK_INT(node_exit_check(&x, 1, error, sizeof(error)), 0);
	CHECK_INT(node_exit_check(&x, 2, error, sizeof(error)), 0);
	CHECK(node_exit_check(&x, 3, error, sizeof(error)) < 0);
	CHECK(strstr(error, "pool_v4") != NULL && strstr(error, "/27") != NULL);
	x = config(26);
	CHECK_INT(node_exit_check(&x, 8, error, sizeof(error)), 0);
}

static void expect_name(const char *name, unsigned worker, const char *expected)
{
	struct config_exit x = {0};
	char got[IFNAMSIZ];

	snprintf(x.tun, sizeof(x.tun), "%s", name);
	node_exit_tun_name(got, &x, worker);
	if (strcmp(got, expected) != 0)
		printf("# %s, worker %u: %s\n", name, worker, got);
	CHECK(strcmp(got, expected) == 0);
}

static void test_names(void)
{
	expect_name("macroexit0", 0, "macroexit0");
	expect_name("macroexit0", 1, "macroexit1");
	expect_name("exit", 0, "exit");
	expect_name("exit", 2, "exit2");
	expect_name("x9", 7, "x16");
	expect_name("fifteenletters0", 0, "fifteenletters0");
	expect_name("fifteenletters0", 3, "fifteenletters3");
	expect_name("fifteen-letters", 3, "fifteen-letter3");
}

int main(void)
{
	RUN(test_one_worker_has_it_all);
	RUN(test_parts_do_not_overlap);
	RUN(test_too_small);
	RUN(test_names);
	return test_done();
}
