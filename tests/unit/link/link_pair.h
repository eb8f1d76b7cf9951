/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Two ends of a link in one process, on a clock that the test turns. */
#ifndef TESTS_CORE_LINK_PAIR_H
#define TESTS_CORE_LINK_PAIR_H

#include "tests/lib/test.h"

#include "link/link_int.h"

#include <sodium.h>

struct side {
	struct links *ls;
	struct link *link; /* to the other side; NULL until known */
	struct dh_keypair identity;
	struct endpoint endpoint;
	unsigned ups, downs;
};

struct pair {
	struct side a, b;
	struct now now;
	struct rng rng;
	struct aead *aead;
	uint32_t max_links, init_burst;
};

static inline struct endpoint endpoint_number(uint32_t n)
{
	struct endpoint e = {.port = 4600};

	memset(e.ip + 10, 0xff, 2);
	put_be32(e.ip + 12, 0x0a000000 + n);
	return e;
}

static inline struct links *links_make(struct pair *t, const struct dh_keypair *identity,
				       bool is_node)
{
	const struct links_params params = {
	    .identity = identity,
	    .rng = &t->rng,
	    .aead = t->aead,
	    .is_node = is_node,
	    .max_links = t->max_links,
	    .init_burst = t->init_burst,
	};

	return links_create(&params);
}

/* Limits of 0 stand for the usual ones. */
static inline void pair_init_limits(struct pair *t, uint64_t seed, uint32_t max_links,
				    uint32_t init_burst)
{
	*t = (struct pair){
	    .now = {.mono_ns = 5 * NS_PER_S, .wall_ns = 1800000000 * NS_PER_S},
	    .rng = rng_seeded(seed),
	    .aead = aead_open("sodium"),
	    .max_links = max_links != 0 ? max_links : 16,
	    .init_burst = init_burst != 0 ? init_burst : 1000,
	};
	dh_keypair_generate(&t->a.identity, &t->rng);
	dh_keypair_generate(&t->b.identity, &t->rng);
	t->a.endpoint = endpoint_number(1);
	t->b.endpoint = endpoint_number(2);
	t->a.ls = links_make(t, &t->a.identity, false);
	t->b.ls = links_make(t, &t->b.identity, true);
}

static inline void pair_init(struct pair *t, uint64_t seed)
{
	pair_init_limits(t, seed, 0, 0);
}

static inline void pair_fini(struct pair *t)
{
	links_free(t->a.ls);
	links_free(t->b.ls);
	aead_close(t->aead);
	rng_seeded_free(&t->rng);
}

static inline struct side *other(struct pair *t, const struct side *s)
{
	return s == &t->a ? &t->b : &t->a;
}

static inline void pass_time(struct pair *t, uint64_t ns)
{
	t->now.mono_ns += ns;
	t->now.wall_ns += ns;
}

/* The newest of the messages waiting at s; the others are lost. */
static inline bool take_out(struct side *s, struct link_out *out)
{
	bool any = false;

	while (links_next_out(s->ls, out))
		any = true;
	return any;
}

static inline enum drop give(struct pair *t, struct side *to, const struct link_out *out)
{
	return links_recv_handshake(to->ls, out->data, out->len, &other(t, to)->endpoint, &t->now);
}

static inline struct link *link_to(struct pair *t, struct side *s)
{
	s->link = links_get(s->ls, other(t, s)->identity.public, &other(t, s)->endpoint);
	return s->link;
}

static inline void call(struct pair *t, struct side *s)
{
	link_connect(s->ls, link_to(t, s), &t->now);
}

/* One sealed cell of this kind, its body filled with fill. */
static inline void make_cell(struct pair *t, struct side *from, uint8_t kind, uint8_t fill,
			     uint8_t *cell)
{
	const struct cell_header h = {.circ_id = 7, .seq = 1ull << 40, .kind = kind, .flags = 1};

	memset(cell, fill, CELL_LEN);
	link_seal(from->ls, from->link, cell, &h, 1, &t->now);
}

/* Opens a copy. */
static inline struct link_rx open_cell(struct pair *t, struct side *to, const uint8_t *cell)
{
	static uint8_t copy[CELL_LEN];
	struct link_rx rx = {.cell = copy, .from = &other(t, to)->endpoint};

	memcpy(copy, cell, CELL_LEN);
	links_open(to->ls, &rx, 1, &t->now);
	return rx;
}

static inline enum drop send_cell(struct pair *t, struct side *from, uint8_t kind)
{
	uint8_t cell[CELL_LEN];

	make_cell(t, from, kind, 0xaa, cell);
	return open_cell(t, other(t, from), cell).drop;
}

/* Events counted; a side that came up sends its COVER cell.  True if there was any. */
static inline bool take_events(struct pair *t, struct side *s)
{
	struct link_event ev;
	bool any = false;

	while (links_next_event(s->ls, &ev)) {
		any = true;
		s->link = ev.link;
		if (ev.type == LINK_EVENT_DOWN) {
			s->downs++;
		} else {
			s->ups++;
			send_cell(t, s, CELL_COVER);
		}
	}
	return any;
}

static inline bool deliver(struct pair *t, struct side *from)
{
	struct link_out out;
	bool any = false;

	while (links_next_out(from->ls, &out)) {
		any = true;
		give(t, other(t, from), &out);
	}
	return any;
}

/* Everything that waits reaches the other side, at once, until nothing waits. */
static inline void pump(struct pair *t)
{
	bool any;

	do {
		any = deliver(t, &t->a);
		any |= deliver(t, &t->b);
		any |= take_events(t, &t->a);
		any |= take_events(t, &t->b);
	} while (any);
}

static inline void tick(struct pair *t)
{
	links_tick(t->a.ls, &t->now);
	links_tick(t->b.ls, &t->now);
	CHECK(links_deadline(t->a.ls) > t->now.mono_ns);
	CHECK(links_deadline(t->b.ls) > t->now.mono_ns);
}

/* Time in steps, with ticks, all messages delivered. */
static inline void run(struct pair *t, uint64_t ns, uint64_t step_ns)
{
	for (uint64_t done = 0; done < ns; done += step_ns) {
		pass_time(t, step_ns);
		tick(t);
		pump(t);
	}
}

static inline bool is_up(const struct side *s)
{
	return s->link != NULL && s->link->state == LINK_UP;
}

/* a calls b, both end up. */
static inline void bring_up(struct pair *t)
{
	call(t, &t->a);
	pump(t);
	CHECK(is_up(&t->a) && is_up(&t->b));
}

/* Data passes both ways. */
static inline void check_works(struct pair *t)
{
	CHECK(is_up(&t->a) && is_up(&t->b));
	if (!is_up(&t->a) || !is_up(&t->b))
		return;
	CHECK_INT(send_cell(t, &t->a, CELL_DATA_FWD), DROP_NONE);
	CHECK_INT(send_cell(t, &t->b, CELL_DATA_BWD), DROP_NONE);
	CHECK_INT(send_cell(t, &t->b, CELL_LINKCTL), DROP_NONE);
}

#endif
