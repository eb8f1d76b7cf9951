/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Why the route is as it is. */
#include "control/control.h"
#include "control/view_json.h"
#include "control/view_json_int.h"
#include "util/now.h"

/* Its cost beside the chosen one's; negative: it would have been cheaper. */
static json_t *more_ms(const struct other_view *o)
{
	const double ms = (double)(o->differs_ns / NS_PER_US) / 1000;

	return json_real(o->is_cheaper ? -ms : ms);
}

static json_t *other_json(const struct other_view *o)
{
	return json_pack("{s:o, s:o, s:o}", "node", node_ref_json(&o->node), "refused",
			 text_or_null(o->refusal != NULL ? o->refusal : ""), "more_ms", more_ms(o));
}

static json_t *others_json(const struct hop_why_view *h)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < MIN(h->other_count, VIEW_OTHERS_MAX); i++)
		json_array_append_new(list, other_json(&h->other[i]));
	return list;
}

static json_t *cost_parts_json(const struct hop_why_view *h)
{
	return json_pack("{s:o, s:b, s:o, s:o, s:o, s:o}", "link_rtt_ms",
			 ms_or_null(true, h->link_rtt_ns), "is_measured", h->is_measured, "load_ms",
			 ms_or_null(true, h->load_ns), "health_ms", ms_or_null(true, h->health_ns),
			 "shared_ms", ms_or_null(true, h->shared_ns), "place_ms",
			 ms_or_null(true, h->place_ns));
}

static json_t *hop_why_json(const struct hop_why_view *h)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:b, s:o, s:o}", "node",
			 node_ref_json(&h->node), "roles", roles_json(h->roles), "cost",
			 cost_parts_json(h), "bandwidth_bps", count_json(h->bandwidth_bps),
			 "load_percent", count_or_null(h->has_load, h->load_percent), "is_guard",
			 h->is_guard, "candidates", count_json(h->candidates), "others",
			 others_json(h));
}

json_t *explanation_json(const struct explanation_view *v)
{
	json_t *hops = json_array();

	if (v->hop_count == 0) {
		json_decref(hops);
		return json_pack("{s:i, s:n}", "schema", CONTROL_SCHEMA, "explanation");
	}
	for (unsigned i = 0; i < MIN(v->hop_count, VIEW_HOPS_MAX); i++)
		json_array_append_new(hops, hop_why_json(&v->hop[i]));
	return json_pack("{s:i, s:{s:o, s:o}}", "schema", CONTROL_SCHEMA, "explanation", "cost_ms",
			 ms_or_null(true, v->cost_ns), "hops", hops);
}
