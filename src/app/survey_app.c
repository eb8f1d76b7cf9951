/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "app/survey_app.h"

#include "app/mesh_app.h"
#include "io/udp.h"
#include "mesh/peers.h"
#include "util/xalloc.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	BATCHES = 32,
	LINKS_MAX_HERE = 64,
	REDRAWS = 64,
};

#define LEARN_NS    (10 * NS_PER_S) /* the mesh, from the seeds */
#define ASK_NS      (25 * NS_PER_S)
#define WAIT_MAX_NS NS_PER_S

/* A socket with an engine on it, and a key of its own: whom one key calls from two sockets takes it
 * for one neighbour that moves. */
struct port {
	struct dh_keypair key;
	struct udp udp;
	struct engine *engine; /* NULL: not open */
	struct survey *survey; /* NULL: none */
};

enum port_id {
	PORT_MESH,
	PORT_V4,
	PORT_V6,
	PORT_NODE, /* the one to be called at */
	PORT_COUNT,
};

struct survey_app {
	const struct survey_app_params *params;
	struct survey_app_report *out;
	struct registry *registry;
	struct directory *dir;
	struct membership *membership;
	struct seed seeds[SEEDS_MAX];
	size_t seed_count;
	struct port ports[PORT_COUNT];
};

static struct survey_app_family *family(struct survey_app *a, enum port_id id)
{
	return id == PORT_V4 ? &a->out->v4 : &a->out->v6;
}

/* ---- ports ---- */

static bool by_id(void *ctx, const uint8_t id[static NODE_ID_LEN], struct node_peer *out)
{
	const struct survey_app *a = ctx;

	return peers_by_id(a->dir, id, out);
}

static bool by_link_key(void *ctx, const uint8_t key[static DH_LEN], struct node_peer *out)
{
	const struct survey_app *a = ctx;

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

static int port_open(struct survey_app *a, enum port_id id, char error[static SURVEY_TEXT_MAX])
{
	const struct survey_app_params *p = a->params;
	struct port *port = &a->ports[id];
	struct udp_config cfg = {.mark = p->mark};
	const bool is_node = id == PORT_NODE;
	const char *what;
	int rc;

	if (is_node)
		cfg.bind = p->listen;
	else
		dh_keypair_generate(&port->key, &rng_system);
	if (id == PORT_V4)
		cfg.bind.ip[10] = cfg.bind.ip[11] = 0xff;
	rc = udp_open(&port->udp, &cfg, &what);
	if (rc == -EPERM && cfg.mark != 0) { /* not root: as any other program */
		cfg.mark = 0;
		rc = udp_open(&port->udp, &cfg, &what);
	}
	if (rc != 0) {
		snprintf(error, SURVEY_TEXT_MAX, "UDP port %u: %s: %s", (unsigned)cfg.bind.port,
			 what, strerror(-rc));
		return rc;
	}
	port->engine = engine_create(&(struct engine_params){
	    .link_key = is_node ? &p->identity->link : &port->key,
	    .node_id = is_node ? p->identity->id : NULL,
	    .max_circuits = 1,
	    .max_links = LINKS_MAX_HERE,
	    .batches = BATCHES,
	    .rng = &rng_system,
	    .aead = config_aead_name(p->cfg),
	    .world = {.ctx = a,
		      .node_by_id = by_id,
		      .node_by_link_key = by_link_key,
		      .onion_key = no_onion_key},
	});
	if (port->engine != NULL)
		return 0;
	snprintf(error, SURVEY_TEXT_MAX, "no working ChaCha20-Poly1305 on this machine");
	udp_close(&port->udp);
	return -ENOTSUP;
}

static void port_close(struct port *port)
{
	if (port->engine == NULL)
		return;
	survey_free(port->survey);
	engine_free(port->engine);
	udp_close(&port->udp);
	port->engine = NULL;
	secret_wipe(&port->key, sizeof(port->key));
}

static void port_send(struct port *port)
{
	uint8_t msg[LINK_PROBE_LEN];
	struct tx_batch *b, *next;
	struct endpoint to;

	for (b = engine_take_batches(port->engine); b != NULL; b = next) {
		next = b->next;
		for (unsigned i = 0; i < b->count; i++)
			udp_send_one(&port->udp, &b->to, b->data + (size_t)i * b->seg_len,
				     b->seg_len);
		engine_return_batch(port->engine, b);
	}
	while (port->survey != NULL && survey_next_probe(port->survey, &to, msg))
		udp_send_one(&port->udp, &to, msg, sizeof(msg));
}

static void port_receive(struct port *port, const struct now *now)
{
	struct rx_dgram *d;
	const int n = udp_recv(&port->udp, &d);

	for (int i = 0; i < n; i++)
		if (port->survey != NULL && d[i].len > 0 && d[i].data[0] == MSG_LINK_PROBE)
			survey_recv_probe(port->survey, d[i].data, d[i].len);
	if (n > 0)
		engine_recv(port->engine, d, (size_t)n, now);
}

static void port_turn(struct survey_app *a, struct port *port, const struct now *now)
{
	struct engine_event ev;

	port_receive(port, now);
	if (engine_deadline(port->engine) <= now->mono_ns)
		engine_tick(port->engine, now);
	while (engine_next_event(port->engine, &ev)) {
		if (port == &a->ports[PORT_MESH])
			membership_on_event(a->membership, &ev, now);
		else if (port->survey != NULL)
			survey_on_event(port->survey, &ev, now);
	}
	if (port == &a->ports[PORT_MESH])
		membership_tick(a->membership, now);
	if (port->survey != NULL)
		survey_tick(port->survey, now);
	port_send(port);
}

static void wait(struct survey_app *a, uint64_t due_ns, const struct now *now)
{
	struct pollfd fds[PORT_COUNT];
	nfds_t n = 0;

	for (size_t i = 0; i < PORT_COUNT; i++) {
		const struct port *port = &a->ports[i];

		if (port->engine == NULL)
			continue;
		fds[n++] = (struct pollfd){.fd = port->udp.fd, .events = POLLIN};
		due_ns = MIN(due_ns, engine_deadline(port->engine));
		if (port->survey != NULL)
			due_ns = MIN(due_ns, survey_deadline(port->survey));
	}
	due_ns = MIN(due_ns, membership_deadline(a->membership, now));
	due_ns = MIN(MAX(due_ns, now->mono_ns), now->mono_ns + WAIT_MAX_NS) - now->mono_ns;
	(void)poll(fds, n, (int)((due_ns + NS_PER_MS - 1) / NS_PER_MS));
}

/* Lets all go on until is_done, or for so long. */
static void run_until(struct survey_app *a, bool (*is_done)(const struct survey_app *a),
		      uint64_t most_ns)
{
	struct now now = now_read();
	const uint64_t end_ns = now.mono_ns + most_ns;

	while (!is_done(a) && now.mono_ns < end_ns) {
		wait(a, end_ns, &now);
		now = now_read();
		for (size_t i = 0; i < PORT_COUNT; i++)
			if (a->ports[i].engine != NULL)
				port_turn(a, &a->ports[i], &now);
	}
}

/* ---- the mesh ---- */

static bool is_learnt(const struct survey_app *a)
{
	return membership_has_view(a->membership);
}

static void learn(struct survey_app *a)
{
	struct membership_params p = mesh_membership_params(a->params->cfg, a->registry);
	const struct now now = now_read();
	struct membership_view *v = xcalloc(1, sizeof(*v));
	const struct descriptor *own;

	p.engine = a->ports[PORT_MESH].engine;
	p.dir = a->dir;
	p.seeds = a->seeds;
	p.seed_count = a->seed_count;
	a->membership = membership_create(&p);
	membership_want(a->membership, true, &now);
	port_send(&a->ports[PORT_MESH]);
	run_until(a, is_learnt, LEARN_NS);
	membership_view(a->membership, v);
	a->out->known = (unsigned)v->known;
	a->out->is_head_old = v->is_head_old && v->known > 0;
	own = a->params->identity != NULL ? directory_by_id(a->dir, a->params->identity->id) : NULL;
	a->out->is_listed = own != NULL;
	a->out->listed_until_s = own != NULL ? own->valid_until_s : 0;
	free(v);
}

/* ---- whom to ask ---- */

/* Does the system know a way there, and from which address would it go? */
static void find_route(struct survey_app_family *f, const struct endpoint *to)
{
	union {
		struct sockaddr sa;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} name = {0};
	const bool is_v4 = endpoint_is_v4(to);
	socklen_t len = is_v4 ? sizeof(name.v4) : sizeof(name.v6);
	const int fd = socket(is_v4 ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (is_v4) {
		name.v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(to->port)};
		memcpy(&name.v4.sin_addr, to->ip + 12, 4);
	} else {
		name.v6 =
		    (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(to->port)};
		memcpy(&name.v6.sin6_addr, to->ip, 16);
	}
	if (fd < 0)
		return;
	f->has_route = connect(fd, &name.sa, len) == 0;
	if (f->has_route && getsockname(fd, &name.sa, &len) == 0) {
		f->has_local = true;
		if (is_v4)
			endpoint_ip_from_v4(f->local.ip, (const uint8_t *)&name.v4.sin_addr);
		else
			memcpy(f->local.ip, &name.v6.sin6_addr, 16);
	}
	close(fd);
}

static void ask(struct survey_app *a, enum port_id id, const char *name, const char *country,
		const uint8_t *key, const struct endpoint *at, const struct now *now)
{
	struct survey_app_family *f = family(a, id);
	struct survey_app_node *node = &f->nodes[f->count];

	for (unsigned i = 0; i < f->count; i++)
		if (endpoint_equal(&f->nodes[i].endpoint, at))
			return;
	if (f->count == 0)
		find_route(f, at);
	if (survey_add(a->ports[id].survey, key, at, now) < 0)
		return;
	*node = (struct survey_app_node){.endpoint = *at};
	snprintf(node->name, sizeof(node->name), "%s", name);
	snprintf(node->country, sizeof(node->country), "%s", country);
	f->count++;
}

static void ask_descriptor(struct survey_app *a, const struct descriptor *d, const struct now *now)
{
	const struct identity *own = a->params->identity;

	if ((d->roles & a->params->roles) == 0 ||
	    (own != NULL && memcmp(own->id, d->id, NODE_ID_LEN) == 0))
		return;
	for (unsigned i = 0; i < d->addr_count; i++) {
		const enum port_id id = endpoint_is_v4(&d->addrs[i]) ? PORT_V4 : PORT_V6;

		if (family(a, id)->count < SURVEY_TARGETS_MAX && a->ports[id].engine != NULL)
			ask(a, id, d->name, d->country, d->link_key, &d->addrs[i], now);
	}
}

static void choose(struct survey_app *a)
{
	const struct now now = now_read();
	char text[ENDPOINT_TEXT_MAX];

	for (unsigned i = 0; i < REDRAWS && directory_count(a->dir) > 0; i++)
		ask_descriptor(a, directory_random(a->dir, &rng_system), &now);
	for (size_t i = 0; a->out->known == 0 && i < a->seed_count; i++) {
		const struct seed *s = &a->seeds[i];
		const enum port_id id = endpoint_is_v4(&s->addr) ? PORT_V4 : PORT_V6;

		if (family(a, id)->count < SURVEY_TARGETS_MAX && a->ports[id].engine != NULL)
			ask(a, id, endpoint_format(&s->addr, text), "", s->link_public, &s->addr,
			    &now);
	}
}

/* ---- asking ---- */

static bool is_done(const struct survey_app *a)
{
	for (size_t i = 0; i < PORT_COUNT; i++)
		if (a->ports[i].survey != NULL && !survey_is_done(a->ports[i].survey))
			return false;
	return true;
}

static int open_ports(struct survey_app *a, char error[static SURVEY_TEXT_MAX])
{
	const struct survey_app_params *p = a->params;
	struct survey_params sp = {.rng = &rng_system};
	char ignored[SURVEY_TEXT_MAX];
	int rc = port_open(a, PORT_MESH, error);

	if (rc == 0)
		rc = port_open(a, PORT_V4, error);
	if (rc != 0)
		return rc;
	(void)port_open(a, PORT_V6, ignored); /* a machine may have no IPv6 at all */
	if (p->identity != NULL) {
		rc = port_open(a, PORT_NODE, error);
		a->out->is_port_taken = rc == -EADDRINUSE;
		if (rc != 0 && rc != -EADDRINUSE)
			return rc;
		sp.dial_port = p->dial_port;
		memcpy(sp.dial_key, p->identity->link.public, DH_LEN);
	}
	for (enum port_id id = PORT_V4; id <= PORT_V6; id++) {
		sp.engine = a->ports[id].engine;
		if (sp.engine != NULL)
			a->ports[id].survey = survey_create(&sp);
	}
	return 0;
}

static void take_results(struct survey_app *a, enum port_id id)
{
	struct survey_app_family *f = family(a, id);

	for (unsigned i = 0; i < f->count; i++)
		f->nodes[i].said = *survey_result(a->ports[id].survey, i);
}

static int survey_seeds(struct survey_app *a, char error[static SURVEY_TEXT_MAX])
{
	const int n = mesh_seeds(a->params->cfg, NULL, a->seeds, error, SURVEY_TEXT_MAX);

	if (n == 0)
		snprintf(error, SURVEY_TEXT_MAX, "no seed is known: there is nobody to ask");
	a->seed_count = n > 0 ? (size_t)n : 0;
	return n > 0 ? 0 : n < 0 ? n : -ENOENT;
}

int survey_app_run(const struct survey_app_params *params, struct survey_app_report *out,
		   char error[static SURVEY_TEXT_MAX])
{
	struct survey_app *a = xcalloc(1, sizeof(*a));
	int rc;

	*out = (struct survey_app_report){0};
	a->params = params;
	a->out = out;
	rc = survey_seeds(a, error);
	if (rc == 0)
		rc = open_ports(a, error);
	if (rc == 0) {
		a->registry = mesh_registry(params->cfg);
		a->dir = mesh_directory(params->cfg, a->registry);
		learn(a);
		choose(a);
		run_until(a, is_done, ASK_NS);
		take_results(a, PORT_V4);
		take_results(a, PORT_V6);
	}
	membership_free(a->membership);
	for (size_t i = 0; i < PORT_COUNT; i++)
		port_close(&a->ports[i]);
	directory_free(a->dir);
	registry_free(a->registry);
	free(a);
	return rc;
}
