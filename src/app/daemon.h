/* SPDX-License-Identifier: GPL-3.0-or-later */
/* macrod as a whole: what the configuration asks for, and the control API over it. */
#ifndef APP_DAEMON_H
#define APP_DAEMON_H

#include "config/config.h"

/* daemon_run(cfg): until SIGTERM or SIGINT.  Exit status of the program. */
int daemon_run(const struct config *cfg);

#endif
