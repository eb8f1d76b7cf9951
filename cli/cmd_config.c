/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdio.h>

#include "cli/cli.h"
#include "config/config.h"

enum code run_config_check(struct cli *cli)
{
	const char *path = cli->operand_count > 0 ? cli->operands[0] : cli->config_path;
	struct config *cfg;

	if (config_load(&cfg, path, stderr) != 0)
		return CODE_FAILED;
	config_free(cfg);
	printf("%s: ok\n", path);
	return CODE_OK;
}

enum code run_config_sample(struct cli *cli)
{
	(void)cli;
	config_sample_write(stdout, NULL, 0);
	return CODE_OK;
}
