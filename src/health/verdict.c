/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "health/verdict.h"

#include <stdio.h>

#define RELAPSE_NS   (600 * NS_PER_S) /* getting worse so soon after getting better */
#define RELAPSES_MAX 6

const struct health_limits health_limits_default = {
    .unanswered = {2, 3},
    .lost_ppm = {20000, 50000},
    .excess_ns = {60 * NS_PER_MS, 150 * NS_PER_MS},
    .capacity_bps = {5000000, 2000000},
    .marked_ppm = {100000, 400000},
    .lost_of_min = 20,
    .worsen_ns = NS_PER_S,
    .heal_ns = 10 * NS_PER_S,
};

const char *health_level_name(enum health_level level)
{
	static const char *const names[HEALTH_LEVEL_COUNT] = {
#define X(id, name) name,
	    HEALTH_LEVELS(X)
#undef X
	};

	return names[level];
}

const char *health_cause_name(enum health_cause cause)
{
	static const char *const names[HEALTH_CAUSE_COUNT] = {
#define X(id, name) name,
	    HEALTH_CAUSES(X)
#undef X
	};

	return names[cause];
}

/* A figure beside its two limits. */
struct row {
	enum health_cause cause;
	bool counts; /* it says something */
	uint64_t number, limit[2];
};

static bool is_beyond(const struct row *r, unsigned i, unsigned percent)
{
	if (!r->counts)
		return false;
	if (r->cause == HEALTH_SILENT) /* questions are whole: no part of one is within a limit */
		return r->number >= r->limit[i];
	if (r->cause == HEALTH_THIN)
		return r->number < r->limit[i] * 100 / percent;
	return r->number >= r->limit[i] * percent / 100;
}

/* The worst of the figures; with the limits at percent of what they are. */
static struct verdict judge(const struct health_figures *f, const struct health_limits *l,
			    unsigned percent)
{
	const bool are_many = f->lost_of >= l->lost_of_min;
	const struct row rows[] = {
	    {HEALTH_SILENT, true, f->unanswered, {l->unanswered[0], l->unanswered[1]}},
	    {HEALTH_THIN,
	     f->capacity_bps > 0 && !f->is_narrow,
	     f->capacity_bps,
	     {l->capacity_bps[0], l->capacity_bps[1]}},
	    {HEALTH_LOSS,
	     are_many,
	     MAX(f->lost_out_ppm, f->lost_in_ppm),
	     {l->lost_ppm[0], l->lost_ppm[1]}},
	    {HEALTH_DELAY, f->is_measured, f->excess_ns, {l->excess_ns[0], l->excess_ns[1]}},
	    {HEALTH_MARKED, are_many, f->marked_ppm, {l->marked_ppm[0], l->marked_ppm[1]}},
	};

	for (unsigned level = HEALTH_RED; level > HEALTH_GREEN; level--)
		for (size_t i = 0; i < ARRAY_LEN(rows); i++)
			if (is_beyond(&rows[i], level - 1, percent))
				return (struct verdict){
				    .level = (enum health_level)level,
				    .cause = rows[i].cause,
				    .number = rows[i].number,
				    .limit = rows[i].limit[level - 1],
				};
	return (struct verdict){0};
}

static void change(struct verdict *v, const struct verdict *to, const struct now *now)
{
	v->level = to->level;
	v->cause = to->cause;
	v->number = to->number;
	v->limit = to->limit;
	v->since_ns = now->mono_ns;
	v->worse_ns = v->fine_ns = 0;
}

static uint64_t heal_ns(const struct verdict *v, const struct health_limits *l)
{
	return l->heal_ns << v->relapses;
}

/* Since when a condition holds, and whether that is long enough. */
static bool has_held(uint64_t *since_ns, bool holds, uint64_t wanted_ns, const struct now *now)
{
	if (!holds) {
		*since_ns = 0;
		return false;
	}
	if (*since_ns == 0)
		*since_ns = MAX(now->mono_ns, 1);
	return now->mono_ns >= *since_ns && now->mono_ns - *since_ns >= wanted_ns;
}

bool verdict_update(struct verdict *v, const struct health_figures *f,
		    const struct health_limits *limits, const struct now *now)
{
	const struct verdict raw = judge(f, limits, 100), strict = judge(f, limits, 75);
	const uint64_t patience_ns = raw.cause == HEALTH_SILENT ? 0 : limits->worsen_ns;

	if (has_held(&v->worse_ns, raw.level > v->level, patience_ns, now)) {
		if (v->healed_ns != 0 && now->mono_ns - v->healed_ns < RELAPSE_NS)
			v->relapses = MIN(v->relapses + 1, RELAPSES_MAX);
		else
			v->relapses = 0;
		change(v, &raw, now);
		return true;
	}
	if (has_held(&v->fine_ns, strict.level < v->level, heal_ns(v, limits), now)) {
		v->healed_ns = now->mono_ns;
		change(v, &strict, now);
		return true;
	}
	if (raw.level == v->level && raw.level != HEALTH_GREEN) { /* the figures move on */
		v->cause = raw.cause;
		v->number = raw.number;
		v->limit = raw.limit;
	}
	return false;
}

const char *verdict_why(const struct verdict *v, char out[static VERDICT_WHY_MAX])
{
	const unsigned long long n = v->number, limit = v->limit;

	out[0] = '\0';
	switch (v->cause) {
	case HEALTH_FINE:
	case HEALTH_CAUSE_COUNT:
		break;
	case HEALTH_SILENT:
		snprintf(out, VERDICT_WHY_MAX, "%llu questions unanswered", n);
		break;
	case HEALTH_LOSS:
	case HEALTH_MARKED:
		snprintf(out, VERDICT_WHY_MAX, "%s %llu.%llu %%, limit %llu.%llu %%",
			 health_cause_name(v->cause), n / 10000, n / 1000 % 10, limit / 10000,
			 limit / 1000 % 10);
		break;
	case HEALTH_DELAY:
		snprintf(out, VERDICT_WHY_MAX, "delay %llu ms above its usual, limit %llu ms",
			 n / NS_PER_MS, limit / NS_PER_MS);
		break;
	case HEALTH_THIN:
		snprintf(out, VERDICT_WHY_MAX,
			 "throughput %llu.%llu Mbit/s, limit %llu.%llu Mbit/s", n / 1000000,
			 n / 100000 % 10, limit / 1000000, limit / 100000 % 10);
		break;
	}
	return out;
}
