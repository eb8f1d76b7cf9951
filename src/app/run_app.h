/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A client for one program, in a network of its own (host/netspace.h): what the program sends goes
 * through this client's tunnel or nowhere.  The machine stays as it is, and any number of these run
 * beside the daemon and each other, each by its own profile.
 */
#ifndef APP_RUN_APP_H
#define APP_RUN_APP_H

#include "client/client.h"
#include "config/config.h"

#define RUN_TEXT_MAX 512

struct run_app;

struct run_app_params {
	const struct config *cfg; /* borrowed */
	const struct config_profile *profile;
	struct client_wish wish;
};

/*
 * run_app_open(params, error): moves this process, of one thread, into the namespaces and goes for
 * a session.  NULL with error filled; the process may be in the namespaces then.
 */
struct run_app *run_app_open(const struct run_app_params *params, char error[static RUN_TEXT_MAX]);
void run_app_close(struct run_app *a);

/* run_app_fd(a): readable once there is a tunnel, or there never will be. */
int run_app_fd(const struct run_app *a);

struct run_app_view {
	bool is_up;               /* what the program sends arrives */
	char error[RUN_TEXT_MAX]; /* of this machine, for which it does not go on; else empty */
	struct client_view client;
	struct client_cost expected;
};

void run_app_view(struct run_app *a, struct run_app_view *out);

#endif
