/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * The proxy as a whole: a client whose packets come from a TCP/IP of its own instead of a TUN, with
 * a session and a circuit for each of its users.  It changes nothing on the machine.
 */
#ifndef APP_PROXY_APP_H
#define APP_PROXY_APP_H

#include "client/client.h"
#include "config/config.h"
#include "proxy/server.h"

enum {
	PROXY_USERS_MAX = 8, /* at the same time */
	PROXY_TEXT_MAX = 256,
};

struct proxy_app;

struct proxy_app_event {
	enum client_note_type type;
	unsigned user; /* 0: those who give no name; others as they come */
	enum client_state state;
	const char *text;
	const struct client_view *view; /* of the route */
};

struct proxy_app_params {
	const struct config *cfg; /* borrowed */
	struct client_wish wish;
	const struct config_profile *profile;                      /* borrowed; for DNS and IPv6 */
	struct endpoint listen[SERVER_PORTS];                      /* see struct server_params */
	void (*tell)(void *ctx, const struct proxy_app_event *ev); /* in a thread of the proxy's */
	void *ctx;
};

/* proxy_app_open(params, error): listens, and goes for the first session; NULL with error filled.
 */
struct proxy_app *proxy_app_open(const struct proxy_app_params *params,
				 char error[static PROXY_TEXT_MAX]);

/* proxy_app_close(a, stats): ends it; what it has done goes to *stats. */
void proxy_app_close(struct proxy_app *a, struct server_stats *stats);

/* proxy_app_local(a, port, out): where it listens. */
void proxy_app_local(const struct proxy_app *a, enum server_port port, struct endpoint *out);

#endif
