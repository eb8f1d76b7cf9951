/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/verdict.h"

#include <stdarg.h>

void verdict_add(struct verdicts *v, enum verdict verdict, const char *check, const char *fmt, ...)
{
	struct verdict_line *l;
	va_list args;

	if (v->count == VERDICTS_MAX)
		return;
	l = &v->lines[v->count++];
	l->verdict = verdict;
	l->check = check;
	l->advice[0] = '\0';
	va_start(args, fmt);
	vsnprintf(l->text, sizeof(l->text), fmt, args);
	va_end(args);
}

void verdict_advise(struct verdicts *v, const char *fmt, ...)
{
	struct verdict_line *l = &v->lines[v->count - 1];
	va_list args;

	va_start(args, fmt);
	vsnprintf(l->advice, sizeof(l->advice), fmt, args);
	va_end(args);
}

enum verdict verdict_worst(const struct verdicts *v)
{
	enum verdict worst = VERDICT_OK;

	for (unsigned i = 0; i < v->count; i++)
		worst = MAX(worst, v->lines[i].verdict);
	return worst;
}

const char *verdict_name(enum verdict verdict)
{
	switch (verdict) {
	case VERDICT_OK:
		return "ok";
	case VERDICT_NOTE:
		return "note";
	case VERDICT_WARN:
		return "warn";
	case VERDICT_FAIL:
		return "fail";
	}
	return "";
}

static const char *mark_of(enum verdict verdict)
{
	return verdict == VERDICT_NOTE   ? "-"
	       : verdict == VERDICT_FAIL ? "FAIL"
					 : verdict_name(verdict);
}

void verdicts_print(FILE *out, const struct verdicts *v)
{
	for (unsigned i = 0; i < v->count; i++) {
		const struct verdict_line *l = &v->lines[i];

		fprintf(out, "  %-5s %-10s %s\n", mark_of(l->verdict), l->check, l->text);
		if (l->advice[0] != '\0')
			fprintf(out, "  %-5s %-10s -> %s\n", "", "", l->advice);
	}
}

json_t *verdicts_json(const struct verdicts *v)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < v->count; i++) {
		const struct verdict_line *l = &v->lines[i];

		json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s*}", "check", l->check,
						      "verdict", verdict_name(l->verdict), "text",
						      l->text, "advice",
						      l->advice[0] != '\0' ? l->advice : NULL));
	}
	return list;
}
