/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * Green, yellow or red, and why.  A verdict turns worse after the figures have been beyond a limit
 * for worsen_ns, and better only when they have been within three quarters of it for heal_ns; so it
 * cannot flap, whatever the figures do.  Only silence needs no patience: it has had it already.
 */
#ifndef HEALTH_VERDICT_H
#define HEALTH_VERDICT_H

#include "health/health.h"

#define VERDICT_WHY_MAX 96

#define HEALTH_LEVELS(X)           \
	X(HEALTH_GREEN, "green")   \
	X(HEALTH_YELLOW, "yellow") \
	X(HEALTH_RED, "red")

enum health_level {
#define X(id, name) id,
	HEALTH_LEVELS(X)
#undef X
	HEALTH_LEVEL_COUNT,
};

/* In order of importance: the first of several that are equally bad is named. */
#define HEALTH_CAUSES(X)             \
	X(HEALTH_FINE, "fine")       \
	X(HEALTH_SILENT, "silent")   \
	X(HEALTH_THIN, "throughput") \
	X(HEALTH_LOSS, "loss")       \
	X(HEALTH_DELAY, "delay")     \
	X(HEALTH_MARKED, "congestion")

enum health_cause {
#define X(id, name) id,
	HEALTH_CAUSES(X)
#undef X
	HEALTH_CAUSE_COUNT,
};

/* [0]: beyond it is yellow; [1]: red.  Beyond means below for capacity_bps. */
struct health_limits {
	unsigned unanswered[2]; /* questions in a row */
	uint32_t lost_ppm[2];   /* the worse of both ways */
	uint64_t excess_ns[2];
	uint64_t capacity_bps[2];
	uint32_t marked_ppm[2];
	uint64_t lost_of_min; /* fewer cells than that say nothing of losses and marks */
	uint64_t worsen_ns, heal_ns;
};

/* health_limits_default: explained in docs/health.md. */
extern const struct health_limits health_limits_default;

struct verdict {
	enum health_level level;
	enum health_cause cause;    /* of that level */
	uint64_t number, limit;     /* in the cause's unit: questions, ppm, ns, bit/s */
	uint64_t since_ns;          /* when level last changed */
	uint64_t healed_ns;         /* when it last got better; 0: never */
	uint64_t worse_ns, fine_ns; /* since when the figures are worse; are well within; 0: not */
	unsigned relapses;          /* it got worse again soon after it had got better */
};

/* verdict_update: true when the level changed. */
bool verdict_update(struct verdict *v, const struct health_figures *f,
		    const struct health_limits *limits, const struct now *now);

const char *health_level_name(enum health_level level);
const char *health_cause_name(enum health_cause cause);

/* verdict_why(v, out): "loss 9.8 %, limit 5 %"; empty when green. */
const char *verdict_why(const struct verdict *v, char out[static VERDICT_WHY_MAX]);

#endif
