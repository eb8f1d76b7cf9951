/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mesh/dirsync.h"

#include <errno.h>

#include "util/xalloc.h"

enum {
	PUSH_TRIES_MAX = 6,
	EVENTS_MAX = 32,
	ENDED_MAX = 16,
	BEHIND_PER_S = 2, /* at most so often are we told that others have more */
	BEHIND_BURST = 8,
	SINGLE_MAX = 256, /* members looked at one by one when the registry changes */
};

#define PUSH_AGAIN_NS (NS_PER_S / 2)

enum push_state {
	PUSH_IDLE,
	PUSH_READY,
	PUSH_SENT,
};

/* A mirror we pull from, and push to. */
struct source {
	uint64_t peer; /* 0: unused */
	struct pull *pull;
	enum push_state push;
	uint64_t push_sent_ns;
	uint16_t push_request;
	uint8_t push_tries;
};

/* The last question to a mirror that we are done with: a late answer must not seem to be to the
 * next one. */
struct ended {
	uint64_t peer;
	uint16_t request;
};

struct dirsync {
	struct dirsync_params params;
	struct serve serve;
	struct registry_subscriber members;
	struct source sources[DIRSYNC_PULLS_MAX];
	struct ended ended[ENDED_MAX]; /* ring */
	unsigned ended_count;
	struct bucket behind;
	uint8_t own[DESCRIPTOR_MAX];
	uint16_t own_len; /* 0: nothing published */
	uint16_t push_request;
	struct dirsync_event events[EVENTS_MAX]; /* ring */
	unsigned event_head, event_count;
	struct dirsync_stats stats;
};

static struct registry_event event_at(const struct registry *registry, uint64_t i)
{
	size_t len;
	const uint8_t *bytes = registry_event_bytes(registry, i, &len);
	struct reader in = rd_init(bytes, len);
	struct registry_event ev;

	if (registry_event_decode(&ev, &in) != REGISTRY_OK)
		abort(); /* checked when it came */
	return ev;
}

/* Whoever was removed, or has another key now, is forgotten; in a large mesh without looking at
 * everybody else each time. */
static void members_changed(struct registry_subscriber *s, const struct registry *registry,
			    uint64_t first)
{
	struct directory *dir = container_of(s, struct dirsync, members)->params.dir;
	unsigned single = 0;

	for (uint64_t i = first; i < registry_head(registry)->events; i++) {
		const struct registry_event ev = event_at(registry, i);
		struct registry_member m;

		if (ev.type == REGISTRY_ADD)
			continue;
		if (ev.type == REGISTRY_ROTATE || ++single > SINGLE_MAX) {
			directory_recheck(dir);
			return;
		}
		if (registry_by_slot(registry, ev.slot, &m))
			directory_recheck_one(dir, m.record.key);
	}
}

struct dirsync *dirsync_create(const struct dirsync_params *params)
{
	struct dirsync *ds = xcalloc(1, sizeof(*ds));

	ds->params = *params;
	serve_init(&ds->serve, params->dir, params->registry, params->rng, params->cells_per_s);
	ds->members.changed = members_changed;
	list_init(&ds->members.in_registry);
	if (params->registry != NULL)
		registry_subscribe(params->registry, &ds->members);
	return ds;
}

void dirsync_free(struct dirsync *ds)
{
	if (ds == NULL)
		return;
	for (size_t i = 0; i < DIRSYNC_PULLS_MAX; i++)
		pull_free(ds->sources[i].pull);
	serve_fini(&ds->serve);
	registry_unsubscribe(&ds->members);
	free(ds);
}

/* ---- events ---- */

/* The oldest give way: whoever does not take them has a period of his own. */
static struct dirsync_event *tell(struct dirsync *ds, enum dirsync_event_type type, uint64_t peer)
{
	struct dirsync_event *ev;

	if (ds->event_count == EVENTS_MAX) {
		ds->event_head = (ds->event_head + 1) % EVENTS_MAX;
		ds->event_count--;
	}
	ev = &ds->events[(ds->event_head + ds->event_count++) % EVENTS_MAX];
	*ev = (struct dirsync_event){.type = type, .peer = peer};
	return ev;
}

bool dirsync_next_event(struct dirsync *ds, struct dirsync_event *ev)
{
	if (ds->event_count == 0)
		return false;
	*ev = ds->events[ds->event_head];
	ds->event_head = (ds->event_head + 1) % EVENTS_MAX;
	ds->event_count--;
	return true;
}

/* ---- pulling ---- */

static struct source *source_of(struct dirsync *ds, uint64_t peer)
{
	for (size_t i = 0; i < DIRSYNC_PULLS_MAX; i++)
		if (ds->sources[i].peer == peer)
			return &ds->sources[i];
	return NULL;
}

static void want_push(struct dirsync *ds, struct source *s)
{
	if (ds->own_len == 0)
		return;
	s->push = PUSH_READY;
	s->push_tries = 0;
	s->push_request = ++ds->push_request;
}

static uint16_t last_request(const struct dirsync *ds, uint64_t peer)
{
	for (unsigned i = 0; i < ENDED_MAX; i++)
		if (ds->ended[i].peer == peer)
			return ds->ended[i].request;
	return 0;
}

static void keep_last_request(struct dirsync *ds, uint64_t peer, uint16_t request)
{
	struct ended *slot = NULL;

	for (unsigned i = 0; i < ENDED_MAX && slot == NULL; i++)
		if (ds->ended[i].peer == peer)
			slot = &ds->ended[i];
	if (slot == NULL)
		slot = &ds->ended[ds->ended_count++ % ENDED_MAX];
	*slot = (struct ended){peer, request};
}

int dirsync_pull(struct dirsync *ds, uint64_t peer, const struct now *now)
{
	struct source *s = source_of(ds, peer);

	if (s == NULL)
		s = source_of(ds, 0);
	else if (s->pull != NULL)
		return -EALREADY;
	if (s == NULL)
		return -ENOSPC;
	*s = (struct source){
	    .peer = peer,
	    .pull = pull_create(ds->params.dir, ds->params.registry, last_request(ds, peer), now)};
	want_push(ds, s); /* it may not know us, or have restarted and forgotten us */
	return 0;
}

bool dirsync_is_heard(struct dirsync *ds, uint64_t peer)
{
	const struct source *s = source_of(ds, peer);

	return s != NULL && s->pull != NULL && pull_is_heard(s->pull);
}

static void release(struct source *s)
{
	if (s->pull == NULL && s->push == PUSH_IDLE)
		s->peer = 0;
}

static void end_pull(struct dirsync *ds, struct source *s, enum pull_verdict verdict)
{
	struct dirsync_event *ev = tell(ds, DIRSYNC_PULLED, s->peer);

	ev->verdict = verdict;
	ev->result = *pull_result(s->pull);
	ds->stats.pulls_done += verdict == PULL_DONE;
	ds->stats.pulls_failed += verdict == PULL_FAILED;
	ds->stats.mirrors_lied += verdict == PULL_LIED;
	ds->stats.cells_received += ev->result.cells;
	ds->stats.cells_lost += ev->result.lost;
	keep_last_request(ds, s->peer, pull_last_request(s->pull));
	pull_free(s->pull);
	s->pull = NULL;
	release(s);
}

void dirsync_down(struct dirsync *ds, uint64_t peer)
{
	struct source *s = source_of(ds, peer);

	serve_forget(&ds->serve, peer);
	if (s == NULL)
		return;
	s->push = PUSH_IDLE;
	if (s->pull != NULL)
		end_pull(ds, s, PULL_FAILED);
	else
		release(s);
}

static enum drop recv_answer(struct dirsync *ds, struct source *s, const struct sync_msg *m,
			     const struct now *now)
{
	const enum pull_verdict verdict =
	    s != NULL && s->pull != NULL ? pull_take(s->pull, m, now) : PULL_UNASKED;

	switch (verdict) {
	case PULL_GOES_ON:
		return DROP_NONE;
	case PULL_UNASKED:
		return DROP_LINKCTL;
	case PULL_DONE:
	case PULL_FAILED:
	case PULL_LIED:
		end_pull(ds, s, verdict);
	}
	return verdict == PULL_LIED ? DROP_LINKCTL : DROP_NONE;
}

/* ---- our own descriptor ---- */

enum directory_result dirsync_publish(struct dirsync *ds, const uint8_t *bytes, size_t len,
				      const struct now *now)
{
	const enum directory_result result = directory_add(ds->params.dir, bytes, len, now, NULL);

	if (result != DIRECTORY_ADDED && result != DIRECTORY_NEWER && result != DIRECTORY_KNOWN)
		return result;
	memcpy(ds->own, bytes, len);
	ds->own_len = (uint16_t)len;
	for (size_t i = 0; i < DIRSYNC_PULLS_MAX; i++)
		if (ds->sources[i].peer != 0)
			want_push(ds, &ds->sources[i]);
	return result;
}

static enum drop recv_pushed(struct dirsync *ds, struct source *s, const struct sync_msg *m)
{
	struct dirsync_event *ev;

	if (s == NULL || s->push != PUSH_SENT || s->push_request != m->request)
		return DROP_LINKCTL;
	s->push = PUSH_IDLE;
	if (m->result != DIRECTORY_ADDED && m->result != DIRECTORY_NEWER &&
	    m->result != DIRECTORY_KNOWN) {
		ev = tell(ds, DIRSYNC_REFUSED, s->peer);
		ev->refusal = m->result;
		ev->error = m->error;
	}
	release(s);
	return DROP_NONE;
}

static bool next_push(struct dirsync *ds, struct source *s, struct sync_out *out,
		      const struct now *now)
{
	if (s->push != PUSH_READY)
		return false;
	s->push = PUSH_SENT;
	s->push_sent_ns = now->mono_ns;
	ds->stats.pushes_sent++;
	sync_encode(&(struct sync_msg){.type = SYNC_PUSH,
				       .request = s->push_request,
				       .bytes = ds->own,
				       .len = ds->own_len},
		    out->body);
	out->answers = 1;
	return true;
}

static void tick_push(struct source *s, const struct now *now)
{
	if (s->push != PUSH_SENT || now->mono_ns < s->push_sent_ns + PUSH_AGAIN_NS)
		return;
	/* Given up until the next pull brings a new attempt. */
	s->push = ++s->push_tries > PUSH_TRIES_MAX ? PUSH_IDLE : PUSH_READY;
	release(s);
}

/* ---- answering ---- */

static bool is_known(struct directory *dir, struct tree_part part, const uint8_t *hash)
{
	const struct descriptor *d = NULL;

	while ((d = directory_part_next(dir, part, d != NULL ? d->id : NULL)) != NULL)
		if (memcmp(directory_hash(d), hash, SYNC_HASH_LEN) == 0)
			return true;
	return false;
}

/* Whether its question shows that the asker has a descriptor that we have not. */
static bool has_more(struct directory *dir, const struct sync_msg *m)
{
	static const uint8_t nothing[TREE_DIGEST_LEN];

	for (unsigned i = 0; i < m->count; i++) {
		const struct sync_part *p = &m->parts[i];
		const struct tree_part part = {m->level, p->index};

		if (m->type == SYNC_ASK && directory_part_count(dir, part) == 0 &&
		    memcmp(p->digest, nothing, sizeof(nothing)) != 0)
			return true;
		for (unsigned k = 0; k < p->hash_count; k++)
			if (!is_known(dir, part, p->hashes + (size_t)k * SYNC_HASH_LEN))
				return true;
	}
	return false;
}

static enum drop recv_question(struct dirsync *ds, uint64_t peer, bool is_member,
			       const struct sync_msg *m, const uint8_t *body, const struct now *now)
{
	const struct source *s = source_of(ds, peer);
	enum drop why;

	if (!ds->params.is_node)
		return DROP_LINKCTL;
	why = serve_take(&ds->serve, peer, 0, body, now);
	if (why == DROP_NONE && is_member && (s == NULL || s->pull == NULL) &&
	    has_more(ds->params.dir, m) &&
	    bucket_take(&ds->behind, BEHIND_PER_S, BEHIND_BURST, now->mono_ns))
		tell(ds, DIRSYNC_BEHIND, peer);
	return why;
}

enum drop dirsync_recv(struct dirsync *ds, uint64_t peer, bool is_member,
		       const uint8_t body[static CELL_BODY_LEN], const struct now *now)
{
	struct source *s = source_of(ds, peer);
	struct sync_msg m;

	if (sync_decode(&m, body) != 0)
		return DROP_LINKCTL;
	switch (m.type) {
	case SYNC_ASK:
	case SYNC_FETCH:
	case SYNC_EVENTS:
	case SYNC_PUSH:
		return recv_question(ds, peer, is_member, &m, body, now);
	case SYNC_COUNTS:
	case SYNC_DATA:
		return recv_answer(ds, s, &m, now);
	case SYNC_PUSHED:
		return recv_pushed(ds, s, &m);
	}
	return DROP_LINKCTL;
}

/* From whom we cannot know: it is told what there is, and tells us nothing. */
enum drop dirsync_asked(struct dirsync *ds, uint64_t peer, uint64_t reply,
			const uint8_t body[static CELL_BODY_LEN], const struct now *now)
{
	struct sync_msg m;

	if (!ds->params.is_node || sync_decode(&m, body) != 0 ||
	    (m.type != SYNC_ASK && m.type != SYNC_FETCH && m.type != SYNC_EVENTS))
		return DROP_LINKCTL;
	return serve_take(&ds->serve, peer, reply, body, now);
}

/* ---- out, and time ---- */

bool dirsync_next_out(struct dirsync *ds, struct sync_out *out, const struct now *now)
{
	if (serve_next_out(&ds->serve, out, now))
		return true;
	for (size_t i = 0; i < DIRSYNC_PULLS_MAX; i++) {
		struct source *s = &ds->sources[i];

		if (s->peer == 0 || (!next_push(ds, s, out, now) &&
				     (s->pull == NULL || !pull_next_out(s->pull, out, now))))
			continue;
		out->peer = s->peer;
		out->reply = 0;
		return true;
	}
	return false;
}

void dirsync_tick(struct dirsync *ds, const struct now *now)
{
	for (size_t i = 0; i < DIRSYNC_PULLS_MAX; i++) {
		struct source *s = &ds->sources[i];
		enum pull_verdict verdict;

		if (s->peer == 0)
			continue;
		verdict = s->pull != NULL ? pull_tick(s->pull, now) : PULL_GOES_ON;
		if (verdict != PULL_GOES_ON)
			end_pull(ds, s, verdict);
		tick_push(s, now);
	}
	serve_tick(&ds->serve, now);
	directory_expire(ds->params.dir, now);
}

static uint64_t source_deadline(const struct source *s)
{
	uint64_t due = s->pull != NULL ? pull_deadline(s->pull) : NEVER;

	if (s->push == PUSH_READY)
		due = 0;
	if (s->push == PUSH_SENT)
		due = MIN(due, s->push_sent_ns + PUSH_AGAIN_NS);
	return due;
}

uint64_t dirsync_deadline(const struct dirsync *ds, const struct now *now)
{
	uint64_t due = MIN(directory_deadline(ds->params.dir, now), serve_deadline(&ds->serve));

	for (size_t i = 0; i < DIRSYNC_PULLS_MAX; i++)
		if (ds->sources[i].peer != 0)
			due = MIN(due, source_deadline(&ds->sources[i]));
	return MAX(due, now->mono_ns);
}

struct dirsync_stats dirsync_stats(const struct dirsync *ds)
{
	struct dirsync_stats out = ds->stats;

	out.serve = ds->serve.stats;
	return out;
}
