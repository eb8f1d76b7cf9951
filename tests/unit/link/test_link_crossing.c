/* SPDX-License-Identifier: GPL-3.0-or-later */
/* Both sides begin a handshake at once: every order in which the messages can arrive. */
#include "link_pair.h"

/* A datagram on its way. */
struct flying {
	struct side *to;
	struct link_out out; /* handshake */
	bool is_cell;
};

/* Walks through all orders of delivery, and which one message gets lost, one run after another. */
struct choices {
	unsigned made[64], among[64];
	unsigned n;
};

static unsigned choose(struct choices *c, unsigned among)
{
	if (c->among[c->n] == 0)
		c->among[c->n] = among;
	return c->made[c->n++];
}

/* The next run's choices; false when all have been. */
static bool next_choices(struct choices *c)
{
	while (c->n > 0) {
		const unsigned last = c->n - 1;

		if (++c->made[last] < c->among[last]) {
			c->n = 0;
			return true;
		}
		c->made[last] = c->among[last] = 0;
		c->n--;
	}
	return false;
}

static void collect(struct pair *t, struct side *s, struct flying *air, unsigned *n)
{
	struct link_event ev;

	while (links_next_out(s->ls, &air[*n].out)) {
		air[*n].is_cell = false;
		air[(*n)++].to = other(t, s);
	}
	while (links_next_event(s->ls, &ev)) {
		s->link = ev.link;
		if (ev.type == LINK_EVENT_DOWN) {
			s->downs++;
			continue;
		}
		s->ups++;
		make_cell(t, s, CELL_COVER, 0, air[*n].out.data);
		air[*n].is_cell = true;
		air[(*n)++].to = other(t, s);
	}
}

static void land(struct pair *t, const struct flying *f)
{
	if (f->is_cell)
		CHECK_INT(open_cell(t, f->to, f->out.data).drop, DROP_NONE);
	else
		give(t, f->to, &f->out);
}

/* may_lose: one message, any, does not arrive. */
static void fly(struct pair *t, struct choices *c, bool may_lose)
{
	struct flying air[16];
	unsigned n = 0;

	collect(t, &t->a, air, &n);
	collect(t, &t->b, air, &n);
	while (n > 0) {
		const unsigned pick = choose(c, may_lose ? 2 * n : n);
		const bool is_lost = pick >= n;
		const struct flying f = air[pick % n];

		n--;
		air[pick % (n + 1)] = air[n];
		pass_time(t, NS_PER_MS);
		if (is_lost)
			may_lose = false;
		else
			land(t, &f);
		collect(t, &t->a, air, &n);
		collect(t, &t->b, air, &n);
		CHECK(n <= 8);
	}
}

/* Whatever key each side has come to: cells pass without loss through two rekeys. */
static void check_lasts(struct pair *t)
{
	for (unsigned s = 0; s < 300; s += 10) {
		run(t, 10 * NS_PER_S, 10 * NS_PER_S);
		check_works(t);
	}
	CHECK(t->a.downs == 0 && t->b.downs == 0);
}

static unsigned cross(bool may_lose, bool is_rekey)
{
	struct choices c = {0};
	unsigned runs = 0;

	do {
		struct pair t;

		pair_init(&t, 77);
		if (is_rekey) {
			bring_up(&t);
			peer_want_rekey(t.a.ls, peer_of(t.a.link));
			peer_want_rekey(t.b.ls, peer_of(t.b.link));
			pass_time(&t, 50 * NS_PER_S);
			tick(&t);
		} else {
			call(&t, &t.a);
			call(&t, &t.b);
		}
		fly(&t, &c, may_lose);
		run(&t, 4 * NS_PER_S, 100 * NS_PER_MS);
		check_works(&t);
		if (!may_lose)
			check_lasts(&t);
		pair_fini(&t);
		runs++;
	} while (!test_current_failed && next_choices(&c));
	return runs;
}

static void test_crossing_in_all_orders(void)
{
	CHECK_INT(cross(false, false), 30);
}

static void test_crossing_rekeys_in_all_orders(void)
{
	CHECK_INT(cross(false, true), 20);
}

/* The peer's handshake is through while our INIT got lost: we stop asking. */
static void test_attempt_ends_with_the_peers_key(void)
{
	struct pair t;
	struct link_out lost;

	pair_init(&t, 78);
	call(&t, &t.a);
	CHECK(take_out(&t.a, &lost));
	call(&t, &t.b);
	pump(&t);
	check_works(&t);
	CHECK_INT(t.a.ls->by_index.count, 1);
	run(&t, 20 * NS_PER_S, NS_PER_S);
	CHECK(t.b.ups == 1 && t.a.ups == 1);
	CHECK_INT(t.b.ls->by_index.count, 1);
	pair_fini(&t);
}

static void test_crossing_with_a_loss(void)
{
	CHECK(cross(true, false) > 100);
}

int main(void)
{
	if (sodium_init() < 0)
		return EXIT_FAILURE;
	RUN(test_crossing_in_all_orders);
	RUN(test_crossing_rekeys_in_all_orders);
	RUN(test_crossing_with_a_loss);
	RUN(test_attempt_ends_with_the_peers_key);
	return test_done();
}
