/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What can be done with any key of the table: set it from text, clear it, say what it expects. */
#include "config/schema.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

static void *key_field(const struct config_key *key, void *base)
{
	return (char *)base + key->offset;
}

/* "error, warn, info or debug" for an enum, "a list of entry, relay and exit" for flags */
static void expect_words(const struct config_key *key, char *out)
{
	const bool is_list = key->type->separators != NULL;
	int n = snprintf(out, CONFIG_EXPECT_MAX, is_list ? "a list of " : "");

	for (size_t i = 0; key->words[i] != NULL && n < CONFIG_EXPECT_MAX; i++) {
		const bool is_last = key->words[i + 1] == NULL;
		const char *glue = i == 0 ? "" : !is_last ? ", " : is_list ? " and " : " or ";

		n +=
		    snprintf(out + n, (size_t)(CONFIG_EXPECT_MAX - n), "%s%s", glue, key->words[i]);
	}
}

static void expect_prefix(const struct config_key *key, char *out)
{
	const char *family = key->type == &value_prefix4 ? "IPv4" : "IPv6";

	if (key->min == key->max)
		snprintf(out, CONFIG_EXPECT_MAX, "an %s network, ADDRESS/%" PRIu64, family,
			 key->min);
	else
		snprintf(out, CONFIG_EXPECT_MAX,
			 "an %s network, ADDRESS/%" PRIu64 " to ADDRESS/%" PRIu64, family, key->min,
			 key->max);
}

const char *key_expect(const struct config_key *key, char out[static CONFIG_EXPECT_MAX])
{
	const struct value_type *type = key->type;
	const char *zero = key->zero_word != NULL ? key->zero_word : "";
	const char * or = key->zero_word != NULL ? " or " : "";

	if (key->expect != NULL)
		snprintf(out, CONFIG_EXPECT_MAX, "%s", key->expect);
	else if (key->words != NULL)
		expect_words(key, out);
	else if (type == &value_prefix4 || type == &value_prefix6)
		expect_prefix(key, out);
	else if (type == &value_name || type == &value_nodename)
		snprintf(out, CONFIG_EXPECT_MAX,
			 "a name of %" PRIu64 " to %" PRIu64 " %sletters, digits, dots, dashes or "
			 "underscores",
			 MAX(key->min, 1), key->max, type == &value_nodename ? "small " : "");
	else if (type == &value_label)
		snprintf(out, CONFIG_EXPECT_MAX, "at most %" PRIu64 " characters", key->max);
	else if (type->expect != NULL && key->max != 0 && type->separators != NULL)
		snprintf(out, CONFIG_EXPECT_MAX, "%s%s%s, at most %" PRIu64, zero, or, type->expect,
			 key->max);
	else if (type->expect != NULL)
		snprintf(out, CONFIG_EXPECT_MAX, "%s%s%s", zero, or, type->expect);
	else
		snprintf(out, CONFIG_EXPECT_MAX, "%s%sa number from %" PRIu64 " to %" PRIu64, zero,
			 or, key->min, key->max);
	return out;
}

/* Lists with blanks between items may also have a comma and blanks; an item is never empty. */
static int set_list(const struct config_key *key, void *field, char *text, const char **bad)
{
	const bool blanks_separate = strchr(key->type->separators, ' ') != NULL;
	bool is_empty = true;

	for (char *item = text; item != NULL;) {
		char *end = item + strcspn(item, key->type->separators);
		char *next = *end != '\0' ? end + 1 : NULL;
		int err;

		*end = '\0';
		*bad = text_trim(item);
		item = next;
		if (**bad == '\0' && blanks_separate)
			continue;
		err = key->type->parse(key, field, *bad);
		if (err != 0)
			return err;
		is_empty = false;
	}
	return is_empty ? -EINVAL : 0;
}

int key_set(const struct config_key *key, void *base, char *text, const char **bad)
{
	*bad = text;
	if (*text == '\0')
		return -EINVAL;
	if (key->type->separators != NULL)
		return set_list(key, key_field(key, base), text, bad);
	return key->type->parse(key, key_field(key, base), text);
}

void key_clear(const struct config_key *key, void *base)
{
	if (key->type->clear != NULL)
		key->type->clear(key_field(key, base));
}
