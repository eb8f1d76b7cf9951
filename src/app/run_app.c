/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "app/run_app.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "app/dns_app.h"
#include "app/visitor.h"
#include "host/netmon.h"
#include "host/netspace.h"
#include "util/log.h"
#include "util/xalloc.h"

#define NAME_SERVER "127.0.0.1" /* nobody else is there */

struct run_app {
	struct run_app_params params;
	struct visitor visitor;
	struct client *client;
	struct netmon netmon; /* of the network outside */
	struct loop_fd netmon_fd;
	struct netspace net;
	struct dns_app dns;
	int ready; /* eventfd */
	bool has_net, is_told;
	char error[RUN_TEXT_MAX];
};

/* ---- the program's network ---- */

static void add_server(struct resolv_servers *s, const uint8_t ip[static 16])
{
	if (s->count < RESOLV_SERVERS_MAX && ip_is_set(ip))
		memcpy(s->ip[s->count++], ip, 16);
}

static void from_v4(uint8_t out[static 16], const uint8_t v4[static 4])
{
	static const uint8_t none[4];

	memset(out, 0, 16);
	if (memcmp(v4, none, sizeof(none)) != 0)
		endpoint_ip_from_v4(out, v4);
}

static void choose_servers(const struct config_profile *p, const struct session_grant *g,
			   struct resolv_servers *out)
{
	uint8_t ip[16];

	*out = (struct resolv_servers){.count = 0};
	for (size_t i = 0; i < p->dns.count; i++)
		add_server(out, p->dns.items[i].ip);
	if (p->dns.count > 0)
		return;
	from_v4(ip, g->dns_v4);
	add_server(out, ip);
	if (p->ipv6)
		add_server(out, g->dns_v6);
}

static void tell(struct run_app *a)
{
	const uint64_t one = 1;

	if (!a->is_told)
		(void)!write(a->ready, &one, sizeof(one));
	a->is_told = true;
}

static void use_session(struct run_app *a, const struct now *now)
{
	const struct config_profile *p = a->params.profile;
	struct netspace_tunnel t = {.tun = a->visitor.worker.tun.name};
	struct resolv_servers servers;
	struct host_error err;
	struct client_view v;

	client_view(a->client, now, &v);
	t.mtu_bytes = (uint32_t)INNER_MTU(v.hops);
	from_v4(t.v4, v.grant.v4);
	if (p->ipv6)
		memcpy(t.v6, v.grant.v6, sizeof(t.v6));
	a->has_net = netspace_use(&a->net, &t, &err) == 0;
	if (!a->has_net) {
		snprintf(a->error, sizeof(a->error), "%s", err.text);
		client_disconnect(a->client, now);
		tell(a);
		return;
	}
	choose_servers(p, &v.grant, &servers);
	dns_app_use(&a->dns, t.tun, &servers, p->dns_tls, now);
}

static bool is_up(const struct run_app *a, const struct client_view *v)
{
	return a->has_net && v->state == CLIENT_CONNECTED;
}

static void take_notes(struct run_app *a, const struct now *now)
{
	struct client_note note;
	struct client_view v;

	while (client_next_note(a->client, &note)) {
		if (note.type == CLIENT_NOTE_SESSION)
			use_session(a, now);
		else if (note.type == CLIENT_NOTE_ERROR)
			log_debug("%s", note.text);
	}
	if (a->is_told)
		return;
	client_view(a->client, now, &v);
	if (is_up(a, &v))
		tell(a);
}

/* ---- the worker's owner ---- */

static void on_event(void *ctx, const struct engine_event *ev, const struct now *now)
{
	struct run_app *a = ctx;

	visitor_on_event(&a->visitor, ev, now);
	client_on_event(a->client, ev, now);
	take_notes(a, now);
}

static void tick(void *ctx, const struct now *now)
{
	struct run_app *a = ctx;

	visitor_tick(&a->visitor, now);
	client_tick(a->client, now);
	dns_app_tick(&a->dns, now);
	take_notes(a, now);
}

static uint64_t deadline(void *ctx, const struct now *now)
{
	const struct run_app *a = ctx;
	const uint64_t client = MIN(client_deadline(a->client), dns_app_deadline(&a->dns));

	return MIN(client, visitor_deadline(&a->visitor, now));
}

static void network_changed(struct loop_fd *f, uint32_t events)
{
	struct run_app *a = container_of(f, struct run_app, netmon_fd);
	const struct now now = now_read();
	const int changed = netmon_read(&a->netmon);

	(void)events;
	if (changed <= 0 || (changed & NETMON_NETWORK) == 0)
		return;
	client_network_changed(a->client, &now);
	take_notes(a, &now);
	worker_pump(&a->visitor.worker);
}

/* ---- beginning and end ---- */

/* What looks at the network outside, while the process still is there. */
static int open_outside(struct run_app *a, char error[static RUN_TEXT_MAX])
{
	const struct worker_owner owner = {
	    .ctx = a, .on_event = on_event, .tick = tick, .deadline = deadline};
	int rc = visitor_open(&a->visitor, a->params.cfg, &owner, error, RUN_TEXT_MAX);

	if (rc != 0)
		return rc;
	rc = netmon_open(&a->netmon);
	a->netmon_fd = (struct loop_fd){.fd = a->netmon.fd, .ready = network_changed};
	if (rc == 0)
		rc = loop_add(&a->visitor.worker.loop, &a->netmon_fd, EPOLLIN);
	if (rc == 0)
		return 0;
	snprintf(error, RUN_TEXT_MAX, "cannot watch the machine's network: %s", strerror(-rc));
	netmon_close(&a->netmon);
	visitor_close(&a->visitor);
	return rc;
}

static void close_outside(struct run_app *a)
{
	loop_del(&a->visitor.worker.loop, &a->netmon_fd);
	netmon_close(&a->netmon);
	visitor_close(&a->visitor);
}

static int open_dns(struct run_app *a, char error[static RUN_TEXT_MAX])
{
	const struct dns_app_config cfg = {.address = NAME_SERVER};
	const struct config_strings *names = &a->params.profile->private_names;
	const int rc = dns_app_open(&a->dns, &a->visitor.worker.loop, &cfg);

	if (rc != 0)
		snprintf(error, RUN_TEXT_MAX, "name server on " NAME_SERVER ": %s", strerror(-rc));
	else
		stub_allow(a->dns.stub, names->items, names->count);
	return rc;
}

static int open_inside(struct run_app *a, char error[static RUN_TEXT_MAX])
{
	struct host_error err;
	int rc = netspace_enter(&err);

	if (rc == 0)
		rc = netspace_names(NAME_SERVER, RESOLV_PATH_DEFAULT, &err);
	if (rc == 0)
		rc = netspace_open(&a->net, &err);
	if (rc != 0) {
		snprintf(error, RUN_TEXT_MAX, "%s", err.text);
		return rc;
	}
	rc = worker_tun_open(&a->visitor.worker, a->params.cfg->client.tun, error, RUN_TEXT_MAX);
	if (rc == 0)
		rc = open_dns(a, error);
	if (rc != 0)
		netspace_close(&a->net); /* the TUN is the worker's */
	return rc;
}

struct run_app *run_app_open(const struct run_app_params *params, char error[static RUN_TEXT_MAX])
{
	struct run_app *a = xcalloc(1, sizeof(*a));

	a->params = *params;
	a->ready = eventfd(0, EFD_CLOEXEC);
	if (a->ready < 0) {
		snprintf(error, RUN_TEXT_MAX, "eventfd: %s", strerror(errno));
		goto err_free;
	}
	if (open_outside(a, error) != 0)
		goto err_close_ready;
	if (open_inside(a, error) != 0)
		goto err_close_outside;
	a->client = visitor_client(&a->visitor);
	client_connect(a->client, &a->params.wish, &a->visitor.worker.now);
	if (worker_start(&a->visitor.worker, error, RUN_TEXT_MAX) == 0)
		return a;

	client_free(a->client);
	dns_app_close(&a->dns);
	netspace_close(&a->net);
err_close_outside:
	close_outside(a);
err_close_ready:
	close(a->ready);
err_free:
	free(a);
	return NULL;
}

static void shut(void *ctx, const struct now *now)
{
	struct run_app *a = ctx;

	client_disconnect(a->client, now);
	take_notes(a, now);
	dns_app_close(&a->dns);
	netspace_close(&a->net);
	loop_del(&a->visitor.worker.loop, &a->netmon_fd);
}

void run_app_close(struct run_app *a)
{
	worker_call(&a->visitor.worker, shut, a);
	worker_stop(&a->visitor.worker);
	client_free(a->client);
	netmon_close(&a->netmon);
	visitor_close(&a->visitor);
	close(a->ready);
	free(a);
}

/* ---- telling ---- */

int run_app_fd(const struct run_app *a)
{
	return a->ready;
}

struct query {
	struct run_app *app;
	struct run_app_view *out;
};

static void do_view(void *ctx, const struct now *now)
{
	const struct query *q = ctx;
	struct run_app *a = q->app;

	client_view(a->client, now, &q->out->client);
	client_expect(a->client, &a->params.wish, now, &q->out->expected);
	q->out->is_up = is_up(a, &q->out->client);
	snprintf(q->out->error, sizeof(q->out->error), "%s", a->error);
}

void run_app_view(struct run_app *a, struct run_app_view *out)
{
	worker_call(&a->visitor.worker, do_view, &(struct query){a, out});
}
