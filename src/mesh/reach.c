/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mesh/reach.h"

#include "util/bucket.h"
#include "util/xalloc.h"

enum {
	SEES_PER_S = 200, /* answered, of all */
	DIALS_PER_S = 10, /* of all ... */
	DIALS_PER_SOURCE_PER_S = 1,
	DIALS_PER_SOURCE_BURST = 6,
	SOURCES_MAX = 256,
	DIALS_MAX = 16, /* at once */
	ANSWERS_MAX = 64,
	PREFIX_LEN = 7, /* of IPv6: a /56, as with cookies */
};

#define DIAL_NS (3 * NS_PER_S) /* for an answer; no second INIT before that */

/* A call under way. */
struct dial {
	struct link *link; /* NULL: free */
	uint32_t asker;
	uint16_t request;
	uint64_t until_ns;
};

struct source {
	uint8_t prefix[16];
	struct bucket dials;
};

struct answer {
	uint32_t link;
	struct reach_msg msg;
};

struct reach {
	struct rng rng;
	struct dh_keypair key; /* of the calls */
	struct cookie_jar jar; /* of the tokens */
	struct links *links;
	struct bucket sees, dials_all;
	struct source sources[SOURCES_MAX];
	struct dial dials[DIALS_MAX];
	struct answer answers[ANSWERS_MAX]; /* ring */
	unsigned head, count;
};

struct reach *reach_create(const struct rng *rng)
{
	struct reach *r = xcalloc(1, sizeof(*r));

	r->rng = *rng;
	dh_keypair_generate(&r->key, &r->rng);
	cookie_jar_init(&r->jar, r->key.public);
	r->links = links_create(&(struct links_params){
	    .identity = &r->key,
	    .rng = &r->rng,
	    .max_links = DIALS_MAX,
	    .retry_ns = DIAL_NS,
	    .init_burst = 1,
	});
	return r;
}

void reach_free(struct reach *r)
{
	if (r == NULL)
		return;
	links_free(r->links);
	secret_wipe(r, sizeof(*r));
	free(r);
}

static void answer(struct reach *r, uint32_t link, const struct reach_msg *m)
{
	if (r->count == ANSWERS_MAX) /* the asker asks again */
		return;
	r->answers[(r->head + r->count++) % ANSWERS_MAX] = (struct answer){link, *m};
}

bool reach_next_out(struct reach *r, uint32_t *link, uint8_t body[static CELL_BODY_LEN])
{
	if (r->count == 0)
		return false;
	*link = r->answers[r->head].link;
	reach_encode(&r->answers[r->head].msg, body);
	r->head = (r->head + 1) % ANSWERS_MAX;
	r->count--;
	return true;
}

static enum drop see(struct reach *r, uint32_t link, const struct endpoint *from,
		     const struct reach_msg *m, const struct now *now)
{
	struct reach_msg out = {
	    .type = REACH_SEEN,
	    .request = m->request,
	    .seen = *from,
	    .time_ms = now->wall_ns / NS_PER_MS,
	};

	if (!bucket_take(&r->sees, SEES_PER_S, SEES_PER_S, now->mono_ns))
		return DROP_RATE;
	cookie_for(&r->jar, from, now, &r->rng, out.token);
	answer(r, link, &out);
	return DROP_NONE;
}

/* ---- calls ---- */

static void tell(struct reach *r, uint32_t link, uint16_t request, enum reach_result result,
		 uint64_t rtt_ns)
{
	answer(r, link,
	       &(struct reach_msg){.type = REACH_DIALED,
				   .request = request,
				   .result = result,
				   .rtt_us = (uint32_t)MIN(rtt_ns / 1000, UINT32_MAX)});
}

/* The bucket of those at this IP, or in the place of whoever asked longest ago. */
static struct bucket *source_bucket(struct reach *r, const struct endpoint *from)
{
	struct source *oldest = &r->sources[0];
	uint8_t prefix[16] = {0};

	memcpy(prefix, from->ip, endpoint_is_v4(from) ? sizeof(from->ip) : PREFIX_LEN);
	for (size_t i = 0; i < SOURCES_MAX; i++) {
		struct source *s = &r->sources[i];

		if (memcmp(s->prefix, prefix, sizeof(prefix)) == 0)
			return &s->dials;
		if (s->dials.filled_ns < oldest->dials.filled_ns)
			oldest = s;
	}
	*oldest = (struct source){0};
	memcpy(oldest->prefix, prefix, sizeof(prefix));
	return &oldest->dials;
}

static struct dial *dial_of(struct reach *r, const struct link *l)
{
	for (size_t i = 0; i < DIALS_MAX; i++)
		if (r->dials[i].link == l)
			return &r->dials[i];
	return NULL;
}

/* False: too much is asked, or somebody asks for this key already. */
static bool begin(struct reach *r, uint32_t asker, const struct endpoint *from,
		  const struct reach_msg *m, const struct now *now)
{
	struct endpoint to = *from;
	struct dial *d = dial_of(r, NULL);
	struct link *l;

	if (d == NULL ||
	    !bucket_take(source_bucket(r, from), DIALS_PER_SOURCE_PER_S, DIALS_PER_SOURCE_BURST,
			 now->mono_ns) ||
	    !bucket_take(&r->dials_all, DIALS_PER_S, 2 * DIALS_PER_S, now->mono_ns))
		return false;
	to.port = m->port;
	/* By another shard for each family, so that the same key may be called over both at once.
	 */
	l = links_get_shard(r->links, m->link_key, SHARD_WISH | endpoint_is_v4(&to), &to);
	if (l == NULL || dial_of(r, l) != NULL)
		return false;
	*d = (struct dial){l, asker, m->request, now->mono_ns + DIAL_NS};
	link_connect(r->links, l, now);
	return true;
}

static enum drop dial(struct reach *r, uint32_t link, const struct endpoint *from,
		      const struct reach_msg *m, const uint8_t *body, const struct now *now)
{
	if (!cookie_mac2_ok(&r->jar, from, now, &r->rng, body, REACH_MAC_OFF, m->mac)) {
		tell(r, link, m->request, REACH_TOKEN, 0);
		return DROP_LINKCTL;
	}
	if (begin(r, link, from, m, now))
		return DROP_NONE;
	tell(r, link, m->request, REACH_REFUSED, 0);
	return DROP_RATE;
}

static void end(struct reach *r, struct dial *d, enum reach_result result, uint64_t rtt_ns)
{
	tell(r, d->asker, d->request, result, rtt_ns);
	link_close(r->links, d->link);
	*d = (struct dial){0};
}

enum drop reach_take(struct reach *r, uint32_t link, const struct endpoint *from,
		     const uint8_t body[static CELL_BODY_LEN], const struct now *now)
{
	struct reach_msg m;

	if (reach_decode(&m, body) != 0)
		return DROP_LINKCTL;
	switch (m.type) {
	case REACH_SEE:
		return see(r, link, from, &m, now);
	case REACH_DIAL:
		return dial(r, link, from, &m, body, now);
	case REACH_SEEN:
	case REACH_DIALED:
		break; /* we asked for nothing */
	}
	return DROP_LINKCTL;
}

/* ---- their socket ---- */

bool reach_next_datagram(struct reach *r, struct link_out *out)
{
	return links_next_out(r->links, out);
}

void reach_recv(struct reach *r, const uint8_t *data, size_t len, const struct endpoint *from,
		const struct now *now)
{
	struct link_event ev;

	/* Only answers: nobody calls a client. */
	if (len == 0 || (data[0] != MSG_LINK_RESP && data[0] != MSG_LINK_COOKIE) ||
	    links_recv_handshake(r->links, data, len, from, now) != DROP_NONE)
		return;
	while (links_next_event(r->links, &ev)) {
		struct dial *d = dial_of(r, ev.link);

		if (d != NULL && ev.type == LINK_EVENT_UP)
			end(r, d, REACH_OK, ev.link->rtt_ns);
	}
}

void reach_tick(struct reach *r, const struct now *now)
{
	for (size_t i = 0; i < DIALS_MAX; i++)
		if (r->dials[i].link != NULL && r->dials[i].until_ns <= now->mono_ns)
			end(r, &r->dials[i], REACH_NO_ANSWER, 0);
}

uint64_t reach_deadline(const struct reach *r)
{
	uint64_t due = NEVER;

	for (size_t i = 0; i < DIALS_MAX; i++)
		if (r->dials[i].link != NULL)
			due = MIN(due, r->dials[i].until_ns);
	return due;
}

bool reach_is_idle(const struct reach *r)
{
	return reach_deadline(r) == NEVER;
}
