/* SPDX-License-Identifier: GPL-3.0-or-later */
/* How much of the mesh is known, and from whom. */
#include "control/control.h"
#include "control/view_json.h"
#include "control/view_json_int.h"

static json_t *mirror_json(const struct mirror_view *v)
{
	return json_pack("{s:o, s:s, s:o, s:o, s:o, s:o}", "id", text_or_null(v->id), "outcome",
			 v->outcome, "age_ms", ms_or_null(true, v->age_ns), "told",
			 count_json(v->told), "lacked", count_json(v->lacked), "undelivered",
			 count_json(v->undelivered));
}

static json_t *mirrors_json(const struct mesh_view *v)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < MIN(v->mirror_count, VIEW_MIRRORS_MAX); i++)
		json_array_append_new(list, mirror_json(&v->mirrors[i]));
	return list;
}

static json_t *registry_json(const struct mesh_view *v)
{
	if (!v->has_registry)
		return json_null();
	return json_pack("{s:o, s:o, s:o, s:o, s:b}", "members", count_json(v->members), "missing",
			 count_json(v->missing), "events", count_json(v->events), "head",
			 time_or_null(v->head_ns), "is_too_old", v->is_head_old);
}

static json_t *exchange_json(const struct mesh_view *v)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "rounds",
			 count_json(v->rounds), "pulls", count_json(v->pulls), "through_circuits",
			 count_json(v->pulls_unseen), "failed", count_json(v->pulls_failed), "lied",
			 count_json(v->lies), "cells", count_json(v->cells_received), "answered",
			 count_json(v->questions), "cells_given", count_json(v->cells_given),
			 "rate_limited", count_json(v->rate_limited));
}

/* By reason; only those that there were. */
static json_t *refused_json(const struct mesh_view *v)
{
	json_t *o = json_object();

	for (unsigned i = 0; i < MIN(v->refused_count, VIEW_REFUSED_MAX); i++)
		json_object_set_new(o, v->refused[i].name, count_json(v->refused[i].value));
	return o;
}

json_t *mesh_json(const struct mesh_view *v)
{
	if (!v->is_part)
		return json_pack("{s:i, s:n}", "schema", CONTROL_SCHEMA, "mesh");
	return json_pack("{s:i, s:{s:o, s:{s:o, s:o, s:o}, s:o, s:o, s:o, s:o, s:o, s:o}}",
			 "schema", CONTROL_SCHEMA, "mesh", "known_nodes", count_json(v->known),
			 "view", "nodes", count_json(v->in_view), "digest",
			 text_or_null(v->view_digest), "epoch", time_or_null(v->epoch_ns),
			 "registry", registry_json(v), "exchange", exchange_json(v), "refused",
			 refused_json(v), "own_refusal",
			 text_or_null(v->own_refusal != NULL ? v->own_refusal : ""),
			 "equivocations", count_json(v->equivocations), "mirrors", mirrors_json(v));
}

static json_t *equivocation_json(const struct equivocation_view *v)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:[s, s]}", "id", text_or_null(v->node.id), "name",
			 text_or_null(v->node.name), "sequence", count_json(v->sequence), "seen",
			 time_or_null(v->seen_ns), "descriptors", v->descriptor[0],
			 v->descriptor[1]);
}

json_t *equivocations_json(const struct equivocation_list_view *v)
{
	json_t *list = json_array();

	for (size_t i = 0; i < v->count; i++)
		json_array_append_new(list, equivocation_json(&v->items[i]));
	return json_pack("{s:i, s:o}", "schema", CONTROL_SCHEMA, "equivocations", list);
}
