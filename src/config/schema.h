/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The table behind macro.conf: sections, keys, and the types their values have. */
#ifndef CONFIG_SCHEMA_H
#define CONFIG_SCHEMA_H

#include "config/config.h"

#define CONFIG_LIST_MAX   256 /* items, where the key has no lower max */
#define CONFIG_NAME_MAX   32
#define CONFIG_CITY_MAX   32
#define CONFIG_EXPECT_MAX 160

struct config_key;

struct value_type {
	const char *separators; /* between the items of a list; NULL: a single value */
	const char *expect;     /* "give ...": what a right value is; NULL: the key's range */
	/* parse(key, field, text): one value or item.  0, -EINVAL, or -ERANGE. */
	int (*parse)(const struct config_key *key, void *field, const char *text);
	void (*clear)(void *field); /* NULL: nothing is owned */
};

struct config_key {
	const char *name;
	const struct value_type *type;
	size_t offset, size;  /* of the field in the section's struct */
	const char *fallback; /* the default as it would stand in the file; NULL: none */
	const char *example;  /* for the sample, where there is no default */
	const char *help;
	const char *expect; /* replaces the type's */
	const char *zero_word;
	const char *const *words;
	uint64_t min, max; /* of a number, of a text's length, of a prefix; max items of a list */
	bool is_required;
	bool is_live; /* a reload changes it; others need a restart */
};

struct config_section {
	const char *name;
	const char *help;
	size_t offset; /* in struct config; unused for profiles */
	const struct config_key *keys;
	size_t key_count;
};

extern const struct config_section config_sections[CONFIG_SECTION_COUNT];

/* The types (value.c) */
extern const struct value_type value_bool, value_u32, value_bandwidth, value_enum, value_flags,
    value_path, value_ifname, value_ifnames, value_marks, value_domains, value_name, value_nodename,
    value_label, value_exit, value_country, value_city, value_duration, value_public,
    value_endpoint, value_endpoints, value_ips, value_seeds, value_prefix4, value_prefix6,
    value_policy, value_networks, value_destinations;

/* key_expect(key, out): what a right value of key is, to follow "give ". */
const char *key_expect(const struct config_key *key, char out[static CONFIG_EXPECT_MAX]);

/* key_set(key, base, text): text without outer blanks, possibly a list.  0, -EINVAL, -ERANGE or
 * -E2BIG; *bad is the item that is wrong. */
MUST_USE int key_set(const struct config_key *key, void *base, char *text, const char **bad);

void key_clear(const struct config_key *key, void *base);

/* text_trim(text): without blanks at both ends, in place. */
char *text_trim(char *text);

/*
 * config_digits(text, out, end): digits, or 0x and hexadecimal digits, never a sign; *end is what
 * follows.  0, -EINVAL or -ERANGE.
 */
MUST_USE int config_digits(const char *text, uint64_t *out, const char **end);

/* prefix_parse(out, text): "ADDRESS/BITS" without bits of a host, or an address alone.  0 or
 * -EINVAL. */
MUST_USE int prefix_parse(struct config_prefix *out, const char *text);

/* name_is_valid(text, max): letters, digits, dashes, underscores and dots; at least one. */
bool name_is_valid(const char *text, size_t max);

/* country_is_valid(text): an assigned ISO 3166-1 alpha-2 code, in any case, or UK.
 * country_standard(code): of two capital letters; UK becomes GB. */
bool country_is_valid(const char *text);
void country_standard(char *code);

#endif
