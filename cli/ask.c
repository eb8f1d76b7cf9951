/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/ask.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/xalloc.h"

bool ask_can(void)
{
	return isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
}

/* A line without its end and outer blanks; NULL at the end of all input. */
static char *read_line(void)
{
	char *line = NULL, *start, *end, *text;
	size_t size = 0;

	if (getline(&line, &size, stdin) < 0) {
		free(line);
		return NULL;
	}
	start = line + strspn(line, " \t");
	end = start + strlen(start);
	while (end > start && strchr(" \t\r\n", end[-1]) != NULL)
		end--;
	*end = '\0';
	text = xstrdup(start);
	free(line);
	return text;
}

char *ask_text(const char *question, const char *fallback)
{
	char *answer;

	if (fallback != NULL && fallback[0] != '\0')
		fprintf(stderr, "%s [%s]: ", question, fallback);
	else
		fprintf(stderr, "%s: ", question);
	fflush(stderr);
	answer = read_line();
	if (answer != NULL && answer[0] != '\0')
		return answer;
	free(answer);
	return fallback != NULL ? xstrdup(fallback) : NULL;
}

bool ask_yes(const char *question)
{
	char *answer;
	bool is_yes;

	fprintf(stderr, "%s [Y/n]: ", question);
	fflush(stderr);
	answer = read_line();
	is_yes = answer != NULL && (answer[0] == '\0' || answer[0] == 'y' || answer[0] == 'Y');
	free(answer);
	return is_yes;
}
