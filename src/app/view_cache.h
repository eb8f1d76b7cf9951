/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The directory on disk, so that a start needs no seed: an SQLite file in state_dir, written by a
 * thread of its own.  A copy of what was verified; a hash over all of it tells whether it is whole.
 * What is wrong with it is said, and the file begun anew: nothing depends on it.
 */
#ifndef APP_VIEW_CACHE_H
#define APP_VIEW_CACHE_H

#include "mesh/directory.h"

struct view_cache;

/* view_cache_open(path): never fails; a file that cannot be used is told in the log, and not used.
 */
struct view_cache *view_cache_open(const char *path);

/* view_cache_load(vc, dir, now): what it has into dir; how many of them are still valid. */
size_t view_cache_load(struct view_cache *vc, struct directory *dir, const struct now *now);

/* view_cache_tick(vc, dir, now): have a changed directory written, seldom.  _deadline: when. */
void view_cache_tick(struct view_cache *vc, const struct directory *dir, const struct now *now);
uint64_t view_cache_deadline(const struct view_cache *vc, const struct directory *dir);

/* view_cache_close(vc, dir): after a last write of dir. */
void view_cache_close(struct view_cache *vc, const struct directory *dir);

#endif
