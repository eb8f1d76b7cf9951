/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Looking for members on the local networks, over IPv4: mesh/lan.h with its sockets. */
#ifndef APP_LAN_APP_H
#define APP_LAN_APP_H

#include "io/loop.h"
#include "mesh/lan.h"
#include "mesh/membership.h"

struct lan_app {
	struct loop *loop;             /* borrowed; NULL: not open */
	struct membership *membership; /* borrowed: is told of who is found */
	struct lan lan;
	struct loop_fd ask_fd;    /* asks, hears answers, answers */
	struct loop_fd listen_fd; /* of a node: hears questions, which come to the group alone */
};

/*
 * lan_app_open(a, loop, membership, registrar, own, mark): own is a node's, NULL for a client;
 * mark: of its packets, 0 for none.  0 or -errno.  lan_app_close: a zeroed one was never open.
 */
MUST_USE int lan_app_open(struct lan_app *a, struct loop *loop, struct membership *membership,
			  const uint8_t *registrar, const struct seed *own, uint32_t mark);
void lan_app_close(struct lan_app *a);

void lan_app_tick(struct lan_app *a, const struct now *now);
void lan_app_hurry(struct lan_app *a, const struct now *now);
uint64_t lan_app_deadline(const struct lan_app *a);

#endif
