/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Our places among the machine's routing rules, before nearly all others, exit before client; and
 * the bits beside the daemon's own mark on packets that go by rules of their own. */
#ifndef HOST_RULES_H
#define HOST_RULES_H

enum {
	RULE_EXIT_FORWARD = 80,  /* what comes out of the exit's TUN never enters the client's */
	RULE_CLIENT_HOLD = 89,   /* nothing leaves while the client's changes are replaced */
	RULE_CLIENT_DNS = 90,    /* name servers are inside, even if a LAN has their address too */
	RULE_CLIENT_MAIN = 91,   /* the main table, but for its default route */
	RULE_CLIENT_TUNNEL = 92, /* all that does not carry our mark */
	RULE_CLIENT_STOP = 93,   /* goes no further, should the TUN and its routes disappear */
};

#define MARK_OUTSIDE 0x80000000u /* past the tunnel */
#define MARK_INSIDE  0x40000000u /* into it, where nothing else goes */

#endif
