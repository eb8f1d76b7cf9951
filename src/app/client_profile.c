/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which profile is used, and the switch to another one when the network changes. */
#include <errno.h>
#include <stdio.h>
#include <strings.h>

#include "app/client_app.h"
#include "host/netmon.h"
#include "util/log.h"

#define SETTLE_NS (100 * NS_PER_MS) /* changes of the network come in flocks */
#define AGAIN_NS  (250 * NS_PER_MS) /* while the gateway is asked */
#define ASK_NS    (3 * NS_PER_S)    /* for that long: then it has no hardware address */

/* ---- what a profile wishes ---- */

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

void client_profile_wish(const struct config_profile *p, const struct connect_request *rq,
			 struct client_wish *out)
{
	*out = (struct client_wish){
	    .hops = rq->hops != 0 ? rq->hops : p->hops,
	    .rotate_s = p->rotate_s,
	    .paths = p->paths,
	    .backups = p->backups,
	    .options = {.isolate = isolation_of(p->isolate), .duplicate = p->duplicate},
	};
	snprintf(out->exit, sizeof(out->exit), "%s", rq->exit[0] != '\0' ? rq->exit : p->exit);
}

static const struct netid *here(const struct client_profile *c)
{
	return c->network.has_id ? &c->network.id : NULL;
}

static int no_profile(const struct client_app *a, const char *name, char why[static VIEW_TEXT_LEN])
{
	const char *meant = profile_suggest(a->cfg, name);

	snprintf(why, VIEW_TEXT_LEN, "there is no profile \"%s\" in the configuration%s%s%s", name,
		 meant != NULL ? "; did you mean \"" : "; 'macro profile list' shows them",
		 meant != NULL ? meant : "", meant != NULL ? "\"?" : "");
	return -EINVAL;
}

int client_profile_find(struct client_app *a, const struct connect_request *rq,
			const struct config_profile **out, char why[static VIEW_TEXT_LEN])
{
	enum profile_reason reason;
	const struct config_profile *p =
	    rq->profile[0] != '\0'
		? config_profile_find(a->cfg, rq->profile)
		: profile_choice_pick(&a->prof.choice, a->cfg, here(&a->prof), &reason);

	if (p == NULL)
		return no_profile(a, rq->profile, why);
	*out = p;
	return 0;
}

/* ---- what it costs ---- */

/* Again when the first nodes are known. */
void client_profile_expect(struct client_app *a, const struct now *now)
{
	const struct lock *l = &a->safety.lock;
	const struct config_profile *p = config_profile_find(a->cfg, l->profile);
	struct connect_request rq = {.hops = l->hops};
	struct client_wish wish;

	if (p == NULL)
		return;
	snprintf(rq.exit, sizeof(rq.exit), "%s", l->exit);
	client_profile_wish(p, &rq, &wish);
	client_expect(a->client, &wish, now, &a->prof.expected);
}

static void expected_fill(const struct client_cost *c, struct cost_view *out)
{
	*out = (struct cost_view){
	    .is_known = c->is_known,
	    .is_guess = !c->is_measured,
	    .rtt_ns = c->rtt_ns,
	    .added_ns = c->rtt_ns - c->direct_ns,
	    .has_goodput = c->goodput_ppm != 0,
	    .goodput_ppm = c->goodput_ppm,
	};
	snprintf(out->why, sizeof(out->why), "%.*s", (int)sizeof(out->why) - 1, c->why);
}

enum {
	CELLS_TELLING = 100, /* fewer say nothing of how full cells are */
};

static void measured_fill(const struct client_cost *expected, const struct client_view *v,
			  struct cost_view *out)
{
	uint64_t cells = 0, bytes = 0;

	*out = (struct cost_view){.is_known = false};
	for (unsigned i = 0; i < v->paths; i++) {
		cells += v->path[i].stats.tx_cells + v->path[i].stats.rx_cells;
		bytes += v->path[i].stats.tx_bytes + v->path[i].stats.rx_bytes;
	}
	if (cells >= CELLS_TELLING) {
		out->has_goodput = true;
		out->goodput_ppm = client_share_ppm(bytes, cells);
	}
	if (v->hops == 0 || v->hop[v->hops - 1].rtt_ns == 0)
		return;
	out->is_known = true;
	out->is_guess = !expected->is_measured; /* of the way without the mesh */
	out->rtt_ns = v->hop[v->hops - 1].rtt_ns;
	out->added_ns = out->rtt_ns - MIN(out->rtt_ns, expected->direct_ns);
}

void client_profile_cost_fill(const struct client_app *a, const struct client_view *v,
			      struct cost_view *expected, struct cost_view *measured)
{
	if (v->state == CLIENT_OFF)
		return;
	expected_fill(&a->prof.expected, expected);
	measured_fill(&a->prof.expected, v, measured);
}

/* ---- another profile ---- */

static const char *because(enum profile_reason why)
{
	switch (why) {
	case PROFILE_BY_HAND:
		return "it was chosen by hand";
	case PROFILE_BY_NETWORK:
		return "this network is bound to it";
	case PROFILE_BY_DEFAULT:
		return "no profile is bound to this network";
	}
	return "";
}

static void change_to(struct client_app *a, const struct config_profile *p, const struct now *now)
{
	const bool is_only = a->safety.is_only_wished;
	char text[VIEW_TEXT_LEN];
	struct client_view v;

	client_view(a->client, now, &v);
	snprintf(text, sizeof(text), "%s -> %s: %s", a->profile, p->name, because(a->prof.why));
	log_info("profile %s", text);
	if (v.state != CLIENT_OFF) {
		client_app_connect_by(a, p, &(struct connect_request){.only = is_only}, now);
	} else {
		snprintf(a->profile, sizeof(a->profile), "%s", p->name);
		safety_use(&a->safety, &(struct safety_wish){.profile = p->name,
							     .exit = p->exit,
							     .hops = p->hops,
							     .is_only = is_only});
		client_app_follow(a, now);
	}
	client_app_tell(a, VIEW_EVENT_PROFILE, text, now);
}

void client_profile_follow(struct client_app *a, const struct now *now)
{
	enum profile_reason why;
	const struct config_profile *p =
	    profile_choice_pick(&a->prof.choice, a->cfg, here(&a->prof), &why);

	if (a->prof.is_pinned || a->prof.is_held)
		return;
	a->prof.why = why;
	if (strcmp(p->name, a->profile) != 0)
		change_to(a, p, now);
}

/* ---- another network ---- */

/* Without a default route nothing is known of where we are: all stays as it was. */
static void look(struct client_app *a, const struct now *now)
{
	struct client_profile *c = &a->prof;
	struct network found;
	int err;

	c->look_ns = NEVER;
	if (c->nl == NULL)
		return;
	err = network_read(c->nl, &found);
	if (err == -EAGAIN && !c->is_asking) {
		c->is_asking = true;
		c->give_up_ns = now->mono_ns + ASK_NS;
	}
	if (err == -EAGAIN && now->mono_ns < c->give_up_ns) {
		c->look_ns = now->mono_ns + AGAIN_NS;
		return;
	}
	c->is_asking = false;
	if (err != 0 && err != -EAGAIN) {
		log_debug("the network's gateway: %s", strerror(-err));
		return;
	}
	if (!found.is_online && c->network.is_online) {
		c->network.is_online = false;
		return;
	}
	c->network = found;
	client_profile_follow(a, now);
}

void client_profile_network_changed(struct client_app *a, int changed, const struct now *now)
{
	if ((changed & NETMON_NETWORK) != 0)
		a->prof.look_ns = MIN(a->prof.look_ns, now->mono_ns + SETTLE_NS);
	else if (a->prof.is_asking)
		look(a, now);
}

void client_profile_tick(struct client_app *a, const struct now *now)
{
	if (a->prof.look_ns <= now->mono_ns)
		look(a, now);
}

void client_profile_open(struct client_app *a, const struct now *now)
{
	struct host_error err;

	if (profile_choice_load(&a->prof.choice, a->cfg->daemon.state_dir, &err) != 0)
		log_error("%s", err.text);
	a->prof.look_ns = now->mono_ns;
	if (netlink_open(&a->prof.nl) != 0)
		a->prof.nl = NULL;
	else if (network_read(a->prof.nl, &a->prof.network) != 0)
		a->prof.network = (struct network){.is_online = false}; /* the tick goes on */
	snprintf(a->profile, sizeof(a->profile), "%s",
		 profile_choice_pick(&a->prof.choice, a->cfg, here(&a->prof), &a->prof.why)->name);
}

void client_profile_hold(struct client_app *a)
{
	const struct lock *l = &a->safety.lock;

	if (config_profile_find(a->cfg, l->profile) != NULL)
		snprintf(a->profile, sizeof(a->profile), "%s", l->profile);
	a->prof.is_held = true;
}

void client_profile_release(struct client_app *a, const struct now *now)
{
	a->prof.is_held = false;
	client_profile_follow(a, now);
}

void client_profile_close(struct client_app *a)
{
	netlink_close(a->prof.nl);
	a->prof.nl = NULL;
}

/* ---- the control API ---- */

struct profile_order {
	struct client_app *app;
	const struct profile_request *rq;
	char *why;
	int rc;
};

/* Kept on disk first; *fresh replaces what is in force. */
static int keep(struct profile_order *o, const struct profile_choice *fresh, const struct now *now)
{
	struct client_app *a = o->app;
	struct host_error err;
	const int rc = profile_choice_store(fresh, a->cfg->daemon.state_dir, &err);

	if (rc != 0) {
		snprintf(o->why, VIEW_TEXT_LEN, "%.*s", VIEW_TEXT_LEN - 1, err.text);
		return rc == -EINVAL ? -EIO : rc;
	}
	a->prof.choice = *fresh;
	client_profile_follow(a, now);
	return 0;
}

static void do_use(void *ctx, const struct now *now)
{
	struct profile_order *o = ctx;
	struct client_profile *c = &o->app->prof;
	struct profile_choice fresh = c->choice;
	const bool is_auto = strcasecmp(o->rq->profile, CONFIG_PROFILE_AUTO) == 0;
	const bool was_pinned = c->is_pinned;

	if (!is_auto && config_profile_find(o->app->cfg, o->rq->profile) == NULL) {
		o->rc = no_profile(o->app, o->rq->profile, o->why);
		return;
	}
	snprintf(fresh.by_hand, sizeof(fresh.by_hand), "%s", is_auto ? "" : o->rq->profile);
	c->is_pinned = false; /* this is the newer wish */
	o->rc = keep(o, &fresh, now);
	if (o->rc != 0)
		c->is_pinned = was_pinned;
}

/* Of the request, or the present one. */
static int network_of(struct profile_order *o, struct netid *out)
{
	const struct network *present = &o->app->prof.network;

	if (o->rq->network[0] != '\0')
		return netid_parse(out, o->rq->network);
	if (!present->is_online || !present->has_id) {
		snprintf(o->why, VIEW_TEXT_LEN,
			 "the present network cannot be recognised: %s; name another one as "
			 "MAC@ADDRESS/BITS",
			 network_lacks(present));
		return -EINVAL;
	}
	*out = present->id;
	return 0;
}

static void do_bind(void *ctx, const struct now *now)
{
	struct profile_order *o = ctx;
	struct profile_choice fresh = o->app->prof.choice;
	struct netid network;

	if (config_profile_find(o->app->cfg, o->rq->profile) == NULL) {
		o->rc = no_profile(o->app, o->rq->profile, o->why);
		return;
	}
	o->rc = network_of(o, &network);
	if (o->rc != 0)
		return;
	o->rc = profile_choice_bind(&fresh, &network, o->rq->profile);
	if (o->rc != 0)
		snprintf(o->why, VIEW_TEXT_LEN,
			 "%d networks are bound already; 'macro profile unbind' frees one",
			 PROFILE_BOUND_MAX);
	else
		o->rc = keep(o, &fresh, now);
}

static void do_unbind(void *ctx, const struct now *now)
{
	struct profile_order *o = ctx;
	struct profile_choice fresh = o->app->prof.choice;
	const struct config_profile *p;
	char text[NETID_TEXT_MAX];
	struct netid network;

	o->rc = network_of(o, &network);
	if (o->rc != 0)
		return;
	if (profile_choice_unbind(&fresh, &network) == 0) {
		o->rc = keep(o, &fresh, now);
		return;
	}
	o->rc = -EINVAL;
	netid_format(&network, text);
	p = profile_choice_bound(&fresh, o->app->cfg, &network);
	if (p != NULL)
		snprintf(o->why, VIEW_TEXT_LEN,
			 "%s is bound by the configuration: remove it from [profile %s] networks",
			 text, p->name);
	else
		snprintf(o->why, VIEW_TEXT_LEN, "%s is not bound to any profile", text);
}

static int order(struct client_app *a, void (*act)(void *ctx, const struct now *now),
		 const struct profile_request *rq, char why[static VIEW_TEXT_LEN])
{
	struct profile_order o = {.app = a, .rq = rq, .why = why};

	worker_call(&a->worker, act, &o);
	return o.rc;
}

int client_app_use_profile(struct client_app *a, const struct profile_request *rq,
			   char why[static VIEW_TEXT_LEN])
{
	return order(a, do_use, rq, why);
}

int client_app_bind_profile(struct client_app *a, const struct profile_request *rq,
			    char why[static VIEW_TEXT_LEN])
{
	return order(a, do_bind, rq, why);
}

int client_app_unbind_profile(struct client_app *a, const struct profile_request *rq,
			      char why[static VIEW_TEXT_LEN])
{
	return order(a, do_unbind, rq, why);
}

struct cost_query {
	struct client_app *app;
	const struct connect_request *rq;
	char *profile;
	struct cost_view *out;
	char *why;
	int rc;
};

static void do_cost(void *ctx, const struct now *now)
{
	struct cost_query *q = ctx;
	const struct config_profile *p;
	struct client_wish wish;
	struct client_cost cost;

	q->rc = client_profile_find(q->app, q->rq, &p, q->why);
	if (q->rc != 0)
		return;
	snprintf(q->profile, VIEW_NAME_LEN, "%s", p->name);
	client_profile_wish(p, q->rq, &wish);
	client_expect(q->app->client, &wish, now, &cost);
	expected_fill(&cost, q->out);
}

int client_app_cost(struct client_app *a, const struct connect_request *rq,
		    char profile[static VIEW_NAME_LEN], struct cost_view *out,
		    char why[static VIEW_TEXT_LEN])
{
	struct cost_query q = {a, rq, profile, out, why, 0};

	worker_call(&a->worker, do_cost, &q);
	return q.rc;
}
