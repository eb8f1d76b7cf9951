/* SPDX-License-Identifier: GPL-3.0-or-later */
/* What a client learns of nodes: kept on disk between runs, saved now and then; and the limits of
 * its verdicts. */
#ifndef APP_HEALTH_APP_H
#define APP_HEALTH_APP_H

#include "config/config.h"
#include "history/history.h"

struct health_app {
	struct book *book;
	struct guard_set guards;
	struct health_limits limits;
	struct history *history; /* NULL: nothing is kept */
	uint64_t save_ns;
};

/* health_app_open: with what state_dir holds; what is wrong there is logged and left out. */
void health_app_open(struct health_app *a, const struct config *cfg, const struct rng *rng,
		     const struct now *now);
/* Saves what is new, and closes. */
void health_app_close(struct health_app *a, const struct now *now);

void health_app_limits(const struct config *cfg, struct health_limits *out);

/* Saving, every minute. */
void health_app_tick(struct health_app *a, const struct now *now);
uint64_t health_app_deadline(const struct health_app *a);

#endif
