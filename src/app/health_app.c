/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "app/health_app.h"

#include "util/log.h"
#include "util/xalloc.h"

#define SAVE_NS         (60 * NS_PER_S)
#define PPM_PER_PERCENT (PPM / 100)

void health_app_limits(const struct config *cfg, struct health_limits *out)
{
	const struct config_health *h = &cfg->health;

	*out = health_limits_default;
	out->lost_ppm[0] = h->loss_yellow_percent * PPM_PER_PERCENT;
	out->lost_ppm[1] = h->loss_red_percent * PPM_PER_PERCENT;
	out->excess_ns[0] = h->delay_yellow_ms * NS_PER_MS;
	out->excess_ns[1] = h->delay_red_ms * NS_PER_MS;
	out->capacity_bps[0] = h->throughput_yellow_bps;
	out->capacity_bps[1] = h->throughput_red_bps;
	out->heal_ns = h->heal_s * NS_PER_S;
}

void health_app_open(struct health_app *a, const struct config *cfg, const struct rng *rng,
		     const struct now *now)
{
	char *path = xasprintf("%s/" HISTORY_FILE, cfg->daemon.state_dir);
	char why[HISTORY_WHY_MAX];
	size_t refused;

	*a = (struct health_app){.save_ns = now->mono_ns + SAVE_NS};
	health_app_limits(cfg, &a->limits);
	a->book = book_create(BOOK_NODES, BOOK_LINKS, rng);
	a->history = history_open(path, why);
	if (why[0] != '\0')
		log_warn("%s", why);
	if (a->history != NULL) {
		refused = history_load(a->history, a->book, &a->guards, now);
		if (refused > 0)
			log_warn("%s: %zu rows make no sense and are left out", path, refused);
		guard_expire(&a->guards, now);
	}
	free(path);
}

static void save(struct health_app *a, const struct now *now)
{
	char why[HISTORY_WHY_MAX];

	if (history_error(a->history, why))
		log_warn("%s", why);
	guard_expire(&a->guards, now);
	(void)history_save(a->history, a->book, &a->guards, now); /* busy: the next minute */
}

void health_app_close(struct health_app *a, const struct now *now)
{
	if (a->history != NULL)
		save(a, now);
	history_close(a->history);
	book_free(a->book);
	*a = (struct health_app){0};
}

void health_app_tick(struct health_app *a, const struct now *now)
{
	if (a->save_ns > now->mono_ns)
		return;
	a->save_ns = now->mono_ns + SAVE_NS;
	if (a->history != NULL)
		save(a, now);
}

uint64_t health_app_deadline(const struct health_app *a)
{
	return a->history != NULL ? a->save_ns : NEVER;
}
