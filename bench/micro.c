/* SPDX-License-Identifier: GPL-3.0-or-later */
/* bench-micro PART...: the parts' figures, one sample a line. */
#include "bench/micro.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "util/log.h"

enum {
	SAMPLE_NS = 15 * 1000 * 1000,
	ROUNDS = 7,
	ROUNDS_QUICK = 3,
	CIRCUITS = 100000,
	CIRCUITS_QUICK = 10000,
};

unsigned bench_circuits_max = CIRCUITS;

uint64_t bench_cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

void bench_figure(double value, const char *unit, const char *name, ...)
{
	va_list ap;

	va_start(ap, name);
	vprintf(name, ap);
	va_end(ap);
	printf(" %.6g %s\n", value, unit);
	fflush(stdout);
}

void bench_die(const char *why, ...)
{
	va_list ap;

	fputs("bench-micro: ", stderr);
	va_start(ap, why);
	vfprintf(stderr, why, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

double bench_ns(void (*fn)(void *ctx), void *ctx)
{
	uint64_t calls = 0, start, spent;

	fn(ctx); /* warms caches and tables */
	start = bench_cpu_ns();
	do {
		for (int i = 0; i < 4; i++)
			fn(ctx);
		calls += 4;
		spent = bench_cpu_ns() - start;
	} while (spent < SAMPLE_NS);
	return (double)spent / (double)calls;
}

static const struct {
	const char *name;
	void (*run)(unsigned rounds);
} parts[] = {
    {"crypto", bench_crypto},     {"onion", bench_onion}, {"chain", bench_chain},
    {"circuits", bench_circuits}, {"io", bench_io},
};

static bool run_part(const char *name, unsigned rounds)
{
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		if (strcmp(parts[i].name, name) == 0) {
			parts[i].run(rounds);
			return true;
		}
	}
	return false;
}

int main(int argc, char **argv)
{
	unsigned rounds = ROUNDS;

	if (getenv("BENCH_QUICK") != NULL) {
		rounds = ROUNDS_QUICK;
		bench_circuits_max = CIRCUITS_QUICK;
	}
	for (int i = 1; i < argc; i++)
		if (!run_part(argv[i], rounds))
			bench_die("no part %s: crypto, onion, chain, circuits or io", argv[i]);
	return 0;
}
