/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/exec.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum code exec_missing(const struct cli *cli)
{
	if (cli->operand_count > 0)
		return CODE_OK;
	return cli_error(CODE_USAGE, "%s: the program to run is missing; see: macro help %s",
			 cli->verb->name, cli->verb->name);
}

enum code exec_failed(const struct cli *cli, int err)
{
	return cli_error(err == ENOENT ? CODE_NO_PROGRAM : CODE_CANNOT_RUN, "%s: %s",
			 cli->operands[0], strerror(err));
}

enum code exec_command(const struct cli *cli)
{
	execvp(cli->operands[0], cli->operands); /* argv ends with a null pointer, and so do they */
	return exec_failed(cli, errno);
}
