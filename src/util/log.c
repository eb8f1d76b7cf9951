/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "util/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static enum log_level max_level = LOG_LEVEL_INFO;

void log_set_level(enum log_level level)
{
	__atomic_store_n(&max_level, level, __ATOMIC_RELAXED);
}

void log_write(enum log_level level, const char *fmt, ...)
{
	static const char *const journal_prefix[] = {"<3>", "<4>", "<6>", "<7>"};
	static const char *const plain_prefix[] = {"error: ", "warning: ", "", "debug: "};
	char line[1024];
	va_list ap;

	if (level > __atomic_load_n(&max_level, __ATOMIC_RELAXED))
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	fprintf(stderr, "%s%s\n",
		getenv("JOURNAL_STREAM") != NULL ? journal_prefix[level] : plain_prefix[level],
		line);
}
