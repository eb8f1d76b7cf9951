/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Which path of a session a packet takes, at either end.  Each flow is pinned to a path when it is
 * first seen, by weighted rendezvous hashing of its isolation group, and stays there until that
 * path is suspect, ends or is no longer to be used.  One that is urgent takes the shortest path
 * instead, if that is shorter by a fifth.
 *
 * A path is crowded when its round trips take some milliseconds more than they did: then bulk
 * flows have queues along it.  Flows that are not bulk leave it for the quickest path, backups
 * included, if that is clearly quicker; in a pause long enough for what they sent to have arrived,
 * so that nothing is overtaken.  They come back when it is not crowded any more, or when they turn
 * bulk.
 */
#ifndef CORE_STEER_H
#define CORE_STEER_H

#include "core/flow.h"
#include "crypto/window.h"
#include "util/now.h"
#include "wire/control.h"

enum {
	STEER_LANES = ATTACH_PATHS_MAX,
	STEER_KEYS = 5,
	STEER_NONE = -1,
	STEER_SEEN_WORDS = 16, /* numbers of duplicated packets: 960 */
	STEER_SMALL = 512,     /* bytes: what may be sent twice */
};

/* One path of the session, under the same index there. */
struct lane {
	uint32_t path_id; /* rises with each ATTACH; 0: there is none */
	bool is_used;
	uint8_t weight;      /* 0: a backup */
	uint8_t order;       /* among backups */
	uint32_t rtt_us;     /* 0: not known */
	uint32_t rtt_min_us; /* what it was without queues */
	uint32_t settle_us;  /* what was sent so long ago has arrived, or is lost */
	bool is_suspect;
};

struct steer_flow;

struct steer {
	struct lane lane[STEER_LANES];
	/* Those that new flows may be pinned to: carriers that live, or the backup that stands in.
	 */
	int8_t candidate[STEER_LANES];
	uint8_t candidates;
	bool is_exit; /* uses the newest path until it is told what to use */
	bool duplicate;
	uint8_t isolation;                                        /* enum flow_isolation */
	uint64_t (*group)(void *ctx, const struct flow_key *key); /* ISOLATE_APP; or NULL */
	void *group_ctx;
	uint64_t key[STEER_KEYS];
	struct steer_flow *flows; /* NULL as long as there is one path */
	unsigned flow_bits;
	uint64_t number_next; /* of the next packet that is sent twice */
	struct window seen;   /* numbers of those that arrived */
	uint64_t seen_bits[STEER_SEEN_WORDS];
};

/* Where a packet goes. */
struct steering {
	int lane;   /* index, or STEER_NONE */
	int second; /* where its duplicate goes, or STEER_NONE */
};

/* steer_init: root is the session's secret; flow_bits: 1 << flow_bits flows are remembered. */
void steer_init(struct steer *s, const uint8_t *root, unsigned flow_bits);
void steer_fini(struct steer *s);

/* steer_changed(s): to be called after any change of lanes, before the next packet. */
void steer_changed(struct steer *s);

/*
 * steer_move(s, all): pin the flows of unfit lanes anew, and if all is set also those of lanes
 * where no new flow would begin; how many.
 */
uint32_t steer_move(struct steer *s, bool all);

/* steer_packet: the way of a packet, len bytes long, that leaves from this end. */
struct steering steer_packet(struct steer *s, const struct packet *p, size_t len,
			     enum flow_side side, const struct now *now);

/* steer_again: where a packet goes that had left before, by the way its flow has now. */
int steer_again(const struct steer *s, const struct packet *p, enum flow_side side);

/*
 * steer_learn: a packet came in over this lane; answers go back there unless it is unfit.
 * is_duplicate: it travels over two, which says nothing when its flow has a lane already.
 */
void steer_learn(struct steer *s, const struct packet *p, enum flow_side side, int lane,
		 bool is_duplicate, const struct now *now);

/* steer_is_new: the number of a duplicated packet was not seen yet; and now it was. */
bool steer_is_new(struct steer *s, uint64_t number);

/* steer_flows: flows pinned to the lane with packets in the last minute. */
uint32_t steer_flows(const struct steer *s, int lane, uint64_t mono_ns);

#endif
