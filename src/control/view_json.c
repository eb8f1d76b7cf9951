/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The schema: every key of every answer is written here and nowhere else. */
#include "control/view_json.h"

#include <stdio.h>
#include <time.h>

#include "control/control.h"
#include "control/view_json_int.h"
#include "util/now.h"

#define TIME_TEXT_MAX 32

json_t *text_or_null(const char *text)
{
	json_t *string = text[0] != '\0' ? json_string(text) : NULL;

	return string != NULL ? string : json_null();
}

json_t *count_json(uint64_t v)
{
	return json_integer((json_int_t)MIN(v, (uint64_t)INT64_MAX));
}

json_t *count_or_null(bool is_known, uint64_t v)
{
	return is_known ? count_json(v) : json_null();
}

json_t *ms_or_null(bool is_known, uint64_t ns)
{
	const uint64_t us = (ns + NS_PER_US / 2) / NS_PER_US;

	return is_known ? json_real((double)us / 1000) : json_null();
}

json_t *percent_or_null(bool is_known, uint32_t ppm)
{
	return is_known ? json_real((double)ppm / 10000) : json_null();
}

json_t *time_or_null(uint64_t wall_ns)
{
	const time_t s = (time_t)(wall_ns / NS_PER_S);
	char date[TIME_TEXT_MAX], text[TIME_TEXT_MAX + 8];
	struct tm tm;

	if (wall_ns == 0 || gmtime_r(&s, &tm) == NULL)
		return json_null();
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text, sizeof(text), "%s.%03uZ", date, (unsigned)(wall_ns % NS_PER_S / NS_PER_MS));
	return json_string(text);
}

const char *view_state_name(enum view_state s)
{
	switch (s) {
	case VIEW_DISCONNECTED:
		return "disconnected";
	case VIEW_CONNECTING:
		return "connecting";
	case VIEW_CONNECTED:
		return "connected";
	case VIEW_RECONNECTING:
		return "reconnecting";
	case VIEW_DISCONNECTING:
		return "disconnecting";
	case VIEW_BLOCKED:
		return "blocked";
	case VIEW_ERROR:
		return "error";
	}
	return "error";
}

static const char *hop_status_name(enum view_hop_status s)
{
	switch (s) {
	case VIEW_HOP_UNKNOWN:
		return "unknown";
	case VIEW_HOP_BUILDING:
		return "building";
	case VIEW_HOP_OK:
		return "ok";
	case VIEW_HOP_FAILED:
		return "failed";
	}
	return "unknown";
}

const char *kill_switch_name(enum view_kill_switch k)
{
	switch (k) {
	case VIEW_KILL_SWITCH_OFF:
		return "off";
	case VIEW_KILL_SWITCH_ON:
		return "on";
	case VIEW_KILL_SWITCH_ALWAYS:
		return "always";
	}
	return "off";
}

static const char *event_name(enum view_event e)
{
	switch (e) {
	case VIEW_EVENT_STATE:
		return "state";
	case VIEW_EVENT_ROUTE:
		return "route";
	case VIEW_EVENT_PATH:
		return "path";
	case VIEW_EVENT_HEALTH:
		return "health";
	case VIEW_EVENT_PROFILE:
		return "profile";
	case VIEW_EVENT_ERROR:
		return "error";
	}
	return "error";
}

json_t *roles_json(uint8_t roles)
{
	static const struct {
		enum view_role role;
		const char *name;
	} names[] = {
	    {VIEW_ROLE_ENTRY, "entry"}, {VIEW_ROLE_RELAY, "relay"}, {VIEW_ROLE_EXIT, "exit"}};
	json_t *list = json_array();

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (roles & names[i].role)
			json_array_append_new(list, json_string(names[i].name));
	return list;
}

json_t *node_ref_json(const struct node_ref *n)
{
	if (n->name[0] == '\0' && n->id[0] == '\0' && n->country[0] == '\0')
		return json_null();
	return json_pack("{s:o, s:o, s:o}", "name", text_or_null(n->name), "id",
			 text_or_null(n->id), "country", text_or_null(n->country));
}

static json_t *address_pair_json(const struct address_pair_view *a)
{
	return json_pack("{s:o, s:o}", "ipv4", text_or_null(a->v4), "ipv6", text_or_null(a->v6));
}

static const char *verdict_name(enum view_verdict v)
{
	switch (v) {
	case VIEW_VERDICT_UNKNOWN:
		return "unknown";
	case VIEW_VERDICT_GREEN:
		return "green";
	case VIEW_VERDICT_YELLOW:
		return "yellow";
	case VIEW_VERDICT_RED:
		return "red";
	}
	return "unknown";
}

/* Puts what is known of a hop's or path's health beside its other keys; takes the reference. */
static json_t *with_health(json_t *object, const struct health_view *h)
{
	json_t *health =
	    json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:s, s:o}", "jitter_ms",
		      ms_or_null(h->is_measured, h->jitter_ns), "loss_out_percent",
		      percent_or_null(h->is_measured, h->loss_out_ppm), "loss_in_percent",
		      percent_or_null(h->is_measured, h->loss_in_ppm), "goodput_out_bps",
		      count_or_null(h->is_measured, h->out_bps), "goodput_in_bps",
		      count_or_null(h->is_measured, h->in_bps), "uptime_percent",
		      percent_or_null(h->is_measured, h->uptime_ppm), "verdict",
		      verdict_name(h->verdict), "verdict_reason", text_or_null(h->reason));

	json_object_update(object, health);
	json_decref(health);
	return object;
}

static json_t *hop_json(const struct hop_view *h)
{
	return with_health(
	    json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:s}", "roles", roles_json(h->roles), "name",
		      text_or_null(h->node.name), "id", text_or_null(h->node.id), "country",
		      text_or_null(h->node.country), "address", text_or_null(h->address), "rtt_ms",
		      ms_or_null(h->rtt_ns != 0, h->rtt_ns), "status", hop_status_name(h->status)),
	    &h->health);
}

static json_t *hops_json(const struct route_view *r)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < MIN(r->hop_count, VIEW_HOPS_MAX); i++)
		json_array_append_new(list, hop_json(&r->hop[i]));
	return list;
}

/* null when there is none, so that nobody takes an empty list for a route. */
static json_t *route_object_json(const struct route_view *r)
{
	const unsigned count = MIN(r->hop_count, VIEW_HOPS_MAX);
	uint64_t rtt_ns;

	if (count == 0)
		return json_null();
	rtt_ns = r->hop[count - 1].rtt_ns;
	return json_pack("{s:o, s:o, s:o, s:o}", "created", time_or_null(r->created_ns), "build_ms",
			 ms_or_null(r->build_ns != 0, r->build_ns), "rtt_ms",
			 ms_or_null(rtt_ns != 0, rtt_ns), "hops", hops_json(r));
}

static const char *path_role_name(enum view_path_role r)
{
	switch (r) {
	case VIEW_PATH_MAKING:
		return "making";
	case VIEW_PATH_IN_USE:
		return "in_use";
	case VIEW_PATH_BACKUP:
		return "backup";
	case VIEW_PATH_DEGRADED:
		return "degraded";
	case VIEW_PATH_TRIAL:
		return "trial";
	case VIEW_PATH_SPARE:
		return "spare";
	case VIEW_PATH_ENDING:
		return "ending";
	}
	return "making";
}

static json_t *path_json(const struct path_view *p)
{
	return with_health(
	    json_pack("{s:s, s:b, s:o, s:i, s:o, s:o, s:o, s:o}", "role", path_role_name(p->role),
		      "is_suspect", p->is_suspect, "share_percent",
		      count_or_null(p->role == VIEW_PATH_IN_USE, p->share_percent), "flows",
		      (int)p->flows, "rtt_ms", ms_or_null(p->rtt_ns != 0, p->rtt_ns), "tx_bytes",
		      count_json(p->tx_bytes), "rx_bytes", count_json(p->rx_bytes), "route",
		      route_object_json(&p->route)),
	    &p->health);
}

static json_t *path_list_json(const struct status_view *v)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < MIN(v->path_count, VIEW_PATHS_MAX); i++)
		json_array_append_new(list, path_json(&v->path[i]));
	return list;
}

static json_t *paths_json(const struct status_view *v)
{
	return json_pack("{s:i, s:i, s:o}", "active", (int)v->paths_active, "backup",
			 (int)v->paths_backup, "list", path_list_json(v));
}

static json_t *traffic_json(const struct traffic_view *t)
{
	return json_pack("{s:o, s:o, s:o, s:o}", "rx_bytes", count_json(t->rx_bytes), "tx_bytes",
			 count_json(t->tx_bytes), "rx_packets", count_json(t->rx_packets),
			 "tx_packets", count_json(t->tx_packets));
}

static json_t *proof_json(const struct proof_view *p)
{
	return json_pack("{s:o, s:o, s:o}", "verified_cells", count_json(p->verified_cells),
			 "failed_cells", count_json(p->failed_cells), "last_verified_age_ms",
			 ms_or_null(p->has_verified, p->last_verified_age_ns));
}

json_t *status_json(const struct status_view *v)
{
	return json_pack(
	    "{s:i, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:{s:o, s:o}, s:o, s:o, "
	    "s:s, s:b, s:o, s:{s:o, s:o}}",
	    "schema", CONTROL_SCHEMA, "state", view_state_name(v->state), "reason",
	    text_or_null(v->reason), "since", time_or_null(v->since_ns), "profile",
	    text_or_null(v->profile), "exit", node_ref_json(&v->exit), "visible_addresses",
	    address_pair_json(&v->visible), "inner_addresses", address_pair_json(&v->inner),
	    "mtu_bytes", count_or_null(v->mtu_bytes != 0, v->mtu_bytes), "route",
	    route_object_json(&v->route), "paths", paths_json(v), "traffic",
	    traffic_json(&v->traffic), "throughput", "rx_bps",
	    count_or_null(v->has_throughput, v->rx_bps), "tx_bps",
	    count_or_null(v->has_throughput, v->tx_bps), "session", text_or_null(v->session),
	    "proof", proof_json(&v->proof), "kill_switch", kill_switch_name(v->kill_switch.mode),
	    "blocking", v->kill_switch.is_blocking, "undo", text_or_null(v->kill_switch.undo),
	    "cost", "expected", cost_json(&v->expected), "measured", cost_json(&v->measured));
}

json_t *kill_switch_json(const struct kill_switch_view *v)
{
	return json_pack("{s:i, s:s, s:s, s:b, s:b, s:o}", "schema", CONTROL_SCHEMA, "setting",
			 v->is_by_profile ? "profile" : kill_switch_name(v->mode), "mode",
			 kill_switch_name(v->mode), "proven", v->is_proven, "blocking",
			 v->is_blocking, "undo", text_or_null(v->undo));
}

json_t *route_json(const struct status_view *v)
{
	return json_pack("{s:i, s:s, s:o, s:o}", "schema", CONTROL_SCHEMA, "state",
			 view_state_name(v->state), "route", route_object_json(&v->route), "paths",
			 paths_json(v));
}

static json_t *place_json(const struct place_view *p)
{
	return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o}", "verdict",
			 p->verdict != NULL ? p->verdict : "unverified", "witnesses",
			 count_json(p->witnesses), "against", count_json(p->against), "nearest_ms",
			 ms_or_null(p->nearest_ns != 0, p->nearest_ns), "nearest_country",
			 text_or_null(p->nearest_country), "database_country",
			 text_or_null(p->database_country), "asn",
			 count_or_null(p->asn != 0, p->asn));
}

static json_t *node_json(const struct node_view *v)
{
	return json_pack(
	    "{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:b, s:s, s:o, s:o, s:o, s:o, "
	    "s:o, s:o, s:o, s:b}",
	    "name", text_or_null(v->node.name), "id", text_or_null(v->node.id), "country",
	    text_or_null(v->node.country), "city", text_or_null(v->city), "location",
	    place_json(&v->place), "roles", roles_json(v->roles), "address",
	    text_or_null(v->address), "operator_tag", text_or_null(v->operator_tag),
	    "bandwidth_bps", count_or_null(v->bandwidth_bps != 0, v->bandwidth_bps), "load_percent",
	    count_or_null(v->has_load, v->load_percent), "exits_ipv4", v->exits_v4, "exits_ipv6",
	    v->exits_v6, "health", verdict_name(v->health), "uptime_percent",
	    percent_or_null(v->has_uptime, v->uptime_ppm), "rtt_ms",
	    ms_or_null(v->rtt_ns != 0, v->rtt_ns), "valid_until", time_or_null(v->valid_until_ns),
	    "slot", count_or_null(v->has_slot, v->slot), "region",
	    text_or_null(v->region != NULL ? v->region : ""), "since", time_or_null(v->since_ns),
	    "software", text_or_null(v->software), "in_view", v->is_in_view);
}

json_t *node_list_json(const char *key, const struct node_list_view *v)
{
	json_t *list = json_array();

	for (size_t i = 0; i < v->count; i++)
		json_array_append_new(list, node_json(&v->items[i]));
	return json_pack("{s:i, s:o}", "schema", CONTROL_SCHEMA, key, list);
}

static json_t *worker_json(const struct worker_view *w)
{
	return json_pack("{s:o, s:o, s:o}", "rx_datagrams", count_json(w->rx_datagrams),
			 "tx_datagrams", count_json(w->tx_datagrams), "handed_on_datagrams",
			 count_json(w->handed_on));
}

json_t *own_node_json(const struct own_node_view *v)
{
	json_t *addresses, *workers;

	if (!v->is_node)
		return json_pack("{s:i, s:n}", "schema", CONTROL_SCHEMA, "node");
	addresses = json_array();
	for (unsigned i = 0; i < MIN(v->address_count, ARRAY_LEN(v->address)); i++)
		json_array_append_new(addresses, json_string(v->address[i]));
	workers = json_array();
	for (unsigned i = 0; i < MIN(v->worker_count, ARRAY_LEN(v->workers)); i++)
		json_array_append_new(workers, worker_json(&v->workers[i]));
	return json_pack(
	    "{s:i, s:{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:i, s:i, s:i, s:i, s:o, "
	    "s:o, s:o, s:o}}",
	    "schema", CONTROL_SCHEMA, "node", "name", text_or_null(v->node.name), "id",
	    text_or_null(v->node.id), "country", text_or_null(v->node.country), "roles",
	    roles_json(v->roles), "operator", text_or_null(v->operator), "listen",
	    text_or_null(v->listen), "addresses", addresses, "bandwidth_bps",
	    count_json(v->bandwidth_bps), "since", time_or_null(v->since_ns),
	    "descriptor_valid_until", time_or_null(v->descriptor_valid_until_ns), "links",
	    (int)v->links, "circuits", (int)v->circuits, "sessions", (int)v->sessions,
	    "known_nodes", (int)v->known_nodes, "forward_cells", count_json(v->forward_cells),
	    "backward_cells", count_json(v->backward_cells), "workers", workers, "exit_traffic",
	    traffic_json(&v->exit_traffic));
}

static json_t *counter_list_json(const struct counter *c, unsigned count)
{
	json_t *object = json_object();

	for (unsigned i = 0; i < count; i++)
		json_object_set_new(object, c[i].name, count_json(c[i].value));
	return object;
}

json_t *counters_json(const struct counters_view *v)
{
	return json_pack("{s:i, s:o, s:o}", "schema", CONTROL_SCHEMA, "drops",
			 counter_list_json(v->drops, MIN(v->drop_count, VIEW_DROPS_MAX)), "totals",
			 counter_list_json(v->totals, MIN(v->total_count, VIEW_TOTALS_MAX)));
}

json_t *event_json(const struct event_view *v)
{
	return json_pack(
	    "{s:i, s:o, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:{s:i, s:i}}", "schema",
	    CONTROL_SCHEMA, "time", time_or_null(v->time_ns), "event", event_name(v->event),
	    "state", view_state_name(v->state), "text", text_or_null(v->text), "hop",
	    count_or_null(v->hop > 0, v->hop), "node", node_ref_json(&v->node), "verdict",
	    text_or_null(v->cause != NULL ? verdict_name(v->verdict) : ""), "cause",
	    text_or_null(v->cause != NULL ? v->cause : ""), "connections_dropped",
	    count_or_null(v->has_dropped, v->dropped), "route", route_object_json(&v->route),
	    "paths", "active", (int)v->paths_active, "backup", (int)v->paths_backup);
}

json_t *error_json(const char *field, const char *message)
{
	return json_pack("{s:i, s:{s:o, s:o}}", "schema", CONTROL_SCHEMA, "error", "field",
			 text_or_null(field != NULL ? field : ""), "message",
			 text_or_null(message));
}
