/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "tests/sim/mesh.h"

#include "mesh/peers.h"
#include "util/xalloc.h"

#include <stdio.h>

static bool by_id(void *ctx, const uint8_t id[static NODE_ID_LEN], struct node_peer *out)
{
	const struct member *me = ctx;

	return peers_by_id(me->dir, id, out);
}

static bool by_link_key(void *ctx, const uint8_t key[static DH_LEN], struct node_peer *out)
{
	const struct member *me = ctx;

	return peers_by_link_key(me->dir, key, out);
}

static bool onion_key(void *ctx, unsigned i, struct dh_keypair *key, uint32_t *key_id)
{
	const struct member *me = ctx;

	return me->node != NULL && node_onion_key(me->node, i, key, key_id);
}

/* ---- what runs on each engine ---- */

static void take_notes(struct member *me)
{
	const struct now now = sim_now(me->sim->sim);
	struct client_note note;

	while (client_next_note(me->client, &note)) {
		me->notes[note.type]++;
		memcpy(me->last[note.type], note.text, sizeof(note.text));
		if (note.type == CLIENT_NOTE_SESSION) {
			client_view(me->client, &now, &me->view);
			me->sim->last[EVENT_SESSION_OPEN].grant = me->grant = me->view.grant;
		}
	}
}

static void on_event(struct sim_node *n, const struct engine_event *ev, void *ctx)
{
	struct member *me = ctx;
	const struct now now = sim_now(n->sim);

	membership_on_event(me->membership, ev, &now);
	if (me->client != NULL) {
		client_on_event(me->client, ev, &now);
		take_notes(me);
	}
	/* Not that of a session which is only held ready. */
	n->last[EVENT_SESSION_OPEN].grant = me->grant;
}

static void on_tick(struct sim_node *n, const struct now *now, void *ctx)
{
	struct member *me = ctx;

	membership_tick(me->membership, now);
	if (me->node != NULL) {
		const enum descriptor_error error = node_tick(me->node, me->membership, now);

		if (error != DESCRIPTOR_OK) { /* the harness made what nobody takes */
			printf("# node %u: %s\n", n->index, descriptor_error_name(error));
			fflush(stdout);
			abort();
		}
	}
	if (me->client != NULL) {
		client_tick(me->client, now);
		take_notes(me);
	}
}

static uint64_t deadline(struct sim_node *n, const struct now *now, void *ctx)
{
	const struct member *me = ctx;
	uint64_t due = membership_deadline(me->membership, now);

	(void)n;
	if (me->node != NULL)
		due = MIN(due, node_deadline(me->node, now));
	if (me->client != NULL)
		due = MIN(due, client_deadline(me->client));
	return due;
}

/* ---- construction ---- */

struct building {
	struct mesh *mesh;
	const struct mesh_params *params;
};

static void node_setup(struct member *me, struct sim_node *n, const struct building *b,
		       struct exit_params *exit)
{
	const struct now now = sim_now(n->sim);
	struct node_params p = {
	    .identity = &me->identity,
	    .rng = sim_rng(n->sim),
	    .name = me->name,
	    .operator= me->operator,
	    .roles = b->params->role_of != NULL ? b->params->role_of(n->index) : ROLE_ALL,
	    .exit_flags = EXIT_V4 | EXIT_V6,
	    .capacity_kbit = 100000,
	    .valid_s = b->params->valid_s,
	    .addr = {n->endpoint},
	    .addr_count = 1,
	};

	snprintf(me->name, sizeof(me->name), "node-%u", n->index);
	snprintf(me->operator, sizeof(me->operator), "operator-%u", n->index);
	snprintf(p.country, sizeof(p.country), "%s",
		 b->params->country_of != NULL ? b->params->country_of(n->index) : "DE");
	n->roles = p.roles;
	me->node = node_create(&p, &now);
	exit->session_key = node_session_key(me->node);
}

bool mesh_withholds(const struct member *m, const uint8_t id[static NODE_ID_LEN])
{
	return m->withholds && id[NODE_ID_LEN - 2] % 5 == 0 &&
	       memcmp(id, m->identity.id, NODE_ID_LEN) != 0;
}

/* One fifth of all other nodes do not exist for those who withhold. */
static bool find_not_withheld(void *ctx, const uint8_t id[static NODE_ID_LEN],
			      struct directory_member *out)
{
	const struct member *me = ctx;

	*out = (struct directory_member){.slot = SLOT_NONE, .roles = ROLE_ALL};
	return !mesh_withholds(me, id);
}

static void setup(struct sim_node *n, struct engine_params *p, struct exit_params *exit, void *ctx)
{
	const struct building *b = ctx;
	struct member *me = &b->mesh->members[n->index];
	const bool is_client = n->index >= b->mesh->nodes;

	me->sim = n;
	identity_generate(&me->identity, sim_rng(n->sim));
	me->withholds = b->params->withholds != NULL && b->params->withholds(n->index);
	me->dir = directory_create(&(struct directory_params){
	    .max_entries = 4096,
	    .change_gap_ns = NS_PER_S,
	    .rng = sim_rng(n->sim),
	    .members = {.ctx = me, .find = me->withholds ? find_not_withheld : NULL}});
	p->world = (struct engine_world){.ctx = me,
					 .node_by_id = by_id,
					 .node_by_link_key = by_link_key,
					 .onion_key = onion_key};
	p->link_key = &me->identity.link;
	if (is_client)
		return;
	node_setup(me, n, b, exit);
	p->node_id = me->identity.id;
	p->roles = n->roles;
	if ((n->roles & ROLE_EXIT) == 0)
		p->exit = NULL;
}

static void start(struct mesh *m, struct member *me, const struct mesh_params *params,
		  bool is_client)
{
	const struct now now = sim_now(m->sim);
	struct seed seeds[SEEDS_MAX];

	for (unsigned i = 0; i < m->seeds; i++) {
		memcpy(seeds[i].id, m->members[i].identity.id, NODE_ID_LEN);
		memcpy(seeds[i].link_public, m->members[i].identity.link.public, DH_LEN);
		seeds[i].addr = m->members[i].sim->endpoint;
	}
	me->membership = membership_create(&(struct membership_params){
	    .engine = me->sim->engine,
	    .dir = me->dir,
	    .rng = sim_rng(m->sim),
	    .seeds = seeds,
	    .seed_count = m->seeds,
	    .own_id = is_client ? NULL : me->identity.id,
	    .period_ns = 2 * NS_PER_S,
	});
	if (is_client && params->keeps_book)
		me->book = book_create(BOOK_NODES, BOOK_LINKS, sim_rng(m->sim));
	if (is_client)
		me->client = client_create(&(struct client_params){
		    .engine = me->sim->engine,
		    .membership = me->membership,
		    .dir = me->dir,
		    .rng = sim_rng(m->sim),
		    .book = me->book,
		    .guards = params->keeps_book ? &me->guards : NULL,
		    .improve_ns = params->improve_ns,
		});
	else
		membership_want(me->membership, true, &now);
	me->sim->ctx = me;
	me->sim->on_event = on_event;
	me->sim->on_tick = on_tick;
	me->sim->deadline = deadline;
	sim_pump(m->sim, me->sim);
}

struct mesh *mesh_create(const struct mesh_params *params)
{
	struct mesh *m = xcalloc(1, sizeof(*m));
	struct building b = {m, params};

	m->nodes = params->nodes;
	m->clients = params->clients;
	m->seeds = params->seeds;
	m->members = xcalloc(m->nodes + m->clients, sizeof(*m->members));
	m->sim = sim_create(&(struct sim_params){.nodes = params->nodes,
						 .clients = params->clients,
						 .seed = params->seed,
						 .wire = params->wire,
						 .setup = setup,
						 .setup_ctx = &b});
	for (unsigned i = 0; i < m->nodes + m->clients; i++)
		start(m, &m->members[i], params, i >= m->nodes);
	return m;
}

void mesh_free(struct mesh *m)
{
	for (unsigned i = 0; i < m->nodes + m->clients; i++) {
		client_free(m->members[i].client);
		book_free(m->members[i].book);
		membership_free(m->members[i].membership);
	}
	sim_free(m->sim);
	for (unsigned i = 0; i < m->nodes + m->clients; i++) {
		node_free(m->members[i].node);
		directory_free(m->members[i].dir);
	}
	free(m->members);
	free(m);
}

struct member *mesh_node(struct mesh *m, unsigned i)
{
	return &m->members[i];
}

struct member *mesh_client(struct mesh *m, unsigned i)
{
	return &m->members[m->nodes + i];
}

const struct client_view *mesh_view(struct member *c)
{
	const struct now now = sim_now(c->sim->sim);

	client_view(c->client, &now, &c->view);
	return &c->view;
}

struct awaited {
	struct member *client;
	enum client_state state;
};

static bool has_state(void *ctx)
{
	const struct awaited *a = ctx;

	return mesh_view(a->client)->state == a->state;
}

bool mesh_wait(struct mesh *m, struct member *c, enum client_state state, uint64_t within_ns)
{
	struct awaited a = {c, state};

	return sim_run_until(m->sim, within_ns, has_state, &a);
}

bool mesh_connect(struct mesh *m, struct member *c, const char *exit, unsigned hops,
		  uint64_t within_ns)
{
	struct client_wish wish = {.hops = hops};

	snprintf(wish.exit, sizeof(wish.exit), "%s", exit);
	return mesh_connect_as(m, c, &wish, within_ns);
}

bool mesh_connect_as(struct mesh *m, struct member *c, const struct client_wish *wish,
		     uint64_t within_ns)
{
	const struct now now = sim_now(m->sim);

	client_connect(c->client, wish, &now);
	take_notes(c);
	sim_pump(m->sim, c->sim);
	return mesh_wait(m, c, CLIENT_CONNECTED, within_ns);
}

struct member *mesh_hop(struct mesh *m, struct member *c, unsigned hop)
{
	const struct client_view *v = mesh_view(c);

	for (unsigned i = 0; hop <= v->hops && i < m->nodes; i++)
		if (memcmp(m->members[i].identity.id, v->hop[hop - 1].id, NODE_ID_LEN) == 0)
			return &m->members[i];
	return NULL;
}
