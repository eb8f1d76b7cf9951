/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Reads macro.conf line by line into the fields that schema.c names.  A mistake is reported and the
 * reading goes on, so that one run shows all of them; what follows an unknown section is skipped.
 */
#include "config/config.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <strings.h>

#include "config/schema.h"
#include "util/xalloc.h"

enum {
	FILE_LEN_MAX = 1 << 20,
	PROFILES_MAX = 64,
	ERRORS_MAX = 20,
};

struct parse {
	struct config *cfg;
	FILE *errors;
	const char *file;
	unsigned line;
	unsigned error_count;
	/* The section being read; NULL after a header that is wrong, to skip its keys. */
	const struct config_section *section;
	char title[CONFIG_NAME_MAX + 16]; /* "[profile work] " */
	void *base;
	unsigned section_line;
	unsigned key_line[CONFIG_KEYS_MAX]; /* where each of its keys was set; 0: not yet */
	unsigned seen_line[CONFIG_SECTION_COUNT];
};

__attribute__((format(printf, 3, 4))) static void report(struct parse *p, unsigned line,
							 const char *fmt, ...)
{
	va_list args;

	p->error_count++;
	if (p->error_count > ERRORS_MAX)
		return;
	if (p->error_count == ERRORS_MAX) {
		fprintf(p->errors, "%s: further mistakes are not shown\n", p->file);
		return;
	}
	fprintf(p->errors, "%s:%u: ", p->file, line);
	va_start(args, fmt);
	vfprintf(p->errors, fmt, args);
	va_end(args);
	fputc('\n', p->errors);
}

static void report_value(struct parse *p, const struct config_key *key, int err, const char *bad)
{
	const char *what = err == -ERANGE ? "is out of range" : "is not understood";
	char expect[CONFIG_EXPECT_MAX];

	if (*bad == '\0')
		report(p, p->line, "%s%s: has an empty value; give %s", p->title, key->name,
		       key_expect(key, expect));
	else if (err == -E2BIG)
		report(p, p->line, "%s%s: \"%.100s\" is one too many; give at most %d", p->title,
		       key->name, bad, key->max != 0 ? (int)key->max : CONFIG_LIST_MAX);
	else
		report(p, p->line, "%s%s: \"%.100s\" %s; give %s", p->title, key->name, bad, what,
		       key_expect(key, expect));
}

/* Where the key stands in config_sections. */
static uint64_t *text_hash(struct config *cfg, const struct config_key *key)
{
	for (unsigned id = 0; id < CONFIG_SECTION_COUNT; id++) {
		const struct config_section *s = &config_sections[id];

		if (key >= s->keys && key < s->keys + s->key_count)
			return &cfg->text_hash[id][key - s->keys];
	}
	abort(); /* not a key of the table */
}

/* FNV-1a; lists that stand on several lines add up. */
static void note_text(struct config *cfg, const struct config_key *key, const char *text)
{
	uint64_t *hash = text_hash(cfg, key);

	for (*hash ^= 0xcbf29ce484222325; *text != '\0'; text++)
		*hash = (*hash ^ (uint8_t)*text) * 0x100000001b3;
}

static void set_fallback(struct config *cfg, const struct config_key *key, void *base)
{
	char text[64];
	const char *bad;

	if (key->fallback == NULL)
		return;
	note_text(cfg, key, key->fallback);
	snprintf(text, sizeof(text), "%s", key->fallback);
	if (key_set(key, base, text, &bad) != 0)
		abort(); /* schema.c contradicts itself */
}

/* At the end of a section: complain about what is missing, fill in the rest. */
static void finish_section(struct parse *p)
{
	const struct config_section *s = p->section;
	char expect[CONFIG_EXPECT_MAX];

	for (size_t i = 0; s != NULL && i < s->key_count; i++) {
		if (p->key_line[i] != 0)
			continue;
		if (s->keys[i].is_required)
			report(p, p->section_line, "%s%s: is missing; give %s", p->title,
			       s->keys[i].name, key_expect(&s->keys[i], expect));
		set_fallback(p->cfg, &s->keys[i], p->base);
	}
	p->section = NULL;
}

static void enter_section(struct parse *p, enum config_section_id id, void *base)
{
	finish_section(p);
	p->section = &config_sections[id];
	p->base = base;
	p->section_line = p->line;
	memset(p->key_line, 0, sizeof(p->key_line));
}

static struct config_profile *add_profile(struct config *cfg, const char *name)
{
	struct config_profile *profile;

	cfg->profiles = xrealloc(cfg->profiles, cfg->profile_count + 1, sizeof(*cfg->profiles));
	profile = &cfg->profiles[cfg->profile_count++];
	*profile = (struct config_profile){.name = xstrdup(name)};
	return profile;
}

static void enter_profile(struct parse *p, const char *name)
{
	struct config_profile *profile;

	finish_section(p);
	if (!name_is_valid(name, CONFIG_NAME_MAX)) {
		report(p, p->line,
		       "[profile %.40s]: is not a name; write [profile NAME] with 1 to %d "
		       "letters, digits, dots, dashes or underscores",
		       name, CONFIG_NAME_MAX);
	} else if (strcasecmp(name, CONFIG_PROFILE_AUTO) == 0) {
		report(p, p->line,
		       "[profile %s]: the word stands for the profile of the network; take another "
		       "name",
		       name);
	} else if (config_profile_find(p->cfg, name) != NULL) {
		report(p, p->line, "[profile %s]: is there twice; merge the two", name);
	} else if (p->cfg->profile_count == PROFILES_MAX) {
		report(p, p->line, "[profile %s]: is one too many; keep at most %d", name,
		       PROFILES_MAX);
	} else {
		p->cfg->sections |= 1u << CONFIG_PROFILE;
		snprintf(p->title, sizeof(p->title), "[profile %s] ", name);
		profile = add_profile(p->cfg, name);
		profile->line = p->line;
		enter_section(p, CONFIG_PROFILE, profile);
	}
}

/* text is what stands between the brackets. */
static void parse_header(struct parse *p, char *text)
{
	char *argument = text + strcspn(text, " \t");

	if (*argument != '\0')
		*argument++ = '\0';
	argument = text_trim(argument);
	if (strcasecmp(text, config_sections[CONFIG_PROFILE].name) == 0) {
		enter_profile(p, argument);
		return;
	}
	finish_section(p);
	for (unsigned id = CONFIG_DAEMON; id < CONFIG_SECTION_COUNT; id++) {
		const struct config_section *s = &config_sections[id];

		if (*argument != '\0' || strcasecmp(text, s->name) != 0)
			continue;
		if (p->seen_line[id] != 0) {
			report(p, p->line, "[%s]: is there already, on line %u; merge the two",
			       s->name, p->seen_line[id]);
			return;
		}
		p->seen_line[id] = p->line;
		p->cfg->sections |= 1u << id;
		snprintf(p->title, sizeof(p->title), "[%s] ", s->name);
		enter_section(p, id, (char *)p->cfg + s->offset);
		return;
	}
	report(p, p->line,
	       "[%.40s%s%.40s]: no such section; use daemon, mesh, client, profile NAME, node or "
	       "exit",
	       text, *argument != '\0' ? " " : "", argument);
}

static void report_unknown(struct parse *p, const char *name)
{
	report(p, p->line, "%s%.40s: no such key%s; see macro.conf(5) or \"macro config sample\"",
	       p->title, name,
	       p->section == &config_sections[CONFIG_TOP] ? " before the first section" : " here");
}

static void parse_setting(struct parse *p, const char *name, char *value)
{
	const struct config_section *s = p->section;
	const struct config_key *key;
	const char *bad;
	size_t i = 0;
	int err;

	while (i < s->key_count && strcasecmp(name, s->keys[i].name) != 0)
		i++;
	if (i == s->key_count) {
		report_unknown(p, name);
		return;
	}
	key = &s->keys[i];
	if (p->key_line[i] != 0 && key->type->separators == NULL) {
		report(p, p->line, "%s%s: is set already, on line %u; remove one of the two",
		       p->title, key->name, p->key_line[i]);
		return;
	}
	p->key_line[i] = p->line;
	note_text(p->cfg, key, value);
	err = key_set(key, p->base, value, &bad);
	if (err != 0)
		report_value(p, key, err, bad);
}

static void parse_line(struct parse *p, char *line)
{
	char *equals;
	size_t len;

	line[strcspn(line, "#")] = '\0';
	line = text_trim(line);
	len = strlen(line);
	if (len == 0)
		return;
	if (line[0] == '[' && line[len - 1] == ']') {
		line[len - 1] = '\0';
		parse_header(p, text_trim(line + 1));
		return;
	}
	if (p->section == NULL)
		return;
	equals = strchr(line, '=');
	if (equals == NULL) {
		report(p, p->line,
		       "\"%.40s\" is neither a [section] nor a setting; write key = value", line);
		return;
	}
	*equals = '\0';
	parse_setting(p, text_trim(line), text_trim(equals + 1));
}

/* Only printable ASCII outside of comments: everything else is a mistake, or no text at all. */
static bool check_bytes(struct parse *p, const char *line, size_t len)
{
	bool in_comment = false;

	for (size_t i = 0; i < len; i++) {
		const unsigned char c = (unsigned char)line[i];

		in_comment |= c == '#';
		if (c == '\t' || (c == '\r' && i + 1 == len) || (c >= ' ' && c < 0x7f) ||
		    (c >= 0x80 && in_comment))
			continue;
		report(p, p->line, "byte %zu is 0x%02x; use plain ASCII text outside of comments",
		       i + 1, c);
		return false;
	}
	return true;
}

static void parse_lines(struct parse *p, const char *text, size_t len)
{
	while (len > 0) {
		const char *newline = memchr(text, '\n', len);
		const size_t line_len = newline != NULL ? (size_t)(newline - text) : len;
		char *line;

		p->line++;
		if (!check_bytes(p, text, line_len)) {
			p->section = NULL;
			return;
		}
		line = strndup(text, line_len);
		if (line == NULL)
			abort();
		parse_line(p, line);
		free(line);
		text += line_len + (newline != NULL);
		len -= line_len + (newline != NULL);
	}
}

/* What every exit refuses unless the file accepted it: its own neighbourhood, and mail. */
static void append_builtin_policy(struct config_policy *policy)
{
	static const struct config_policy_rule rules[] = {
	    {.net = CONFIG_NET_PRIVATE, .port_max = UINT16_MAX},
	    {.net = CONFIG_NET_ANY, .port_min = 25, .port_max = 25},
	};
	const size_t count = policy->count + ARRAY_LEN(rules);

	policy->items = xrealloc(policy->items, count, sizeof(*policy->items));
	memcpy(policy->items + policy->count, rules, sizeof(rules));
	policy->count = count;
}

/* The sections that the file did not have. */
static void fill_defaults(struct config *cfg)
{
	for (unsigned id = CONFIG_DAEMON; id < CONFIG_SECTION_COUNT; id++) {
		const struct config_section *s = &config_sections[id];

		if (id == CONFIG_PROFILE || config_has(cfg, id))
			continue;
		for (size_t i = 0; i < s->key_count; i++)
			set_fallback(cfg, &s->keys[i], (char *)cfg + s->offset);
	}
	if (config_profile_find(cfg, "default") == NULL) {
		struct config_profile *profile = add_profile(cfg, "default");

		for (size_t i = 0; i < config_sections[CONFIG_PROFILE].key_count; i++)
			set_fallback(cfg, &config_sections[CONFIG_PROFILE].keys[i], profile);
	}
	append_builtin_policy(&cfg->exit.policy);
}

/* What no single key can tell. */
/* Each network has one profile. */
static void check_networks(struct parse *p, const struct config_profile *mine)
{
	const struct config *cfg = p->cfg;
	char text[NETID_TEXT_MAX];

	for (const struct config_profile *other = cfg->profiles; other < mine; other++)
		for (size_t i = 0; i < mine->networks.count * other->networks.count; i++) {
			const struct netid *id = &mine->networks.items[i / other->networks.count];

			if (netid_equal(id, &other->networks.items[i % other->networks.count]))
				report(p, mine->line,
				       "[profile %s] networks: %s is [profile %s]'s already; "
				       "remove one of the two",
				       mine->name, netid_format(id, text), other->name);
		}
}

static void check_whole(struct parse *p)
{
	const struct config *cfg = p->cfg;

	if (config_has(cfg, CONFIG_CLIENT) && cfg->mesh.seeds.count == 0 &&
	    cfg->mesh.seed_file == NULL && !cfg->mesh.registrar.is_set)
		report(p, p->seen_line[CONFIG_CLIENT],
		       "[mesh] seeds: is missing; a client needs at least one token from \"macro "
		       "node seed\"");
	if (cfg->mesh.lan && !cfg->mesh.registrar.is_set)
		report(p, p->seen_line[CONFIG_MESH],
		       "[mesh] lan: needs a registrar: whoever answers on a local network must be "
		       "a known member; set registrar, or lan = no");
	if (config_profile_find(cfg, cfg->client.profile) == NULL)
		report(p, p->seen_line[CONFIG_CLIENT],
		       "[client] profile: \"%s\" is not defined; add [profile %s] or name another",
		       cfg->client.profile, cfg->client.profile);
	for (size_t i = 0; i < cfg->profile_count; i++)
		check_networks(p, &cfg->profiles[i]);
	if (cfg->health.loss_yellow_percent > cfg->health.loss_red_percent)
		report(p, p->seen_line[CONFIG_HEALTH],
		       "[health] loss_yellow: is above loss_red; give less");
	if (cfg->health.delay_yellow_ms > cfg->health.delay_red_ms)
		report(p, p->seen_line[CONFIG_HEALTH],
		       "[health] delay_yellow: is above delay_red; give less");
	if (cfg->health.throughput_yellow_bps < cfg->health.throughput_red_bps)
		report(p, p->seen_line[CONFIG_HEALTH],
		       "[health] throughput_yellow: is below throughput_red; give more");
	if (config_has(cfg, CONFIG_EXIT) && !config_has(cfg, CONFIG_NODE))
		report(p, p->seen_line[CONFIG_EXIT],
		       "[exit]: is only for nodes; add [node] with roles = exit, or remove it");
	for (size_t i = 0; i < cfg->profile_count && config_has(cfg, CONFIG_NODE); i++)
		if (cfg->profiles[i].killswitch != CONFIG_KILLSWITCH_OFF)
			report(
			    p, cfg->profiles[i].line,
			    "[profile %s] killswitch: would block what this machine carries as a "
			    "node; remove it, or [node]",
			    cfg->profiles[i].name);
	if (strcmp(cfg->client.tun, cfg->exit.tun) == 0)
		report(p, p->seen_line[CONFIG_EXIT],
		       "[exit] tun: \"%s\" is the client's interface too; name another",
		       cfg->exit.tun);
}

/* As far as it can be understood; p->error_count says whether that is all. */
static void parse_text(struct parse *p, const char *text, size_t len)
{
	p->cfg = xcalloc(1, sizeof(*p->cfg));
	enter_section(p, CONFIG_TOP, p->cfg);
	if (len > FILE_LEN_MAX)
		report(p, 1, "has more than %d bytes; this is no macro.conf", FILE_LEN_MAX);
	else
		parse_lines(p, text, len);
	finish_section(p);
	fill_defaults(p->cfg);
	if (p->error_count == 0)
		check_whole(p);
}

int config_parse(struct config **out, const char *text, size_t len, const char *name, FILE *errors)
{
	struct parse p = {.errors = errors, .file = name};

	parse_text(&p, text, len);
	if (p.error_count > 0) {
		config_free(p.cfg);
		return -EINVAL;
	}
	*out = p.cfg;
	return 0;
}

/* The file's text for free(), at most a byte longer than allowed. */
static int read_text(const char *path, char **text, size_t *len, FILE *errors)
{
	FILE *f = fopen(path, "re");
	int err = 0;

	if (f == NULL) {
		err = -errno;
		fprintf(errors, "%s: %s; \"macro config sample\" prints a file to start from\n",
			path, strerror(-err));
		return err;
	}
	*text = xcalloc(1, FILE_LEN_MAX + 1);
	errno = 0;
	*len = fread(*text, 1, FILE_LEN_MAX + 1, f);
	if (ferror(f)) {
		err = errno != 0 ? -errno : -EIO;
		fprintf(errors, "%s: cannot be read: %s\n", path, strerror(-err));
		free(*text);
	}
	fclose(f);
	return err;
}

int config_load(struct config **out, const char *path, FILE *errors)
{
	char *text;
	size_t len;
	int err = read_text(path, &text, &len, errors);

	if (err != 0)
		return err;
	err = config_parse(out, text, len, path, errors);
	free(text);
	return err;
}

char *config_state_dir(const char *path)
{
	FILE *nowhere = fopen("/dev/null", "we");
	struct parse p = {.errors = nowhere, .file = path};
	char *text, *dir = NULL;
	size_t len;

	if (nowhere != NULL && read_text(path, &text, &len, nowhere) == 0) {
		parse_text(&p, text, len);
		if (p.cfg->daemon.state_dir != NULL)
			dir = xstrdup(p.cfg->daemon.state_dir);
		config_free(p.cfg);
		free(text);
	}
	if (nowhere != NULL)
		fclose(nowhere);
	return dir != NULL ? dir : xstrdup(CONFIG_STATE_DIR_DEFAULT);
}

static void clear_keys(enum config_section_id id, void *base)
{
	for (size_t i = 0; i < config_sections[id].key_count; i++)
		key_clear(&config_sections[id].keys[i], base);
}

void config_free(struct config *cfg)
{
	if (cfg == NULL)
		return;
	for (unsigned id = CONFIG_DAEMON; id < CONFIG_SECTION_COUNT; id++)
		if (id != CONFIG_PROFILE)
			clear_keys(id, (char *)cfg + config_sections[id].offset);
	for (size_t i = 0; i < cfg->profile_count; i++) {
		clear_keys(CONFIG_PROFILE, &cfg->profiles[i]);
		free(cfg->profiles[i].name);
	}
	free(cfg->profiles);
	free(cfg);
}

const struct config_profile *config_profile_find(const struct config *cfg, const char *name)
{
	for (size_t i = 0; i < cfg->profile_count; i++)
		if (strcmp(cfg->profiles[i].name, name) == 0)
			return &cfg->profiles[i];
	return NULL;
}

/* ---- reload ---- */

static void swap_bytes(uint8_t *a, uint8_t *b, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		const uint8_t byte = a[i];

		a[i] = b[i];
		b[i] = byte;
	}
}

static void take_profiles(struct config *running, struct config *fresh)
{
	swap_bytes((uint8_t *)&running->profiles, (uint8_t *)&fresh->profiles,
		   sizeof(running->profiles));
	swap_bytes((uint8_t *)&running->profile_count, (uint8_t *)&fresh->profile_count,
		   sizeof(running->profile_count));
}

void config_take(struct config *running, struct config *fresh, enum config_section_id section)
{
	const struct config_section *s = &config_sections[section];

	if (section == CONFIG_PROFILE) {
		take_profiles(running, fresh);
		return;
	}
	for (size_t i = 0; i < s->key_count; i++) {
		const size_t at = s->offset + s->keys[i].offset;

		if (s->keys[i].is_live)
			swap_bytes((uint8_t *)running + at, (uint8_t *)fresh + at, s->keys[i].size);
	}
}

void config_restart_keys(const struct config *running, const struct config *fresh, char *out,
			 size_t len)
{
	size_t used = 0;

	out[0] = '\0';
	for (unsigned id = CONFIG_DAEMON; id < CONFIG_SECTION_COUNT; id++) {
		const struct config_section *s = &config_sections[id];
		const uint64_t *was = running->text_hash[id], *is = fresh->text_hash[id];

		if ((id == CONFIG_CLIENT || id == CONFIG_NODE) &&
		    config_has(running, id) != config_has(fresh, id)) {
			used += (size_t)snprintf(out + used, len - used, "%s[%s]",
						 used > 0 ? ", " : "", s->name);
			used = MIN(used, len);
			continue;
		}
		for (size_t i = 0; id != CONFIG_PROFILE && i < s->key_count && used < len; i++)
			if (!s->keys[i].is_live && was[i] != is[i])
				used += (size_t)snprintf(out + used, len - used, "%s[%s] %s",
							 used > 0 ? ", " : "", s->name,
							 s->keys[i].name);
	}
}
