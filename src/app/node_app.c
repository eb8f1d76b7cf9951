/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "app/node_app.h"

#include "app/mesh_app.h"
#include "host/resolv.h"
#include "mesh/peers.h"
#include "util/log.h"
#include "util/xalloc.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>

enum {
	NODE_BATCHES = 512,
	NODE_QUEUE_CELLS = 4096,
	NODE_LINKS_MAX = 65536,
	EXIT_MTU = 1360, /* fits every backward cell, whatever the circuit's length */
};

/* ---- the exit's side of the machine ---- */

static struct policy_rule rule_of(const struct config_policy_rule *r)
{
	struct policy_rule out = {
	    .action = r->is_accept ? POLICY_ACCEPT : POLICY_REJECT,
	    .port_min = r->port_min,
	    .port_max = r->port_max,
	};

	switch (r->net) {
	case CONFIG_NET_ANY:
		out.net = POLICY_NET_ANY;
		break;
	case CONFIG_NET_PRIVATE:
		out.net = POLICY_NET_PRIVATE;
		break;
	case CONFIG_NET_PREFIX:
		out.net = POLICY_NET_PREFIX;
		break;
	}
	memcpy(out.prefix.ip, r->prefix.ip, sizeof(out.prefix.ip));
	out.prefix.len_bits = r->prefix.len_bits;
	return out;
}

static void dns_add(struct exit_net_config *n, const uint8_t ip[static 16])
{
	struct endpoint e = {0};
	uint8_t *slot;

	memcpy(e.ip, ip, sizeof(e.ip));
	slot = endpoint_is_v4(&e) ? n->dns4 : n->dns6;
	if (sodium_is_zero(slot, 16))
		memcpy(slot, ip, 16);
}

/* Who answers the clients: as configured, or whoever answers this machine. */
static void dns_fill(const struct config_exit *x, struct exit_net_config *n)
{
	struct resolv_servers own = resolv_list(RESOLV_PATH_DEFAULT);

	for (size_t i = 0; i < x->dns.count; i++)
		dns_add(n, x->dns.items[i].ip);
	if (x->dns.count > 0)
		return;
	if (own.count == 0)
		own = resolv_list("/run/systemd/resolve/resolv.conf");
	for (size_t i = 0; i < own.count; i++)
		dns_add(n, own.ip[i]);
	if (own.count == 0)
		log_warn(
		    "[exit] dns is not set and this machine has no name server that others can "
		    "ask: clients will find no names through this exit");
}

static int exit_net_open(struct node_app *a, char *error, size_t error_len)
{
	const struct config_exit *x = &a->cfg->exit;
	struct policy_rule *policy = xcalloc(x->policy.count, sizeof(*policy));
	struct exit_net_config n = {
	    .state_dir = a->cfg->daemon.state_dir,
	    .tun = a->worker.tun.name,
	    .mtu_bytes = EXIT_MTU,
	    .policy = policy,
	    .policy_count = x->policy.count,
	};
	struct host_error err;
	int rc;

	for (size_t i = 0; i < x->policy.count; i++)
		policy[i] = rule_of(&x->policy.items[i]);
	memcpy(n.gateway4.ip, x->pool_v4.ip, 16);
	n.gateway4.ip[15] |= 1;
	n.gateway4.len_bits = x->pool_v4.len_bits;
	memcpy(n.gateway6.ip, x->pool_v6.ip, 16);
	n.gateway6.ip[15] |= 1;
	n.gateway6.len_bits = x->pool_v6.len_bits;
	dns_fill(x, &n);
	rc = exit_net_up(&a->net, &n, &err);
	if (rc != 0)
		snprintf(error, error_len, "exit: %s", err.text);
	a->has_net = rc == 0;
	free(policy);
	return rc;
}

/* ---- the worker's owner ---- */

static bool onion_key(void *ctx, unsigned i, struct dh_keypair *key, uint32_t *key_id)
{
	const struct node_app *a = ctx;

	return node_onion_key(a->node, i, key, key_id);
}

static bool by_id(void *ctx, const uint8_t id[static NODE_ID_LEN], struct node_peer *out)
{
	struct node_app *a = ctx;

	return peers_by_id(a->dir, id, out);
}

static bool by_link_key(void *ctx, const uint8_t key[static DH_LEN], struct node_peer *out)
{
	struct node_app *a = ctx;

	return peers_by_link_key(a->dir, key, out);
}

static void on_event(void *ctx, const struct engine_event *ev, const struct now *now)
{
	struct node_app *a = ctx;

	membership_on_event(a->membership, ev, now);
}

static void tick(void *ctx, const struct now *now)
{
	struct node_app *a = ctx;
	enum descriptor_error error;

	registry_app_tick(&a->registry, now);
	membership_tick(a->membership, now);
	error = node_tick(a->node, a->membership, now);
	if (error != DESCRIPTOR_OK)
		log_error("[node]: the mesh would refuse this node's descriptor: %s",
			  descriptor_error_name(error));
}

static uint64_t deadline(void *ctx, const struct now *now)
{
	const struct node_app *a = ctx;

	return MIN(registry_app_deadline(&a->registry),
		   MIN(membership_deadline(a->membership, now), node_deadline(a->node, now)));
}

/* ---- opening ---- */

static int identity_open(struct node_app *a, char *error, size_t error_len)
{
	char why[IDENTITY_ERROR_MAX];
	char *path = xasprintf("%s/" CONFIG_IDENTITY_FILE, a->cfg->daemon.state_dir);
	const int rc = identity_load_or_create(&a->identity, path, &rng_system, why);

	if (rc != 0)
		snprintf(error, error_len, "%s", why);
	free(path);
	return rc;
}

static int node_open(struct node_app *a, const struct now *now, char *error, size_t error_len)
{
	const struct config_node *c = &a->cfg->node;
	struct node_params p = {.identity = &a->identity,
				.rng = &rng_system,
				.name = c->name != NULL ? c->name : "",
				.operator= c->operator!= NULL
				? c->operator: "",
				.roles = (uint8_t)c->roles,
				.exit_flags = EXIT_V4 | EXIT_V6,
				.capacity_kbit =
				    (uint32_t)MIN(c->bandwidth_bps / 1000, UINT32_MAX), };

	if (c->address.count == 0 || c->roles == 0) {
		snprintf(
		    error, error_len,
		    "[node] needs address and roles: without them nobody can find or use this node");
		return -EINVAL;
	}
	memcpy(p.country, c->country, sizeof(p.country));
	for (size_t i = 0; i < c->address.count && p.addr_count < DESCRIPTOR_ADDRS_MAX; i++)
		p.addr[p.addr_count++] = c->address.items[i];
	a->node = node_create(&p, now);
	return 0;
}

static void exit_fill(struct node_app *a)
{
	const struct config_exit *x = &a->cfg->exit;

	a->exit = (struct exit_params){
	    .session_key = node_session_key(a->node),
	    .pool_v4_bits = (uint8_t)(x->pool_v4.len_bits - 96),
	    .has_v6 = true,
	    .max_sessions = x->max_sessions,
	    .packets_per_s = x->packet_limit,
	};
	memcpy(a->exit.pool_v4, x->pool_v4.ip + 12, 4);
	memcpy(a->exit.pool_v6, x->pool_v6.ip, 16);
}

static int worker_for(struct node_app *a, char *error, size_t error_len)
{
	const struct config_node *c = &a->cfg->node;
	const bool is_exit = c->roles & ROLE_EXIT;

	return worker_open(
	    &a->worker,
	    &(struct worker_config){
		.udp = {.bind = c->listen, .gso = true, .gro = true},
		.engine = {.link_key = &a->identity.link,
			   .node_id = a->identity.id,
			   .roles = (uint8_t)c->roles,
			   .max_circuits = c->max_circuits,
			   .max_links = NODE_LINKS_MAX,
			   .batches = NODE_BATCHES,
			   .queue_cells = NODE_QUEUE_CELLS,
			   .rate = &a->rate,
			   .rng = &rng_system,
			   .aead = config_aead_name(a->cfg),
			   .world = {.ctx = a,
				     .node_by_id = by_id,
				     .node_by_link_key = by_link_key,
				     .onion_key = onion_key},
			   .exit = is_exit ? &a->exit : NULL},
		.sink = SINK_EXIT,
		.owner = {.ctx = a, .on_event = on_event, .tick = tick, .deadline = deadline},
	    },
	    error, error_len);
}

int node_app_open(struct node_app *a, const struct config *cfg, char *error, size_t error_len)
{
	struct seed seeds[SEEDS_MAX];
	const struct now now = now_read();
	int rc, seed_count;

	*a = (struct node_app){.cfg = cfg, .since_wall_ns = now.wall_ns};
	rc = identity_open(a, error, error_len);
	if (rc != 0)
		return rc;
	rc = registry_app_open(&a->registry, cfg, &now, error, error_len);
	if (rc != 0)
		goto err_wipe_identity;
	seed_count = rc = mesh_seeds(cfg, a->registry.reg, seeds, error, error_len);
	if (rc < 0)
		goto err_close_registry;
	a->dir = directory_create(&(struct directory_params){.rng = &rng_system});
	rc = node_open(a, &now, error, error_len);
	if (rc != 0)
		goto err_free_dir;
	exit_fill(a);
	rate_set(&a->rate, cfg->node.bandwidth_bps);
	rc = worker_for(a, error, error_len);
	if (rc != 0)
		goto err_free_node;
	if (cfg->node.roles & ROLE_EXIT) {
		rc = worker_tun_open(&a->worker, cfg->exit.tun, error, error_len);
		if (rc == 0)
			rc = exit_net_open(a, error, error_len);
		if (rc != 0)
			goto err_close_worker;
	}
	a->membership = membership_create(&(struct membership_params){
	    .engine = a->worker.engine,
	    .dir = a->dir,
	    .rng = &rng_system,
	    .seeds = seeds,
	    .seed_count = (size_t)seed_count,
	    .is_node = true,
	});
	membership_want(a->membership, true, &now);
	return 0;

err_close_worker:
	worker_close(&a->worker);
err_free_node:
	node_free(a->node);
	a->node = NULL;
err_free_dir:
	directory_free(a->dir);
err_close_registry:
	registry_app_close(&a->registry);
err_wipe_identity:
	identity_wipe(&a->identity);
	return rc;
}

int node_app_start(struct node_app *a, char *error, size_t error_len)
{
	return worker_start(&a->worker, error, error_len);
}

static void shut(void *ctx, const struct now *now)
{
	struct node_app *a = ctx;
	struct host_error err;

	(void)now;
	if (a->has_net && exit_net_down(&a->net, &err) != 0)
		log_error("%s", err.text);
	a->has_net = false;
}

void node_app_close(struct node_app *a)
{
	if (a->node == NULL)
		return;
	if (a->worker.is_started)
		worker_call(&a->worker, shut, a);
	else
		shut(a, NULL);
	worker_close(&a->worker);
	membership_free(a->membership);
	node_free(a->node);
	directory_free(a->dir);
	registry_app_close(&a->registry);
	identity_wipe(&a->identity);
}

/* ---- view ---- */

struct view_query {
	struct node_app *app;
	struct own_node_view *out;
};

static void do_view(void *ctx, const struct now *now)
{
	const struct view_query *q = ctx;
	const struct node_app *a = q->app;
	const struct config_node *c = &a->cfg->node;
	struct own_node_view *out = q->out;
	struct engine_stats st;

	(void)now;
	engine_stats(a->worker.engine, &st);
	*out = (struct own_node_view){
	    .is_node = true,
	    .roles = (uint8_t)c->roles,
	    .bandwidth_bps = c->bandwidth_bps,
	    .since_ns = a->since_wall_ns,
	    .descriptor_valid_until_ns = node_valid_until_s(a->node) * NS_PER_S,
	    .links = st.links,
	    .circuits = st.circuits,
	    .sessions = st.sessions,
	    .known_nodes = (uint32_t)directory_count(a->dir),
	    .forward_cells = st.fwd_cells,
	    .backward_cells = st.bwd_cells,
	    .exit_traffic = {.rx_bytes = st.exit_tx_bytes,
			     .tx_bytes = st.exit_rx_bytes,
			     .rx_packets = st.exit_tx_packets,
			     .tx_packets = st.exit_rx_packets},
	};
	node_ref_fill(&out->node, a->identity.id, c->name != NULL ? c->name : "", c->country);
	snprintf(out->operator, sizeof(out->operator), "%s", c->operator != NULL ? c->operator : "");
	endpoint_format(&c->listen, out->listen);
	for (size_t i = 0; i < c->address.count && i < ARRAY_LEN(out->address); i++)
		endpoint_format(&c->address.items[i], out->address[out->address_count++]);
}

void node_app_view(struct node_app *a, struct own_node_view *out)
{
	struct view_query q = {a, out};

	worker_call(&a->worker, do_view, &q);
}
