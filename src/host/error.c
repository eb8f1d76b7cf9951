/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "host/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *advice(int code)
{
	switch (-code) {
	case EPERM:
	case EACCES:
		return "; this needs root or CAP_NET_ADMIN: start macrod as root or by its systemd "
		       "unit";
	case EROFS:
		return "; the file system is read-only here: in a container, set this on the host";
	}
	return "";
}

int host_fail(struct host_error *err, int code, const char *fmt, ...)
{
	char what[HOST_ERROR_MAX - 192];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	snprintf(err->text, sizeof(err->text), "%s: %s%s", what, strerror(-code), advice(code));
	return code;
}

int host_refuse(struct host_error *err, int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	return code;
}
