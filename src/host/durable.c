/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "host/durable.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "util/xalloc.h"

/* A rename or unlink is on disk only when its directory is. */
static int sync_dir(const char *dir)
{
	const int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int code = 0;

	if (fd < 0)
		return -errno;
	if (fsync(fd) != 0)
		code = -errno;
	close(fd);
	return code;
}

static int write_file(const char *path, const char *text, size_t len)
{
	const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int code = 0;

	if (fd < 0)
		return -errno;
	while (len > 0 && code == 0) {
		const ssize_t n = write(fd, text, len);

		if (n < 0) {
			code = -errno;
		} else {
			text += n;
			len -= (size_t)n;
		}
	}
	if (code == 0 && fsync(fd) != 0)
		code = -errno;
	close(fd);
	return code;
}

int durable_write(const char *dir, const char *name, const char *text, size_t len)
{
	char *path = xasprintf("%s/%s", dir, name), *temporary = xasprintf("%s.new", path);
	int code = write_file(temporary, text, len);

	if (code == 0 && rename(temporary, path) != 0)
		code = -errno;
	if (code != 0)
		unlink(temporary);
	else
		code = sync_dir(dir);
	free(temporary);
	free(path);
	return code;
}

int durable_remove(const char *dir, const char *name)
{
	char *path = xasprintf("%s/%s", dir, name);
	const int code = unlink(path) != 0 ? -errno : 0;

	free(path);
	return code == 0 ? sync_dir(dir) : code == -ENOENT ? 0 : code;
}

int durable_read(const char *dir, const char *name, size_t max, char **text, size_t *len)
{
	char *path = xasprintf("%s/%s", dir, name), *out;
	FILE *f = fopen(path, "re");
	int code = f == NULL ? -errno : 0;

	free(path);
	if (f == NULL)
		return code;
	out = xcalloc(max + 1, 1);
	*len = fread(out, 1, max, f);
	if (ferror(f))
		code = -EIO;
	fclose(f);
	if (code == 0)
		*text = out;
	else
		free(out);
	return code;
}
