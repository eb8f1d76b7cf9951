/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "health/losses.h"

#define COUNT_SLACK 64
#define COUNT_MAX   (1ull << 32) /* cells between two answers */
#define CUT_OFF_NS  (NS_PER_S * 3 / 4)

static uint64_t less(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

/* What is lost between us and a hop. */
struct way_loss {
	uint64_t sent, out; /* of so many, so many were lost */
	uint64_t returned, in;
};

/* Some that were sent before may come after the question, and the reverse; no more than that. */
static bool is_possible(const struct hop_count *d)
{
	return d->seen <= d->sent + d->sent / 8 + COUNT_SLACK &&
	       d->returned + d->received / 8 + COUNT_SLACK >= d->received &&
	       d->returned <= COUNT_MAX;
}

/* False: our own totals say that this answer is the older one. */
static bool between(const struct hop_count *then, const struct hop_count *c, struct way_loss *out)
{
	const struct hop_count d = {
	    .sent = c->sent - then->sent,
	    .seen = c->seen - then->seen,
	    .returned = c->returned - then->returned,
	    .received = c->received - then->received,
	};

	if (c->sent < then->sent || c->received < then->received)
		return false;
	*out = (struct way_loss){d.sent, d.sent, d.received, d.received};
	if (is_possible(&d))
		*out = (struct way_loss){d.sent, less(d.sent, d.seen), d.returned,
					 less(d.returned, d.received)};
	return true;
}

/* Both ends of the link to a hop have answered this round; before the first are we. */
static void compare(struct losses *l, unsigned hop, const struct now *now)
{
	const struct hop_count *far = &l->told[hop - 1].count;
	const struct hop_count near = hop > 1 ? l->told[hop - 2].count : (struct hop_count){0};
	struct way_loss to_far, to_near = {0};

	if (l->link[hop - 1].at_ns != 0 && between(&l->link[hop - 1].far, far, &to_far) &&
	    (hop == 1 || between(&l->link[hop - 1].near, &near, &to_near))) {
		share_add(&l->link[hop - 1].out, less(to_far.sent, to_near.out),
			  less(to_far.out, to_near.out), now);
		share_add(&l->link[hop - 1].in, to_far.returned, less(to_far.in, to_near.in), now);
	}
	l->link[hop - 1].at_ns = MAX(now->mono_ns, 1);
	l->link[hop - 1].far = *far;
	l->link[hop - 1].near = near;
}

void losses_told(struct losses *l, unsigned hop, uint64_t asked_ns, const struct hop_count *c,
		 const struct now *now)
{
	if (hop < 1 || hop > HOPS_MAX || asked_ns < l->told[hop - 1].asked_ns)
		return;
	l->told[hop - 1].asked_ns = asked_ns;
	l->told[hop - 1].count = *c;
	if (hop == 1 || l->told[hop - 2].asked_ns == asked_ns)
		compare(l, hop, now);
	if (hop < HOPS_MAX && l->told[hop].asked_ns == asked_ns)
		compare(l, hop + 1, now);
}

struct link_loss losses_of(const struct losses *l, unsigned hop, const struct now *now)
{
	uint64_t of_out, of_in;
	struct link_loss loss = {
	    .out_ppm = share_ppm(&l->link[hop - 1].out, now, &of_out),
	    .in_ppm = share_ppm(&l->link[hop - 1].in, now, &of_in),
	};

	loss.of = MAX(of_out, of_in);
	return loss;
}

bool losses_is_cut_off(const struct losses *l, unsigned hop, const struct now *now)
{
	return hop > 1 && l->told[hop - 2].asked_ns > l->told[hop - 1].asked_ns &&
	       now->mono_ns - l->link[hop - 1].at_ns > CUT_OFF_NS;
}
