/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The client in the daemon: its worker, and the machine's addresses, routes and DNS while it is
 * connected. */
#ifndef APP_CLIENT_APP_H
#define APP_CLIENT_APP_H

#include "app/client_dns.h"
#include "app/client_profile.h"
#include "app/health_app.h"
#include "app/lan_app.h"
#include "app/places_app.h"
#include "app/registry_app.h"
#include "app/safety.h"
#include "app/view_cache.h"
#include "app/worker.h"
#include "client/client.h"
#include "config/config.h"
#include "control/control.h"
#include "host/client_net.h"
#include "host/netmon.h"
#include "host/sock_owner.h"

/* What went through the tunnel lately: looked at each second. */
struct throughput {
	uint64_t at_ns;
	uint64_t rx_bytes, tx_bytes; /* totals at that time */
	uint64_t rx_bps, tx_bps;
	bool is_known;
};

struct client_app {
	struct config *cfg;      /* borrowed */
	struct control *control; /* borrowed; NULL: nobody to tell; the worker's own */
	struct worker worker;
	struct dh_keypair link_key; /* of this run only: entries learn nothing lasting */
	struct registry_app registry;
	struct view_cache *cache;
	struct directory *dir;
	struct membership *membership;
	struct places_app places;
	struct client *client;
	struct health_app health;
	struct sock_owner_query *owners; /* NULL: cannot be asked */
	struct lan_app lan;
	struct netmon netmon;
	struct loop_fd netmon_fd;
	struct client_net net;
	struct client_net_config net_config; /* if has_net */
	bool has_net;
	bool is_ready;         /* net stands for the present session */
	struct client_dns dns; /* open while has_net */
	uint64_t names_ns;     /* when to look at resolv.conf again */
	uint64_t names_told_ns;
	struct safety safety;
	struct loop_fd safety_fd;
	struct throughput throughput;
	char profile[VIEW_NAME_LEN]; /* that is used, or would be */
	struct client_profile prof;
	char error[HOST_ERROR_MAX]; /* of the machine's side */
};

/* 0 or -errno with error filled.  After client_app_close the machine is as before. */
MUST_USE int client_app_open(struct client_app *a, struct config *cfg, char *error,
			     size_t error_len);
MUST_USE int client_app_start(struct client_app *a, char *error, size_t error_len);
void client_app_close(struct client_app *a);

/* client_app_reload: take profiles from fresh (config_take), for the next connect.  -EBUSY when the
 * one in use is not there any more. */
MUST_USE int client_app_reload(struct client_app *a, struct config *fresh, char *error,
			       size_t error_len);

/* client_app_resume: connect again, if the kill switch has held since before a restart.  True if
 * so.
 */
bool client_app_resume(struct client_app *a);

/* Who is told of events from now on. */
void client_app_set_control(struct client_app *a, struct control *control);

/* The commands and views of the API; from any thread but the worker's. */
int client_app_connect(struct client_app *a, const struct connect_request *rq,
		       char why[static VIEW_TEXT_LEN]);
int client_app_disconnect(struct client_app *a, char why[static VIEW_TEXT_LEN]);
int client_app_reconnect(struct client_app *a, const struct reconnect_request *rq,
			 char why[static VIEW_TEXT_LEN]);
void client_app_kill_switch(struct client_app *a, struct kill_switch_view *out);
int client_app_set_kill_switch(struct client_app *a, const struct kill_switch_request *rq,
			       char why[static VIEW_TEXT_LEN]);
int client_app_unlock(struct client_app *a, char why[static VIEW_TEXT_LEN]);
int client_app_portal(struct client_app *a, const struct portal_request *rq,
		      char why[static VIEW_TEXT_LEN]);
int client_app_split(struct client_app *a, const struct split_request *rq,
		     char why[static VIEW_TEXT_LEN]);
void client_app_status(struct client_app *a, struct status_view *out);
void client_app_explain(struct client_app *a, struct explanation_view *out);

/* ---- client_app.c, for client_command.c and client_lock.c: on the worker's thread ---- */

/* guard: the firewall for what is now.  take_notes, follow: act on what the client and the kill
 * switch did.  net_up, net_down: the machine for the present session, and without one.  retake:
 * connect again as was wanted.  tell: an event for the control API. */
int client_app_guard(struct client_app *a, const struct client_net_config *tunnel,
		     const struct now *now, struct host_error *err);
void client_app_follow(struct client_app *a, const struct now *now);
void client_app_net_up(struct client_app *a, const struct now *now);
void client_app_net_down(struct client_app *a);
void client_app_tell(struct client_app *a, enum view_event type, const char *text,
		     const struct now *now);
void client_app_tell_note(struct client_app *a, const struct client_note *note,
			  const struct now *now);
void client_app_take_notes(struct client_app *a, const struct now *now);
void client_app_retake(struct client_app *a, const struct now *now);

/* ---- client_command.c ---- */
/* client_app_begin(a, rq, why, now): connect as asked for; 0 or a negative errno. */
int client_app_begin(struct client_app *a, const struct connect_request *rq,
		     char why[static VIEW_TEXT_LEN], const struct now *now);
/* client_app_connect_by(a, p, rq, now): by that profile, with what the request has otherwise. */
void client_app_connect_by(struct client_app *a, const struct config_profile *p,
			   const struct connect_request *rq, const struct now *now);

/* ---- client_split.c ---- */
/* client_split_follow(a, now): routes and name servers for what goes another way, now that
 * something does, or nothing any more. */
void client_split_follow(struct client_app *a, const struct now *now);

/* ---- client_status.c ---- */
enum view_state client_app_state(const struct client_app *a, const struct client_view *v);
/* Why nothing passes, and how to end that. */
void client_app_blocked_reason(const struct client_app *a, char out[static VIEW_TEXT_LEN]);
enum view_verdict client_verdict(const struct verdict *v);
/* client_place_roles(place, hops): of a hop, counted from 0. */
uint8_t client_place_roles(unsigned place, unsigned hops);
void client_route_fill(const struct client_path *p, struct route_view *out);
/* client_throughput_tick: call it now and then; it has a look once a second. */
void client_throughput_tick(struct client_app *a, const struct now *now);

#endif
