/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Questions to whoever sits at the terminal; on standard error, as results go to standard output.
 */
#ifndef CLI_ASK_H
#define CLI_ASK_H

#include <stdbool.h>

/* ask_can(): there is a terminal to ask at. */
bool ask_can(void);

/* ask_text(question, fallback): the answer for free(), fallback (may be NULL: none) when it is
 * empty; NULL when there is neither. */
char *ask_text(const char *question, const char *fallback);

/* ask_yes(question): Enter means yes. */
bool ask_yes(const char *question);

#endif
