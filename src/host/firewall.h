/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Our nftables tables, through libnftables in this process.  A table is replaced whole, in one
 * transaction of the kernel; other tables are never touched.
 */
#ifndef HOST_FIREWALL_H
#define HOST_FIREWALL_H

#include "host/error.h"
#include "util/bytes.h"

#define FIREWALL_CLIENT_TABLE "macromesh"
#define FIREWALL_EXIT_TABLE   "macromesh_exit"

/* All tables are of the family inet.  0 or a negative errno with *err filled. */

/* firewall_replace(table, body): body is what stands between the table's braces. */
MUST_USE int firewall_replace(const char *table, const char *body, struct host_error *err);

/* firewall_delete(table): also fine if there is none. */
MUST_USE int firewall_delete(const char *table, struct host_error *err);

/* firewall_exists(table): 1, 0 or a negative errno. */
MUST_USE int firewall_exists(const char *table, struct host_error *err);

/*
 * A lasting connection to the kernel's nftables.  Tables made through it with "flags owner" can be
 * changed by nobody else, and end with it.
 */
struct firewall;

MUST_USE int firewall_open(struct firewall **out, struct host_error *err);
void firewall_close(struct firewall *fw); /* NULL allowed */

/* firewall_run(fw, commands, err): all of them in one transaction, or none. */
MUST_USE int firewall_run(struct firewall *fw, const char *commands, struct host_error *err);

/* firewall_counter(table, counter): packets counted by a named counter; 0 if there is none. */
uint64_t firewall_counter(const char *table, const char *counter);

/*
 * firewall_forward_drop(out): the first foreign table with a forward chain that drops by policy,
 * as "ip filter"; no table of ours can accept what it drops.  False if there is none, or if the
 * tables cannot be read.
 */
bool firewall_forward_drop(char *out, size_t size);

#endif
