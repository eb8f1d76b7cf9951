/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "app/profile_choice.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/lib/test.h"
#include "util/xalloc.h"

#define HOME   "02:00:5e:00:53:01@192.168.1.0/24"
#define OFFICE "02:00:5e:00:53:02@10.0.0.0/8"
#define CAFE   "02:00:5e:00:53:03@10.0.0.0/8"
#define HEADER "macromesh-profiles 1\n"

static struct config *make_config(void)
{
	static const char text[] =
	    "[client]\nprofile=default\n[mesh]\nregistrar="
	    "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a\n"
	    "[profile travel]\n[profile home]\nnetworks=" HOME "\n"
	    "[profile work]\n";
	struct config *cfg = NULL;

	CHECK_INT(config_parse(&cfg, text, strlen(text), "f", stdout), 0);
	return cfg;
}

static struct netid net(const char *text)
{
	struct netid id = {.len_bits = 0};

	CHECK_INT(netid_parse(&id, text), 0);
	return id;
}

static void check_pick(const struct profile_choice *c, const struct config *cfg,
		       const char *network, const char *profile, enum profile_reason reason)
{
	const struct netid id = network != NULL ? net(network) : (struct netid){.len_bits = 0};
	enum profile_reason why;
	const struct config_profile *p =
	    profile_choice_pick(c, cfg, network != NULL ? &id : NULL, &why);

	CHECK(p != NULL && strcmp(p->name, profile) == 0);
	CHECK_INT(why, reason);
}

static void test_pick(void)
{
	struct config *cfg = make_config();
	struct profile_choice c = {.bound_count = 0};
	struct netid home = net(HOME), office = net(OFFICE);

	NEED(cfg != NULL);
	check_pick(&c, cfg, NULL, "default", PROFILE_BY_DEFAULT);
	check_pick(&c, cfg, HOME, "home", PROFILE_BY_NETWORK);
	check_pick(&c, cfg, CAFE, "default", PROFILE_BY_DEFAULT);
	CHECK_INT(profile_choice_bind(&c, &office, "work"), 0);
	check_pick(&c, cfg, OFFICE, "work", PROFILE_BY_NETWORK);
	check_pick(&c, cfg, CAFE, "default", PROFILE_BY_DEFAULT); /* the same subnet */
	/* A command goes before the file, and each network has one profile. */
	CHECK_INT(profile_choice_bind(&c, &home, "travel"), 0);
	check_pick(&c, cfg, HOME, "travel", PROFILE_BY_NETWORK);
	CHECK_INT(profile_choice_bind(&c, &home, "work"), 0);
	check_pick(&c, cfg, HOME, "work", PROFILE_BY_NETWORK);
	CHECK_INT(c.bound_count, 2);
	CHECK_INT(profile_choice_unbind(&c, &home), 0);
	check_pick(&c, cfg, HOME, "home", PROFILE_BY_NETWORK);
	CHECK_INT(profile_choice_unbind(&c, &home), -ENOENT);
	/* By hand before all else; one that is not there any more is no choice. */
	snprintf(c.by_hand, sizeof(c.by_hand), "travel");
	check_pick(&c, cfg, OFFICE, "travel", PROFILE_BY_HAND);
	check_pick(&c, cfg, NULL, "travel", PROFILE_BY_HAND);
	snprintf(c.by_hand, sizeof(c.by_hand), "gone");
	check_pick(&c, cfg, OFFICE, "work", PROFILE_BY_NETWORK);
	CHECK_INT(profile_choice_bind(&c, &office, "gone"), 0);
	check_pick(&c, cfg, OFFICE, "default", PROFILE_BY_DEFAULT);
	config_free(cfg);
}

static void test_too_many(void)
{
	struct profile_choice c = {.bound_count = 0};
	struct netid id = net(HOME);

	for (unsigned i = 0; i < PROFILE_BOUND_MAX; i++) {
		id.mac[5] = (uint8_t)i;
		CHECK_INT(profile_choice_bind(&c, &id, "work"), 0);
	}
	CHECK_INT(profile_choice_bind(&c, &id, "home"), 0); /* is there already */
	id.mac[4]++;
	CHECK_INT(profile_choice_bind(&c, &id, "work"), -ENOSPC);
	CHECK_INT(profile_choice_unbind(&c, &id), -ENOENT);
	CHECK_INT(c.bound_count, PROFILE_BOUND_MAX);
}

static void test_round_trip(void)
{
	static const char *const good[] = {
	    HEADER,
	    HEADER "use travel\n",
	    HEADER "bind " HOME " home\n",
	    HEADER "use a.b-c_d\nbind " HOME " home\nbind " OFFICE " work\n",
	};
	struct profile_choice c;

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		char *text;

		CHECK_INT(profile_choice_parse(&c, good[i], strlen(good[i])), 0);
		text = profile_choice_format(&c);
		CHECK(strcmp(text, good[i]) == 0);
		free(text);
	}
}

static void test_spoilt(void)
{
	static const struct {
		const char *text;
		unsigned line;
	} bad[] = {
	    {"", 1},
	    {"macromesh-profiles 2\n", 1},
	    {"macromesh-profiles 1", 1},
	    {HEADER "\n", 2},
	    {HEADER "use travel", 2},
	    {HEADER "use\n", 2},
	    {HEADER "use a b\n", 2},
	    {HEADER "use a/b\n", 2},
	    {HEADER "use a\nuse b\n", 3},
	    {HEADER "use 123456789012345678901234567890123\n", 2},
	    {HEADER "bind " HOME "\n", 2},
	    {HEADER "bind home work\n", 2},
	    {HEADER "bind " HOME " a\nbind " HOME " b\n", 3},
	    {HEADER "bind " HOME " a b\n", 2},
	    {HEADER "unbind " HOME " a\n", 2},
	};
	struct profile_choice c = {.by_hand = "kept"};

	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		CHECK_INT(profile_choice_parse(&c, bad[i].text, strlen(bad[i].text)), bad[i].line);
	CHECK_INT(profile_choice_parse(&c, HEADER "use a\0b\n", sizeof(HEADER "use a\0b\n") - 1),
		  2);
	CHECK(strcmp(c.by_hand, "kept") == 0);
}

static void write_file(const char *dir, const char *text)
{
	char *path = xasprintf("%s/profiles", dir);
	FILE *f = fopen(path, "we");

	CHECK(f != NULL && fputs(text, f) >= 0 && fclose(f) == 0);
	free(path);
}

static void test_file(void)
{
	char dir[] = "/tmp/macro-profiles-XXXXXX", *path;
	struct profile_choice c = {.by_hand = "travel"}, again;
	struct netid home = net(HOME);
	struct host_error err;

	NEED(mkdtemp(dir) != NULL);
	CHECK_INT(profile_choice_load(&again, dir, &err), 0);
	CHECK(again.by_hand[0] == '\0' && again.bound_count == 0);
	CHECK_INT(profile_choice_bind(&c, &home, "work"), 0);
	CHECK_INT(profile_choice_store(&c, dir, &err), 0);
	CHECK_INT(profile_choice_load(&again, dir, &err), 0);
	CHECK(strcmp(again.by_hand, "travel") == 0);
	NEED(again.bound_count == 1);
	CHECK(netid_equal(&again.bound[0].network, &home));
	CHECK(strcmp(again.bound[0].profile, "work") == 0);
	write_file(dir, HEADER "use travel\nrubbish\n");
	CHECK_INT(profile_choice_load(&again, dir, &err), -EINVAL);
	CHECK(again.by_hand[0] == '\0' && again.bound_count == 0);
	CHECK(strstr(err.text, "/profiles:3: not a line that macrod wrote") != NULL);
	path = xasprintf("%s/profiles", dir);
	unlink(path);
	CHECK_INT(mkdir(path, 0700), 0);
	CHECK(profile_choice_load(&again, dir, &err) != 0);
	CHECK(profile_choice_store(&c, dir, &err) != 0);
	rmdir(path);
	free(path);
	CHECK_INT(rmdir(dir), 0);
}

static void test_suggest(void)
{
	static const struct {
		const char *name, *meant;
	} cases[] = {{"travle", "travel"}, {"Travel", "travel"},    {"hom", "home"},
		     {"works", "work"},    {"fault", "default"},    {"x", NULL},
		     {"firefox", NULL},    {"travelling-far", NULL}};
	struct config *cfg = make_config();

	NEED(cfg != NULL);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const char *s = profile_suggest(cfg, cases[i].name);

		CHECK(s == NULL ? cases[i].meant == NULL
				: cases[i].meant != NULL && strcmp(s, cases[i].meant) == 0);
	}
	config_free(cfg);
}

int main(void)
{
	RUN(test_pick);
	RUN(test_too_many);
	RUN(test_round_trip);
	RUN(test_spoilt);
	RUN(test_file);
	RUN(test_suggest);
	return test_done();
}
