/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "host/netspace.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/endpoint.h"

/* ---- the namespaces ---- */

static int write_own(const char *path, const char *text)
{
	const int fd = open(path, O_WRONLY | O_CLOEXEC);
	const ssize_t len = (ssize_t)strlen(text);
	int code = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, (size_t)len) != len)
		code = -errno;
	close(fd);
	return code;
}

/* As root of namespaces that belong to this user, and still the same user to all others. */
static int enter_as_user(struct host_error *err)
{
	char uids[64], gids[64];
	int code;

	snprintf(uids, sizeof(uids), "%u %u 1", geteuid(), geteuid());
	snprintf(gids, sizeof(gids), "%u %u 1", getegid(), getegid());
	if (unshare(CLONE_NEWUSER | CLONE_NEWNET | CLONE_NEWNS) != 0)
		return host_refuse(err, -errno,
				   "this system gives its users no namespaces of their own (%s); "
				   "run it as root, or see user.max_user_namespaces and its like "
				   "in sysctl(8)",
				   strerror(errno));
	code = write_own("/proc/self/setgroups", "deny");
	if (code == 0)
		code = write_own("/proc/self/uid_map", uids);
	if (code == 0)
		code = write_own("/proc/self/gid_map", gids);
	return code == 0 ? 0 : host_fail(err, code, "naming the user of the new namespace");
}

int netspace_enter(struct host_error *err)
{
	int code = 0;

	if (unshare(CLONE_NEWNET | CLONE_NEWNS) != 0)
		code = errno == EPERM ? enter_as_user(err)
				      : host_fail(err, -errno, "making a network namespace");
	/* What is mounted here is not seen elsewhere. */
	if (code == 0 && mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) != 0)
		code = host_fail(err, -errno, "separating the mounts");
	return code;
}

/* ---- names ---- */

/* Sockets by which libc has others ask, outside. */
static const char *const services[] = {
    "/run/systemd/resolve",
    "/run/nscd",
    "/run/avahi-daemon",
};

static int hide(const char *path, struct host_error *err)
{
	if (access(path, F_OK) != 0)
		return 0;
	return mount("macro", path, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC,
		     "mode=755,size=64k") == 0
		   ? 0
		   : host_fail(err, -errno, "hiding %s", path);
}

static int write_file(int fd, const char *server)
{
	if (fd < 0 || dprintf(fd, "nameserver %s\n", server) < 0 || fchmod(fd, 0644) != 0)
		return -errno;
	return 0;
}

/* The file itself stays as it is; another one covers it, here only. */
static int cover(const char *path, const char *server)
{
	char name[] = "/tmp/macro-resolv-XXXXXX";
	const int fd = mkostemp(name, O_CLOEXEC);
	int code = write_file(fd, server);

	if (code == 0 && mount(name, path, NULL, MS_BIND, NULL) != 0)
		code = -errno;
	if (fd >= 0) {
		unlink(name);
		close(fd);
	}
	return code;
}

/* Where it led into a folder that is hidden now, it is made anew there. */
static int replace(const char *path, const char *server)
{
	const int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	const int code = write_file(fd, server);

	if (fd >= 0)
		close(fd);
	return code;
}

static bool is_hidden(const char *path)
{
	for (size_t i = 0; i < ARRAY_LEN(services); i++)
		if (strncmp(path, services[i], strlen(services[i])) == 0)
			return true;
	return false;
}

int netspace_names(const char *server, const char *resolv_path, struct host_error *err)
{
	char *path = realpath(resolv_path, NULL);
	int code = 0;

	if (path == NULL)
		return host_fail(err, -errno, "%s, which is to name the tunnel's name server",
				 resolv_path);
	for (size_t i = 0; i < ARRAY_LEN(services) && code == 0; i++)
		code = hide(services[i], err);
	if (code == 0) {
		code = is_hidden(path) ? replace(path, server) : cover(path, server);
		if (code != 0)
			(void)host_fail(err, code, "covering %s", path);
	}
	free(path);
	return code;
}

/* ---- what leads out ---- */

static int bring_up(struct netspace *n, const char *dev, uint32_t mtu_bytes, struct host_error *err)
{
	struct netlink_link link;
	int code = netlink_link_get(n->nl, dev, &link);

	if (code == 0) {
		link.is_up = true;
		if (mtu_bytes != 0) {
			link.mtu_bytes = mtu_bytes;
			if (link.addr_gen_mode != NETLINK_NO_ADDR_GEN_MODE)
				link.addr_gen_mode = IN6_ADDR_GEN_MODE_NONE;
		}
		code = netlink_link_set(n->nl, &link);
	}
	return code == 0 ? 0 : host_fail(err, code, "bringing up device %s", dev);
}

int netspace_open(struct netspace *n, struct host_error *err)
{
	int code;

	*n = (struct netspace){.nl = NULL};
	code = netlink_open(&n->nl);
	if (code != 0)
		return host_fail(err, code, "asking for the namespace's network");
	code = bring_up(n, "lo", 0, err);
	if (code != 0)
		netspace_close(n);
	return code;
}

void netspace_close(struct netspace *n)
{
	netlink_close(n->nl);
	n->nl = NULL;
}

static void address_of(const struct netspace *n, const uint8_t ip[static 16],
		       struct netlink_address *out)
{
	*out = (struct netlink_address){.addr = ip_prefix_host(ip)};
	snprintf(out->dev, sizeof(out->dev), "%s", n->tun);
}

static int add(struct netspace *n, const uint8_t ip[static 16], const struct ip_prefix *all)
{
	struct netlink_route route = {.dst = *all, .table = RT_TABLE_MAIN};
	struct netlink_address address;
	int code;

	address_of(n, ip, &address);
	snprintf(route.dev, sizeof(route.dev), "%s", n->tun);
	code = netlink_address_add(n->nl, &address);
	if (code == 0)
		code = netlink_route_add(n->nl, &route);
	return code == -EEXIST ? 0 : code; /* the route of the address before */
}

static int drop(struct netspace *n, const uint8_t ip[static 16], const struct ip_prefix *all,
		bool is_last)
{
	struct netlink_route route = {.dst = *all, .table = RT_TABLE_MAIN};
	struct netlink_address address;
	int code = 0;

	address_of(n, ip, &address);
	snprintf(route.dev, sizeof(route.dev), "%s", n->tun);
	if (is_last)
		code = netlink_route_delete(n->nl, &route);
	return code == 0 ? netlink_address_delete(n->nl, &address) : code;
}

/* The new address comes before the old one goes. */
static int use(struct netspace *n, uint8_t was[static 16], const uint8_t now[static 16],
	       const struct ip_prefix *all)
{
	const bool is_set = ip_is_set(now);
	int code = 0;

	if (memcmp(was, now, 16) == 0)
		return 0;
	if (is_set)
		code = add(n, now, all);
	if (code == 0 && ip_is_set(was))
		code = drop(n, was, all, !is_set);
	if (code == 0)
		memcpy(was, now, 16);
	return code;
}

int netspace_use(struct netspace *n, const struct netspace_tunnel *t, struct host_error *err)
{
	int code;

	snprintf(n->tun, sizeof(n->tun), "%s", t->tun);
	code = bring_up(n, n->tun, t->mtu_bytes, err);
	if (code != 0)
		return code;
	code = use(n, n->v4, t->v4, &ip_prefix_all_v4);
	if (code == 0)
		code = use(n, n->v6, t->v6, &ip_prefix_all_v6);
	return code == 0 ? 0 : host_fail(err, code, "setting addresses of device %s", n->tun);
}
