/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "mesh/dirsync_pull.h"

enum {
	WINDOW_FIRST = 4,
	SPLIT_MIN = 16, /* shorter ranges are not worth a second walker */
	TRIES_MAX = 8,
	RESTARTS_MAX = 2,
	FORGED_MAX = 8,
	EMPTY_MAX = 2 * PULL_WINDOW_MAX,
	USELESS_SLACK = 64,
	WALKER_BITS = 6,
};

_Static_assert(PULL_WINDOW_MAX == 1 << WALKER_BITS, "walker number in the request");

#define TIMEOUT_FIRST_NS (250 * NS_PER_MS)
#define TIMEOUT_MIN_NS   (50 * NS_PER_MS)
#define TIMEOUT_MAX_NS   (4 * NS_PER_S)
/* Below what a source grants a neighbour (dirsync.c), so that none is wasted. */
#define SEND_INTERVAL_NS (NS_PER_S / 1500)
#define SEND_BURST_NS    (64 * SEND_INTERVAL_NS)

static unsigned walker_number(const struct pull *p, const struct pull_walker *w)
{
	return (unsigned)(w - p->walkers);
}

/* Give w the question for (from, to]. */
static void ask(struct pull *p, struct pull_walker *w, uint64_t from, uint64_t to)
{
	*w = (struct pull_walker){
	    .from = from,
	    .to = to,
	    .request = (uint16_t)((unsigned)p->generation++ << WALKER_BITS | walker_number(p, w)),
	    .state = WALKER_READY,
	};
}

static void ask_all(struct pull *p)
{
	memset(p->walkers, 0, sizeof(p->walkers));
	p->sent = 0;
	p->has_target = false;
	ask(p, &p->walkers[0], p->done, UINT64_MAX);
}

void pull_start(struct pull *p, const struct now *now)
{
	p->is_running = true;
	p->window = WINDOW_FIRST;
	p->halved_ns = now->mono_ns;
	p->restarts = p->forged = p->empty = 0;
	p->useless = 0;
	ask_all(p);
}

void pull_stop(struct pull *p)
{
	p->is_running = false;
}

uint64_t pull_timeout_ns(const struct pull *p, unsigned tries)
{
	const uint64_t once =
	    p->srtt_ns == 0 ? TIMEOUT_FIRST_NS : MAX(TIMEOUT_MIN_NS, p->srtt_ns + 4 * p->rttvar_ns);

	return MIN(once << MIN(tries, TRIES_MAX), TIMEOUT_MAX_NS);
}

static void measure(struct pull *p, uint64_t rtt_ns) /* RFC 6298 */
{
	const uint64_t off = rtt_ns > p->srtt_ns ? rtt_ns - p->srtt_ns : p->srtt_ns - rtt_ns;

	if (p->srtt_ns == 0) {
		p->srtt_ns = MAX(rtt_ns, 1);
		p->rttvar_ns = rtt_ns / 2;
		return;
	}
	p->rttvar_ns = (3 * p->rttvar_ns + off) / 4;
	p->srtt_ns = MAX((7 * p->srtt_ns + rtt_ns) / 8, 1);
}

bool pull_next_out(struct pull *p, struct dirsync_msg *m, const struct now *now)
{
	if (!p->is_running || p->sent >= p->window || now->mono_ns < p->next_send_ns)
		return false;
	for (unsigned i = 0; i < PULL_WINDOW_MAX; i++) {
		struct pull_walker *w = &p->walkers[i];

		if (w->state != WALKER_READY)
			continue;
		w->state = WALKER_SENT;
		w->sent_ns = now->mono_ns;
		p->sent++;
		p->next_send_ns =
		    MAX(p->next_send_ns, now->mono_ns - MIN(now->mono_ns, SEND_BURST_NS)) +
		    SEND_INTERVAL_NS;
		*m = (struct dirsync_msg){
		    .type = DIRSYNC_GET,
		    .request = w->request,
		    .epoch = p->epoch,
		    .from = w->from,
		    .to = w->to,
		};
		return true;
	}
	return false;
}

/* One more walker, when the window has room and there is something to share. */
static bool split(struct pull *p)
{
	struct pull_walker *idle = NULL, *longest = NULL;
	unsigned busy = 0;

	for (unsigned i = 0; i < PULL_WINDOW_MAX; i++) {
		struct pull_walker *w = &p->walkers[i];

		if (w->state == WALKER_FREE) {
			idle = w;
			continue;
		}
		busy++;
		if (longest == NULL || w->to - w->from > longest->to - longest->from)
			longest = w;
	}
	if (busy >= p->window || idle == NULL || longest == NULL ||
	    longest->to - longest->from < SPLIT_MIN)
		return false;
	ask(p, idle, longest->from + (longest->to - longest->from) / 2, longest->to);
	longest->to = idle->from;
	return true;
}

/* What an honest source sends now and then (clocks differ, versions do) is not held against it. */
static bool is_forged(enum directory_result result, enum descriptor_error error)
{
	return result == DIRECTORY_INVALID && error != DESCRIPTOR_EXPIRED &&
	       error != DESCRIPTOR_NOT_YET_VALID && error != DESCRIPTOR_UNKNOWN_VERSION &&
	       error != DESCRIPTOR_EXTENSION;
}

static void add_items(struct pull *p, struct directory *dir, const struct dirsync_msg *m,
		      const struct now *now)
{
	for (unsigned i = 0; i < m->count; i++) {
		enum descriptor_error error;
		const enum directory_result result =
		    directory_add(dir, m->items[i].bytes, m->items[i].len, now, &error);

		p->forged += is_forged(result, error);
		p->useless += result != DIRECTORY_ADDED;
	}
	p->empty += m->count == 0;
}

/* It tells each node once or twice, nothing forged, and seldom nothing at all. */
static bool is_lying(const struct pull *p, const struct directory *dir)
{
	return p->forged > FORGED_MAX || p->empty > EMPTY_MAX ||
	       p->useless > 2 * directory_count(dir) + USELESS_SLACK;
}

/* The source numbers anew (it restarted): from the beginning. */
static enum pull_verdict restart(struct pull *p, uint64_t epoch)
{
	if (p->restarts++ == RESTARTS_MAX) {
		pull_stop(p);
		return PULL_LIED;
	}
	p->epoch = epoch;
	p->done = 0;
	ask_all(p);
	return PULL_GOES_ON;
}

static bool is_idle(const struct pull *p)
{
	for (unsigned i = 0; i < PULL_WINDOW_MAX; i++)
		if (p->walkers[i].state != WALKER_FREE)
			return false;
	return true;
}

static enum pull_verdict finish(struct pull *p)
{
	p->done = p->target;
	pull_stop(p);
	return PULL_DONE;
}

enum pull_verdict pull_take(struct pull *p, struct directory *dir, const struct dirsync_msg *m,
			    const struct now *now)
{
	struct pull_walker *w = &p->walkers[m->request % PULL_WINDOW_MAX];

	if (!p->is_running || w->state != WALKER_SENT || w->request != m->request ||
	    w->from != m->from)
		return PULL_UNASKED;
	if (w->tries == 0)
		measure(p, now->mono_ns - w->sent_ns);
	w->state = WALKER_FREE;
	p->sent--;
	p->window = MIN(p->window + 1, PULL_WINDOW_MAX);
	if (p->epoch != 0 && p->epoch != m->epoch)
		return restart(p, m->epoch);
	p->epoch = m->epoch;
	if (!p->has_target) {
		p->has_target = true;
		p->target = w->to = MAX(m->last, w->from);
	}
	add_items(p, dir, m, now);
	if (is_lying(p, dir) || (m->next == w->from && w->to > w->from)) {
		pull_stop(p);
		return PULL_LIED;
	}
	if (m->next < w->to)
		ask(p, w, m->next, w->to);
	while (split(p))
		;
	return is_idle(p) ? finish(p) : PULL_GOES_ON;
}

bool pull_tick(struct pull *p, const struct now *now, uint64_t *lost)
{
	if (!p->is_running)
		return true;
	for (unsigned i = 0; i < PULL_WINDOW_MAX; i++) {
		struct pull_walker *w = &p->walkers[i];

		if (w->state != WALKER_SENT ||
		    now->mono_ns < w->sent_ns + pull_timeout_ns(p, w->tries))
			continue;
		if (++w->tries > TRIES_MAX) {
			pull_stop(p);
			return false;
		}
		w->state = WALKER_READY; /* same request: a late answer still counts */
		p->sent--;
		(*lost)++;
		if (w->sent_ns >= p->halved_ns) { /* once per round trip */
			p->window = MAX(p->window / 2, 2);
			p->halved_ns = now->mono_ns;
		}
	}
	return true;
}

uint64_t pull_deadline(const struct pull *p)
{
	uint64_t deadline = NEVER;

	if (!p->is_running)
		return NEVER;
	for (unsigned i = 0; i < PULL_WINDOW_MAX; i++) {
		const struct pull_walker *w = &p->walkers[i];

		if (w->state == WALKER_SENT)
			deadline = MIN(deadline, w->sent_ns + pull_timeout_ns(p, w->tries));
		else if (w->state == WALKER_READY && p->sent < p->window)
			deadline = MIN(deadline, p->next_send_ns);
	}
	return deadline;
}
