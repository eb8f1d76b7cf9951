/* SPDX-License-Identifier: GPL-3.0-or-later */
/* connect, disconnect, reconnect and the reload of profiles, as the control API and signals give
 * them to the client. */
#include "app/client_app.h"
#include "app/mesh_app.h"

#include <errno.h>
#include <stdio.h>

struct command {
	struct client_app *app;
	bool new_exit;
	char *why;
	int rc;
};

/* ---- reload ---- */

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
	client_dns_names(a);
	safety_split(&a->safety);
	client_app_follow(a, now);
	client_split_follow(a, now);
	client_profile_follow(a, now);
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

/* ---- connect ---- */

void client_app_connect_by(struct client_app *a, const struct config_profile *p,
			   const struct connect_request *rq, const struct now *now)
{
	struct client_wish wish;

	client_profile_wish(p, rq, &wish);
	snprintf(a->profile, sizeof(a->profile), "%s", p->name);
	a->error[0] = '\0';
	safety_want(&a->safety, &(struct safety_wish){.profile = p->name,
						      .exit = wish.exit,
						      .hops = wish.hops,
						      .is_pinned = a->prof.is_pinned,
						      .is_only = rq->only});
	client_profile_expect(a, now);
	client_connect(a->client, &wish, now);
	client_app_take_notes(a, now);
	client_app_follow(a, now);
}

int client_app_begin(struct client_app *a, const struct connect_request *rq,
		     char why[static VIEW_TEXT_LEN], const struct now *now)
{
	const struct config_profile *p;
	int rc;

	if (!mesh_has_source(a->cfg)) {
		snprintf(why, VIEW_TEXT_LEN,
			 "[mesh] seeds is empty: without a seed no node can be found; "
			 "'macro node seed' on a node prints one");
		return -EINVAL;
	}
	rc = client_profile_find(a, rq, &p, why);
	if (rc != 0)
		return rc;
	a->prof.is_named = rq->profile[0] != '\0';
	a->prof.is_pinned = a->prof.is_named || rq->exit[0] != '\0' || rq->hops != 0;
	client_app_connect_by(a, p, rq, now);
	return 0;
}

struct connect_order {
	struct client_app *app;
	const struct connect_request *rq;
	char *why;
	int rc;
};

static void do_connect(void *ctx, const struct now *now)
{
	struct connect_order *o = ctx;

	o->rc = client_app_begin(o->app, o->rq, o->why, now);
}

int client_app_connect(struct client_app *a, const struct connect_request *rq,
		       char why[static VIEW_TEXT_LEN])
{
	struct connect_order o = {.app = a, .rq = rq, .why = why};

	worker_call(&a->worker, do_connect, &o);
	return o.rc;
}

/* ---- disconnect, reconnect ---- */

static void do_disconnect(void *ctx, const struct now *now)
{
	struct command *cmd = ctx;

	cmd->app->error[0] = '\0';
	safety_unwant(&cmd->app->safety);
	client_app_net_down(cmd->app);
	client_disconnect(cmd->app->client, now);
	cmd->app->prof.is_pinned = cmd->app->prof.is_named = false;
	client_app_follow(cmd->app, now);
	client_app_take_notes(cmd->app, now);
	client_profile_follow(cmd->app, now);
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
