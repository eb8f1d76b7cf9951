/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "host/client_net.h"

#include <errno.h>
#include <linux/rtnetlink.h>

#include "host/plan.h"
#include "host/recover.h"
#include "host/resolved.h"
#include "host/rules.h"
#include "util/log.h"
#include "util/xalloc.h"

#define METRIC_LAST     0xffffff00u
#define MTU_OUTSIDE_MIN 1500u
#define TCP_HEAD_LEN    20u

/*
 * What goes outside has the tunnel's route until it is marked, and the device's MTU is the limit of
 * datagrams that must not be fragmented: then it is the usual one, and the route says what fits.
 */
static uint32_t device_mtu(const struct client_net_config *cfg)
{
	return cfg->has_outside ? MAX(cfg->mtu_bytes, MTU_OUTSIDE_MIN) : cfg->mtu_bytes;
}

static uint32_t ip_head_len(const struct ip_prefix *dst)
{
	return ip_prefix_family(dst) == AF_INET ? 20 : 40;
}

static struct netlink_route *plan_route(struct change_list *list,
					const struct client_net_config *cfg,
					const struct ip_prefix *dst, const char *dev)
{
	struct netlink_route *r = &change_list_add(list, CHANGE_ROUTE)->route;

	r->dst = *dst;
	r->table = cfg->table;
	snprintf(r->dev, sizeof(r->dev), "%s", dev);
	if (strcmp(dev, cfg->tun) != 0)
		return r;
	if (device_mtu(cfg) != cfg->mtu_bytes)
		r->mtu_bytes = cfg->mtu_bytes;
	if (cfg->back_mtu_bytes != 0)
		r->mss_bytes = cfg->back_mtu_bytes - ip_head_len(dst) - TCP_HEAD_LEN;
	return r;
}

/* What goes into the tunnel: all but what carries our mark, with or without the bit for outside; or
 * only what carries the one for inside. */
static void select_inside(struct netlink_rule *r, const struct client_net_config *cfg)
{
	r->fwmark = cfg->is_only ? cfg->fwmark | MARK_INSIDE : cfg->fwmark;
	r->fwmask = cfg->is_only ? 0 : ~MARK_OUTSIDE;
	r->is_inverted = !cfg->is_only;
}

static void plan_dns_rules(struct change_list *list, const struct client_net_config *cfg,
			   int family)
{
	for (size_t i = 0; i < cfg->dns.count; i++) {
		const struct ip_prefix server = ip_prefix_host(cfg->dns.ip[i]);
		struct netlink_rule *r;

		if (ip_prefix_family(&server) != family)
			continue;
		r = plan_rule(list, family, RULE_CLIENT_DNS, cfg->table);
		r->fwmask = MARK_OUTSIDE; /* is not set */
		r->has_to = true;
		r->to = server;
	}
}

/* The rules that turn all traffic come last, when everything they need is there. */
static void plan_rules(struct change_list *list, const struct client_net_config *cfg, int family)
{
	struct netlink_rule *r;

	if (!cfg->is_only)
		plan_dns_rules(list, cfg, family);
	r = plan_rule(list, family, RULE_CLIENT_MAIN, RT_TABLE_MAIN);
	r->is_specific_only = true;
	if (cfg->is_only)
		select_inside(r, cfg);
	select_inside(plan_rule(list, family, RULE_CLIENT_TUNNEL, cfg->table), cfg);
	select_inside(plan_rule(list, family, RULE_CLIENT_STOP, 0), cfg);
}

static const struct resolv_servers *asked(const struct client_net_config *cfg)
{
	static const struct resolv_servers nobody = {.count = 0};

	return cfg->keeps_dns ? &nobody : cfg->stub.count > 0 ? &cfg->stub : &cfg->dns;
}

/* resolved serves those who ask it; a resolv.conf that leads past it has to lead into the tunnel
 * too.  Before all else, so that nobody asks outside what is answered inside a moment later. */
static int plan_dns(struct transaction *t, const struct client_net_config *cfg,
		    struct host_error *err)
{
	const char *path = cfg->resolv_path != NULL ? cfg->resolv_path : RESOLV_PATH_DEFAULT;
	struct netlink_link link;
	struct change *c;
	struct resolv r;
	int code;

	if (asked(cfg)->count == 0)
		return 0;
	if (resolved_is_running()) {
		code = netlink_link_get(t->nl, cfg->tun, &link);
		if (code != 0)
			return host_fail(err, code, "looking for device %s", cfg->tun);
		c = change_list_add(&t->list, CHANGE_RESOLVED);
		c->resolved.link = link;
		c->resolved.servers = *asked(cfg);
		if (resolv_names_resolved(path))
			return 0;
	}
	code = resolv_read(&r, path, asked(cfg), err);
	if (code == 0)
		change_list_add(&t->list, CHANGE_RESOLV)->resolv = r;
	return code;
}

/* IPv6 may be switched off for all devices; then the TUN cannot have an address either. */
static bool carries_v6(const struct client_net_config *cfg)
{
	if (!ip_is_set(cfg->v6))
		return false;
	if (plan_has_ipv6(cfg->tun))
		return true;
	log_info("IPv6 is switched off on this machine; the tunnel carries IPv4 only");
	return false;
}

/*
 * A packet is marked as to go outside when it has a route already.  Where the tunnel is none (any
 * more) it is this one, which leads nowhere; the firewall refuses what is not marked.  The loopback
 * outlives us, but IPv6 takes no such route to it.
 */
static void plan_last_route(struct change_list *list, const struct client_net_config *cfg,
			    const struct ip_prefix *all, bool is_inside)
{
	if (ip_prefix_is_v4(all))
		plan_route(list, cfg, all, "lo")->metric = METRIC_LAST;
	else if (!is_inside)
		plan_route(list, cfg, all, plan_has_ipv6(cfg->tun) ? cfg->tun : "");
}

static void plan_family(struct change_list *list, const struct client_net_config *cfg,
			const struct ip_prefix *all, const uint8_t *inner)
{
	struct ip_prefix addr;

	if (inner != NULL) {
		addr = ip_prefix_host(inner);
		plan_address(list, cfg->tun, &addr);
	}
	if (inner != NULL || !cfg->has_outside)
		plan_route(list, cfg, all, inner != NULL ? cfg->tun : "");
	if (cfg->has_outside)
		plan_last_route(list, cfg, all, inner != NULL);
}

static int plan(struct change_list *list, struct netlink *nl, const struct client_net_config *cfg,
		struct host_error *err)
{
	const struct plan_tun tun = {cfg->tun, device_mtu(cfg), cfg->is_tun_persistent};
	struct change *c;
	int code;

	/* Lets a strict reverse path filter see that answers to our marked packets are fine. */
	c = plan_sysctl(list, "net/ipv4/conf/all/src_valid_mark", "1");
	if (c != NULL)
		c->is_optional = true; /* most filters are loose or off */
	code = plan_tun(list, nl, &tun, err);
	if (code != 0)
		return code;
	plan_family(list, cfg, &ip_prefix_all_v4, ip_is_set(cfg->v4) ? cfg->v4 : NULL);
	if (plan_has_ipv6(NULL))
		plan_family(list, cfg, &ip_prefix_all_v6, carries_v6(cfg) ? cfg->v6 : NULL);
	plan_rules(list, cfg, AF_INET);
	if (plan_has_ipv6(NULL))
		plan_rules(list, cfg, AF_INET6);
	return 0;
}

static int refuse_used_table(void *ctx, const struct netlink_route *r)
{
	const struct client_net_config *cfg = ctx;

	return r->table == cfg->table ? -EEXIST : 0;
}

static int refuse_used_rule(void *ctx, const struct netlink_rule *r)
{
	(void)ctx;
	return r->protocol == NETLINK_PROTOCOL && r->priority == RULE_CLIENT_TUNNEL ? -EEXIST : 0;
}

/* What is there without being in our journal belongs to someone else, or lost its journal. */
static int check_free(struct transaction *t, const struct client_net_config *cfg,
		      struct host_error *err)
{
	static const int families[] = {AF_INET, AF_INET6};
	struct client_net_config copy = *cfg;
	int code;

	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		code = netlink_route_dump(t->nl, families[i], refuse_used_table, &copy);
		if (code == -EEXIST)
			return host_refuse(err, code,
					   "routing table %u has routes already; set another table "
					   "for the client, or run macrod --cleanup",
					   cfg->table);
		if (code == 0)
			code = netlink_rule_dump(t->nl, families[i], refuse_used_rule, NULL);
		if (code == -EEXIST)
			return host_refuse(
			    err, code,
			    "another client's routing rules are set; stop it, or run "
			    "macrod --cleanup");
		if (code != 0)
			return host_fail(err, code, "reading the routing tables");
	}
	return 0;
}

static int check_config(const struct client_net_config *cfg, struct host_error *err)
{
	if (!plan_name_is_plain(cfg->tun) || cfg->dns.count > RESOLV_SERVERS_MAX ||
	    cfg->fwmark == 0 || cfg->table == 0)
		return host_refuse(err, -EINVAL, "the client needs a device, a mark and a table");
	if (cfg->mtu_bytes < 1280)
		return host_refuse(err, -EINVAL, "an MTU of %u is less than the 1280 of IPv6",
				   cfg->mtu_bytes);
	return 0;
}

int client_net_up(struct client_net *n, const struct client_net_config *cfg, struct host_error *err)
{
	struct transaction t;
	int code = check_config(cfg, err);

	if (code == 0)
		code = transaction_open(&t, cfg->state_dir, HOST_CLIENT, err);
	if (code != 0)
		return code;
	t.hook = cfg->hook;
	code = check_free(&t, cfg, err);
	if (code == 0)
		code = plan_dns(&t, cfg, err);
	if (code == 0)
		code = plan(&t.list, t.nl, cfg, err);
	if (code == 0)
		code = transaction_apply(&t, 0, err);
	if (code == 0)
		*n = (struct client_net){.t = t, .asked = *asked(cfg)};
	else
		transaction_close(&t);
	return code;
}

/* ---- another session ---- */

static int apply_hold(struct transaction *t, const struct client_net_config *cfg,
		      struct host_error *err)
{
	static const int families[] = {AF_INET, AF_INET6};
	const size_t from = t->list.count;

	for (size_t i = 0; i < ARRAY_LEN(families) && (i == 0 || plan_has_ipv6(NULL)); i++) {
		select_inside(plan_rule(&t->list, families[i], RULE_CLIENT_HOLD, 0), cfg);
	}
	return transaction_apply(t, from, err);
}

static bool is_same_asked(const struct resolv_servers *a, const struct resolv_servers *b)
{
	return a->count == b->count && memcmp(a->ip, b->ip, a->count * sizeof(a->ip[0])) == 0;
}

/* Done once, it serves both.  Lists begin zeroed, so that bytes can be compared. */
static bool is_same(const struct change *a, const struct change *b)
{
	if (a->kind != b->kind)
		return false;
	switch (a->kind) {
	case CHANGE_TUN:
		return a->tun.index == b->tun.index;
	case CHANGE_LINK:
		return a->link.was.index == b->link.was.index; /* see set_link */
	case CHANGE_ADDRESS:
		return memcmp(&a->address, &b->address, sizeof(a->address)) == 0;
	case CHANGE_ROUTE:
		return memcmp(&a->route, &b->route, sizeof(a->route)) == 0;
	case CHANGE_RULE:
		return memcmp(&a->rule, &b->rule, sizeof(a->rule)) == 0;
	case CHANGE_SYSCTL:
	case CHANGE_NFT:
	case CHANGE_RESOLV:
	case CHANGE_RESOLVED:
		return false;
	}
	return false;
}

/* Takes what is like c out of fresh; true if there was something. */
static bool take_same(struct change_list *fresh, struct change *c)
{
	for (size_t i = 0; i < fresh->count; i++)
		if (is_same(&fresh->items[i], c)) {
			if (c->kind == CHANGE_LINK)
				c->link.now = fresh->items[i].link.now;
			change_list_remove(fresh, i);
			return true;
		}
	return false;
}

/* Moves what stays before what goes, each in its order, and leaves in fresh what is new.  How many
 * stay. */
static size_t keep(struct change_list *list, struct change_list *fresh, bool same_dns)
{
	size_t kept = 0;

	for (size_t i = 0; i < list->count; i++) {
		struct change c = list->items[i];
		const bool is_dns = c.kind == CHANGE_RESOLV || c.kind == CHANGE_RESOLVED;

		/* Set once, a setting is not planned again. */
		if (!(is_dns ? same_dns : c.kind == CHANGE_SYSCTL) && !take_same(fresh, &c))
			continue;
		memmove(&list->items[kept + 1], &list->items[kept], (i - kept) * sizeof(c));
		list->items[kept++] = c;
	}
	return kept;
}

/* The MTU may be another one; what the undo goes back to is not. */
static int set_link(struct transaction *t, size_t kept, struct host_error *err)
{
	int code = 0;

	for (size_t i = 0; i < kept && code == 0; i++)
		if (t->list.items[i].kind == CHANGE_LINK)
			code = change_apply(&t->list.items[i], t->nl, err);
	return code;
}

/* Moves what is in fresh to the end of the list and does it: addresses, or the rest. */
static int apply_fresh(struct transaction *t, struct change_list *fresh, bool addresses,
		       struct host_error *err)
{
	const size_t from = t->list.count;

	for (size_t i = 0; i < fresh->count;) {
		const struct change c = fresh->items[i];

		if (addresses != (c.kind == CHANGE_ADDRESS)) {
			i++;
			continue;
		}
		*change_list_add(&t->list, c.kind) = c;
		memmove(&fresh->items[i], &fresh->items[i + 1], (--fresh->count - i) * sizeof(c));
	}
	return transaction_apply(t, from, err);
}

/* The new addresses come before the old ones go. */
static int exchange(struct client_net *n, const struct client_net_config *cfg,
		    struct change_list *fresh, struct host_error *err)
{
	struct transaction *t = &n->t;
	const bool same_dns = is_same_asked(&n->asked, asked(cfg));
	const size_t kept = keep(&t->list, fresh, same_dns), old = t->list.count;
	size_t hold;
	int code = apply_hold(t, cfg, err);

	hold = t->list.count - old;
	if (code == 0)
		code = set_link(t, kept, err);
	if (code == 0)
		code = apply_fresh(t, fresh, true, err);
	if (code == 0)
		code = transaction_undo(t, kept, old, err);
	n->asked = *asked(cfg);
	if (code == 0 && !same_dns) {
		const size_t from = t->list.count;

		code = plan_dns(t, cfg, err);
		if (code == 0)
			code = transaction_apply(t, from, err);
	}
	if (code == 0)
		code = apply_fresh(t, fresh, false, err);
	return code == 0 ? transaction_undo(t, kept, kept + hold, err) : code;
}

static struct change *find(struct change_list *list, enum change_kind kind)
{
	for (size_t i = 0; i < list->count; i++)
		if (list->items[i].kind == kind)
			return &list->items[i];
	return NULL;
}

int client_net_replace(struct client_net *n, const struct client_net_config *cfg,
		       struct host_error *err)
{
	struct change_list fresh = {.items = NULL};
	struct host_error later;
	int code = check_config(cfg, err);

	if (code == 0)
		code = plan(&fresh, n->t.nl, cfg, err);
	if (code == 0)
		code = exchange(n, cfg, &fresh, err);
	change_list_fini(&fresh);
	if (code == 0 && find(&n->t.list, CHANGE_RESOLVED) != NULL)
		resolved_flush(); /* another exit may answer otherwise */
	if (code != 0 && client_net_down(n, &later) != 0)
		log_warn("%s", later.text);
	return code;
}

/* ---- names ---- */

struct resolv_servers client_net_network_names(struct client_net *n)
{
	struct change *c = find(&n->t.list, CHANGE_RESOLV);

	return c != NULL ? resolv_network(c->resolv.path, &c->resolv)
			 : resolv_network(RESOLV_PATH_DEFAULT, NULL);
}

int client_net_keep_names(struct client_net *n, struct host_error *err)
{
	struct change_list *list = &n->t.list;
	struct change *c = find(list, CHANGE_RESOLV);
	const char *path = c != NULL ? c->resolv.path : RESOLV_PATH_DEFAULT;
	struct resolv r;
	int code;

	if (c != NULL ? resolv_stands(&c->resolv)
		      : find(list, CHANGE_RESOLVED) == NULL || resolv_names_resolved(path))
		return 0;
	code = resolv_read(&r, path, &n->asked, err);
	if (code != 0)
		return code;
	if (c != NULL)
		change_fini(c);
	else
		c = change_list_add(list, CHANGE_RESOLV);
	c->resolv = r;
	code = journal_store(&n->t.journal, list, err);
	if (code == 0)
		code = resolv_apply(&c->resolv, err);
	return code == 0 ? 1 : code;
}

int client_net_down(struct client_net *n, struct host_error *err)
{
	const int code = transaction_undo(&n->t, 0, n->t.list.count, err);

	transaction_close(&n->t);
	return code;
}
