/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Small files of a state directory, replaced whole: after a crash there is the old or the new one.
 */
#ifndef HOST_DURABLE_H
#define HOST_DURABLE_H

#include "util/bytes.h"

/* durable_write(dir, name, text, len): on disk when it returns 0; else the old one is as it was. */
MUST_USE int durable_write(const char *dir, const char *name, const char *text, size_t len);

/* durable_remove(dir, name): also fine if there is none.  Works on a full disk. */
MUST_USE int durable_remove(const char *dir, const char *name);

/* durable_read(dir, name, max, text, len): its first max bytes, for free(), with a zero after them.
 * -ENOENT if there is none. */
MUST_USE int durable_read(const char *dir, const char *name, size_t max, char **text, size_t *len);

#endif
