/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Hosts and the clock. */
#include "tests/sim/directory/world_int.h"

#include <stdlib.h>

#include "tests/sim/directory/thin.h"
#include "util/xalloc.h"

struct now world_now(const struct world *w)
{
	return w->now;
}

unsigned world_members(const struct world *w)
{
	return w->members;
}

unsigned world_hosts(const struct world *w)
{
	return w->host_count;
}

struct host *world_host(struct world *w, unsigned i)
{
	return &w->hosts[i];
}

static struct host *by_map(struct world *w, const struct map *map, const uint8_t *key)
{
	const uintptr_t i = (uintptr_t)map_get(map, get_le64(key));

	return i != 0 ? &w->hosts[i - 1] : NULL;
}

struct host *world_by_link_key(struct world *w, const uint8_t key[static DH_LEN])
{
	return by_map(w, &w->by_link, key);
}

struct host *world_by_id(struct world *w, const uint8_t id[static NODE_ID_LEN])
{
	return by_map(w, &w->by_id, id);
}

/* ---- what is due ---- */

static bool is_before(const struct act *a, const struct act *b)
{
	return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->order < b->order;
}

void world_plan(struct world *w, struct act a)
{
	size_t i = w->heap_len++;

	if (w->heap_len > w->heap_room) {
		w->heap_room = MAX(1024, 2 * w->heap_room);
		w->heap = xrealloc(w->heap, w->heap_room, sizeof(*w->heap));
	}
	a.order = w->order++;
	for (; i > 0 && is_before(&a, &w->heap[(i - 1) / 2]); i = (i - 1) / 2)
		w->heap[i] = w->heap[(i - 1) / 2];
	w->heap[i] = a;
}

static struct act pop(struct world *w)
{
	const struct act top = w->heap[0], last = w->heap[--w->heap_len];
	size_t i = 0, child;

	while ((child = 2 * i + 1) < w->heap_len) {
		if (child + 1 < w->heap_len && is_before(&w->heap[child + 1], &w->heap[child]))
			child++;
		if (!is_before(&w->heap[child], &last))
			break;
		w->heap[i] = w->heap[child];
		i = child;
	}
	w->heap[i] = last;
	return top;
}

static void plan_tick(struct host *h)
{
	uint64_t due;

	if (!h->is_up)
		return;
	due = MIN(membership_deadline(h->membership, &h->world->now), wires_deadline(h->engine));
	due = MAX(MIN(due, h->sign_ns), h->world->now.mono_ns);
	if (due >= h->tick_ns)
		return;
	h->tick_ns = due;
	world_plan(h->world, (struct act){.due_ns = due, .kind = ACT_TICK, .host = h->index});
}

/* ---- hosts ---- */

static void pump(struct host *h)
{
	struct engine_event ev;

	while (wires_next_event(h->engine, &ev))
		membership_on_event(h->membership, &ev, &h->world->now);
	wires_settle(h->engine);
	plan_tick(h);
}

static void tick(struct host *h)
{
	struct world *w = h->world;

	wires_tick(h->engine);
	membership_tick(h->membership, &w->now);
	if (h->sign_ns <= w->now.mono_ns) {
		members_sign(h);
	}
	pump(h);
}

static void start(struct host *h)
{
	struct world *w = h->world;
	const struct seed seed = members_seed(w, h);

	if (h->is_up)
		return;
	h->is_up = true;
	h->tick_ns = NEVER;
	h->engine = wires_create(h);
	h->membership = membership_create(&(struct membership_params){
	    .engine = h->engine,
	    .dir = h->dir,
	    .registry = h->registry,
	    .head_max_age_s = w->params.head_max_age_s,
	    .rng = &h->rng,
	    .seeds = &seed,
	    .seed_count = 1,
	    .own_id = h->is_client ? NULL : h->identity.id,
	    .period_ns = h->is_client ? w->params.client_period_ns : w->params.node_period_ns,
	});
	if (h->is_client)
		membership_use_paths(h->membership,
				     &(struct membership_paths){.ctx = h, .open = wires_open_path});
	else if (h->sign_ns == NEVER)
		members_restart(h);
	membership_want(h->membership, true, &w->now);
	pump(h);
}

void world_start(struct world *w, unsigned i)
{
	start(&w->hosts[i]);
}

void world_stop(struct world *w, unsigned i)
{
	struct host *h = &w->hosts[i];

	if (!h->is_up)
		return;
	h->is_up = false;
	h->tick_ns = h->sign_ns = NEVER;
	membership_free(h->membership);
	wires_free(h->engine);
	h->membership = NULL;
	h->engine = NULL;
}

void world_forget(struct world *w, unsigned i)
{
	struct host *h = &w->hosts[i];

	world_stop(w, i);
	directory_free(h->dir);
	registry_free(h->registry);
	members_equip(h);
}

void world_withhold(struct world *w, unsigned i)
{
	w->hosts[i].withholds = true;
	directory_recheck(w->hosts[i].dir);
}

unsigned world_join(struct world *w)
{
	if (w->joined == w->members)
		return UINT32_MAX;
	members_register(w, w->joined);
	start(&w->hosts[w->joined++]);
	return w->joined - 1;
}

void world_leave(struct world *w, unsigned i)
{
	members_append(w, &(struct registry_event){.type = REGISTRY_REMOVE, .slot = i});
}

void world_renew_head(struct world *w)
{
	members_append(w, NULL);
}

void world_part(struct world *w, bool is_parted)
{
	w->is_parted = is_parted;
}

unsigned world_up(const struct world *w)
{
	unsigned n = 0;

	for (unsigned i = 0; i < w->joined; i++)
		n += w->hosts[i].is_up;
	return n;
}

/* ---- construction ---- */

static void make_hosts(struct world *w)
{
	struct thin_member *all = xcalloc(w->members, sizeof(*all));

	for (unsigned i = 0; i < w->host_count; i++)
		members_name(w, i);
	for (unsigned i = 0; i < w->members; i++) {
		memcpy(all[i].id, w->hosts[i].identity.id, NODE_ID_LEN);
		memcpy(all[i].link_key, w->hosts[i].identity.link.public, DH_LEN);
	}
	thin_begin(all, w->members);
	free(all);
	for (unsigned i = 0; i < w->host_count; i++)
		members_equip(&w->hosts[i]);
}

struct world *world_create(const struct world_params *p)
{
	struct world *w = xcalloc(1, sizeof(*w));
	const uint64_t founded_s = WORLD_WALL_S - 2 * 86400;

	w->params = *p;
	w->rng = rng_seeded(p->seed);
	w->members = p->members + p->spare;
	w->host_count = w->members + p->clients;
	w->joined = p->members;
	w->now = (struct now){.mono_ns = NS_PER_S, .wall_ns = founded_s * NS_PER_S};
	w->hosts = xcalloc(w->host_count, sizeof(*w->hosts));
	w->followed = xcalloc(w->members, sizeof(*w->followed));
	w->bins = xcalloc(SPREAD_BINS, sizeof(*w->bins));
	w->metered = xcalloc(w->host_count, sizeof(*w->metered));
	map_init(&w->by_id, w->host_count, &w->rng);
	map_init(&w->by_link, w->host_count, &w->rng);
	registrar_generate(&w->registrar, &w->rng);
	make_hosts(w);
	for (unsigned i = 0; i < p->members; i++)
		members_register(w, i);
	w->now.wall_ns = WORLD_WALL_S * NS_PER_S;
	world_renew_head(w);
	for (unsigned i = 0; i < w->host_count; i++) {
		if (i >= w->joined && i < w->members)
			continue;
		if (i > 0)
			members_copy_registry(w, w->hosts[i].registry);
	}
	if (p->is_old)
		members_acquaint(w);
	for (unsigned i = 0; i < w->host_count; i++) {
		if (i >= w->joined && i < w->members)
			continue;
		world_plan(w, (struct act){.due_ns = w->now.mono_ns +
						     rng_below(&w->rng, p->start_within_ns + 1),
					   .kind = ACT_START,
					   .host = i});
	}
	return w;
}

void world_free(struct world *w)
{
	for (unsigned i = 0; i < w->host_count; i++)
		world_stop(w, i);
	for (unsigned i = 0; i < w->host_count; i++) {
		directory_free(w->hosts[i].dir);
		registry_free(w->hosts[i].registry);
		rng_seeded_free(&w->hosts[i].rng);
	}
	while (w->heap_len > 0) {
		struct act a = pop(w);

		if (a.message != NULL)
			free(a.message->body);
		free(a.message);
	}
	thin_end();
	map_fini(&w->by_id);
	map_fini(&w->by_link);
	rng_seeded_free(&w->rng);
	free(w->heap);
	free(w->hosts);
	free(w->followed);
	free(w->bins);
	free(w->metered);
	free(w);
}

/* ---- time ---- */

static void act(struct world *w, const struct act *a)
{
	struct host *h = &w->hosts[a->host];

	switch (a->kind) {
	case ACT_MESSAGE:
		if (h->is_up) {
			wires_deliver(h, a->message);
			pump(h);
		}
		free(a->message->body);
		free(a->message);
		break;
	case ACT_TICK:
		if (h->is_up && h->tick_ns == a->due_ns) {
			h->tick_ns = NEVER;
			tick(h);
		}
		break;
	case ACT_START:
		start(h);
		break;
	}
}

void world_run(struct world *w, uint64_t ns)
{
	const uint64_t end_ns = w->now.mono_ns + ns;
	const uint64_t wall_off = w->now.wall_ns - w->now.mono_ns;

	while (w->heap_len > 0 && w->heap[0].due_ns <= end_ns) {
		const struct act a = pop(w);

		w->now.mono_ns = MAX(w->now.mono_ns, a.due_ns);
		w->now.wall_ns = w->now.mono_ns + wall_off;
		act(w, &a);
		thin_tidy();
	}
	w->now.mono_ns = end_ns;
	w->now.wall_ns = end_ns + wall_off;
}

uint64_t world_run_until(struct world *w, uint64_t ns, uint64_t step_ns,
			 bool (*done)(struct world *w, void *ctx), void *ctx)
{
	const uint64_t begin_ns = w->now.mono_ns;

	while (!done(w, ctx)) {
		if (w->now.mono_ns - begin_ns >= ns)
			return NEVER;
		world_run(w, step_ns);
	}
	return w->now.mono_ns - begin_ns;
}
