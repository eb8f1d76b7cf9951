/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mesh/seed.h"

#include <errno.h>

#include "tests/lib/test.h"

/* 64 bytes 0, 1, 2, ... 63 */
#define KEYS \
	"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0-Pw"

static void test_known(void)
{
	char text[SEED_TEXT_MAX];
	struct seed s;

	NEED(seed_parse(&s, KEYS "@192.0.2.7:4600", NULL) == 0);
	for (unsigned i = 0; i < 32; i++) {
		CHECK_INT(s.id[i], i);
		CHECK_INT(s.link_public[i], 32 + i);
	}
	CHECK_INT(s.addr.port, 4600);
	CHECK(strcmp(seed_format(&s, text), KEYS "@192.0.2.7:4600") == 0);
	NEED(seed_parse(&s, KEYS "@[2001:db8::7]:65535", NULL) == 0);
	CHECK(strcmp(seed_format(&s, text), KEYS "@[2001:db8::7]:65535") == 0);
}

static void test_round_trips(void)
{
	struct rng rng = rng_seeded(11);
	char text[SEED_TEXT_MAX];

	for (unsigned i = 0; i < 1000; i++) {
		struct seed s, back;

		rng_fill(&rng, &s, sizeof(s));
		s.addr.port |= 1;
		NEED(seed_parse(&back, seed_format(&s, text), NULL) == 0);
		CHECK_MEM(back.id, s.id, sizeof(s.id));
		CHECK_MEM(back.link_public, s.link_public, sizeof(s.link_public));
		CHECK(endpoint_equal(&back.addr, &s.addr));
	}
	rng_seeded_free(&rng);
}

static void refused(const char *text, const char *expected)
{
	struct seed s, before;
	const char *why = "";

	memset(&s, 0x77, sizeof(s));
	before = s;
	CHECK(seed_parse(&s, text, &why) < 0);
	CHECK_MEM(&s, &before, sizeof(s));
	if (strstr(why, expected) == NULL) {
		printf("# '%s': '%s' lacks '%s'\n", text, why, expected);
		test_current_failed = 1;
	}
}

static void test_refused(void)
{
	char text[] = KEYS "@192.0.2.7:4600";

	refused("", "no @");
	refused(KEYS, "no @");
	refused("@192.0.2.7:4600", "86");
	refused("A" KEYS "@192.0.2.7:4600", "86");
	refused(KEYS "=@192.0.2.7:4600", "86");
	refused(KEYS "@", "address");
	refused(KEYS "@192.0.2.7", "address");
	refused(KEYS "@192.0.2.7:0", "address");
	refused(KEYS "@192.0.2.7:70000", "address");
	refused(KEYS "@2001:db8::7:4600", "address");
	refused(KEYS "@example.org:4600", "address");
	refused(KEYS "@192.0.2.7:4600 ", "address");
	refused(KEYS "@192.0.2.7:4600@", "address");
	for (size_t i = 0; i < 86; i++) { /* every character of the keys, not of the alphabet */
		const char was = text[i];

		text[i] = '+';
		refused(text, "base64url");
		text[i] = ' ';
		refused(text, "base64url");
		text[i] = was;
	}
	text[85] = 'x'; /* bits beyond the 64 bytes: another text for the same keys */
	refused(text, "base64url");
	for (size_t n = 0; n < 86; n++) { /* one character less */
		char shorter[sizeof(text)];

		memcpy(shorter, text, n);
		strcpy(shorter + n, text + n + 1);
		refused(shorter, "86");
	}
}

static void test_list(void)
{
	char text[] = "# ours\n\n  " KEYS "@192.0.2.7:1\t# first\r\n" KEYS "@192.0.2.7:2\n" KEYS
		      "@192.0.2.7:3";
	char again[sizeof(text)], error[SEED_ERROR_MAX];
	struct seed s[3];

	memcpy(again, text, sizeof(text));
	CHECK_INT(seed_list_parse(text, s, 3, error), 3);
	CHECK_INT(s[0].addr.port, 1);
	CHECK_INT(s[1].addr.port, 2);
	CHECK_INT(s[2].addr.port, 3);
	CHECK_INT(seed_list_parse(again, s, 2, error), 2); /* no more than there is room for */
}

static void refused_list(const char *list, const char *expected)
{
	char text[512], error[SEED_ERROR_MAX] = "";
	struct seed s[3];

	snprintf(text, sizeof(text), "%s", list);
	CHECK_INT(seed_list_parse(text, s, 3, error), -EINVAL);
	if (strstr(error, expected) == NULL) {
		printf("# '%s': '%s' lacks '%s'\n", list, error, expected);
		test_current_failed = 1;
	}
}

static void test_refused_list(void)
{
	char text[] = "";
	char error[SEED_ERROR_MAX];
	struct seed s;

	CHECK_INT(seed_list_parse(text, &s, 1, error), 0);
	refused_list(KEYS "@192.0.2.7:1\n\nx\n", "line 3: no @");
	refused_list(KEYS "@192.0.2.7:1 " KEYS "@192.0.2.7:2\n", "line 1: more than one word");
	refused_list("\n" KEYS "@192.0.2.7:0\n", "line 2: what follows the @");
}

int main(void)
{
	RUN(test_known);
	RUN(test_round_trips);
	RUN(test_refused);
	RUN(test_list);
	RUN(test_refused_list);
	return test_done();
}
