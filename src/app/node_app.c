/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "app/node_app.h"

#include "app/mesh_app.h"
#include "app/mesh_view.h"
#include "app/node_exit.h"
#include "mesh/peers.h"
#include "util/log.h"
#include "util/xalloc.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

enum {
	NODE_BATCHES = 512,
	NODE_QUEUE_CELLS = 4096,
	NODE_LINKS_MAX = 65536,
	MESH_SHARE = 4, /* of the bandwidth that answers about the mesh may take: one such part */
};

#define COUNT_NS (5 * NS_PER_S) /* between counts of what was sent */

/* ---- what the engines ask ---- */

static unsigned number_of(const struct node_worker *nw)
{
	return (unsigned)(nw - nw->app->node_workers);
}

/* The first worker is the only one that writes: nothing changes while it reads. */
static struct node_app *begin_read(struct node_worker *nw)
{
	if (number_of(nw) > 0)
		pthread_rwlock_rdlock(&nw->app->lock);
	return nw->app;
}

static void end_read(struct node_worker *nw)
{
	if (number_of(nw) > 0)
		pthread_rwlock_unlock(&nw->app->lock);
}

static bool onion_key(void *ctx, unsigned i, struct dh_keypair *key, uint32_t *key_id)
{
	const bool found = node_onion_key(begin_read(ctx)->node, i, key, key_id);

	end_read(ctx);
	return found;
}

static bool by_id(void *ctx, const uint8_t id[static NODE_ID_LEN], struct node_peer *out)
{
	const bool found = peers_by_id(begin_read(ctx)->dir, id, out);

	end_read(ctx);
	return found;
}

static bool by_link_key(void *ctx, const uint8_t key[static DH_LEN], struct node_peer *out)
{
	const bool found = peers_by_link_key(begin_read(ctx)->dir, key, out);

	end_read(ctx);
	return found;
}

/* ---- messages about the mesh, on links and circuits of any worker ---- */

static void send_message(void *ctx, void *arg, const struct now *now)
{
	const struct worker *w = ctx;

	engine_message_send(w->engine, arg, now);
}

/* What finds no room is lost as on the wire, and asked for again. */
static void pass_message(void *ctx, const struct engine_message *m)
{
	const struct node_worker *nw = ctx;
	const unsigned owner = engine_message_worker(m);

	if (owner < nw->app->worker_count)
		worker_post(&nw->app->workers[owner], send_message, &nw->app->workers[owner], m,
			    sizeof(*m));
}

static void tell_membership(struct node_app *a, const struct engine_event *ev,
			    const struct now *now)
{
	pthread_rwlock_wrlock(&a->lock);
	membership_on_event(a->membership, ev, now);
	pthread_rwlock_unlock(&a->lock);
}

/* In the first worker. */
static void take_event(struct node_app *a, const struct engine_event *ev, const struct now *now)
{
	if (reach_app_takes(ev))
		reach_app_on_event(&a->reach, ev, now);
	else
		tell_membership(a, ev, now);
}

static void passed_event(void *ctx, void *arg, const struct now *now)
{
	take_event(ctx, arg, now);
}

/* ---- the workers' owner ---- */

static void on_event(void *ctx, const struct engine_event *ev, const struct now *now)
{
	struct node_worker *nw = ctx;

	if (number_of(nw) == 0)
		take_event(nw->app, ev, now);
	else
		worker_post(&nw->app->workers[0], passed_event, nw->app, ev, sizeof(*ev));
}

/* Each worker counts for itself; the load that is told is that of all. */
static void count_sent(struct node_worker *nw, const struct now *now)
{
	struct engine_stats s;

	if (nw->count_ns > now->mono_ns)
		return;
	nw->count_ns = now->mono_ns + COUNT_NS;
	engine_stats(nw->app->workers[number_of(nw)].engine, &s);
	__atomic_store_n(&nw->sent, s.tx_datagrams, __ATOMIC_RELAXED);
	engine_set_load(nw->app->workers[number_of(nw)].engine,
			__atomic_load_n(&nw->app->load_percent, __ATOMIC_RELAXED));
}

static void tell_load(struct node_app *a, const struct now *now)
{
	uint64_t sent = 0;

	for (unsigned i = 0; i < a->worker_count; i++)
		sent += __atomic_load_n(&a->node_workers[i].sent, __ATOMIC_RELAXED);
	node_note_sent(a->node, sent * CELL_WIRE_LEN, now);
	__atomic_store_n(&a->load_percent, node_load_percent(a->node), __ATOMIC_RELAXED);
}

static void tick(void *ctx, const struct now *now)
{
	struct node_worker *nw = ctx;
	struct node_app *a = nw->app;
	const bool is_time = nw->count_ns <= now->mono_ns;
	enum descriptor_error error;

	count_sent(nw, now);
	if (number_of(nw) > 0)
		return;
	pthread_rwlock_wrlock(&a->lock);
	registry_app_tick(&a->registry, now);
	view_cache_tick(a->cache, a->dir, now);
	membership_tick(a->membership, now);
	if (is_time)
		tell_load(a, now);
	error = node_tick(a->node, a->membership, now);
	pthread_rwlock_unlock(&a->lock);
	reach_app_tick(&a->reach, now);
	places_tick(a->places.places, now);
	lan_app_tick(&a->lan, now);
	if (error != DESCRIPTOR_OK)
		log_error("[node]: the mesh would refuse this node's descriptor: %s",
			  descriptor_error_name(error));
}

static uint64_t mesh_deadline(const struct node_app *a, const struct now *now)
{
	const uint64_t files =
	    MIN(registry_app_deadline(&a->registry), view_cache_deadline(a->cache, a->dir));
	const uint64_t mesh =
	    MIN(membership_deadline(a->membership, now), places_deadline(a->places.places));

	return MIN(MIN(MIN(files, mesh), lan_app_deadline(&a->lan)),
		   MIN(node_deadline(a->node, now), reach_app_deadline(&a->reach)));
}

static uint64_t deadline(void *ctx, const struct now *now)
{
	const struct node_worker *nw = ctx;

	return number_of(nw) > 0 ? nw->count_ns : mesh_deadline(nw->app, now);
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

static uint32_t capacity_kbit(const struct config_node *c)
{
	return (uint32_t)MIN(c->bandwidth_bps / 1000, UINT32_MAX);
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
				.capacity_kbit = capacity_kbit(c),
				.valid_s = c->validity_s,
				.change_gap_ns = mesh_change_gap_ns(a->cfg), };

	if (c->address.count == 0 || c->roles == 0) {
		snprintf(
		    error, error_len,
		    "[node] needs address and roles: without them nobody can find or use this node");
		return -EINVAL;
	}
	p.workers = a->worker_count;
	p.city = c->city;
	memcpy(p.country, c->country, sizeof(p.country));
	for (size_t i = 0; i < c->address.count && p.addr_count < DESCRIPTOR_ADDRS_MAX; i++)
		p.addr[p.addr_count++] = c->address.items[i];
	a->node = node_create(&p, now);
	return 0;
}

static int worker_for(struct node_app *a, unsigned i, char *error, size_t error_len)
{
	const struct config_node *c = &a->cfg->node;
	const bool is_exit = c->roles & ROLE_EXIT;
	const unsigned n = a->worker_count;
	struct node_worker *nw = &a->node_workers[i];
	struct worker_config cfg = {
	    .udp = {.bind = c->listen, .gso = true, .gro = true, .joins = i > 0},
	    .engine = {.link_key = &a->identity.link,
		       .node_id = a->identity.id,
		       .roles = (uint8_t)c->roles,
		       .worker = (uint8_t)i,
		       .workers = (uint8_t)n,
		       .max_circuits = (c->max_circuits + n - 1) / n,
		       .max_links = NODE_LINKS_MAX / n,
		       .batches = NODE_BATCHES,
		       .queue_cells = NODE_QUEUE_CELLS,
		       .rate = &a->rate,
		       .creates = a->creates,
		       .rng = &rng_system,
		       .aead = config_aead_name(a->cfg),
		       .world = {.ctx = nw,
				 .node_by_id = by_id,
				 .node_by_link_key = by_link_key,
				 .onion_key = onion_key,
				 .pass_message = pass_message},
		       .exit = is_exit ? &nw->exit : NULL},
	    .sink = SINK_EXIT,
	    .owner = {.ctx = nw, .on_event = on_event, .tick = tick, .deadline = deadline},
	};
	int rc = 0;

	nw->app = a;
	nw->exit = node_exit_params(&a->cfg->exit, i, n);
	nw->exit.session_key = node_session_key(a->node);
	if (i == 1)
		rc = udp_share(&a->workers[0].udp);
	if (rc == 0 && i > 0)
		rc = udp_local(&a->workers[0].udp, &cfg.udp.bind);
	if (rc != 0)
		snprintf(error, error_len, "UDP: sharing the port: %s", strerror(-rc));
	return rc != 0 ? rc : worker_open(&a->workers[i], &cfg, error, error_len);
}

static int exit_open(struct node_app *a, char *error, size_t error_len)
{
	struct host_error err;
	int rc = 0;

	for (unsigned i = 0; rc == 0 && i < a->worker_count; i++) {
		char name[IFNAMSIZ];

		node_exit_tun_name(name, &a->cfg->exit, i);
		rc = worker_tun_open(&a->workers[i], name, error, error_len);
	}
	if (rc != 0)
		return rc;
	rc = node_exit_up(&a->net, a->cfg, a->worker_count, &err);
	if (rc != 0)
		snprintf(error, error_len, "exit: %s", err.text);
	a->has_net = rc == 0;
	return rc;
}

static int workers_open(struct node_app *a, char *error, size_t error_len)
{
	int rc = 0;

	if (a->cfg->node.roles & ROLE_EXIT)
		rc = node_exit_check(&a->cfg->exit, a->worker_count, error, error_len);
	for (unsigned i = 0; rc == 0 && i < a->worker_count; i++)
		rc = worker_for(a, i, error, error_len);
	if (rc == 0 && a->worker_count > 1)
		rc = worker_join(a->workers, a->worker_count, error, error_len);
	if (rc == 0 && a->cfg->node.roles & ROLE_EXIT)
		rc = exit_open(a, error, error_len);
	return rc;
}

static void workers_close(struct node_app *a)
{
	for (unsigned i = 0; i < a->worker_count; i++)
		worker_stop(&a->workers[i]);
	reach_app_close(&a->reach);
	lan_app_close(&a->lan);
	for (unsigned i = 0; i < a->worker_count; i++)
		worker_close(&a->workers[i]);
}

static unsigned worker_count(const struct config_node *c)
{
	const long cores = sysconf(_SC_NPROCESSORS_ONLN);

	return c->workers != 0 ? c->workers : (unsigned)MIN(MAX(cores, 1L), (long)WORKERS_MAX);
}

static void parts_free(struct node_app *a)
{
	node_free(a->node);
	a->node = NULL;
	seen_free(a->creates);
	places_app_close(&a->places);
	view_cache_close(a->cache, a->dir);
	directory_free(a->dir);
	registry_app_close(&a->registry);
	identity_wipe(&a->identity);
	pthread_rwlock_destroy(&a->lock);
}

/* A local network that cannot be asked is no reason not to run. */
static void lan_open(struct node_app *a)
{
	struct seed own = {.addr.port = a->cfg->node.listen.port};
	int rc;

	if (!a->cfg->mesh.lan)
		return;
	memcpy(own.id, a->identity.id, sizeof(own.id));
	memcpy(own.link_public, a->identity.link.public, sizeof(own.link_public));
	rc = lan_app_open(&a->lan, &a->workers[0].loop, a->membership, a->cfg->mesh.registrar.bytes,
			  &own, 0);
	if (rc != 0)
		log_warn("[mesh] lan: %s", strerror(-rc));
}

int node_app_open(struct node_app *a, struct config *cfg, char *error, size_t error_len)
{
	struct seed seeds[SEEDS_MAX];
	const struct now now = now_read();
	struct membership_params membership;
	int rc, seed_count;

	*a = (struct node_app){
	    .cfg = cfg,
	    .since_wall_ns = now.wall_ns,
	    .worker_count = worker_count(&cfg->node),
	    .load_percent = LOAD_UNKNOWN,
	};
	rc = identity_open(a, error, error_len);
	if (rc != 0)
		return rc;
	rc = registry_app_open(&a->registry, cfg, &now, error, error_len);
	if (rc != 0)
		goto err_wipe_identity;
	seed_count = rc = mesh_seeds(cfg, a->registry.reg, seeds, error, error_len);
	if (rc < 0)
		goto err_close_registry;
	pthread_rwlock_init(&a->lock, NULL);
	a->cache = mesh_cache(cfg, "nodes-node.db");
	a->dir = mesh_directory(cfg, a->registry.reg);
	places_app_open(&a->places, cfg, a->dir);
	a->creates = seen_create(CREATES_SEEN_MAX, CREATES_SEEN_NS, &rng_system);
	rate_set(&a->rate, cfg->node.bandwidth_bps);
	rc = node_open(a, &now, error, error_len);
	if (rc == 0)
		rc = workers_open(a, error, error_len);
	if (rc == 0)
		rc = reach_app_open(&a->reach, &a->workers[0], error, error_len);
	if (rc != 0) {
		workers_close(a);
		parts_free(a);
		return rc;
	}
	membership = mesh_membership_params(cfg, a->registry.reg);
	membership.engine = a->workers[0].engine;
	membership.dir = a->dir;
	membership.seeds = seeds;
	membership.seed_count = (size_t)seed_count;
	membership.own_id = a->identity.id;
	membership.cells_per_s = (uint32_t)(cfg->node.bandwidth_bps / MESH_SHARE / (8 * CELL_LEN));
	a->membership = membership_create(&membership);
	view_cache_load(a->cache, a->dir, &now);
	membership_want(a->membership, true, &now);
	lan_open(a);
	return 0;

err_close_registry:
	registry_app_close(&a->registry);
err_wipe_identity:
	identity_wipe(&a->identity);
	return rc;
}

/* As others know it: behind a router the port may be another one. */
static uint16_t outer_port(const struct config_node *c)
{
	for (size_t i = 0; i < c->address.count; i++)
		if (endpoint_is_v4(&c->address.items[i]))
			return c->address.items[i].port;
	return c->listen.port;
}

int node_app_start(struct node_app *a, char *error, size_t error_len)
{
	const struct config_node *c = &a->cfg->node;
	int rc = 0;

	for (unsigned i = 0; rc == 0 && i < a->worker_count; i++)
		rc = worker_start(&a->workers[i], error, error_len);
	if (rc == 0 && c->port_mapping) {
		rc = portmap_app_start(&a->portmap, c->listen.port, outer_port(c));
		if (rc != 0)
			snprintf(error, error_len, "thread: %s", strerror(-rc));
	}
	return rc;
}

/* ---- reload ---- */

struct reload {
	struct node_app *app;
	struct config *fresh;
	struct host_error err;
	int rc;
};

static void take_config(struct reload *r)
{
	config_take(r->app->cfg, r->fresh, CONFIG_NODE);
	config_take(r->app->cfg, r->fresh, CONFIG_EXIT);
}

static void do_reload(void *ctx, const struct now *now)
{
	struct reload *r = ctx;
	struct node_app *a = r->app;

	take_config(r);
	if (a->has_net)
		r->rc = node_exit_reload(&a->net, a->cfg, a->worker_count, &r->err);
	if (r->rc != 0) {
		take_config(r);
		return;
	}
	rate_set(&a->rate, a->cfg->node.bandwidth_bps);
	node_set_capacity(a->node, capacity_kbit(&a->cfg->node), now);
}

int node_app_reload(struct node_app *a, struct config *fresh, char *error, size_t error_len)
{
	struct reload r = {.app = a, .fresh = fresh};

	if (!config_has(fresh, CONFIG_NODE))
		return 0; /* and a restart ends the node */
	worker_call(&a->workers[0], do_reload, &r);
	if (r.rc != 0)
		snprintf(error, error_len, "exit: %s", r.err.text);
	return r.rc;
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

/* Whoever has a circuit here need not find out by waiting. */
static void leave(void *ctx, const struct now *now)
{
	struct worker *w = ctx;

	engine_leave(w->engine, now);
	worker_pump(w);
}

void node_app_close(struct node_app *a)
{
	if (a->node == NULL)
		return;
	portmap_app_stop(&a->portmap);
	for (unsigned i = 0; i < a->worker_count; i++)
		if (a->workers[i].is_started)
			worker_call(&a->workers[i], leave, &a->workers[i]);
	if (a->workers[0].is_started)
		worker_call(&a->workers[0], shut, a);
	else
		shut(a, NULL);
	workers_close(a);
	membership_free(a->membership);
	parts_free(a);
}

/* ---- view ---- */

struct stats_query {
	const struct worker *worker;
	struct engine_stats stats;
	uint64_t handed_on;
};

static void do_stats(void *ctx, const struct now *now)
{
	struct stats_query *q = ctx;

	(void)now;
	engine_stats(q->worker->engine, &q->stats);
	q->stats.drops[DROP_NO_BUFFER] += q->worker->handoff_lost;
	q->handed_on = q->worker->handed_on;
}

static struct stats_query stats_of(struct worker *w)
{
	struct stats_query q = {.worker = w};

	worker_call(w, do_stats, &q);
	return q;
}

void node_app_stats(struct node_app *a, struct engine_stats *sum)
{
	for (unsigned i = 0; i < a->worker_count; i++) {
		const struct stats_query q = stats_of(&a->workers[i]);

		stats_add(sum, &q.stats);
	}
}

struct view_query {
	struct node_app *app;
	const struct engine_stats *sum;
	struct own_node_view *out;
};

static void do_view(void *ctx, const struct now *now)
{
	const struct view_query *q = ctx;
	const struct node_app *a = q->app;
	const struct config_node *c = &a->cfg->node;
	const struct engine_stats st = *q->sum;
	struct own_node_view *out = q->out;

	(void)now;
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
	struct stats_query each[WORKERS_MAX];
	struct engine_stats sum = {0};
	struct view_query q = {a, &sum, out};

	for (unsigned i = 0; i < a->worker_count; i++) {
		each[i] = stats_of(&a->workers[i]);
		stats_add(&sum, &each[i].stats);
	}
	worker_call(&a->workers[0], do_view, &q);
	out->worker_count = a->worker_count;
	for (unsigned i = 0; i < a->worker_count; i++)
		out->workers[i] = (struct worker_view){
		    each[i].stats.rx_datagrams, each[i].stats.tx_datagrams, each[i].handed_on};
}
