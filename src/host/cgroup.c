/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "host/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define NFT_ROOT "/sys/fs/cgroup" /* where nftables looks for them */

#define GROUP_ALL "macromesh"

enum {
	FULL_PATH_MAX = sizeof(NFT_ROOT) + CGROUP_PATH_MAX,
};

static const char *const names[CGROUP_SIDES] = {GROUP_ALL "/exclude", GROUP_ALL "/only"};

/* Field number n of a line of /proc/self/mountinfo, from 1; its length. */
static const char *field(const char *line, unsigned n, size_t *len)
{
	while (--n > 0) {
		line += strcspn(line, " \n");
		line += *line == ' ';
	}
	*len = strcspn(line, " \n");
	return line;
}

/* Where version 2 is mounted, for one that shows the hierarchy from its root: "" or "unified"
 * below NFT_ROOT. */
static bool take_mount(const char *line, char out[static CGROUP_PATH_MAX])
{
	const char *type = strstr(line, " - "), *root, *point;
	size_t type_len, root_len, len;

	if (type == NULL)
		return false;
	type = field(type + 3, 1, &type_len);
	root = field(line, 4, &root_len);
	point = field(line, 5, &len);
	if (type_len != 7 || memcmp(type, "cgroup2", 7) != 0 || root_len != 1 || *root != '/' ||
	    len < strlen(NFT_ROOT) || memcmp(point, NFT_ROOT, strlen(NFT_ROOT)) != 0)
		return false;
	point += strlen(NFT_ROOT);
	len -= strlen(NFT_ROOT);
	if (len > 0 && *point != '/')
		return false;
	snprintf(out, CGROUP_PATH_MAX, "%.*s%s", len > 0 ? (int)len - 1 : 0, point + (len > 0),
		 len > 0 ? "/" : "");
	return len < CGROUP_PATH_MAX / 2;
}

static bool find_mount(char out[static CGROUP_PATH_MAX])
{
	FILE *f = fopen("/proc/self/mountinfo", "re");
	bool found = false;
	char line[4096];

	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		found |= take_mount(line, out); /* a later one may cover the others */
	if (f != NULL)
		fclose(f);
	return found;
}

/* A name below the root of the hierarchy, as nftables has it. */
static bool path_of(const char *name, char out[static CGROUP_PATH_MAX])
{
	char mount[CGROUP_PATH_MAX];

	if (!find_mount(mount))
		return false;
	snprintf(out, CGROUP_PATH_MAX, "%.*s%s", CGROUP_PATH_MAX / 2, mount, name);
	return true;
}

/* The same in the file system. */
static bool full_path(const char *name, char out[static FULL_PATH_MAX])
{
	char path[CGROUP_PATH_MAX];

	if (!path_of(name, path))
		return false;
	snprintf(out, FULL_PATH_MAX, NFT_ROOT "/%s", path);
	return true;
}

static int make(const char *name, char out[static FULL_PATH_MAX], struct host_error *err)
{
	if (!full_path(name, out))
		return host_refuse(err, -ENOTSUP,
				   "there are no control groups of version 2 below " NFT_ROOT
				   ", by which programs are told apart");
	if (mkdir(out, 0755) != 0 && errno != EEXIST)
		return host_fail(err, -errno, "making the control group %s", out);
	return 0;
}

static int hold(const char *path, int how)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), code;

	if (fd < 0)
		return -errno;
	if (flock(fd, how | LOCK_NB) == 0)
		return fd;
	code = -errno;
	close(fd);
	return code;
}

int cgroup_hold(struct host_error *err)
{
	char path[FULL_PATH_MAX];
	int code = make(GROUP_ALL, path, err);

	if (code != 0)
		return code;
	code = hold(path, LOCK_SH);
	return code >= 0 ? code : host_fail(err, code, "holding the control group %s", path);
}

bool cgroup_path(enum cgroup_side side, char out[static CGROUP_PATH_MAX])
{
	char path[CGROUP_PATH_MAX], full[FULL_PATH_MAX + 16], line[32];
	bool is_populated = false;
	FILE *f;

	if (!path_of(names[side], path))
		return false;
	snprintf(full, sizeof(full), NFT_ROOT "/%s/cgroup.events", path);
	f = fopen(full, "re");
	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		is_populated |= strcmp(line, "populated 1\n") == 0;
	if (f != NULL)
		fclose(f);
	if (is_populated)
		memcpy(out, path, sizeof(path));
	return is_populated;
}

int cgroup_join(enum cgroup_side side, pid_t pid, struct host_error *err)
{
	char path[FULL_PATH_MAX], procs[FULL_PATH_MAX + 16], text[16];
	int fd, n, code = make(GROUP_ALL, path, err);

	if (code == 0)
		code = make(names[side], path, err);
	if (code != 0)
		return code;
	snprintf(procs, sizeof(procs), "%s/cgroup.procs", path);
	fd = open(procs, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return host_fail(err, -errno, "opening %s", procs);
	n = snprintf(text, sizeof(text), "%d", (int)pid);
	if (write(fd, text, (size_t)n) != n)
		code = -errno;
	close(fd);
	return code == 0 ? 0
			 : host_fail(err, code, "moving process %d into the control group %s",
				     (int)pid, path);
}

void cgroup_remove(void)
{
	char path[FULL_PATH_MAX];
	int fd;

	if (!full_path(GROUP_ALL, path))
		return;
	fd = hold(path, LOCK_EX);
	if (fd < 0)
		return; /* it is not there, or a daemon's */
	for (enum cgroup_side side = 0; side < CGROUP_SIDES; side++)
		if (full_path(names[side], path))
			(void)rmdir(path); /* EBUSY: its programs still run */
	if (full_path(GROUP_ALL, path))
		(void)rmdir(path);
	close(fd);
}
