/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Waiting for what was begun. */
#ifndef CLI_CONNECT_H
#define CLI_CONNECT_H

#include "cli/cli.h"

/*
 * connect_wait(cli, wanted, old_route): until that state, with another route than the one of
 * old_route's time (NULL: any), or for --timeout.  CODE_OK, or another after a message.
 */
enum code connect_wait(const struct cli *cli, const char *wanted, const char *old_route);

#endif
