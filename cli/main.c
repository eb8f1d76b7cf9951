/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdio.h>
#include <stdlib.h>

#include "cli/cli.h"

int main(int argc, char **argv)
{
	struct cli cli;
	enum code code = cli_parse(&cli, argc, argv);

	if (code == CODE_OK)
		code = cli_has(&cli, "help") ? run_help(&cli) : cli.verb->run(&cli);
	free(cli.socket);
	/* Output that could not be written (a full disk) is no success. */
	if ((fflush(stdout) != 0 || ferror(stdout)) && code == CODE_OK)
		code = cli_error(CODE_FAILED, "cannot write the output");
	return (int)code;
}
