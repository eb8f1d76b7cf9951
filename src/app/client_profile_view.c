/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the control API shows of profiles and of the network. */
#include <stdio.h>

#include "app/client_app.h"
#include "host/ip_prefix.h"
#include "util/xalloc.h"

static void destinations_fill(const struct config_destinations *d, struct view_texts *out)
{
	char text[IP_PREFIX_TEXT_MAX];

	for (size_t i = 0; i < d->prefix_count; i++) {
		struct ip_prefix p = {.len_bits = d->prefixes[i].len_bits};

		memcpy(p.ip, d->prefixes[i].ip, sizeof(p.ip));
		view_texts_add(out, ip_prefix_format(&p, text));
	}
	for (size_t i = 0; i < d->name_count; i++)
		view_texts_add(out, d->names[i]);
}

/* Those of the file that no command has bound elsewhere, and those of commands. */
static void networks_fill(const struct client_app *a, const struct config_profile *p,
			  struct view_texts *out)
{
	const struct profile_choice *c = &a->prof.choice;
	char text[NETID_TEXT_MAX];

	for (size_t i = 0; i < p->networks.count; i++)
		if (profile_choice_bound(c, a->cfg, &p->networks.items[i]) == p)
			view_texts_add(out, netid_format(&p->networks.items[i], text));
	for (size_t i = 0; i < c->bound_count; i++)
		if (strcmp(c->bound[i].profile, p->name) == 0)
			view_texts_add(out, netid_format(&c->bound[i].network, text));
}

static enum view_kill_switch kill_switch_of(enum config_killswitch k)
{
	switch (k) {
	case CONFIG_KILLSWITCH_OFF:
		return VIEW_KILL_SWITCH_OFF;
	case CONFIG_KILLSWITCH_ON:
		return VIEW_KILL_SWITCH_ON;
	case CONFIG_KILLSWITCH_ALWAYS:
		return VIEW_KILL_SWITCH_ALWAYS;
	}
	return VIEW_KILL_SWITCH_OFF;
}

static const char *isolate_name(enum config_isolate i)
{
	switch (i) {
	case CONFIG_ISOLATE_OFF:
		return "off";
	case CONFIG_ISOLATE_DESTINATION:
		return "destination";
	case CONFIG_ISOLATE_APP:
		return "app";
	}
	return "destination";
}

static const char *padding_name(enum config_padding p)
{
	switch (p) {
	case CONFIG_PADDING_OFF:
		return "off";
	}
	return "off";
}

static void profile_fill(const struct client_app *a, const struct config_profile *p,
			 struct profile_view *out)
{
	char text[ENDPOINT_TEXT_MAX];

	*out = (struct profile_view){
	    .hops = p->hops,
	    .paths = p->paths,
	    .backups = p->backups,
	    .rotate_s = p->rotate_s,
	    .kill_switch = kill_switch_of(p->killswitch),
	    .lan = p->lan,
	    .ipv6 = p->ipv6,
	    .duplicate = p->duplicate,
	    .isolate = isolate_name(p->isolate),
	    .padding = padding_name(p->padding),
	    .is_only = p->only.is_set,
	};
	snprintf(out->name, sizeof(out->name), "%s", p->name);
	snprintf(out->exit, sizeof(out->exit), "%s", p->exit);
	for (size_t i = 0; i < p->dns.count; i++)
		view_texts_add(&out->dns, endpoint_ip_format(p->dns.items[i].ip, text));
	networks_fill(a, p, &out->networks);
	destinations_fill(&p->exclude, &out->exclude);
	destinations_fill(&p->only, &out->only);
}

static void network_fill(const struct client_app *a, struct network_view *out)
{
	const struct network *n = &a->prof.network;
	const struct config_profile *p;

	*out = (struct network_view){.is_online = n->is_online};
	snprintf(out->lacks, sizeof(out->lacks), "%s", network_lacks(n));
	if (!n->is_online)
		return;
	snprintf(out->device, sizeof(out->device), "%s", n->dev);
	if (ip_is_set(n->gateway))
		endpoint_ip_format(n->gateway, out->gateway);
	if (!n->has_id)
		return;
	netid_format(&n->id, out->id);
	p = profile_choice_bound(&a->prof.choice, a->cfg, &n->id);
	if (p != NULL)
		snprintf(out->profile, sizeof(out->profile), "%s", p->name);
}

static const char *reason_name(const struct client_profile *c)
{
	if (c->is_named)
		return "connect";
	switch (c->why) {
	case PROFILE_BY_HAND:
		return "hand";
	case PROFILE_BY_NETWORK:
		return "network";
	case PROFILE_BY_DEFAULT:
		return "default";
	}
	return "default";
}

struct profiles_query {
	struct client_app *app;
	struct profile_list_view *out;
};

static void do_profiles(void *ctx, const struct now *now)
{
	const struct profiles_query *q = ctx;
	const struct client_app *a = q->app;
	struct profile_list_view *out = q->out;

	(void)now;
	*out = (struct profile_list_view){
	    .reason = reason_name(&a->prof),
	    .items = xcalloc(a->cfg->profile_count, sizeof(*out->items)),
	    .count = a->cfg->profile_count,
	};
	snprintf(out->in_use, sizeof(out->in_use), "%s", a->profile);
	snprintf(out->by_hand, sizeof(out->by_hand), "%s", a->prof.choice.by_hand);
	network_fill(a, &out->network);
	for (size_t i = 0; i < out->count; i++)
		profile_fill(a, &a->cfg->profiles[i], &out->items[i]);
}

/* The costs one by one, so that packets do not wait for all of them. */
void client_app_profiles(struct client_app *a, struct profile_list_view *out)
{
	worker_call(&a->worker, do_profiles, &(struct profiles_query){a, out});
	for (size_t i = 0; i < out->count; i++) {
		struct connect_request rq = {.hops = 0};
		char name[VIEW_NAME_LEN], why[VIEW_TEXT_LEN];

		snprintf(rq.profile, sizeof(rq.profile), "%s", out->items[i].name);
		if (client_app_cost(a, &rq, name, &out->items[i].cost, why) != 0)
			out->items[i].cost = (struct cost_view){.is_known = false}; /* reloaded */
	}
}

struct network_query {
	const struct client_app *app;
	struct network_view *out;
};

static void do_network(void *ctx, const struct now *now)
{
	const struct network_query *q = ctx;

	(void)now;
	network_fill(q->app, q->out);
}

void client_app_network(struct client_app *a, struct network_view *out)
{
	worker_call(&a->worker, do_network, &(struct network_query){a, out});
}
