/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The kill switch's commands, as the control API gives them to the client. */
#include "app/client_app.h"
#include "util/log.h"

#include <errno.h>
#include <stdio.h>

struct resume {
	struct client_app *app;
	bool is_wanted;
};

static void do_resume(void *ctx, const struct now *now)
{
	struct resume *cmd = ctx;
	struct client_app *a = cmd->app;

	if (safety_is_blocking(&a->safety))
		client_app_retake(a, now);
	else
		safety_unwant(&a->safety); /* or it would block once it is switched on */
	client_app_take_notes(a, now);
	client_app_follow(a, now);
	client_profile_release(a, now);
	cmd->is_wanted = a->safety.lock.is_wanted;
}

bool client_app_resume(struct client_app *a)
{
	struct resume cmd = {.app = a};

	worker_call(&a->worker, do_resume, &cmd);
	return cmd.is_wanted;
}

struct kill_switch_query {
	struct client_app *app;
	struct kill_switch_view *out;
};

static void do_kill_switch(void *ctx, const struct now *now)
{
	const struct kill_switch_query *q = ctx;

	(void)now;
	safety_view(&q->app->safety, q->out);
}

void client_app_kill_switch(struct client_app *a, struct kill_switch_view *out)
{
	worker_call(&a->worker, do_kill_switch, &(struct kill_switch_query){a, out});
}

struct kill_switch_order {
	struct client_app *app;
	enum lock_setting setting;
	char *why;
	int rc;
};

/* Says what failed; the order is then as far in force as could be. */
static void do_set_kill_switch(void *ctx, const struct now *now)
{
	struct kill_switch_order *o = ctx;
	struct client_app *a = o->app;
	struct host_error err;

	a->safety.lock.setting = o->setting;
	o->rc = client_app_guard(a, a->has_net ? &a->net_config : NULL, now, &err);
	if (o->rc != 0)
		snprintf(o->why, VIEW_TEXT_LEN, "%.*s", VIEW_TEXT_LEN - 1, err.text);
	client_app_tell(a, VIEW_EVENT_STATE, "", now);
}

static int set_kill_switch(struct client_app *a, enum lock_setting setting,
			   char why[static VIEW_TEXT_LEN])
{
	struct kill_switch_order o = {.app = a, .setting = setting, .why = why};

	worker_call(&a->worker, do_set_kill_switch, &o);
	return o.rc;
}

int client_app_set_kill_switch(struct client_app *a, const struct kill_switch_request *rq,
			       char why[static VIEW_TEXT_LEN])
{
	enum lock_setting setting;

	if (lock_setting_parse(&setting, rq->setting) != 0) {
		snprintf(why, VIEW_TEXT_LEN, "setting must be profile, off, on or always");
		return -EINVAL;
	}
	if (config_has(a->cfg, CONFIG_NODE) && setting >= LOCK_ON) {
		snprintf(why, VIEW_TEXT_LEN,
			 "this daemon is a node too: a kill switch would block the traffic it "
			 "carries for others; run client and node on two machines");
		return -EINVAL;
	}
	return set_kill_switch(a, setting, why);
}

int client_app_unlock(struct client_app *a, char why[static VIEW_TEXT_LEN])
{
	return set_kill_switch(a, LOCK_OFF, why);
}

struct portal_order {
	struct client_app *app;
	const struct portal_request *rq;
	char *why;
	int rc;
};

/* The tunnel is down meanwhile, so that the network's own routes and name servers are used. */
static void do_portal(void *ctx, const struct now *now)
{
	struct portal_order *o = ctx;
	struct client_app *a = o->app;
	struct resolv_servers dns;

	if (!safety_is_blocking(&a->safety) || safety_is_only(&a->safety)) {
		snprintf(o->why, VIEW_TEXT_LEN,
			 "the kill switch blocks nothing now, so there is nothing to open%s",
			 a->has_net ? "; 'macro disconnect' leads past the tunnel" : "");
		o->rc = -EINVAL;
		return;
	}
	if (o->rq->seconds == 0) {
		client_app_retake(a, now);
	} else {
		client_disconnect(a->client, now);
		client_app_net_down(a);
		dns = resolv_network(RESOLV_PATH_DEFAULT, NULL);
		safety_portal(&a->safety, o->rq->uid, o->rq->seconds, &dns, now);
	}
	client_app_take_notes(a, now);
	client_app_follow(a, now);
}

int client_app_portal(struct client_app *a, const struct portal_request *rq,
		      char why[static VIEW_TEXT_LEN])
{
	struct portal_order o = {.app = a, .rq = rq, .why = why};

	worker_call(&a->worker, do_portal, &o);
	return o.rc;
}
