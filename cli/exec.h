/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Becoming another program. */
#ifndef CLI_EXEC_H
#define CLI_EXEC_H

#include "cli/cli.h"

/* exec_command(cli): run the operands in our place; returns only after a message, with the exit
 * status. */
enum code exec_command(const struct cli *cli);

/* exec_failed(cli, err): after a message why the operands could not be run, by a positive errno. */
enum code exec_failed(const struct cli *cli, int err);

/* exec_missing(cli): CODE_USAGE after a message, if there is no command to run; else CODE_OK. */
enum code exec_missing(const struct cli *cli);

#endif
