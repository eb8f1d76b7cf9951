/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * At build time: a manual page from its template, with the lines @KEYS@ and @VERBS@ replaced by
 * what the tables of keys and verbs say, so that no page can be behind the program.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "config/config.h"

static void write_option(const struct option_spec *o)
{
	printf(".It");
	if (o->letter != 0)
		printf(" Fl %c ,", o->letter);
	printf(" Fl Fl %s", o->name);
	if (o->argument != NULL)
		printf(" Ar %s", o->argument);
	printf("\n%c%s.\n", toupper((unsigned char)o->help[0]), o->help + 1);
}

static void write_options(const struct option_spec *o)
{
	if (o == NULL)
		return;
	printf(".Bl -tag -width Ds\n");
	for (; o->name != NULL; o++)
		write_option(o);
	printf(".El\n");
}

static void write_verb(const struct verb *v)
{
	printf(".It Ic %s", v->name);
	if (v->options != NULL)
		printf(" Op Ar option ...");
	if (v->operands != NULL && v->operands[0] == '[')
		printf(" Op Ar %.*s", (int)strlen(v->operands) - 2, v->operands + 1);
	else if (v->operands != NULL)
		printf(" Ar %s", v->operands);
	printf("\n%c%s.\n", toupper((unsigned char)v->help[0]), v->help + 1);
	if (v->alias != NULL)
		printf("Also\n.Ic %s .\n", v->alias);
	if (v->shown_by != NULL)
		printf("Shown by\n.Ic %s .\n", v->shown_by);
	if (v->undone_by != NULL)
		printf("Taken back by\n.Ic %s .\n", v->undone_by);
	write_options(v->options);
}

static void write_verbs(void)
{
	printf(".Bl -tag -width Ds\n");
	for (size_t i = 0; i < cli_verb_count; i++)
		if (!cli_verbs[i].is_hidden)
			write_verb(&cli_verbs[i]);
	printf(".El\n");
}

int main(int argc, char **argv)
{
	FILE *f = argc == 2 ? fopen(argv[1], "r") : NULL;
	char line[1024];

	if (f == NULL) {
		fprintf(stderr, "usage: genman TEMPLATE\n");
		return EXIT_FAILURE;
	}
	while (fgets(line, sizeof(line), f) != NULL) {
		if (strcmp(line, "@KEYS@\n") == 0)
			config_man_write(stdout);
		else if (strcmp(line, "@VERBS@\n") == 0)
			write_verbs();
		else if (strcmp(line, "@OPTIONS@\n") == 0)
			write_options(cli_global_options);
		else
			fputs(line, stdout);
	}
	fclose(f);
	return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
