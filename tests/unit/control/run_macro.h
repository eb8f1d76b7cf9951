/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The real macro, run against a made-up daemon. */
#ifndef TESTS_RUN_MACRO_H
#define TESTS_RUN_MACRO_H

#include <sys/wait.h>
#include <unistd.h>

#include "tests/lib/test.h"
#include "tests/unit/control/fake.h"
#include "util/xalloc.h"

static struct fake fake;
static const char *macro_path;
static char out[65536], err[16384];

static inline void read_back(const char *name, char *buf, size_t size)
{
	char *path = xasprintf("%s/%s", fake.dir, name);
	FILE *f = fopen(path, "r");

	buf[0] = '\0';
	if (f != NULL) {
		buf[fread(buf, 1, size - 1, f)] = '\0';
		fclose(f);
	}
	unlink(path);
	free(path);
}

/* Runs macro with these arguments (shell words); its exit status, its output in out and err. */
static inline int run(const char *args)
{
	char *command = xasprintf("MACRO_SOCKET=%s MACRO_CONFIG=%s/macro.conf TZ=UTC %s %s "
				  ">%s/out 2>%s/err </dev/null",
				  fake.path, fake.dir, macro_path, args, fake.dir, fake.dir);
	const int status = system(command);

	free(command);
	read_back("out", out, sizeof(out));
	read_back("err", err, sizeof(err));
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static inline void check(const char *args, int status, const char *stdout_text,
			 const char *stderr_text)
{
	const int got = run(args);

	if (got != status || strcmp(out, stdout_text) != 0 || strcmp(err, stderr_text) != 0)
		printf("# macro %s: %d\n# stdout:\n%s# stderr:\n%s", args, got, out, err);
	CHECK_INT(got, status);
	CHECK(strcmp(out, stdout_text) == 0);
	CHECK(strcmp(err, stderr_text) == 0);
}

#endif
