/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The table of keys as text for people: the commented sample and the list in macro.conf(5). */
#include "config/schema.h"

#include <ctype.h>
#include <stdio.h>

#define COMMENT_COLUMNS 78

/* text in comment lines, broken between words. */
static void write_comment(FILE *out, const char *text)
{
	size_t column = 0;

	while (*text != '\0') {
		const size_t len = strcspn(text, " ");

		if (column > 0 && column + 1 + len > COMMENT_COLUMNS) {
			fputc('\n', out);
			column = 0;
		}
		column += (size_t)fprintf(out, "%s %.*s", column == 0 ? "#" : "", (int)len, text);
		text += len + (text[len] == ' ');
	}
	fputc('\n', out);
}

static const char *find_value(const struct config_setting *set, size_t count,
			      enum config_section_id section, const char *key)
{
	for (size_t i = 0; i < count; i++)
		if (set[i].section == section && (key == NULL || strcmp(set[i].key, key) == 0))
			return set[i].value;
	return NULL;
}

static void write_key(FILE *out, const struct config_key *key, const char *value)
{
	const char *shown = key->fallback != NULL ? key->fallback : key->example;
	char expect[CONFIG_EXPECT_MAX], line[CONFIG_EXPECT_MAX + 16];

	fputc('\n', out);
	write_comment(out, key->help);
	snprintf(line, sizeof(line), "Value: %s.", key_expect(key, expect));
	write_comment(out, line);
	fprintf(out, "%s%s = %s\n", value != NULL ? "" : "#", key->name,
		value != NULL ? value : shown);
}

void config_sample_write(FILE *out, const struct config_setting *set, size_t count)
{
	fputs(
	    "# macro.conf - configuration of macrod; see macro.conf(5).\n#\n"
	    "# Lines that are commented out show the defaults, or an example where there is none.\n"
	    "# To use a section, remove the # before its name and before each key to change.\n"
	    "# Check with: macro config check\n",
	    out);
	for (unsigned id = 0; id < CONFIG_SECTION_COUNT; id++) {
		const struct config_section *s = &config_sections[id];
		const bool is_used = find_value(set, count, id, NULL) != NULL;

		if (id != CONFIG_TOP) {
			fputs("\n\n", out);
			write_comment(out, s->help);
			fprintf(out, "%s[%s%s]\n", is_used ? "" : "#", s->name,
				id == CONFIG_PROFILE ? " default" : "");
		}
		for (size_t i = 0; i < s->key_count; i++)
			write_key(out, &s->keys[i], find_value(set, count, id, s->keys[i].name));
	}
}

/* text in mdoc: each sentence begins a line, lines are short, nothing looks like a request. */
static void write_sentences(FILE *out, const char *text)
{
	size_t column = 0;

	while (*text != '\0') {
		const size_t len = strcspn(text, " ");
		const bool is_end = len > 0 && text[len - 1] == '.' && text[len] == ' ' &&
				    isupper((unsigned char)text[len + 1]);

		if (column > 0 && column + 1 + len > COMMENT_COLUMNS) {
			fputc('\n', out);
			column = 0;
		}
		if (column == 0 && (*text == '.' || *text == '\''))
			fputs("\\&", out);
		column += (size_t)fprintf(out, "%s%.*s", column == 0 ? "" : " ", (int)len, text);
		text += len + (text[len] == ' ');
		if (is_end && *text != '\0') {
			fputc('\n', out);
			column = 0;
		}
	}
	fputc('\n', out);
}

static void write_man_key(FILE *out, const struct config_key *key)
{
	char expect[CONFIG_EXPECT_MAX], line[CONFIG_EXPECT_MAX + 16];

	fprintf(out, ".It Ic %s\n", key->name);
	write_sentences(out, key->help);
	snprintf(line, sizeof(line), "The value is %s.", key_expect(key, expect));
	write_sentences(out, line);
	if (key->type->separators != NULL)
		fputs("The key may be given several times, for a longer list.\n", out);
	if (key->is_required)
		fputs("Required.\n", out);
	if (key->fallback != NULL)
		fprintf(out, "Default:\n.Ql %s .\n", key->fallback);
	else
		fprintf(out, "Example:\n.Ql %s .\n", key->example);
}

void config_man_write(FILE *out)
{
	for (unsigned id = 0; id < CONFIG_SECTION_COUNT; id++) {
		const struct config_section *s = &config_sections[id];

		if (id == CONFIG_TOP)
			fputs(".Ss Before the first section\n", out);
		else
			fprintf(out, ".Ss Section %s%s\n", s->name,
				id == CONFIG_PROFILE ? " NAME" : "");
		if (s->help[0] != '\0')
			write_sentences(out, s->help);
		fputs(".Bl -tag -width Ds\n", out);
		for (size_t i = 0; i < s->key_count; i++)
			write_man_key(out, &s->keys[i]);
		fputs(".El\n", out);
	}
}
