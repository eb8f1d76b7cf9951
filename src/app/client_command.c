/* SPDX-License-Identifier: GPL-3.0-or-later */
/* connect, disconnect, reconnect and the reload of profiles, as the control API and signals give
 * them to the client. */
#include "app/client_app.h"
#include "app/mesh_app.h"

#include <errno.h>
#include <stdio.h>

struct command {
	struct client_app *app;
	struct client_wish wish;
	const char *profile;
	bool new_exit;
	char *why;
	int rc;
};

struct reload {
	struct client_app *app;
	struct config *fresh;
	int rc;
};

static void do_reload(void *ctx, const struct now *now)
{
	struct reload *r = ctx;
	struct client_app *a = r->app;
	struct client_view v;

	client_view(a->client, now, &v);
	if (v.state != CLIENT_OFF && config_profile_find(r->fresh, a->profile) == NULL) {
		r->rc = -EBUSY;
		return;
	}
	config_take(a->cfg, r->fresh, CONFIG_PROFILE);
	config_take(a->cfg, r->fresh, CONFIG_CLIENT);
	client_app_stub_names(a);
	client_app_follow(a, now);
}

int client_app_reload(struct client_app *a, struct config *fresh, char *error, size_t error_len)
{
	struct reload r = {.app = a, .fresh = fresh};

	worker_call(&a->worker, do_reload, &r);
	if (r.rc != 0)
		snprintf(error, error_len,
			 "[profile %s] is in use and not in the file any more; put it back, or "
			 "'macro disconnect' first",
			 a->profile);
	return r.rc;
}

static void do_connect(void *ctx, const struct now *now)
{
	struct command *cmd = ctx;
	struct client_app *a = cmd->app;

	snprintf(a->profile, sizeof(a->profile), "%s", cmd->profile);
	a->error[0] = '\0';
	safety_want(&a->safety, cmd->profile, cmd->wish.exit, cmd->wish.hops);
	client_connect(a->client, &cmd->wish, now);
	client_app_take_notes(a, now);
	client_app_follow(a, now);
}

static enum flow_isolation isolation_of(enum config_isolate i)
{
	switch (i) {
	case CONFIG_ISOLATE_OFF:
		return ISOLATE_OFF;
	case CONFIG_ISOLATE_DESTINATION:
		return ISOLATE_DESTINATION;
	case CONFIG_ISOLATE_APP:
		return ISOLATE_APP;
	}
	return ISOLATE_DESTINATION;
}

int client_app_connect(struct client_app *a, const struct connect_request *rq,
		       char why[static VIEW_TEXT_LEN])
{
	const char *name = rq->profile[0] != '\0' ? rq->profile : a->cfg->client.profile;
	const struct config_profile *p = config_profile_find(a->cfg, name);
	struct command cmd = {.app = a, .profile = name};

	if (p == NULL) {
		snprintf(why, VIEW_TEXT_LEN, "there is no profile \"%s\" in the configuration",
			 name);
		return -EINVAL;
	}
	if (!mesh_has_source(a->cfg)) {
		snprintf(why, VIEW_TEXT_LEN,
			 "[mesh] seeds is empty: without a seed no node can be found; "
			 "'macro node seed' on a node prints one");
		return -EINVAL;
	}
	snprintf(cmd.wish.exit, sizeof(cmd.wish.exit), "%s",
		 rq->exit[0] != '\0' ? rq->exit : p->exit);
	cmd.wish.hops = rq->hops != 0 ? rq->hops : p->hops;
	cmd.wish.rotate_s = p->rotate_s;
	cmd.wish.paths = p->paths;
	cmd.wish.backups = p->backups;
	cmd.wish.options = (struct session_options){.isolate = isolation_of(p->isolate),
						    .duplicate = p->duplicate};
	worker_call(&a->worker, do_connect, &cmd);
	return 0;
}

static void do_disconnect(void *ctx, const struct now *now)
{
	struct command *cmd = ctx;

	cmd->app->error[0] = '\0';
	safety_unwant(&cmd->app->safety);
	client_app_net_down(cmd->app);
	client_disconnect(cmd->app->client, now);
	client_app_follow(cmd->app, now);
	client_app_take_notes(cmd->app, now);
}

int client_app_disconnect(struct client_app *a, char why[static VIEW_TEXT_LEN])
{
	struct command cmd = {.app = a};

	(void)why;
	worker_call(&a->worker, do_disconnect, &cmd);
	return 0;
}

static void do_reconnect(void *ctx, const struct now *now)
{
	struct command *cmd = ctx;
	struct client_view v;

	client_view(cmd->app->client, now, &v);
	if (v.state == CLIENT_OFF) {
		snprintf(cmd->why, VIEW_TEXT_LEN, "not connected; 'macro connect' does that");
		cmd->rc = -ENOTCONN;
		return;
	}
	client_reconnect(cmd->app->client, cmd->new_exit, now);
	client_app_take_notes(cmd->app, now);
	client_app_follow(cmd->app, now);
}

int client_app_reconnect(struct client_app *a, const struct reconnect_request *rq,
			 char why[static VIEW_TEXT_LEN])
{
	struct command cmd = {.app = a, .new_exit = rq->new_exit, .why = why};

	worker_call(&a->worker, do_reconnect, &cmd);
	return cmd.rc;
}
