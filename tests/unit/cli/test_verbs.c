/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The table of verbs as a whole: what sets something can be shown, what locks can be ended. */
#include "cli/cli.h"

#include "tests/lib/test.h"
#include "util/bytes.h"

/* These only look, or write what they are asked for to their output or into a file. */
static const char *const without_effect[] = {
    "status",          "route show",      "profile list",  "profile show",
    "network show",    "exit list",       "mesh status",   "node list",
    "node status",     "node seed",       "registry list", "registry log",
    "registry verify", "registry export", "config check",  "config sample",
    "completion",      "version",         "help",          "complete",
    "invite create",   "netcheck",        "node check",    "mesh equivocations",
    "route explain",   "notify",
};

/* These change files of this machine, not what a daemon does; what they made is shown by: */
static const struct {
	const char *verb, *shown_by;
} of_files[] = {
    {"node init", "node status"},
    {"registry init", "registry list"},
    {"registry add", "registry list"},
    {"registry remove", "registry list"},
    {"registry rotate", "registry list"},
    {"registry renew", "registry list"},
    {"registry import", "registry list"},
    {"registry change", "registry list"},
    {"join", "config check"},
};

/* These run as long as something is in force, and end it with them. */
static const char *const while_running[] = {"proxy", "exclude", "run"};

/* What can lock traffic in, or open a hole in the lock. */
static const char *const locks[] = {"connect",     "killswitch",   "portal",
				    "profile use", "profile bind", "only"};

static bool is_in(const char *const *list, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(list[i], name) == 0)
			return true;
	return false;
}

/* A command line names a verb that there is, with no more operands than it takes. */
static const struct verb *resolve(const char *command)
{
	char text[128], *words[8], *save;
	int count = 0, used;
	const struct verb *v;

	snprintf(text, sizeof(text), "%s", command);
	for (char *w = strtok_r(text, " ", &save); w != NULL && count < 8;
	     w = strtok_r(NULL, " ", &save))
		words[count++] = w;
	v = cli_find_verb(words, count, &used);
	return v != NULL && count - used <= v->operands_max ? v : NULL;
}

static const char *shown_by(const struct verb *v)
{
	for (size_t i = 0; i < ARRAY_LEN(of_files); i++)
		if (strcmp(of_files[i].verb, v->name) == 0)
			return of_files[i].shown_by;
	return v->shown_by;
}

/* Every verb is of one kind: a new one that sets something must say what shows it. */
static void test_sets_are_shown(void)
{
	for (size_t i = 0; i < cli_verb_count; i++) {
		const struct verb *v = &cli_verbs[i], *shown;
		const bool looks = is_in(without_effect, ARRAY_LEN(without_effect), v->name);
		const char *by = shown_by(v);

		if (is_in(while_running, ARRAY_LEN(while_running), v->name))
			continue;
		if (looks != (by == NULL))
			printf("# %s: %s\n", v->name,
			       looks ? "sets nothing, but is shown by something"
				     : "what shows what it sets?");
		CHECK(looks == (by == NULL));
		if (by == NULL)
			continue;
		shown = resolve(by);
		if (shown == NULL)
			printf("# %s: \"%s\" is no command\n", v->name, by);
		CHECK(shown != NULL);
	}
}

/* What shows it does so for programs too. */
static void test_shown_as_json(void)
{
	for (size_t i = 0; i < cli_verb_count; i++) {
		const struct verb *shown =
		    cli_verbs[i].shown_by != NULL ? resolve(cli_verbs[i].shown_by) : NULL;
		bool has_json = false;

		if (shown == NULL)
			continue;
		for (const struct option_spec *o = shown->options; o != NULL && o->name; o++)
			has_json |= strcmp(o->name, "json") == 0;
		if (!has_json)
			printf("# %s has no --json\n", shown->name);
		CHECK(has_json);
	}
}

static void test_locks_are_undone(void)
{
	for (size_t i = 0; i < cli_verb_count; i++)
		if (cli_verbs[i].undone_by != NULL) {
			const struct verb *undo = resolve(cli_verbs[i].undone_by);

			if (undo == NULL)
				printf("# %s: \"%s\" is no command\n", cli_verbs[i].name,
				       cli_verbs[i].undone_by);
			CHECK(undo != NULL);
		}
	for (size_t i = 0; i < ARRAY_LEN(locks); i++) {
		const struct verb *v = resolve(locks[i]);

		NEED(v != NULL);
		CHECK(strcmp(v->name, locks[i]) == 0 && v->undone_by != NULL);
	}
	CHECK(resolve("killswitch") != NULL && resolve("unlock") != NULL);
}

/* And nothing in these lists is about a verb that is not there any more. */
static void test_lists(void)
{
	for (size_t i = 0; i < ARRAY_LEN(without_effect); i++)
		CHECK(resolve(without_effect[i]) != NULL);
	for (size_t i = 0; i < ARRAY_LEN(of_files); i++)
		CHECK(resolve(of_files[i].verb) != NULL && resolve(of_files[i].shown_by) != NULL);
	CHECK(resolve("frob") == NULL && resolve("connect now") == NULL);
}

int main(void)
{
	RUN(test_sets_are_shown);
	RUN(test_shown_as_json);
	RUN(test_locks_are_undone);
	RUN(test_lists);
	return test_done();
}
