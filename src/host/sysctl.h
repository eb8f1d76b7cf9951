/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Kernel settings under /proc/sys/net, by paths such as "net/ipv4/ip_forward". */
#ifndef HOST_SYSCTL_H
#define HOST_SYSCTL_H

#include "util/bytes.h"

#define SYSCTL_KEY_MAX   96
#define SYSCTL_VALUE_MAX 32

/* sysctl_key_is_valid(key): begins with "net/" and does not lead out of it. */
bool sysctl_key_is_valid(const char *key);

/* sysctl_read(key, value): without the newline.  -ENOENT: this kernel has no such setting. */
MUST_USE int sysctl_read(const char *key, char value[static SYSCTL_VALUE_MAX]);
MUST_USE int sysctl_write(const char *key, const char *value);

/*
 * sysctl_each_dev(family_dir, fn, ctx): for each entry below /proc/sys/net/<family_dir>/conf:
 * interfaces, "all" and "default".  family_dir is "ipv4" or "ipv6".
 */
typedef void sysctl_dev_fn(void *ctx, const char *dev);
MUST_USE int sysctl_each_dev(const char *family_dir, sysctl_dev_fn *fn, void *ctx);

#endif
