/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Why the client's route is as it is, for the control API. */
#include "app/client_app.h"
#include "app/mesh_view.h"

struct explain_query {
	struct client_app *app;
	struct explanation_view *out;
};

static void node_fill(const struct client_app *a, const uint8_t id[static NODE_ID_LEN],
		      struct node_ref *out)
{
	const struct descriptor *d = directory_by_id(a->dir, id);

	node_ref_fill(out, id, d != NULL ? d->name : "", d != NULL ? d->country : "");
}

static void hop_fill(const struct client_app *a, const struct path_hop_why *from,
		     struct hop_why_view *out)
{
	node_fill(a, from->id, &out->node);
	out->link_rtt_ns = from->cost.rtt_ns;
	out->is_measured = from->cost.source == PATH_RTT_MEASURED;
	out->load_ns = from->cost.load_ns;
	out->health_ns = from->cost.health_ns;
	out->shared_ns = from->cost.shared_ns;
	out->place_ns = from->cost.place_ns;
	out->bandwidth_bps = from->capacity_kbit * 1000;
	out->has_load = from->load_percent != LOAD_UNKNOWN;
	out->load_percent = (uint8_t)from->load_percent;
	out->is_guard = from->is_guard;
	out->candidates = from->candidates;
	out->other_count = from->others;
	for (unsigned i = 0; i < from->others; i++) {
		struct other_view *o = &out->other[i];

		node_fill(a, from->other[i].id, &o->node);
		o->refusal = from->other[i].refusal;
		o->is_cheaper = from->other[i].is_cheaper;
		o->differs_ns = from->other[i].differs_ns;
	}
}

_Static_assert((int)PATH_OTHERS_MAX <= (int)VIEW_OTHERS_MAX, "a view has room for all others");

static void do_explain(void *ctx, const struct now *now)
{
	const struct explain_query *q = ctx;
	struct path_explanation e;

	*q->out = (struct explanation_view){.hop_count = 0};
	if (client_explain(q->app->client, now, &e) != 0)
		return;
	q->out->hop_count = e.hops;
	q->out->cost_ns = e.cost_ns;
	for (unsigned i = 0; i < e.hops; i++) {
		hop_fill(q->app, &e.hop[i], &q->out->hop[i]);
		q->out->hop[i].roles = client_place_roles(i, e.hops);
	}
}

void client_app_explain(struct client_app *a, struct explanation_view *out)
{
	worker_call(&a->worker, do_explain, &(struct explain_query){a, out});
}
