/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The identity and its file: magic and version 8 | Ed25519 seed 32 | link secret 32 | first 8 bytes
 * of the SHA-256 of all before.  The only part of this folder that touches the file system.
 */
#include "mesh/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/xalloc.h"

enum {
	SEED_OFF = 8,
	LINK_OFF = SEED_OFF + crypto_sign_SEEDBYTES,
	SUM_OFF = LINK_OFF + DH_LEN,
	SUM_LEN = 8,
	FILE_LEN = SUM_OFF + SUM_LEN,
};

static const uint8_t magic[SEED_OFF] = {'M', 'M', 'I', 'D', 'E', 'N', 'T', 1};

static void derive(struct identity *id, const uint8_t *seed, const uint8_t *link_secret)
{
	crypto_sign_seed_keypair(id->id, id->sign_secret, seed);
	dh_keypair_from_secret(&id->link, link_secret);
}

void identity_generate(struct identity *id, const struct rng *rng)
{
	uint8_t seed[crypto_sign_SEEDBYTES], link_secret[DH_LEN];

	rng_fill(rng, seed, sizeof(seed));
	rng_fill(rng, link_secret, sizeof(link_secret));
	derive(id, seed, link_secret);
	secret_wipe(seed, sizeof(seed));
	secret_wipe(link_secret, sizeof(link_secret));
}

void identity_wipe(struct identity *id)
{
	secret_wipe(id, sizeof(*id));
}

static void checksum(uint8_t out[static SUM_LEN], const uint8_t file[static FILE_LEN])
{
	uint8_t hash[HASH_LEN];

	hash_sha256(hash, file, SUM_OFF);
	memcpy(out, hash, SUM_LEN);
	secret_wipe(hash, sizeof(hash));
}

static void encode(const struct identity *id, uint8_t file[static FILE_LEN])
{
	memcpy(file, magic, sizeof(magic));
	crypto_sign_ed25519_sk_to_seed(file + SEED_OFF, id->sign_secret);
	memcpy(file + LINK_OFF, id->link.secret, DH_LEN);
	checksum(file + SUM_OFF, file);
}

/* What is wrong with the file, or NULL. */
static const char *decode(struct identity *id, const uint8_t file[static FILE_LEN])
{
	uint8_t sum[SUM_LEN];

	if (memcmp(file, magic, sizeof(magic) - 1) != 0)
		return "it is not an identity file";
	if (file[sizeof(magic) - 1] != magic[sizeof(magic) - 1])
		return "it was written by another version of MacroMesh";
	checksum(sum, file);
	if (memcmp(sum, file + SUM_OFF, SUM_LEN) != 0)
		return "its checksum is wrong: it is damaged";
	derive(id, file + SEED_OFF, file + LINK_OFF);
	return NULL;
}

static int complain(char *error, int err, const char *path, const char *what, const char *advice)
{
	snprintf(error, IDENTITY_ERROR_MAX, "identity file %s: %s; %s", path, what, advice);
	return err;
}

static int complain_errno(char *error, const char *path, const char *doing)
{
	const int err = errno;

	snprintf(error, IDENTITY_ERROR_MAX, "identity file %s: cannot %s it: %s", path, doing,
		 strerror(err));
	return -err;
}

#define ADVICE_RESTORE "restore it from a backup, or remove it to get a new identity"

static int check_owner(const struct stat *st, const char *path, char *error)
{
	if (!S_ISREG(st->st_mode))
		return complain(error, -EPERM, path, "it is not a regular file", ADVICE_RESTORE);
	if (st->st_uid != geteuid())
		return complain(error, -EPERM, path, "it belongs to another user",
				"chown it to the user that runs macrod");
	if ((st->st_mode & 077) != 0)
		return complain(error, -EPERM, path, "others may read or write it",
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

int identity_load(struct identity *id, const char *path, char error[IDENTITY_ERROR_MAX])
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	uint8_t file[FILE_LEN];
	const char *wrong;
	struct stat st;
	int err;

	if (fd < 0)
		return complain_errno(error, path, "open");
	if (fstat(fd, &st) != 0) {
		err = complain_errno(error, path, "examine");
		goto out;
	}
	err = check_owner(&st, path, error);
	if (err != 0)
		goto out;
	if (st.st_size != FILE_LEN) {
		err = complain(error, -EBADMSG, path, "it has the wrong length", ADVICE_RESTORE);
		goto out;
	}
	err = read_exact(fd, file, sizeof(file));
	if (err != 0) {
		errno = -err;
		err = complain_errno(error, path, "read");
		goto out;
	}
	wrong = decode(id, file);
	if (wrong != NULL)
		err = complain(error, -EBADMSG, path, wrong, ADVICE_RESTORE);
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
static int create(const struct identity *id, const char *path, char *error)
{
	char *aside = xasprintf("%s.XXXXXX", path);
	const int fd = mkostemp(aside, O_CLOEXEC); /* mode 0600 */
	uint8_t file[FILE_LEN];
	int err = 0;

	if (fd < 0) {
		err = complain_errno(error, path, "create");
		goto out;
	}
	encode(id, file);
	if (write_and_sync(fd, file, sizeof(file)) != 0)
		err = complain_errno(error, path, "write");
	else if (link(aside, path) != 0)
		err = complain_errno(error, path, "create");
	secret_wipe(file, sizeof(file));
	close(fd);
	unlink(aside);
out:
	free(aside);
	return err;
}

int identity_load_or_create(struct identity *id, const char *path, const struct rng *rng,
			    char error[IDENTITY_ERROR_MAX])
{
	struct identity fresh;
	int err = identity_load(id, path, error);

	if (err != -ENOENT)
		return err;
	identity_generate(&fresh, rng);
	err = create(&fresh, path, error);
	if (err == 0)
		*id = fresh;
	else if (err == -EEXIST) /* another process was faster */
		err = identity_load(id, path, error);
	identity_wipe(&fresh);
	return err;
}
