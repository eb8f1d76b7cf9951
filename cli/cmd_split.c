/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * exclude, only: programs that go another way than the rest.  The daemon moves this process into a
 * control group, which the program that it then becomes and all its children are in, too.
 */
#include <string.h>

#include "cli/client.h"
#include "cli/connect.h"
#include "cli/exec.h"

static enum code join(const struct cli *cli, const char *side)
{
	return client_post(cli, "/v1/split", json_pack("{s:s}", "side", side));
}

enum code run_exclude(struct cli *cli)
{
	enum code code = exec_missing(cli);

	if (code == CODE_OK)
		code = join(cli, "outside");
	return code == CODE_OK ? exec_command(cli) : code;
}

enum code run_only(struct cli *cli)
{
	enum code code = exec_missing(cli);

	if (code == CODE_OK)
		code = join(cli, "inside");
	if (code == CODE_OK)
		code = connect_wait(cli, "connected", NULL);
	return code == CODE_OK ? exec_command(cli) : code;
}
