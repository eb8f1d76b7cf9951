/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Which nodes the next path goes through: the wish, the session's exit, and whom to leave out for
 * now. */
#include "client/client_int.h"

#include <errno.h>
#include <stdio.h>

enum {
	LEAVE_OUT_MAX = AVOIDED_MAX + ROUTES_MAX * HOPS_MAX,
	DRAWS_MAX = 8,
};

/* Of those avoided: it, or the one that matters least. */
static struct avoided *slot_of(struct client *c, const uint8_t id[static NODE_ID_LEN])
{
	struct avoided *slot = &c->avoid[0];

	for (size_t i = 0; i < AVOIDED_MAX; i++) {
		struct avoided *a = &c->avoid[i];

		if (a->for_ns != 0 && memcmp(a->id, id, NODE_ID_LEN) == 0)
			return a;
		if (a->until_ns < slot->until_ns)
			slot = a;
	}
	*slot = (struct avoided){.for_ns = 0};
	memcpy(slot->id, id, NODE_ID_LEN);
	return slot;
}

/* Often it is not its fault, or it is back soon; so it is tried again soon, and later each time. */
void choice_avoid(struct client *c, const uint8_t id[static NODE_ID_LEN], const struct now *now)
{
	struct avoided *a = slot_of(c, id);

	if (a->until_ns > now->mono_ns) /* known already */
		return;
	if (a->for_ns == 0 || now->mono_ns - a->until_ns > AVOID_MAX_NS)
		a->for_ns = AVOID_MIN_NS;
	else
		a->for_ns = MIN(2 * a->for_ns, AVOID_MAX_NS);
	a->until_ns = now->mono_ns + a->for_ns;
}

uint64_t choice_again_ns(const struct client *c, const struct now *now)
{
	uint64_t first_ns = NEVER;

	for (size_t i = 0; i < AVOIDED_MAX; i++)
		if (c->avoid[i].until_ns > now->mono_ns)
			first_ns = MIN(first_ns, c->avoid[i].until_ns);
	return first_ns;
}

void choice_readmit(struct client *c, const uint8_t id[static NODE_ID_LEN])
{
	for (size_t i = 0; i < AVOIDED_MAX; i++)
		if (memcmp(c->avoid[i].id, id, NODE_ID_LEN) == 0)
			c->avoid[i] = (struct avoided){.for_ns = 0};
}

void choice_forget(struct client *c)
{
	memset(c->avoid, 0, sizeof(c->avoid));
}

/* Ids to leave out, the most important ones first. */
struct leave_out {
	uint8_t id[LEAVE_OUT_MAX][NODE_ID_LEN];
	size_t n;
};

static void add(struct leave_out *l, const uint8_t id[static NODE_ID_LEN])
{
	for (size_t i = 0; i < l->n; i++)
		if (memcmp(l->id[i], id, NODE_ID_LEN) == 0)
			return;
	if (l->n < LEAVE_OUT_MAX)
		memcpy(l->id[l->n++], id, NODE_ID_LEN);
}

/* Those that failed last first. */
static void add_failed(const struct client *c, const struct now *now, struct leave_out *l)
{
	const struct avoided *list[AVOIDED_MAX];
	size_t n = 0;

	for (size_t i = 0; i < AVOIDED_MAX; i++) {
		size_t at = n;

		if (c->avoid[i].until_ns <= now->mono_ns)
			continue;
		for (; at > 0 && list[at - 1]->until_ns < c->avoid[i].until_ns; at--)
			list[at] = list[at - 1];
		list[at] = &c->avoid[i];
		n++;
	}
	for (size_t i = 0; i < n; i++)
		add(l, list[i]->id);
}

static bool is_kept(const struct client_route *r)
{
	return r->state != ROUTE_FREE && r->state != ROUTE_DRAINING && !r->is_leaving &&
	       !r->is_degraded;
}

/* Of routes that are kept, or of those that are not. */
static void add_used(const struct client *c, bool kept, struct leave_out *l)
{
	for (size_t i = 0; i < ROUTES_MAX; i++) {
		const struct client_route *r = &c->route[i];

		if (r->state == ROUTE_FREE || is_kept(r) != kept)
			continue;
		for (unsigned hop = r->n - 1; hop-- > 0;) /* the entry last: there are fewer */
			add(l, r->hop[hop].id);
	}
}

/* The exit of the wish must not be among them: all others would come back into question. */
static void remove_id(struct leave_out *l, const uint8_t id[static NODE_ID_LEN])
{
	size_t n = 0;

	for (size_t i = 0; i < l->n; i++)
		if (memcmp(l->id[i], id, NODE_ID_LEN) != 0)
			memmove(l->id[n++], l->id[i], NODE_ID_LEN);
	l->n = n;
}

/* Through the very nodes of one that we keep. */
static bool is_known(const struct client *c, const struct path_route *pr)
{
	for (size_t i = 0; i < ROUTES_MAX; i++) {
		const struct client_route *r = &c->route[i];
		unsigned same = 0;

		if (!is_kept(r) || r->n != pr->hops)
			continue;
		while (same < r->n && memcmp(r->hop[same].id, pr->hop[same].id, NODE_ID_LEN) == 0)
			same++;
		if (same == r->n)
			return true;
	}
	return false;
}

bool choice_exit(const struct client *c, const char *text, struct path_wish *w,
		 char why[static PATH_WHY_MAX])
{
	struct exit_wish wish;

	if (exit_wish_parse(&wish, text))
		return exit_wish_apply(&wish, c->params.dir, w, why);
	snprintf(why, PATH_WHY_MAX, "no node can have so long a name");
	return false;
}

/* One that we do not have yet; where there are few, it may take some draws. */
static bool draw(struct client *c, const struct path_wish *w, const struct now *now,
		 struct path_route *out, char why[static PATH_WHY_MAX])
{
	for (unsigned i = 0; i < DRAWS_MAX; i++) {
		if (path_choose(c->chooser, w, now, c->params.rng, out, why) != PATH_OK)
			return false;
		if (!is_known(c, out))
			return true;
	}
	snprintf(why, PATH_WHY_MAX, "there is none but those in use");
	return false;
}

/* Gives up the last ones of those to leave out, one by one, while there is no way without them. */
static bool draw_leaving_out(struct client *c, struct path_wish *w, size_t n, size_t must,
			     const struct now *now, struct path_route *out,
			     char why[static PATH_WHY_MAX])
{
	for (w->avoid_count = n;; w->avoid_count--) {
		if (draw(c, w, now, out, why))
			return true;
		if (w->avoid_count <= must)
			return false;
	}
}

/* What has failed is left out as long as there is traffic elsewhere: one more route is not worth
 * trying it. */
static size_t must_leave_out(const struct client *c, const struct leave_out *failed)
{
	return c->primary != NULL && route_lives(c->primary) ? failed->n : 0;
}

static struct route_nodes nodes_of(const struct client_route *r)
{
	struct route_nodes nodes = {.hops = r->n};

	for (unsigned hop = 0; hop < r->n; hop++)
		memcpy(nodes.id[hop], r->hop[hop].id, NODE_ID_LEN);
	return nodes;
}

/* All but one, or NULL. */
static size_t kept_routes(const struct client *c, const struct client_route *but,
			  struct route_nodes *out)
{
	size_t n = 0;

	for (size_t i = 0; i < ROUTES_MAX; i++)
		if (is_kept(&c->route[i]) && &c->route[i] != but)
			out[n++] = nodes_of(&c->route[i]);
	return n;
}

bool choice_make(struct client *c, enum route_aim aim, const struct now *now,
		 struct path_route *out, char why[static PATH_WHY_MAX])
{
	struct route_nodes apart[ROUTES_MAX];
	struct leave_out leave = {.n = 0};
	struct path_wish w = {
	    .hops = c->wish.hops,
	    .avoid = leave.id[0],
	    .book = c->params.book,
	    .places = c->params.places,
	    .guards = c->params.guards,
	    .apart = apart,
	};
	size_t must, failed;

	if (aim == AIM_SESSION && c->session.id != 0) {
		w.exit = PATH_EXIT_NODE;
		memcpy(w.exit_id, c->session.exit, NODE_ID_LEN);
	} else if (!choice_exit(c, c->wish.exit, &w, why)) {
		return false;
	}
	if (aim == AIM_SPARE) {
		w.exclude = c->session.exit;
		w.exclude_count = 1;
	}
	add_failed(c, now, &leave);
	must = must_leave_out(c, &leave);
	if (w.exit == PATH_EXIT_NODE)
		remove_id(&leave, w.exit_id);
	must = MIN(must, leave.n);
	failed = leave.n;
	/* Routes that fail together are no help to each other, and a new one should not look like
	 * the one it replaces; if there are enough nodes for that. */
	w.apart_count = kept_routes(c, NULL, apart);
	add_used(c, false, &leave);
	if (w.exit == PATH_EXIT_NODE)
		remove_id(&leave, w.exit_id);
	w.avoid_count = leave.n;
	if (draw(c, &w, now, out, why))
		return true;
	w.avoid_count = failed;
	if (leave.n > failed && draw(c, &w, now, out, why))
		return true;
	w.apart_count = 0;
	leave.n = failed;
	add_used(c, true, &leave);
	add_used(c, false, &leave);
	if (w.exit == PATH_EXIT_NODE)
		remove_id(&leave, w.exit_id);
	return draw_leaving_out(c, &w, leave.n, must, now, out, why);
}

bool choice_better(struct client *c, const struct client_route *rival, const struct now *now,
		   struct path_route *out)
{
	struct route_nodes apart[ROUTES_MAX];
	struct leave_out leave = {.n = 0};
	struct path_wish w = {
	    .hops = c->wish.hops,
	    .exit = PATH_EXIT_NODE,
	    .avoid = leave.id[0],
	    .book = c->params.book,
	    .guards = c->params.guards,
	    .apart = apart,
	};
	char why[PATH_WHY_MAX];

	memcpy(w.exit_id, c->session.exit, NODE_ID_LEN);
	add_failed(c, now, &leave);
	remove_id(&leave, w.exit_id);
	w.avoid_count = leave.n;
	w.apart_count = kept_routes(c, rival, apart);
	return draw(c, &w, now, out, why);
}

uint64_t choice_cost(struct client *c, const struct client_route *r, const struct now *now)
{
	struct route_nodes apart[ROUTES_MAX];
	const struct route_nodes nodes = nodes_of(r);
	const struct path_wish w = {
	    .book = c->params.book, .apart = apart, .apart_count = kept_routes(c, r, apart)};

	return path_cost_of(c->chooser, &w, &nodes, now);
}

int client_explain(struct client *c, const struct now *now, struct path_explanation *out)
{
	struct route_nodes apart[ROUTES_MAX], nodes;
	struct leave_out leave = {.n = 0};
	struct path_wish w = {
	    .hops = c->wish.hops,
	    .avoid = leave.id[0],
	    .book = c->params.book,
	    .places = c->params.places,
	    .guards = c->params.guards,
	    .apart = apart,
	};
	char why[PATH_WHY_MAX];

	if (c->primary == NULL)
		return -ENOENT;
	nodes = nodes_of(c->primary);
	if (!choice_exit(c, c->wish.exit, &w, why)) { /* not to be had any more, but in use */
		w.exit = PATH_EXIT_NODE;
		memcpy(w.exit_id, c->session.exit, NODE_ID_LEN);
	}
	add_failed(c, now, &leave);
	w.avoid_count = leave.n;
	w.apart_count = kept_routes(c, c->primary, apart);
	return path_explain(c->chooser, &w, &nodes, now, c->params.rng, out);
}
