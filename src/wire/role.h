/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a node does for others; bits, as in its descriptor. */
#ifndef WIRE_ROLE_H
#define WIRE_ROLE_H

enum node_role {
	ROLE_ENTRY = 1 << 0,
	ROLE_RELAY = 1 << 1,
	ROLE_EXIT = 1 << 2,
	ROLE_ALL = ROLE_ENTRY | ROLE_RELAY | ROLE_EXIT,
};

#endif
