/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Files that verbs make. */
#ifndef CLI_FILE_H
#define CLI_FILE_H

#include <stdint.h>
#include <sys/types.h>

#include "cli/cli.h"

/* file_make_parent(path, mode): the directories that lead to path; the last of them with this mode.
 * CODE_OK, or CODE_FAILED after a message. */
enum code file_make_parent(const char *path, mode_t mode);

/* file_create(path, bytes, len): all of it or nothing, never over another file. */
enum code file_create(const char *path, const void *bytes, size_t len);

/* file_read(path, max, out, len): all of it, len bytes and a zero for the caller to free. */
enum code file_read(const char *path, size_t max, char **out, size_t *len);

#endif
