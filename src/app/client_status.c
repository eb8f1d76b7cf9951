/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What the client shows of itself in the control API. */
#include "app/client_app.h"
#include "app/mesh_app.h"
#include "app/mesh_view.h"

#include <sodium.h>
#include <stdio.h>

enum view_state client_app_state(const struct client_app *a, const struct client_view *v)
{
	switch (v->state) {
	case CLIENT_OFF:
		return safety_is_blocking(&a->safety) ? VIEW_BLOCKED
		       : a->error[0] != '\0'          ? VIEW_ERROR
						      : VIEW_DISCONNECTED;
	case CLIENT_CONNECTING:
		return VIEW_CONNECTING;
	case CLIENT_CONNECTED:
		return a->is_ready ? VIEW_CONNECTED : VIEW_CONNECTING;
	case CLIENT_RECONNECTING:
		return VIEW_RECONNECTING;
	}
	return VIEW_ERROR;
}

/* Why nothing passes, and how to end that. */
void client_app_blocked_reason(const struct client_app *a, char out[static VIEW_TEXT_LEN])
{
	struct kill_switch_view k;

	safety_view(&a->safety, &k);
	snprintf(out, VIEW_TEXT_LEN, "%.120s%sthe kill switch lets nothing out%s; '%s' ends that",
		 a->error, a->error[0] != '\0' ? "; " : "",
		 safety_is_only(&a->safety) ? " of what belongs inside" : "", k.undo);
}

enum view_verdict client_verdict(const struct verdict *v)
{
	switch (v->level) {
	case HEALTH_GREEN:
		return VIEW_VERDICT_GREEN;
	case HEALTH_YELLOW:
		return VIEW_VERDICT_YELLOW;
	case HEALTH_RED:
	case HEALTH_LEVEL_COUNT:
		return VIEW_VERDICT_RED;
	}
	return VIEW_VERDICT_UNKNOWN;
}

static void health_fill(const struct health_figures *f, const struct verdict *verdict,
			uint32_t up_ppm, struct health_view *out)
{
	char why[VERDICT_WHY_MAX];

	*out = (struct health_view){
	    .is_measured = f->is_measured,
	    .jitter_ns = f->jitter_ns,
	    .loss_out_ppm = f->lost_out_ppm,
	    .loss_in_ppm = f->lost_in_ppm,
	    .out_bps = f->out_bps,
	    .in_bps = f->in_bps,
	    .uptime_ppm = up_ppm,
	    .verdict = f->is_measured ? client_verdict(verdict) : VIEW_VERDICT_UNKNOWN,
	};
	snprintf(out->reason, sizeof(out->reason), "%.*s", (int)sizeof(out->reason) - 1,
		 verdict_why(verdict, why));
}

uint8_t client_place_roles(unsigned place, unsigned hops)
{
	return (uint8_t)((place == 0 ? VIEW_ROLE_ENTRY : 0) |
			 (place > 0 && place + 1 < hops ? VIEW_ROLE_RELAY : 0) |
			 (place + 1 == hops ? VIEW_ROLE_EXIT : 0));
}

void client_route_fill(const struct client_path *p, struct route_view *out)
{
	out->hop_count = p->hops;
	out->created_ns = p->since_wall_ns;
	out->build_ns = p->build_ns;
	for (unsigned i = 0; i < p->hops; i++) {
		const struct client_hop *from = &p->hop[i];
		struct hop_view *h = &out->hop[i];

		node_ref_fill(&h->node, from->id, from->name, from->country);
		endpoint_format(&from->addr, h->address);
		h->rtt_ns = from->rtt_ns;
		h->status = VIEW_HOP_OK;
		h->roles = client_place_roles(i, p->hops);
		health_fill(&from->figures, &from->verdict, from->uptime_ppm, &h->health);
	}
}

static enum view_path_role path_role_of(enum client_path_role r)
{
	switch (r) {
	case CLIENT_PATH_MAKING:
		return VIEW_PATH_MAKING;
	case CLIENT_PATH_IN_USE:
		return VIEW_PATH_IN_USE;
	case CLIENT_PATH_BACKUP:
		return VIEW_PATH_BACKUP;
	case CLIENT_PATH_DEGRADED:
		return VIEW_PATH_DEGRADED;
	case CLIENT_PATH_TRIAL:
		return VIEW_PATH_TRIAL;
	case CLIENT_PATH_SPARE:
		return VIEW_PATH_SPARE;
	case CLIENT_PATH_ENDING:
		return VIEW_PATH_ENDING;
	}
	return VIEW_PATH_MAKING;
}

static void paths_fill(const struct client_view *v, struct status_view *out)
{
	uint32_t weights = 0;

	for (unsigned i = 0; i < v->paths; i++)
		weights += v->path[i].weight;
	out->paths_active = v->in_use;
	out->paths_backup = v->backups;
	out->path_count = v->paths;
	for (unsigned i = 0; i < v->paths; i++) {
		const struct client_path *from = &v->path[i];
		struct path_view *p = &out->path[i];

		p->role = path_role_of(from->role);
		p->is_suspect = from->stats.is_suspect;
		p->share_percent = weights > 0 ? (from->weight * 100u + weights / 2) / weights : 0;
		p->flows = from->stats.flows;
		p->rtt_ns = from->hop[from->hops - 1].rtt_ns;
		p->tx_bytes = from->stats.tx_bytes;
		p->rx_bytes = from->stats.rx_bytes;
		health_fill(&from->figures, &from->verdict, 1000000, &p->health);
		client_route_fill(from, &p->route);
	}
}

_Static_assert((int)CLIENT_PATHS_MAX <= (int)VIEW_PATHS_MAX, "a view has room for all paths");

#define LOOK_NS NS_PER_S

void client_throughput_tick(struct client_app *a, const struct now *now)
{
	struct throughput *t = &a->throughput;
	struct engine_stats s;
	uint64_t span_ms;

	if (now->mono_ns - t->at_ns < LOOK_NS)
		return;
	engine_stats(a->worker.engine, &s);
	span_ms = (now->mono_ns - t->at_ns) / NS_PER_MS;
	*t = (struct throughput){
	    .at_ns = now->mono_ns,
	    .rx_bytes = s.client_rx_bytes,
	    .tx_bytes = s.client_tx_bytes,
	    .rx_bps = (s.client_rx_bytes - t->rx_bytes) * 8000 / span_ms,
	    .tx_bps = (s.client_tx_bytes - t->tx_bytes) * 8000 / span_ms,
	    .is_known = t->at_ns != 0,
	};
}

struct status_query {
	struct client_app *app;
	struct status_view *out;
};

static void inner_fill(const struct client_view *v, struct address_pair_view *out)
{
	uint8_t ip[16];

	if (!v->has_session)
		return;
	if (!sodium_is_zero(v->grant.v4, sizeof(v->grant.v4))) {
		endpoint_ip_from_v4(ip, v->grant.v4);
		endpoint_ip_format(ip, out->v4);
	}
	if (!sodium_is_zero(v->grant.v6, sizeof(v->grant.v6)))
		endpoint_ip_format(v->grant.v6, out->v6);
}

/* As the exit's descriptor tells: what its clients' traffic comes from. */
static void visible_fill(const struct client_app *a, const struct client_view *v,
			 struct address_pair_view *out)
{
	const struct descriptor *d = directory_by_id(a->dir, v->hop[v->hops - 1].id);

	for (unsigned i = 0; d != NULL && i < d->addr_count; i++)
		endpoint_ip_format(d->addrs[i].ip,
				   endpoint_is_v4(&d->addrs[i]) ? out->v4 : out->v6);
}

static void do_status(void *ctx, const struct now *now)
{
	const struct status_query *q = ctx;
	const struct client_app *a = q->app;
	struct status_view *out = q->out;
	struct engine_stats st;
	struct client_view v;

	client_view(a->client, now, &v);
	engine_stats(a->worker.engine, &st);
	*out = (struct status_view){.state = client_app_state(a, &v), .since_ns = v.since_wall_ns};
	safety_view(&a->safety, &out->kill_switch);
	if (out->state == VIEW_BLOCKED)
		client_app_blocked_reason(a, out->reason);
	else
		snprintf(out->reason, sizeof(out->reason), "%.*s", (int)sizeof(out->reason) - 1,
			 a->error[0] != '\0' ? a->error : v.reason);
	snprintf(out->profile, sizeof(out->profile), "%s", a->profile);
	client_profile_cost_fill(a, &v, &out->expected, &out->measured);
	inner_fill(&v, &out->inner);
	paths_fill(&v, out);
	if (v.hops > 0)
		client_route_fill(&v.path[0], &out->route);
	out->has_throughput = a->throughput.is_known;
	out->rx_bps = a->throughput.rx_bps;
	out->tx_bps = a->throughput.tx_bps;
	out->traffic = (struct traffic_view){
	    .rx_bytes = st.client_rx_bytes,
	    .tx_bytes = st.client_tx_bytes,
	    .rx_packets = st.client_rx_packets,
	    .tx_packets = st.client_tx_packets,
	};
	if (v.has_session)
		sodium_bin2hex(out->session, sizeof(out->session), v.grant.sid, 4);
	if (v.hops == 0)
		return;
	out->exit = out->route.hop[v.hops - 1].node;
	visible_fill(a, &v, &out->visible);
	out->mtu_bytes = (uint32_t)INNER_MTU(v.hops);
	out->proof = (struct proof_view){
	    .verified_cells = v.stats.bwd_ok,
	    .failed_cells = v.stats.bwd_failed + v.stats.proofs_failed,
	    .has_verified = v.stats.bwd_ok > 0,
	    .last_verified_age_ns = now->mono_ns - v.stats.bwd_last_ns,
	};
}

void client_app_status(struct client_app *a, struct status_view *out)
{
	struct status_query q = {a, out};

	worker_call(&a->worker, do_status, &q);
}
