/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Hundreds of members that find each other: honest ones, withholding ones, and a mesh in two parts.
 */
#include "tests/lib/test.h"
#include "tests/sim/mesh.h"

#include "util/xalloc.h"

static struct mesh *make(uint64_t seed, unsigned nodes, bool (*withholds)(unsigned i))
{
	return mesh_create(&(struct mesh_params){
	    .nodes = nodes,
	    .clients = 2,
	    .seeds = 1,
	    .seed = seed,
	    .wire = {.delay_ns = 20 * NS_PER_MS, .jitter_ns = 10 * NS_PER_MS, .loss_per_1000 = 10},
	    .withholds = withholds});
}

struct agreement {
	struct mesh *mesh;
	unsigned first, end; /* nodes */
	size_t count;        /* that each is to know */
};

/* Whether all that tell all they know hold the same. */
static bool agree(void *ctx)
{
	const struct agreement *a = ctx;
	const uint8_t *digest = NULL;

	for (unsigned i = a->first; i < a->end; i++) {
		struct member *n = mesh_node(a->mesh, i);
		const uint8_t *own;

		if (n->withholds)
			continue;
		own = directory_part_digest(n->dir, (struct tree_part){0});
		if (directory_count(n->dir) != a->count ||
		    (digest != NULL && memcmp(own, digest, TREE_DIGEST_LEN) != 0))
			return false;
		digest = own;
	}
	return true;
}

static void wait_agreed(struct mesh *m, unsigned first, unsigned end, size_t count,
			uint64_t within_ns)
{
	struct agreement a = {m, first, end, count};
	const uint64_t start = sim_now(m->sim).mono_ns;

	CHECK(sim_run_until(m->sim, within_ns, agree, &a));
	printf("# nodes %u to %u know the same %zu after %llu ms\n", first, end - 1, count,
	       (unsigned long long)((sim_now(m->sim).mono_ns - start) / NS_PER_MS));
}

static void test_hundreds(void)
{
	enum {
		NODES = 200,
		WATCHED_S = 60
	};
	struct mesh *m = make(1, NODES, NULL);
	struct membership_view *v[2] = {xcalloc(1, sizeof(*v[0])), xcalloc(1, sizeof(*v[1]))};
	uint64_t before = 0, after = 0;

	wait_agreed(m, 0, NODES, NODES, 30 * NS_PER_S);
	sim_run(m->sim, 70 * NS_PER_S); /* until all have told how far from each other they are */
	for (unsigned i = 0; i < NODES; i++)
		before += sim_stats(m->sim, i).tx_datagrams;
	sim_run(m->sim, WATCHED_S * NS_PER_S);
	for (unsigned i = 0; i < NODES; i++)
		after += sim_stats(m->sim, i).tx_datagrams;
	printf("# at rest, with a period of 2 s: %llu datagrams a node and period\n",
	       (unsigned long long)((after - before) * 2 / WATCHED_S / NODES));
	CHECK((after - before) * 2 / WATCHED_S / NODES <= 12);
	for (unsigned i = 0; i < 2; i++) {
		CHECK(mesh_connect(m, mesh_client(m, i), "auto", 3, 20 * NS_PER_S));
		sim_run(m->sim, 3 * NS_PER_S);
		membership_view(mesh_client(m, i)->membership, v[i]);
		CHECK_INT(v[i]->view_count, NODES);
		CHECK(v[i]->mirror_count >= 2);
	}
	CHECK_MEM(v[0]->view_digest, v[1]->view_digest, TREE_DIGEST_LEN);
	free(v[0]);
	free(v[1]);
	mesh_free(m);
}

/* But the seed, every fourth knows nothing of a fifth of the nodes. */
static bool every_fourth(unsigned i)
{
	return i % 4 == 2;
}

static void test_withholders(void)
{
	enum {
		NODES = 80
	};
	struct mesh *m = make(2, NODES, every_fourth);
	struct membership_view *v = xcalloc(1, sizeof(*v));
	unsigned found = 0;

	wait_agreed(m, 0, NODES, NODES, 60 * NS_PER_S);
	CHECK(mesh_connect(m, mesh_client(m, 0), "auto", 3, 20 * NS_PER_S));
	sim_run(m->sim, 60 * NS_PER_S);
	CHECK_INT(directory_count(mesh_client(m, 0)->dir), NODES);
	membership_view(mesh_client(m, 0)->membership, v);
	for (size_t i = 0; i < v->mirror_count; i++) {
		const struct mirror_score *s = &v->mirrors[i];

		for (unsigned k = 0; k < NODES; k++) {
			const struct member *n = mesh_node(m, k);
			unsigned withheld = 0;

			if (memcmp(n->identity.id, s->id, NODE_ID_LEN) != 0 ||
			    s->verdict != PULL_DONE)
				continue;
			for (unsigned j = 0; j < NODES; j++)
				withheld += mesh_withholds(n, mesh_node(m, j)->identity.id);
			CHECK_INT(s->lacked, withheld); /* none by the honest */
			found += n->withholds;
		}
	}
	printf("# %u mirrors found withholding, each with its number\n", found);
	CHECK(found > 0);
	free(v);
	mesh_free(m);
}

/* To how many nodes a client has sent anything that are neither entries nor the seed. */
struct meetings {
	unsigned client;
	bool met[64];
};

static void note_meeting(void *ctx, unsigned from, unsigned to, uint8_t *data, size_t *len)
{
	struct meetings *met = ctx;

	(void)data, (void)len;
	if (from == met->client)
		met->met[to] = true;
}

static unsigned strangers_met(struct mesh *m, unsigned nodes, const struct meetings *met)
{
	unsigned n = 0;

	for (unsigned i = 1; i < nodes; i++)
		n += met->met[i] && (mesh_node(m, i)->sim->roles & ROLE_ENTRY) == 0;
	return n;
}

static uint8_t entries_and_others(unsigned i)
{
	return i % 4 == 0 ? ROLE_ENTRY | ROLE_RELAY : ROLE_RELAY | ROLE_EXIT;
}

/* A client that knows the mesh asks members of all roles, and shows itself to none of them. */
static void test_asked_through_circuits(void)
{
	enum {
		NODES = 40
	};
	struct mesh *m = mesh_create(&(struct mesh_params){
	    .nodes = NODES,
	    .clients = 1,
	    .seeds = 1,
	    .seed = 4,
	    .wire = {.delay_ns = 20 * NS_PER_MS, .jitter_ns = 5 * NS_PER_MS, .loss_per_1000 = 20},
	    .role_of = entries_and_others,
	    .valid_s = 120});
	struct member *c = mesh_client(m, 0);
	struct membership_view *v = xcalloc(1, sizeof(*v));
	struct meetings met = {.client = NODES};
	uint64_t before;
	unsigned others = 0;

	wait_agreed(m, 0, NODES, NODES, 30 * NS_PER_S);
	sim_tap(m->sim, note_meeting, &met);
	CHECK(mesh_connect(m, c, "auto", 3, 20 * NS_PER_S));
	membership_view(c->membership, v);
	before = v->sync.pulls_done;
	sim_run(m->sim, 120 * NS_PER_S); /* all have signed anew, several times */
	membership_view(c->membership, v);
	CHECK(v->path_pulls >= 20);
	CHECK(v->path_pulls + before >= v->sync.pulls_done); /* none but the first were direct */
	CHECK_INT(v->known, NODES);
	CHECK_INT(v->sync.mirrors_lied, 0);
	CHECK_INT(strangers_met(m, NODES, &met), 0);
	for (size_t i = 0; i < v->mirror_count; i++) {
		const struct descriptor *d = directory_by_id(c->dir, v->mirrors[i].id);

		others += d != NULL && (d->roles & ROLE_ENTRY) == 0;
	}
	printf("# %llu of %llu mirrors were asked through circuits; of %zu remembered %u are no "
	       "entries\n",
	       (unsigned long long)v->path_pulls, (unsigned long long)v->sync.pulls_done,
	       v->mirror_count, others);
	CHECK(others >= 5);
	free(v);
	mesh_free(m);
}

static void part(struct mesh *m, unsigned nodes, bool is_parted)
{
	for (unsigned a = 0; a < nodes; a++)
		for (unsigned b = 0; b < nodes; b++)
			if ((a < nodes / 2) != (b < nodes / 2))
				sim_wire(m->sim, a, b)->is_down = is_parted;
}

/* Each part learns its own news; together again, both. */
static void test_parted_and_healed(void)
{
	enum {
		NODES = 60
	};
	struct mesh *m = mesh_create(&(struct mesh_params){.nodes = NODES,
							   .seeds = 1,
							   .seed = 3,
							   .wire = {.delay_ns = 20 * NS_PER_MS},
							   .valid_s = 120});

	wait_agreed(m, 0, NODES, NODES, 30 * NS_PER_S);
	part(m, NODES, true);
	sim_run(m->sim, 60 * NS_PER_S); /* all have signed anew */
	CHECK(!agree(&(struct agreement){m, 0, NODES, NODES}));
	part(m, NODES, false);
	wait_agreed(m, 0, NODES, NODES, 60 * NS_PER_S);
	mesh_free(m);
}

int main(void)
{
	RUN(test_hundreds);
	RUN(test_withholders);
	RUN(test_asked_through_circuits);
	RUN(test_parted_and_healed);
	return test_done();
}
