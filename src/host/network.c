/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "host/network.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>

struct search {
	struct network *out;
	uint32_t metric;
	struct ip_prefix subnet; /* len_bits 0: not found yet */
};

/* The kernel prefers the lowest metric, and lists it first of equal ones. */
static int take_route(void *ctx, const struct netlink_route *r)
{
	struct search *s = ctx;

	if (r->table != RT_TABLE_MAIN || r->dev[0] == '\0' || ip_prefix_family_len(&r->dst) != 0 ||
	    r->protocol == NETLINK_PROTOCOL || (s->out->is_online && r->metric >= s->metric))
		return 0;
	s->out->is_online = true;
	s->metric = r->metric;
	memcpy(s->out->dev, r->dev, sizeof(s->out->dev));
	memcpy(s->out->gateway, r->gateway, sizeof(s->out->gateway));
	return 0;
}

static bool is_link_local(const struct ip_prefix *p)
{
	return p->ip[0] == 0xfe && (p->ip[1] & 0xc0) == 0x80;
}

/* The subnet that the gateway is in.  IPv6 gateways have link-local addresses: then the least of
 * the others' subnets, whatever their order; not those that change by themselves. */
static int take_address(void *ctx, const struct netlink_address *a, uint32_t flags)
{
	struct search *s = ctx;
	const struct ip_prefix net = ip_prefix_network(&a->addr);

	if (strcmp(a->dev, s->out->dev) != 0 ||
	    (flags & (IFA_F_TEMPORARY | IFA_F_DEPRECATED | IFA_F_TENTATIVE)) != 0)
		return 0;
	if (ip_prefix_has(&net, s->out->gateway) && !is_link_local(&net))
		s->subnet = net;
	else if (!ip_prefix_is_v4(&net) && !is_link_local(&net) && net.len_bits < 128 &&
		 (s->subnet.len_bits == 0 || memcmp(net.ip, s->subnet.ip, sizeof(net.ip)) < 0))
		s->subnet = net;
	return 0;
}

static int find_id(struct netlink *nl, struct search *s, int family)
{
	struct network *out = s->out;
	uint8_t mac[6];
	int err;

	if (!ip_is_set(out->gateway))
		return 0;
	err = netlink_address_dump(nl, family, take_address, s);
	if (err != 0 || s->subnet.len_bits == 0)
		return err;
	err = netlink_neighbour(nl, out->dev, out->gateway, mac);
	if (err == -ENOTSUP)
		return 0;
	if (err == -ENOENT) {
		err = netlink_neighbour_ask(nl, out->dev, out->gateway);
		return err != 0 ? err : -EAGAIN;
	}
	if (err != 0)
		return err;
	out->has_id = true;
	netid_of(&out->id, mac, s->subnet.ip, s->subnet.len_bits);
	return 0;
}

int network_read(struct netlink *nl, struct network *out)
{
	static const int families[] = {AF_INET, AF_INET6};

	for (size_t i = 0; i < ARRAY_LEN(families); i++) {
		struct search s = {.out = out};
		int err;

		*out = (struct network){.is_online = false};
		err = netlink_route_dump(nl, families[i], take_route, &s);
		if (err != 0)
			return err;
		if (out->is_online)
			return find_id(nl, &s, families[i]);
	}
	return 0;
}

const char *network_lacks(const struct network *n)
{
	if (!n->is_online)
		return "there is no default route";
	if (n->has_id)
		return "";
	if (!ip_is_set(n->gateway))
		return "the link has no gateway";
	return "the gateway has no hardware address, or does not tell it";
}
