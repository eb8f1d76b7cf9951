/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Programs that ask to be outside of the tunnel, or to be what is alone inside. */
#include <errno.h>
#include <stdio.h>

#include "app/client_app.h"

struct split_order {
	struct client_app *app;
	const struct split_request *rq;
	enum cgroup_side side;
	char *why;
	int rc;
};

/* Connected for what is alone inside, or on the way; begins it if nothing was wanted yet. */
static int want_only(struct client_app *a, char why[static VIEW_TEXT_LEN], const struct now *now)
{
	const struct connect_request rq = {.only = true};
	struct client_view v;

	client_view(a->client, now, &v);
	if (v.state == CLIENT_OFF)
		return client_app_begin(a, &rq, why, now);
	if (safety_is_only(&a->safety))
		return 0;
	snprintf(why, VIEW_TEXT_LEN,
		 "all traffic goes through the mesh now, not only what is started so; 'macro "
		 "disconnect' first, or start the program as usual");
	return -EALREADY;
}

void client_split_follow(struct client_app *a, const struct now *now)
{
	if (a->is_ready && (a->net_config.has_outside != safety_has_outside(&a->safety) ||
			    a->net_config.is_only != safety_is_only(&a->safety)))
		client_app_net_up(a, now);
}

static void do_split(void *ctx, const struct now *now)
{
	struct split_order *o = ctx;
	struct client_app *a = o->app;
	struct host_error err;

	if (o->side == CGROUP_INSIDE)
		o->rc = want_only(a, o->why, now);
	if (o->rc != 0)
		return;
	o->rc = cgroup_join(o->side, (pid_t)o->rq->pid, &err);
	if (o->rc == 0) {
		(void)safety_groups(&a->safety);
		o->rc = client_app_guard(a, a->has_net ? &a->net_config : NULL, now, &err);
	}
	if (o->rc == 0)
		client_split_follow(a, now);
	if (o->rc != 0)
		snprintf(o->why, VIEW_TEXT_LEN, "%.*s", VIEW_TEXT_LEN - 1, err.text);
	if (o->rc == -EINVAL)
		o->rc = -EIO; /* not for what was asked */
}

int client_app_split(struct client_app *a, const struct split_request *rq,
		     char why[static VIEW_TEXT_LEN])
{
	struct split_order o = {.app = a, .rq = rq, .side = CGROUP_OUTSIDE, .why = why};

	if (strcmp(rq->side, "inside") == 0) {
		o.side = CGROUP_INSIDE;
	} else if (strcmp(rq->side, "outside") != 0) {
		snprintf(why, VIEW_TEXT_LEN, "side must be outside or inside");
		return -EINVAL;
	}
	if (rq->pid <= 0) {
		snprintf(why, VIEW_TEXT_LEN,
			 "the process that asks is in another PID namespace, and cannot be told "
			 "from others here");
		return -EPERM;
	}
	worker_call(&a->worker, do_split, &o);
	return o.rc;
}
