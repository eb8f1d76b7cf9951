/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "host/lock.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "host/durable.h"
#include "host/plan.h"
#include "util/log.h"
#include "util/xalloc.h"

#define FILE_NAME "lock"
#define HEADER    "macromesh-lock 1"

static const char *const settings[] = {"profile", "off", "on", "always"};
static const char *const tables[] = {"none", "guard", "block"};
static const char *const answers[] = {"no", "yes"};

static int find_word(const char *const *words, size_t count, const char *text)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(words[i], text) == 0)
			return (int)i;
	return -EINVAL;
}

const char *lock_setting_name(enum lock_setting s)
{
	return settings[s];
}

int lock_setting_parse(enum lock_setting *s, const char *name)
{
	const int i = find_word(settings, ARRAY_LEN(settings), name);

	if (i < 0)
		return i;
	*s = (enum lock_setting)i;
	return 0;
}

/* ---- reading ---- */

static bool take_name(char *out, size_t size, const char *text)
{
	const size_t len = strlen(text);

	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)text[i]) && strchr("-_.", text[i]) == NULL)
			return false;
	if (len == 0 || len >= size)
		return false;
	memcpy(out, text, len + 1);
	return true;
}

static bool take_bool(bool *out, const char *text)
{
	const int i = find_word(answers, ARRAY_LEN(answers), text);

	*out = i == 1;
	return i >= 0;
}

static bool take_table(enum lock_table *out, const char *text)
{
	const int i = find_word(tables, ARRAY_LEN(tables), text);

	if (i >= 0)
		*out = (enum lock_table)i;
	return i >= 0;
}

static bool take_number(uint32_t *out, const char *text, const char **end)
{
	unsigned long long v;
	char *stop;

	if (!isdigit((unsigned char)*text))
		return false;
	v = strtoull(text, &stop, 10);
	*end = stop;
	*out = (uint32_t)v;
	return v <= UINT32_MAX && stop - text <= 10;
}

static bool take_hops(uint32_t *out, const char *text)
{
	const char *end;

	return take_number(out, text, &end) && *end == '\0';
}

static bool take_interface(struct shield_pass *p, const char *text)
{
	if (p->interface_count == SHIELD_INTERFACES_MAX || !plan_name_is_plain(text))
		return false;
	memcpy(p->interfaces[p->interface_count++], text, strlen(text) + 1);
	return true;
}

static bool take_mark(struct shield_pass *p, const char *text)
{
	struct shield_mark m;
	const char *end;

	if (p->mark_count == SHIELD_MARKS_MAX || !take_number(&m.value, text, &end) ||
	    *end != '/' || !take_number(&m.mask, end + 1, &end) || *end != '\0')
		return false;
	p->marks[p->mark_count++] = m;
	return true;
}

static bool take_line(struct lock *l, const char *key, const char *value)
{
	if (strcmp(key, "setting") == 0)
		return lock_setting_parse(&l->setting, value) == 0;
	if (strcmp(key, "table") == 0)
		return take_table(&l->table, value);
	if (strcmp(key, "proven") == 0)
		return take_bool(&l->is_proven, value);
	if (strcmp(key, "wanted") == 0)
		return take_bool(&l->is_wanted, value);
	if (strcmp(key, "only") == 0)
		return take_bool(&l->is_only, value);
	if (strcmp(key, "pinned") == 0)
		return take_bool(&l->is_pinned, value);
	if (strcmp(key, "profile") == 0)
		return take_name(l->profile, sizeof(l->profile), value);
	if (strcmp(key, "exit") == 0)
		return take_name(l->exit, sizeof(l->exit), value);
	if (strcmp(key, "hops") == 0)
		return take_hops(&l->hops, value);
	if (strcmp(key, "lan") == 0)
		return take_bool(&l->pass.lan, value);
	if (strcmp(key, "interface") == 0)
		return take_interface(&l->pass, value);
	if (strcmp(key, "mark") == 0)
		return take_mark(&l->pass, value);
	return false;
}

unsigned lock_parse(struct lock *l, const char *text, size_t len)
{
	struct lock out = {.setting = LOCK_BY_PROFILE};
	unsigned number = 0;
	char line[160];

	while (len > 0) {
		const char *end = memchr(text, '\n', len);
		const size_t line_len = end != NULL ? (size_t)(end - text) : 0;
		char *value;

		number++;
		if (line_len == 0 || line_len >= sizeof(line))
			return number;
		memcpy(line, text, line_len);
		line[line_len] = '\0';
		text += line_len + 1;
		len -= line_len + 1;
		value = strchr(line, ' ');
		if (number == 1 && strcmp(line, HEADER) == 0)
			continue;
		if (number == 1 || value == NULL || strlen(line) != line_len)
			return number;
		*value++ = '\0';
		if (!take_line(&out, line, value))
			return number;
	}
	if (number == 0)
		return 1;
	*l = out;
	return 0;
}

void lock_distrust(struct lock *l)
{
	*l = (struct lock){.setting = LOCK_ALWAYS, .table = LOCK_TABLE_BLOCK, .is_proven = true};
}

int lock_load(struct lock *l, const char *dir, struct host_error *err)
{
	unsigned line;
	char *text;
	size_t len;
	int code = durable_read(dir, FILE_NAME, LOCK_SIZE_MAX, &text, &len);

	if (code == -ENOENT || code == -ENOTDIR) {
		*l = (struct lock){.setting = LOCK_BY_PROFILE};
		return 0;
	}
	if (code != 0) {
		lock_distrust(l);
		return host_fail(err, code, "reading %s/" FILE_NAME, dir);
	}
	line = lock_parse(l, text, len);
	free(text);
	if (line == 0)
		return 0;
	lock_distrust(l);
	return host_refuse(err, -EINVAL,
			   "%s/" FILE_NAME
			   ":%u: not a line that macrod wrote; until 'macro unlock' "
			   "all traffic is blocked",
			   dir, line);
}

/* ---- writing ---- */

static void write_lock(const struct lock *l, FILE *f)
{
	fprintf(f, HEADER "\nsetting %s\ntable %s\nproven %s\nwanted %s\nonly %s\npinned %s\n",
		settings[l->setting], tables[l->table], answers[l->is_proven],
		answers[l->is_wanted], answers[l->is_only], answers[l->is_pinned]);
	if (l->profile[0] != '\0')
		fprintf(f, "profile %s\n", l->profile);
	if (l->exit[0] != '\0')
		fprintf(f, "exit %s\n", l->exit);
	fprintf(f, "hops %u\nlan %s\n", l->hops, answers[l->pass.lan]);
	for (size_t i = 0; i < l->pass.interface_count; i++)
		fprintf(f, "interface %s\n", l->pass.interfaces[i]);
	for (size_t i = 0; i < l->pass.mark_count; i++)
		fprintf(f, "mark %u/%u\n", l->pass.marks[i].value, l->pass.marks[i].mask);
}

int lock_store(const struct lock *l, const char *dir, struct host_error *err)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	int code;

	if (f == NULL)
		abort();
	write_lock(l, f);
	fclose(f);
	if (mkdir(dir, 0700) != 0 && errno != EEXIST)
		code = -errno;
	else
		code = durable_write(dir, FILE_NAME, text, len);
	free(text);
	return code == 0 ? 0 : host_fail(err, code, "writing %s/" FILE_NAME, dir);
}

int lock_free(const char *dir, struct host_error *err)
{
	struct host_error ignored;
	struct lock l;
	int code;

	if (lock_load(&l, dir, &ignored) != 0)
		l = (struct lock){.setting = LOCK_OFF, .table = LOCK_TABLE_BLOCK};
	if (l.setting == LOCK_BY_PROFILE && l.table == LOCK_TABLE_NONE && !l.is_proven)
		return 0; /* nothing was ever locked */
	l.setting = LOCK_OFF;
	l.table = LOCK_TABLE_NONE;
	l.is_wanted = false;
	if (lock_store(&l, dir, &ignored) == 0)
		return 0;
	log_warn("%s; forgetting the settings of the kill switch instead", ignored.text);
	code = durable_remove(dir, FILE_NAME);
	return code == 0 ? 0 : host_fail(err, code, "removing %s/" FILE_NAME, dir);
}
