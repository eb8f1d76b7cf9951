/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "app/proxy_app.h"

#include "app/mesh_app.h"
#include "app/places_app.h"
#include "app/registry_app.h"
#include "app/worker.h"
#include "mesh/peers.h"
#include "util/log.h"
#include "util/xalloc.h"

#include <stdio.h>
#include <sys/resource.h>

enum {
	PROXY_BATCHES = 256,
	PROXY_LINKS_MAX = 64,
	PROXY_QUEUE_CELLS = 4096, /* that wait for the socket: dropping them costs TCP much more */
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
	struct worker worker;
	struct dh_keypair link_key; /* of this run only */
	struct registry_app registry;
	struct directory *dir;
	struct places_app places;
	struct membership *membership;
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
	l->client = client_create(&(struct client_params){
	    .engine = a->worker.engine,
	    .membership = a->membership,
	    .dir = a->dir,
	    .rng = &rng_system,
	    .places = a->places.places,
	});
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
	membership_want(a->membership, true, now); /* the lane that stopped is not the last */
	lane_start(a, found, user, now);
	found->used_ns = now->mono_ns;
	return &found->tunnel;
}

/* ---- the worker's owner ---- */

static void on_event(void *ctx, const struct engine_event *ev, const struct now *now)
{
	struct proxy_app *a = ctx;

	membership_on_event(a->membership, ev, now);
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

	registry_app_tick(&a->registry, now);
	membership_tick(a->membership, now);
	places_tick(a->places.places, now);
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
	uint64_t at =
	    MIN(membership_deadline(a->membership, now), registry_app_deadline(&a->registry));

	at = MIN(at, server_deadline(&a->server, now));
	at = MIN(at, places_deadline(a->places.places));
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

	engine_recv_client(a->worker.engine, p, n, &a->worker.now);
}

static void turn(void *ctx, const struct now *now)
{
	struct proxy_app *a = ctx;

	do {
		server_turn(&a->server, now);
		worker_pump(&a->worker);
	} while (server_is_busy(&a->server));
}

static bool by_id(void *ctx, const uint8_t id[static NODE_ID_LEN], struct node_peer *out)
{
	const struct proxy_app *a = ctx;

	return peers_by_id(a->dir, id, out);
}

static bool by_link_key(void *ctx, const uint8_t key[static DH_LEN], struct node_peer *out)
{
	const struct proxy_app *a = ctx;

	return peers_by_link_key(a->dir, key, out);
}

static bool no_onion_key(void *ctx, unsigned i, struct dh_keypair *key, uint32_t *key_id)
{
	(void)ctx;
	(void)i;
	(void)key;
	(void)key_id;
	return false; /* nobody's hop */
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

static int open_worker(struct proxy_app *a, char error[static PROXY_TEXT_MAX])
{
	return worker_open(&a->worker,
			   &(struct worker_config){
			       .udp = {.gso = true, .gro = true},
			       .engine = {.link_key = &a->link_key,
					  .max_links = PROXY_LINKS_MAX,
					  .batches = PROXY_BATCHES,
					  .queue_cells = PROXY_QUEUE_CELLS,
					  .rng = &rng_system,
					  .aead = config_aead_name(a->params.cfg),
					  .world = {.ctx = a,
						    .node_by_id = by_id,
						    .node_by_link_key = by_link_key,
						    .onion_key = no_onion_key}},
			       .sink = SINK_CLIENT,
			       .owner = {.ctx = a,
					 .on_event = on_event,
					 .tick = tick,
					 .deadline = deadline,
					 .on_packets = on_packets,
					 .turn = turn},
			   },
			   error, PROXY_TEXT_MAX);
}

static void free_app(struct proxy_app *a)
{
	membership_free(a->membership);
	places_app_close(&a->places);
	directory_free(a->dir);
	registry_app_close(&a->registry);
	secret_wipe(&a->link_key, sizeof(a->link_key));
	free(a);
}

struct proxy_app *proxy_app_open(const struct proxy_app_params *params,
				 char error[static PROXY_TEXT_MAX])
{
	struct proxy_app *a = xcalloc(1, sizeof(*a));
	struct seed seeds[SEEDS_MAX];
	const struct now now = now_read();
	struct membership_params membership;
	int seed_count;
	struct server_params sp = {
	    .loop = &a->worker.loop, .conns_max = conns_max(), .tunnel_for = tunnel_for, .ctx = a};

	a->params = *params;
	dh_keypair_generate(&a->link_key, &rng_system);
	if (registry_app_open(&a->registry, params->cfg, &now, error, PROXY_TEXT_MAX) != 0)
		goto err_free;
	a->dir = mesh_directory(params->cfg, a->registry.reg);
	places_app_open(&a->places, params->cfg, a->dir);
	seed_count = mesh_seeds(params->cfg, a->registry.reg, seeds, error, PROXY_TEXT_MAX);
	if (seed_count < 0 || open_worker(a, error) != 0)
		goto err_free;
	membership = mesh_membership_params(params->cfg, a->registry.reg);
	membership.engine = a->worker.engine;
	membership.dir = a->dir;
	membership.seeds = seeds;
	membership.seed_count = (size_t)seed_count;
	a->membership = membership_create(&membership);
	stack_open(send_packets, a);
	memcpy(sp.listen, params->listen, sizeof(sp.listen));
	if (server_open(&a->server, &sp, error, PROXY_TEXT_MAX) != 0)
		goto err_close_worker;
	lane_start(a, &a->lane[0], &(struct proxy_user){0}, &a->worker.now);
	if (worker_start(&a->worker, error, PROXY_TEXT_MAX) != 0)
		goto err_close_server;
	return a;

err_close_server:
	server_close(&a->server);
	lane_stop(a, &a->lane[0], &a->worker.now);
err_close_worker:
	worker_close(&a->worker);
err_free:
	free_app(a);
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
	worker_call(&a->worker, shut, a);
	worker_close(&a->worker);
	*stats = a->server.stats;
	free_app(a);
}

void proxy_app_local(const struct proxy_app *a, enum server_port port, struct endpoint *out)
{
	server_local(&a->server, port, out);
}
