/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The types of macro.conf's values: from text to a field, strictly, and what to say if it fails. */
#include "config/schema.h"

#include <ctype.h>
#include <errno.h>
#include <net/if.h>
#include <sodium.h>
#include <stdlib.h>
#include <strings.h>

#include "util/xalloc.h"

char *text_trim(char *text)
{
	size_t len;

	while (isspace((unsigned char)*text))
		text++;
	len = strlen(text);
	while (len > 0 && isspace((unsigned char)text[len - 1]))
		len--;
	text[len] = '\0';
	return text;
}

bool name_is_valid(const char *text, size_t max)
{
	const size_t len = strlen(text);

	if (len == 0 || len > max)
		return false;
	for (const char *c = text; *c != '\0'; c++)
		if (!isalnum((unsigned char)*c) && strchr("-_.", *c) == NULL)
			return false;
	return true;
}

int config_digits(const char *text, uint64_t *out, const char **end)
{
	const bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
	char *stop;

	if (!(hex ? isxdigit((unsigned char)text[2]) : isdigit((unsigned char)text[0])))
		return -EINVAL;
	errno = 0;
	*out = strtoull(text, &stop, hex ? 16 : 10);
	*end = stop;
	return errno == ERANGE ? -ERANGE : 0;
}

static int parse_number(const struct config_key *key, uint64_t *out, const char *text)
{
	const char *end = NULL;
	const int err = config_digits(text, out, &end);

	if (end == NULL || *end != '\0')
		return -EINVAL;
	return err != 0 || *out < key->min || *out > key->max ? -ERANGE : 0;
}

static int parse_bool(const struct config_key *key, void *field, const char *text)
{
	(void)key;
	if (strcasecmp(text, "yes") != 0 && strcasecmp(text, "no") != 0)
		return -EINVAL;
	*(bool *)field = strcasecmp(text, "yes") == 0;
	return 0;
}

static int parse_u32(const struct config_key *key, void *field, const char *text)
{
	uint64_t v = 0;
	int err;

	if (key->zero_word == NULL || strcasecmp(text, key->zero_word) != 0) {
		err = parse_number(key, &v, text);
		if (err != 0)
			return err;
	}
	*(uint32_t *)field = (uint32_t)v;
	return 0;
}

static uint64_t unit_factor(const char *suffix)
{
	if (suffix[0] != '\0' && suffix[1] != '\0')
		return 0;
	switch (suffix[0]) {
	case '\0':
		return 1;
	case 'k':
	case 'K':
		return 1000;
	case 'm':
	case 'M':
		return 1000000;
	case 'g':
	case 'G':
		return 1000000000;
	default:
		return 0;
	}
}

static int parse_bandwidth(const struct config_key *key, void *field, const char *text)
{
	const char *end;
	uint64_t v, factor;
	const int err = config_digits(text, &v, &end);

	if (err != 0)
		return err;
	factor = unit_factor(end);
	if (factor == 0)
		return -EINVAL;
	if (v > key->max / factor || v * factor < key->min)
		return -ERANGE;
	*(uint64_t *)field = v * factor;
	return 0;
}

static uint64_t unit_seconds(const char *suffix)
{
	static const struct {
		char letter;
		uint64_t seconds;
	} units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};

	for (size_t i = 0; i < ARRAY_LEN(units); i++)
		if (suffix[0] == units[i].letter && suffix[1] == '\0')
			return units[i].seconds;
	return 0;
}

static int parse_duration(const struct config_key *key, void *field, const char *text)
{
	const char *end;
	uint64_t v = 0, factor;
	int err;

	if (key->zero_word == NULL || strcasecmp(text, key->zero_word) != 0) {
		err = config_digits(text, &v, &end);
		if (err != 0)
			return err;
		factor = unit_seconds(end);
		if (factor == 0)
			return -EINVAL;
		if (v > key->max / factor || v * factor < key->min)
			return -ERANGE;
		v *= factor;
	}
	*(uint64_t *)field = v;
	return 0;
}

static int parse_public(const struct config_key *key, void *field, const char *text)
{
	struct config_public out = {.is_set = true};
	size_t len;

	(void)key;
	if (strlen(text) != 2 * sizeof(out.bytes) ||
	    sodium_hex2bin(out.bytes, sizeof(out.bytes), text, strlen(text), NULL, &len, NULL) !=
		0 ||
	    len != sizeof(out.bytes) || sodium_is_zero(out.bytes, sizeof(out.bytes)))
		return -EINVAL;
	*(struct config_public *)field = out;
	return 0;
}

static int find_word(const struct config_key *key, const char *text)
{
	for (int i = 0; key->words[i] != NULL; i++)
		if (strcasecmp(text, key->words[i]) == 0)
			return i;
	return -EINVAL;
}

static int parse_enum(const struct config_key *key, void *field, const char *text)
{
	const int i = find_word(key, text);

	if (i < 0)
		return i;
	*(unsigned *)field = (unsigned)i;
	return 0;
}

static int parse_flags(const struct config_key *key, void *field, const char *text)
{
	const int i = find_word(key, text);

	if (i < 0)
		return i;
	*(uint32_t *)field |= 1u << i;
	return 0;
}

static void set_text(void *field, const char *text)
{
	char **p = field;

	free(*p);
	*p = xstrdup(text);
}

static void clear_text(void *field)
{
	char **p = field;

	free(*p);
	*p = NULL;
}

static int parse_path(const struct config_key *key, void *field, const char *text)
{
	if (text[0] != '/')
		return -EINVAL;
	if (strlen(text) > key->max)
		return -ERANGE;
	set_text(field, text);
	return 0;
}

static int parse_name(const struct config_key *key, void *field, const char *text)
{
	if (!name_is_valid(text, key->max) || strlen(text) < key->min)
		return -EINVAL;
	set_text(field, text);
	return 0;
}

/* As descriptors have it, so that no two nodes differ only in case. */
static int parse_nodename(const struct config_key *key, void *field, const char *text)
{
	for (const char *c = text; *c != '\0'; c++)
		if (isupper((unsigned char)*c))
			return -EINVAL;
	return parse_name(key, field, text);
}

static int parse_label(const struct config_key *key, void *field, const char *text)
{
	if (strlen(text) > key->max)
		return -ERANGE;
	set_text(field, text);
	return 0;
}

static int parse_ifname(const struct config_key *key, void *field, const char *text)
{
	(void)key;
	if (!name_is_valid(text, IFNAMSIZ - 1) || text[0] == '.')
		return -EINVAL;
	memcpy(field, text, strlen(text) + 1);
	return 0;
}

/* As descriptors have it: what can be shown to anybody. */
static int parse_city(const struct config_key *key, void *field, const char *text)
{
	const size_t len = strlen(text);

	(void)key;
	if (!isalpha((unsigned char)text[0]) || len > CONFIG_CITY_MAX)
		return -EINVAL;
	for (const char *c = text; *c != '\0'; c++)
		if (!isalpha((unsigned char)*c) && strchr(" .-'", *c) == NULL)
			return -EINVAL;
	set_text(field, text);
	return 0;
}

static void upper(char *text)
{
	for (; *text != '\0'; text++)
		*text = (char)toupper((unsigned char)*text);
}

static int parse_country(const struct config_key *key, void *field, const char *text)
{
	(void)key;
	if (!country_is_valid(text))
		return -EINVAL;
	memcpy(field, text, 3);
	upper(field);
	country_standard(field);
	return 0;
}

bool config_exit_is_valid(const char *text)
{
	/* Two letters are always a country; names of nodes have three or more, ids 64. */
	return strlen(text) == 2 ? country_is_valid(text)
				 : strlen(text) > 2 && name_is_valid(text, 64);
}

static int parse_exit(const struct config_key *key, void *field, const char *text)
{
	(void)key;
	if (!config_exit_is_valid(text))
		return -EINVAL;
	set_text(field, text);
	if (strlen(text) == 2) {
		upper(*(char **)field);
		country_standard(*(char **)field);
	}
	return 0;
}

const struct value_type value_bool = {NULL, "yes or no", parse_bool, NULL};
const struct value_type value_u32 = {NULL, NULL, parse_u32, NULL};
const struct value_type value_bandwidth = {NULL, "bits per second from 1M to 1000G, with K, M or G",
					   parse_bandwidth, NULL};
const struct value_type value_duration = {NULL, "a time as 90d, 12h, 30m or 10s", parse_duration,
					  NULL};
const struct value_type value_public = {NULL, "a key of 64 hexadecimal digits", parse_public, NULL};
const struct value_type value_enum = {NULL, NULL, parse_enum, NULL};
const struct value_type value_flags = {", \t", NULL, parse_flags, NULL};
const struct value_type value_path = {NULL, "an absolute path", parse_path, clear_text};
const struct value_type value_ifname = {
    NULL, "an interface name of 1 to 15 letters, digits, dots, dashes or underscores", parse_ifname,
    NULL};
const struct value_type value_name = {NULL, NULL, parse_name, clear_text};
const struct value_type value_nodename = {NULL, NULL, parse_nodename, clear_text};
const struct value_type value_label = {NULL, NULL, parse_label, clear_text};
const struct value_type value_exit = {
    NULL,
    "auto, nearest, random, a country's two letters (ISO 3166-1), a region as europe or "
    "north-america, or a node's name or id",
    parse_exit, clear_text};
const struct value_type value_city = {
    NULL, "a name of 1 to 32 letters (of ASCII), blanks, dots, dashes or apostrophes", parse_city,
    clear_text};
const struct value_type value_country = {NULL, "a country's two letters (ISO 3166-1)",
					 parse_country, NULL};
