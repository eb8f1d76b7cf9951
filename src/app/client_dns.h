/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Who answers the questions of this machine's programs while it is connected: a stub resolver that
 * asks inside the tunnel, and one that asks the network's own name servers, for what goes outside.
 */
#ifndef APP_CLIENT_DNS_H
#define APP_CLIENT_DNS_H

#include "app/dns_app.h"
#include "host/client_net.h"

struct client_app;

struct client_dns {
	struct dns_app inside, outside;
	bool is_only; /* programs are answered by outside, unless they ask the other */
	struct resolv_servers network; /* its own name servers */
};

/* client_dns_open(a, n, err): before n is applied, which it completes with whom programs are to
 * ask. */
MUST_USE int client_dns_open(struct client_app *a, struct client_net_config *n,
			     struct host_error *err);
void client_dns_close(struct client_app *a);

/* client_dns_use(a, n, now): n has been applied. */
void client_dns_use(struct client_app *a, const struct client_net_config *n, const struct now *now);

/* client_dns_names(a): after a change of what the profile says of names. */
void client_dns_names(struct client_app *a);
void client_dns_network_changed(struct client_app *a, const struct now *now);
void client_dns_tick(struct client_app *a, const struct now *now);
uint64_t client_dns_deadline(const struct client_app *a);

#endif
