/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Whether this machine can be an exit: it has to forward and translate. */
#ifndef CLI_EXIT_CHECK_H
#define CLI_EXIT_CHECK_H

#include "cli/verdict.h"

/* check_exit(v): changes nothing. */
void check_exit(struct verdicts *v);

#endif
