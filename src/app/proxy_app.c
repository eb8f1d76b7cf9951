/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "app/proxy_app.h"

#include "app/visitor.h"
#include "util/log.h"
#include "util/xalloc.h"

#include <stdio.h>
#include <sys/resource.h>

enum {
	CONNS_MAX = 4096,
	FILES_PER_CONN = 2, /* a UDP association has a second socket */
	FILES_OTHER = 64,
};

/* A user's way through the mesh. */
struct lane {
	struct tunnel tunnel;
	struct proxy_user user;
	struct client *client;
	bool is_used;
	unsigned number;
	uint64_t used_ns;
};

struct proxy_app {
	struct proxy_app_params params;
	struct visitor visitor;
	struct server server;
	struct lane lane[PROXY_USERS_MAX];
	unsigned users; /* so far */
};

/* ---- lanes ---- */

static void add_dns(struct lookup_servers *s, const uint8_t *ip, size_t len)
{
	static const uint8_t none[16];
	uint8_t *to;

	if (s->count == LOOKUP_SERVERS_MAX || memcmp(ip, none, len) == 0)
		return;
	to = s->ip[s->count++];
	memset(to, 0, 16);
	if (len == 4)
		to[10] = to[11] = 0xff;
	memcpy(to + 16 - len, ip, len);
}

static void lane_down(struct proxy_app *a, struct lane *l)
{
	l->tunnel.is_ready = false;
	server_tunnel_down(&a->server, &l->tunnel);
	stack_net_down(&l->tunnel.net);
}

/* Exits draw addresses each for itself: two may draw the same. */
static bool is_taken(const struct proxy_app *a, const struct lane *l, const struct session_grant *g)
{
	uint8_t v4[16] = {[10] = 0xff, 0xff};

	memcpy(v4 + 12, g->v4, 4);
	for (size_t i = 0; i < PROXY_USERS_MAX; i++)
		if (&a->lane[i] != l && (stack_net_has(&a->lane[i].tunnel.net, v4) ||
					 stack_net_has(&a->lane[i].tunnel.net, g->v6)))
			return true;
	return false;
}

static void lane_up(struct proxy_app *a, struct lane *l, const struct now *now)
{
	static const uint8_t none[16];
	const struct config_profile *p = a->params.profile;
	struct client_view v;

	lane_down(a, l);
	client_view(l->client, now, &v);
	if (is_taken(a, l, &v.grant)) {
		client_connect(l->client, &a->params.wish, now);
		return;
	}
	l->tunnel.dns.count = 0;
	for (size_t i = 0; i < p->dns.count; i++)
		add_dns(&l->tunnel.dns, p->dns.items[i].ip, 16);
	if (p->dns.count == 0) {
		add_dns(&l->tunnel.dns, v.grant.dns_v4, sizeof(v.grant.dns_v4));
		add_dns(&l->tunnel.dns, v.grant.dns_v6, sizeof(v.grant.dns_v6));
	}
	stack_net_up(&l->tunnel.net, v.grant.v4, p->ipv6 ? v.grant.v6 : none,
		     (uint16_t)INNER_MTU(v.hops));
}

static void tell(struct proxy_app *a, const struct lane *l, const struct client_note *note,
		 const struct now *now)
{
	struct client_view v;

	client_view(l->client, now, &v);
	a->params.tell(a->params.ctx, &(struct proxy_app_event){.type = note->type,
								.user = l->number,
								.state = v.state,
								.text = note->text,
								.view = &v});
}

static void heed_state(struct proxy_app *a, struct lane *l, const struct now *now)
{
	struct client_view v;

	client_view(l->client, now, &v);
	switch (v.state) {
	case CLIENT_OFF:
	case CLIENT_CONNECTING: /* without a session: what it carried is lost */
		if (l->tunnel.net.is_up)
			lane_down(a, l);
		break;
	case CLIENT_CONNECTED:
		if (!l->tunnel.net.is_up || l->tunnel.is_ready)
			break;
		l->tunnel.is_ready = true;
		server_tunnel_up(&a->server, &l->tunnel, now);
		break;
	case CLIENT_RECONNECTING: /* connections wait */
		break;
	}
	if (l->tunnel.net.is_up && v.hops > 0)
		stack_net_set_mtu(&l->tunnel.net, (uint16_t)INNER_MTU(v.hops));
}

static void take_notes(struct proxy_app *a, struct lane *l, const struct now *now)
{
	struct client_note note;

	while (client_next_note(l->client, &note)) {
		if (note.type == CLIENT_NOTE_SESSION)
			lane_up(a, l, now);
		else
			tell(a, l, &note, now);
		heed_state(a, l, now);
	}
}

static void lane_start(struct proxy_app *a, struct lane *l, const struct proxy_user *user,
		       const struct now *now)
{
	l->user = *user;
	l->number = a->users++;
	l->is_used = true;
	l->client = visitor_client(&a->visitor);
	client_connect(l->client, &a->params.wish, now);
	take_notes(a, l, now);
}

static void lane_stop(struct proxy_app *a, struct lane *l, const struct now *now)
{
	if (!l->is_used)
		return;
	client_disconnect(l->client, now);
	lane_down(a, l);
	client_free(l->client);
	*l = (struct lane){0};
}

static struct tunnel *tunnel_for(void *ctx, const struct proxy_user *user, const struct now *now)
{
	struct proxy_app *a = ctx;
	struct lane *found = NULL;

	for (size_t i = 0; i < PROXY_USERS_MAX; i++) {
		struct lane *l = &a->lane[i];

		if (l->is_used && memcmp(&l->user, user, sizeof(*user)) == 0) {
			l->used_ns = now->mono_ns;
			return &l->tunnel;
		}
		/* The one to be given up for a new user: the first stays ready for nobody in
		 * particular, and none that is in use. */
		if (i > 0 && l->tunnel.conns == 0 && (found == NULL || l->used_ns < found->used_ns))
			found = l;
	}
	if (found == NULL) {
		log_warn("%d users have connections; another one is refused", PROXY_USERS_MAX);
		return NULL;
	}
	lane_stop(a, found, now);
	membership_want(a->visitor.membership, true,
			now); /* the lane that stopped is not the last */
	lane_start(a, found, user, now);
	found->used_ns = now->mono_ns;
	return &found->tunnel;
}

/* ---- the worker's owner ---- */

static void on_event(void *ctx, const struct engine_event *ev, const struct now *now)
{
	struct proxy_app *a = ctx;

	visitor_on_event(&a->visitor, ev, now);
	for (size_t i = 0; i < PROXY_USERS_MAX; i++) {
		if (!a->lane[i].is_used)
			continue;
		client_on_event(a->lane[i].client, ev, now);
		take_notes(a, &a->lane[i], now);
	}
}

static void tick(void *ctx, const struct now *now)
{
	struct proxy_app *a = ctx;

	visitor_tick(&a->visitor, now);
	for (size_t i = 0; i < PROXY_USERS_MAX; i++) {
		if (!a->lane[i].is_used)
			continue;
		client_tick(a->lane[i].client, now);
		take_notes(a, &a->lane[i], now);
	}
	server_tick(&a->server, now);
}

static uint64_t deadline(void *ctx, const struct now *now)
{
	const struct proxy_app *a = ctx;
	uint64_t at = MIN(visitor_deadline(&a->visitor, now), server_deadline(&a->server, now));

	for (size_t i = 0; i < PROXY_USERS_MAX; i++)
		if (a->lane[i].is_used)
			at = MIN(at, client_deadline(a->lane[i].client));
	return at;
}

static void on_packets(void *ctx, const struct packet *p, size_t n)
{
	(void)ctx;
	stack_input(p, n);
}

static void send_packets(void *ctx, const struct packet *p, size_t n)
{
	struct proxy_app *a = ctx;

	engine_recv_client(a->visitor.worker.engine, p, n, &a->visitor.worker.now);
}

static void turn(void *ctx, const struct now *now)
{
	struct proxy_app *a = ctx;

	do {
		server_turn(&a->server, now);
		worker_pump(&a->visitor.worker);
	} while (server_is_busy(&a->server));
}

/* ---- beginning and end ---- */

/* As many connections as there may be descriptors for. */
static unsigned conns_max(void)
{
	struct rlimit files;
	rlim_t room;

	if (getrlimit(RLIMIT_NOFILE, &files) != 0)
		return CONNS_MAX / 8;
	files.rlim_cur = files.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &files) != 0 && getrlimit(RLIMIT_NOFILE, &files) != 0)
		return CONNS_MAX / 8;
	room = files.rlim_cur > FILES_OTHER ? (files.rlim_cur - FILES_OTHER) / FILES_PER_CONN : 0;
	return (unsigned)MAX(1, MIN(room, CONNS_MAX));
}

struct proxy_app *proxy_app_open(const struct proxy_app_params *params,
				 char error[static PROXY_TEXT_MAX])
{
	struct proxy_app *a = xcalloc(1, sizeof(*a));
	struct worker *w = &a->visitor.worker;
	const struct worker_owner owner = {.ctx = a,
					   .on_event = on_event,
					   .tick = tick,
					   .deadline = deadline,
					   .on_packets = on_packets,
					   .turn = turn};
	struct server_params sp = {
	    .loop = &w->loop, .conns_max = conns_max(), .tunnel_for = tunnel_for, .ctx = a};

	a->params = *params;
	if (visitor_open(&a->visitor, params->cfg, &owner, error, PROXY_TEXT_MAX) != 0)
		goto err_free;
	stack_open(send_packets, a);
	memcpy(sp.listen, params->listen, sizeof(sp.listen));
	if (server_open(&a->server, &sp, error, PROXY_TEXT_MAX) != 0)
		goto err_close_visitor;
	lane_start(a, &a->lane[0], &(struct proxy_user){0}, &w->now);
	if (worker_start(w, error, PROXY_TEXT_MAX) != 0)
		goto err_close_server;
	return a;

err_close_server:
	server_close(&a->server);
	lane_stop(a, &a->lane[0], &w->now);
err_close_visitor:
	visitor_close(&a->visitor);
err_free:
	free(a);
	return NULL;
}

static void shut(void *ctx, const struct now *now)
{
	struct proxy_app *a = ctx;

	server_close(&a->server);
	for (size_t i = 0; i < PROXY_USERS_MAX; i++)
		lane_stop(a, &a->lane[i], now);
}

void proxy_app_close(struct proxy_app *a, struct server_stats *stats)
{
	worker_call(&a->visitor.worker, shut, a);
	visitor_close(&a->visitor);
	*stats = a->server.stats;
	free(a);
}

void proxy_app_local(const struct proxy_app *a, enum server_port port, struct endpoint *out)
{
	server_local(&a->server, port, out);
}
