/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mesh/sync_serve.h"

#include <assert.h>

#include "mesh/sync_stream.h"
#include "util/xalloc.h"

enum {
	SERVE_CELLS_PER_S = 10000, /* 117 Mbit/s */
	SERVE_CELLS_BURST = 256,
	/* For each neighbour. */
	PEER_CELLS_PER_S = 2500, /* 29 Mbit/s */
	PEER_CELLS_BURST = 32,
	ASKS_PER_S = 200,
	ASKS_BURST = 64,
	PUSHES_PER_S = 1,
	PUSHES_BURST = 8,
};

#define PEER_IDLE_NS (60 * NS_PER_S)
#define PAUSE_NS     (2 * NS_PER_MS) /* several cells at once wake us up less often */

/* A question and how far its answer is. */
struct serve_job {
	struct list in_peer;
	struct sync_msg msg;
	uint8_t body[CELL_BODY_LEN]; /* that msg points into */
	uint64_t reply;              /* of the next answer */
	struct stream_writer writer;
	unsigned part;              /* FETCH: the one under way ... */
	uint8_t after[NODE_ID_LEN]; /* ... and the last id looked at, if has_after */
	bool has_after;
};

struct serve_peer {
	uint64_t number;
	struct list in_serve; /* idle or busy */
	struct list jobs;
	unsigned job_count;
	struct bucket asks, pushes, cells;
	uint64_t ready_ns; /* no cells before */
	uint64_t heard_ns;
};

void serve_init(struct serve *s, struct directory *dir, const struct registry *registry,
		const struct rng *rng, uint32_t cells_per_s)
{
	*s = (struct serve){.dir = dir,
			    .registry = registry,
			    .cells_per_s = cells_per_s != 0 ? cells_per_s : SERVE_CELLS_PER_S};
	map_init(&s->peers, 16, rng);
	list_init(&s->idle);
	list_init(&s->busy);
}

static void job_free(struct serve *s, struct serve_peer *peer, struct serve_job *job)
{
	list_del(&job->in_peer);
	peer->job_count--;
	s->jobs--;
	free(job);
}

static void peer_free(struct serve *s, struct serve_peer *peer)
{
	list_for_each_safe (it, tmp, &peer->jobs)
		job_free(s, peer, container_of(it, struct serve_job, in_peer));
	map_del(&s->peers, peer->number);
	list_del(&peer->in_serve);
	free(peer);
}

static void free_all(struct serve *s, struct list *peers)
{
	list_for_each_safe (it, tmp, peers)
		peer_free(s, container_of(it, struct serve_peer, in_serve));
}

void serve_fini(struct serve *s)
{
	free_all(s, &s->idle);
	free_all(s, &s->busy);
	map_fini(&s->peers);
}

void serve_forget(struct serve *s, uint64_t number)
{
	struct serve_peer *peer = map_get(&s->peers, number);

	if (peer != NULL)
		peer_free(s, peer);
}

static struct serve_peer *oldest_idle(const struct serve *s)
{
	if (list_is_empty(&s->idle))
		return NULL;
	return container_of(s->idle.next, struct serve_peer, in_serve);
}

/* The state of a neighbour, from its first question on. */
static struct serve_peer *peer_for(struct serve *s, uint64_t number)
{
	struct serve_peer *peer = map_get(&s->peers, number);

	if (peer != NULL)
		return peer;
	if (s->peers.count >= SERVE_PEERS_MAX) {
		if (list_is_empty(&s->idle))
			return NULL;
		peer_free(s, oldest_idle(s));
	}
	peer = xcalloc(1, sizeof(*peer));
	peer->number = number;
	list_init(&peer->jobs);
	list_add_tail(&s->idle, &peer->in_serve);
	map_put(&s->peers, number, peer);
	return peer;
}

/* ---- questions ---- */

static bool is_granted(struct serve_peer *peer, enum sync_type type, uint64_t now_ns)
{
	return type == SYNC_PUSH ? bucket_take(&peer->pushes, PUSHES_PER_S, PUSHES_BURST, now_ns)
				 : bucket_take(&peer->asks, ASKS_PER_S, ASKS_BURST, now_ns);
}

enum drop serve_take(struct serve *s, uint64_t number, uint64_t reply,
		     const uint8_t body[static CELL_BODY_LEN], const struct now *now)
{
	struct serve_peer *peer = peer_for(s, number);
	struct serve_job *job;

	if (peer == NULL)
		return DROP_LIMIT;
	peer->heard_ns = now->mono_ns;
	if (!is_granted(peer, (enum sync_type)body[0], now->mono_ns)) {
		s->stats.rate_limited++;
		return DROP_RATE;
	}
	if (s->jobs >= SERVE_JOBS_MAX || peer->job_count >= SERVE_PEER_JOBS_MAX)
		return DROP_NO_BUFFER;
	job = xcalloc(1, sizeof(*job));
	memcpy(job->body, body, CELL_BODY_LEN);
	job->reply = reply;
	if (sync_decode(&job->msg, job->body) != 0) {
		free(job);
		return DROP_LINKCTL;
	}
	list_add_tail(&peer->jobs, &job->in_peer);
	peer->job_count++;
	s->jobs++;
	s->stats.questions++;
	list_del(&peer->in_serve);
	list_add_tail(&s->busy, &peer->in_serve);
	if (job->msg.type == SYNC_PUSH)
		job->msg.result =
		    directory_add(s->dir, job->msg.bytes, job->msg.len, now, &job->msg.error);
	return DROP_NONE;
}

/* ---- answers ---- */

static bool has_hash(const struct sync_part *p, const uint8_t *hash)
{
	for (unsigned i = 0; i < p->hash_count; i++)
		if (memcmp(p->hashes + (size_t)i * SYNC_HASH_LEN, hash, SYNC_HASH_LEN) == 0)
			return true;
	return false;
}

struct answer {
	struct serve *serve;
	struct serve_job *job;
};

/* The next descriptor that the asker does not have. */
static size_t next_descriptor(void *ctx, uint8_t out[static STREAM_RECORD_MAX])
{
	const struct answer *a = ctx;
	struct serve_job *job = a->job;

	while (job->part < job->msg.count) {
		const struct sync_part *p = &job->msg.parts[job->part];
		const struct tree_part part = {job->msg.level, p->index};
		const struct descriptor *d =
		    directory_part_next(a->serve->dir, part, job->has_after ? job->after : NULL);

		job->has_after = d != NULL;
		if (d == NULL) {
			job->part++;
			continue;
		}
		memcpy(job->after, d->id, NODE_ID_LEN);
		if (has_hash(p, directory_hash(d)))
			continue;
		return directory_bytes(d, out);
	}
	return 0;
}

/* As many whole events of the log as make a record. */
static size_t next_events(void *ctx, uint8_t out[static STREAM_RECORD_MAX])
{
	const struct answer *a = ctx;
	uint64_t count = 0;
	size_t len = 0;
	const uint8_t *bytes = a->serve->registry == NULL
				   ? NULL
				   : registry_events(a->serve->registry, a->job->msg.from,
						     STREAM_RECORD_MAX, &count, &len);

	if (bytes == NULL)
		return 0;
	memcpy(out, bytes, len);
	a->job->msg.from += count;
	return len;
}

_Static_assert(STREAM_RECORD_MAX >= DESCRIPTOR_MAX, "descriptors are records");
_Static_assert(STREAM_RECORD_MAX >= REGISTRY_EVENT_MAX, "events are records");
_Static_assert(SYNC_HEAD_MAX >= REGISTRY_HEAD_MAX, "a head fits");

static struct sync_msg counts_of(struct serve *s, const struct sync_msg *ask)
{
	struct sync_msg m = {.type = SYNC_COUNTS,
			     .request = ask->request,
			     .level = ask->level,
			     .count = ask->count,
			     .total = (uint32_t)directory_count(s->dir)};

	if (s->registry != NULL) {
		size_t len;

		m.head = registry_head_bytes(s->registry, &len);
		m.head_len = (uint8_t)len;
	}
	for (unsigned i = 0; i < ask->count; i++) {
		const struct tree_part part = {ask->level, ask->parts[i].index};

		m.counts[i] = directory_part_count(s->dir, part);
		if (memcmp(directory_part_digest(s->dir, part), ask->parts[i].digest,
			   TREE_DIGEST_LEN) != 0)
			m.counts[i] |= COUNTS_DIFFER;
	}
	return m;
}

/* One cell of the job's answer; whether it was the last. */
static bool answer(struct serve *s, struct serve_job *job, uint8_t *body)
{
	struct sync_msg m = {.request = job->msg.request};
	uint8_t cell[SYNC_STREAM_LEN];

	switch (job->msg.type) {
	case SYNC_ASK:
		m = counts_of(s, &job->msg);
		m.flags = SYNC_LAST;
		break;
	case SYNC_PUSH:
		m.type = SYNC_PUSHED;
		m.result = job->msg.result;
		m.error = job->msg.error;
		m.flags = SYNC_LAST;
		s->stats.pushes++;
		break;
	case SYNC_FETCH:
	case SYNC_EVENTS:
		m.type = SYNC_DATA;
		stream_write(&job->writer, &m, cell,
			     job->msg.type == SYNC_FETCH ? next_descriptor : next_events,
			     &(struct answer){s, job});
		if (job->writer.index == job->msg.credit)
			m.flags |= SYNC_LAST;
		break;
	case SYNC_COUNTS:
	case SYNC_DATA:
	case SYNC_PUSHED:
		assert(false); /* serve_take gets no such */
	}
	sync_encode(&m, body);
	return (m.flags & SYNC_LAST) != 0;
}

static bool may_send(struct serve_peer *peer, const struct now *now)
{
	if (peer->ready_ns > now->mono_ns)
		return false;
	if (bucket_take(&peer->cells, PEER_CELLS_PER_S, PEER_CELLS_BURST, now->mono_ns))
		return true;
	peer->ready_ns = now->mono_ns + PAUSE_NS;
	return false;
}

static struct serve_peer *next_peer(struct serve *s, const struct now *now)
{
	if (s->blocked_ns > now->mono_ns)
		return NULL;
	list_for_each (it, &s->busy) {
		struct serve_peer *peer = container_of(it, struct serve_peer, in_serve);

		if (!may_send(peer, now))
			continue;
		if (bucket_take(&s->cells, s->cells_per_s, SERVE_CELLS_BURST, now->mono_ns))
			return peer;
		s->blocked_ns = now->mono_ns + PAUSE_NS;
		return NULL;
	}
	return NULL;
}

bool serve_next_out(struct serve *s, struct sync_out *out, const struct now *now)
{
	struct serve_peer *peer = next_peer(s, now);
	struct serve_job *job;

	if (peer == NULL)
		return false;
	job = container_of(peer->jobs.next, struct serve_job, in_peer);
	out->peer = peer->number;
	out->reply = job->reply++;
	out->answers = 0;
	s->stats.cells++;
	if (answer(s, job, out->body))
		job_free(s, peer, job);
	list_del(&peer->in_serve);
	list_add_tail(peer->job_count > 0 ? &s->busy : &s->idle, &peer->in_serve);
	return true;
}

/* ---- time ---- */

void serve_tick(struct serve *s, const struct now *now)
{
	struct serve_peer *peer;

	while ((peer = oldest_idle(s)) != NULL && peer->heard_ns + PEER_IDLE_NS <= now->mono_ns)
		peer_free(s, peer);
}

uint64_t serve_deadline(const struct serve *s)
{
	const struct serve_peer *idle = oldest_idle(s);
	uint64_t due = NEVER;

	list_for_each (it, &s->busy)
		due = MIN(due, container_of(it, struct serve_peer, in_serve)->ready_ns);
	due = due != NEVER ? MAX(due, s->blocked_ns) : NEVER;
	return idle != NULL ? MIN(due, idle->heard_ns + PEER_IDLE_NS) : due;
}
