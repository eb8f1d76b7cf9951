/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "app/client_app.h"

#include "app/mesh_app.h"
#include "mesh/peers.h"
#include "util/log.h"
#include "wire/frame.h"

#include <errno.h>
#include <netinet/in.h>
#include <sodium.h>
#include <stdio.h>

#define NAMES_LOOK_NS (2 * NS_PER_S)
#define NAMES_TELL_NS (60 * NS_PER_S)

enum {
	CLIENT_BATCHES = 256,
	CLIENT_LINKS_MAX = 256,
};

/* ---- the machine ---- */

static bool is_zero(const uint8_t *p, size_t len)
{
	return sodium_is_zero(p, len);
}

static void add_dns(struct client_net_config *n, const uint8_t ip[static 16])
{
	if (n->dns.count < RESOLV_SERVERS_MAX)
		memcpy(n->dns.ip[n->dns.count++], ip, 16);
}

/* What the session grants, as far as the profile wants it. */
static void net_config(const struct client_app *a, const struct client_view *v,
		       struct client_net_config *n)
{
	const struct config_profile *p = config_profile_find(a->cfg, a->profile);
	const struct session_grant *g = &v->grant;
	uint8_t ip[16];

	*n = (struct client_net_config){
	    .state_dir = a->cfg->daemon.state_dir,
	    .tun = a->worker.tun.name,
	    .mtu_bytes = (uint32_t)INNER_MTU(v->hops),
	    .back_mtu_bytes = INNER_MTU_BACK,
	    .fwmark = a->cfg->client.fwmark,
	    .table = a->cfg->client.table,
	    .has_outside = safety_has_outside(&a->safety),
	    .is_only = safety_is_only(&a->safety),
	};
	if (!is_zero(g->v4, sizeof(g->v4)))
		endpoint_ip_from_v4(n->v4, g->v4);
	if (!is_zero(g->v6, sizeof(g->v6)) && p->ipv6)
		memcpy(n->v6, g->v6, sizeof(n->v6));
	for (size_t i = 0; i < p->dns.count; i++)
		add_dns(n, p->dns.items[i].ip);
	if (p->dns.count > 0)
		return;
	if (!is_zero(g->dns_v4, sizeof(g->dns_v4))) {
		endpoint_ip_from_v4(ip, g->dns_v4);
		add_dns(n, ip);
	}
	if (!is_zero(g->dns_v6, sizeof(g->dns_v6)) && p->ipv6)
		add_dns(n, g->dns_v6);
}

/* ---- the kill switch ---- */

int client_app_guard(struct client_app *a, const struct client_net_config *tunnel,
		     const struct now *now, struct host_error *err)
{
	struct safety_need need = {.tunnel = tunnel};

	need.entry_count = engine_endpoints(a->worker.engine, need.entries, SHIELD_ENTRIES_MAX);
	return safety_apply(&a->safety, &need, now, err);
}

/* After whatever may have changed where we send; before the worker sends it. */
void client_app_follow(struct client_app *a, const struct now *now)
{
	struct host_error err;

	if (client_app_guard(a, a->has_net ? &a->net_config : NULL, now, &err) == 0)
		return;
	if (strcmp(a->error, err.text) != 0)
		log_error("%s", err.text);
	snprintf(a->error, sizeof(a->error), "%s", err.text);
}

void client_app_net_down(struct client_app *a)
{
	struct host_error err;

	a->is_ready = false;
	if (a->has_net && client_net_down(&a->net, &err) != 0)
		log_error("%s", err.text);
	a->has_net = false;
	client_dns_close(a);
	worker_tun_close(&a->worker);
}

static void net_failed(struct client_app *a, const char *what, const struct now *now)
{
	snprintf(a->error, sizeof(a->error), "%s", what);
	log_error("%s", what);
	client_disconnect(a->client, now);
	client_app_net_down(a);
}

void client_app_net_up(struct client_app *a, const struct now *now)
{
	struct client_net_config n;
	struct client_view v;
	struct host_error err;
	char error[VIEW_TEXT_LEN];
	int rc;

	if (!a->worker.has_tun &&
	    worker_tun_open(&a->worker, a->cfg->client.tun, error, sizeof(error)) != 0) {
		net_failed(a, error, now);
		return;
	}
	client_view(a->client, now, &v);
	net_config(a, &v, &n);
	rc = client_dns_open(a, &n, &err);
	if (rc == 0)
		rc = client_app_guard(a, &n, now, &err); /* before a packet can come that way */
	if (rc != 0) {
		net_failed(a, err.text, now);
		return;
	}
	rc = a->has_net ? client_net_replace(&a->net, &n, &err) : client_net_up(&a->net, &n, &err);
	a->has_net = rc == 0;
	if (rc != 0) {
		net_failed(a, err.text, now);
		return;
	}
	client_dns_use(a, &n, now);
	a->net_config = n;
	a->is_ready = true;
	a->error[0] = '\0';
	safety_prove(&a->safety);
}

void client_app_take_notes(struct client_app *a, const struct now *now)
{
	struct client_note note;

	while (client_next_note(a->client, &note)) {
		if (note.type == CLIENT_NOTE_SESSION) {
			if (!a->prof.expected.is_known)
				client_profile_expect(a, now);
			client_app_net_up(a, now);
		} else {
			client_app_tell_note(a, &note, now);
		}
	}
}

/* ---- the worker's owner ---- */

static void on_event(void *ctx, const struct engine_event *ev, const struct now *now)
{
	struct client_app *a = ctx;

	membership_on_event(a->membership, ev, now);
	client_on_event(a->client, ev, now);
	client_app_take_notes(a, now);
	client_app_follow(a, now);
}

/* Connects to what was wanted before. */
void client_app_retake(struct client_app *a, const struct now *now)
{
	const struct lock *l = &a->safety.lock;
	const struct config_profile *p = config_profile_find(a->cfg, l->profile);
	struct connect_request rq = {.hops = l->hops, .only = a->safety.is_only_wished};

	a->safety.portal_end_ns = 0;
	if (!l->is_wanted || p == NULL)
		return;
	a->prof.is_pinned = l->is_pinned;
	snprintf(rq.exit, sizeof(rq.exit), "%s", l->exit);
	client_app_connect_by(a, p, &rq, now);
	client_profile_follow(a, now);
}

static void safety_ready(struct loop_fd *f, uint32_t events)
{
	struct client_app *a = container_of(f, struct client_app, safety_fd);
	const struct now now = now_read();

	(void)events;
	if (safety_watch(&a->safety, &now))
		client_app_tell(
		    a, VIEW_EVENT_ERROR,
		    "another program changed the firewall's table inet macromesh; it is set again",
		    &now);
}

/* DHCP clients and the like write resolv.conf when they see fit. */
static void names_tick(struct client_app *a, const struct now *now)
{
	static const char text[] = "another program changed /etc/resolv.conf, so that names would "
				   "not be found; it leads into the tunnel again, and theirs comes "
				   "back at the end";
	struct host_error err;
	int code;

	if (!a->has_net || now->mono_ns < a->names_ns)
		return;
	a->names_ns = now->mono_ns + NAMES_LOOK_NS;
	code = client_net_keep_names(&a->net, &err);
	if (code > 0)
		client_dns_network_changed(a, now);
	if (code == 0 || (a->names_told_ns != 0 && now->mono_ns - a->names_told_ns < NAMES_TELL_NS))
		return;
	a->names_told_ns = now->mono_ns;
	log_warn("%s", code > 0 ? text : err.text);
	client_app_tell(a, VIEW_EVENT_ERROR, code > 0 ? text : err.text, now);
}

static void tick(void *ctx, const struct now *now)
{
	struct client_app *a = ctx;

	registry_app_tick(&a->registry, now);
	view_cache_tick(a->cache, a->dir, now);
	lan_app_tick(&a->lan, now);
	membership_tick(a->membership, now);
	places_tick(a->places.places, now);
	client_tick(a->client, now);
	client_throughput_tick(a, now);
	client_profile_tick(a, now);
	health_app_tick(&a->health, now);
	names_tick(a, now);
	client_dns_tick(a, now);
	if (a->safety.portal_end_ns != 0 && a->safety.portal_end_ns <= now->mono_ns)
		client_app_retake(a, now);
	client_app_take_notes(a, now);
	client_app_follow(a, now);
}

static uint64_t deadline(void *ctx, const struct now *now)
{
	const struct client_app *a = ctx;

	const uint64_t files =
	    MIN(registry_app_deadline(&a->registry), view_cache_deadline(a->cache, a->dir));
	const uint64_t mesh = MIN(membership_deadline(a->membership, now), files);
	const uint64_t portal = a->safety.portal_end_ns != 0 ? a->safety.portal_end_ns : NEVER;
	const uint64_t names = a->has_net ? a->names_ns : NEVER;
	const uint64_t machine = MIN(MIN(portal, names), client_dns_deadline(a));
	const uint64_t lan = lan_app_deadline(&a->lan);
	const uint64_t client = MIN(client_deadline(a->client), places_deadline(a->places.places));

	return MIN(MIN(MIN(mesh, machine), MIN(a->prof.look_ns, lan)), client);
}

static bool by_id(void *ctx, const uint8_t id[static NODE_ID_LEN], struct node_peer *out)
{
	const struct client_app *a = ctx;

	return peers_by_id(a->dir, id, out);
}

static bool by_link_key(void *ctx, const uint8_t key[static DH_LEN], struct node_peer *out)
{
	const struct client_app *a = ctx;

	return peers_by_link_key(a->dir, key, out);
}

static void end_of(const uint8_t ip[static 16], uint16_t port, uint8_t version,
		   struct endpoint *out)
{
	if (version == 4)
		endpoint_ip_from_v4(out->ip, ip);
	else
		memcpy(out->ip, ip, sizeof(out->ip));
	out->port = port;
}

/* One number for all sockets of one application. */
static uint64_t flow_group(void *ctx, const struct flow_key *key)
{
	const struct client_app *a = ctx;
	struct endpoint local, remote;
	struct sock_owner owner;

	if (a->owners == NULL || (key->proto != IPPROTO_TCP && key->proto != IPPROTO_UDP))
		return 0;
	end_of(key->local, key->local_port, key->version, &local);
	end_of(key->remote, key->remote_port, key->version, &remote);
	if (sock_owner_find(a->owners, key->proto, &local, &remote, &owner) != 0)
		return 0;
	return (owner.uid + 1ull) << 32 ^ owner.cgroup; /* 0 says that it is not known */
}

static bool no_onion_key(void *ctx, unsigned i, struct dh_keypair *key, uint32_t *key_id)
{
	(void)ctx;
	(void)i;
	(void)key;
	(void)key_id;
	return false; /* a client is nobody's hop */
}

static void network_changed(struct loop_fd *f, uint32_t events)
{
	struct client_app *a = container_of(f, struct client_app, netmon_fd);
	const struct now now = now_read();

	const int changed = netmon_read(&a->netmon);

	(void)events;
	if (changed <= 0)
		return;
	client_profile_network_changed(a, changed, &now);
	if ((changed & NETMON_NETWORK) == 0)
		return;
	lan_app_hurry(&a->lan, &now);
	client_dns_network_changed(a, &now);
	client_network_changed(a->client, &now);
	client_app_take_notes(a, &now);
	client_app_follow(a, &now);
	worker_pump(&a->worker);
}

static int netmon_start(struct client_app *a, char *error, size_t error_len)
{
	int rc = netmon_open(&a->netmon);

	if (rc == 0) {
		a->netmon_fd = (struct loop_fd){.fd = a->netmon.fd, .ready = network_changed};
		rc = loop_add(&a->worker.loop, &a->netmon_fd, EPOLLIN);
		if (rc != 0)
			netmon_close(&a->netmon);
	}
	if (rc != 0)
		snprintf(error, error_len, "cannot watch the machine's network: %s", strerror(-rc));
	return rc;
}

static void netmon_stop(struct client_app *a)
{
	loop_del(&a->worker.loop, &a->netmon_fd);
	netmon_close(&a->netmon);
}

/* From here on the machine is blocked, if that is how it was left. */
static int safety_start(struct client_app *a, char *error, size_t error_len)
{
	int rc = safety_open(&a->safety, a->cfg, error, error_len);

	if (rc != 0 || a->safety.mon.fd < 0)
		return rc;
	a->safety_fd = (struct loop_fd){.fd = a->safety.mon.fd, .ready = safety_ready};
	rc = loop_add(&a->worker.loop, &a->safety_fd, EPOLLIN);
	if (rc == 0)
		return 0;
	snprintf(error, error_len, "event loop: %s", strerror(-rc));
	safety_close(&a->safety);
	return rc;
}

static void safety_stop(struct client_app *a)
{
	if (a->safety.mon.fd >= 0)
		loop_del(&a->worker.loop, &a->safety_fd);
	safety_close(&a->safety);
}

static void make_client(struct client_app *a, const struct seed *seeds, size_t seed_count,
			const struct now *now)
{
	struct membership_params membership = mesh_membership_params(a->cfg, a->registry.reg);

	membership.engine = a->worker.engine;
	membership.dir = a->dir;
	membership.seeds = seeds;
	membership.seed_count = seed_count;
	a->membership = membership_create(&membership);
	view_cache_load(a->cache, a->dir, now);
	a->client = client_create(&(struct client_params){
	    .engine = a->worker.engine,
	    .membership = a->membership,
	    .dir = a->dir,
	    .rng = &rng_system,
	    .book = a->health.book,
	    .guards = &a->health.guards,
	    .limits = &a->health.limits,
	    .improve_ns = a->cfg->health.improve_s * NS_PER_S,
	    .places = a->places.places,
	});
}

int client_app_open(struct client_app *a, struct config *cfg, char *error, size_t error_len)
{
	struct seed seeds[SEEDS_MAX];
	const struct now now = now_read();
	int rc, seed_count;

	*a = (struct client_app){.cfg = cfg};
	rc = registry_app_open(&a->registry, cfg, &now, error, error_len);
	if (rc != 0)
		return rc;
	seed_count = rc = mesh_seeds(cfg, a->registry.reg, seeds, error, error_len);
	if (rc < 0)
		goto err_close_registry;
	dh_keypair_generate(&a->link_key, &rng_system);
	if (sock_owner_open(&a->owners) != 0)
		log_warn("sockets cannot be told apart by application: isolate = app does nothing");
	health_app_open(&a->health, cfg, &rng_system, &now);
	a->cache = mesh_cache(cfg, "nodes-client.db");
	a->dir = mesh_directory(cfg, a->registry.reg);
	places_app_open(&a->places, cfg, a->dir);
	rc = worker_open(
	    &a->worker,
	    &(struct worker_config){
		.udp = {.bind = cfg->client.listen, .mark = cfg->client.fwmark, .gso = 1, .gro = 1},
		.engine = {.link_key = &a->link_key,
			   .max_links = CLIENT_LINKS_MAX,
			   .batches = CLIENT_BATCHES,
			   .rng = &rng_system,
			   .aead = config_aead_name(cfg),
			   .world = {.ctx = a,
				     .node_by_id = by_id,
				     .node_by_link_key = by_link_key,
				     .onion_key = no_onion_key},
			   .flow_group = flow_group,
			   .flow_group_ctx = a},
		.sink = SINK_CLIENT,
		.owner = {.ctx = a, .on_event = on_event, .tick = tick, .deadline = deadline},
	    },
	    error, error_len);
	if (rc != 0)
		goto err_free_directory;
	rc = netmon_start(a, error, error_len);
	if (rc != 0)
		goto err_close_worker;
	client_profile_open(a, &now);
	rc = safety_start(a, error, error_len);
	if (rc != 0)
		goto err_close_profile;
	make_client(a, seeds, (size_t)seed_count, &now);
	client_profile_hold(a);
	return 0;

err_close_profile:
	client_profile_close(a);
	netmon_stop(a);
err_close_worker:
	worker_close(&a->worker);
err_free_directory:
	view_cache_close(a->cache, a->dir);
	places_app_close(&a->places);
	directory_free(a->dir);
	health_app_close(&a->health, &now);
	sock_owner_close(a->owners);
err_close_registry:
	registry_app_close(&a->registry);
	return rc;
}

/* A local network that cannot be asked leaves the seeds. */
static void lan_open(struct client_app *a)
{
	const struct config *cfg = a->cfg;
	int rc = 0;

	if (cfg->mesh.lan)
		rc = lan_app_open(&a->lan, &a->worker.loop, a->membership,
				  cfg->mesh.registrar.bytes, NULL, cfg->client.fwmark);
	if (rc != 0)
		log_warn("[mesh] lan: %s", strerror(-rc));
}

int client_app_start(struct client_app *a, char *error, size_t error_len)
{
	lan_open(a);
	return worker_start(&a->worker, error, error_len);
}

static void shut(void *ctx, const struct now *now)
{
	struct client_app *a = ctx;

	client_disconnect(a->client, now);
	client_app_take_notes(a, now);
	client_app_net_down(a);
	safety_stop(a);
	client_profile_close(a);
	lan_app_close(&a->lan);
	netmon_stop(a);
}

void client_app_close(struct client_app *a)
{
	if (a->client == NULL)
		return;
	if (a->worker.is_started)
		worker_call(&a->worker, shut, a);
	else
		shut(a, &(struct now){0});
	worker_close(&a->worker);
	client_free(a->client);
	membership_free(a->membership);
	view_cache_close(a->cache, a->dir);
	places_app_close(&a->places);
	directory_free(a->dir);
	health_app_close(&a->health, &(struct now){.wall_ns = now_read().wall_ns});
	sock_owner_close(a->owners);
	registry_app_close(&a->registry);
	secret_wipe(&a->link_key, sizeof(a->link_key));
}

struct set_control {
	struct client_app *app;
	struct control *control;
};

static void do_set_control(void *ctx, const struct now *now)
{
	const struct set_control *s = ctx;

	(void)now;
	s->app->control = s->control;
}

void client_app_set_control(struct client_app *a, struct control *control)
{
	if (a->worker.is_started)
		worker_call(&a->worker, do_set_control, &(struct set_control){a, control});
}
