/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "host/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/durable.h"
#include "util/xalloc.h"

#define HEADER "macromesh-journal 2"

int journal_open(struct journal *j, const char *dir, const char *name, struct host_error *err)
{
	char *lock_path;
	int fd, code = 0;

	if (mkdir(dir, 0700) != 0 && errno != EEXIST)
		return host_fail(err, -errno, "making the state directory %s", dir);
	lock_path = xasprintf("%s/%s.lock", dir, name);
	fd = open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0) {
		code = host_fail(err, -errno, "opening %s", lock_path);
		goto free_path;
	}
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		code = errno == EWOULDBLOCK
			   ? host_refuse(err, -EBUSY,
					 "another macrod is running with the state directory %s; "
					 "stop it first",
					 dir)
			   : host_fail(err, -errno, "locking %s", lock_path);
		close(fd);
		goto free_path;
	}
	j->dir = xstrdup(dir);
	j->name = xasprintf("%s.journal", name);
	j->path = xasprintf("%s/%s", dir, j->name);
	j->lock_fd = fd;

free_path:
	free(lock_path);
	return code;
}

void journal_close(struct journal *j)
{
	close(j->lock_fd);
	free(j->dir);
	free(j->name);
	free(j->path);
	*j = (struct journal){.lock_fd = -1};
}

int journal_store(const struct journal *j, const struct change_list *list, struct host_error *err)
{
	char *text = NULL;
	size_t len;
	FILE *f;
	int code;

	if (list->count == 0) {
		code = durable_remove(j->dir, j->name);
	} else {
		f = open_memstream(&text, &len);
		if (f == NULL)
			abort();
		fprintf(f, "%s\n", HEADER);
		for (size_t i = 0; i < list->count; i++)
			change_write(&list->items[i], f);
		fclose(f);
		code = durable_write(j->dir, j->name, text, len);
		free(text);
	}
	return code == 0 ? 0 : host_fail(err, code, "writing the journal %s", j->path);
}

static void note(struct journal_fault *fault, unsigned line, const char *what)
{
	if (fault->line == 0)
		*fault = (struct journal_fault){line, what};
}

static void parse_line(const char *line, unsigned number, struct change_list *list,
		       struct journal_fault *fault)
{
	struct change c;

	if (number == 1) {
		if (strcmp(line, HEADER) != 0)
			note(fault, number, "not a journal of this version of macrod");
	} else if (change_parse(&c, line) == 0) {
		*change_list_add(list, c.kind) = c;
	} else {
		note(fault, number, "not a change that is known");
	}
}

void journal_parse(const char *text, size_t len, struct change_list *list,
		   struct journal_fault *fault)
{
	unsigned number = 0;

	*list = (struct change_list){.items = NULL};
	*fault = (struct journal_fault){.line = 0};
	while (len > 0) {
		const char *end = memchr(text, '\n', len);
		const size_t line_len = end != NULL ? (size_t)(end - text) : len;
		char *line = strndup(text, line_len);

		number++;
		if (end == NULL || line == NULL || strlen(line) != line_len)
			note(fault, number, "cut off or not text");
		else
			parse_line(line, number, list, fault);
		free(line);
		if (end == NULL)
			return;
		text += line_len + 1;
		len -= line_len + 1;
	}
	if (number == 0)
		note(fault, 1, "empty");
}

int journal_load(const struct journal *j, struct change_list *list, struct journal_fault *fault,
		 struct host_error *err)
{
	char *text;
	size_t len;
	const int code = durable_read(j->dir, j->name, JOURNAL_SIZE_MAX, &text, &len);

	if (code == -ENOENT) {
		*list = (struct change_list){.items = NULL};
		*fault = (struct journal_fault){.line = 0};
		return 0;
	}
	if (code != 0)
		return host_fail(err, code, "reading the journal %s", j->path);
	journal_parse(text, len, list, fault);
	free(text);
	return 0;
}
