/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The book and the guards on disk, so that a restart forgets nothing: an SQLite file that only its
 * own thread writes.  It is a help and never a condition: what cannot be read is set aside, what
 * cannot be written is said once, and the client goes on.
 */
#ifndef HISTORY_HISTORY_H
#define HISTORY_HISTORY_H

#include "health/guard.h"

#define HISTORY_FILE    "history.db" /* in state_dir */
#define HISTORY_WHY_MAX 256

struct history;

/*
 * history_open(path, why): NULL with the reason in why: nothing will be kept.  Otherwise why is
 * empty, or says that a damaged file was renamed and a new one begun.
 */
struct history *history_open(const char *path, char why[static HISTORY_WHY_MAX]);

/* history_load: all of it into book and guards; how many rows made no sense and were left out. */
size_t history_load(struct history *h, struct book *book, struct guard_set *guards,
		    const struct now *now);

/*
 * history_save: hand what is new to the thread, which writes it and forgets what is too old; false
 * when it has not finished the last time (nothing is lost: call again).
 */
bool history_save(struct history *h, struct book *book, struct guard_set *guards,
		  const struct now *now);

/* history_error(h, why): true once for each new reason why writing fails. */
bool history_error(struct history *h, char why[static HISTORY_WHY_MAX]);

/* history_close: waits for the thread to finish what it has. */
void history_close(struct history *h);

#endif
