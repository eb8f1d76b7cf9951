/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "core/resend.h"

#include "crypto/hash.h"
#include "util/bytes.h"
#include "util/xalloc.h"

#include <assert.h>

/* Before each packet; what is too near the ring's end for one is skipped under owner 0. */
struct record {
	uint64_t owner, seq, sent_ns;
	uint32_t room; /* of all of it, to the next one */
	uint16_t len;
	uint8_t flags;
};

enum {
	ALIGN = sizeof(struct record),
};

_Static_assert(sizeof(struct record) == 32, "the ring's size is a multiple of it");

void resend_init(struct resend *r, size_t size)
{
	assert(size >= 65536 && (size & (size - 1)) == 0);
	*r = (struct resend){.size = size};
}

void resend_begin(struct resend *r)
{
	if (r->ring == NULL)
		r->ring = xcalloc(1, r->size);
}

void resend_end(struct resend *r)
{
	if (r->ring == NULL)
		return;
	secret_wipe(r->ring, (size_t)MIN(r->head, (uint64_t)r->size));
	free(r->ring);
	r->ring = NULL;
	r->head = r->tail = 0;
}

static struct record *record_at(const struct resend *r, uint64_t at)
{
	return (struct record *)(void *)(r->ring + (at & (r->size - 1)));
}

/* False: the ring turns round too fast. */
static bool make_room(struct resend *r, size_t room, const struct now *now)
{
	while (r->head + room - r->tail > r->size) {
		const struct record *oldest = record_at(r, r->tail);

		if (oldest->owner != 0 && now->mono_ns - oldest->sent_ns < RESEND_WORTH_NS) {
			r->rest_ns = now->mono_ns + RESEND_REST_NS;
			return false;
		}
		r->tail += oldest->room;
	}
	return true;
}

static bool skip_end(struct resend *r, size_t room, const struct now *now)
{
	const size_t left = r->size - (size_t)(r->head & (r->size - 1));

	if (left >= room)
		return true;
	if (!make_room(r, left, now))
		return false;
	*record_at(r, r->head) = (struct record){.room = (uint32_t)left};
	r->head += left;
	return true;
}

void resend_keep(struct resend *r, uint64_t owner, uint64_t seq, const struct packet *p,
		 const struct now *now)
{
	const size_t len = (size_t)p->head_len + p->body_len;
	const size_t room = (sizeof(struct record) + len + ALIGN - 1) / ALIGN * ALIGN;
	struct record *rec;

	if (r->ring == NULL || r->rest_ns > now->mono_ns || len > CELL_BODY_LEN)
		return;
	if (!skip_end(r, room, now) || !make_room(r, room, now))
		return;
	rec = record_at(r, r->head);
	*rec = (struct record){.owner = owner,
			       .seq = seq,
			       .sent_ns = now->mono_ns,
			       .room = (uint32_t)room,
			       .len = (uint16_t)len,
			       .flags = p->flags};
	memcpy(rec + 1, p->head, p->head_len);
	if (p->body_len > 0)
		memcpy((uint8_t *)(rec + 1) + p->head_len, p->body, p->body_len);
	r->head += room;
}

struct resend_cursor resend_walk(const struct resend *r, uint64_t owner, uint64_t after)
{
	return (struct resend_cursor){
	    .owner = owner, .after = after, .at = r->tail, .end = r->ring != NULL ? r->head : 0};
}

bool resend_next(const struct resend *r, struct resend_cursor *c, const struct now *now,
		 struct resend_packet *out)
{
	c->at = MAX(c->at, r->tail);
	while (c->at < c->end) {
		const struct record *rec = record_at(r, c->at);

		c->at += rec->room;
		if (rec->owner != c->owner || rec->seq <= c->after ||
		    now->mono_ns - rec->sent_ns > RESEND_AGE_NS)
			continue;
		out->seq = rec->seq;
		out->flags = rec->flags;
		out->len = rec->len;
		memcpy(out->bytes, rec + 1, rec->len);
		return true;
	}
	return false;
}
