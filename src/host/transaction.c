/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "host/transaction.h"

#include <errno.h>

#include "util/log.h"

int transaction_open(struct transaction *t, const char *state_dir, const char *name,
		     struct host_error *err)
{
	struct transaction out = {.nl = NULL};
	struct journal_fault fault;
	int code = journal_open(&out.journal, state_dir, name, err);

	if (code != 0)
		return code;
	code = netlink_open(&out.nl);
	if (code != 0) {
		host_fail(err, code, "opening a netlink socket");
		goto close_journal;
	}
	code = netlink_may_change(out.nl);
	if (code != 0) {
		host_fail(err, code, "changing the network configuration");
		goto close_netlink;
	}
	code = journal_load(&out.journal, &out.list, &fault, err);
	if (code != 0)
		goto close_netlink;
	if (out.list.count > 0 || fault.line != 0) {
		code = host_refuse(err, -EEXIST,
				   "%s lists changes of an earlier macrod that are not undone; run "
				   "macrod --cleanup",
				   out.journal.path);
		change_list_fini(&out.list);
		goto close_netlink;
	}
	*t = out;
	return 0;

close_netlink:
	netlink_close(out.nl);
close_journal:
	journal_close(&out.journal);
	return code;
}

void transaction_close(struct transaction *t)
{
	change_list_fini(&t->list);
	netlink_close(t->nl);
	journal_close(&t->journal);
}

static int step(const struct transaction *t, size_t index, struct host_error *err)
{
	const int code = t->hook.step != NULL ? t->hook.step(t->hook.ctx, index) : 0;

	return code < 0 ? host_fail(err, code, "step %zu", index) : 0;
}

static void drop_from(struct transaction *t, size_t from)
{
	while (t->list.count > from)
		change_list_remove(&t->list, t->list.count - 1);
}

int transaction_apply(struct transaction *t, size_t from, struct host_error *err)
{
	struct host_error later;
	size_t i = from;
	int code = journal_store(&t->journal, &t->list, err);

	if (code != 0) {
		drop_from(t, from);
		return code;
	}
	for (; i < t->list.count && code == 0; i++) {
		code = step(t, i, err);
		if (code == 0)
			code = change_apply(&t->list.items[i], t->nl, err);
		if (code != 0)
			break;
	}
	if (code == 0)
		code = step(t, i, err);
	if (code == 0)
		return 0;
	drop_from(t, i); /* never done: what it would undo may be someone else's */
	if (transaction_undo(t, from, i, &later) != 0)
		log_warn("%s", later.text);
	return code;
}

int transaction_undo(struct transaction *t, size_t from, size_t end, struct host_error *err)
{
	struct host_error later;
	int first = 0, code;

	for (size_t i = end; i-- > from;) {
		code = change_undo(&t->list.items[i], t->nl, first == 0 ? err : &later);
		if (code == 0)
			change_list_remove(&t->list, i);
		else if (first == 0)
			first = code;
		else
			log_warn("%s", later.text);
	}
	code = journal_store(&t->journal, &t->list, first == 0 ? err : &later);
	return first != 0 ? first : code;
}
