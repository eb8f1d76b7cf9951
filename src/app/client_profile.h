/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The client's profile: which one is used on the network that the machine is on, and what it is
 * expected to cost. */
#ifndef APP_CLIENT_PROFILE_H
#define APP_CLIENT_PROFILE_H

#include "app/profile_choice.h"
#include "client/client.h"
#include "control/control.h"
#include "host/network.h"

struct client_app;

struct client_profile {
	struct profile_choice choice;
	enum profile_reason why; /* that one is used */
	bool is_pinned;          /* connected with a profile, exit or length of its own wish */
	bool is_named;           /* with a profile */
	bool is_held;            /* it stays, whatever the network */
	struct netlink *nl;      /* NULL: the network cannot be asked for */
	struct network network;  /* last seen */
	bool is_asking;          /* for its gateway's hardware address, at most until: */
	uint64_t give_up_ns;
	uint64_t look_ns; /* next look at the network */
	struct client_cost expected;
};

/* ---- on the worker's thread ---- */

/* client_profile_open(a): what was chosen and bound, and the present network; never fails. */
void client_profile_open(struct client_app *a, const struct now *now);
/* client_profile_hold(a): the kill switch goes by the one that it went by before the start, until
 * client_profile_release: it is decided whether to connect as before. */
void client_profile_hold(struct client_app *a);
void client_profile_release(struct client_app *a, const struct now *now);
void client_profile_close(struct client_app *a);

/* client_profile_network_changed(a, changed, now): enum netmon_what. */
void client_profile_network_changed(struct client_app *a, int changed, const struct now *now);
void client_profile_tick(struct client_app *a, const struct now *now);

/* client_profile_follow(a, now): after anything that may make it another profile. */
void client_profile_follow(struct client_app *a, const struct now *now);

/* client_profile_find(a, rq, out, why): the one that a request means.  0 or -EINVAL. */
MUST_USE int client_profile_find(struct client_app *a, const struct connect_request *rq,
				 const struct config_profile **out, char why[static VIEW_TEXT_LEN]);
void client_profile_wish(const struct config_profile *p, const struct connect_request *rq,
			 struct client_wish *out);
/* client_profile_expect(a, now): keep what the wished connection is expected to cost, as far as
 * that is known. */
void client_profile_expect(struct client_app *a, const struct now *now);
/* client_profile_cost_fill(a, v, expected, measured): of the present connection. */
void client_profile_cost_fill(const struct client_app *a, const struct client_view *v,
			      struct cost_view *expected, struct cost_view *measured);

/* ---- the control API's, from any thread but the worker's ---- */
void client_app_profiles(struct client_app *a, struct profile_list_view *out);
void client_app_network(struct client_app *a, struct network_view *out);
int client_app_cost(struct client_app *a, const struct connect_request *rq,
		    char profile[static VIEW_NAME_LEN], struct cost_view *out,
		    char why[static VIEW_TEXT_LEN]);
int client_app_use_profile(struct client_app *a, const struct profile_request *rq,
			   char why[static VIEW_TEXT_LEN]);
int client_app_bind_profile(struct client_app *a, const struct profile_request *rq,
			    char why[static VIEW_TEXT_LEN]);
int client_app_unbind_profile(struct client_app *a, const struct profile_request *rq,
			      char why[static VIEW_TEXT_LEN]);

#endif
