/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "host/recover.h"

#include <errno.h>

#include "host/firewall.h"
#include "host/journal.h"
#include "host/lock.h"
#include "host/rules.h"
#include "host/transaction.h"
#include "util/log.h"

/* What tells the two roles' changes from each other without a journal. */
static const struct role {
	const char *name;
	const char *nft_table; /* NULL: has its own rules, see release_shield */
	uint32_t rule_min, rule_max;
} roles[] = {
    {HOST_CLIENT, NULL, RULE_CLIENT_HOLD, RULE_CLIENT_STOP},
    {HOST_EXIT, FIREWALL_EXIT_TABLE, RULE_EXIT_FORWARD, RULE_EXIT_FORWARD},
};

struct sweep {
	const struct role *role;
	struct change_list list;
};

/* Routes of ours are only in tables that our rules lead to, and only the client has some. */
static int find_route(void *ctx, const struct netlink_route *r)
{
	struct sweep *s = ctx;

	if (r->protocol == NETLINK_PROTOCOL && s->role == &roles[0])
		change_list_add(&s->list, CHANGE_ROUTE)->route = *r;
	return 0;
}

static int find_rule(void *ctx, const struct netlink_rule *r)
{
	struct sweep *s = ctx;

	if (r->protocol == NETLINK_PROTOCOL && r->priority >= s->role->rule_min &&
	    r->priority <= s->role->rule_max)
		change_list_add(&s->list, CHANGE_RULE)->rule = *r;
	return 0;
}

/* Undoes what is recognisable by its marks: the kernel keeps who added a route or rule. */
static int sweep(struct netlink *nl, const struct role *role, struct host_error *err)
{
	static const int families[] = {AF_INET, AF_INET6};
	struct sweep s = {.role = role};
	struct host_error later;
	int code = 0;

	for (size_t i = 0; i < ARRAY_LEN(families) && code == 0; i++) {
		code = netlink_route_dump(nl, families[i], find_route, &s);
		if (code == 0)
			code = netlink_rule_dump(nl, families[i], find_rule, &s);
	}
	if (code != 0)
		host_fail(err, code, "reading the routing tables");
	for (size_t i = s.list.count; i-- > 0;) {
		const int undone = change_undo(&s.list.items[i], nl, code == 0 ? err : &later);

		code = code == 0 ? undone : code;
	}
	change_list_fini(&s.list);
	if (role->nft_table != NULL && firewall_exists(role->nft_table, &later) == 1) {
		const int undone = firewall_delete(role->nft_table, code == 0 ? err : &later);

		code = code == 0 ? undone : code;
	}
	if (role == &roles[0] && resolv_is_ours(RESOLV_PATH_DEFAULT))
		log_warn("%s is still the one that macrod wrote, and its original is lost; put "
			 "your name servers there",
			 RESOLV_PATH_DEFAULT);
	return code;
}

static int recover_role(const char *state_dir, const struct role *role, bool always_sweep,
			struct host_error *err)
{
	struct transaction t = {.nl = NULL};
	struct journal_fault fault;
	struct host_error later;
	int code = journal_open(&t.journal, state_dir, role->name, err), swept;

	if (code != 0)
		return code;
	code = netlink_open(&t.nl);
	if (code != 0) {
		host_fail(err, code, "opening a netlink socket");
		goto close;
	}
	code = journal_load(&t.journal, &t.list, &fault, err);
	if (code != 0)
		goto close;
	if (fault.line != 0)
		log_warn("%s:%u: %s; cleaning up what can be recognised, settings of the "
			 "kernel may stay changed",
			 t.journal.path, fault.line, fault.what);
	else if (t.list.count > 0)
		log_info("undoing the %zu changes that an earlier macrod left (%s)", t.list.count,
			 t.journal.path);
	if (t.list.count > 0 || fault.line != 0)
		code = transaction_undo(&t, 0, t.list.count, err);
	if (fault.line != 0 || always_sweep) {
		swept = sweep(t.nl, role, code == 0 ? err : &later);
		code = code == 0 ? swept : code;
	}
close:
	transaction_close(&t);
	return code;
}

/* The client's table, after routes and rules: unless it is there to outlive the daemon. */
static int release_shield(const char *state_dir, bool always, struct host_error *err)
{
	struct lock lock;
	int code = lock_load(&lock, state_dir, err);

	if (code != 0 || lock.table == LOCK_TABLE_BLOCK) {
		if (code != 0)
			log_warn("%s", err->text);
		log_warn("the kill switch goes on blocking this machine's traffic; 'macro unlock' "
			 "ends that");
		return 0;
	}
	if (lock.table == LOCK_TABLE_NONE && !always)
		return 0;
	code = shield_remove(err);
	if (code != 0 || lock.table == LOCK_TABLE_NONE)
		return code;
	lock.table = LOCK_TABLE_NONE;
	return lock_store(&lock, state_dir, err);
}

static int recover(const char *state_dir, bool always_sweep, struct host_error *err)
{
	struct host_error later;
	int first = 0, code;

	for (size_t i = 0; i < ARRAY_LEN(roles); i++) {
		code = recover_role(state_dir, &roles[i], always_sweep, first == 0 ? err : &later);
		if (first == 0)
			first = code;
		else if (code != 0)
			log_warn("%s", later.text);
	}
	if (first != 0)
		return first;
	return release_shield(state_dir, always_sweep, err);
}

int host_recover(const char *state_dir, struct host_error *err)
{
	return recover(state_dir, false, err);
}

int host_cleanup(const char *state_dir, struct host_error *err)
{
	cgroup_remove();
	return recover(state_dir, true, err);
}

int host_lock(const char *state_dir, struct host_error *err)
{
	struct shield_rules rules = {.is_locked = true};
	struct shield *shield;
	struct lock lock;
	int code;

	if (lock_load(&lock, state_dir, err) != 0)
		log_warn("%s", err->text);
	/* What belongs inside alone are programs that ask the daemon first, and networks: held from
	 * its start on. */
	if (lock.table != LOCK_TABLE_BLOCK || lock.is_only)
		return 0;
	rules.pass = lock.pass;
	code = shield_open(&shield, err);
	if (code != 0)
		return code;
	code = shield_set(shield, &rules, err);
	shield_close(shield);
	return code;
}

int host_unlock(const char *state_dir, struct host_error *err)
{
	int code = shield_remove(err);

	if (code == 0)
		code = lock_free(state_dir, err);
	return code == 0 ? host_cleanup(state_dir, err) : code;
}
