/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mesh/membership_int.h"

#include "util/xalloc.h"

enum {
	MIRRORS_WANTED = 2, /* of a client's round, whatever they tell */
	BARREN_ENOUGH = 2,  /* in a row that added nothing */
	ATTEMPTS_MAX = 8,   /* of a round */
	PATHS_LOST_MAX = 3, /* of a round, before mirrors are called directly */
	EPOCH_S = 3600,
	EPOCH_DELAY_PART = 6,
	MESH_YOUNG_S = 86400,
	SEED_ONE_IN = 8, /* calls that go to a seed all the same: halves of a mesh meet there */
};

#define CALL_NS        (4 * NS_PER_S) /* for a link to come up ... */
#define SLOW_NS        (NS_PER_S / 2) /* ... before somebody else is called too */
#define PATH_CALL_NS   (6 * NS_PER_S) /* for a path */
#define PATH_SLOW_NS   (2 * NS_PER_S)
#define PATH_PEER      (1ull << 63) /* with a path's number; links and circuits are below */
#define EARLY_NS       NS_PER_S     /* first gap between rounds; doubles up to the period */
#define RETRY_MAX_NS   (60 * NS_PER_S)
#define REFRESH_GAP_NS (NS_PER_S / 4)

static uint64_t period_ns(const struct membership *m)
{
	if (m->params.period_ns != 0)
		return m->params.period_ns;
	return membership_is_node(m) ? MEMBERSHIP_NODE_PERIOD_NS : MEMBERSHIP_CLIENT_PERIOD_NS;
}

struct membership *membership_create(const struct membership_params *params)
{
	struct membership *m = xcalloc(1, sizeof(*m));

	m->params = *params;
	m->next_round_ns = NEVER;
	m->mirrors = (struct mirrors){.dir = params->dir,
				      .registry = params->registry,
				      .rng = params->rng,
				      .own_id = params->own_id};
	mirrors_set_seeds(&m->mirrors, params->seeds, params->seed_count);
	m->sync = dirsync_create(&(struct dirsync_params){
	    .dir = params->dir,
	    .registry = params->registry,
	    .rng = params->rng,
	    .is_node = membership_is_node(m),
	    .cells_per_s = params->cells_per_s,
	});
	return m;
}

void membership_free(struct membership *m)
{
	if (m == NULL)
		return;
	dirsync_free(m->sync);
	free(m);
}

void membership_use_paths(struct membership *m, const struct membership_paths *paths)
{
	m->paths = *paths;
}

/* ---- whom to call ---- */

static struct mirrors_busy busy(const struct membership *m)
{
	struct mirrors_busy out = {.count = 0};

	for (size_t i = 0; i < CALLS_MAX; i++)
		if (m->calls[i].peer != 0)
			memcpy(out.id[out.count++], m->calls[i].id, NODE_ID_LEN);
	return out;
}

/* Before anybody has answered, seeds and members (of a cache) in turns; then mostly members. */
static bool pick(struct membership *m, struct seed *out, const struct now *now)
{
	const bool seed_first =
	    m->is_met ? rng_below(m->params.rng, SEED_ONE_IN) == 0 : m->round.attempts % 2 == 0;

	const struct mirrors_busy called = busy(m);
	/* Only who sees clients anyway may learn from a call that there is one. */
	const uint8_t roles = membership_is_node(m) ? ROLE_ALL : ROLE_ENTRY;

	if (seed_first && mirrors_pick_seed(&m->mirrors, !m->is_met, &called, now, out))
		return true;
	return mirrors_pick_member(&m->mirrors, roles, &called, now, out) ||
	       mirrors_pick_seed(&m->mirrors, true, &called, now, out);
}

static struct call *free_call(struct membership *m)
{
	for (size_t i = 0; i < CALLS_MAX; i++)
		if (m->calls[i].peer == 0)
			return &m->calls[i];
	return NULL;
}

/* Through a circuit any member will do: it does not learn who asks. */
static bool call_by_path(struct membership *m, struct call *c, const struct now *now)
{
	const struct mirrors_busy called = busy(m);
	struct seed to;
	uint32_t path;

	if (!mirrors_pick_known(&m->mirrors, &called, now, &to))
		return false;
	path = m->paths.open(m->paths.ctx, to.id, now);
	if (path == 0)
		return false;
	*c = (struct call){.peer = PATH_PEER | path,
			   .slow_ns = now->mono_ns + PATH_SLOW_NS,
			   .give_up_ns = now->mono_ns + PATH_CALL_NS};
	memcpy(c->id, to.id, NODE_ID_LEN);
	memcpy(c->link_key, to.link_public, DH_LEN); /* whose onion key opened the CREATE */
	return true;
}

static bool call_by_link(struct membership *m, struct call *c, const struct now *now)
{
	struct seed to;

	if (!pick(m, &to, now))
		return false;
	*c = (struct call){
	    .peer = engine_link(m->params.engine, to.link_public, &to.addr, now),
	    .slow_ns = now->mono_ns + SLOW_NS,
	    .give_up_ns = now->mono_ns + CALL_NS,
	};
	memcpy(c->id, to.id, NODE_ID_LEN);
	memcpy(c->link_key, to.link_public, DH_LEN);
	return c->peer != 0;
}

static bool call_one(struct membership *m, const struct now *now)
{
	struct call *c = free_call(m);

	if (c == NULL)
		return false;
	while (m->round.is_by_path && m->round.paths_lost < PATHS_LOST_MAX) {
		if (call_by_path(m, c, now))
			break;
		m->round.paths_lost++;
	}
	if (c->peer == 0 && !call_by_link(m, c, now))
		return false;
	m->round.attempts++;
	return true;
}

/* Nothing is asked of it any more; a link runs out by itself. */
static void end_call(struct membership *m, struct call *c, const struct now *now)
{
	if ((c->peer & PATH_PEER) != 0)
		engine_path_close(m->params.engine, (uint32_t)c->peer, now);
	c->peer = 0;
}

/* ---- rounds ---- */

/* Those that may still be answered; one that is slow may, but is not waited for. */
static unsigned calls_under_way(const struct membership *m, const struct now *now)
{
	unsigned n = 0;

	for (size_t i = 0; i < CALLS_MAX; i++) {
		const struct call *c = &m->calls[i];

		n += c->peer != 0 &&
		     (c->slow_ns > now->mono_ns || dirsync_is_heard(m->sync, c->peer));
	}
	return n;
}

/* How many more mirrors this round needs, as far as one can tell yet. */
static unsigned mirrors_needed(const struct membership *m)
{
	const struct round *r = &m->round;
	const unsigned wanted = membership_is_node(m) && m->is_heard ? 1 : MIRRORS_WANTED;

	if (r->done < wanted)
		return wanted - r->done;
	return membership_is_node(m) || r->barren >= BARREN_ENOUGH ? 0 : 1;
}

static unsigned pulls_under_way(const struct membership *m)
{
	unsigned n = 0;

	for (size_t i = 0; i < CALLS_MAX; i++)
		n += m->calls[i].peer != 0 && m->calls[i].give_up_ns == NEVER;
	return n;
}

/* At first nobody knows who is there: all that one has is tried at once, until somebody answers;
 * the others that he tells of are asked when he has told all, for what is new to us then. */
static unsigned calls_wanted(const struct membership *m)
{
	const unsigned needed = mirrors_needed(m), pulls = pulls_under_way(m);

	if (m->is_met)
		return needed;
	return pulls == 0 ? CALLS_MAX : MIN(pulls, needed);
}

static uint64_t jittered(const struct membership *m, uint64_t ns)
{
	return ns - ns / 8 + rng_below(m->params.rng, ns / 4 + 1);
}

static void end_round(struct membership *m, const struct now *now)
{
	const bool is_content = m->round.done > 0 && membership_has_view(m);
	const uint64_t most = is_content ? period_ns(m) : MIN(period_ns(m), RETRY_MAX_NS);

	m->round.is_running = false;
	m->rounds++;
	m->next_round_ns = MAX(m->round.began_ns + jittered(m, MIN(m->gap_ns, most)), now->mono_ns);
	/* A mesh that is being started changes quickly: the first rounds follow each other soon. */
	m->gap_ns = MIN(2 * m->gap_ns, most);
}

static void step_round(struct membership *m, const struct now *now)
{
	while (m->round.is_running) {
		const unsigned wanted = calls_wanted(m);

		if (wanted > calls_under_way(m, now) && m->round.attempts < ATTEMPTS_MAX &&
		    call_one(m, now))
			continue;
		if (calls_under_way(m, now) > 0 || (wanted > 0 && busy(m).count > 0))
			return;
		end_round(m, now);
	}
}

static void begin_round(struct membership *m, const struct now *now)
{
	m->round = (struct round){.is_running = true,
				  .began_ns = now->mono_ns,
				  .is_by_path = m->paths.open != NULL && m->is_heard};
	m->next_round_ns = NEVER;
	step_round(m, now);
}

/* ---- what happens ---- */

static struct call *call_to(struct membership *m, uint64_t peer)
{
	for (size_t i = 0; i < CALLS_MAX; i++)
		if (m->calls[i].peer == peer)
			return &m->calls[i];
	return NULL;
}

static void on_pulled(struct membership *m, const struct dirsync_event *ev, const struct now *now)
{
	struct call *c = call_to(m, ev->peer);

	if (c == NULL)
		return; /* it was behind, or we; nothing follows from that */
	mirrors_pulled(&m->mirrors, c->id, ev->verdict, &ev->result, now);
	mirrors_compare(&m->mirrors, m->round.began_ns);
	end_call(m, c, now);
	if (ev->verdict != PULL_DONE)
		return;
	if (!mirrors_is_proven(&m->mirrors, c->id, c->link_key)) {
		/* Whatever it told was verified, but all of it may be little. */
		mirrors_failed(&m->mirrors, c->id, now);
		return;
	}
	m->path_pulls += (ev->peer & PATH_PEER) != 0;
	m->is_heard = m->is_met = true;
	m->round.done++;
	m->round.barren = ev->result.added == 0 ? m->round.barren + 1 : 0;
}

static void on_sync(struct membership *m, const struct dirsync_event *ev, const struct now *now)
{
	switch (ev->type) {
	case DIRSYNC_PULLED:
		on_pulled(m, ev, now);
		break;
	case DIRSYNC_BEHIND: /* if not now, then by our own choice, later */
		if (dirsync_pull(m->sync, ev->peer, now) == 0)
			m->reverse_pulls++;
		break;
	case DIRSYNC_REFUSED:
		m->refusal = ev->refusal;
		m->refusal_error = ev->error;
		break;
	}
}

static void send(struct membership *m, const struct sync_out *out, const struct now *now)
{
	struct engine_message to = {.to = out->peer, .reply = out->reply};

	if ((out->peer & PATH_PEER) != 0) {
		engine_path_message(m->params.engine, (uint32_t)out->peer, out->body, out->answers,
				    now);
		return;
	}
	memcpy(to.body, out->body, sizeof(to.body));
	engine_message_send(m->params.engine, &to, now);
}

static void pump(struct membership *m, const struct now *now)
{
	struct dirsync_event ev;
	struct sync_out out;

	while (dirsync_next_event(m->sync, &ev))
		on_sync(m, &ev, now);
	step_round(m, now);
	while (dirsync_next_out(m->sync, &out, now))
		send(m, &out, now);
}

/* Pulled from: the pull itself tells when it is over. */
static struct call answering(const struct call *c, const struct now *now)
{
	struct call out = *c;

	out.give_up_ns = NEVER;
	out.slow_ns = now->mono_ns + ((c->peer & PATH_PEER) != 0 ? PATH_SLOW_NS : SLOW_NS);
	return out;
}

/* The way to a mirror stands. */
static void begin_pull(struct membership *m, uint64_t peer, const struct now *now)
{
	struct call *c = call_to(m, peer);

	if (c == NULL || c->give_up_ns == NEVER)
		return;
	if (pulls_under_way(m) >= MAX(mirrors_needed(m), 1u))
		end_call(m, c, now); /* others were faster */
	else if (dirsync_pull(m->sync, peer, now) == 0)
		*c = answering(c, now);
	else
		end_call(m, c, now); /* it was pulled from anyway */
}

static void link_up(struct membership *m, const struct engine_event *ev, const struct now *now)
{
	if (membership_is_node(m) && ev->link_says_node && ev->rtt_ns != 0)
		rtts_note(&m->rtts, m->params.dir, ev->link_key, ev->rtt_ns, now);
	begin_pull(m, ev->link, now);
}

/* is_mirrors_fault: as far as one can tell. */
static void lose_way(struct membership *m, uint64_t peer, bool is_mirrors_fault,
		     const struct now *now)
{
	struct call *c = call_to(m, peer);

	dirsync_down(m->sync, peer); /* tells of the end of a pull */
	if (c == NULL || c->give_up_ns == NEVER)
		return;
	if (is_mirrors_fault)
		mirrors_failed(&m->mirrors, c->id, now);
	end_call(m, c, now);
}

static void path_lost(struct membership *m, const struct engine_event *ev, const struct now *now)
{
	if (call_to(m, PATH_PEER | ev->path) == NULL)
		return; /* not ours */
	m->round.paths_lost++;
	lose_way(m, PATH_PEER | ev->path, false, now);
}

void membership_on_event(struct membership *m, const struct engine_event *ev, const struct now *now)
{
	switch (ev->type) {
	case EVENT_LINK_UP:
		link_up(m, ev, now);
		break;
	case EVENT_LINK_DOWN:
		lose_way(m, ev->link, true, now);
		break;
	case EVENT_LINK_MESSAGE:
		(void)dirsync_recv(m->sync, ev->link, ev->link_is_node, ev->body, now);
		break;
	case EVENT_CIRCUIT_MESSAGE:
		(void)dirsync_asked(m->sync, ev->circuit, ev->reply, ev->body, now);
		break;
	case EVENT_PATH_OPEN:
		begin_pull(m, PATH_PEER | ev->path, now);
		break;
	case EVENT_PATH_FAILED:
	case EVENT_PATH_CLOSED:
		path_lost(m, ev, now);
		break;
	case EVENT_PATH_MESSAGE:
		(void)dirsync_recv(m->sync, PATH_PEER | ev->path, false, ev->body, now);
		break;
	case EVENT_ECHO:
	case EVENT_SESSION_OPEN:
	case EVENT_SESSION_FAILED:
	case EVENT_PATH_ATTACHED:
	case EVENT_PATH_ATTACH_FAILED:
	case EVENT_PATH_SUSPECT:
	case EVENT_PATH_RECOVERED:
	case EVENT_COUNTERS:
		return;
	}
	pump(m, now);
}

enum directory_result membership_publish(struct membership *m, const uint8_t *bytes, size_t len,
					 const struct now *now)
{
	const enum directory_result r = dirsync_publish(m->sync, bytes, len, now);

	m->refusal = r <= DIRECTORY_KNOWN ? DIRECTORY_ADDED : r; /* forgotten with what it was of */
	m->refusal_error = DESCRIPTOR_OK;
	pump(m, now);
	return r;
}

/* ---- the owner's wishes ---- */

static void leave(struct membership *m, const struct now *now)
{
	for (size_t i = 0; i < CALLS_MAX; i++) {
		const uint64_t peer = m->calls[i].peer;

		if (peer == 0)
			continue;
		end_call(m, &m->calls[i], now);
		dirsync_down(m->sync, peer);
	}
	m->round.is_running = false;
	m->next_round_ns = NEVER;
}

void membership_want(struct membership *m, bool want, const struct now *now)
{
	leave(m, now);
	m->is_wanted = want;
	m->is_met = false;
	m->gap_ns = MIN(EARLY_NS, period_ns(m));
	m->is_heard |= !membership_is_node(m) && directory_count(m->params.dir) > 0;
	if (!want)
		return;
	m->next_round_ns = now->mono_ns;
	membership_tick(m, now);
}

void membership_refresh(struct membership *m, const struct now *now)
{
	if (!m->is_wanted || m->round.is_running)
		return;
	m->next_round_ns =
	    MIN(m->next_round_ns, MAX(now->mono_ns, m->round.began_ns + REFRESH_GAP_NS));
}

void membership_found(struct membership *m, const struct seed *seed, const struct now *now)
{
	if (!mirrors_found(&m->mirrors, seed))
		return;
	m->has_found = true;
	membership_refresh(m, now);
}

void membership_hurry(struct membership *m, const struct now *now)
{
	if (!m->is_wanted)
		return;
	mirrors_forgive(&m->mirrors);
	membership_want(m, true, now);
}

/* ---- time ---- */

/* A young mesh would have nobody in view for an hour. */
static uint64_t epoch_length_s(const struct membership *m)
{
	const struct registry *reg = m->params.registry;
	struct registry_member first;

	if (m->params.epoch_s != 0)
		return m->params.epoch_s;
	return reg != NULL && registry_by_slot(reg, 0, &first) &&
		       m->wall_s > first.added_s + MESH_YOUNG_S
		   ? EPOCH_S
		   : 0;
}

static void turn_epoch(struct membership *m)
{
	const uint64_t length_s = epoch_length_s(m);

	if (length_s == 0)
		return;
	m->epoch_s = m->wall_s - m->wall_s % length_s;
	directory_set_view(m->params.dir,
			   m->epoch_s - MIN(m->epoch_s, length_s / EPOCH_DELAY_PART));
}

static uint64_t epoch_deadline(const struct membership *m, const struct now *now)
{
	const uint64_t length_ns = epoch_length_s(m) * NS_PER_S;

	return length_ns == 0 || !m->is_wanted
		   ? NEVER
		   : now->mono_ns + length_ns - now->wall_ns % length_ns;
}

/* When the registry's head gets too old to be relied on. */
static uint64_t head_deadline(const struct membership *m, const struct now *now)
{
	const uint64_t age_s = m->params.head_max_age_s;
	uint64_t old_ns;

	if (m->params.registry == NULL || age_s == 0)
		return NEVER;
	old_ns = (registry_head(m->params.registry)->time_s + age_s + 1) * NS_PER_S;
	return old_ns > now->wall_ns ? now->mono_ns + (old_ns - now->wall_ns) : NEVER;
}

static void give_up_calls(struct membership *m, const struct now *now)
{
	for (size_t i = 0; i < CALLS_MAX; i++) {
		struct call *c = &m->calls[i];

		if (c->peer == 0 || c->give_up_ns > now->mono_ns)
			continue;
		if ((c->peer & PATH_PEER) != 0)
			m->round.paths_lost++;
		else
			mirrors_failed(&m->mirrors, c->id, now);
		end_call(m, c, now);
	}
}

/* The head has got old since the next round was planned: until it is vouched for anew we are of no
 * use. */
static void hurry_for_head(struct membership *m, const struct now *now)
{
	const uint64_t soon_ns = now->mono_ns + RETRY_MAX_NS;

	if (m->is_heard && m->next_round_ns != NEVER && m->next_round_ns > soon_ns &&
	    !membership_has_view(m))
		m->next_round_ns = soon_ns - rng_below(m->params.rng, RETRY_MAX_NS / 4);
}

void membership_tick(struct membership *m, const struct now *now)
{
	m->wall_s = now->wall_ns / NS_PER_S;
	hurry_for_head(m, now);
	m->has_found = false;
	turn_epoch(m);
	give_up_calls(m, now);
	if (m->next_round_ns <= now->mono_ns)
		begin_round(m, now);
	dirsync_tick(m->sync, now);
	pump(m, now);
}

static uint64_t next_look_ns(const struct call *c, const struct now *now)
{
	return c->slow_ns > now->mono_ns ? MIN(c->slow_ns, c->give_up_ns) : c->give_up_ns;
}

uint64_t membership_deadline(const struct membership *m, const struct now *now)
{
	uint64_t due = MIN(dirsync_deadline(m->sync, now), m->next_round_ns);

	if (m->has_found)
		return now->mono_ns;
	for (size_t i = 0; i < CALLS_MAX; i++)
		if (m->calls[i].peer != 0)
			due = MIN(due, next_look_ns(&m->calls[i], now));
	return MIN(due, MIN(epoch_deadline(m, now), head_deadline(m, now)));
}
