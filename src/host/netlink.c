/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The request socket, and links and addresses on it; routes and rules are in netlink_route.c. */
#include "host/netlink.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>

#include "host/netlink_int.h"
#include "util/xalloc.h"

int netlink_open(struct netlink **out)
{
	struct netlink *nl = xcalloc(1, sizeof(*nl));
	int err;

	nl->sock = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (nl->sock == NULL) {
		err = -errno;
		goto free_nl;
	}
	if (mnl_socket_bind(nl->sock, 0, MNL_SOCKET_AUTOPID) != 0) {
		err = -errno;
		goto close_sock;
	}
	*out = nl;
	return 0;

close_sock:
	mnl_socket_close(nl->sock);
free_nl:
	free(nl);
	return err;
}

void netlink_close(struct netlink *nl)
{
	if (nl == NULL)
		return;
	mnl_socket_close(nl->sock);
	free(nl);
}

struct nlmsghdr *netlink_start(struct netlink *nl, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *msg = mnl_nlmsg_put_header(nl->buf);

	msg->nlmsg_type = type;
	msg->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | flags);
	msg->nlmsg_seq = ++nl->seq;
	return msg;
}

int netlink_talk(struct netlink *nl, const struct nlmsghdr *msg, mnl_cb_t cb, void *ctx)
{
	const unsigned port = mnl_socket_get_portid(nl->sock);
	const uint32_t seq = msg->nlmsg_seq;
	int more, err = 0;
	ssize_t n;

	if (mnl_socket_sendto(nl->sock, msg, msg->nlmsg_len) < 0)
		return -errno;
	do {
		n = mnl_socket_recvfrom(nl->sock, nl->buf, sizeof(nl->buf));
		if (n < 0)
			return -errno;
		more = mnl_cb_run(nl->buf, (size_t)n, seq, port, cb, ctx);
		/* What an earlier, broken-off dump left in the socket has another number. */
		if (more < 0 && errno == EPROTO)
			more = MNL_CB_OK;
		else if (more < 0)
			err = -errno;
	} while (more > 0);
	return err;
}

struct attr_table {
	const struct nlattr **attrs;
	uint16_t max;
};

static int collect(const struct nlattr *attr, void *ctx)
{
	const struct attr_table *t = ctx;
	const uint16_t type = mnl_attr_get_type(attr);

	if (type <= t->max)
		t->attrs[type] = attr;
	return MNL_CB_OK;
}

void netlink_attrs(const struct nlmsghdr *msg, size_t header_len, const struct nlattr **table,
		   uint16_t max)
{
	struct attr_table t = {table, max};

	memset(table, 0, (max + 1u) * sizeof(const struct nlattr *));
	mnl_attr_parse(msg, (unsigned)header_len, collect, &t);
}

int netlink_may_change(struct netlink *nl)
{
	const struct netlink_link nobody = {.index = INT32_MAX};
	const int code = netlink_link_delete(nl, nobody.index);

	return code == -EPERM ? code : 0;
}

static int read_addr_gen_mode(const struct nlattr *attr, void *ctx)
{
	uint8_t *mode = ctx;

	if (mnl_attr_get_type(attr) == IFLA_INET6_ADDR_GEN_MODE)
		*mode = mnl_attr_get_u8(attr);
	return MNL_CB_OK;
}

static int read_af_spec(const struct nlattr *attr, void *ctx)
{
	if (mnl_attr_get_type(attr) == AF_INET6)
		mnl_attr_parse_nested(attr, read_addr_gen_mode, ctx);
	return MNL_CB_OK;
}

static int read_link(const struct nlmsghdr *msg, void *ctx)
{
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(msg);
	const struct nlattr *attrs[IFLA_AF_SPEC + 1];
	struct netlink_link *out = ctx;

	netlink_attrs(msg, sizeof(*info), attrs, IFLA_AF_SPEC);
	out->index = (uint32_t)info->ifi_index;
	out->is_up = (info->ifi_flags & IFF_UP) != 0;
	if (attrs[IFLA_MTU] != NULL)
		out->mtu_bytes = mnl_attr_get_u32(attrs[IFLA_MTU]);
	if (attrs[IFLA_AF_SPEC] != NULL)
		mnl_attr_parse_nested(attrs[IFLA_AF_SPEC], read_af_spec, &out->addr_gen_mode);
	return MNL_CB_OK;
}

int netlink_link_get(struct netlink *nl, const char *name, struct netlink_link *out)
{
	struct nlmsghdr *msg = netlink_start(nl, RTM_GETLINK, 0);
	struct netlink_link link = {.addr_gen_mode = NETLINK_NO_ADDR_GEN_MODE};
	int err;

	if (name[0] == '\0' || strlen(name) >= sizeof(link.name))
		return -ENODEV;
	memcpy(link.name, name, strlen(name) + 1);
	mnl_nlmsg_put_extra_header(msg, sizeof(struct ifinfomsg));
	mnl_attr_put_strz(msg, IFLA_IFNAME, name);
	err = netlink_talk(nl, msg, read_link, &link);
	if (err != 0)
		return err;
	*out = link;
	return 0;
}

/* In the way of a sysctl the kernel would make an address even while the link is down. */
static int set_addr_gen_mode(struct netlink *nl, const struct netlink_link *link)
{
	struct nlmsghdr *msg = netlink_start(nl, RTM_NEWLINK, 0);
	struct ifinfomsg *info = mnl_nlmsg_put_extra_header(msg, sizeof(*info));
	struct nlattr *spec, *inet6;

	info->ifi_index = (int)link->index;
	spec = mnl_attr_nest_start(msg, IFLA_AF_SPEC);
	inet6 = mnl_attr_nest_start(msg, AF_INET6);
	mnl_attr_put_u8(msg, IFLA_INET6_ADDR_GEN_MODE, link->addr_gen_mode);
	mnl_attr_nest_end(msg, inet6);
	mnl_attr_nest_end(msg, spec);
	return netlink_talk(nl, msg, NULL, NULL);
}

int netlink_link_set(struct netlink *nl, const struct netlink_link *link)
{
	struct nlmsghdr *msg;
	struct ifinfomsg *info;
	int err;

	/* A message of its own: within one, the kernel would set the link up before. */
	if (link->addr_gen_mode != NETLINK_NO_ADDR_GEN_MODE) {
		err = set_addr_gen_mode(nl, link);
		if (err != 0)
			return err;
	}
	msg = netlink_start(nl, RTM_NEWLINK, 0);
	info = mnl_nlmsg_put_extra_header(msg, sizeof(*info));
	info->ifi_index = (int)link->index;
	info->ifi_change = IFF_UP;
	info->ifi_flags = link->is_up ? IFF_UP : 0;
	mnl_attr_put_u32(msg, IFLA_MTU, link->mtu_bytes);
	return netlink_talk(nl, msg, NULL, NULL);
}

int netlink_link_delete(struct netlink *nl, uint32_t index)
{
	struct nlmsghdr *msg = netlink_start(nl, RTM_DELLINK, 0);
	struct ifinfomsg *info = mnl_nlmsg_put_extra_header(msg, sizeof(*info));

	info->ifi_index = (int)index;
	return netlink_talk(nl, msg, NULL, NULL);
}

static int change_address(struct netlink *nl, uint16_t type, uint16_t flags,
			  const struct netlink_address *a)
{
	struct netlink_link link;
	struct ifaddrmsg *addr;
	struct nlmsghdr *msg;
	int err;

	err = netlink_link_get(nl, a->dev, &link);
	if (err != 0)
		return err;
	msg = netlink_start(nl, type, flags);
	addr = mnl_nlmsg_put_extra_header(msg, sizeof(*addr));
	addr->ifa_family = (uint8_t)ip_prefix_family(&a->addr);
	addr->ifa_prefixlen = ip_prefix_family_len(&a->addr);
	addr->ifa_index = link.index;
	/* Nobody else can have it on a point-to-point device: usable at once. */
	if (addr->ifa_family == AF_INET6)
		addr->ifa_flags = IFA_F_NODAD;
	mnl_attr_put(msg, IFA_LOCAL, ip_prefix_bytes_len(&a->addr), ip_prefix_bytes(&a->addr));
	mnl_attr_put(msg, IFA_ADDRESS, ip_prefix_bytes_len(&a->addr), ip_prefix_bytes(&a->addr));
	return netlink_talk(nl, msg, NULL, NULL);
}

int netlink_address_add(struct netlink *nl, const struct netlink_address *a)
{
	return change_address(nl, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, a);
}

int netlink_address_delete(struct netlink *nl, const struct netlink_address *a)
{
	return change_address(nl, RTM_DELADDR, 0, a);
}
