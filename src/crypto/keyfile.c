/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Files of secrets: whole and private, or not taken. */
#include "crypto/keyfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "crypto/hash.h"
#include "util/xalloc.h"

enum {
	SUM_LEN = 8,
	FILE_MAX = KEYFILE_MAGIC_LEN + KEYFILE_PAYLOAD_MAX + SUM_LEN,
};

static void checksum(uint8_t out[static SUM_LEN], const uint8_t *file, size_t len)
{
	uint8_t hash[HASH_LEN];

	hash_sha256(hash, file, len);
	memcpy(out, hash, SUM_LEN);
	secret_wipe(hash, sizeof(hash));
}

/* What is wrong with the file, or NULL. */
static const char *inspect(const struct keyfile *k, const uint8_t *file, size_t len)
{
	uint8_t sum[SUM_LEN];

	if (memcmp(file, k->magic, KEYFILE_MAGIC_LEN - 1) != 0)
		return "it does not begin like one";
	if (file[KEYFILE_MAGIC_LEN - 1] != k->magic[KEYFILE_MAGIC_LEN - 1])
		return "it was written by another version of MacroMesh";
	checksum(sum, file, len - SUM_LEN);
	if (memcmp(sum, file + len - SUM_LEN, SUM_LEN) != 0)
		return "its checksum is wrong: it is damaged";
	return NULL;
}

static int complain(char *error, int err, const struct keyfile *k, const char *wrong,
		    const char *advice)
{
	snprintf(error, KEYFILE_ERROR_MAX, "%s %s: %s; %s", k->what, k->path, wrong, advice);
	return err;
}

static int complain_errno(char *error, const struct keyfile *k, const char *doing)
{
	const int err = errno;

	snprintf(error, KEYFILE_ERROR_MAX, "%s %s: cannot %s it: %s", k->what, k->path, doing,
		 strerror(err));
	return -err;
}

static int check_owner(const struct stat *st, const struct keyfile *k, char *error)
{
	if (!S_ISREG(st->st_mode))
		return complain(error, -EPERM, k, "it is not a regular file", k->advice);
	if (st->st_uid != geteuid())
		return complain(error, -EPERM, k, "it belongs to another user",
				"chown it to the user that runs this program");
	if ((st->st_mode & 077) != 0)
		return complain(error, -EPERM, k, "others may read or write it",
				"chmod 600 it, and consider its keys known to them");
	return 0;
}

static int read_exact(int fd, uint8_t *buf, size_t len)
{
	for (size_t done = 0; done < len;) {
		const ssize_t n = read(fd, buf + done, len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EBADMSG;
		done += (size_t)n;
	}
	return 0;
}

int keyfile_load(const struct keyfile *k, uint8_t *payload, size_t len,
		 char error[KEYFILE_ERROR_MAX])
{
	const int fd = open(k->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	const size_t file_len = KEYFILE_MAGIC_LEN + len + SUM_LEN;
	uint8_t file[FILE_MAX];
	const char *wrong;
	struct stat st;
	int err;

	if (fd < 0)
		return complain_errno(error, k, "open");
	if (fstat(fd, &st) != 0) {
		err = complain_errno(error, k, "examine");
		goto out;
	}
	err = check_owner(&st, k, error);
	if (err != 0)
		goto out;
	if (st.st_size != (off_t)file_len) {
		err = complain(error, -EBADMSG, k, "it has the wrong length", k->advice);
		goto out;
	}
	err = read_exact(fd, file, file_len);
	if (err != 0) {
		errno = -err;
		err = complain_errno(error, k, "read");
		goto out;
	}
	wrong = inspect(k, file, file_len);
	if (wrong != NULL)
		err = complain(error, -EBADMSG, k, wrong, k->advice);
	else
		memcpy(payload, file + KEYFILE_MAGIC_LEN, len);
out:
	secret_wipe(file, sizeof(file));
	close(fd);
	return err;
}

static int write_and_sync(int fd, const uint8_t *buf, size_t len)
{
	for (size_t done = 0; done < len;) {
		const ssize_t n = write(fd, buf + done, len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		done += (size_t)n;
	}
	return fsync(fd);
}

/*
 * A whole file appears under its name, or none: written aside, then linked, which unlike a rename
 * never replaces what another process just made.
 */
int keyfile_create(const struct keyfile *k, const uint8_t *payload, size_t len,
		   char error[KEYFILE_ERROR_MAX])
{
	const size_t sum_off = KEYFILE_MAGIC_LEN + len;
	char *aside = xasprintf("%s.XXXXXX", k->path);
	const int fd = mkostemp(aside, O_CLOEXEC); /* mode 0600 */
	uint8_t file[FILE_MAX];
	int err = 0;

	if (fd < 0) {
		err = complain_errno(error, k, "create");
		goto out;
	}
	memcpy(file, k->magic, KEYFILE_MAGIC_LEN);
	memcpy(file + KEYFILE_MAGIC_LEN, payload, len);
	checksum(file + sum_off, file, sum_off);
	if (write_and_sync(fd, file, sum_off + SUM_LEN) != 0)
		err = complain_errno(error, k, "write");
	else if (link(aside, k->path) != 0)
		err = complain_errno(error, k, "create");
	secret_wipe(file, sizeof(file));
	close(fd);
	unlink(aside);
out:
	free(aside);
	return err;
}
