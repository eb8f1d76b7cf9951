/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What there is to show of a client. */
#include "client/client_int.h"

static enum client_path_role role_of(const struct client_route *r)
{
	if (r->state == ROUTE_DRAINING)
		return CLIENT_PATH_ENDING;
	if (r->is_spare)
		return CLIENT_PATH_SPARE;
	if (r->state != ROUTE_STANDING)
		return CLIENT_PATH_MAKING;
	if (r->is_degraded && r->weight == 0)
		return CLIENT_PATH_DEGRADED;
	if (r->is_trial && r->weight == 0)
		return CLIENT_PATH_TRIAL;
	return r->weight != 0 ? CLIENT_PATH_IN_USE : CLIENT_PATH_BACKUP;
}

static void show_hop(const struct client *c, const struct client_route *r, unsigned hop,
		     const struct now *now, struct client_hop *out)
{
	const struct book_node *known =
	    c->params.book != NULL ? book_node(c->params.book, r->hop[hop - 1].id) : NULL;

	const struct health *way = &r->health.way[hop - 1];

	*out = r->hop[hop - 1];
	out->rtt_ns = way->rtt.smooth_ns;
	out->figures = route_health_hop(&r->health, hop, now);
	out->verdict = r->health.hop[hop - 1];
	out->uptime_ppm = known != NULL ? book_node_uptime_ppm(known)
					: uptime_ppm(way->uptime.up_ns, way->uptime.down_ns);
}

static void show_path(const struct client *c, const struct client_route *r, const struct now *now,
		      struct client_view *out)
{
	struct client_path *p = &out->path[out->paths++];

	*p = (struct client_path){
	    .role = role_of(r),
	    .weight = r->weight,
	    .hops = r->n,
	    .since_wall_ns = r->ready_wall_ns,
	    .build_ns = r->rtt_ns,
	};
	for (unsigned i = 0; i < r->n; i++)
		show_hop(c, r, i + 1, now, &p->hop[i]);
	p->figures = route_health_whole(&r->health, now);
	p->verdict = r->health.whole;
	(void)engine_path_stats(c->params.engine, r->path, &p->stats);
	out->in_use += p->role == CLIENT_PATH_IN_USE && route_lives(r);
	out->backups += p->role == CLIENT_PATH_BACKUP && route_lives(r);
}

void client_view(const struct client *c, const struct now *now, struct client_view *out)
{
	*out = (struct client_view){
	    .state = c->state,
	    .since_wall_ns = c->since_wall_ns,
	    .has_session = c->session.id != 0,
	    .grant = c->session.grant,
	};
	memcpy(out->reason, c->reason, sizeof(out->reason));
	if (c->primary != NULL) {
		show_path(c, c->primary, now, out);
		out->hops = out->path[0].hops;
		memcpy(out->hop, out->path[0].hop, sizeof(out->hop));
		out->route_wall_ns = out->path[0].since_wall_ns;
		out->build_ns = out->path[0].build_ns;
		out->stats = out->path[0].stats;
	}
	for (unsigned used = 2; used-- > 0;) /* those in use, then the others */
		for (size_t i = 0; i < ROUTES_MAX; i++)
			if (c->route[i].state != ROUTE_FREE && &c->route[i] != c->primary &&
			    (c->route[i].weight != 0) == used)
				show_path(c, &c->route[i], now, out);
}
