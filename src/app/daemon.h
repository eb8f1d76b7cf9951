/* SPDX-License-Identifier: GPL-3.0-or-later */
/* macrod as a whole: what the configuration asks for, and the control API over it. */
#ifndef APP_DAEMON_H
#define APP_DAEMON_H

#include "config/config.h"

/* daemon_run(cfg, path): until SIGTERM or SIGINT; on SIGHUP path is read again into cfg.  Exit
 * status of the program. */
int daemon_run(struct config *cfg, const char *path);

#endif
