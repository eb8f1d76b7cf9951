/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Descriptor exchange: who our neighbours are, serving their questions, pushing our own descriptor.
 * The pull of a source is in dirsync_pull.c, the messages in dirsync_msg.c.
 */
#include "mesh/dirsync.h"

#include <errno.h>

#include "mesh/dirsync_pull.h"
#include "util/bucket.h"
#include "util/map.h"
#include "util/xalloc.h"

enum {
	MAX_PEERS_DEFAULT = 4096,
	/* Replies waiting to be sent, in all and for one peer; what is more is asked again. */
	REPLIES_MAX = 256,
	PEER_REPLIES_MAX = PULL_WINDOW_MAX,

	/* What a neighbour is granted, per second and at once. */
	GET_RATE = 2000,
	GET_BURST = 256,
	PUSH_RATE = 1,
	PUSH_BURST = 8,
	PUSH_TRIES_MAX = 8,
};

#define PERIOD_DEFAULT_NS (600 * NS_PER_S)
#define RETRY_PERIOD_NS   (10 * NS_PER_S) /* after a source that did not answer, at most */

enum push_state {
	PUSH_IDLE,
	PUSH_READY,
	PUSH_SENT,
};

struct source {
	uint32_t link_id; /* 0: unused */
	bool is_up;
	struct pull pull;
	uint64_t next_pull_ns;
	enum push_state push;
	uint64_t push_sent_ns;
	uint16_t push_request;
	uint8_t push_tries;
};

struct peer {
	uint32_t link_id;
	unsigned replies; /* waiting */
	struct bucket gets, pushes;
	struct source *source; /* NULL: only a neighbour */
};

struct reply {
	uint32_t link_id;
	struct dirsync_msg msg; /* the GET to be answered, or the PUSHED to be sent */
};

struct dirsync {
	struct dirsync_params params;
	struct map peers; /* link id -> peer */
	struct source sources[DIRSYNC_SOURCES_MAX];
	struct reply replies[REPLIES_MAX]; /* ring */
	unsigned replies_head, replies_len;
	uint8_t own[DESCRIPTOR_MAX];
	uint16_t own_len; /* 0: nothing published */
	bool is_complete, tell_complete, tell_refused;
	uint64_t told_version;
	struct dirsync_stats stats;
};

struct dirsync *dirsync_create(const struct dirsync_params *params)
{
	struct dirsync *ds = xcalloc(1, sizeof(*ds));

	ds->params = *params;
	if (ds->params.period_ns == 0)
		ds->params.period_ns = PERIOD_DEFAULT_NS;
	if (ds->params.max_peers == 0)
		ds->params.max_peers = MAX_PEERS_DEFAULT;
	ds->told_version = directory_version(params->dir);
	map_init(&ds->peers, 64, params->rng);
	return ds;
}

void dirsync_free(struct dirsync *ds)
{
	if (ds == NULL)
		return;
	for (size_t i = 0; i < (size_t)1 << ds->peers.bits; i++)
		free(ds->peers.slots[i].value);
	map_fini(&ds->peers);
	free(ds);
}

/* Peers */

/* The source of that link from before, a free one, or the place of one that is down. */
static struct source *source_for(struct dirsync *ds, uint32_t link_id)
{
	struct source *best = NULL;

	for (unsigned i = 0; i < DIRSYNC_SOURCES_MAX; i++) {
		struct source *s = &ds->sources[i];

		if (s->link_id == link_id)
			return s;
		if (!s->is_up && (best == NULL || s->link_id == 0))
			best = s;
	}
	if (best != NULL)
		*best = (struct source){.link_id = link_id};
	return best;
}

static int make_source(struct dirsync *ds, struct peer *peer, const struct now *now)
{
	struct source *s = source_for(ds, peer->link_id);

	if (s == NULL)
		return -ENOSPC;
	s->is_up = true;
	s->next_pull_ns = now->mono_ns;
	peer->source = s;
	return 0;
}

int dirsync_peer_up(struct dirsync *ds, uint32_t link_id, enum dirsync_peer_kind kind,
		    const struct now *now)
{
	struct peer *peer = map_get(&ds->peers, link_id);

	if (peer == NULL) {
		if (ds->peers.count >= ds->params.max_peers)
			return -ENOSPC;
		peer = xcalloc(1, sizeof(*peer));
		peer->link_id = link_id;
		map_put(&ds->peers, link_id, peer);
	}
	if (kind == DIRSYNC_NEIGHBOUR || peer->source != NULL)
		return 0;
	return make_source(ds, peer, now);
}

void dirsync_peer_down(struct dirsync *ds, uint32_t link_id)
{
	struct peer *peer = map_del(&ds->peers, link_id);

	if (peer == NULL)
		return;
	if (peer->source != NULL) {
		peer->source->is_up = false;
		peer->source->push = PUSH_IDLE;
		pull_stop(&peer->source->pull);
	}
	free(peer);
}

/* Our own descriptor */

static void want_push(struct dirsync *ds, struct source *s)
{
	if (ds->own_len == 0)
		return;
	s->push = PUSH_READY;
	s->push_tries = 0;
	s->push_request++;
}

enum directory_result dirsync_publish(struct dirsync *ds, const uint8_t *bytes, size_t len,
				      const struct now *now)
{
	const enum directory_result result = directory_add(ds->params.dir, bytes, len, now, NULL);

	if (result != DIRECTORY_ADDED && result != DIRECTORY_NEWER && result != DIRECTORY_KNOWN)
		return result;
	memcpy(ds->own, bytes, len);
	ds->own_len = (uint16_t)len;
	for (unsigned i = 0; i < DIRSYNC_SOURCES_MAX; i++)
		if (ds->sources[i].is_up)
			want_push(ds, &ds->sources[i]);
	return result;
}

static enum drop recv_pushed(struct dirsync *ds, struct source *s, const struct dirsync_msg *m)
{
	if (s == NULL || s->push != PUSH_SENT || s->push_request != m->request)
		return DROP_LINKCTL;
	s->push = PUSH_IDLE;
	ds->stats.push_result = m->result;
	ds->stats.push_error = m->error;
	if (m->result != DIRECTORY_ADDED && m->result != DIRECTORY_NEWER &&
	    m->result != DIRECTORY_KNOWN)
		ds->tell_refused = true;
	return DROP_NONE;
}

/* Serving */

static enum drop queue_reply(struct dirsync *ds, struct peer *peer, const struct dirsync_msg *m)
{
	if (ds->replies_len == REPLIES_MAX || peer->replies == PEER_REPLIES_MAX)
		return DROP_NO_BUFFER;
	peer->replies++;
	ds->replies[(ds->replies_head + ds->replies_len++) % REPLIES_MAX] =
	    (struct reply){.link_id = peer->link_id, .msg = *m};
	return DROP_NONE;
}

static enum drop recv_get(struct dirsync *ds, struct peer *peer, const struct dirsync_msg *m,
			  const struct now *now)
{
	if (!bucket_take(&peer->gets, GET_RATE, GET_BURST, now->mono_ns)) {
		ds->stats.rate_limited++;
		return DROP_RATE;
	}
	return queue_reply(ds, peer, m);
}

static enum drop recv_push(struct dirsync *ds, struct peer *peer, const struct dirsync_msg *m,
			   const struct now *now)
{
	struct dirsync_msg answer = {.type = DIRSYNC_PUSHED, .request = m->request};

	if (!bucket_take(&peer->pushes, PUSH_RATE, PUSH_BURST, now->mono_ns)) {
		ds->stats.rate_limited++;
		return DROP_RATE;
	}
	answer.result =
	    directory_add(ds->params.dir, m->items[0].bytes, m->items[0].len, now, &answer.error);
	ds->stats.pushes_taken += answer.result <= DIRECTORY_NEWER;
	return queue_reply(ds, peer, &answer);
}

/* The DATA that answers a GET, with descriptors borrowed from the directory. */
static struct dirsync_msg answer_get(struct dirsync *ds, const struct dirsync_msg *get)
{
	const struct directory *dir = ds->params.dir;
	struct dirsync_msg m = {
	    .type = DIRSYNC_DATA,
	    .request = get->request,
	    .epoch = directory_epoch(dir),
	    .from = get->from,
	    .next = get->from,
	    .last = directory_last_change(dir),
	    .total = (uint32_t)directory_count(dir),
	};
	size_t room = CELL_BODY_LEN - DIRSYNC_DATA_HEAD_LEN;

	if (get->epoch != 0 && get->epoch != m.epoch)
		return m;
	for (;;) {
		uint64_t change = m.next;
		const struct descriptor *d = directory_next(dir, &change);
		const uint8_t *raw;
		size_t len;

		if (d == NULL) {
			m.next = MAX(m.next, m.last);
			return m;
		}
		if (change > get->to) {
			m.next = change - 1;
			return m;
		}
		raw = directory_raw(d, &len);
		if (m.count == DIRSYNC_ITEMS_MAX || room < 2 + len)
			return m;
		m.items[m.count++] = (struct dirsync_item){.bytes = raw, .len = (uint16_t)len};
		m.next = change;
		room -= 2 + len;
	}
}

static bool next_reply(struct dirsync *ds, uint32_t *link_id, uint8_t *body)
{
	while (ds->replies_len > 0) {
		const struct reply *r = &ds->replies[ds->replies_head];
		struct peer *peer = map_get(&ds->peers, r->link_id);
		struct dirsync_msg m = r->msg;

		ds->replies_head = (ds->replies_head + 1) % REPLIES_MAX;
		ds->replies_len--;
		if (peer == NULL)
			continue;      /* went down since it asked */
		if (peer->replies > 0) /* else: it went and came */
			peer->replies--;
		if (m.type == DIRSYNC_GET) {
			m = answer_get(ds, &r->msg);
			ds->stats.requests_served++;
		}
		*link_id = r->link_id;
		dirsync_encode(&m, body);
		return true;
	}
	return false;
}

/* Pulling */

/* Neighbours of a crowd that started together drift apart. */
static uint64_t jittered(const struct dirsync *ds, uint64_t period_ns)
{
	return period_ns - period_ns / 8 + rng_below(ds->params.rng, period_ns / 4 + 1);
}

static void begin_pull(struct dirsync *ds, struct source *s, const struct now *now)
{
	pull_start(&s->pull, now);
	s->next_pull_ns = now->mono_ns + jittered(ds, ds->params.period_ns);
	want_push(ds, s); /* it may have restarted and forgotten us */
}

static void source_lied(struct dirsync *ds)
{
	ds->stats.sources_dropped++;
	ds->tell_refused = true;
}

static enum drop recv_data(struct dirsync *ds, struct source *s, const struct dirsync_msg *m,
			   const struct now *now)
{
	if (s == NULL)
		return DROP_LINKCTL;
	switch (pull_take(&s->pull, ds->params.dir, m, now)) {
	case PULL_UNASKED:
		return DROP_LINKCTL;
	case PULL_LIED:
		source_lied(ds);
		return DROP_LINKCTL;
	case PULL_DONE:
		ds->is_complete = ds->tell_complete = true;
		break;
	case PULL_GOES_ON:
		break;
	}
	ds->stats.replies_received++;
	ds->stats.last_total = m->total;
	return DROP_NONE;
}

enum drop dirsync_recv(struct dirsync *ds, uint32_t link_id,
		       const uint8_t body[static CELL_BODY_LEN], const struct now *now)
{
	struct peer *peer = map_get(&ds->peers, link_id);
	struct dirsync_msg m;

	if (peer == NULL || dirsync_decode(&m, body) != 0)
		return DROP_LINKCTL;
	switch (m.type) {
	case DIRSYNC_GET:
		return ds->params.is_node ? recv_get(ds, peer, &m, now) : DROP_LINKCTL;
	case DIRSYNC_PUSH:
		return ds->params.is_node ? recv_push(ds, peer, &m, now) : DROP_LINKCTL;
	case DIRSYNC_DATA:
		return recv_data(ds, peer->source, &m, now);
	case DIRSYNC_PUSHED:
		return recv_pushed(ds, peer->source, &m);
	}
	return DROP_LINKCTL;
}

static bool next_push(struct dirsync *ds, struct source *s, struct dirsync_msg *m,
		      const struct now *now)
{
	if (s->push != PUSH_READY)
		return false;
	s->push = PUSH_SENT;
	s->push_sent_ns = now->mono_ns;
	ds->stats.pushes_sent++;
	*m = (struct dirsync_msg){
	    .type = DIRSYNC_PUSH,
	    .request = s->push_request,
	    .count = 1,
	    .items = {{.bytes = ds->own, .len = ds->own_len}},
	};
	return true;
}

bool dirsync_next_out(struct dirsync *ds, uint32_t *link_id, uint8_t body[static CELL_BODY_LEN],
		      const struct now *now)
{
	struct dirsync_msg m;

	if (next_reply(ds, link_id, body))
		return true;
	for (unsigned i = 0; i < DIRSYNC_SOURCES_MAX; i++) {
		struct source *s = &ds->sources[i];

		if (!s->is_up)
			continue;
		if (!next_push(ds, s, &m, now)) {
			if (!pull_next_out(&s->pull, &m, now))
				continue;
			ds->stats.requests_sent++;
		}
		*link_id = s->link_id;
		dirsync_encode(&m, body);
		return true;
	}
	return false;
}

void dirsync_refresh(struct dirsync *ds, const struct now *now)
{
	for (unsigned i = 0; i < DIRSYNC_SOURCES_MAX; i++)
		ds->sources[i].next_pull_ns = now->mono_ns;
}

/* Timers */

static void tick_push(struct source *s, const struct now *now)
{
	if (s->push != PUSH_SENT ||
	    now->mono_ns < s->push_sent_ns + pull_timeout_ns(&s->pull, s->push_tries))
		return;
	/* Given up until the next period brings a new attempt. */
	s->push = ++s->push_tries > PUSH_TRIES_MAX ? PUSH_IDLE : PUSH_READY;
}

static void tick_source(struct dirsync *ds, struct source *s, const struct now *now)
{
	if (!pull_tick(&s->pull, now, &ds->stats.requests_lost))
		s->next_pull_ns =
		    now->mono_ns + jittered(ds, MIN(ds->params.period_ns, RETRY_PERIOD_NS));
	if (!s->pull.is_running && now->mono_ns >= s->next_pull_ns)
		begin_pull(ds, s, now);
	tick_push(s, now);
}

void dirsync_tick(struct dirsync *ds, const struct now *now)
{
	for (unsigned i = 0; i < DIRSYNC_SOURCES_MAX; i++)
		if (ds->sources[i].is_up)
			tick_source(ds, &ds->sources[i], now);
	directory_expire(ds->params.dir, now);
}

static uint64_t source_deadline(const struct source *s)
{
	uint64_t deadline = pull_deadline(&s->pull);

	if (!s->pull.is_running)
		deadline = s->next_pull_ns;
	if (s->push == PUSH_READY)
		deadline = 0;
	if (s->push == PUSH_SENT)
		deadline =
		    MIN(deadline, s->push_sent_ns + pull_timeout_ns(&s->pull, s->push_tries));
	return deadline;
}

uint64_t dirsync_deadline(const struct dirsync *ds, const struct now *now)
{
	uint64_t deadline = directory_deadline(ds->params.dir, now);

	if (ds->replies_len > 0)
		return now->mono_ns;
	for (unsigned i = 0; i < DIRSYNC_SOURCES_MAX; i++)
		if (ds->sources[i].is_up)
			deadline = MIN(deadline, source_deadline(&ds->sources[i]));
	return MAX(deadline, now->mono_ns);
}

/* Events */

static bool take(bool *flag)
{
	const bool was = *flag;

	*flag = false;
	return was;
}

enum dirsync_event dirsync_next_event(struct dirsync *ds)
{
	const uint64_t version = directory_version(ds->params.dir);

	if (ds->told_version != version) {
		ds->told_version = version;
		return DIRSYNC_EVENT_CHANGED;
	}
	if (take(&ds->tell_complete))
		return DIRSYNC_EVENT_COMPLETE;
	if (take(&ds->tell_refused))
		return DIRSYNC_EVENT_REFUSED;
	return DIRSYNC_EVENT_NONE;
}

bool dirsync_is_complete(const struct dirsync *ds)
{
	return ds->is_complete;
}

const struct dirsync_stats *dirsync_stats(const struct dirsync *ds)
{
	return &ds->stats;
}
