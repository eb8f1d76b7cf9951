/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A client's steps to a path and a session, each until it is done. */
#include "tests/sim/sim.h"

struct waiting {
	const struct sim_node *node;
	enum engine_event_type type;
	unsigned before;
};

static bool has_come(void *ctx)
{
	const struct waiting *w = ctx;

	return w->node->seen[w->type] > w->before;
}

static bool wait_for(struct sim *s, struct sim_node *n, enum engine_event_type type,
		     unsigned before)
{
	struct waiting w = {n, type, before};

	sim_pump(s, n);
	return sim_run_until(s, 5 * NS_PER_S, has_come, &w);
}

static bool build(struct sim *s, struct sim_node *client, const unsigned *hops, unsigned n,
		  uint32_t *path)
{
	const struct now now = sim_now(s);
	const struct path_spec spec = sim_spec(s, hops, n);
	const unsigned before = client->seen[EVENT_PATH_OPEN];

	*path = engine_path_build(client->engine, &spec, &now);
	return *path != 0 && wait_for(s, client, EVENT_PATH_OPEN, before);
}

static bool attach(struct sim *s, struct sim_node *client, uint32_t path)
{
	const struct now now = sim_now(s);
	const unsigned before = client->seen[EVENT_PATH_ATTACHED];

	engine_session_attach(client->engine, client->last[EVENT_SESSION_OPEN].session, path, &now);
	return wait_for(s, client, EVENT_PATH_ATTACHED, before);
}

bool sim_attach(struct sim *s, struct sim_node *client, const unsigned *hops, unsigned n,
		uint32_t *path)
{
	return build(s, client, hops, n, path) && attach(s, client, *path);
}

void sim_use(struct sim *s, struct sim_node *client, uint32_t path)
{
	const struct now now = sim_now(s);
	const struct path_use use = {.path = path, .weight = 1};

	engine_session_use(client->engine, client->last[EVENT_SESSION_OPEN].session, &use, 1, &now);
	sim_pump(s, client);
}

bool sim_connect(struct sim *s, struct sim_node *client, const unsigned *hops, unsigned n,
		 uint32_t *path)
{
	struct now now;
	unsigned before;

	if (!build(s, client, hops, n, path))
		return false;
	before = client->seen[EVENT_SESSION_OPEN];
	now = sim_now(s);
	engine_session_open(client->engine, *path, &now);
	if (!wait_for(s, client, EVENT_SESSION_OPEN, before) || !attach(s, client, *path))
		return false;
	sim_use(s, client, *path);
	return true;
}
