/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mesh/identity.h"
#include "mesh/seed.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/lib/test.h"
#include "util/xalloc.h"

static char dir[] = "/tmp/test-identity-XXXXXX";
static char *path;
static char error[IDENTITY_ERROR_MAX];

static size_t read_file(uint8_t *buf, size_t room)
{
	FILE *f = fopen(path, "rb");
	const size_t n = f != NULL ? fread(buf, 1, room, f) : 0;

	if (f != NULL)
		fclose(f);
	return n;
}

static void write_file(const uint8_t *buf, size_t len, mode_t mode)
{
	const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	if (fd < 0 || write(fd, buf, len) != (ssize_t)len || fchmod(fd, mode) != 0)
		abort();
	close(fd);
}

static int load(struct identity *id)
{
	error[0] = '\0';
	return identity_load(id, path, error);
}

/* Refused with that errno, naming the file, and the output untouched. */
static void refused(int err)
{
	struct identity id, before;

	memset(&id, 0x5a, sizeof(id));
	before = id;
	CHECK_INT(load(&id), err);
	CHECK(strstr(error, path) != NULL);
	CHECK_MEM(&id, &before, sizeof(id));
}

static void test_create_then_load(void)
{
	struct identity made, loaded;
	uint8_t sig[SIGN_LEN], pub[DH_LEN];
	struct stat st;

	refused(-ENOENT);
	NEED(identity_load_or_create(&made, path, &rng_system, error) == 0);
	NEED(stat(path, &st) == 0);
	CHECK_INT(st.st_mode & 07777, 0600);
	CHECK_INT(st.st_size, 80);
	NEED(load(&loaded) == 0);
	CHECK_MEM(&made, &loaded, sizeof(made));
	NEED(identity_load_or_create(&loaded, path, &rng_system, error) == 0);
	CHECK_MEM(&made, &loaded, sizeof(made));
	crypto_sign_detached(sig, NULL, (const uint8_t *)"x", 1, loaded.sign_secret);
	CHECK_INT(crypto_sign_verify_detached(sig, (const uint8_t *)"x", 1, made.id), 0);
	crypto_scalarmult_base(pub, loaded.link.secret);
	CHECK_MEM(pub, made.link.public, DH_LEN);
	identity_wipe(&loaded);
	CHECK(sodium_is_zero((const uint8_t *)&loaded, sizeof(loaded)));
}

static void test_identities_differ(void)
{
	struct identity a, b;

	identity_generate(&a, &rng_system);
	identity_generate(&b, &rng_system);
	CHECK(memcmp(a.id, b.id, NODE_ID_LEN) != 0);
	CHECK(memcmp(a.link.public, b.link.public, DH_LEN) != 0);
	CHECK(memcmp(a.id, a.link.secret, DH_LEN) != 0);
}

/* Tokens are words on command lines. */
static void test_tokens_are_no_options(void)
{
	struct rng rng = rng_seeded(11);

	for (unsigned i = 0; i < 1000; i++) {
		char text[SEED_TEXT_MAX];
		struct identity id;
		struct seed s = {.addr = {.port = 4600}};

		identity_generate(&id, &rng);
		memcpy(s.id, id.id, sizeof(s.id));
		NEED(seed_format(&s, text)[0] != '-');
	}
	rng_seeded_free(&rng);
}

static void test_damage(void)
{
	uint8_t file[128];
	const size_t len = read_file(file, sizeof(file));

	NEED(len == 80);
	for (size_t i = 0; i < len; i++) {
		file[i] ^= 1;
		write_file(file, len, 0600);
		refused(-EBADMSG);
		file[i] ^= 1;
	}
	file[0] ^= 1;
	write_file(file, len, 0600);
	refused(-EBADMSG);
	CHECK(strstr(error, "does not begin like one") != NULL);
	file[0] ^= 1;
	file[7]++;
	write_file(file, len, 0600);
	refused(-EBADMSG);
	CHECK(strstr(error, "version") != NULL);
	file[7]--;
	for (size_t n = 0; n < len + 2; n++) {
		write_file(file, n, 0600);
		if (n != len) {
			refused(-EBADMSG);
			CHECK(strstr(error, "length") != NULL);
		}
	}
	write_file(file, len, 0600);
}

static void test_permissions(void)
{
	uint8_t file[128];
	const size_t len = read_file(file, sizeof(file));
	static const mode_t open_to_others[] = {0640, 0604, 0620, 0610, 0666};
	struct identity id;

	for (size_t i = 0; i < ARRAY_LEN(open_to_others); i++) {
		write_file(file, len, open_to_others[i]);
		refused(-EPERM);
		CHECK(strstr(error, "chmod 600") != NULL);
	}
	write_file(file, len, 0400);
	CHECK_INT(load(&id), 0);
	if (geteuid() == 0) {
		NEED(chown(path, 12345, 12345) == 0);
		refused(-EPERM);
		CHECK(strstr(error, "another user") != NULL);
		NEED(chown(path, 0, 0) == 0);
	}
	NEED(chmod(path, 0600) == 0);
}

static void test_not_a_file(void)
{
	char *real = xasprintf("%s.real", path);

	NEED(rename(path, real) == 0);
	NEED(symlink(real, path) == 0);
	refused(-ELOOP);
	NEED(unlink(path) == 0 && mkfifo(path, 0600) == 0);
	refused(-EPERM); /* and does not wait for a writer */
	NEED(unlink(path) == 0 && mkdir(path, 0700) == 0);
	refused(-EPERM);
	NEED(rmdir(path) == 0);
	NEED(rename(real, path) == 0);
	free(real);
}

/* Where it cannot be created the message says so, and no half file stays behind. */
static void test_cannot_create(void)
{
	char *good = path;
	struct identity id;

	path = xasprintf("%s/missing/identity", dir);
	CHECK_INT(identity_load_or_create(&id, path, &rng_system, error), -ENOENT);
	CHECK(strstr(error, path) != NULL && strstr(error, "create") != NULL);
	free(path);
	path = good;
}

/* A bad file is never replaced by a new identity. */
static void test_bad_file_stays(void)
{
	static const uint8_t junk[80] = "precious";
	uint8_t after[128];
	struct identity id;

	write_file(junk, sizeof(junk), 0600);
	CHECK_INT(identity_load_or_create(&id, path, &rng_system, error), -EBADMSG);
	CHECK_INT(read_file(after, sizeof(after)), sizeof(junk));
	CHECK_MEM(after, junk, sizeof(junk));
}

int main(void)
{
	int left;

	if (mkdtemp(dir) == NULL)
		return EXIT_FAILURE;
	path = xasprintf("%s/identity", dir);
	RUN(test_create_then_load);
	RUN(test_identities_differ);
	RUN(test_tokens_are_no_options);
	RUN(test_damage);
	RUN(test_permissions);
	RUN(test_not_a_file);
	RUN(test_cannot_create);
	RUN(test_bad_file_stays);
	unlink(path);
	left = rmdir(dir); /* fails if some temporary file was left behind */
	free(path);
	return left == 0 ? test_done() : EXIT_FAILURE;
}
