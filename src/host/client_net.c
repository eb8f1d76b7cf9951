/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "host/client_net.h"

#include <errno.h>
#include <linux/rtnetlink.h>

#include "host/plan.h"
#include "host/recover.h"
#include "host/rules.h"
#include "util/log.h"
#include "util/xalloc.h"

static void plan_route(struct change_list *list, const struct client_net_config *cfg,
		       const struct ip_prefix *dst, bool into_tunnel)
{
	struct change *c = change_list_add(list, CHANGE_ROUTE);

	c->route.dst = *dst;
	c->route.table = cfg->table;
	if (into_tunnel)
		snprintf(c->route.dev, sizeof(c->route.dev), "%s", cfg->tun);
}

/* The rules that turn all traffic come last, when everything they need is there. */
static void plan_rules(struct change_list *list, const struct client_net_config *cfg, int family)
{
	struct netlink_rule *r;

	for (size_t i = 0; i < cfg->dns.count; i++) {
		const struct ip_prefix server = ip_prefix_host(cfg->dns.ip[i]);

		if (ip_prefix_family(&server) != family)
			continue;
		r = plan_rule(list, family, RULE_CLIENT_DNS, cfg->table);
		r->has_to = true;
		r->to = server;
	}
	plan_rule(list, family, RULE_CLIENT_MAIN, RT_TABLE_MAIN)->is_specific_only = true;
	r = plan_rule(list, family, RULE_CLIENT_TUNNEL, cfg->table);
	r->fwmark = cfg->fwmark;
	r->is_inverted = true;
	r = plan_rule(list, family, RULE_CLIENT_STOP, 0);
	r->fwmark = cfg->fwmark;
	r->is_inverted = true;
}

static int plan_resolv(struct change_list *list, const struct client_net_config *cfg,
		       struct host_error *err)
{
	const char *path = cfg->resolv_path != NULL ? cfg->resolv_path : RESOLV_PATH_DEFAULT;
	struct resolv r;
	int code;

	if (cfg->dns.count == 0)
		return 0;
	code = resolv_read(&r, path, cfg->stub.count > 0 ? &cfg->stub : &cfg->dns, err);
	if (code == 0)
		change_list_add(list, CHANGE_RESOLV)->resolv = r;
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

static void plan_family(struct change_list *list, const struct client_net_config *cfg,
			const struct ip_prefix *all, const uint8_t *inner)
{
	struct ip_prefix addr;

	if (inner != NULL) {
		addr = ip_prefix_host(inner);
		plan_address(list, cfg->tun, &addr);
	}
	plan_route(list, cfg, all, inner != NULL);
}

static int plan(struct transaction *t, const struct client_net_config *cfg, struct host_error *err)
{
	const struct plan_tun tun = {cfg->tun, cfg->mtu_bytes, cfg->is_tun_persistent};
	struct change *c;
	int code;

	/* Lets a strict reverse path filter see that answers to our marked packets are fine. */
	c = plan_sysctl(&t->list, "net/ipv4/conf/all/src_valid_mark", "1");
	if (c != NULL)
		c->is_optional = true; /* most filters are loose or off */
	code = plan_tun(&t->list, t->nl, &tun, err);
	if (code != 0)
		return code;
	plan_family(&t->list, cfg, &ip_prefix_all_v4, ip_is_set(cfg->v4) ? cfg->v4 : NULL);
	if (plan_has_ipv6(NULL))
		plan_family(&t->list, cfg, &ip_prefix_all_v6, carries_v6(cfg) ? cfg->v6 : NULL);
	plan_rules(&t->list, cfg, AF_INET);
	if (plan_has_ipv6(NULL))
		plan_rules(&t->list, cfg, AF_INET6);
	return plan_resolv(&t->list, cfg, err);
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

/* Plans and applies after what is in the list already; a failure leaves only that. */
static int apply_new(struct transaction *t, const struct client_net_config *cfg,
		     struct host_error *err)
{
	const size_t from = t->list.count;
	int code = check_free(t, cfg, err);

	if (code == 0)
		code = plan(t, cfg, err);
	if (code == 0)
		return transaction_apply(t, from, err);
	while (t->list.count > from)
		change_list_remove(&t->list, from);
	return code;
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
	code = apply_new(&t, cfg, err);
	if (code == 0)
		n->t = t;
	else
		transaction_close(&t);
	return code;
}

static int apply_hold(struct transaction *t, const struct client_net_config *cfg,
		      struct host_error *err)
{
	static const int families[] = {AF_INET, AF_INET6};
	const size_t from = t->list.count;

	for (size_t i = 0; i < ARRAY_LEN(families) && (i == 0 || plan_has_ipv6(NULL)); i++) {
		struct netlink_rule *r = plan_rule(&t->list, families[i], RULE_CLIENT_HOLD, 0);

		r->fwmark = cfg->fwmark;
		r->is_inverted = true;
	}
	return transaction_apply(t, from, err);
}

int client_net_replace(struct client_net *n, const struct client_net_config *cfg,
		       struct host_error *err)
{
	struct transaction *t = &n->t;
	const size_t old = t->list.count;
	struct host_error later;
	size_t hold;
	int code = check_config(cfg, err);

	if (code == 0)
		code = apply_hold(t, cfg, err);
	hold = t->list.count - old;
	if (code == 0)
		code = transaction_undo(t, 0, old, err);
	if (code == 0)
		code = apply_new(t, cfg, err);
	if (code == 0)
		return transaction_undo(t, 0, hold, err);
	if (client_net_down(n, &later) != 0)
		log_warn("%s", later.text);
	return code;
}

int client_net_down(struct client_net *n, struct host_error *err)
{
	const int code = transaction_undo(&n->t, 0, n->t.list.count, err);

	transaction_close(&n->t);
	return code;
}
