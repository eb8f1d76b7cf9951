/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "control/control.h"
#include "control/view_json.h"
#include "control/view_json_int.h"
#include "util/xalloc.h"

/* ---- what they own ---- */

void view_texts_add(struct view_texts *t, const char *text)
{
	t->items = xrealloc(t->items, t->count + 1, sizeof(t->items[0]));
	t->items[t->count++] = xstrdup(text);
}

static void free_texts(struct view_texts *t)
{
	for (size_t i = 0; i < t->count; i++)
		free(t->items[i]);
	free(t->items);
}

void profile_list_free(struct profile_list_view *v)
{
	for (size_t i = 0; i < v->count; i++) {
		free_texts(&v->items[i].dns);
		free_texts(&v->items[i].networks);
		free_texts(&v->items[i].exclude);
		free_texts(&v->items[i].only);
	}
	free(v->items);
}

/* ---- JSON ---- */

static json_t *texts_json(const struct view_texts *t)
{
	json_t *list = json_array();

	for (size_t i = 0; i < t->count; i++)
		json_array_append_new(list, json_string(t->items[i]));
	return list;
}

json_t *cost_json(const struct cost_view *v)
{
	return json_pack("{s:o, s:o, s:o, s:b, s:o}", "rtt_ms", ms_or_null(v->is_known, v->rtt_ns),
			 "added_ms", ms_or_null(v->is_known, v->added_ns), "goodput_percent",
			 percent_or_null(v->has_goodput, v->goodput_ppm), "is_guess", v->is_guess,
			 "reason", text_or_null(v->why));
}

json_t *cost_answer_json(const char *profile, const struct cost_view *v)
{
	return json_pack("{s:i, s:o, s:o}", "schema", CONTROL_SCHEMA, "profile",
			 text_or_null(profile), "expected", cost_json(v));
}

static json_t *profile_json(const struct profile_view *v)
{
	return json_pack(
	    "{s:s, s:s, s:i, s:i, s:i, s:o, s:s, s:b, s:b, s:b, s:s, s:s, s:o, s:o, s:o, s:o, s:o}",
	    "name", v->name, "exit", v->exit, "hops", (int)v->hops, "paths", (int)v->paths,
	    "backups", (int)v->backups, "rotate_s", count_or_null(v->rotate_s != 0, v->rotate_s),
	    "kill_switch", kill_switch_name(v->kill_switch), "lan", v->lan, "ipv6", v->ipv6,
	    "duplicate", v->duplicate, "isolate", v->isolate, "padding", v->padding, "dns",
	    texts_json(&v->dns), "networks", texts_json(&v->networks), "exclude",
	    texts_json(&v->exclude), "only", v->is_only ? texts_json(&v->only) : json_null(),
	    "expected", cost_json(&v->cost));
}

static json_t *network_object_json(const struct network_view *v)
{
	return json_pack("{s:b, s:o, s:o, s:o, s:o, s:o}", "is_online", v->is_online, "device",
			 text_or_null(v->device), "gateway", text_or_null(v->gateway), "id",
			 text_or_null(v->id), "reason", text_or_null(v->lacks), "profile",
			 text_or_null(v->profile));
}

json_t *network_json(const struct network_view *v)
{
	return json_pack("{s:i, s:o}", "schema", CONTROL_SCHEMA, "network", network_object_json(v));
}

json_t *profile_list_json(const struct profile_list_view *v)
{
	json_t *list = json_array();

	for (size_t i = 0; i < v->count; i++)
		json_array_append_new(list, profile_json(&v->items[i]));
	return json_pack("{s:i, s:o, s:o, s:o, s:o, s:o}", "schema", CONTROL_SCHEMA, "in_use",
			 text_or_null(v->in_use), "reason",
			 text_or_null(v->reason != NULL ? v->reason : ""), "chosen",
			 text_or_null(v->by_hand), "network", network_object_json(&v->network),
			 "profiles", list);
}
