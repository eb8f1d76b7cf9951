/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Network namespaces of our own, without privileges, and the little configuration they need. */
#ifndef TESTS_IO_NETNS_H
#define TESTS_IO_NETNS_H

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util/bytes.h"

enum {
	TEST_SKIPPED = 77
};

static inline bool write_text(const char *path, const char *text)
{
	const int fd = open(path, O_WRONLY | O_CLOEXEC);
	const bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	if (fd >= 0)
		close(fd);
	return ok;
}

/* A user namespace in which we are root, and a network namespace; false when that is forbidden. */
static inline bool netns_enter(void)
{
	const unsigned uid = getuid(), gid = getgid();
	char map[32];

	if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		return false;
	snprintf(map, sizeof(map), "0 %u 1", uid);
	if (!write_text("/proc/self/uid_map", map) || !write_text("/proc/self/setgroups", "deny"))
		return false;
	snprintf(map, sizeof(map), "0 %u 1", gid);
	return write_text("/proc/self/gid_map", map);
}

/* An ioctl on a device; false and errno when it fails. */
static inline bool netdev_ioctl(int family, unsigned long request, void *arg)
{
	const int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	const bool ok = fd >= 0 && ioctl(fd, request, arg) == 0;
	const int err = errno;

	if (fd >= 0)
		close(fd);
	errno = err;
	return ok;
}

static inline bool netdev_up(const char *name, int mtu)
{
	struct ifreq req = {.ifr_mtu = mtu};

	snprintf(req.ifr_name, IFNAMSIZ, "%s", name);
	if (!netdev_ioctl(AF_INET, SIOCSIFMTU, &req))
		return false;
	req.ifr_flags = IFF_UP;
	return netdev_ioctl(AF_INET, SIOCSIFFLAGS, &req);
}

/* Sends a routing netlink request; true when it is acknowledged without error. */
static inline bool netlink_ask(struct nlmsghdr *req)
{
	struct {
		struct nlmsghdr h;
		struct nlmsgerr e;
	} answer = {0};
	const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	const bool ok = fd >= 0 && send(fd, req, req->nlmsg_len, 0) > 0 &&
			recv(fd, &answer, sizeof(answer), 0) > 0 && answer.e.error == 0;

	if (fd >= 0)
		close(fd);
	return ok;
}

/* An IPv4 address with a /24, or an IPv6 address with a /64, to be used at once (no DAD). */
static inline bool netdev_add_address(const char *name, const char *text)
{
	struct {
		struct nlmsghdr h;
		struct ifaddrmsg msg;
		struct rtattr attr;
		uint8_t address[16];
	} req = {.h = {.nlmsg_type = RTM_NEWADDR,
		       .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE},
		 .msg = {.ifa_index = if_nametoindex(name), .ifa_flags = IFA_F_NODAD},
		 .attr = {.rta_type = IFA_LOCAL}};
	const bool v6 = inet_pton(AF_INET6, text, req.address) == 1;
	const unsigned len = v6 ? 16 : 4;

	if (!v6 && inet_pton(AF_INET, text, req.address) != 1)
		return false;
	req.msg.ifa_family = v6 ? AF_INET6 : AF_INET;
	req.msg.ifa_prefixlen = v6 ? 64 : 24;
	req.attr.rta_len = (unsigned short)RTA_LENGTH(len);
	req.h.nlmsg_len = (uint32_t)(offsetof(__typeof__(req), address) + len);
	return netlink_ask(&req.h);
}

static inline bool netdev_delete(const char *name)
{
	struct {
		struct nlmsghdr h;
		struct ifinfomsg msg;
	} req = {.h = {.nlmsg_len = sizeof(req),
		       .nlmsg_type = RTM_DELLINK,
		       .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK},
		 .msg = {.ifi_index = (int)if_nametoindex(name)}};

	return netlink_ask(&req.h);
}

#endif
