/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Who is on the links: addresses and neighbours, asked over the request socket of netlink.c. */
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

#include "host/netlink_int.h"

enum {
	MAC_LEN = 6,
	/* An answer was heard once; whether the neighbour is still there is another question. */
	STATES_KNOWN = NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT,
};

struct address_dump {
	int family;
	netlink_address_fn *fn;
	void *ctx;
	int err;
};

static int read_address(const struct nlmsghdr *msg, void *ctx)
{
	const struct ifaddrmsg *addr = mnl_nlmsg_get_payload(msg);
	const struct nlattr *attrs[IFA_FLAGS + 1], *own;
	struct address_dump *d = ctx;
	struct netlink_address a;
	uint32_t flags = addr->ifa_flags;

	if (addr->ifa_family != d->family || d->err < 0)
		return MNL_CB_OK;
	netlink_attrs(msg, sizeof(*addr), attrs, IFA_FLAGS);
	own = attrs[IFA_LOCAL] != NULL ? attrs[IFA_LOCAL] : attrs[IFA_ADDRESS];
	if (own == NULL || if_indextoname(addr->ifa_index, a.dev) == NULL)
		return MNL_CB_OK;
	a.addr = ip_prefix_from(addr->ifa_family, mnl_attr_get_payload(own), addr->ifa_prefixlen);
	if (attrs[IFA_FLAGS] != NULL)
		flags = mnl_attr_get_u32(attrs[IFA_FLAGS]);
	d->err = d->fn(d->ctx, &a, flags);
	return MNL_CB_OK;
}

int netlink_address_dump(struct netlink *nl, int family, netlink_address_fn *fn, void *ctx)
{
	struct address_dump d = {.family = family, .fn = fn, .ctx = ctx};
	struct nlmsghdr *msg = netlink_start(nl, RTM_GETADDR, NLM_F_DUMP);
	struct ifaddrmsg *addr = mnl_nlmsg_put_extra_header(msg, sizeof(*addr));
	int err;

	addr->ifa_family = (uint8_t)family;
	err = netlink_talk(nl, msg, read_address, &d);
	return err != 0 ? err : MIN(d.err, 0);
}

struct neighbour {
	uint8_t mac[MAC_LEN];
	size_t len;
	uint16_t state;
};

static int read_neighbour(const struct nlmsghdr *msg, void *ctx)
{
	const struct ndmsg *nd = mnl_nlmsg_get_payload(msg);
	const struct nlattr *attrs[NDA_LLADDR + 1];
	struct neighbour *out = ctx;

	netlink_attrs(msg, sizeof(*nd), attrs, NDA_LLADDR);
	out->state = nd->ndm_state;
	if (attrs[NDA_LLADDR] == NULL)
		return MNL_CB_OK;
	out->len = mnl_attr_get_payload_len(attrs[NDA_LLADDR]);
	if (out->len == MAC_LEN)
		memcpy(out->mac, mnl_attr_get_payload(attrs[NDA_LLADDR]), MAC_LEN);
	return MNL_CB_OK;
}

static struct ndmsg *put_neighbour(struct nlmsghdr *msg, uint32_t index, const uint8_t *ip)
{
	struct ndmsg *nd = mnl_nlmsg_put_extra_header(msg, sizeof(*nd));
	const struct ip_prefix p = ip_prefix_host(ip);

	nd->ndm_family = (uint8_t)ip_prefix_family(&p);
	nd->ndm_ifindex = (int)index;
	mnl_attr_put(msg, NDA_DST, ip_prefix_bytes_len(&p), ip_prefix_bytes(&p));
	return nd;
}

int netlink_neighbour(struct netlink *nl, const char *dev, const uint8_t ip[static 16],
		      uint8_t mac[static 6])
{
	struct neighbour n = {.len = 0};
	struct netlink_link link;
	struct nlmsghdr *msg;
	int err = netlink_link_get(nl, dev, &link);

	if (err != 0)
		return err;
	msg = netlink_start(nl, RTM_GETNEIGH, 0);
	put_neighbour(msg, link.index, ip);
	err = netlink_talk(nl, msg, read_neighbour, &n);
	if (err != 0)
		return err;
	if ((n.state & NUD_NOARP) != 0)
		return -ENOTSUP; /* the link does not have such */
	if ((n.state & STATES_KNOWN) == 0)
		return -ENOENT;
	if (n.len != MAC_LEN)
		return -ENOTSUP;
	memcpy(mac, n.mac, MAC_LEN);
	return 0;
}

int netlink_neighbour_ask(struct netlink *nl, const char *dev, const uint8_t ip[static 16])
{
	struct netlink_link link;
	struct nlmsghdr *msg;
	int err = netlink_link_get(nl, dev, &link);

	if (err != 0)
		return err;
	msg = netlink_start(nl, RTM_NEWNEIGH, NLM_F_CREATE);
	put_neighbour(msg, link.index, ip)->ndm_flags = NTF_USE;
	return netlink_talk(nl, msg, NULL, NULL);
}
