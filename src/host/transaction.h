/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Changes that are done as a whole or not at all: in the journal first, then applied in order, and
 * undone in the reverse order.  client_net and exit_net each hold one while they are up.
 */
#ifndef HOST_TRANSACTION_H
#define HOST_TRANSACTION_H

#include "host/journal.h"

/*
 * Called before each change is applied, with its index, and once more after the last.  Tests fail
 * or die here; a negative return counts as the failure of that step.
 */
struct transaction_hook {
	int (*step)(void *ctx, size_t index); /* NULL: none */
	void *ctx;
};

struct transaction {
	struct journal journal;
	struct netlink *nl;
	struct change_list list; /* what is done, and in between what is planned */
	struct transaction_hook hook;
};

/*
 * transaction_open(t, state_dir, name, err): locks the journal; -EEXIST if a dead daemon left one,
 * which host_recover is for.
 */
MUST_USE int transaction_open(struct transaction *t, const char *state_dir, const char *name,
			      struct host_error *err);

/* transaction_close(t): undoes nothing; what is not undone stays in the journal. */
void transaction_close(struct transaction *t);

/* transaction_apply(t, from, err): do the list from index from on; a failure undoes that part. */
MUST_USE int transaction_apply(struct transaction *t, size_t from, struct host_error *err);

/*
 * transaction_undo(t, from, end, err): undo that part of the list and take it off.  Goes on after a
 * failure; what failed stays in list and journal, and the first failure is returned.
 */
MUST_USE int transaction_undo(struct transaction *t, size_t from, size_t end,
			      struct host_error *err);

#endif
