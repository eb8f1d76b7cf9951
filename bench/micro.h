/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * What the micro benchmarks share.  All times are CPU time of the calling thread: what other
 * programs do meanwhile costs them cache, but does not count.
 */
#ifndef BENCH_MICRO_H
#define BENCH_MICRO_H

#include "util/bytes.h"
#include "util/now.h"

uint64_t bench_cpu_ns(void);

/* One sample of one figure: a line `name value unit`; the name is printf's. */
void bench_figure(double value, const char *unit, const char *name, ...)
    __attribute__((format(printf, 3, 4)));

/* bench_ns(fn, ctx): CPU nanoseconds of one call, over some 15 ms of calls. */
double bench_ns(void (*fn)(void *ctx), void *ctx);

/* bench_die: an expectation about our own set-up does not hold; no figure must come of it. */
void bench_die(const char *why, ...) __attribute__((format(printf, 1, 2), noreturn));

/* The parts.  Each prints `rounds` samples of each of its figures. */
void bench_crypto(unsigned rounds);
void bench_onion(unsigned rounds);
void bench_chain(unsigned rounds);
void bench_circuits(unsigned rounds);
void bench_io(unsigned rounds);

/* Circuits of the largest step of bench_circuits. */
extern unsigned bench_circuits_max;

#endif
