/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which of a session's paths are used, as the client sees it: what its owner wants, which of them
 * do not answer, where that leaves their flows, and the exit, which is told at once.
 */
#include "core/path_int.h"

#define TELL_AGAIN_MAX_NS NS_PER_S

void failover_attached(struct session *s, unsigned slot, const struct lane *before)
{
	s->steer.lane[slot] = *before;
	s->steer.lane[slot].path_id = s->path[slot]->session.path_id;
	s->steer.lane[slot].is_suspect = false;
	s->is_changed |= before->is_used;
	steer_changed(&s->steer);
}

void failover_detached(struct session *s, unsigned slot)
{
	s->steer.lane[slot] = (struct lane){0};
	steer_changed(&s->steer);
	steer_move(&s->steer, false);
}

/* ---- telling the exit ---- */

static void list_paths(const struct steer *st, bool backups, struct paths *out)
{
	for (unsigned order = 0; order < STEER_LANES; order++)
		for (unsigned i = 0; i < STEER_LANES; i++) {
			const struct lane *l = &st->lane[i];

			if (l->path_id != 0 && l->is_used && l->order == order &&
			    (l->weight == 0) == backups)
				out->path[out->count++] = (struct paths_entry){
				    .path_id = l->path_id,
				    .weight = l->weight,
				    .flags = l->is_suspect ? PATHS_SUSPECT : 0,
				};
		}
}

static bool has_living_path(const struct session *s)
{
	for (unsigned i = 0; i < SESSION_PATHS_MAX; i++)
		if (s->path[i] != NULL && !s->steer.lane[i].is_suspect)
			return true;
	return false;
}

/* On every path that lives, so that it is there as fast as the fastest and no loss delays it. */
static void tell(struct engine *e, struct session *s, const struct now *now)
{
	const bool only_living = has_living_path(s);
	uint64_t gap_ns = TELL_AGAIN_MAX_NS;

	for (unsigned i = 0; i < SESSION_PATHS_MAX; i++) {
		struct path *p = s->path[i];
		struct outcell *c;

		if (p == NULL || (only_living && s->steer.lane[i].is_suspect))
			continue;
		gap_ns = MIN(gap_ns, liveness_rto_ns(&p->session.live));
		c = tunnel_cell(e, p, PATHS_LEN(ATTACH_PATHS_MAX), now);
		if (c != NULL)
			packer_paths(c, &s->told);
	}
	s->tell_gap_ns = s->tell_gap_ns == 0 ? gap_ns : MIN(2 * s->tell_gap_ns, TELL_AGAIN_MAX_NS);
	s->tell_ns = now->mono_ns + s->tell_gap_ns;
}

static bool must_tell(const struct session *s)
{
	return s->told_version != s->told.version;
}

static void tell_if_due(struct engine *e, struct session *s, const struct now *now)
{
	if (s->is_changed) {
		s->is_changed = false;
		s->told.version++;
		s->told.flags = s->options.duplicate ? PATHS_DUPLICATE : 0;
		s->told.count = 0;
		list_paths(&s->steer, false, &s->told);
		list_paths(&s->steer, true, &s->told);
		s->tell_gap_ns = s->tell_ns = 0;
	}
	if (must_tell(s) && s->tell_ns <= now->mono_ns)
		tell(e, s, now);
}

void failover_on_paths(struct session *s, const struct paths *p)
{
	if (p->version == s->told.version)
		s->told_version = p->version;
	for (unsigned i = 0; i < p->count; i++)
		for (unsigned k = 0; k < SESSION_PATHS_MAX; k++)
			if (s->path[k] != NULL && (p->path[i].flags & PATHS_SUSPECT) != 0 &&
			    s->steer.lane[k].path_id == p->path[i].path_id &&
			    !s->steer.lane[k].is_suspect)
				liveness_doubt(&s->path[k]->session.live);
}

/* ---- what the owner wants ---- */

static bool use_lane(struct lane *l, const struct path_use *use, size_t n, uint32_t path)
{
	const struct lane before = *l;

	l->is_used = false;
	l->weight = l->order = 0;
	for (size_t i = 0; i < n; i++)
		if (use[i].path == path) {
			l->is_used = true;
			l->weight = use[i].weight;
			l->order = (uint8_t)MIN(i, STEER_LANES - 1);
		}
	return before.is_used != l->is_used || before.weight != l->weight ||
	       before.order != l->order;
}

void engine_session_use(struct engine *e, uint32_t session, const struct path_use *use, size_t n,
			const struct now *now)
{
	struct session *s = session_by_id(e, session);

	if (s == NULL || !s->is_open)
		return;
	for (unsigned i = 0; i < SESSION_PATHS_MAX; i++)
		if (s->path[i] != NULL)
			s->is_changed |= use_lane(&s->steer.lane[i], use, n, s->path[i]->id);
	if (!s->is_changed)
		return;
	steer_changed(&s->steer);
	steer_move(&s->steer, true);
	tell_if_due(e, s, now);
	tunnel_flush(e, now);
	engine_finish(e, now);
}

void engine_session_options(struct engine *e, uint32_t session, const struct session_options *o,
			    const struct now *now)
{
	struct session *s = session_by_id(e, session);

	if (s == NULL)
		return;
	s->is_changed |= s->is_open && o->duplicate != s->options.duplicate;
	s->options = *o;
	s->steer.isolation = (uint8_t)o->isolate;
	s->steer.duplicate = o->duplicate;
	if (!s->is_open)
		return;
	tell_if_due(e, s, now);
	tunnel_flush(e, now);
	engine_finish(e, now);
}

/* ---- paths that do not answer ---- */

/* Both go through one node that is not their exit. */
static bool share_node(const struct path *a, const struct path *b)
{
	for (unsigned i = 0; i + 1 < a->n; i++)
		for (unsigned k = 0; k + 1 < b->n; k++)
			if (memcmp(a->spec.hop[i].id, b->spec.hop[k].id, NODE_ID_LEN) == 0)
				return true;
	return false;
}

static bool is_fit(const struct session *s, unsigned slot)
{
	return s->path[slot] != NULL && s->steer.lane[slot].is_used &&
	       !s->steer.lane[slot].is_suspect;
}

static bool has_other(const struct session *s, const struct path *p)
{
	for (unsigned i = 0; i < SESSION_PATHS_MAX; i++)
		if (is_fit(s, i) && !share_node(s->path[i], p))
			return true;
	return false;
}

static void tell_suspect(struct engine *e, struct session *s, unsigned slot, uint32_t flows,
			 const struct now *now)
{
	struct engine_event *ev = engine_event(e, EVENT_PATH_SUSPECT);

	ev->path = s->path[slot]->id;
	ev->session = s->id;
	ev->silent_ns = now->mono_ns - liveness_silent_since(&s->path[slot]->session.live);
	ev->flows = flows;
}

/*
 * Which of its nodes is dead is not known, so those that share one are under suspicion too, until
 * they have answered: flows must not move from one dead path to the next.  Unless there is no
 * other.
 */
static unsigned suspect_alike(struct session *s, unsigned slot, unsigned *slots,
			      const struct now *now)
{
	const struct path *p = s->path[slot];
	unsigned n = 0;

	slots[n++] = slot;
	s->steer.lane[slot].is_suspect = true;
	for (unsigned i = 0; i < SESSION_PATHS_MAX && has_other(s, p); i++) {
		if (!is_fit(s, i) || !share_node(s->path[i], p))
			continue;
		liveness_convict(&s->path[i]->session.live, now);
		s->steer.lane[i].is_suspect = true;
		slots[n++] = i;
	}
	return n;
}

static void suspect(struct engine *e, struct session *s, unsigned slot, const struct now *now)
{
	unsigned slots[SESSION_PATHS_MAX];
	const unsigned n = suspect_alike(s, slot, slots, now);
	uint32_t moved;

	s->is_changed = true;
	steer_changed(&s->steer);
	moved = steer_move(&s->steer, false);
	for (unsigned i = 0; i < n; i++) {
		tell_suspect(e, s, slots[i], i == 0 ? moved : 0, now);
		tunnel_resend(e, s, slots[i], now);
	}
}

static void recovered(struct engine *e, struct session *s, unsigned slot)
{
	struct engine_event *ev = engine_event(e, EVENT_PATH_RECOVERED);

	s->steer.lane[slot].is_suspect = false;
	s->is_changed = true;
	steer_changed(&s->steer);
	ev->path = s->path[slot]->id;
	ev->session = s->id;
}

static void probe(struct engine *e, struct path *p, const struct now *now)
{
	struct outcell *c = tunnel_cell(e, p, 0, now);

	if (c != NULL)
		packer_ping(c);
}

static void watch(struct engine *e, struct session *s, unsigned slot, const struct now *now)
{
	struct path *p = s->path[slot];

	if (liveness_due(&p->session.live) > now->mono_ns)
		return;
	switch (liveness_tick(&p->session.live, now)) {
	case LIVENESS_FINE:
		break;
	case LIVENESS_PROBE:
		probe(e, p, now);
		break;
	case LIVENESS_SUSPECT:
		suspect(e, s, slot, now);
		break;
	case LIVENESS_RECOVERED:
		recovered(e, s, slot);
		break;
	}
}

void failover_tick(struct engine *e, const struct now *now)
{
	list_for_each (it, &e->sessions) {
		struct session *s = container_of(it, struct session, in_engine);

		for (unsigned i = 0; i < SESSION_PATHS_MAX; i++)
			if (s->path[i] != NULL)
				watch(e, s, i, now);
		tell_if_due(e, s, now);
	}
}

void failover_hurry(struct engine *e)
{
	list_for_each (it, &e->sessions) {
		struct session *s = container_of(it, struct session, in_engine);

		for (unsigned i = 0; i < SESSION_PATHS_MAX; i++)
			if (s->path[i] != NULL)
				liveness_hurry(&s->path[i]->session.live);
		s->tell_ns = 0;
	}
}

static bool has_path(const struct session *s)
{
	for (unsigned i = 0; i < SESSION_PATHS_MAX; i++)
		if (s->path[i] != NULL)
			return true;
	return false;
}

uint64_t failover_deadline(const struct engine *e)
{
	uint64_t due = NEVER;

	list_for_each (it, &e->sessions) {
		const struct session *s = container_of(it, struct session, in_engine);

		if (s->is_changed)
			return 0;
		if (must_tell(s) && has_path(s))
			due = MIN(due, s->tell_ns);
		for (unsigned i = 0; i < SESSION_PATHS_MAX; i++)
			if (s->path[i] != NULL)
				due = MIN(due, liveness_due(&s->path[i]->session.live));
	}
	return due;
}
