/* SPDX-License-Identifier: GPL-3.0-or-later */
/* --profile, --exit and --hops of verbs that are clients of the mesh themselves. */
#ifndef CLI_WISH_H
#define CLI_WISH_H

#include "cli/cli.h"
#include "config/config.h"
#include "control/control.h"

/*
 * wish_read(cli, cfg, profile, rq): the profile, which cfg owns, and what the command line has
 * otherwise.  CODE_OK, or CODE_USAGE or CODE_FAILED after a message.
 */
enum code wish_read(const struct cli *cli, const struct config *cfg,
		    const struct config_profile **profile, struct connect_request *rq);

#endif
