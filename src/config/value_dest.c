/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Values that are about where traffic goes: networks that we are on, and destinations. */
#include <ctype.h>
#include <errno.h>
#include <strings.h>

#include "config/schema.h"
#include "util/xalloc.h"

static int parse_network(const struct config_key *key, void *field, const char *text)
{
	struct config_networks *list = field;
	struct netid id;

	if (netid_parse(&id, text) != 0)
		return -EINVAL;
	if (list->count >= key->max)
		return -E2BIG;
	list->items = xrealloc(list->items, list->count + 1, sizeof(list->items[0]));
	list->items[list->count++] = id;
	return 0;
}

static void clear_networks(void *field)
{
	struct config_networks *list = field;

	free(list->items);
	*list = (struct config_networks){0};
}

/* A name as DNS has it; not what was meant as an address. */
static bool is_domain(const char *text)
{
	const char *last = strrchr(text, '.');
	const size_t len = strlen(text);

	last = last != NULL ? last + 1 : text;
	return name_is_valid(text, 253) && text[0] != '.' && text[len - 1] != '.' &&
	       strstr(text, "..") == NULL && strspn(last, "0123456789") != strlen(last);
}

static void add_name(struct config_destinations *d, const char *text)
{
	char *name = xstrdup(text);

	for (char *c = name; *c != '\0'; c++)
		*c = (char)tolower((unsigned char)*c);
	d->names = xrealloc(d->names, d->name_count + 1, sizeof(d->names[0]));
	d->names[d->name_count++] = name;
}

static int parse_destination(const struct config_key *key, void *field, const char *text)
{
	struct config_destinations *d = field;
	struct config_prefix prefix;

	d->is_set = true;
	if (key->zero_word != NULL && strcasecmp(text, key->zero_word) == 0)
		return 0;
	if (d->prefix_count + d->name_count >= key->max)
		return -E2BIG;
	if (prefix_parse(&prefix, text) == 0) {
		d->prefixes = xrealloc(d->prefixes, d->prefix_count + 1, sizeof(d->prefixes[0]));
		d->prefixes[d->prefix_count++] = prefix;
		return 0;
	}
	if (!is_domain(text))
		return -EINVAL;
	add_name(d, text);
	return 0;
}

static void clear_destinations(void *field)
{
	struct config_destinations *d = field;

	for (size_t i = 0; i < d->name_count; i++)
		free(d->names[i]);
	free(d->names);
	free(d->prefixes);
	*d = (struct config_destinations){0};
}

const struct value_type value_networks = {", \t",
					  "a list of MAC@NETWORK/BITS as \"macro network show\" "
					  "prints them",
					  parse_network, clear_networks};
const struct value_type value_destinations = {
    ", \t", "a list of networks as 192.0.2.0/24, without bits of a host, and names as example.org",
    parse_destination, clear_destinations};
