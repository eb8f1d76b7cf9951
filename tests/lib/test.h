/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The whole test harness: TAP output for meson, one process per test file.
 *
 *   static void test_something(void) { CHECK(1 + 1 == 2); }
 *   int main(void) { RUN(test_something); return test_done(); }
 */
#ifndef TESTS_TEST_H
#define TESTS_TEST_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int test_count, test_failures, test_current_failed;

/* CHECK(cond): a failure is printed and counted; the test goes on. */
#define CHECK(cond)                                                                 \
	do {                                                                        \
		if (!(cond)) {                                                      \
			printf("# %s:%d: failed: %s\n", __FILE__, __LINE__, #cond); \
			test_current_failed = 1;                                    \
		}                                                                   \
	} while (0)

#define CHECK_INT(a, b)                                                                            \
	do {                                                                                       \
		const long long a_ = (long long)(a), b_ = (long long)(b);                          \
		if (a_ != b_) {                                                                    \
			printf("# %s:%d: %s is %lld, expected %lld\n", __FILE__, __LINE__, #a, a_, \
			       b_);                                                                \
			test_current_failed = 1;                                                   \
		}                                                                                  \
	} while (0)

#define CHECK_MEM(a, b, len) CHECK(memcmp((a), (b), (len)) == 0)

/* NEED(cond): as CHECK, but leaves the test function: what follows depends on it. */
#define NEED(cond)                                                                  \
	do {                                                                        \
		if (!(cond)) {                                                      \
			printf("# %s:%d: needed: %s\n", __FILE__, __LINE__, #cond); \
			test_current_failed = 1;                                    \
			return;                                                     \
		}                                                                   \
	} while (0)

#define RUN(fn)                                                                                 \
	do {                                                                                    \
		test_current_failed = 0;                                                        \
		fn();                                                                           \
		test_count++;                                                                   \
		test_failures += test_current_failed;                                           \
		printf("%s %d - %s\n", test_current_failed ? "not ok" : "ok", test_count, #fn); \
		fflush(stdout);                                                                 \
	} while (0)

static inline int test_done(void)
{
	printf("1..%d\n", test_count);
	return test_failures == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#endif
