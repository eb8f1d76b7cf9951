/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "host/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define NFT_ROOT "/sys/fs/cgroup" /* where nftables looks for them */

static const char *const names[CGROUP_SIDES] = {"macromesh-exclude", "macromesh-only"};

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

	while (f != NULL && !found && fgets(line, sizeof(line), f) != NULL)
		found = take_mount(line, out);
	if (f != NULL)
		fclose(f);
	return found;
}

static bool path_of(enum cgroup_side side, char out[static CGROUP_PATH_MAX])
{
	char mount[CGROUP_PATH_MAX];

	if (!find_mount(mount))
		return false;
	snprintf(out, CGROUP_PATH_MAX, "%.*s%s", CGROUP_PATH_MAX / 2, mount, names[side]);
	return true;
}

bool cgroup_path(enum cgroup_side side, char out[static CGROUP_PATH_MAX])
{
	char path[CGROUP_PATH_MAX], full[sizeof(NFT_ROOT) + CGROUP_PATH_MAX + 16], line[32];
	bool is_populated = false;
	FILE *f;

	if (!path_of(side, path))
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
	char path[CGROUP_PATH_MAX], full[sizeof(NFT_ROOT) + CGROUP_PATH_MAX + 16], text[16];
	int fd, n, code = 0;

	if (!path_of(side, path))
		return host_refuse(err, -ENOTSUP,
				   "there are no control groups of version 2 below " NFT_ROOT
				   ", by which programs are told apart");
	n = snprintf(full, sizeof(full), NFT_ROOT "/%s", path);
	if (mkdir(full, 0755) != 0 && errno != EEXIST)
		return host_fail(err, -errno, "making the control group %s", full);
	snprintf(full + n, sizeof(full) - (size_t)n, "/cgroup.procs");
	fd = open(full, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return host_fail(err, -errno, "opening %s", full);
	n = snprintf(text, sizeof(text), "%d", (int)pid);
	if (write(fd, text, (size_t)n) != n)
		code = -errno;
	close(fd);
	return code == 0 ? 0
			 : host_fail(err, code, "moving process %d into the control group %s",
				     (int)pid, path);
}

void cgroup_remove(enum cgroup_side side)
{
	char path[CGROUP_PATH_MAX], full[sizeof(NFT_ROOT) + CGROUP_PATH_MAX];

	if (!path_of(side, path))
		return;
	snprintf(full, sizeof(full), NFT_ROOT "/%s", path);
	(void)rmdir(full); /* EBUSY: its programs still run */
}
