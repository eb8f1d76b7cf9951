/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "host/netmon.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <unistd.h>

int netmon_open(struct netmon *m)
{
	const struct sockaddr_nl addr = {
	    .nl_family = AF_NETLINK,
	    .nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE |
			 RTMGRP_IPV6_ROUTE | RTMGRP_NEIGH,
	};
	const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
	int err;

	if (fd < 0)
		return -errno;
	if (bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) != 0) {
		err = -errno;
		close(fd);
		return err;
	}
	m->fd = fd;
	return 0;
}

void netmon_close(struct netmon *m)
{
	close(m->fd);
	m->fd = -1;
}

int netmon_read(struct netmon *m)
{
	struct nlmsghdr head; /* says enough; the rest of the message is cut off */
	int changed = 0;

	for (;;) {
		const ssize_t n = recv(m->fd, &head, sizeof(head), 0);

		if (n == (ssize_t)sizeof(head) &&
		    (head.nlmsg_type == RTM_NEWNEIGH || head.nlmsg_type == RTM_DELNEIGH))
			changed |= NETMON_NEIGHBOUR;
		else if (n >= 0)
			changed |= NETMON_NETWORK;
		else if (errno == ENOBUFS) /* so much that some was lost */
			changed |= NETMON_NETWORK | NETMON_NEIGHBOUR;
		else if (errno == EAGAIN)
			return changed;
		else if (errno != EINTR)
			return -errno;
	}
}
