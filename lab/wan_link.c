/* SPDX-License-Identifier: GPL-3.0-or-later */
/* A packet's way: loss, the bottleneck's queue, delay; then tampering with what is left of it. */
#include "wan_link.h"

#include "util/bytes.h"
#include "util/now.h"
#include "util/xalloc.h"

#define PPM              1000000u
#define REORDER_MAX_NS   (10 * NS_PER_MS)
#define REPLAY_MAX_NS    NS_PER_S
#define SWAP_PATIENCE_NS (20 * NS_PER_MS)

const char *const link_setting_names[LINK_SETTINGS] = {
    "delay_us", "jitter_us",    "rate_bps", "queue_us",   "loss_ppm", "reorder_ppm",
    "flip_ppm", "truncate_ppm", "dup_ppm",  "replay_ppm", "swap_ppm", "inject_per_s",
};

const char *const link_count_names[LINK_COUNTS] = {
    "packets", "bytes",     "delivered",  "lost",     "overflowed", "reordered",
    "flipped", "truncated", "duplicated", "replayed", "swapped",    "injected",
};

struct wan_link *link_create(const char *name, struct queue *queue, uint64_t seed)
{
	struct wan_link *l = xcalloc(1, sizeof(*l));

	l->name = xstrdup(name);
	l->queue = queue;
	l->rng = rng_seeded(seed);
	return l;
}

void link_free(struct wan_link *l)
{
	if (l->held != NULL)
		frame_put(l->queue, l->held);
	if (l->sample != NULL)
		frame_put(l->queue, l->sample);
	rng_seeded_free(&l->rng);
	free(l->name);
	free(l);
}

static bool is_hit(struct wan_link *l, uint64_t ppm)
{
	return ppm > 0 && rng_below(&l->rng, PPM) < ppm;
}

static uint64_t below_ns(struct wan_link *l, uint64_t max_ns)
{
	return max_ns > 0 ? rng_below(&l->rng, max_ns) : 0;
}

/* The bottleneck: when the packet has left it, or NEVER if it would have to wait too long. */
static uint64_t leave_bottleneck(struct wan_link *l, size_t len, uint64_t now_ns)
{
	const uint64_t start_ns = MAX(l->idle_ns, now_ns);

	if (l->set.rate_bps == 0)
		return now_ns;
	if (start_ns - now_ns > l->set.queue_us * NS_PER_US)
		return NEVER;
	l->idle_ns = start_ns + len * 8 * NS_PER_S / l->set.rate_bps;
	return l->idle_ns;
}

static uint64_t arrive(struct wan_link *l, uint64_t left_ns)
{
	const uint64_t jitter_ns = MIN(l->set.jitter_us, l->set.delay_us) * NS_PER_US;
	const uint64_t due_ns =
	    left_ns + l->set.delay_us * NS_PER_US - jitter_ns + below_ns(l, 2 * jitter_ns);

	l->last_due_ns = MAX(l->last_due_ns, due_ns);
	return l->last_due_ns;
}

static bool push_copy(struct wan_link *l, const struct frame *f, uint64_t due_ns)
{
	struct frame *copy = frame_copy(l->queue, f);

	if (copy == NULL)
		return false;
	queue_push(l->queue, due_ns, l, copy);
	return true;
}

static void release_held(struct wan_link *l, uint64_t due_ns)
{
	queue_push(l->queue, due_ns, l, l->held);
	l->held = NULL;
}

/* In order, or after the next packet of the link; the timer is for when no next one comes. */
static void push_or_hold(struct wan_link *l, struct frame *f, uint64_t due_ns)
{
	if (l->held != NULL) {
		l->counts.swapped++;
		queue_push(l->queue, due_ns, l, f);
		release_held(l, due_ns);
	} else if (is_hit(l, l->set.swap_ppm)) {
		l->held = f;
		l->held_due_ns = due_ns + SWAP_PATIENCE_NS;
		queue_push(l->queue, l->held_due_ns, l, NULL);
	} else {
		queue_push(l->queue, due_ns, l, f);
	}
}

static uint64_t inject_interval_ns(const struct wan_link *l)
{
	return NS_PER_S / l->set.inject_per_s;
}

static void forget_sample(struct wan_link *l)
{
	if (l->sample != NULL)
		frame_put(l->queue, l->sample);
	l->sample = NULL;
}

static void remember_sample(struct wan_link *l, const struct frame *f)
{
	forget_sample(l);
	l->sample = frame_copy(l->queue, f);
}

void link_send(struct wan_link *l, struct frame *f, uint64_t now_ns)
{
	uint64_t due_ns;

	l->counts.packets++;
	l->counts.bytes += f->len;
	if (l->is_injecting && packet_is_udp(f->ip, f->len))
		remember_sample(l, f);
	if (is_hit(l, l->set.loss_ppm)) {
		l->counts.lost++;
		frame_put(l->queue, f);
		return;
	}
	due_ns = leave_bottleneck(l, f->len, now_ns);
	if (due_ns == NEVER) {
		l->counts.overflowed++;
		frame_put(l->queue, f);
		return;
	}
	due_ns = arrive(l, due_ns);
	if (is_hit(l, l->set.dup_ppm) && push_copy(l, f, due_ns))
		l->counts.duplicated++;
	if (is_hit(l, l->set.replay_ppm) && push_copy(l, f, due_ns + below_ns(l, REPLAY_MAX_NS)))
		l->counts.replayed++;
	if (is_hit(l, l->set.flip_ppm) && packet_flip_bit(f->ip, f->len, &l->rng))
		l->counts.flipped++;
	if (is_hit(l, l->set.truncate_ppm) && packet_truncate(f->ip, &f->len, &l->rng))
		l->counts.truncated++;
	if (is_hit(l, l->set.reorder_ppm)) {
		l->counts.reordered++;
		queue_push(l->queue, due_ns + below_ns(l, REORDER_MAX_NS), l, f);
	} else {
		push_or_hold(l, f, due_ns);
	}
}

static void inject(struct wan_link *l, uint64_t now_ns)
{
	struct frame *f = l->sample != NULL ? frame_copy(l->queue, l->sample) : NULL;

	if (f == NULL)
		return;
	if (packet_forge(f->ip, &f->len, &l->rng)) {
		l->counts.injected++;
		queue_push(l->queue, now_ns, l, f);
	} else {
		frame_put(l->queue, f);
	}
}

void link_configure(struct wan_link *l, const struct link_settings *set, uint64_t now_ns)
{
	l->set = *set;
	if (set->inject_per_s > 0 && !l->is_injecting) {
		l->is_injecting = true;
		forget_sample(l);
		l->next_inject_ns = now_ns + inject_interval_ns(l);
		queue_push(l->queue, l->next_inject_ns, l, NULL);
	}
}

void link_tick(struct wan_link *l, uint64_t now_ns)
{
	if (l->held != NULL && now_ns >= l->held_due_ns)
		release_held(l, now_ns);
	if (!l->is_injecting || now_ns < l->next_inject_ns)
		return;
	if (l->set.inject_per_s == 0) {
		l->is_injecting = false;
		return;
	}
	inject(l, now_ns);
	l->next_inject_ns = now_ns + inject_interval_ns(l);
	queue_push(l->queue, l->next_inject_ns, l, NULL);
}
