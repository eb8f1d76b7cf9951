/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "host/plan.h"

#include <linux/if_link.h>
#include <unistd.h>

bool plan_name_is_plain(const char *name)
{
	static const char plain[] =
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";
	const size_t len = strlen(name);

	return len > 0 && len < IFNAMSIZ && strspn(name, plain) == len && name[0] != '.';
}

bool plan_has_ipv6(const char *dev)
{
	char key[SYSCTL_KEY_MAX], value[SYSCTL_VALUE_MAX];

	if (dev == NULL)
		return access("/proc/sys/net/ipv6", F_OK) == 0;
	snprintf(key, sizeof(key), "net/ipv6/conf/%s/disable_ipv6", dev);
	return sysctl_read(key, value) == 0 && strcmp(value, "0") == 0;
}

struct change *plan_sysctl(struct change_list *list, const char *key, const char *value)
{
	char was[SYSCTL_VALUE_MAX];
	struct change *c;

	if (sysctl_read(key, was) != 0 || (value != NULL && strcmp(was, value) == 0))
		return NULL;
	c = change_list_add(list, CHANGE_SYSCTL);
	snprintf(c->sysctl.key, sizeof(c->sysctl.key), "%s", key);
	snprintf(c->sysctl.was, sizeof(c->sysctl.was), "%s", was);
	snprintf(c->sysctl.now, sizeof(c->sysctl.now), "%s", value != NULL ? value : was);
	return c;
}

int plan_tun(struct change_list *list, struct netlink *nl, const struct plan_tun *tun,
	     struct host_error *err)
{
	struct netlink_link link;
	struct change *c;
	const int code = netlink_link_get(nl, tun->name, &link);

	if (code != 0)
		return host_fail(err, code, "looking for device %s", tun->name);
	if (tun->is_persistent)
		change_list_add(list, CHANGE_TUN)->tun = link;
	c = change_list_add(list, CHANGE_LINK);
	c->link.was = c->link.now = link;
	c->link.now.mtu_bytes = tun->mtu_bytes;
	c->link.now.is_up = true;
	/* No link-local address, and so no router solicitations into the tunnel. */
	if (link.addr_gen_mode != NETLINK_NO_ADDR_GEN_MODE)
		c->link.now.addr_gen_mode = IN6_ADDR_GEN_MODE_NONE;
	return 0;
}

void plan_address(struct change_list *list, const char *dev, const struct ip_prefix *addr)
{
	struct change *c = change_list_add(list, CHANGE_ADDRESS);

	snprintf(c->address.dev, sizeof(c->address.dev), "%s", dev);
	c->address.addr = *addr;
}

struct netlink_rule *plan_rule(struct change_list *list, int family, uint32_t priority,
			       uint32_t table)
{
	struct netlink_rule *r = &change_list_add(list, CHANGE_RULE)->rule;

	r->family = family;
	r->priority = priority;
	r->table = table;
	return r;
}
