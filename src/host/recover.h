/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Undoing what a killed daemon left on the machine: by its journals, or by the marks we leave. */
#ifndef HOST_RECOVER_H
#define HOST_RECOVER_H

#include "host/error.h"
#include "util/bytes.h"

/* The journals in a state directory. */
#define HOST_CLIENT "client"
#define HOST_EXIT   "exit"

/*
 * host_recover(state_dir, err): call at start.  Undoes what the journals of both roles say; of a
 * journal that cannot be read, what can, and what carries our marks.  -EBUSY: a living daemon has a
 * role up with this directory; that role is left alone.
 */
MUST_USE int host_recover(const char *state_dir, struct host_error *err);

/*
 * host_cleanup(state_dir, err): host_recover, and then whatever else carries our marks in this
 * network namespace, with or without a journal: for a person who asks for it.  What the kill switch
 * blocks stays blocked, here as there.
 */
MUST_USE int host_cleanup(const char *state_dir, struct host_error *err);

/* host_lock(state_dir, err): block again what the kill switch blocked when the machine went down.
 */
MUST_USE int host_lock(const char *state_dir, struct host_error *err);

/*
 * host_unlock(state_dir, err): the machine as it is without us, whatever the kill switch was set
 * to, and so that it stays free at the next start.  -EBUSY: a living daemon holds on to it.
 */
MUST_USE int host_unlock(const char *state_dir, struct host_error *err);

#endif
