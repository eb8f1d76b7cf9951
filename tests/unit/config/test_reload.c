/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a reload exchanges, and what it says must wait for a restart. */
#include "config/config.h"

#include "tests/lib/test.h"

#define NODE "[node]\nname=abc\noperator=o\ncountry=DE\naddress=192.0.2.1:1\n"

static struct config *parse(const char *text)
{
	struct config *cfg = NULL;

	CHECK_INT(config_parse(&cfg, text, strlen(text), "f", stdout), 0);
	return cfg;
}

static void check_restart(const char *was, const char *is, const char *expected)
{
	struct config *a = parse(was), *b = parse(is);
	char got[200];

	NEED(a != NULL && b != NULL);
	config_restart_keys(a, b, got, sizeof(got));
	if (strcmp(got, expected) != 0)
		printf("# %s\n", got);
	CHECK(strcmp(got, expected) == 0);
	config_free(a);
	config_free(b);
}

static void test_restart_keys(void)
{
	check_restart(NODE, NODE, "");
	check_restart(NODE, NODE "bandwidth=5M\n[exit]\npolicy=reject *:80\ndns=192.0.2.9\n", "");
	check_restart(NODE, NODE "listen=[::]:4601\nroles=exit\n", "[node] listen, [node] roles");
	check_restart(NODE, NODE "[exit]\ntun=other0\n", "[exit] tun");
	check_restart(NODE, NODE "workers=2\n", "[node] workers");
	check_restart(NODE, NODE "workers=1\n", ""); /* as it was by default */
	check_restart("[daemon]\nlog_level=debug\n", "", "");
	check_restart("", NODE, "[node]");
	check_restart(NODE, NODE "[profile work]\nhops=2\n", "");
	check_restart(NODE "address=192.0.2.2:1\n", NODE, "[node] address");
}

static void test_text_that_does_not_fit(void)
{
	struct config *a = parse(NODE), *b = parse(NODE "listen=[::]:4601\nroles=exit\n");
	char got[10];

	config_restart_keys(a, b, got, sizeof(got));
	CHECK(strlen(got) < sizeof(got) && strncmp(got, "[node] li", 9) == 0);
	config_free(a);
	config_free(b);
}

static void test_take(void)
{
	struct config *a = parse(NODE "listen=[::]:1\nbandwidth=5M\n[profile old]\n");
	struct config *b = parse(NODE "listen=[::]:2\nbandwidth=7M\n[profile new]\n[exit]\n"
				      "policy=reject *:80\n");

	config_take(a, b, CONFIG_NODE);
	CHECK(a->node.bandwidth_bps == 7000000 && b->node.bandwidth_bps == 5000000);
	CHECK(a->node.listen.port == 1 && b->node.listen.port == 2);
	config_take(a, b, CONFIG_NODE);
	CHECK_INT(a->node.bandwidth_bps, 5000000);

	config_take(a, b, CONFIG_EXIT);
	CHECK_INT(a->exit.policy.count, 3);
	CHECK_INT(a->exit.policy.items[0].port_min, 80);

	config_take(a, b, CONFIG_PROFILE);
	CHECK(config_profile_find(a, "new") != NULL && config_profile_find(a, "old") == NULL);
	CHECK(config_profile_find(b, "old") != NULL);
	config_free(b); /* the old values with it; those taken stay */
	CHECK(strcmp(config_profile_find(a, "new")->exit, "auto") == 0);
	config_free(a);
}

int main(void)
{
	RUN(test_restart_keys);
	RUN(test_text_that_does_not_fit);
	RUN(test_take);
	return test_done();
}
