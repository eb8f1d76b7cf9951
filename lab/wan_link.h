/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * One direction between two hosts: what happens to each packet on it.  All decisions come from
 * the link's own seeded source, so they depend on the seed and the packets' order alone.
 */
#ifndef LAB_WAN_LINK_H
#define LAB_WAN_LINK_H

#include "wan_queue.h"

/* All members are uint64_t and have their name in link_setting_names. */
struct link_settings {
	uint64_t delay_us;
	uint64_t jitter_us; /* delay +- jitter, evenly; never changes the packets' order */
	uint64_t rate_bps;  /* 0: any */
	uint64_t queue_us;  /* what would wait longer for its turn at that rate is dropped */
	uint64_t loss_ppm;
	uint64_t reorder_ppm;  /* comes up to 10 ms late, behind others */
	uint64_t flip_ppm;     /* one bit of the payload */
	uint64_t truncate_ppm; /* payload cut short (UDP) */
	uint64_t dup_ppm;      /* a second copy at once */
	uint64_t replay_ppm;   /* a second copy up to a second later */
	uint64_t swap_ppm;     /* changes places with the packet after it */
	uint64_t inject_per_s; /* forged datagrams between ports that are in use */
};

struct link_counts {
	uint64_t packets;
	uint64_t bytes;
	uint64_t delivered;
	uint64_t lost;
	uint64_t overflowed;
	uint64_t reordered;
	uint64_t flipped;
	uint64_t truncated;
	uint64_t duplicated;
	uint64_t replayed;
	uint64_t swapped;
	uint64_t injected;
};

#define LINK_SETTINGS (sizeof(struct link_settings) / sizeof(uint64_t))
#define LINK_COUNTS   (sizeof(struct link_counts) / sizeof(uint64_t))

extern const char *const link_setting_names[LINK_SETTINGS];
extern const char *const link_count_names[LINK_COUNTS];

struct wan_link {
	struct wan_link *next;
	char *name;
	struct link_settings set;
	struct link_counts counts;
	struct queue *queue;
	struct rng rng;
	uint64_t idle_ns;     /* when the bottleneck has sent all that it was given */
	uint64_t last_due_ns; /* of the packet before: jitter must not overtake it */
	struct frame *held;   /* waits for the packet to swap with, */
	uint64_t held_due_ns; /* until then */
	struct frame *sample; /* the last UDP packet, the pattern of forged ones */
	uint64_t next_inject_ns;
	bool is_injecting; /* the timer of the next forged datagram runs */
};

struct wan_link *link_create(const char *name, struct queue *queue, uint64_t seed);
void link_free(struct wan_link *l);

/* link_configure(l, set, now): from now on; packets under way keep their fate. */
void link_configure(struct wan_link *l, const struct link_settings *set, uint64_t now_ns);

/* link_send(l, f, now): takes f and puts what becomes of it into the queue. */
void link_send(struct wan_link *l, struct frame *f, uint64_t now_ns);

/* link_tick(l, now): the link's own timer, queued as an event without a frame. */
void link_tick(struct wan_link *l, uint64_t now_ns);

#endif
