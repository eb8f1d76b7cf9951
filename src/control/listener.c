/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A lock file beside the socket tells a living daemon from a left-over socket, without a moment in
 * which two daemons could both think the path is theirs.  The file mode keeps strangers out; the
 * peer's credentials are checked again on each connection.
 */
#include "control/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "util/xalloc.h"

#define GROUPS_MAX 65536 /* the kernel's NGROUPS_MAX */

__attribute__((format(printf, 3, 4))) static int fail(char error[static CONTROL_ERROR_MAX], int err,
						      const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(error, CONTROL_ERROR_MAX, fmt, args);
	va_end(args);
	return err;
}

static gid_t find_group(const char *name)
{
	char buf[4096];
	struct group entry, *found = NULL;

	if (getgrnam_r(name, &entry, buf, sizeof(buf), &found) != 0 || found == NULL)
		return (gid_t)-1;
	return found->gr_gid;
}

static int check_length(const char *path, char error[static CONTROL_ERROR_MAX])
{
	const size_t max = sizeof(((struct sockaddr_un *)0)->sun_path) - 1;

	if (strlen(path) <= max)
		return 0;
	return fail(error, -ENAMETOOLONG,
		    "the path of the control socket is longer than %zu bytes: %s", max, path);
}

static int make_directory(const char *path, char error[static CONTROL_ERROR_MAX])
{
	char *copy = xstrdup(path);
	const char *dir = dirname(copy);
	int err = 0;

	if (mkdir(dir, 0755) != 0 && errno != EEXIST) {
		err = -errno;
		fail(error, err, "cannot create the directory %s of the control socket: %s", dir,
		     strerror(-err));
	}
	free(copy);
	return err;
}

static int take_lock(struct listener *l, char error[static CONTROL_ERROR_MAX])
{
	char *path = xasprintf("%s.lock", l->path);
	int err = 0;

	l->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (l->lock_fd < 0 || flock(l->lock_fd, LOCK_EX | LOCK_NB) != 0)
		err = -errno;
	if (err == -EWOULDBLOCK)
		err = fail(error, -EADDRINUSE,
			   "another macrod serves the control socket %s; stop it, or set [daemon] "
			   "socket to another path",
			   l->path);
	else if (err != 0)
		fail(error, err, "cannot lock %s: %s", path, strerror(-err));
	free(path);
	return err;
}

/* We hold the lock: a socket that is there belongs to nobody. */
static int remove_stale(const struct listener *l, char error[static CONTROL_ERROR_MAX])
{
	struct stat st;

	if (lstat(l->path, &st) != 0)
		return errno == ENOENT ? 0
				       : fail(error, -errno, "%s: %s", l->path, strerror(errno));
	if (!S_ISSOCK(st.st_mode))
		return fail(error, -EEXIST,
			    "%s is there and is no socket; remove it, or set [daemon] socket to "
			    "another path",
			    l->path);
	if (unlink(l->path) != 0)
		return fail(error, -errno, "cannot remove the old socket %s: %s", l->path,
			    strerror(errno));
	return 0;
}

static int bind_socket(struct listener *l, char error[static CONTROL_ERROR_MAX])
{
	const mode_t mode = l->group != (gid_t)-1 ? 0660 : 0600;
	struct sockaddr_un addr = {.sun_family = AF_UNIX};

	memcpy(addr.sun_path, l->path, strlen(l->path) + 1);
	l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	/* Nobody gets in before listen(), so there is no moment with a wrong mode. */
	if (l->fd < 0 || bind(l->fd, (struct sockaddr *)&addr, sizeof(addr)) != 0 ||
	    (l->group != (gid_t)-1 && chown(l->path, (uid_t)-1, l->group) != 0 && errno != EPERM) ||
	    chmod(l->path, mode) != 0 || listen(l->fd, 64) != 0)
		return fail(error, -errno, "cannot listen on the control socket %s: %s", l->path,
			    strerror(errno));
	return 0;
}

int listener_open(struct listener *l, const char *path, const char *group,
		  char error[static CONTROL_ERROR_MAX])
{
	struct listener new = {.path = xstrdup(path),
			       .fd = -1,
			       .lock_fd = -1,
			       .group_name = xstrdup(group),
			       .group = find_group(group)};
	int err = check_length(path, error);

	if (err == 0)
		err = make_directory(path, error);
	if (err == 0)
		err = take_lock(&new, error);
	if (err == 0)
		err = remove_stale(&new, error);
	if (err == 0)
		err = bind_socket(&new, error);
	if (err == 0) {
		*l = new;
		return 0;
	}
	if (new.fd >= 0)
		close(new.fd);
	if (new.lock_fd >= 0)
		close(new.lock_fd);
	free(new.group_name);
	free(new.path);
	return err;
}

void listener_close(struct listener *l)
{
	unlink(l->path);
	if (l->fd >= 0)
		close(l->fd);
	close(l->lock_fd);
	free(l->group_name);
	free(l->path);
}

/* The peer's groups as they were when it connected; no look-up by name can say that. */
static bool peer_has_group(int fd, gid_t primary, gid_t wanted)
{
	socklen_t len = 0;
	gid_t *groups;
	bool found = primary == wanted;

	if (wanted == (gid_t)-1)
		return false;
	if (found || getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &len) == 0 || errno != ERANGE)
		return found;
	if (len > GROUPS_MAX * sizeof(gid_t))
		return false;
	groups = xcalloc(1, len);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) == 0)
		for (size_t i = 0; i < len / sizeof(gid_t); i++)
			found |= groups[i] == wanted;
	free(groups);
	return found;
}

bool listener_allows(const struct listener *l, int fd, struct peer *peer)
{
	struct ucred c;
	socklen_t len = sizeof(c);

	*peer = (struct peer){.uid = (uid_t)-1};
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &c, &len) != 0)
		return false;
	*peer = (struct peer){.uid = c.uid, .pid = c.pid};
	return c.uid == 0 || c.uid == geteuid() || peer_has_group(fd, c.gid, l->group);
}
