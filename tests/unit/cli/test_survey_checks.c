/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Verdicts from what nodes said. */
#include "cli/survey_checks.h"

#include "tests/lib/test.h"

static struct survey_app_report report;

/* Node i of a family sees us at text, its clock ahead by offset_ms. */
static void said(struct survey_app_family *f, const char *text, int64_t offset_ms)
{
	struct survey_app_node *n = &f->nodes[f->count++];

	f->has_route = true;
	n->said = (struct survey_result){.is_small_answered = true,
					 .is_up = true,
					 .is_seen = true,
					 .rtt_ns = NS_PER_MS,
					 .offset_ms = offset_ms};
	CHECK(endpoint_parse(&n->said.seen, text) == 0);
}

static void local(struct survey_app_family *f, const char *text)
{
	f->has_local = endpoint_parse(&f->local, text) == 0;
}

static const struct verdict_line *line(const struct verdicts *v, const char *check)
{
	static const struct verdict_line none = {.verdict = VERDICT_OK, .check = ""};

	for (unsigned i = 0; i < v->count; i++)
		if (strcmp(v->lines[i].check, check) == 0)
			return &v->lines[i];
	return &none;
}

static struct verdicts check(void)
{
	struct verdicts v = {0};

	check_network(&v, &report);
	return v;
}

static void test_nat(void)
{
	report = (struct survey_app_report){.known = 2};
	local(&report.v4, "192.168.7.2:1");
	CHECK_INT(nat_kind(&report.v4), NAT_UNKNOWN);
	said(&report.v4, "192.0.2.1:1000", 0);
	CHECK_INT(nat_kind(&report.v4), NAT_UNKNOWN); /* one node alone cannot tell */
	said(&report.v4, "192.0.2.1:1000", 0);
	CHECK_INT(nat_kind(&report.v4), NAT_EASY);
	said(&report.v4, "192.0.2.1:1001", 0);
	CHECK_INT(nat_kind(&report.v4), NAT_HARD);
	local(&report.v4, "192.0.2.1:1");
	CHECK_INT(nat_kind(&report.v4), NAT_NONE);
}

static void test_clock(void)
{
	struct verdicts v;

	report = (struct survey_app_report){.known = 3};
	said(&report.v4, "192.0.2.1:1", 40);
	said(&report.v4, "192.0.2.1:1", 86400 * 1000); /* one that is wrong itself */
	said(&report.v6, "[2001:db8::1]:1", -60);
	v = check();
	CHECK_INT(line(&v, "Clock")->verdict, VERDICT_OK);
	for (unsigned i = 0; i < 2; i++)
		report.v4.nodes[i].said.offset_ms = 30 * 1000;
	v = check();
	CHECK_INT(line(&v, "Clock")->verdict, VERDICT_WARN);
	for (unsigned i = 0; i < 2; i++)
		report.v4.nodes[i].said.offset_ms = -3600 * 1000;
	v = check();
	CHECK_INT(line(&v, "Clock")->verdict, VERDICT_FAIL);
	CHECK(strncmp(line(&v, "Clock")->text, "3600 s ahead of", 15) == 0);
	CHECK(strstr(line(&v, "Clock")->advice, "timedatectl") != NULL);
}

static void test_no_answer(void)
{
	struct verdicts v;

	report = (struct survey_app_report){0};
	report.v4.count = 2;
	report.v4.has_route = true;
	v = check();
	CHECK_INT(line(&v, "UDP")->verdict, VERDICT_FAIL);
	CHECK_INT(line(&v, "IPv4")->verdict, VERDICT_WARN);
	CHECK_INT(line(&v, "IPv6")->verdict, VERDICT_NOTE);
	CHECK(line(&v, "MTU")->check[0] == '\0'); /* nothing can be said */
	report.v4.nodes[1].said.is_small_answered = true;
	v = check();
	CHECK_INT(line(&v, "UDP")->verdict, VERDICT_OK);
	CHECK_INT(line(&v, "MTU")->verdict, VERDICT_FAIL);
	CHECK_INT(verdict_worst(&v), VERDICT_FAIL);
}

static void test_called(void)
{
	struct verdicts v = {0};

	report = (struct survey_app_report){.known = 2};
	check_called(&v, &report, 4600);
	CHECK_INT(line(&v, "Port")->verdict, VERDICT_WARN); /* nobody could be asked */
	local(&report.v4, "192.0.2.1:1");
	said(&report.v4, "192.0.2.1:1000", 0);
	report.v4.nodes[0].said.is_dialed = true;
	report.v4.nodes[0].said.dial = REACH_NO_ANSWER;
	v.count = 0;
	check_called(&v, &report, 4600);
	CHECK_INT(line(&v, "Port, IPv4")->verdict, VERDICT_FAIL);
	CHECK(strstr(line(&v, "Port, IPv4")->advice, "this machine's firewall") != NULL);
	local(&report.v4, "192.168.7.2:1");
	v.count = 0;
	check_called(&v, &report, 4600);
	CHECK(strstr(line(&v, "Port, IPv4")->advice, "port_mapping = yes") != NULL);
	said(&report.v4, "192.0.2.1:1000", 0);
	report.v4.nodes[1].said.is_dialed = true;
	report.v4.nodes[1].said.dial = REACH_OK;
	v.count = 0;
	check_called(&v, &report, 4600);
	CHECK_INT(line(&v, "Port, IPv4")->verdict,
		  VERDICT_OK); /* one lost packet convicts nobody */
}

int main(void)
{
	RUN(test_nat);
	RUN(test_clock);
	RUN(test_no_answer);
	RUN(test_called);
	return test_done();
}
