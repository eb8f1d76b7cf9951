/* SPDX-License-Identifier: GPL-3.0-or-later */
/* The lines between hosts: how long a datagram takes, whether it arrives, and what is counted. */
#include "tests/sim/directory/world_int.h"

#include "util/xalloc.h"

enum {
	NODE_BPS = 100000000,
	CLIENT_BPS = 20000000,
	QUEUE_MS = 100, /* what would wait longer for a line is lost */
	MAP_MS = 70,    /* across the map, one way */
	NEAR_US = 3000,
};

uint64_t world_delay_ns(const struct world *w, unsigned a, unsigned b)
{
	const struct host *x = &w->hosts[a], *y = &w->hosts[b];
	uint64_t far = 0;

	for (unsigned i = 0; i < 2; i++)
		far = MAX(far, x->place[i] > y->place[i] ? x->place[i] - y->place[i]
							 : y->place[i] - x->place[i]);
	return NEAR_US * NS_PER_US + far * MAP_MS * NS_PER_MS / UINT32_MAX;
}

bool world_reaches(const struct world *w, unsigned a, unsigned b)
{
	return w->hosts[a].is_up && w->hosts[b].is_up &&
	       (!w->is_parted || w->hosts[a].side == w->hosts[b].side);
}

static uint64_t time_on_line_ns(const struct host *h)
{
	return DATAGRAM_LEN * 8ull * NS_PER_S / (h->is_client ? CLIENT_BPS : NODE_BPS);
}

/* When the line is through with it; false: it would wait too long. */
static bool take_line(uint64_t *free_ns, uint64_t at_ns, uint64_t takes_ns, uint64_t *done_ns)
{
	const uint64_t begin = MAX(*free_ns, at_ns);

	if (begin - at_ns > QUEUE_MS * NS_PER_MS)
		return false;
	*free_ns = *done_ns = begin + takes_ns;
	return true;
}

static void is_carried(const struct message *m, bool *by_sender, bool *by_receiver)
{
	*by_sender = *by_receiver = false;
	if (m->kind == MESSAGE_CREATE || m->kind == MESSAGE_ASK) {
		*by_sender = m->hop > 0;
		*by_receiver = m->hop < 2;
	} else if (m->kind == MESSAGE_CREATED || m->kind == MESSAGE_ANSWER) {
		*by_sender = m->hop < 2;
		*by_receiver = m->hop > 0;
	}
}

static void count(struct traffic *t, bool is_sent, bool is_carried_on)
{
	if (is_sent)
		t->tx += DATAGRAM_LEN;
	else
		t->rx += DATAGRAM_LEN;
	if (is_carried_on)
		t->carried += DATAGRAM_LEN;
}

void world_count(struct world *w, unsigned from, unsigned to, bool carried)
{
	count(&w->hosts[from].traffic, true, carried);
	if (world_reaches(w, from, to))
		count(&w->hosts[to].traffic, false, carried);
}

void world_send(struct world *w, struct message m, uint64_t extra_ns)
{
	struct host *from = &w->hosts[m.from], *to = &w->hosts[m.to];
	bool by_sender, by_receiver;
	uint64_t at_ns = w->now.mono_ns + extra_ns;
	struct message *copy;

	is_carried(&m, &by_sender, &by_receiver);
	if (!take_line(&from->tx_free_ns, at_ns, time_on_line_ns(from), &at_ns)) {
		free(m.body);
		return;
	}
	count(&from->traffic, true, by_sender);
	if (!world_reaches(w, m.from, m.to) ||
	    rng_below(&w->rng, 10000) < w->params.loss_per_10000 ||
	    !take_line(&to->rx_free_ns, at_ns + world_delay_ns(w, m.from, m.to),
		       time_on_line_ns(to), &at_ns)) {
		free(m.body);
		return;
	}
	count(&to->traffic, false, by_receiver);
	copy = xcalloc(1, sizeof(*copy));
	*copy = m;
	world_plan(
	    w, (struct act){.due_ns = at_ns, .kind = ACT_MESSAGE, .host = m.to, .message = copy});
}
