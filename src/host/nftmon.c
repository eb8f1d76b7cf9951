/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "host/nftmon.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <sys/socket.h>
#include <unistd.h>

#include "host/firewall.h"

enum {
	BUFFER_LEN = 32768,
	TABLE_ATTR = 1, /* the table's name, in messages about anything in it */
};

_Static_assert((int)TABLE_ATTR == NFTA_TABLE_NAME && (int)TABLE_ATTR == NFTA_CHAIN_TABLE &&
		   (int)TABLE_ATTR == NFTA_RULE_TABLE && (int)TABLE_ATTR == NFTA_SET_TABLE &&
		   (int)TABLE_ATTR == NFTA_SET_ELEM_LIST_TABLE,
	       "one number for the table's name");

int nftmon_open(struct nftmon *m)
{
	const struct sockaddr_nl addr = {.nl_family = AF_NETLINK};
	const int group = NFNLGRP_NFTABLES;
	const int fd =
	    socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_NETFILTER);
	int err;

	m->fd = -1;
	if (fd < 0)
		return -errno;
	if (bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) != 0 ||
	    setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) != 0) {
		err = -errno;
		close(fd);
		return err;
	}
	m->fd = fd;
	return 0;
}

void nftmon_close(struct nftmon *m)
{
	if (m->fd < 0)
		return;
	close(m->fd);
	m->fd = -1;
}

static int find_ours(const struct nlattr *attr, void *ctx)
{
	bool *is_ours = ctx;

	if (mnl_attr_get_type(attr) != TABLE_ATTR)
		return MNL_CB_OK;
	if (mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) == 0 &&
	    strcmp(mnl_attr_get_str(attr), FIREWALL_CLIENT_TABLE) == 0)
		*is_ours = true;
	return MNL_CB_STOP;
}

static bool is_ours(const struct nlmsghdr *h)
{
	bool ours = false;

	if (h->nlmsg_type >> 8 != NFNL_SUBSYS_NFTABLES ||
	    (h->nlmsg_type & 0xff) == NFT_MSG_NEWGEN ||
	    mnl_nlmsg_get_payload_len(h) < sizeof(struct nfgenmsg))
		return false;
	mnl_attr_parse(h, sizeof(struct nfgenmsg), find_ours, &ours);
	return ours;
}

int nftmon_read(struct nftmon *m)
{
	union {
		char bytes[BUFFER_LEN];
		struct nlmsghdr aligned;
	} buf;
	int touched = 0;

	if (m->fd < 0)
		return 0;
	for (;;) {
		const ssize_t n = recv(m->fd, buf.bytes, sizeof(buf.bytes), 0);
		const struct nlmsghdr *h = &buf.aligned;
		int left = (int)n;

		if (n < 0 && errno == EAGAIN)
			return touched;
		if (n < 0 && errno == ENOBUFS)
			touched = 1; /* so much that some was lost: ours may be among it */
		else if (n < 0 && errno != EINTR)
			return -errno;
		for (; n > 0 && mnl_nlmsg_ok(h, left); h = mnl_nlmsg_next(h, &left))
			touched |= is_ours(h);
	}
}
