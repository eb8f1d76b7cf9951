/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mesh/path_explain.h"

#include <errno.h>
#include <stdio.h>

#include "mesh/path_choice_int.h"

enum {
	LOOKS = 256, /* at others for each place; of more nodes, a sample by weight */
};

static uint64_t distance(uint64_t a, uint64_t b)
{
	return a > b ? a - b : b - a;
}

static bool is_before(const struct path_other *a, const struct path_other *b)
{
	if ((a->refusal == NULL) != (b->refusal == NULL))
		return a->refusal == NULL;
	if (a->is_cheaper != b->is_cheaper)
		return a->is_cheaper;
	return a->is_cheaper ? a->differs_ns > b->differs_ns : a->differs_ns < b->differs_ns;
}

static void keep(struct path_hop_why *why, const struct path_other *o)
{
	unsigned at = why->others;

	for (unsigned i = 0; i < why->others; i++)
		if (memcmp(why->other[i].id, o->id, NODE_ID_LEN) == 0)
			return;
	for (; at > 0 && is_before(o, &why->other[at - 1]); at--)
		if (at < PATH_OTHERS_MAX)
			why->other[at] = why->other[at - 1];
	if (at == PATH_OTHERS_MAX)
		return;
	why->other[at] = *o;
	why->others = MIN(why->others + 1, PATH_OTHERS_MAX);
}

/* The same route with d in this place. */
static void look_at(struct pick *p, unsigned place, const struct descriptor *d, uint64_t cost_ns,
		    struct path_hop_why *why)
{
	const struct descriptor *chosen = p->hop[place];
	const enum path_refusal refusal = path_judge(p, place, d);
	struct path_other o = {.refusal = refusal == FITS ? NULL : path_refusal_text(refusal)};
	uint64_t its_ns;

	if (d == chosen)
		return;
	p->hop[place] = d;
	its_ns = path_pick_cost(p, NULL);
	p->hop[place] = chosen;
	memcpy(o.id, d->id, NODE_ID_LEN);
	descriptor_text(d, o.text);
	o.is_cheaper = its_ns < cost_ns;
	o.differs_ns = distance(its_ns, cost_ns);
	keep(why, &o);
}

static void look_at_guards(struct pick *p, uint64_t cost_ns, struct path_hop_why *why)
{
	const struct guard_set *set = p->wish->guards;

	why->candidates = set->count;
	for (unsigned i = 0; i < set->count; i++) {
		const struct descriptor *d = directory_by_id(p->pc->dir, set->guard[i].id);

		if (d != NULL)
			look_at(p, 0, d, cost_ns, why);
	}
}

static void look_around(struct pick *p, unsigned place, uint64_t cost_ns, struct path_hop_why *why)
{
	const struct path_span span = path_span_of(p, place);
	const struct descriptor *d;
	struct path_cursor at = {0};

	why->candidates = span.len;
	if (span.len <= LOOKS) {
		while ((d = path_span_next(&span, p->pc->dir, &at)) != NULL)
			look_at(p, place, d, cost_ns, why);
		return;
	}
	for (unsigned i = 0; i < LOOKS; i++) {
		d = path_span_draw(&span, p->pc->dir, p->rng);
		if (d != NULL)
			look_at(p, place, d, cost_ns, why);
	}
}

static void explain_hop(struct pick *p, unsigned place, uint64_t cost_ns, struct path_hop_why *why)
{
	const struct descriptor *d = p->hop[place];
	struct guard_set *guards = p->wish->hops > 1 && place == 0 ? p->wish->guards : NULL;

	memcpy(why->id, d->id, NODE_ID_LEN);
	descriptor_text(d, why->text);
	why->capacity_kbit = d->capacity_kbit;
	why->load_percent = d->load_percent;
	why->is_guard = guards != NULL && guard_find(guards, d->id) != NULL;
	if (place == p->wish->hops - 1 && p->wish->exit == PATH_EXIT_NODE)
		why->candidates = 1;
	else if (why->is_guard)
		look_at_guards(p, cost_ns, why);
	else
		look_around(p, place, cost_ns, why);
}

int path_explain(struct path_chooser *pc, const struct path_wish *wish,
		 const struct route_nodes *nodes, const struct now *now, const struct rng *rng,
		 struct path_explanation *out)
{
	struct path_wish its = *wish;
	struct path_hop_cost costs[HOPS_MAX];
	struct pick p = {
	    .pc = pc, .wish = &its, .rng = rng, .now = now, .wall_s = now->wall_ns / NS_PER_S};

	its.hops = MIN(nodes->hops, HOPS_MAX);
	path_tables_follow(&pc->tables, pc->dir);
	for (unsigned i = 0; i < its.hops; i++) {
		p.hop[i] = directory_by_id(pc->dir, nodes->id[i]);
		if (p.hop[i] == NULL)
			return -ENOENT;
	}
	*out = (struct path_explanation){.hops = its.hops};
	out->cost_ns = path_pick_cost(&p, costs);
	for (unsigned i = 0; i < its.hops; i++) {
		out->hop[i].cost = costs[i];
		explain_hop(&p, i, out->cost_ns, &out->hop[i]);
	}
	return 0;
}

const char *path_other_text(const struct path_other *o, char out[static PATH_WHY_MAX])
{
	if (o->refusal != NULL)
		snprintf(out, PATH_WHY_MAX, "%s", o->refusal);
	else
		snprintf(out, PATH_WHY_MAX, "the route would cost %llu.%llu ms %s%s",
			 (unsigned long long)(o->differs_ns / NS_PER_MS),
			 (unsigned long long)(o->differs_ns / (NS_PER_MS / 10) % 10),
			 o->is_cheaper ? "less" : "more",
			 o->is_cheaper ? "; the lot fell otherwise" : "");
	return out;
}
