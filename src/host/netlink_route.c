/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Routes and rules over the request socket of netlink.c. */
#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>

#include "host/netlink_int.h"

static int change_route(struct netlink *nl, uint16_t type, uint16_t flags,
			const struct netlink_route *r)
{
	struct netlink_link link = {.index = 0};
	struct nlmsghdr *msg;
	struct rtmsg *rt;
	int err;

	if (r->dev[0] != '\0') {
		err = netlink_link_get(nl, r->dev, &link);
		if (err != 0)
			return err;
	}
	msg = netlink_start(nl, type, flags);
	rt = mnl_nlmsg_put_extra_header(msg, sizeof(*rt));
	rt->rtm_family = (uint8_t)ip_prefix_family(&r->dst);
	rt->rtm_dst_len = ip_prefix_family_len(&r->dst);
	rt->rtm_table = RT_TABLE_UNSPEC; /* RTA_TABLE has all of its bits */
	rt->rtm_protocol = NETLINK_PROTOCOL;
	rt->rtm_type = link.index != 0 ? RTN_UNICAST : RTN_UNREACHABLE;
	if (link.index != 0 && rt->rtm_family == AF_INET)
		rt->rtm_scope = RT_SCOPE_LINK;
	mnl_attr_put_u32(msg, RTA_TABLE, r->table);
	if (rt->rtm_dst_len > 0)
		mnl_attr_put(msg, RTA_DST, ip_prefix_bytes_len(&r->dst), ip_prefix_bytes(&r->dst));
	if (link.index != 0)
		mnl_attr_put_u32(msg, RTA_OIF, link.index);
	if (r->metric != 0)
		mnl_attr_put_u32(msg, RTA_PRIORITY, r->metric);
	if (type == RTM_NEWROUTE && (r->mtu_bytes != 0 || r->mss_bytes != 0)) {
		struct nlattr *metrics = mnl_attr_nest_start(msg, RTA_METRICS);

		if (r->mtu_bytes != 0)
			mnl_attr_put_u32(msg, RTAX_MTU, r->mtu_bytes);
		if (r->mss_bytes != 0)
			mnl_attr_put_u32(msg, RTAX_ADVMSS, r->mss_bytes);
		mnl_attr_nest_end(msg, metrics);
	}
	return netlink_talk(nl, msg, NULL, NULL);
}

int netlink_route_add(struct netlink *nl, const struct netlink_route *r)
{
	return change_route(nl, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, r);
}

int netlink_route_delete(struct netlink *nl, const struct netlink_route *r)
{
	return change_route(nl, RTM_DELROUTE, 0, r);
}

static int change_rule(struct netlink *nl, uint16_t type, uint16_t flags,
		       const struct netlink_rule *r)
{
	struct nlmsghdr *msg = netlink_start(nl, type, flags);
	struct fib_rule_hdr *rule = mnl_nlmsg_put_extra_header(msg, sizeof(*rule));

	rule->family = (uint8_t)r->family;
	rule->action = r->table != 0 ? FR_ACT_TO_TBL : FR_ACT_UNREACHABLE;
	rule->flags = r->is_inverted ? FIB_RULE_INVERT : 0;
	mnl_attr_put_u32(msg, FRA_PRIORITY, r->priority);
	mnl_attr_put_u8(msg, FRA_PROTOCOL, NETLINK_PROTOCOL);
	if (r->table != 0)
		mnl_attr_put_u32(msg, FRA_TABLE, r->table);
	if (r->fwmark != 0 || r->fwmask != 0) {
		mnl_attr_put_u32(msg, FRA_FWMARK, r->fwmark);
		mnl_attr_put_u32(msg, FRA_FWMASK, r->fwmask != 0 ? r->fwmask : UINT32_MAX);
	}
	if (r->is_specific_only)
		mnl_attr_put_u32(msg, FRA_SUPPRESS_PREFIXLEN, 0);
	if (r->has_to) {
		rule->dst_len = ip_prefix_family_len(&r->to);
		mnl_attr_put(msg, FRA_DST, ip_prefix_bytes_len(&r->to), ip_prefix_bytes(&r->to));
	}
	if (r->iif[0] != '\0')
		mnl_attr_put_strz(msg, FRA_IIFNAME, r->iif);
	return netlink_talk(nl, msg, NULL, NULL);
}

int netlink_rule_add(struct netlink *nl, const struct netlink_rule *r)
{
	return change_rule(nl, RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, r);
}

int netlink_rule_delete(struct netlink *nl, const struct netlink_rule *r)
{
	return change_rule(nl, RTM_DELRULE, 0, r);
}

struct dump {
	int family;
	netlink_route_fn *route_fn;
	netlink_rule_fn *rule_fn;
	void *ctx;
	int err;
};

static uint32_t attr_u32(const struct nlattr *attr, uint32_t absent)
{
	return attr != NULL ? mnl_attr_get_u32(attr) : absent;
}

/* The address of an attribute, which the kernel leaves out where the length is 0. */
static struct ip_prefix attr_prefix(const struct nlattr *attr, int family, uint8_t len_bits)
{
	static const uint8_t zero[16];

	return ip_prefix_from(family, attr != NULL ? mnl_attr_get_payload(attr) : zero, len_bits);
}

/* Of several next hops the first. */
static void read_next_hop(const struct nlattr *attr, uint32_t *oif, const struct nlattr **gateway)
{
	const struct rtnexthop *hop = mnl_attr_get_payload(attr);
	const size_t len = mnl_attr_get_payload_len(attr);
	const struct nlattr *inner;

	if (len < sizeof(*hop) || hop->rtnh_len < sizeof(*hop) || hop->rtnh_len > len)
		return;
	*oif = (uint32_t)hop->rtnh_ifindex;
	inner = (const void *)(hop + 1);
	for (int rest = hop->rtnh_len - (int)sizeof(*hop); mnl_attr_ok(inner, rest);
	     rest -= (inner->nla_len + 3) & ~3, inner = mnl_attr_next(inner))
		if (mnl_attr_get_type(inner) == RTA_GATEWAY)
			*gateway = inner;
}

static int read_route(const struct nlmsghdr *msg, void *ctx)
{
	const struct rtmsg *rt = mnl_nlmsg_get_payload(msg);
	const struct nlattr *attrs[RTA_TABLE + 1];
	struct dump *d = ctx;
	struct netlink_route r = {.protocol = rt->rtm_protocol};
	const struct nlattr *gateway;
	uint32_t oif;

	/* Asked for a family that the kernel lacks, it answers with all that it has. */
	if (rt->rtm_family != d->family || (rt->rtm_flags & RTM_F_CLONED) != 0 || d->err < 0)
		return MNL_CB_OK;
	netlink_attrs(msg, sizeof(*rt), attrs, RTA_TABLE);
	r.table = attr_u32(attrs[RTA_TABLE], rt->rtm_table);
	r.dst = attr_prefix(attrs[RTA_DST], rt->rtm_family, rt->rtm_dst_len);
	oif = attr_u32(attrs[RTA_OIF], 0);
	gateway = attrs[RTA_GATEWAY];
	if (attrs[RTA_MULTIPATH] != NULL)
		read_next_hop(attrs[RTA_MULTIPATH], &oif, &gateway);
	if (gateway != NULL)
		memcpy(r.gateway, attr_prefix(gateway, rt->rtm_family, 0).ip, sizeof(r.gateway));
	r.metric = attr_u32(attrs[RTA_PRIORITY], 0);
	if (rt->rtm_type != RTN_UNREACHABLE && oif != 0 && if_indextoname(oif, r.dev) == NULL)
		r.dev[0] = '\0';
	d->err = d->route_fn(d->ctx, &r);
	return MNL_CB_OK;
}

static int read_rule(const struct nlmsghdr *msg, void *ctx)
{
	const struct fib_rule_hdr *rule = mnl_nlmsg_get_payload(msg);
	const struct nlattr *attrs[FRA_PROTOCOL + 1];
	struct netlink_rule r = {.family = rule->family};
	struct dump *d = ctx;

	if (rule->family != d->family || d->err < 0)
		return MNL_CB_OK;
	netlink_attrs(msg, sizeof(*rule), attrs, FRA_PROTOCOL);
	r.priority = attr_u32(attrs[FRA_PRIORITY], 0);
	r.fwmark = attr_u32(attrs[FRA_FWMARK], 0);
	r.fwmask = attr_u32(attrs[FRA_FWMASK], 0);
	if (r.fwmask == UINT32_MAX)
		r.fwmask = 0;
	r.is_inverted = (rule->flags & FIB_RULE_INVERT) != 0;
	r.is_specific_only = attr_u32(attrs[FRA_SUPPRESS_PREFIXLEN], UINT32_MAX) == 0;
	if (rule->action == FR_ACT_TO_TBL)
		r.table = attr_u32(attrs[FRA_TABLE], rule->table);
	if (rule->dst_len > 0) {
		r.has_to = true;
		r.to = attr_prefix(attrs[FRA_DST], rule->family, rule->dst_len);
	}
	if (attrs[FRA_IIFNAME] != NULL)
		snprintf(r.iif, sizeof(r.iif), "%s", mnl_attr_get_str(attrs[FRA_IIFNAME]));
	if (attrs[FRA_PROTOCOL] != NULL)
		r.protocol = mnl_attr_get_u8(attrs[FRA_PROTOCOL]);
	d->err = d->rule_fn(d->ctx, &r);
	return MNL_CB_OK;
}

static int dump(struct netlink *nl, uint16_t type, mnl_cb_t cb, struct dump *d)
{
	struct nlmsghdr *msg = netlink_start(nl, type, NLM_F_DUMP);
	struct rtmsg *rt = mnl_nlmsg_put_extra_header(msg, sizeof(*rt));
	int err;

	rt->rtm_family = (uint8_t)d->family;
	err = netlink_talk(nl, msg, cb, d);
	return err != 0 ? err : MIN(d->err, 0);
}

_Static_assert(sizeof(struct rtmsg) == sizeof(struct fib_rule_hdr), "one header for both dumps");

int netlink_route_dump(struct netlink *nl, int family, netlink_route_fn *fn, void *ctx)
{
	struct dump d = {.family = family, .route_fn = fn, .ctx = ctx};

	return dump(nl, RTM_GETROUTE, read_route, &d);
}

int netlink_rule_dump(struct netlink *nl, int family, netlink_rule_fn *fn, void *ctx)
{
	struct dump d = {.family = family, .rule_fn = fn, .ctx = ctx};

	return dump(nl, RTM_GETRULE, read_rule, &d);
}
