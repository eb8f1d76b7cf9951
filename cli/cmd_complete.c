/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Completion.  The shells' scripts are a few lines that ask "macro complete WORD..." for the
 * candidates of the last word, one a line, explained after a tab; so all three know all verbs,
 * options and, from the daemon, the exits that are there.
 */
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "cli/client.h"
#include "cli/show.h"
#include "config/config.h"

static const struct {
	const char *name, *script;
} shells[] = {
    {"bash", "# bash completion for macro\n"
	     "_macro() {\n"
	     "\tlocal IFS=$'\\n'\n"
	     "\tmapfile -t COMPREPLY < <(macro complete \"${COMP_WORDS[@]:1:COMP_CWORD}\" "
	     "2>/dev/null | cut -f1)\n"
	     "}\n"
	     "complete -o default -F _macro macro\n"},
    {"zsh", "#compdef macro\n"
	    "_macro() {\n"
	    "\tlocal line\n"
	    "\tlocal -a names\n"
	    "\twhile IFS= read -r line; do\n"
	    "\t\tnames+=(\"${${line%%$'\\t'*}//:/\\\\:}:${line#*$'\\t'}\")\n"
	    "\tdone < <(macro complete \"${(@)words[2,CURRENT]}\" 2>/dev/null)\n"
	    "\tif (( $#names )); then _describe macro names; else _files; fi\n"
	    "}\n"
	    "if [[ $funcstack[1] == _macro ]]; then _macro; else compdef _macro macro; fi\n"},
    {"fish", "# fish completion for macro\n"
	     "function __macro_complete\n"
	     "\tset -l words (commandline -opc)[2..-1]\n"
	     "\tmacro complete $words (commandline -ct) 2>/dev/null\n"
	     "end\n"
	     "complete -c macro -f -a '(__macro_complete)'\n"
	     "complete -c macro -F -n 'test -z \"$(__macro_complete)\"'\n"},
};

enum code run_completion(struct cli *cli)
{
	for (size_t i = 0; cli->operand_count == 1 && i < sizeof(shells) / sizeof(shells[0]); i++) {
		if (strcmp(cli->operands[0], shells[i].name) != 0)
			continue;
		printf("%s", shells[i].script);
		return CODE_OK;
	}
	return cli_error(CODE_USAGE, "which shell? give bash, zsh or fish");
}

/* A candidate, if it begins with what is there of the word. */
static void offer(const char *word, const char *candidate, const char *help)
{
	if (strncasecmp(candidate, word, strlen(word)) == 0)
		printf("%s\t%s\n", candidate, help);
}

static void offer_options(const struct option_spec *o, const char *word)
{
	char text[64];

	for (; o != NULL && o->name != NULL; o++) {
		snprintf(text, sizeof(text), "--%s", o->name);
		offer(word, text, o->help);
	}
}

static bool is_new_country(bool seen[static 26 * 26], const char *code)
{
	bool *entry;

	if (!isupper((unsigned char)code[0]) || !isupper((unsigned char)code[1]))
		return false;
	entry = &seen[(code[0] - 'A') * 26 + code[1] - 'A'];
	if (*entry)
		return false;
	*entry = true;
	return true;
}

/* The exits that the daemon knows, by country and, if wanted, by name. */
static void offer_exits(const struct cli *cli, const char *word, bool with_names)
{
	json_t *answer = client_try_get(cli, "/v1/exits");
	const json_t *exits = json_object_get(answer, "exits");
	bool seen[26 * 26] = {false};

	for (size_t i = 0; i < json_array_size(exits); i++) {
		const json_t *e = json_array_get(exits, i);

		if (is_new_country(seen, json_text(e, "country")))
			offer(word, json_text(e, "country"), "country");
		if (with_names)
			offer(word, json_text(e, "name"), json_text(e, "country"));
	}
	json_decref(answer);
}

static void offer_profiles(const struct cli *cli, const char *word)
{
	FILE *nowhere = fopen("/dev/null", "we");
	struct config *cfg;

	if (nowhere == NULL)
		return;
	if (config_load(&cfg, cli->config_path, nowhere) == 0) {
		for (size_t i = 0; i < cfg->profile_count; i++)
			offer(word, cfg->profiles[i].name, cfg->profiles[i].exit);
		config_free(cfg);
	}
	fclose(nowhere);
}

static void offer_argument(const struct cli *cli, enum word_kind kind, const char *word)
{
	switch (kind) {
	case WORD_TEXT:
	case WORD_FILE: /* the shell's own business */
	case WORD_VERB:
		break;
	case WORD_EXIT:
		offer(word, "auto", "any exit");
		offer_exits(cli, word, true);
		break;
	case WORD_COUNTRY:
		offer_exits(cli, word, false);
		break;
	case WORD_PROFILE_OR_AUTO:
		offer(word, "auto", "the one of the network");
		offer_profiles(cli, word);
		break;
	case WORD_PROFILE:
		offer_profiles(cli, word);
		break;
	case WORD_HOPS:
		for (const char *n = "12345"; *n != '\0'; n++)
			offer(word, (char[]){*n, '\0'}, "hops");
		break;
	case WORD_KILL_SWITCH:
		offer(word, "get", "show it");
		offer(word, "off", "block nothing");
		offer(word, "on", "block from connecting until disconnecting");
		offer(word, "always", "block also while disconnected, and from boot on");
		offer(word, "profile", "as the profile says");
		break;
	case WORD_SHELL:
		for (size_t i = 0; i < sizeof(shells) / sizeof(shells[0]); i++)
			offer(word, shells[i].name, "shell");
		break;
	}
}

/* Words that can follow those before: the first or the second one of a verb's name. */
static void offer_verbs(char *const *before, int count, const char *word)
{
	const char *last_noun = "";
	char noun[32];

	for (size_t i = 0; i < cli_verb_count; i++) {
		const struct verb *v = &cli_verbs[i];
		const char *space = strchr(v->name, ' ');
		const int len = space != NULL ? (int)(space - v->name) : (int)strlen(v->name);

		snprintf(noun, sizeof(noun), "%.*s", len, v->name);
		if (v->is_hidden)
			continue;
		if (count == 1 && space != NULL && strcmp(before[0], noun) == 0)
			offer(word, space + 1, v->help);
		/* Verbs of one noun stand together in the table. */
		if (count == 0 && strncmp(last_noun, noun, strlen(noun)) != 0)
			offer(word, noun, v->help);
		last_noun = v->name;
	}
}

static const struct option_spec *find_option(const struct option_spec *o, const char *word)
{
	for (; o != NULL && o->name != NULL; o++)
		if ((strncmp(word, "--", 2) == 0 && strcmp(word + 2, o->name) == 0) ||
		    (word[0] == '-' && o->letter != 0 && word[1] == o->letter && word[2] == '\0'))
			return o;
	return NULL;
}

/*
 * Of the words before the one to complete: those that are neither options nor their arguments, as
 * far as the verb's name goes.  Returns how many, and the option whose argument comes next.
 */
static int verb_words(char **words, int count, char **out, const struct option_spec **pending)
{
	int n = 0, used;

	*pending = NULL;
	for (int i = 0; i < count; i++) {
		const struct verb *v = cli_find_verb(out, n, &used);
		const struct option_spec *o = find_option(cli_global_options, words[i]);

		if (o == NULL && v != NULL)
			o = find_option(v->options, words[i]);
		if (*pending != NULL)
			*pending = NULL;
		else if (words[i][0] == '-')
			*pending = o != NULL && o->argument != NULL ? o : NULL;
		else if (n < 2)
			out[n++] = words[i];
	}
	return n;
}

enum code run_complete(struct cli *cli)
{
	const int before = cli->operand_count - 1;
	const struct option_spec *pending;
	const struct verb *v;
	const char *word;
	char *names[2] = {NULL, NULL};
	int count, used;

	if (before < 0)
		return CODE_USAGE;
	word = cli->operands[before];
	count = verb_words(cli->operands, before, names, &pending);
	v = cli_find_verb(names, count, &used);
	if (pending != NULL) {
		offer_argument(cli, pending->kind, word);
		return CODE_OK;
	}
	if (word[0] == '-') {
		offer_options(v != NULL ? v->options : NULL, word);
		offer_options(cli_global_options, word);
		return CODE_OK;
	}
	if (v != NULL && v->operand_kind == WORD_VERB)
		offer_verbs(names + 1, count - 1, word);
	else if (v != NULL && count == used && v->operands_max > 0)
		offer_argument(cli, v->operand_kind, word);
	if (v == NULL || !strchr(v->name, ' ') || used == 1)
		offer_verbs(names, count, word);
	return CODE_OK;
}
