/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/xalloc.h"

enum code file_make_parent(const char *path, mode_t mode)
{
	char *copy = xstrdup(path), *slash = strchr(copy + 1, '/');
	int err = 0;

	while (slash != NULL && err == 0) {
		char *next = strchr(slash + 1, '/');

		*slash = '\0';
		if (mkdir(copy, next != NULL ? 0755 : mode) != 0 && errno != EEXIST)
			err = errno;
		*slash = '/';
		slash = next;
	}
	free(copy);
	if (err == 0)
		return CODE_OK;
	return cli_error(CODE_FAILED, "cannot make the directory of %s: %s", path, strerror(err));
}

enum code file_create(const char *path, const void *bytes, size_t len)
{
	const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	bool is_written;

	if (fd < 0)
		return cli_error(CODE_FAILED, "cannot create %s: %s", path, strerror(errno));
	is_written = write(fd, bytes, len) == (ssize_t)len && fsync(fd) == 0;
	if (close(fd) == 0 && is_written)
		return CODE_OK;
	unlink(path); /* half a file would be taken for a whole one */
	return cli_error(CODE_FAILED, "cannot write %s: %s", path, strerror(errno));
}

enum code file_read(const char *path, size_t max, char **out, size_t *len)
{
	FILE *f = fopen(path, "re");
	char *text;
	size_t n;
	int err;

	if (f == NULL)
		return cli_error(CODE_FAILED, "cannot open %s: %s", path, strerror(errno));
	text = xcalloc(max + 2, 1);
	n = fread(text, 1, max + 1, f);
	err = ferror(f) ? errno : 0;
	fclose(f);
	if (err == 0 && n <= max) {
		*out = text;
		*len = n;
		return CODE_OK;
	}
	free(text);
	return cli_error(CODE_FAILED, "cannot read %s: %s", path, strerror(err != 0 ? err : EFBIG));
}
