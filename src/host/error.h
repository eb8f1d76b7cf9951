/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What went wrong on the machine, in words for its owner: which step, why, what to do. */
#ifndef HOST_ERROR_H
#define HOST_ERROR_H

#define HOST_ERROR_MAX 512

struct host_error {
	char text[HOST_ERROR_MAX];
};

/*
 * host_fail(err, code, fmt, ...): note what was being done when the negative errno code came; the
 * text of the errno follows, and for a lack of permission what to do.  Returns code.
 */
int host_fail(struct host_error *err, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* host_refuse(err, code, fmt, ...): the same where our own words say it all. */
int host_refuse(struct host_error *err, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
