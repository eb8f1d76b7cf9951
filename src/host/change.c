/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Doing and undoing each kind of change; their journal lines are in change_text.c. */
#include "host/change.h"

#include <errno.h>

#include "host/firewall.h"
#include "host/resolved.h"
#include "util/log.h"
#include "util/xalloc.h"

void change_fini(struct change *c)
{
	if (c->kind == CHANGE_NFT)
		free(c->nft.body);
	else if (c->kind == CHANGE_RESOLV)
		resolv_fini(&c->resolv);
}

static bool is_gone(int code)
{
	return code == -ENODEV || code == -ESRCH || code == -ENOENT || code == -EADDRNOTAVAIL ||
	       code == -ENXIO || code == -EAFNOSUPPORT;
}

static int apply_tun(const struct change *c, struct netlink *nl, struct host_error *err)
{
	(void)c, (void)nl, (void)err; /* who opened it made it */
	return 0;
}

/* Only the very device: its name may be another one's by now. */
static int find_same(struct netlink *nl, const struct netlink_link *link)
{
	struct netlink_link found;
	const int code = netlink_link_get(nl, link->name, &found);

	return code != 0 ? code : found.index != link->index ? -ENODEV : 0;
}

static int undo_tun(const struct change *c, struct netlink *nl, struct host_error *err)
{
	int code = find_same(nl, &c->tun);

	if (code == 0)
		code = netlink_link_delete(nl, c->tun.index);
	return code == 0 || is_gone(code) ? 0
					  : host_fail(err, code, "deleting device %s", c->tun.name);
}

static int undo_link(const struct change *c, struct netlink *nl, struct host_error *err)
{
	int code = find_same(nl, &c->link.was);

	if (code == 0)
		code = netlink_link_set(nl, &c->link.was);
	return code == 0 || is_gone(code)
		   ? 0
		   : host_fail(err, code, "setting device %s back", c->link.was.name);
}

static int apply_link(const struct change *c, struct netlink *nl, struct host_error *err)
{
	const struct netlink_link *now = &c->link.now;
	struct host_error ignored = {.text = ""};
	const int code = netlink_link_set(nl, now);

	if (code == 0)
		return 0;
	if (undo_link(c, nl, &ignored) != 0) /* the MTU may be set already */
		log_debug("%s", ignored.text);
	return host_fail(err, code, "setting device %s up with MTU %u", now->name, now->mtu_bytes);
}

static int apply_address(const struct change *c, struct netlink *nl, struct host_error *err)
{
	const int code = netlink_address_add(nl, &c->address);
	char text[IP_PREFIX_TEXT_MAX];

	return code == 0 ? 0
			 : host_fail(err, code, "adding address %s to %s",
				     ip_prefix_format(&c->address.addr, text), c->address.dev);
}

static int undo_address(const struct change *c, struct netlink *nl, struct host_error *err)
{
	const int code = netlink_address_delete(nl, &c->address);
	char text[IP_PREFIX_TEXT_MAX];

	return code == 0 || is_gone(code)
		   ? 0
		   : host_fail(err, code, "removing address %s from %s",
			       ip_prefix_format(&c->address.addr, text), c->address.dev);
}

static int apply_route(const struct change *c, struct netlink *nl, struct host_error *err)
{
	const int code = netlink_route_add(nl, &c->route);
	char text[IP_PREFIX_TEXT_MAX];

	return code == 0 ? 0
			 : host_fail(err, code, "adding route %s to table %u",
				     ip_prefix_format(&c->route.dst, text), c->route.table);
}

static int undo_route(const struct change *c, struct netlink *nl, struct host_error *err)
{
	const int code = netlink_route_delete(nl, &c->route);
	char text[IP_PREFIX_TEXT_MAX];

	return code == 0 || is_gone(code)
		   ? 0
		   : host_fail(err, code, "removing route %s from table %u",
			       ip_prefix_format(&c->route.dst, text), c->route.table);
}

static const char *family_name(int family)
{
	return family == AF_INET ? "IPv4" : "IPv6";
}

static int apply_rule(const struct change *c, struct netlink *nl, struct host_error *err)
{
	const int code = netlink_rule_add(nl, &c->rule);

	return code == 0 ? 0
			 : host_fail(err, code, "adding %s rule %u (to table %u)",
				     family_name(c->rule.family), c->rule.priority, c->rule.table);
}

static int undo_rule(const struct change *c, struct netlink *nl, struct host_error *err)
{
	const int code = netlink_rule_delete(nl, &c->rule);

	return code == 0 || is_gone(code)
		   ? 0
		   : host_fail(err, code, "removing %s rule %u (to table %u)",
			       family_name(c->rule.family), c->rule.priority, c->rule.table);
}

static int write_sysctl(const char *key, const char *value, struct host_error *err)
{
	char current[SYSCTL_VALUE_MAX];
	int code = sysctl_read(key, current);

	/* A container may show settings read-only that are right already. */
	if (code == 0 && strcmp(current, value) == 0)
		return 0;
	code = sysctl_write(key, value);
	return code == 0 ? 0 : host_fail(err, code, "setting /proc/sys/%s to %s", key, value);
}

static int apply_sysctl(const struct change *c, struct netlink *nl, struct host_error *err)
{
	(void)nl;
	return write_sysctl(c->sysctl.key, c->sysctl.now, err);
}

static int undo_sysctl(const struct change *c, struct netlink *nl, struct host_error *err)
{
	const int code = write_sysctl(c->sysctl.key, c->sysctl.was, err);

	(void)nl;
	return is_gone(code) ? 0 : code; /* with its device */
}

static int apply_nft(const struct change *c, struct netlink *nl, struct host_error *err)
{
	(void)nl;
	return firewall_replace(c->nft.table, c->nft.body, err);
}

static int undo_nft(const struct change *c, struct netlink *nl, struct host_error *err)
{
	(void)nl;
	return firewall_delete(c->nft.table, err);
}

static int apply_resolv(const struct change *c, struct netlink *nl, struct host_error *err)
{
	(void)nl;
	return resolv_apply(&c->resolv, err);
}

static int undo_resolv(const struct change *c, struct netlink *nl, struct host_error *err)
{
	(void)nl;
	return resolv_undo(&c->resolv, err);
}

static int apply_resolved(const struct change *c, struct netlink *nl, struct host_error *err)
{
	(void)nl;
	return resolved_set(c->resolved.link.index, &c->resolved.servers, err);
}

static int undo_resolved(const struct change *c, struct netlink *nl, struct host_error *err)
{
	const int code = find_same(nl, &c->resolved.link);

	return code == 0 ? resolved_revert(c->resolved.link.index, err)
	       : is_gone(code)
		   ? 0
		   : host_fail(err, code, "looking for device %s", c->resolved.link.name);
}

typedef int change_fn(const struct change *c, struct netlink *nl, struct host_error *err);

static const struct {
	change_fn *apply, *undo;
} operations[] = {
    [CHANGE_TUN] = {apply_tun, undo_tun},
    [CHANGE_LINK] = {apply_link, undo_link},
    [CHANGE_ADDRESS] = {apply_address, undo_address},
    [CHANGE_ROUTE] = {apply_route, undo_route},
    [CHANGE_RULE] = {apply_rule, undo_rule},
    [CHANGE_SYSCTL] = {apply_sysctl, undo_sysctl},
    [CHANGE_NFT] = {apply_nft, undo_nft},
    [CHANGE_RESOLV] = {apply_resolv, undo_resolv},
    [CHANGE_RESOLVED] = {apply_resolved, undo_resolved},
};

int change_apply(const struct change *c, struct netlink *nl, struct host_error *err)
{
	const int code = operations[c->kind].apply(c, nl, err);

	if (code == 0 || !c->is_optional)
		return code;
	log_warn("%s; going on without", err->text);
	return 0;
}

int change_undo(const struct change *c, struct netlink *nl, struct host_error *err)
{
	return operations[c->kind].undo(c, nl, err);
}

struct change *change_list_add(struct change_list *list, enum change_kind kind)
{
	struct change *c;

	list->items = xrealloc(list->items, list->count + 1, sizeof(*list->items));
	c = &list->items[list->count++];
	memset(c, 0, sizeof(*c));
	c->kind = kind;
	return c;
}

void change_list_remove(struct change_list *list, size_t index)
{
	change_fini(&list->items[index]);
	list->count--;
	memmove(&list->items[index], &list->items[index + 1],
		(list->count - index) * sizeof(*list->items));
}

void change_list_fini(struct change_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		change_fini(&list->items[i]);
	free(list->items);
	*list = (struct change_list){.items = NULL};
}
