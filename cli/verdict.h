/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What checks found out: one verdict a line, and what to do about it. */
#ifndef CLI_VERDICT_H
#define CLI_VERDICT_H

#include <jansson.h>
#include <stdio.h>

#include "util/bytes.h"

enum verdict {
	VERDICT_OK,
	VERDICT_NOTE, /* could not be told, or does not matter */
	VERDICT_WARN,
	VERDICT_FAIL,
};

#define VERDICTS_MAX     16
#define VERDICT_TEXT_MAX 256

struct verdicts {
	unsigned count;
	struct verdict_line {
		enum verdict verdict;
		const char *check; /* static: what was looked at */
		char text[VERDICT_TEXT_MAX];
		char advice[VERDICT_TEXT_MAX]; /* what to do; empty: nothing */
	} lines[VERDICTS_MAX];
};

/* verdict_add(v, verdict, check, fmt, ...): another line.  verdict_advise: what to do about it. */
void verdict_add(struct verdicts *v, enum verdict verdict, const char *check, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
void verdict_advise(struct verdicts *v, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

enum verdict verdict_worst(const struct verdicts *v);
const char *verdict_name(enum verdict verdict);

void verdicts_print(FILE *out, const struct verdicts *v);
/* verdicts_json(v): a new list. */
json_t *verdicts_json(const struct verdicts *v);

#endif
