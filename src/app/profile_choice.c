/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "app/profile_choice.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>

#include "host/durable.h"
#include "util/xalloc.h"

#define FILE_NAME "profiles"
#define HEADER    "macromesh-profiles 1"

enum {
	LINE_LEN_MAX = 160,
	ALIKE_MAX = 2, /* letters that may be wrong in a name that is still recognised */
};

/* ---- the file ---- */

static bool take_name(char out[static PROFILE_NAME_LEN], const char *text)
{
	const size_t len = strlen(text);

	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)text[i]) && strchr("-_.", text[i]) == NULL)
			return false;
	if (len == 0 || len >= PROFILE_NAME_LEN)
		return false;
	memcpy(out, text, len + 1);
	return true;
}

/* "use NAME" or "bind NETWORK NAME"; each network has one profile. */
static bool take_line(struct profile_choice *c, char *line)
{
	char *first = strchr(line, ' '), *second;
	char name[PROFILE_NAME_LEN];
	struct netid network;

	if (first == NULL)
		return false;
	*first++ = '\0';
	if (strcmp(line, "use") == 0)
		return c->by_hand[0] == '\0' && take_name(c->by_hand, first);
	second = strchr(first, ' ');
	if (strcmp(line, "bind") != 0 || second == NULL)
		return false;
	*second++ = '\0';
	if (!take_name(name, second) || netid_parse(&network, first) != 0)
		return false;
	for (size_t i = 0; i < c->bound_count; i++)
		if (netid_equal(&c->bound[i].network, &network))
			return false;
	return profile_choice_bind(c, &network, name) == 0;
}

unsigned profile_choice_parse(struct profile_choice *c, const char *text, size_t len)
{
	struct profile_choice out = {.bound_count = 0};
	unsigned number = 0;
	char line[LINE_LEN_MAX];

	do {
		const char *end = memchr(text, '\n', len);
		const size_t line_len = end != NULL ? (size_t)(end - text) : 0;

		number++;
		if (line_len == 0 || line_len >= sizeof(line))
			return number;
		memcpy(line, text, line_len);
		line[line_len] = '\0';
		if (strlen(line) != line_len ||
		    !(number == 1 ? strcmp(line, HEADER) == 0 : take_line(&out, line)))
			return number;
		text += line_len + 1;
		len -= line_len + 1;
	} while (len > 0);
	*c = out;
	return 0;
}

char *profile_choice_format(const struct profile_choice *c)
{
	char *text = NULL, network[NETID_TEXT_MAX];
	size_t size;
	FILE *f = open_memstream(&text, &size);

	if (f == NULL)
		abort();
	fputs(HEADER "\n", f);
	if (c->by_hand[0] != '\0')
		fprintf(f, "use %s\n", c->by_hand);
	for (size_t i = 0; i < c->bound_count; i++)
		fprintf(f, "bind %s %s\n", netid_format(&c->bound[i].network, network),
			c->bound[i].profile);
	fclose(f);
	return text;
}

int profile_choice_load(struct profile_choice *c, const char *dir, struct host_error *err)
{
	unsigned line;
	char *text;
	size_t len;
	const int code = durable_read(dir, FILE_NAME, PROFILE_FILE_MAX, &text, &len);

	*c = (struct profile_choice){.bound_count = 0};
	if (code == -ENOENT || code == -ENOTDIR)
		return 0;
	if (code != 0)
		return host_fail(err, code, "reading %s/" FILE_NAME, dir);
	line = profile_choice_parse(c, text, len);
	free(text);
	return line == 0 ? 0
			 : host_refuse(err, -EINVAL,
				       "%s/" FILE_NAME
				       ":%u: not a line that macrod wrote; no profile is chosen by "
				       "hand and no network bound until 'macro profile use' or "
				       "'macro profile bind' write the file anew",
				       dir, line);
}

int profile_choice_store(const struct profile_choice *c, const char *dir, struct host_error *err)
{
	char *text = profile_choice_format(c);
	const int code = durable_write(dir, FILE_NAME, text, strlen(text));

	free(text);
	return code == 0 ? 0 : host_fail(err, code, "writing %s/" FILE_NAME, dir);
}

/* ---- bindings ---- */

static struct profile_binding *find(struct profile_choice *c, const struct netid *network)
{
	for (size_t i = 0; i < c->bound_count; i++)
		if (netid_equal(&c->bound[i].network, network))
			return &c->bound[i];
	return NULL;
}

int profile_choice_bind(struct profile_choice *c, const struct netid *network, const char *profile)
{
	struct profile_binding *b = find(c, network);

	if (b == NULL && c->bound_count == PROFILE_BOUND_MAX)
		return -ENOSPC;
	if (b == NULL)
		b = &c->bound[c->bound_count++];
	b->network = *network;
	snprintf(b->profile, sizeof(b->profile), "%s", profile);
	return 0;
}

int profile_choice_unbind(struct profile_choice *c, const struct netid *network)
{
	struct profile_binding *b = find(c, network);

	if (b == NULL)
		return -ENOENT;
	*b = c->bound[--c->bound_count];
	return 0;
}

const struct config_profile *profile_choice_bound(const struct profile_choice *c,
						  const struct config *cfg,
						  const struct netid *network)
{
	for (size_t i = 0; i < c->bound_count; i++)
		if (netid_equal(&c->bound[i].network, network))
			return config_profile_find(cfg, c->bound[i].profile);
	for (size_t i = 0; i < cfg->profile_count; i++) {
		const struct config_networks *list = &cfg->profiles[i].networks;

		for (size_t k = 0; k < list->count; k++)
			if (netid_equal(&list->items[k], network))
				return &cfg->profiles[i];
	}
	return NULL;
}

const struct config_profile *profile_choice_pick(const struct profile_choice *c,
						 const struct config *cfg, const struct netid *here,
						 enum profile_reason *why)
{
	const struct config_profile *p =
	    c->by_hand[0] != '\0' ? config_profile_find(cfg, c->by_hand) : NULL;

	*why = PROFILE_BY_HAND;
	if (p != NULL)
		return p;
	*why = PROFILE_BY_NETWORK;
	p = here != NULL ? profile_choice_bound(c, cfg, here) : NULL;
	if (p != NULL)
		return p;
	*why = PROFILE_BY_DEFAULT;
	return config_profile_find(cfg, cfg->client.profile);
}

/* ---- names that are nearly right ---- */

/* How many letters have to be changed, put in or left out to make one of the other. */
static size_t distance(const char *a, const char *b)
{
	size_t row[PROFILE_NAME_LEN];
	const size_t len = strlen(b);

	for (size_t k = 0; k <= len; k++)
		row[k] = k;
	for (size_t i = 0; a[i] != '\0'; i++) {
		size_t diagonal = row[0];

		row[0] = i + 1;
		for (size_t k = 0; k < len; k++) {
			const bool same =
			    tolower((unsigned char)a[i]) == tolower((unsigned char)b[k]);
			const size_t changed = diagonal + !same;

			diagonal = row[k + 1];
			row[k + 1] = MIN(changed, MIN(row[k], diagonal) + 1);
		}
	}
	return row[len];
}

const char *profile_suggest(const struct config *cfg, const char *name)
{
	const char *found = NULL;
	size_t least = ALIKE_MAX + 1;

	for (size_t i = 0; i < cfg->profile_count; i++) {
		const char *other = cfg->profiles[i].name;
		const size_t d = distance(name, other);

		if (d < least && d < strlen(other)) {
			least = d;
			found = other;
		}
	}
	return found;
}
