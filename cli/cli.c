/* SPDX-License-Identifier: GPL-3.0-or-later */
/* From argv to a verb with its options; and the help. */
#include "cli/cli.h"

#include <ctype.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/config.h"
#include "util/xalloc.h"

#define OPTIONS_MAX 16 /* of one verb, with the global ones */

enum code cli_error(enum code code, const char *fmt, ...)
{
	va_list args;

	fputs("macro: ", stderr);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	return code;
}

const char *cli_option(const struct cli *cli, const char *name)
{
	const char *value = NULL;

	for (unsigned i = 0; i < cli->given_count; i++)
		if (strcmp(cli->given[i].name, name) == 0)
			value = cli->given[i].value;
	return value;
}

bool cli_has(const struct cli *cli, const char *name)
{
	return cli_option(cli, name) != NULL;
}

enum code cli_number(const struct cli *cli, const char *name, long min, long max, long *out)
{
	const char *text = cli_option(cli, name);
	char *end;
	long v;

	if (text == NULL)
		return CODE_OK;
	v = strtol(text, &end, 10);
	if (!isdigit((unsigned char)*text) || *end != '\0' || v < min || v > max)
		return cli_error(CODE_USAGE, "--%s: \"%s\" is not a number from %ld to %ld", name,
				 text, min, max);
	*out = v;
	return CODE_OK;
}

/* How many of the words are this verb: 0, 1 or 2. */
static int match_verb(const struct verb *v, char *const *words, int count)
{
	const char *space = strchr(v->name, ' ');
	size_t len;

	if (count == 0)
		return 0;
	if (v->alias != NULL && strcmp(words[0], v->alias) == 0)
		return 1;
	if (space == NULL)
		return strcmp(words[0], v->name) == 0;
	len = (size_t)(space - v->name);
	if (strncmp(words[0], v->name, len) != 0 || words[0][len] != '\0')
		return 0;
	if (count > 1 && strcmp(words[1], space + 1) == 0)
		return 2;
	return v->is_default && (count == 1 || words[1][0] == '-');
}

const struct verb *cli_find_verb(char *const *words, int count, int *used)
{
	const struct verb *found = NULL;

	*used = 0;
	for (size_t i = 0; i < cli_verb_count; i++) {
		const int n = match_verb(&cli_verbs[i], words, count);

		if (n > *used) {
			*used = n;
			found = &cli_verbs[i];
		}
	}
	return found;
}

static char program[] = "macro"; /* in getopt's messages */

/* The tables of getopt_long for the global options and those of the verb. */
struct getopt_tables {
	const struct option_spec *specs[OPTIONS_MAX];
	struct option longs[OPTIONS_MAX + 1];
	char shorts[2 * OPTIONS_MAX + 2];
	int count;
};

static void add_options(struct getopt_tables *t, const struct option_spec *spec)
{
	char *end = t->shorts + strlen(t->shorts);

	for (; spec != NULL && spec->name != NULL; spec++) {
		if (t->count == OPTIONS_MAX)
			abort(); /* verbs.c has outgrown us */
		t->specs[t->count] = spec;
		t->longs[t->count++] = (struct option){
		    spec->name, spec->argument != NULL ? required_argument : no_argument, NULL, 0};
		if (spec->letter != 0)
			*end++ = spec->letter;
		if (spec->letter != 0 && spec->argument != NULL)
			*end++ = ':';
	}
}

static const struct option_spec *find_letter(const struct getopt_tables *t, int letter)
{
	for (int i = 0; i < t->count; i++)
		if (t->specs[i]->letter == letter)
			return t->specs[i];
	return NULL;
}

/* Options into cli->given; optind is then at the first word that is none. */
static enum code take_options(struct cli *cli, struct getopt_tables *t, int argc, char **argv)
{
	int c, index = 0;

	optind = 0; /* start afresh, with the mode that shorts begins with */
	while ((c = getopt_long(argc, argv, t->shorts, t->longs, &index)) != -1) {
		const struct option_spec *spec = c == 0 ? t->specs[index] : find_letter(t, c);

		if (c == '?' || spec == NULL)
			return CODE_USAGE; /* getopt has said why */
		if (cli->given_count == CLI_GIVEN_MAX)
			return cli_error(CODE_USAGE, "too many options");
		cli->given[cli->given_count++] =
		    (struct given){spec->name, optarg != NULL ? optarg : ""};
	}
	return CODE_OK;
}

/* A flag, then the environment, then the configuration if it can be read, then the default. */
static char *choose_socket(const struct cli *cli)
{
	const char *path = cli_option(cli, "socket");
	struct config *cfg;
	FILE *nowhere;
	char *out = NULL;

	if (path == NULL)
		path = getenv("MACRO_SOCKET");
	if (path != NULL && path[0] != '\0')
		return xstrdup(path);
	nowhere = fopen("/dev/null", "we");
	if (nowhere != NULL && config_load(&cfg, cli->config_path, nowhere) == 0) {
		out = xstrdup(cfg->daemon.socket);
		config_free(cfg);
	}
	if (nowhere != NULL)
		fclose(nowhere);
	return out != NULL ? out : xstrdup("/run/macro/macro.sock");
}

static void choose_settings(struct cli *cli)
{
	const char *no_colour = getenv("NO_COLOR"), *config = cli_option(cli, "config");

	if (config == NULL)
		config = getenv("MACRO_CONFIG");
	cli->config_path = config != NULL && config[0] != '\0' ? config : CONFIG_PATH_DEFAULT;
	cli->socket = choose_socket(cli);
	cli->has_colour = isatty(STDOUT_FILENO) && (no_colour == NULL || no_colour[0] == '\0');
}

/* words: the verb, then its operands and options in any order. */
static enum code parse_verb(struct cli *cli, char **words, int count)
{
	struct getopt_tables tables = {0};
	int used;

	cli->verb = cli_find_verb(words, count, &used);
	if (cli->verb != NULL && cli->verb->takes_command)
		tables.shorts[0] = '+'; /* what follows is the other program's */
	if (cli->verb == NULL)
		return cli_error(CODE_USAGE, "there is no verb \"%s%s%s\"; see: macro help",
				 words[0], count > 1 ? " " : "", count > 1 ? words[1] : "");
	cli->operands = words + used;
	cli->operand_count = count - used;
	if (cli->verb->run == run_complete)
		return CODE_OK; /* its words are another command line */
	add_options(&tables, cli_global_options);
	add_options(&tables, cli->verb->options);
	/* For getopt the verb's last word takes the place of the program's name. */
	words[used - 1] = program;
	if (take_options(cli, &tables, count - used + 1, words + used - 1) != CODE_OK)
		return CODE_USAGE;
	cli->operands = words + used - 1 + optind;
	cli->operand_count = count - used + 1 - optind;
	if (cli->operand_count > cli->verb->operands_max && !cli_has(cli, "help"))
		return cli_error(CODE_USAGE, "%s: \"%s\" is one word too many; see: macro help %s",
				 cli->verb->name, cli->operands[cli->verb->operands_max],
				 cli->verb->name);
	return CODE_OK;
}

enum code cli_parse(struct cli *cli, int argc, char **argv)
{
	struct getopt_tables tables = {.shorts = "+"}; /* stop at the verb */
	char help[] = "help", status[] = "status", *implied;

	*cli = (struct cli){0};
	argv[0] = program;
	add_options(&tables, cli_global_options);
	if (take_options(cli, &tables, argc, argv) != CODE_OK)
		return CODE_USAGE;
	implied = cli_has(cli, "help") ? help : status;
	if (parse_verb(cli, optind < argc ? argv + optind : &implied,
		       optind < argc ? argc - optind : 1) != CODE_OK)
		return CODE_USAGE;
	choose_settings(cli);
	return CODE_OK;
}

static void print_options(const struct option_spec *o)
{
	for (; o != NULL && o->name != NULL; o++) {
		char left[64];

		snprintf(left, sizeof(left), "%c%c%s --%s%s%s", o->letter != 0 ? '-' : ' ',
			 o->letter != 0 ? o->letter : ' ', o->letter != 0 ? "," : " ", o->name,
			 o->argument != NULL ? " " : "", o->argument != NULL ? o->argument : "");
		printf("  %-28s  %s\n", left, o->help);
	}
}

static enum code help_verb(const struct verb *v)
{
	printf("usage: macro %s%s%s%s\n\n%c%s.%s%s\n", v->name,
	       v->options != NULL ? " [OPTION...]" : "", v->operands != NULL ? " " : "",
	       v->operands != NULL ? v->operands : "", toupper((unsigned char)v->help[0]),
	       v->help + 1, v->alias != NULL ? "  Short: macro " : "",
	       v->alias != NULL ? v->alias : "");
	if (v->shown_by != NULL)
		printf("Shown by: macro %s\n", v->shown_by);
	if (v->undone_by != NULL)
		printf("Taken back by: macro %s\n", v->undone_by);
	if (v->options != NULL)
		printf("\nOptions:\n");
	print_options(v->options);
	return CODE_OK;
}

static enum code help_all(void)
{
	printf("usage: macro [OPTION...] VERB\n\nVerbs:\n");
	for (size_t i = 0; i < cli_verb_count; i++)
		if (!cli_verbs[i].is_hidden)
			printf("  %-28s  %s\n", cli_verbs[i].name, cli_verbs[i].help);
	printf("\nOptions:\n");
	print_options(cli_global_options);
	printf("\nWithout a verb: status.  Exit status: 0 done, 1 failed, 2 usage, 3 not "
	       "connected, 4 no daemon, 5 blocked.\n");
	return CODE_OK;
}

enum code run_help(struct cli *cli)
{
	const struct verb *v;
	int used;

	if (cli->verb->run != run_help)
		return help_verb(cli->verb);
	if (cli->operand_count == 0)
		return help_all();
	v = cli_find_verb(cli->operands, cli->operand_count, &used);
	if (v == NULL)
		return cli_error(CODE_USAGE, "there is no verb \"%s\"; see: macro help",
				 cli->operands[0]);
	return help_verb(v);
}

enum code run_version(struct cli *cli)
{
	(void)cli;
	printf("macro %s\n", MACRO_VERSION);
	return CODE_OK;
}
