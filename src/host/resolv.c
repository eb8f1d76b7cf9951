/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "host/resolv.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/ip_prefix.h"
#include "util/endpoint.h"
#include "util/log.h"
#include "util/xalloc.h"

#define MARK "# Written by macrod while MacroMesh is connected; the original comes back after.\n"

/* The whole file, with a zero after it, for free().  Its length, or a negative errno. */
static ssize_t read_all(const char *path, char **out)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *buf;
	size_t len = 0;
	ssize_t n;

	if (fd < 0)
		return -errno;
	buf = xcalloc(RESOLV_SIZE_MAX + 1, 1);
	do {
		n = read(fd, buf + len, RESOLV_SIZE_MAX + 1 - len);
		len += n > 0 ? (size_t)n : 0;
	} while (n > 0 && len <= RESOLV_SIZE_MAX);
	if (n != 0) {
		n = n < 0 ? -errno : -EFBIG;
		close(fd);
		free(buf);
		return n;
	}
	close(fd);
	*out = buf;
	return (ssize_t)len;
}

static int write_all(int fd, const char *data, size_t len)
{
	while (len > 0) {
		const ssize_t n = write(fd, data, len);

		if (n < 0)
			return -errno;
		data += n;
		len -= (size_t)n;
	}
	return fsync(fd) != 0 ? -errno : 0;
}

static char *content_for(const struct resolv_servers *servers)
{
	char *text = xstrdup(MARK), *longer, ip[ENDPOINT_TEXT_MAX];

	for (size_t i = 0; i < servers->count; i++) {
		longer =
		    xasprintf("%snameserver %s\n", text, endpoint_ip_format(servers->ip[i], ip));
		free(text);
		text = longer;
	}
	return text;
}

/* True if path leads to a mount point of its own, which cannot be renamed over. */
static bool is_mount(const char *path)
{
	struct statx st;

	return statx(AT_FDCWD, path, 0, STATX_TYPE, &st) == 0 &&
	       (st.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

static int read_link(struct resolv *r)
{
	char target[PATH_MAX];
	const ssize_t n = readlink(r->path, target, sizeof(target) - 1);

	if (n < 0)
		return -errno;
	target[n] = '\0';
	r->was = RESOLV_WAS_LINK;
	r->original = xstrdup(target);
	r->original_len = (size_t)n;
	return 0;
}

static int read_file(struct resolv *r, const struct stat *st)
{
	const ssize_t n = read_all(r->path, &r->original);

	if (n < 0)
		return (int)n;
	r->was = RESOLV_WAS_FILE;
	r->mode = st->st_mode & 07777;
	r->uid = st->st_uid;
	r->gid = st->st_gid;
	r->original_len = (size_t)n;
	return 0;
}

static int read_original(struct resolv *r)
{
	struct stat st;
	char *real;

	if (lstat(r->path, &st) != 0) {
		if (errno != ENOENT)
			return -errno;
		r->was = RESOLV_WAS_ABSENT;
		r->mode = 0644;
		r->original = xstrdup("");
		return 0;
	}
	r->is_in_place = is_mount(r->path);
	if (S_ISLNK(st.st_mode) && !r->is_in_place)
		return read_link(r);
	if (S_ISLNK(st.st_mode)) {
		/* A mount on a link's target; the link itself may be shared with other hosts. */
		real = realpath(r->path, NULL);
		if (real == NULL || stat(real, &st) != 0) {
			const int code = -errno;

			free(real);
			return code;
		}
		free(r->path);
		r->path = real;
	}
	return S_ISREG(st.st_mode) ? read_file(r, &st) : -EINVAL;
}

int resolv_read(struct resolv *r, const char *path, const struct resolv_servers *servers,
		struct host_error *err)
{
	struct resolv out = {.path = xstrdup(path)};
	const int code = read_original(&out);

	if (code != 0) {
		resolv_fini(&out);
		return host_fail(err, code, "reading %s", path);
	}
	out.ours = content_for(servers);
	*r = out;
	return 0;
}

void resolv_fini(struct resolv *r)
{
	free(r->path);
	free(r->original);
	free(r->ours);
	*r = (struct resolv){.path = NULL};
}

static int write_in_place(const char *path, const char *data, size_t len)
{
	const int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	int code;

	if (fd < 0)
		return -errno;
	code = write_all(fd, data, len);
	close(fd);
	return code;
}

static char *temporary_name(const struct resolv *r)
{
	return xasprintf("%s.macrod", r->path);
}

static int write_temporary(const struct resolv *r, const char *temporary, const char *data,
			   size_t len)
{
	const int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int code;

	if (fd < 0)
		return -errno;
	code = write_all(fd, data, len);
	if (code == 0 && r->was == RESOLV_WAS_FILE && fchown(fd, r->uid, r->gid) != 0)
		code = -errno;
	if (code == 0 && fchmod(fd, r->was == RESOLV_WAS_FILE ? r->mode : 0644) != 0)
		code = -errno;
	close(fd);
	return code;
}

static int replace(const struct resolv *r, const char *data, size_t len, bool as_link)
{
	char *temporary;
	int code;

	if (r->is_in_place)
		return write_in_place(r->path, data, len);
	temporary = temporary_name(r);
	unlink(temporary); /* of a daemon that died here */
	if (as_link)
		code = symlink(data, temporary) != 0 ? -errno : 0;
	else
		code = write_temporary(r, temporary, data, len);
	if (code == 0 && rename(temporary, r->path) != 0)
		code = -errno;
	if (code != 0)
		unlink(temporary);
	free(temporary);
	return code;
}

static int restore(const struct resolv *r)
{
	if (r->was == RESOLV_WAS_ABSENT)
		return unlink(r->path) != 0 ? -errno : 0;
	return replace(r, r->original, r->original_len, r->was == RESOLV_WAS_LINK);
}

int resolv_apply(const struct resolv *r, struct host_error *err)
{
	const int code = replace(r, r->ours, strlen(r->ours), false);

	if (code != 0 && r->is_in_place && restore(r) != 0)
		log_warn("%s could not be written back", r->path);
	return code != 0 ? host_fail(err, code, "writing %s", r->path) : 0;
}

enum current {
	CURRENT_OURS,
	CURRENT_ORIGINAL,
	CURRENT_FOREIGN,
};

static bool is_start_of(const char *text, size_t len, const char *whole, size_t whole_len)
{
	return len < whole_len && memcmp(text, whole, len) == 0;
}

static bool is_same(const char *text, size_t len, const char *whole, size_t whole_len)
{
	return len == whole_len && memcmp(text, whole, len) == 0;
}

static enum current compare_content(const struct resolv *r, const char *text, size_t len)
{
	const size_t ours_len = strlen(r->ours);

	if (is_same(text, len, r->ours, ours_len))
		return CURRENT_OURS;
	if (r->was == RESOLV_WAS_FILE && is_same(text, len, r->original, r->original_len))
		return CURRENT_ORIGINAL;
	/* Writing in place was cut off by a crash, here or on the way back. */
	if (r->is_in_place && (is_start_of(text, len, r->ours, ours_len) ||
			       is_start_of(text, len, r->original, r->original_len)))
		return CURRENT_OURS;
	return CURRENT_FOREIGN;
}

static enum current look(const struct resolv *r)
{
	enum current c = CURRENT_FOREIGN;
	struct stat st;
	char *text;
	ssize_t len;

	if (lstat(r->path, &st) != 0)
		return r->was == RESOLV_WAS_ABSENT ? CURRENT_ORIGINAL : CURRENT_FOREIGN;
	if (S_ISLNK(st.st_mode)) {
		char target[PATH_MAX];

		len = readlink(r->path, target, sizeof(target));
		if (r->was == RESOLV_WAS_LINK && len >= 0 &&
		    is_same(target, (size_t)len, r->original, r->original_len))
			c = CURRENT_ORIGINAL;
		return c;
	}
	len = read_all(r->path, &text);
	if (len < 0)
		return CURRENT_FOREIGN;
	c = compare_content(r, text, (size_t)len);
	free(text);
	return c;
}

bool resolv_stands(const struct resolv *r)
{
	return look(r) == CURRENT_OURS;
}

int resolv_undo(const struct resolv *r, struct host_error *err)
{
	char *temporary;
	int code = 0;

	switch (look(r)) {
	case CURRENT_OURS:
		code = restore(r);
		if (code != 0)
			return host_fail(err, code, "restoring %s", r->path);
		break;
	case CURRENT_ORIGINAL:
		break;
	case CURRENT_FOREIGN:
		log_warn("%s was changed by someone else meanwhile; it stays as it is", r->path);
		break;
	}
	if (!r->is_in_place) {
		temporary = temporary_name(r);
		unlink(temporary);
		free(temporary);
	}
	return 0;
}

bool resolv_is_ours(const char *path)
{
	bool ours;
	char *text;

	if (read_all(path, &text) < 0)
		return false;
	ours = strncmp(text, MARK, strlen(MARK)) == 0;
	free(text);
	return ours;
}

/* The next name server of a resolv.conf's text, as strtok_r takes it; false at its end. */
static bool next_server(char *text, char **save, uint8_t ip[static 16])
{
	char *line, word[64];

	for (line = strtok_r(text, "\n", save); line != NULL; line = strtok_r(NULL, "\n", save))
		if (sscanf(line, " nameserver %63s", word) == 1 && endpoint_ip_parse(ip, word) == 0)
			return true;
	return false;
}

/* Those of a text, which is cut to pieces. */
static struct resolv_servers servers_of(char *text)
{
	struct resolv_servers out = {.count = 0};
	char *at, *save;
	uint8_t ip[16];

	for (at = text; out.count < RESOLV_SERVERS_MAX && next_server(at, &save, ip); at = NULL)
		if (!ip_is_loopback(ip))
			memcpy(out.ip[out.count++], ip, sizeof(ip));
	return out;
}

struct resolv_servers resolv_list(const char *path)
{
	struct resolv_servers out = {.count = 0};
	char *text;

	if (read_all(path, &text) < 0)
		return out;
	out = servers_of(text);
	free(text);
	return out;
}

static struct resolv_servers list_original(const struct resolv *r)
{
	const char *slash = strrchr(r->path, '/');
	struct resolv_servers out;
	char *text;

	if (r->was != RESOLV_WAS_LINK) {
		text = xstrdup(r->original);
		out = servers_of(text);
	} else {
		text = r->original[0] == '/'
			   ? xstrdup(r->original)
			   : xasprintf("%.*s/%s", (int)(slash - r->path), r->path, r->original);
		out = resolv_list(text);
	}
	free(text);
	return out;
}

struct resolv_servers resolv_network(const char *path, const struct resolv *r)
{
	static const char *const others[] = {"/run/systemd/resolve/resolv.conf",
					     "/run/NetworkManager/no-stub-resolv.conf"};
	struct resolv_servers out = r != NULL ? list_original(r) : resolv_list(path);

	for (size_t i = 0; i < ARRAY_LEN(others) && out.count == 0; i++)
		out = resolv_list(others[i]);
	return out;
}

bool resolv_names_resolved(const char *path)
{
	bool all = true, any = false;
	char *text, *at, *save;
	uint8_t ip[16];

	if (read_all(path, &text) < 0)
		return false;
	for (at = text; next_server(at, &save, ip); at = NULL) {
		const bool is_stub = ip_is_loopback(ip) && ip[13] == 0 && ip[14] == 0 &&
				     (ip[15] == 53 || ip[15] == 54);

		all &= is_stub;
		any = true;
	}
	free(text);
	return all && any;
}
