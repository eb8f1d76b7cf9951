/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "host/sysctl.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

bool sysctl_key_is_valid(const char *key)
{
	return strncmp(key, "net/", 4) == 0 && strlen(key) < SYSCTL_KEY_MAX &&
	       strstr(key, "/..") == NULL;
}

static int open_key(const char *key, int flags)
{
	char path[SYSCTL_KEY_MAX + 16];
	int fd;

	if (!sysctl_key_is_valid(key))
		return -EINVAL;
	snprintf(path, sizeof(path), "/proc/sys/%s", key);
	fd = open(path, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int sysctl_read(const char *key, char value[static SYSCTL_VALUE_MAX])
{
	const int fd = open_key(key, O_RDONLY);
	char buf[SYSCTL_VALUE_MAX];
	ssize_t n;
	int err;

	if (fd < 0)
		return fd;
	n = read(fd, buf, sizeof(buf));
	err = -errno;
	close(fd);
	if (n < 0)
		return err;
	if (n == 0 || buf[n - 1] != '\n') /* longer than any that we deal with */
		return -EOVERFLOW;
	buf[n - 1] = '\0';
	memcpy(value, buf, (size_t)n);
	return 0;
}

int sysctl_write(const char *key, const char *value)
{
	const int fd = open_key(key, O_WRONLY);
	int err = 0;

	if (fd < 0)
		return fd;
	if (write(fd, value, strlen(value)) < 0)
		err = -errno;
	close(fd);
	return err;
}

int sysctl_each_dev(const char *family_dir, sysctl_dev_fn *fn, void *ctx)
{
	char path[64];
	struct dirent *e;
	DIR *d;

	snprintf(path, sizeof(path), "/proc/sys/net/%s/conf", family_dir);
	d = opendir(path);
	if (d == NULL)
		return -errno;
	while ((e = readdir(d)) != NULL)
		if (e->d_name[0] != '.')
			fn(ctx, e->d_name);
	closedir(d);
	return 0;
}
