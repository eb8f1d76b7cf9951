/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "cli/wish.h"

#include <stdio.h>

#include "app/mesh_app.h"
#include "app/profile_choice.h"

static enum code no_profile(const struct cli *cli, const struct config *cfg, const char *name)
{
	const char *meant = profile_suggest(cfg, name);

	return cli_error(CODE_USAGE, "there is no profile \"%s\" in %s%s%s%s", name,
			 cli->config_path, meant != NULL ? "; did you mean \"" : "",
			 meant != NULL ? meant : "", meant != NULL ? "\"?" : "");
}

enum code wish_read(const struct cli *cli, const struct config *cfg,
		    const struct config_profile **profile, struct connect_request *rq)
{
	const char *name = cli_option(cli, "profile"), *exit_name = cli_option(cli, "exit");
	long hops = 0;
	enum code code;

	*rq = (struct connect_request){.hops = 0};
	if (name == NULL)
		name = cfg->client.profile;
	*profile = config_profile_find(cfg, name);
	if (*profile == NULL)
		return no_profile(cli, cfg, name);
	if (exit_name != NULL && !config_exit_is_valid(exit_name))
		return cli_error(CODE_USAGE,
				 "--exit: \"%s\" is neither auto, a country's two letters, nor a "
				 "node's name or id",
				 exit_name);
	if (!mesh_has_source(cfg))
		return cli_error(CODE_FAILED,
				 "%s: [mesh] seeds is empty: without a seed no node can be found; "
				 "'macro node seed' on a node prints one",
				 cli->config_path);
	code = cli_number(cli, "hops", 1, HOPS_MAX, &hops);
	rq->hops = (unsigned)hops;
	snprintf(rq->exit, sizeof(rq->exit), "%s", exit_name != NULL ? exit_name : "");
	return code;
}
